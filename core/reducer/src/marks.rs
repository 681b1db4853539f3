//! Read marks: one "read up to" a conversation, told only where both sides switched them on.

use crate::contact;
use crate::state::{Conversation, Standing, State, Why};
use crate::step::Step;
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::event::TimerId;
use thicket_types::ids::{Fingerprint, MessageId};
use thicket_types::intent::Answer;
use thicket_types::limits::RECEIPTS_AFTER;
use thicket_types::vault_op::VaultOp;

/// Switches them on or off. Off: nothing more is told, and what was told is shown no more.
pub(crate) fn set(state: &mut State, step: &mut Step, on: bool) -> Answer {
    if state.settings.read_marks != on {
        state.settings.read_marks = on;
        if !on {
            state.contacts.values_mut().for_each(|known| known.mark = None);
        }
        step.vault(state, Why::File, VaultOp::ShowRead { on });
    }
    Answer::Accepted
}

/// Notes it here at once. The contact is told a little later, with what else is due, so that one mark stands for many.
pub(crate) fn mark_read(state: &mut State, step: &mut Step, contact: Fingerprint, message: MessageId) -> Answer {
    let tells = state.settings.read_marks;
    let Some(known) = state.contacts.get_mut(&contact) else {
        return Answer::Refused(Code::UnknownContact);
    };
    if tells && known.standing == Standing::Accepted && known.conversation == Conversation::Open {
        known.mark = Some(message);
        if !state.timers.contains_key(&TimerId::Receipts(contact)) {
            step.arm(state, TimerId::Receipts(contact), RECEIPTS_AFTER);
        }
    }
    step.vault(state, Why::File, VaultOp::MarkRead { contact, message, tell: None, at: step.now() });
    step.notify(Change::Contact(contact));
    Answer::Accepted
}

/// The mark that a contact is to be told, if there is one: it goes with what else is due.
pub(crate) fn tell(state: &mut State, step: &mut Step, contact: Fingerprint) {
    let Some(known) = state.contacts.get_mut(&contact) else {
        return;
    };
    let (Some(mailbox), Some(message)) = (known.mailbox, known.mark.take()) else {
        return;
    };
    step.vault(state, Why::ReadMark(contact), VaultOp::MarkRead { contact, message, tell: Some(mailbox), at: step.now() });
}

/// A contact told what they read.
pub(crate) fn told(state: &mut State, step: &mut Step, contact: Fingerprint, moved: bool) {
    if state.settings.read_marks {
        step.notify(Change::Read { contact });
    }
    if moved {
        contact::moved(state, step, contact);
    }
}
