//! Conversations as a list, and messages found by their words.

use super::rows::{Lines, object, waiting};
use crate::output::{Trouble, put_json, remark, time, with_home};
use crate::progress::Progress;
use crate::terminal::width;
use crate::text::{columns, fit, harmless};
use crate::who::{is_blocked, name_of, shown};
use crate::{Global, home, warn};
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use thicket_client::{Direction, MessageRow};
use thicket_types::ids::Fingerprint;
use thicket_types::limits::SEARCH_FOUND_MAX;

/// Columns that the last message gets at least.
const TEXT_COLUMNS_MIN: usize = 16;
/// Columns that a name gets at most, and at most on the narrowest terminal.
const NAME_COLUMNS: (usize, usize) = (31, 8);
/// What stands beside the name, with as much of the message as there must be.
const BESIDE_NAME: usize = "0000-00-00 00:00    99 new  me: ".len() + TEXT_COLUMNS_MIN;

pub fn list(global: &Global) -> Result<(), Trouble> {
    let (view, reader) = home::look(global)?;
    let reading = Progress::start(global, "reading the vault");
    let (latest, mut unread) = (last(reader.latest()?, waiting(&view, &reader, None)?), reader.unread()?);
    // Of whoever is blocked nothing is new.
    unread.retain(|contact, _| !is_blocked(&view, *contact));
    drop(reading);
    let name_max = width().saturating_sub(BESIDE_NAME).clamp(NAME_COLUMNS.1, NAME_COLUMNS.0);
    let all: Vec<(String, u64, MessageRow)> = latest
        .into_iter()
        .map(|row| (fit(&shown(&view, row.contact), name_max), unread.get(&row.contact).copied().unwrap_or_default(), row))
        .collect();
    let name_len = all.iter().map(|(name, ..)| columns(name)).max().unwrap_or_default();
    let new_len = all.iter().map(|(_, count, _)| new(*count).len()).max().unwrap_or_default();
    let paint = global.color.paint(std::io::stdout().is_terminal());
    for (name, count, row) in &all {
        let sent = row.direction == Direction::Sent;
        if global.json {
            put_json(
                &json!({ "with": name_of(&view, row.contact), "fingerprint": row.contact.hex(), "unread": count, "last": row.text, "sent": sent, "stamp_ms": row.stamp.0 }),
            )?;
            continue;
        }
        let text = row.text.as_deref().unwrap_or("[unreadable]");
        let new = if new_len == 0 { String::new() } else { format!("  {}", paint.bold(&format!("{:>new_len$}", new(*count)))) };
        let (time, me) = (time(row.stamp.0), if sent { "me: " } else { "" });
        let before = time.len() + 2 + name_len + if new_len == 0 { 0 } else { 2 + new_len } + 2 + me.len();
        let left = width().saturating_sub(before).max(TEXT_COLUMNS_MIN);
        let text = fit(&harmless(text.lines().next().unwrap_or_default(), ""), left);
        put!("{time}  {name:<name_len$}{new}  {me}{text}")?;
    }
    if all.is_empty() {
        remark(global.json, &with_home("there are no messages yet. To write one: thicket send NAME TEXT"));
    }
    warn::of_identity(global, &view, None);
    Ok(())
}

/// The last message with each contact, the newest first. One that waits for its encryption counts from when it was written.
fn last(latest: Vec<MessageRow>, waiting: Vec<MessageRow>) -> Vec<MessageRow> {
    let mut last: BTreeMap<Fingerprint, MessageRow> = BTreeMap::new();
    for row in latest.into_iter().chain(waiting) {
        if last.get(&row.contact).is_none_or(|other| other.stamp <= row.stamp) {
            last.insert(row.contact, row);
        }
    }
    let mut last: Vec<MessageRow> = last.into_values().collect();
    last.sort_by_key(|row| Reverse((row.stamp, row.number)));
    last
}

fn new(count: u64) -> String {
    if count == 0 { String::new() } else { format!("{count} new") }
}

pub fn search(global: &Global, words: &str) -> Result<(), Trouble> {
    let (view, reader) = home::look(global)?;
    let searching = Progress::start(global, "searching");
    let found = reader.search(words, SEARCH_FOUND_MAX)?;
    drop(searching);
    let who = |row: &MessageRow| match row.direction {
        Direction::Sent => format!("me to {}", shown(&view, row.contact)),
        Direction::Received => shown(&view, row.contact),
    };
    let names: Vec<String> = found.iter().map(who).collect();
    let lines = Lines::of(names.iter().map(String::as_str));
    for (row, who) in found.iter().zip(&names) {
        if global.json {
            put_json(&object(row, &name_of(&view, row.contact)))?;
        } else {
            put!("{}", lines.line(row, who))?;
        }
    }
    if found.is_empty() {
        remark(global.json, "no message holds all these words, or words that begin so. Search for fewer, or for how they begin.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use thicket_types::effect::MessageState;
    use thicket_types::ids::MessageId;
    use thicket_types::time::{ClaimedTime, Stamp};

    fn row(contact: u8, number: u64, stamp: u64) -> MessageRow {
        MessageRow {
            number,
            contact: Fingerprint([contact; 20]),
            direction: Direction::Sent,
            message: MessageId([contact; 16]),
            state: MessageState::Queued,
            text: None,
            stamp: Stamp(stamp),
            claimed: ClaimedTime(stamp),
            cause: None,
        }
    }

    #[test]
    fn a_conversation_of_waiting_messages_alone_is_listed_too() {
        let shown = |latest, waiting| last(latest, waiting).iter().map(|row| (row.contact.0[0], row.stamp.0)).collect::<Vec<_>>();
        assert_eq!(shown(vec![row(1, 9, 50)], vec![row(2, u64::MAX, 60), row(2, u64::MAX, 70)]), [(2, 70), (1, 50)]);
        assert_eq!(shown(vec![row(1, 9, 50), row(2, 8, 40)], vec![row(1, u64::MAX, 30)]), [(1, 50), (2, 40)], "what came since is newer");
        assert_eq!(shown(vec![row(1, 9, 50), row(2, 8, 40)], vec![row(2, u64::MAX, 60)]), [(2, 60), (1, 50)]);
    }
}
