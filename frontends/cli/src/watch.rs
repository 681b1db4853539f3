//! Waits for what a command asked for: shows that it waits, with `-v` tells what happens, and stops at what ends all waiting.

use crate::Global;
use crate::interrupt;
use crate::output::{Trouble, short, with_home};
use crate::progress::Progress;
use crate::who::shown;
use std::time::{Duration, Instant};
use thicket_client::{Client, View};
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::name::RelayAddress;

/// How long at most between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Changes taken at once.
const CHANGES: usize = 1_024;

/// Watches an open profile for as long as `--timeout` allows.
pub struct Watch<'a> {
    global: &'a Global,
    client: &'a Client,
    deadline: Instant,
    progress: Progress,
    /// Why the relay was not reached, as the profile said last.
    trouble: Option<Code>,
}

impl<'a> Watch<'a> {
    /// Begins to wait for something: "waiting for the relay".
    pub fn new(global: &'a Global, client: &'a Client, words: &'static str) -> Watch<'a> {
        let progress = Progress::start(global, words);
        Watch { global, client, deadline: Instant::now() + global.patience(), progress, trouble: None }
    }

    /// Looks again and again until a look finds what it wants, or the time is up (`None`).
    ///
    /// **Errors:** the look's own; `ProfileCopied`, since nothing more moves then; what the profile's thread met.
    pub fn until<T>(&mut self, mut look: impl FnMut(&View, &[Change]) -> Result<Option<T>, Trouble>) -> Result<Option<T>, Trouble> {
        loop {
            let moves = self.client.moves();
            let changes = self.client.next_changes(CHANGES, Duration::ZERO);
            let view = self.client.view();
            self.hear(&view, &changes);
            if let Some(found) = look(&view, &changes)? {
                return Ok(Some(found));
            }
            if view.copied {
                return Err(Code::ProfileCopied.into());
            }
            if let Some(fault) = self.client.fault() {
                return Err(fault.into());
            }
            interrupt::check()?;
            let left = self.deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.client.wait_moved(moves, left.min(LOOK_EVERY));
        }
    }

    /// Waits until nothing is under way any more, or the relay has no such account. Returns whether it came to rest.
    pub fn rest(&mut self) -> Result<bool, Trouble> {
        let rests = |view: &View, changes: &[Change]| (view.at_rest || is_lost(changes)).then_some(view.at_rest);
        Ok(self.until(|view, changes| Ok(rests(view, changes)))?.unwrap_or(false))
    }

    /// Why the relay was not reached, as the profile said last.
    pub fn trouble(&self) -> Option<Code> {
        self.trouble
    }

    /// What to say when the time is up: the reason that the profile gave last, or that the relay is not there; or, if it is or had no
    /// time to answer, that it takes longer. While a change of the relay is not settled, that too, and the way back.
    pub fn silence(&self) -> Trouble {
        let view = self.client.view();
        let without = if view.online || self.global.patience().is_zero() { Code::StillUnderWay } else { Code::RelayUnreachable };
        let code = self.trouble.unwrap_or(without);
        match &view.moving_from {
            Some(before) => Trouble::Advised(code, None, pending(code, before, &self.global.again())),
            None => Trouble::from(code).of(view.relay.as_ref().map_or("ADDRESS", |relay| relay.text())),
        }
    }

    fn hear(&mut self, view: &View, changes: &[Change]) {
        for change in changes {
            match change {
                // What somebody answered says more than that nobody did since.
                Change::Disconnected(Code::RelayUnreachable) if self.trouble.is_some() => {}
                Change::Disconnected(code) => self.trouble = Some(*code),
                Change::Connected => self.trouble = None,
                _ => {}
            }
            if let Some(words) = words(view, change).filter(|_| self.global.verbose) {
                self.progress.say(&self.global.telling(&words));
            }
        }
    }
}

/// What to do about an error while a change of the relay is not settled.
fn pending(code: Code, before: &RelayAddress, again: &str) -> String {
    format!(
        "{}. The change of the relay is not settled, and stays so until the new one takes the account or you go back; status shows it. To go back: {again} relay change {}",
        with_home(code.hint()),
        before.text()
    )
}

/// Whether the relay says that it has no such account, or somebody else's under the name: waiting brings nothing.
pub fn is_lost(changes: &[Change]) -> bool {
    changes.iter().any(|change| matches!(change, Change::Disconnected(Code::AccountUnknown | Code::NameLost)))
}

/// A change in words, for `-v`.
fn words(view: &View, change: &Change) -> Option<String> {
    let name = |contact: &Fingerprint| shown(view, *contact);
    Some(match change {
        Change::Answered { .. } => return None,
        Change::Registered => "the relay took the registration".to_owned(),
        Change::RegistrationRefused(code) => format!("the relay refused the registration: {}", code.what()),
        Change::Connected => "logged in".to_owned(),
        Change::Disconnected(code) => format!("not logged in: {}", code.what()),
        Change::Contact(contact) => format!("{}: the contact changed", name(contact)),
        Change::LookupFailed { name, cause } => format!("{}: the lookup failed: {}", name.text(), cause.what()),
        Change::IdentityChanged(contact) => format!("{}: the directory shows another identity", name(contact)),
        Change::Received { contact, message } => format!("{}: message {} came", name(contact), short(message)),
        Change::Unreadable { contact, cause } => format!("{}: a message came that cannot be read: {}", name(contact), cause.what()),
        Change::Message { message, state } => format!("message {} is {}", short(message), state.word()),
        Change::Dropped(code) => format!("an item was dropped: {}", code.what()),
        Change::Read { contact } => format!("{} has read what was sent", name(contact)),
        Change::KeysUpdated(contact) => format!("{}: the conversation's keys are renewed", name(contact)),
        Change::Forgotten { contact, message } => format!("{}: message {} is deleted here", name(contact), short(message)),
    })
}
