//! A conversation, read: shown, and marked as read where that is possible.

use super::rows::{Lines, each_page, object, waiting};
use crate::output::{Trouble, again, put_json, remark};
use crate::progress::Progress;
use crate::{Global, home, warn, who};
use thicket_client::{Client, Direction, MessageRow, Profile};
use thicket_types::effect::MessageState;
use thicket_types::ids::{Fingerprint, MessageId};
use thicket_types::intent::Intent;

pub fn run(global: &Global, with: &str) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let profile = at.unlock_if_free(global)?;
    let (view, reader) = match &profile {
        Some(profile) => {
            let _opening = Progress::start(global, "opening the profile");
            profile.look()?
        }
        None => at.look(global)?,
    };
    let known = who::find(&view, with)?;
    let (contact, name) = (known.fingerprint, known.name.text());
    let who = who::shown(&view, contact);
    let lines = Lines::of([who.as_str()].into_iter());
    let shown = |rows: &[MessageRow]| {
        rows.iter().try_for_each(|row| match global.json {
            true => put_json(&object(row, name)),
            false => put!("{}", lines.line(row, if row.direction == Direction::Sent { "me" } else { &who })),
        })
    };
    let (mut last, mut none) = (None, true);
    let page = |after, count| {
        let _reading = Progress::start(global, "reading the vault");
        reader.messages(Some(contact), after, count)
    };
    each_page(0, page, |rows| {
        last = newest(rows).or(last);
        none = false;
        shown(rows)
    })?;
    let waiting = waiting(&view, &reader, Some(contact))?;
    shown(&waiting)?;
    if none && waiting.is_empty() {
        let typed = who::typed(&view, contact);
        remark(global.json, &format!("there are no messages with {who} yet. To write one: {} send {typed} TEXT", again()));
    }
    warn::of_identity(global, &view, Some(contact));
    let unread = reader.unread()?.get(&contact).is_some_and(|count| *count > 0);
    match (profile, last) {
        (Some(profile), Some(message)) if unread => mark(global, profile, contact, message),
        (None, Some(_)) if unread => {
            global.tell(|| "this profile can only be looked at now: nothing is marked as read".to_owned());
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The newest message received that could be read: its sender knows the id.
pub fn newest(rows: &[MessageRow]) -> Option<MessageId> {
    let read = rows.iter().rev().find(|row| row.direction == Direction::Received && row.state != MessageState::Unreadable);
    read.map(|row| row.message)
}

/// Notes how far the person has read. No relay is asked: a contact who is to be told is told at the next command that does.
fn mark(global: &Global, profile: Profile, contact: Fingerprint, message: MessageId) -> Result<(), Trouble> {
    let client = Client::open_offline(profile)?;
    home::ask(&client, Intent::MarkRead { contact, message })?;
    client.close()?;
    global.tell(|| "marked as read".to_owned());
    Ok(())
}
