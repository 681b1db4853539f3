//! A connected process for bots: changes out, intents in, a JSON line each.

use super::requests::answered;
use super::rows::PAGE;
use crate::ahead::{next_line, read_ahead};
use crate::output::{Trouble, error, put_json};
use crate::progress::Progress;
use crate::who::{is_blocked, known, name_of};
use crate::{Global, home, interrupt};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use thicket_client::{Client, Direction, MessageRow, Profile, Reader, View};
use thicket_types::effect::{Change, MessageState};
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, MessageId};
use thicket_types::limits::LISTEN_LINE_LEN_MAX;

/// How soon a change is told while no line comes.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Changes told between two lines.
const CHANGES: usize = 256;

pub fn run(global: &Global) -> Result<(), Trouble> {
    let profile = home::unlock(global)?;
    let before = Before::look(global, &profile)?;
    let client = home::start(global, profile)?;
    before.tell(&client)?;
    let lines = lines();
    loop {
        interrupt::check()?;
        for change in client.next_changes(CHANGES, Duration::ZERO) {
            if before.has(&change)? {
                continue;
            }
            if let Some(line) = told(&client, &change)? {
                put_json(&line)?;
            }
        }
        match lines.recv_timeout(LOOK_EVERY) {
            Ok(line) if line.trim_ascii().is_empty() => {}
            Ok(line) => put_json(&answered(&client, &line))?,
            Err(RecvTimeoutError::Timeout) => {}
            // The input ended: what was asked for and is under way goes on at the next open.
            Err(RecvTimeoutError::Disconnected) => return Ok(client.close()?),
        }
    }
}

/// What was there before the profile was started: of it, changes bring no news.
struct Before {
    reader: Reader,
    /// The number of the newest message.
    newest: u64,
    unread: BTreeMap<Fingerprint, u64>,
}

impl Before {
    fn look(global: &Global, profile: &Profile) -> Result<Before, Trouble> {
        let _opening = Progress::start(global, "opening the profile");
        let reader = profile.reader()?;
        Ok(Before { newest: reader.newest()?, unread: reader.unread()?, reader })
    }

    /// Tells what is unread, the oldest first: it came while nobody listened, or was told to a process that died with it. Of whoever
    /// is blocked by now nothing.
    fn tell(&self, client: &Client) -> Result<(), Trouble> {
        if self.unread.is_empty() {
            return Ok(());
        }
        // What is unread are the last of each contact's: so many come before them.
        let mut read: BTreeMap<Fingerprint, u64> = BTreeMap::new();
        self.each(&mut |row| {
            *read.entry(row.contact).or_default() += 1;
            Ok(())
        })?;
        for (contact, count) in &mut read {
            *count = count.saturating_sub(self.unread.get(contact).copied().unwrap_or_default());
        }
        let view = client.view();
        self.each(&mut |row| match read.get_mut(&row.contact) {
            Some(left @ 1..) => {
                *left -= 1;
                Ok(())
            }
            _ if is_blocked(&view, row.contact) => Ok(()),
            _ => {
                let mut line = received(&view, row.contact, row.message, Some(row));
                if let Some(line) = line.as_object_mut() {
                    line.insert("unread".to_owned(), json!(true));
                }
                put_json(&line)
            }
        })
    }

    /// Shows each message received that could be read.
    fn each(&self, show: &mut dyn FnMut(&MessageRow) -> Result<(), Trouble>) -> Result<(), Trouble> {
        let mut after = 0;
        while after < self.newest {
            let rows = self.reader.messages(None, after, PAGE)?;
            let Some(last) = rows.last() else {
                return Ok(());
            };
            after = last.number;
            for row in rows.iter().filter(|row| row.number <= self.newest) {
                if row.direction == Direction::Received && row.state != MessageState::Unreadable {
                    show(row)?;
                }
            }
            interrupt::check()?;
        }
        Ok(())
    }

    /// Whether a change tells of a message that was there: then it is told, or was read.
    fn has(&self, change: &Change) -> Result<bool, Trouble> {
        let Change::Received { contact, message } = change else {
            return Ok(false);
        };
        let row = self.reader.message(*contact, Direction::Received, *message)?;
        Ok(row.is_some_and(|row| row.number <= self.newest))
    }
}

/// Lines of standard input, as they come. One that is too long comes cut off, and so cannot be read.
fn lines() -> Receiver<Vec<u8>> {
    // An input that fails is at its end.
    read_ahead(|| next_line(&mut std::io::stdin().lock(), LISTEN_LINE_LEN_MAX)?.ok())
}

/// The line of a message that came.
fn received(view: &View, contact: Fingerprint, message: MessageId, row: Option<&MessageRow>) -> Value {
    json!({
        "change": "received",
        "from": name_of(view, contact),
        "fingerprint": contact.hex(),
        "accepted": known(view, contact).is_some_and(|known| known.accepted),
        "message": message.hex(),
        "text": row.and_then(|row| row.text.as_deref()),
        "claimed_ms": row.map(|row| row.claimed.0),
    })
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
        Change::LookupFailed { name, cause } => json!({ "change": "lookup_failed", "name": name.text(), "error": error(*cause) }),
        Change::IdentityChanged(contact) => {
            json!({ "change": "identity_changed", "name": name_of(*contact), "fingerprint": contact.hex() })
        }
        Change::Received { contact, message } => {
            let row = client.message(*contact, Direction::Received, *message)?;
            received(&client.view(), *contact, *message, row.as_ref())
        }
        Change::Unreadable { contact, cause } => {
            json!({ "change": "unreadable", "from": name_of(*contact), "fingerprint": contact.hex(), "error": error(*cause) })
        }
        Change::Message { message, state: MessageState::Failed } => {
            let row = client.find(*message)?.into_iter().find(|row| row.direction == Direction::Sent);
            let cause = row.and_then(|row| row.cause).unwrap_or(Code::Inconsistent);
            json!({ "change": "message", "message": message.hex(), "state": MessageState::Failed.word(), "error": error(cause) })
        }
        Change::Message { message, state } => json!({ "change": "message", "message": message.hex(), "state": state.word() }),
        Change::Dropped(code) => json!({ "change": "dropped", "error": error(*code) }),
        Change::Read { contact } => json!({ "change": "read", "by": name_of(*contact), "fingerprint": contact.hex() }),
        Change::KeysUpdated(contact) => json!({ "change": "keys_updated", "name": name_of(*contact), "fingerprint": contact.hex() }),
        Change::Forgotten { contact, message } => {
            json!({ "change": "forgotten", "with": name_of(*contact), "fingerprint": contact.hex(), "message": message.hex() })
        }
    }))
}
