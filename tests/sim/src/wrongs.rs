//! What is wrong with a world, now that faults are over: lost, doubled, unsettled, at odds.

use crate::said::{Cancel, Owed, Said};
use crate::vault::{Data, Sending, fingerprint};
use crate::world::{Person, World};
use thicket_types::effect::MessageState;

impl World {
    /// All that is wrong: nothing, if all is well.
    pub fn wrongs(&self) -> Vec<String> {
        let vaults: Vec<Data> = self.people.iter().map(|person| person.vault.data()).collect();
        let mut wrongs = Vec::new();
        for (who, person) in self.people.iter().enumerate() {
            for said in &person.said {
                let to = self.people.iter().position(|other| fingerprint(other.name) == said.to);
                let Some(to) = to else {
                    continue;
                };
                wrongs.extend(arrived(&vaults[to], self.people[to].name, said));
                wrongs.extend(state(&vaults[who], person.name, said));
            }
            wrongs.extend(self.unread(&vaults[who], person.name));
            wrongs.extend(unreadable(&vaults[who], person));
            wrongs.extend(restless(person));
        }
        for one in 0..vaults.len() {
            for other in 0..one {
                wrongs.extend(at_odds(&vaults[other], self.people[other].name, &vaults[one], self.people[one].name));
            }
        }
        wrongs
    }

    /// Read marks: all is read if everybody told so, nothing if nobody was to.
    fn unread(&self, vault: &Data, name: &str) -> Vec<String> {
        let mut wrongs = Vec::new();
        let mut read_later = false;
        for row in vault.rows.iter().rev().filter(|row| row.outgoing) {
            let read = row.state == MessageState::Read;
            if read && !self.read_marks {
                wrongs.push(format!("{name} is told of what was read: {row:?}"));
            }
            if self.all_read && read_later && row.state == MessageState::Delivered {
                wrongs.push(format!("{name} is told that what came after it was read, and not of it: {row:?}"));
            }
            read_later |= read;
        }
        let delivered = vault.rows.iter().filter(|row| row.outgoing && row.state == MessageState::Delivered).count();
        if self.all_read && !read_later && delivered > 0 {
            wrongs.push(format!("{name} is not told that anything was read"));
        }
        wrongs
    }
}

fn arrived(vault: &Data, name: &str, said: &Said) -> Option<String> {
    let copies = vault.rows.iter().filter(|row| !row.outgoing && row.text.as_ref() == Some(&said.text)).count();
    let right = match said.owed() {
        Owed::Once => copies == 1,
        Owed::AtMostOnce => copies <= 1,
        Owed::Never => copies == 0,
    };
    (!right).then(|| format!("{name} has {copies} of «{}», owed {:?}", said.text, said.owed()))
}

/// What the sender is told must be what became of it.
fn state(vault: &Data, name: &str, said: &Said) -> Option<String> {
    let state = vault.rows.iter().find(|row| row.outgoing && row.message == said.message()).map(|row| row.state);
    let right = match (said.owed(), state) {
        (_, Some(MessageState::Stored)) if said.untold => true,
        (Owed::Once, Some(MessageState::Delivered | MessageState::Read)) => true,
        (Owed::Once, _) => false,
        (Owed::Never, None | Some(MessageState::Failed)) => true,
        (Owed::Never, Some(_)) => false,
        // Under way is nothing any more.
        (Owed::AtMostOnce, Some(MessageState::Queued | MessageState::Sent | MessageState::Stored)) => false,
        (Owed::AtMostOnce, _) => true,
    };
    let cancel = if said.cancel == Cancel::No { String::new() } else { format!(", {:?}", said.cancel) };
    (!right).then(|| format!("{name} holds «{}» for {state:?}{cancel}", said.text))
}

/// What only a lost copy could read stays unreadable to a restored one.
fn unreadable(vault: &Data, person: &Person) -> Vec<String> {
    if person.restored > 0 {
        return Vec::new();
    }
    let rows = vault.rows.iter().filter(|row| row.state == MessageState::Unreadable);
    rows.map(|row| format!("{} has an unreadable message: {row:?}", person.name)).collect()
}

fn restless(person: &Person) -> Option<String> {
    let Some(pump) = &person.pump else {
        return Some(format!("{}'s process is dead", person.name));
    };
    let view = pump.view();
    let early = view.early > 0 && person.restored == 0;
    let restless = !view.unsettled.is_empty() || early || view.unacknowledged > 0 || !view.online || view.copied;
    restless.then(|| format!("{} is not at rest: {view:?}", person.name))
}

/// Both must send in the same group, in the same epoch, with the same secret, or be one pending commit apart.
fn at_odds(one: &Data, name: &str, other: &Data, other_name: &str) -> Option<String> {
    let (ours, theirs) = (one.sending_to(fingerprint(other_name)), other.sending_to(fingerprint(name)));
    let agree = match (ours, theirs) {
        (None, None) => true,
        // One that nothing was sent in yet.
        (Some(alone), None) | (None, Some(alone)) => alone.unheard,
        (Some(ours), Some(theirs)) => same(ours, theirs) || unsaid(ours, other) || unsaid(theirs, one),
    };
    (!agree).then(|| format!("{name} sends in {ours:?} and {other_name} in {theirs:?}"))
}

fn same(one: Sending, other: Sending) -> bool {
    let ahead = |behind: Sending, ahead: Sending| behind.epoch + 1 == ahead.epoch && behind.pending == Some(ahead.secret);
    let equal = (one.epoch, one.secret) == (other.epoch, other.secret);
    one.group == other.group && (equal || ahead(one, other) || ahead(other, one))
}

/// A group that was begun, and whose Welcome never had a message to travel with.
fn unsaid(sending: Sending, other: &Data) -> bool {
    sending.unheard && !other.has_group(sending.group)
}
