//! Messages: their rows, and what is told of them.

use super::Data;
use super::groups::Content;
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::{BodyRef, Fingerprint, MailboxId, MessageId};
use thicket_types::limits::RECEIPTS_MAX;
use thicket_types::time::Stamp;

/// A message's row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// With whom.
    pub contact: Fingerprint,
    /// Whether it is ours.
    pub outgoing: bool,
    /// Its name.
    pub message: MessageId,
    /// Its text; `None` if it is unreadable.
    pub text: Option<String>,
    /// What became of it.
    pub state: MessageState,
    /// The sender's clock.
    pub claimed: u64,
    /// Why it is unreadable.
    pub cause: Option<Code>,
    /// Whether a read mark covered it since it was last sealed.
    pub marked: bool,
}

impl Row {
    pub(super) fn received(contact: Fingerprint, message: MessageId, text: String, claimed: u64) -> Row {
        Row { contact, outgoing: false, message, text: Some(text), state: MessageState::Delivered, claimed, cause: None, marked: false }
    }

    pub(super) fn unreadable(contact: Fingerprint, cause: Code) -> Row {
        let message = MessageId([0; 16]);
        Row {
            contact,
            outgoing: false,
            message,
            text: None,
            state: MessageState::Unreadable,
            claimed: 0,
            cause: Some(cause),
            marked: false,
        }
    }
}

impl Data {
    fn ours(&mut self, contact: Fingerprint, message: MessageId) -> Option<&mut Row> {
        self.rows.iter_mut().find(|row| row.outgoing && row.contact == contact && row.message == message)
    }

    pub(super) fn seal_message(
        &mut self,
        contact: Fingerprint,
        mailbox: MailboxId,
        message: MessageId,
        body: BodyRef,
        at: Stamp,
    ) -> Result<Outcome, Code> {
        let text = self.bodies.get(&body).cloned().ok_or(Code::UnknownBody)?;
        if self.ours(contact, message).is_some() {
            return Err(Code::Repeated);
        }
        let framed = self.seal(contact, mailbox, at, Content::Text(message, text.clone()))?;
        let state = MessageState::Queued;
        self.rows.push(Row { contact, outgoing: true, message, text: Some(text), state, claimed: at.0, cause: None, marked: false });
        Ok(framed)
    }

    /// Seals a row's text once more, under its name: whoever has it already drops the second.
    pub(super) fn seal_again(&mut self, contact: Fingerprint, mailbox: MailboxId, message: MessageId) -> Result<Outcome, Code> {
        let row = self.ours(contact, message).ok_or(Code::UnknownMessage)?;
        let text = row.text.clone().ok_or(Code::UnknownMessage)?;
        if matches!(row.state, MessageState::Delivered | MessageState::Read) {
            return Err(Code::Repeated);
        }
        if row.state == MessageState::Failed {
            row.state = MessageState::Queued;
        }
        row.marked = false;
        let at = Stamp(row.claimed);
        self.seal(contact, mailbox, at, Content::Text(message, text))
    }

    pub(super) fn seal_receipt(
        &mut self,
        contact: Fingerprint,
        mailbox: MailboxId,
        messages: &[MessageId],
        at: Stamp,
    ) -> Result<Outcome, Code> {
        self.seal(contact, mailbox, at, Content::Receipt(messages.iter().copied().take(RECEIPTS_MAX).collect()))
    }

    /// Keeps how far the person has read, and tells the contact if there is a conversation to tell it in.
    pub(super) fn mark_read(
        &mut self,
        contact: Fingerprint,
        message: MessageId,
        tell: Option<MailboxId>,
        at: Stamp,
    ) -> Result<Outcome, Code> {
        if !self.rows.iter().any(|row| !row.outgoing && row.contact == contact && row.message == message) {
            return Err(Code::UnknownMessage);
        }
        self.marks.insert(contact, message);
        match tell {
            Some(mailbox) if self.sending_to(contact).is_some() => self.seal(contact, mailbox, at, Content::ReadMark(message)),
            Some(_) | None => Ok(Outcome::Done),
        }
    }

    /// Shows what contacts have read from now on, or shows it no more.
    pub(super) fn show_read(&mut self, on: bool) -> Outcome {
        self.show_read = on;
        for row in self.rows.iter_mut().filter(|row| !on && row.marked) {
            row.marked = false;
            if row.state == MessageState::Read {
                row.state = MessageState::Delivered;
            }
        }
        Outcome::Done
    }

    /// Keeps a state; never backwards, and Failed is no step forward from what the relay has stored.
    pub(super) fn file(
        &mut self,
        message: MessageId,
        contact: Fingerprint,
        body: Option<BodyRef>,
        at: Stamp,
        state: MessageState,
    ) -> Outcome {
        let text = body.and_then(|body| self.bodies.get(&body)).cloned();
        let before = if state == MessageState::Failed { MessageState::Stored } else { state };
        match self.ours(contact, message) {
            Some(row) if row.state < before => row.state = state,
            Some(_) => {}
            None => self.rows.push(Row { contact, outgoing: true, message, text, state, claimed: at.0, cause: None, marked: false }),
        }
        Outcome::Done
    }

    pub(super) fn forget(&mut self, contact: Fingerprint) -> Outcome {
        self.rows.retain(|row| row.contact != contact);
        self.contacts.entry(contact).or_default().told = false;
        Outcome::Done
    }

    pub(super) fn forget_message(&mut self, contact: Fingerprint, message: MessageId, sent: bool) -> Outcome {
        self.rows.retain(|row| row.contact != contact || row.message != message || row.outgoing != sent);
        Outcome::Done
    }
}
