//! Envelopes that came: whom they are from, what was in them, and what could not be read.

use super::Data;
use super::groups::{Content, Encrypted, Envelope, Group, Inside, Message, Offered, Welcome};
use super::rows::Row;
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::event::Opened;
use thicket_types::ids::{ConversationId, Fingerprint, MessageId};
use thicket_types::name::Name;
use thicket_types::time::{ClaimedTime, Stamp};

impl Group {
    /// Takes a generation of an epoch that is held. Returns whether the epoch moved: who writes in the one that our pending
    /// commit opens has followed it.
    fn take(&mut self, epoch: u64, secret: u64, generation: u64, at: Stamp) -> Result<bool, Code> {
        let moved = self.follow_us(epoch, secret, at);
        let held = match epoch {
            later if later > self.epoch => return Err(Code::NoConversation),
            now if now == self.epoch => &mut self.current,
            past => self.past.get_mut(&past).map(|(held, _)| held).ok_or(Code::TooOld)?,
        };
        if held.secret != secret {
            return Err(Code::Undecryptable);
        }
        if held.read.insert(generation) { Ok(moved) } else { Err(Code::Repeated) }
    }

    /// Merges our pending commit, if a message is encrypted in the epoch that it opens.
    fn follow_us(&mut self, epoch: u64, secret: u64, at: Stamp) -> bool {
        let followed = epoch == self.epoch + 1 && self.pending == Some(secret);
        if followed {
            self.advance(secret, at);
        }
        followed
    }
}

impl Data {
    pub(super) fn open(&mut self, sealed: &[u8], at: Stamp, last: bool) -> Result<Opened, Code> {
        let envelope = Envelope::unsealed(self, sealed)?;
        let contact = envelope.sender();
        let name = Name::parse(&envelope.from).map_err(|_| Code::MalformedEnvelope)?;
        let before = self.clone();
        match self.read(envelope, contact, &name, at) {
            Ok(opened) => Ok(opened),
            Err(cause) => {
                *self = before;
                if cause == Code::NoConversation && !last {
                    return Ok(Opened::Early { contact, name, len: u32::try_from(sealed.len()).unwrap_or(u32::MAX) });
                }
                if cause != Code::Repeated && self.contacts.contains_key(&contact) {
                    self.rows.push(Row::unreadable(contact, cause));
                }
                Ok(Opened::Unreadable { contact, name, cause })
            }
        }
    }

    fn read(&mut self, envelope: Envelope, contact: Fingerprint, name: &Name, at: Stamp) -> Result<Opened, Code> {
        match envelope.inside {
            Inside::Opening(welcome, message) => {
                self.join(contact, name, &welcome, at)?;
                self.read_message(contact, name.clone(), message, true, at)
            }
            Inside::Message(message) => self.read_message(contact, name.clone(), message, false, at),
            Inside::Offer { package, anew, claimed } => self.read_offer(contact, name.clone(), package, anew, claimed),
        }
    }

    /// Joins a group, once.
    fn join(&mut self, contact: Fingerprint, name: &Name, welcome: &Welcome, at: Stamp) -> Result<(), Code> {
        let Welcome { group, package, secret, begun } = *welcome;
        if !self.welcomes.insert(group) {
            return Ok(());
        }
        let last_resort = *self.packages.get(&package).ok_or(Code::NoMatchingKeyPackage)?;
        if !last_resort {
            self.packages.remove(&package);
        }
        self.keep_group(group, (contact, contact, begun), None, secret, at);
        if self.shared.contains(&package)
            && let Some(kept) = self.groups.get_mut(&group)
        {
            // The other copy may be in it.
            kept.dead = true;
        }
        self.contacts.entry(contact).or_default().name = name.text().to_owned();
        Ok(())
    }

    fn read_offer(&mut self, contact: Fingerprint, name: Name, package: u64, anew: bool, claimed: u64) -> Result<Opened, Code> {
        let last = self.offers.get(&contact);
        if last.is_some_and(|last| claimed <= last.claimed) {
            return Err(Code::Repeated);
        }
        // One that is not answered yet may have said it too.
        let anew_at_all = anew || last.is_some_and(|last| last.package.is_some() && last.anew);
        self.offers.insert(contact, Offered { claimed, package: Some(package), anew: anew_at_all });
        self.contacts.entry(contact).or_default().name = name.text().to_owned();
        if anew {
            self.end_groups_before(contact, claimed);
        }
        Ok(Opened::Offer { contact, name, anew })
    }

    fn read_message(&mut self, contact: Fingerprint, name: Name, message: Message, begins: bool, at: Stamp) -> Result<Opened, Code> {
        let Message { group: id, epoch, secret, what } = message;
        let own = self.own();
        let group = self.groups.get_mut(&id).ok_or(Code::NoConversation)?;
        if group.contact != contact {
            return Err(Code::ForgedSender);
        }
        match what {
            Encrypted::Commit(next) => {
                let (owed, moved) = commit(group, own, epoch, secret, next, at)?;
                // One that was followed, or passed by: this is a fake, and does not tell them apart.
                group.used = group.used.max(at);
                Ok(Opened::Committed { contact, owed, moved: moved || (begins && !group.dead) })
            }
            Encrypted::Application { generation, claimed, capability, content } => {
                let moved = group.take(epoch, secret, generation, at)?;
                group.welcome = None;
                group.used = group.used.max(at);
                let moved = moved || (begins && !group.dead);
                if let Some(capability) = capability {
                    self.contacts.entry(contact).or_default().shown = Some(capability);
                }
                self.read_content(contact, name, content, claimed, moved)
            }
        }
    }

    fn read_content(&mut self, contact: Fingerprint, name: Name, content: Content, claimed: u64, moved: bool) -> Result<Opened, Code> {
        match content {
            Content::Text(message, text) => {
                if self.rows.iter().any(|row| !row.outgoing && row.contact == contact && row.message == message) {
                    // It was sealed again, perhaps beside a Welcome or in a new epoch: that is kept, and nothing else is new.
                    return Ok(Opened::Known { contact, message, moved });
                }
                self.rows.push(Row::received(contact, message, text, claimed));
                let conversation = ConversationId([0; 32]);
                Ok(Opened::Message { contact, name, conversation, message, claimed: ClaimedTime(claimed), moved })
            }
            Content::Receipt(named) => {
                let mut delivered = Vec::new();
                for row in self.rows.iter_mut().filter(|row| row.outgoing && row.contact == contact && named.contains(&row.message)) {
                    // One that was taken for failed was not.
                    if row.state < MessageState::Delivered || row.state == MessageState::Failed {
                        row.state = if row.marked { MessageState::Read } else { MessageState::Delivered };
                        delivered.push(row.message);
                    }
                }
                Ok(Opened::Receipt { contact, delivered, moved })
            }
            Content::ReadMark(message) => {
                self.marked(contact, message);
                Ok(Opened::ReadMark { contact, moved })
            }
        }
    }

    /// The contact has read up to a message of ours: of those before it what they have, now or once a receipt says so.
    fn marked(&mut self, contact: Fingerprint, message: MessageId) {
        if !self.show_read {
            return;
        }
        let is_ours = |row: &Row| row.outgoing && row.contact == contact;
        let Some(last) = self.rows.iter().position(|row| is_ours(row) && row.message == message) else {
            return;
        };
        for row in self.rows.iter_mut().take(last + 1).filter(|row| is_ours(row)) {
            if row.state < MessageState::Read {
                row.marked = true;
                if row.state == MessageState::Delivered || row.message == message {
                    row.state = MessageState::Read;
                }
            }
        }
    }
}

/// Follows a commit of the contact, or does not. Returns whether they wait to hear of it, and whether the epoch moved.
fn commit(group: &mut Group, own: Fingerprint, epoch: u64, secret: u64, next: u64, at: Stamp) -> Result<(bool, bool), Code> {
    group.follow_us(epoch, secret, at);
    if epoch < group.epoch {
        return Ok((true, false));
    }
    if epoch > group.epoch {
        return Err(Code::NoConversation);
    }
    if group.current.secret != secret {
        return Err(Code::Undecryptable);
    }
    // If both commit in one epoch, leaf 0's stands.
    if group.creator == own && group.pending.is_some() {
        return Ok((false, false));
    }
    group.advance(next, at);
    group.welcome = None;
    Ok((true, true))
}
