//! Sending, and waiting for what becomes of it.

use crate::output::{Trouble, again, on_errors, put_json, short};
use crate::watch::{Watch, is_lost};
use crate::{Global, home, warn, who};
use std::collections::BTreeMap;
use std::io::Read as _;
use thicket_client::{Client, Direction, View};
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, MessageId};
use thicket_types::limits::BODY_LEN_MAX;

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Goal {
    /// Durable on this device.
    Queued,
    /// Stored by the relay.
    Stored,
    /// In the store of a device of the recipient.
    Delivered,
}

impl Goal {
    fn state(self) -> MessageState {
        match self {
            Goal::Queued => MessageState::Queued,
            Goal::Stored => MessageState::Stored,
            Goal::Delivered => MessageState::Delivered,
        }
    }
}

pub fn run(global: &Global, to: &str, text: &str, goal: Goal) -> Result<(), Trouble> {
    let text = if text == "-" { from_stdin()? } else { text.to_owned() };
    let client = home::open(global)?;
    let contact = home::contact(&client, to)?;
    let message = client.send(contact, &text).inspect_err(|_| warn::of_identity(global, &client.view(), Some(contact)))?;
    follow(global, client, contact, message, goal)
}

fn from_stdin() -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    // So much that one byte too many is seen, behind the longest line break.
    let limit = u64::try_from(BODY_LEN_MAX).unwrap_or(u64::MAX).saturating_add(3);
    std::io::stdin().take(limit).read_to_end(&mut bytes).map_err(|error| Trouble::stream("standard input", &error))?;
    strip_break(&mut bytes);
    if bytes.len() > BODY_LEN_MAX {
        return Err(Code::MessageTooLong.into());
    }
    String::from_utf8(bytes).map_err(|_| Trouble::Usage("standard input is not UTF-8".to_owned()))
}

/// Takes off one line break at the end, which `echo` and an editor write: it is no part of what was said.
pub fn strip_break(bytes: &mut Vec<u8>) {
    if bytes.ends_with(b"\n") {
        bytes.pop();
        if bytes.ends_with(b"\r") {
            bytes.pop();
        }
    }
}

/// Waits until a message of ours came as far as wanted, or the time is up; says how far it came, and closes the profile.
///
/// **Errors:** the message's own cause if it failed; `ProfileCopied` if it waits for that. Not that it is only queued.
pub fn follow(global: &Global, client: Client, contact: Fingerprint, message: MessageId, goal: Goal) -> Result<(), Trouble> {
    let mut watch = Watch::new(global, &client, "waiting for the relay");
    watch.until(|view, changes| {
        let (state, _) = standing(&client, view, contact, message)?;
        Ok((state >= goal.state() || view.copied || is_held(view, contact) || is_lost(changes)).then_some(()))
    })?;
    let silence = watch.silence();
    drop(watch);
    let view = client.view();
    warn::of_clock(global, &view);
    warn::of_identity(global, &view, Some(contact));
    let (state, cause) = standing(&client, &view, contact, message)?;
    if global.json {
        put_json(&serde_json::json!({ "message": message.hex(), "state": state.word() }))?;
    } else {
        put!("{}", state.word())?;
    }
    // What was not waited for is no news.
    let missed = state < goal.state() && state < MessageState::Stored;
    if missed && !view.copied && !is_held(&view, contact) {
        if is_to_begin(&view, contact) {
            // However long one waited: it takes that person.
            let who = who::shown(&view, contact);
            let words = format!(
                "It waits until {who} has begun anew with this device, which needs nothing but that {who} is there. To look again: {} sync",
                again()
            );
            note!("{}", on_errors(&words));
        }
        // Whoever is logged in and waits for a person is told so above; of everything else, that the time was up.
        if !view.online || !is_to_begin(&view, contact) {
            note!("{}", on_errors(&silence.told()));
        }
    }
    client.close()?;
    match state {
        MessageState::Failed => Err(cause.unwrap_or(Code::Inconsistent).into()),
        state if state < MessageState::Stored && view.copied => Err(Code::ProfileCopied.into()),
        // It goes nowhere by itself: the person has to decide.
        state if state < MessageState::Stored && is_held(&view, contact) => Err(Trouble::Numbered(
            Code::ContactHeld,
            Some(format!("the message waits; to take it back: {} message cancel {}", again(), short(&message))),
        )
        .of(&who::typed(&view, contact))),
        _ => Ok(()),
    }
}

/// Whether nothing is sent to a contact until the person decides.
fn is_held(view: &View, contact: Fingerprint) -> bool {
    view.contacts.iter().any(|known| known.fingerprint == contact && known.held)
}

/// Whether a contact is to begin anew before anything can be sent.
fn is_to_begin(view: &View, contact: Fingerprint) -> bool {
    view.contacts.iter().any(|known| known.fingerprint == contact && known.anew)
}

/// How many messages wait for contacts who are to begin anew.
pub fn to_begin(view: &View) -> usize {
    view.unsettled.values().filter(|(contact, ..)| is_to_begin(view, *contact)).count()
}

/// How many messages wait for each contact who is held.
pub fn held(view: &View) -> BTreeMap<Fingerprint, usize> {
    let mut held = BTreeMap::new();
    for (contact, ..) in view.unsettled.values().filter(|(contact, ..)| is_held(view, *contact)) {
        *held.entry(*contact).or_default() += 1;
    }
    held
}

/// How far a message of ours came, and why not further: in the view until the relay has stored it, in its row from then on.
pub fn standing(client: &Client, view: &View, contact: Fingerprint, message: MessageId) -> Result<(MessageState, Option<Code>), Trouble> {
    if let Some((_, state, _, _)) = view.unsettled.get(&message) {
        return Ok((*state, None));
    }
    let row = client.message(contact, Direction::Sent, message)?;
    // Between the two it is stored, and the row is about to say so.
    Ok(row.map_or((MessageState::Sent, None), |row| (row.state.max(MessageState::Sent), row.cause)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_break_at_the_end_is_no_part_of_the_text() {
        for (read, said) in [("a\n", "a"), ("a\r\n", "a"), ("a\n\n", "a\n"), ("\n", ""), ("a", "a"), ("a\r", "a\r"), ("\na", "\na")] {
            let mut bytes = read.as_bytes().to_vec();
            strip_break(&mut bytes);
            assert_eq!(bytes, said.as_bytes(), "{read:?}");
        }
    }
}
