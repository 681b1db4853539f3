//! Messages: sent, read, and listed by conversation.

use crate::output::{Trouble, time};
use crate::text::harmless;
use crate::{Global, home};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::{Duration, Instant};
use thicket_client::{Client, Direction, MessageRow};
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, MessageId};
use thicket_types::limits::BODY_LEN_MAX;

/// What `send` waits for.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Goal {
    /// Durable on this device.
    Queued,
    /// Stored by the relay.
    Stored,
    /// In the store of a device of the recipient.
    Delivered,
}

pub fn send(global: &Global, to: &str, text: &str, goal: Goal) -> Result<(), Trouble> {
    let text = if text == "-" { from_stdin()? } else { text.to_owned() };
    let client = home::open(global)?;
    let contact = home::contact(&client, to)?;
    let message = client.send(contact, &text)?;
    let wanted = match goal {
        Goal::Queued => MessageState::Queued,
        Goal::Stored => MessageState::Stored,
        Goal::Delivered => MessageState::Delivered,
    };
    let deadline = Instant::now() + global.patience();
    let mut state = state(&client, contact, message)?;
    while state < wanted && Instant::now() < deadline {
        let _ = client.next_changes(64, Duration::from_millis(50));
        state = self::state(&client, contact, message)?;
    }
    if global.json {
        println!("{}", serde_json::json!({ "message": message.hex(), "state": state.word() }));
    } else {
        println!("{}", state.word());
    }
    if state == MessageState::Failed { Err(Code::UnknownMailbox.into()) } else { Ok(client.close()?) }
}

fn from_stdin() -> Result<String, Trouble> {
    let mut bytes = Vec::new();
    let limit = u64::try_from(BODY_LEN_MAX).unwrap_or(u64::MAX).saturating_add(1);
    std::io::stdin().take(limit).read_to_end(&mut bytes).map_err(|error| Trouble::Usage(format!("standard input: {error}")))?;
    if bytes.len() > BODY_LEN_MAX {
        return Err(Code::MessageTooLong.into());
    }
    String::from_utf8(bytes).map_err(|_| Trouble::Usage("standard input is not UTF-8".to_owned()))
}

/// The state of a message: in the view until the relay has stored it, in its row from then on.
fn state(client: &Client, contact: Fingerprint, message: MessageId) -> Result<MessageState, Trouble> {
    if let Some((_, state, _, _)) = client.view().unsettled.get(&message) {
        return Ok(*state);
    }
    let row = client.message(contact, Direction::Sent, message)?;
    // Between the two it is stored, and the row is about to say so.
    Ok(row.map_or(MessageState::Sent, |row| row.state.max(MessageState::Sent)))
}

pub fn read(global: &Global, with: &str) -> Result<(), Trouble> {
    let (view, reader) = home::unlock(global)?.look()?;
    let contact = view.contact(&home::name(with)?).ok_or(Code::UnknownContact)?.fingerprint;
    let rows = reader.messages(Some(contact), 0, u32::MAX)?;
    for row in &rows {
        line(global, with, row);
    }
    // What waits for its encryption has no row yet.
    let waits = |message: &MessageId| rows.iter().all(|row| row.message != *message);
    for (message, (_, state, _, stamp)) in view.unsettled.iter().filter(|(message, (to, ..))| *to == contact && waits(message)) {
        if global.json {
            println!(
                "{}",
                serde_json::json!({ "message": message.hex(), "from": "me", "text": null, "state": state.word(), "stamp_ms": stamp.0 })
            );
        } else {
            println!("{}  me: [waits to be encrypted]  ({})", time(stamp.0), state.word());
        }
    }
    Ok(())
}

fn line(global: &Global, with: &str, row: &MessageRow) {
    let from = match row.direction {
        Direction::Sent => "me",
        Direction::Received => with,
    };
    if global.json {
        let json = serde_json::json!({
            "message": row.message.hex(),
            "from": from,
            "text": row.text,
            "state": row.state.word(),
            "stamp_ms": row.stamp.0,
            "claimed_ms": row.claimed.0,
            "cause": row.cause.map(Code::number),
        });
        println!("{json}");
        return;
    }
    let text = match (&row.text, row.cause) {
        (Some(text), _) => harmless(text, "    "),
        (None, Some(cause)) => format!("[unreadable: {}; {}]", cause.what(), cause.hint()),
        (None, None) => "[unreadable]".to_owned(),
    };
    let state = if row.direction == Direction::Sent { format!("  ({})", row.state.word()) } else { String::new() };
    println!("{}  {from}: {text}{state}", time(row.stamp.0));
}

/// Messages that one search shows.
const FOUND_MAX: u32 = 100;

pub fn search(global: &Global, words: &str) -> Result<(), Trouble> {
    let (view, reader) = home::unlock(global)?.look()?;
    for row in reader.search(words, FOUND_MAX)? {
        let known = view.contacts.iter().find(|contact| contact.fingerprint == row.contact);
        let name = known.map_or_else(|| row.contact.hex(), |contact| contact.name.text().to_owned());
        line(global, &name, &row);
    }
    Ok(())
}

pub fn conversations(global: &Global) -> Result<(), Trouble> {
    let (view, reader) = home::unlock(global)?.look()?;
    let names: BTreeMap<Fingerprint, String> =
        view.contacts.into_iter().map(|contact| (contact.fingerprint, contact.name.text().to_owned())).collect();
    for row in reader.latest()? {
        let name = names.get(&row.contact).cloned().unwrap_or_else(|| row.contact.hex());
        if global.json {
            let json =
                serde_json::json!({ "with": name, "last": row.text, "sent": row.direction == Direction::Sent, "stamp_ms": row.stamp.0 });
            println!("{json}");
            continue;
        }
        let text = row.text.as_deref().unwrap_or("[unreadable]");
        let first: String = harmless(text.lines().next().unwrap_or_default(), "").chars().take(60).collect();
        println!("{}  {name:<20} {first}", time(row.stamp.0));
    }
    Ok(())
}
