//! A conversation as it goes: what comes is shown, what is typed is sent.

use super::listen::told;
use super::read::newest;
use super::rows::{each_page, object, text};
use super::screen::{Look, Screen};
use super::send::{standing, strip_break};
use crate::ahead::{next_line, read_ahead};
use crate::output::{Trouble, hint_of, put_json, remark, short, time, with_home};
use crate::text::{counted, fit, harmless};
use crate::watch::Watch;
use crate::who;
use crate::{Global, home, interrupt};
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use thicket_client::{Client, ContactView, Direction, MessageRow};
use thicket_types::effect::{Change, MessageState};
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, MessageId};
use thicket_types::intent::Intent;
use thicket_types::limits::BODY_LEN_MAX;

/// Messages that are shown first.
const SHOWN: usize = 20;
/// How soon what came is shown.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Changes shown between two lines of input.
const CHANGES: usize = 256;
/// Bytes that are read of a line: so many that one too many is seen, behind the longest line break.
const LINE_LEN_MAX: usize = BODY_LEN_MAX + 3;
/// Lines and characters of a message that are shown on a terminal: more would fill it.
const LINES_SHOWN: usize = 12;
const CHARACTERS_SHOWN: usize = 1_000;
/// The column that what is no message begins in.
const NOTE: usize = "0000-00-00 00:00  · ".len() - 1;
/// Columns that a message gets where only its begin is quoted.
const QUOTED: usize = 30;

pub fn run(global: &Global, with: &str) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let view = client.view();
    let contact = who::find(&view, with)?;
    let mut chat = Chat {
        global,
        client: &client,
        with: contact.fingerprint,
        name: who::shown(&view, contact.fingerprint),
        screen: Screen::new(global),
        sent: BTreeMap::new(),
        begun: BTreeSet::new(),
        away: false,
    };
    if !global.json {
        interrupt::is_usual();
    }
    let done = chat.begin(contact).and_then(|()| chat.talk(&typed())).and_then(|()| chat.settle());
    if interrupt::asked() && !global.json {
        // That is how many leave a chat: no error, but the status tells.
        chat.screen.end()?;
        chat.say_what_waits()?;
        client.close()?;
        return Err(Trouble::Said(interrupt::STATUS));
    }
    done?;
    Ok(client.close()?)
}

/// The begin of a text that would fill a terminal; none of one that does not.
fn begin_of(text: &str) -> Option<&str> {
    let by_lines = text.match_indices('\n').nth(LINES_SHOWN - 1).map(|(at, _)| at);
    let by_characters = text.char_indices().nth(CHARACTERS_SHOWN).map(|(at, _)| at);
    let end = by_lines.into_iter().chain(by_characters).min()?;
    text.get(..end)
}

/// Lines of standard input, as they come; the last is an error if the input was cut off by one.
fn typed() -> Receiver<std::io::Result<String>> {
    let mut over = false;
    read_ahead(move || {
        if over {
            return None;
        }
        let line = next_line(&mut std::io::stdin().lock(), LINE_LEN_MAX)?.and_then(said);
        over = line.is_err();
        Some(line)
    })
}

/// A line as it is sent. Of one that is longer than any message only the begin was read: sending it says so.
fn said(mut line: Vec<u8>) -> std::io::Result<String> {
    if line.len() == LINE_LEN_MAX && !line.ends_with(b"\n") {
        return Ok(String::from_utf8_lossy(&line).into_owned());
    }
    strip_break(&mut line);
    String::from_utf8(line).map_err(|error| std::io::Error::new(ErrorKind::InvalidData, error))
}

struct Chat<'a> {
    global: &'a Global,
    client: &'a Client,
    with: Fingerprint,
    name: String,
    screen: Screen,
    /// What was sent here: its text, and the state that was told last.
    sent: BTreeMap<MessageId, (String, MessageState)>,
    /// The messages that were shown first: of them, changes bring no news.
    begun: BTreeSet<MessageId>,
    /// Set while the relay is not reached, and that was said.
    away: bool,
}

impl Chat<'_> {
    /// Shows the last messages, and what is to be known of the contact.
    fn begin(&mut self, contact: &ContactView) -> Result<(), Trouble> {
        if self.screen.is_typing() {
            self.note("each line that you type is sent; Ctrl-D on an empty one ends this chat", Look::Dim)?;
        }
        let rows = last(self.client, self.with)?;
        for row in &rows {
            self.row(row)?;
        }
        self.begun = rows.iter().filter(|row| row.direction == Direction::Received).map(|row| row.message).collect();
        if contact.held {
            let code = Code::ContactHeld;
            self.note(&format!("{}; {}", code.what(), hint_of(code, &self.typed())), Look::Loud)?;
        } else if contact.blocked {
            self.note(&format!("{} is blocked: nothing can be sent, and what they send is dropped", self.name), Look::Loud)?;
        } else if !contact.accepted {
            self.note(&format!("{} asks to be accepted: whoever is written to is", self.name), Look::Loud)?;
        }
        self.mark(newest(&rows))
    }

    /// Shows what comes and sends what is typed, until the input ends.
    fn talk(&mut self, lines: &Receiver<std::io::Result<String>>) -> Result<(), Trouble> {
        loop {
            let changes = self.client.next_changes(CHANGES, Duration::ZERO);
            if interrupt::asked() {
                self.screen.end()?;
            }
            interrupt::check()?;
            self.tell(&changes)?;
            self.screen.prompt()?;
            match lines.recv_timeout(LOOK_EVERY) {
                Ok(Ok(line)) => self.send(&line)?,
                Ok(Err(error)) => return Err(Trouble::stream("standard input", &error)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.screen.end(),
            }
        }
    }

    /// Sends a line. What cannot be sent is said to a person, who may write it otherwise, and ends a chat without one.
    fn send(&mut self, line: &str) -> Result<(), Trouble> {
        self.screen.taken(line)?;
        if line.trim().is_empty() {
            return Ok(());
        }
        let message = match self.client.send(self.with, line) {
            Ok(message) => message,
            Err(code) if self.screen.is_typing() => {
                return self.note(&format!("not sent: {}; {}", code.what(), with_home(code.hint())), Look::Loud);
            }
            Err(code) => return Err(code.into()),
        };
        self.sent.insert(message, (line.to_owned(), MessageState::Queued));
        if self.global.json {
            return put_json(&serde_json::json!({ "message": message.hex(), "state": MessageState::Queued.word() }));
        }
        self.text(now_ms(), "me", line, "", message)
    }

    /// Shows changes. States of own messages are gathered: one line for all that moved.
    fn tell(&mut self, changes: &[Change]) -> Result<(), Trouble> {
        let mut read = None;
        let mut reached = BTreeMap::new();
        for change in changes {
            if self.has_shown(change) {
                continue;
            }
            if self.global.json {
                if let Some(line) = self.concerns(change).then(|| told(self.client, change)).transpose()?.flatten() {
                    put_json(&line)?;
                }
            } else {
                self.change(change, &mut reached)?;
            }
            match change {
                Change::Received { contact, message } if *contact == self.with => read = Some(*message),
                Change::Message { message, state } => {
                    if let Some((_, told)) = self.sent.get_mut(message) {
                        *told = *state;
                    }
                }
                _ => {}
            }
        }
        for (state, count) in reached {
            let words = if count == 1 { state.word().to_owned() } else { format!("{count} {}", state.word()) };
            self.note(&words, Look::Dim)?;
        }
        self.mark(read)
    }

    /// Whether a change tells of a message that was shown: it came just before the chat began, or was told to a process that died.
    fn has_shown(&self, change: &Change) -> bool {
        matches!(change, Change::Received { contact, message } if *contact == self.with && self.begun.contains(message))
    }

    /// Whether a program that chats with one contact is told of a change.
    fn concerns(&self, change: &Change) -> bool {
        match change {
            Change::Received { contact, .. } | Change::Unreadable { contact, .. } | Change::Read { contact } => *contact == self.with,
            Change::Contact(contact) | Change::IdentityChanged(contact) | Change::KeysUpdated(contact) => *contact == self.with,
            Change::Forgotten { contact, .. } => *contact == self.with,
            Change::Message { message, .. } => self.sent.contains_key(message),
            Change::Connected | Change::Disconnected(_) | Change::Dropped(_) | Change::LookupFailed { .. } => true,
            Change::Answered { .. } | Change::Registered | Change::RegistrationRefused(_) => false,
        }
    }

    fn change(&mut self, change: &Change, reached: &mut BTreeMap<MessageState, usize>) -> Result<(), Trouble> {
        match change {
            Change::Received { contact, message } if *contact == self.with => {
                match self.client.message(*contact, Direction::Received, *message)? {
                    Some(row) => self.row(&row),
                    None => Ok(()),
                }
            }
            Change::Received { contact, .. } => {
                let view = self.client.view();
                let (name, typed) = (who::shown(&view, *contact), who::typed(&view, *contact));
                self.note(&format!("{name} wrote: {} read {typed}", self.global.again()), Look::Dim)
            }
            Change::Unreadable { contact, cause } if *contact == self.with => {
                self.note(&format!("a message of {} cannot be read: {}; {}", self.name, cause.what(), with_home(cause.hint())), Look::Loud)
            }
            Change::Message { message, state: MessageState::Failed } => self.failed(*message),
            Change::Message { message, state } if self.sent.contains_key(message) && *state >= MessageState::Delivered => {
                *reached.entry(*state).or_default() += 1;
                Ok(())
            }
            Change::Read { contact } if *contact == self.with => {
                reached.entry(MessageState::Read).or_insert(1);
                Ok(())
            }
            Change::IdentityChanged(contact) if *contact == self.with => {
                let code = Code::ContactHeld;
                self.note(&format!("{}; {}", code.what(), hint_of(code, &self.typed())), Look::Loud)
            }
            Change::Disconnected(code) if !self.away => {
                self.away = true;
                let more = match code {
                    Code::RelayUnreachable => "; what you write waits until it does".to_owned(),
                    Code::AccountUnknown | Code::NameLost => {
                        let relay = self.client.view().relay;
                        format!("; {}", hint_of(*code, relay.as_ref().map_or("ADDRESS", |relay| relay.text())))
                    }
                    _ => String::new(),
                };
                self.note(&format!("{}{more}", code.what()), Look::Loud)
            }
            Change::Connected if self.away => {
                self.away = false;
                self.note("the relay is reached again", Look::Dim)
            }
            _ => Ok(()),
        }
    }

    /// How the contact is named where one is asked for.
    fn typed(&self) -> String {
        who::typed(&self.client.view(), self.with)
    }

    fn failed(&mut self, message: MessageId) -> Result<(), Trouble> {
        let Some((line, _)) = self.sent.get(&message) else {
            return Ok(());
        };
        let begin = fit(&harmless(line, ""), QUOTED);
        let row = self.client.message(self.with, Direction::Sent, message)?;
        let cause = row.and_then(|row| row.cause).map_or(String::new(), |cause| format!(": {}", cause.what()));
        self.note(
            &format!("\"{begin}\" failed{cause}; {} message retry {} sends it again", self.global.again(), short(&message)),
            Look::Loud,
        )
    }

    /// A message that has a row.
    fn row(&mut self, row: &MessageRow) -> Result<(), Trouble> {
        if self.global.json {
            return put_json(&object(row, &self.name));
        }
        let name = self.name.clone();
        let who = if row.direction == Direction::Sent { "me" } else { &name };
        let state = super::rows::state(row);
        match &row.text {
            Some(said) => self.text(row.stamp.0, who, said, &state, row.message),
            None => self.line(row.stamp.0, who, &text(row, ""), &state),
        }
    }

    /// What somebody said: on a terminal no more of it than leaves room for the rest.
    fn text(&mut self, at_ms: u64, who: &str, said: &str, state: &str, message: MessageId) -> Result<(), Trouble> {
        let indent = " ".repeat(self.indent());
        let Some(begin) = begin_of(said).filter(|_| self.screen.is_typing()) else {
            return self.line(at_ms, who, &harmless(said, &indent), state);
        };
        self.line(at_ms, who, &format!("{}…", harmless(begin, &indent)), state)?;
        let (again, id) = (self.global.again(), short(&message));
        self.note(&format!("that is its begin, of {} bytes; all of it: {again} message show {id}", said.len()), Look::Dim)
    }

    fn line(&mut self, at_ms: u64, who: &str, what: &str, state: &str) -> Result<(), Trouble> {
        let (width, indent) = (self.name_len(), self.indent());
        self.screen.show(&format!("{}  {who:>width$}: {what}{state}", time(at_ms)), indent, Look::Plain)
    }

    fn name_len(&self) -> usize {
        self.name.len().max("me".len())
    }

    /// The column that texts begin in.
    fn indent(&self) -> usize {
        "0000-00-00 00:00  : ".len() + self.name_len()
    }

    /// What is no message, set apart from what is.
    fn note(&mut self, words: &str, look: Look) -> Result<(), Trouble> {
        if self.global.json { Ok(()) } else { self.screen.show(&format!("{:16}  · {words}", ""), NOTE, look) }
    }

    /// Notes that the person has read up to a message, if there is something unread.
    fn mark(&self, message: Option<MessageId>) -> Result<(), Trouble> {
        let Some(message) = message else {
            return Ok(());
        };
        if self.client.unread()?.get(&self.with).is_some_and(|count| *count > 0) {
            home::ask(self.client, Intent::MarkRead { contact: self.with, message })?;
        }
        Ok(())
    }

    /// The input has ended: waits until the relay has what was sent, or the time is up.
    ///
    /// **Errors:** the cause of the first message that failed.
    fn settle(&mut self) -> Result<(), Trouble> {
        let mut watch = Watch::new(self.global, self.client, "waiting for the relay");
        watch.until(|view, changes| {
            self.tell(changes)?;
            Ok(self.sent.keys().all(|message| !view.unsettled.contains_key(message)).then_some(()))
        })?;
        drop(watch);
        let view = self.client.view();
        for message in self.sent.keys() {
            if let (MessageState::Failed, cause) = standing(self.client, &view, self.with, *message)? {
                return Err(cause.unwrap_or(Code::Inconsistent).into());
            }
        }
        self.say_what_waits()
    }

    /// Says how much of what was sent here the relay does not have.
    fn say_what_waits(&self) -> Result<(), Trouble> {
        let view = self.client.view();
        let mut waiting = 0_u64;
        for message in self.sent.keys() {
            let (state, _) = standing(self.client, &view, self.with, *message)?;
            waiting += u64::from(matches!(state, MessageState::Queued | MessageState::Sent));
        }
        if waiting > 0 {
            let wait = if waiting == 1 { "waits" } else { "wait" };
            let waiting = counted(waiting, "message");
            remark(self.global.json, &format!("{waiting} {wait} for the relay; what waits goes out at the next command that reaches it."));
        }
        Ok(())
    }
}

/// The last messages with a contact, oldest first.
fn last(client: &Client, contact: Fingerprint) -> Result<Vec<MessageRow>, Trouble> {
    let mut shown: Vec<MessageRow> = Vec::new();
    each_page(
        0,
        |after, count| client.messages(Some(contact), after, count),
        |rows| {
            shown.extend_from_slice(rows);
            shown.drain(..shown.len().saturating_sub(SHOWN));
            Ok(())
        },
    )?;
    Ok(shown)
}

fn now_ms() -> u64 {
    use thicket_types::ports::Clock as _;
    thicket_client::SystemClock::new().now().0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_text_that_would_fill_a_terminal_the_begin_is_shown() {
        for whole in ["", "short", &"x".repeat(CHARACTERS_SHOWN), &"x\n".repeat(LINES_SHOWN - 1)] {
            assert_eq!(begin_of(whole), None);
        }
        assert_eq!(begin_of(&"ä".repeat(CHARACTERS_SHOWN + 1)), Some("ä".repeat(CHARACTERS_SHOWN).as_str()));
        let lines = "x\n".repeat(LINES_SHOWN + 5);
        assert_eq!(begin_of(&lines).map(|begin| begin.lines().count()), Some(LINES_SHOWN));
    }
}
