//! A connected process for bots: changes out, intents in, a JSON line each.

use super::message;
use crate::output::{Trouble, error};
use crate::watch::name_of;
use crate::{Global, home};
use serde_json::{Value, json};
use std::io::BufRead as _;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::Duration;
use thicket_client::{Client, Direction};
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::intent::Intent;

/// How soon a line on standard input is seen.
const LOOK: Duration = Duration::from_millis(100);

pub fn run(global: &Global) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    loop {
        for change in client.next_changes(64, LOOK) {
            if let Some(line) = told(&client, &change)? {
                put!("{line}")?;
            }
        }
        match lines.try_recv() {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => put!("{}", answered(&client, &line))?,
            Err(TryRecvError::Empty) => {}
            // The input ended: what was asked for and is under way goes on at the next open.
            Err(TryRecvError::Disconnected) => return Ok(client.close()?),
        }
    }
}

/// The line of a change; none for what is no news to a program.
pub fn told(client: &Client, change: &Change) -> Result<Option<Value>, Trouble> {
    let name_of = |contact: Fingerprint| name_of(&client.view(), contact);
    Ok(Some(match change {
        Change::Answered { .. } => return Ok(None),
        Change::Registered => json!({ "change": "registered" }),
        Change::RegistrationRefused(code) => json!({ "change": "registration_refused", "error": error(*code) }),
        Change::Connected => json!({ "change": "connected" }),
        Change::Disconnected(code) => json!({ "change": "disconnected", "error": error(*code) }),
        Change::Contact(contact) => json!({ "change": "contact", "name": name_of(*contact), "fingerprint": contact.hex() }),
        Change::LookupFailed(code) => json!({ "change": "lookup_failed", "error": error(*code) }),
        Change::IdentityChanged(contact) => {
            json!({ "change": "identity_changed", "name": name_of(*contact), "fingerprint": contact.hex() })
        }
        Change::Received { contact, message } => {
            let text = client.message(*contact, Direction::Received, *message)?.and_then(|row| row.text);
            json!({ "change": "received", "from": name_of(*contact), "message": message.hex(), "text": text })
        }
        Change::Unreadable { contact, cause } => {
            json!({ "change": "unreadable", "from": name_of(*contact), "error": error(*cause) })
        }
        Change::Message { message, state } => json!({ "change": "message", "message": message.hex(), "state": state.word() }),
        Change::Dropped(code) => json!({ "change": "dropped", "error": error(*code) }),
        Change::Read { contact } => json!({ "change": "read", "by": name_of(*contact) }),
        Change::KeysUpdated(contact) => json!({ "change": "keys_updated", "name": name_of(*contact), "fingerprint": contact.hex() }),
        Change::Forgotten { contact, message } => {
            json!({ "change": "forgotten", "with": name_of(*contact), "message": message.hex() })
        }
    }))
}

/// Does what a line asks, and says what it came to. A line that can't be read harms nothing.
fn answered(client: &Client, line: &str) -> Value {
    let asked = serde_json::from_str::<Value>(line).map_err(|_| Trouble::Usage("not a JSON line".to_owned()));
    match asked.and_then(|asked| ask(client, &asked)) {
        Ok(answer) => json!({ "answer": answer }),
        Err(trouble) => json!({ "answer": null, "error": trouble.object() }),
    }
}

fn ask(client: &Client, asked: &Value) -> Result<Value, Trouble> {
    let accepted = json!("accepted");
    let text = |key: &str| asked.get(key).and_then(Value::as_str);
    if let Some(send) = asked.get("send") {
        let (Some(to), Some(text)) = (send["to"].as_str(), send["text"].as_str()) else {
            return Err(Trouble::Usage("send needs \"to\" and \"text\"".to_owned()));
        };
        let message = client.send(home::contact(client, to)?, text)?;
        return Ok(json!({ "message": message.hex(), "state": "queued" }));
    }
    if let Some(read) = asked.get("read") {
        let (Some(from), Some(id)) = (read["from"].as_str(), read["message"].as_str()) else {
            return Err(Trouble::Usage("read needs \"from\" and \"message\"".to_owned()));
        };
        let contact = home::contact(client, from)?;
        let found = message::named(client, id, Some(from))?.0;
        if found.rows.iter().all(|row| row.direction == Direction::Sent) {
            return Err(Code::UnknownMessage.into());
        }
        home::ask(client, Intent::MarkRead { contact, message: found.message })?;
    } else if let Some(id) = text("retry") {
        let (found, contact) = message::named(client, id, None)?;
        message::can_retry(&found)?;
        home::ask(client, Intent::RetryMessage { contact, message: found.message })?;
    } else if let Some(id) = text("cancel") {
        message::cancel(client, &message::named(client, id, None)?.0)?;
    } else if let Some(id) = text("forget") {
        let (found, contact) = message::named(client, id, None)?;
        message::forget(client, &found, contact)?;
    } else if let Some(name) = text("update") {
        home::ask(client, Intent::UpdateKeys { contact: home::contact(client, name)? })?;
    } else if let Some(name) = text("add") {
        home::ask(client, Intent::AddContact { name: home::name(name)? })?;
    } else if let Some(name) = text("accept") {
        home::ask(client, Intent::AcceptContact { contact: home::contact(client, name)? })?;
    } else {
        return Err(Trouble::Usage("send, add, accept, read, retry, cancel, forget or update".to_owned()));
    }
    Ok(accepted)
}
