//! A connected process for bots: changes out, intents in, a JSON line each.

use crate::output::Trouble;
use crate::{Global, home};
use serde_json::{Value, json};
use std::io::{BufRead as _, Write as _};
use std::sync::mpsc::{TryRecvError, channel};
use std::time::Duration;
use thicket_client::{Client, Direction};
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::intent::{Answer, Intent};

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
                say(&line)?;
            }
        }
        match lines.try_recv() {
            Ok(line) if line.trim().is_empty() => {}
            Ok(line) => say(&answered(&client, &line))?,
            Err(TryRecvError::Empty) => {}
            // The input ended: what was asked for and is under way goes on at the next open.
            Err(TryRecvError::Disconnected) => return Ok(client.close()?),
        }
    }
}

fn say(line: &Value) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|error| Trouble::Usage(format!("standard output: {error}")))
}

fn name_of(client: &Client, contact: Fingerprint) -> String {
    let found = client.view().contacts.into_iter().find(|known| known.fingerprint == contact);
    found.map_or_else(|| contact.hex(), |known| known.name.text().to_owned())
}

fn error(code: Code) -> Value {
    json!({ "code": code.number(), "name": code.name(), "message": code.what(), "hint": code.hint() })
}

fn told(client: &Client, change: &Change) -> Result<Option<Value>, Trouble> {
    Ok(Some(match change {
        Change::Answered { .. } => return Ok(None),
        Change::Registered => json!({ "change": "registered" }),
        Change::RegistrationRefused(code) => json!({ "change": "registration_refused", "error": error(*code) }),
        Change::Connected => json!({ "change": "connected" }),
        Change::Disconnected(code) => json!({ "change": "disconnected", "error": error(*code) }),
        Change::Contact(contact) => json!({ "change": "contact", "name": name_of(client, *contact), "fingerprint": contact.hex() }),
        Change::LookupFailed(code) => json!({ "change": "lookup_failed", "error": error(*code) }),
        Change::IdentityChanged(contact) => {
            json!({ "change": "identity_changed", "name": name_of(client, *contact), "fingerprint": contact.hex() })
        }
        Change::Received { contact, message } => {
            let text = client.message(*contact, Direction::Received, *message)?.and_then(|row| row.text);
            json!({ "change": "received", "from": name_of(client, *contact), "message": message.hex(), "text": text })
        }
        Change::Unreadable { contact, cause } => {
            json!({ "change": "unreadable", "from": name_of(client, *contact), "error": error(*cause) })
        }
        Change::Message { message, state } => json!({ "change": "message", "message": message.hex(), "state": state.word() }),
        Change::Dropped(code) => json!({ "change": "dropped", "error": error(*code) }),
    }))
}

/// Does what a line asks, and says what it came to. A line that can't be read harms nothing.
fn answered(client: &Client, line: &str) -> Value {
    let asked = serde_json::from_str::<Value>(line).map_err(|_| Trouble::Usage("not a JSON line".to_owned()));
    match asked.and_then(|asked| ask(client, &asked)) {
        Ok(answer) => json!({ "answer": answer }),
        Err(Trouble::Numbered(code, _)) => json!({ "answer": null, "error": error(code) }),
        Err(Trouble::Usage(words)) => {
            json!({ "answer": null, "error": { "code": 0, "name": "Usage", "message": words, "hint": "see thicket listen --help" } })
        }
    }
}

fn ask(client: &Client, asked: &Value) -> Result<Value, Trouble> {
    let intent = if let Some(send) = asked.get("send") {
        let (Some(to), Some(text)) = (send["to"].as_str(), send["text"].as_str()) else {
            return Err(Trouble::Usage("send needs \"to\" and \"text\"".to_owned()));
        };
        let message = client.send(home::contact(client, to)?, text)?;
        return Ok(json!({ "message": message.hex(), "state": "queued" }));
    } else if let Some(name) = asked.get("add").and_then(Value::as_str) {
        Intent::AddContact { name: home::name(name)? }
    } else if let Some(name) = asked.get("accept").and_then(Value::as_str) {
        Intent::AcceptContact { contact: home::contact(client, name)? }
    } else {
        return Err(Trouble::Usage("send, add or accept".to_owned()));
    };
    match client.submit(Client::intent_id(), intent)? {
        Answer::Accepted | Answer::Queued(_) => Ok(json!("accepted")),
        Answer::Refused(code) => Err(code.into()),
    }
}
