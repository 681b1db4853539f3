//! Conversations as a list, and messages found by their words.

use super::rows::{Lines, object};
use crate::output::{Trouble, time};
use crate::text::{fit, harmless};
use crate::watch::name_of;
use crate::{Global, home};
use serde_json::json;
use std::io::IsTerminal as _;
use thicket_client::{Direction, MessageRow, Profile};

/// Columns that the last message gets.
const TEXT_COLUMNS: usize = 60;
/// Messages that one search shows.
const FOUND_MAX: u32 = 100;

pub fn list(global: &Global) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let (view, reader) = Profile::look_at(&at.folder, &at.passphrase)?;
    let (latest, unread) = (reader.latest()?, reader.unread()?);
    let all: Vec<(String, u64, MessageRow)> =
        latest.into_iter().map(|row| (name_of(&view, row.contact), unread.get(&row.contact).copied().unwrap_or_default(), row)).collect();
    let name_len = all.iter().map(|(name, ..)| name.len()).max().unwrap_or_default();
    let new_len = all.iter().map(|(_, count, _)| new(*count).len()).max().unwrap_or_default();
    let paint = global.color.paint(std::io::stdout().is_terminal());
    for (name, count, row) in &all {
        let sent = row.direction == Direction::Sent;
        if global.json {
            put!("{}", json!({ "with": name, "unread": count, "last": row.text, "sent": sent, "stamp_ms": row.stamp.0 }))?;
            continue;
        }
        let text = row.text.as_deref().unwrap_or("[unreadable]");
        let text = fit(&harmless(text.lines().next().unwrap_or_default(), ""), TEXT_COLUMNS);
        let new = if new_len == 0 { String::new() } else { format!("  {}", paint.bold(&format!("{:>new_len$}", new(*count)))) };
        put!("{}  {name:<name_len$}{new}  {}{text}", time(row.stamp.0), if sent { "me: " } else { "" })?;
    }
    Ok(())
}

fn new(count: u64) -> String {
    if count == 0 { String::new() } else { format!("{count} new") }
}

pub fn search(global: &Global, words: &str) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let (view, reader) = Profile::look_at(&at.folder, &at.passphrase)?;
    let found = reader.search(words, FOUND_MAX)?;
    let who = |row: &MessageRow| match row.direction {
        Direction::Sent => format!("me to {}", name_of(&view, row.contact)),
        Direction::Received => name_of(&view, row.contact),
    };
    let names: Vec<String> = found.iter().map(who).collect();
    let lines = Lines::of(names.iter().map(String::as_str));
    for (row, who) in found.iter().zip(&names) {
        if global.json {
            put!("{}", object(row, &name_of(&view, row.contact)))?;
        } else {
            put!("{}", lines.line(row, who))?;
        }
    }
    Ok(())
}
