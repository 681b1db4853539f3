//! The people of the demo: their profiles, and waiting for what must come to pass.

use super::{PASSPHRASE, Trouble, stopped};
use crate::interrupt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use thicket_client::{Client, Direction, MessageRow, Options, Origin, Profile, SystemClock, SystemEntropy, share};
use thicket_engine::{OsDisk, ProfileKeys};
use thicket_replay::Verified;
use thicket_transport::Loopback;
use thicket_types::effect::MessageState;
use thicket_types::ids::Fingerprint;
use thicket_types::intent::{Answer, Intent};
use thicket_types::name::{Name, RelayAddress};
use thicket_types::secret::Secret;

/// How long the demo waits for anything before it says that it stopped.
const PATIENCE: Duration = Duration::from_secs(45);

pub fn passphrase() -> Secret<Vec<u8>> {
    Secret::new(PASSPHRASE.as_bytes().to_vec())
}

pub fn address(text: &str) -> Result<RelayAddress, Trouble> {
    RelayAddress::parse(text).ok_or(stopped(format!("{text} is no relay's address")))
}

pub fn name(text: &str) -> Result<Name, Trouble> {
    Name::parse(text).map_err(|_| stopped(format!("{text} is no name")))
}

/// Makes a profile with a new identity.
pub fn create(folder: &Path, who: &str) -> Result<Profile, Trouble> {
    let entropy = share(Box::new(SystemEntropy));
    Ok(Profile::create(folder, Origin::New(name(who)?), &passphrase(), Options::default(), entropy, &SystemClock::new())?)
}

/// Unlocks a profile.
pub fn unlock(folder: &Path) -> Result<Profile, Trouble> {
    Ok(Profile::unlock(folder, &passphrase(), share(Box::new(SystemEntropy)))?)
}

/// Someone who is on loopback, in this process.
pub struct Person {
    pub name: &'static str,
    pub folder: PathBuf,
    pub meeting: Loopback,
    client: Option<Client>,
}

impl Person {
    /// Makes the account, opens it and registers.
    pub fn register(name: &'static str, folder: &Path, meeting: &Loopback) -> Result<Person, Trouble> {
        let folder = folder.join(name);
        let profile = create(&folder, name)?;
        let mut person = Person { name, folder, meeting: meeting.clone(), client: None };
        person.wire(profile)?;
        person.ask(Intent::Register { relay: address(meeting.address())?, key: None, token: None })?;
        let registered = person.client()?.wait_for(PATIENCE, |view| view.registered.then_some(()));
        registered.ok_or(stopped(format!("{name} could not register")))?;
        Ok(person)
    }

    fn wire(&mut self, profile: Profile) -> Result<(), Trouble> {
        let meeting = self.meeting.clone();
        let client = Client::open(profile, Box::new(move |waker| Box::new(meeting.client(&mut SystemEntropy, Some(waker)))))?;
        self.client = Some(client);
        Ok(())
    }

    pub fn client(&self) -> Result<&Client, Trouble> {
        self.client.as_ref().ok_or(stopped(format!("{} is not there", self.name)))
    }

    /// Closes the profile.
    pub fn leave(&mut self) -> Result<(), Trouble> {
        match self.client.take() {
            Some(client) => Ok(client.close()?),
            None => Ok(()),
        }
    }

    /// Opens the profile again, from its journal.
    pub fn come_back(&mut self) -> Result<(), Trouble> {
        let profile = unlock(&self.folder)?;
        self.wire(profile)
    }

    pub fn ask(&self, intent: Intent) -> Result<(), Trouble> {
        match self.client()?.submit(Client::intent_id(), intent)? {
            Answer::Accepted | Answer::Queued(_) => Ok(()),
            Answer::Refused(code) => Err(code.into()),
        }
    }

    /// Waits until a contact of this name is known.
    pub fn knows(&self, who: &str) -> Result<Fingerprint, Trouble> {
        let key = name(who)?.key();
        let found = self
            .client()?
            .wait_for(PATIENCE, |view| view.contacts.iter().find(|contact| contact.name.key() == key).map(|contact| contact.fingerprint));
        found.ok_or(stopped(format!("{} never came to know {who}", self.name)))
    }

    pub fn say(&self, to: Fingerprint, text: &str) -> Result<(), Trouble> {
        self.client()?.send(to, text)?;
        Ok(())
    }

    fn rows(&self) -> Result<Vec<MessageRow>, Trouble> {
        Ok(self.client()?.messages(None, 0, u32::MAX)?)
    }

    /// Waits until a text is in this person's store; gives its place among all that came.
    pub fn has(&self, text: &str) -> Result<u64, Trouble> {
        self.until(&format!("{} to have a message", self.name), |rows| {
            rows.iter().find(|row| row.direction == Direction::Received && row.text.as_deref() == Some(text)).map(|row| row.number)
        })
    }

    /// Whether a text is in this person's store.
    pub fn has_now(&self, text: &str) -> Result<bool, Trouble> {
        Ok(self.rows()?.iter().any(|row| row.direction == Direction::Received && row.text.as_deref() == Some(text)))
    }

    /// Whether everything that this person said is on a device of its recipient.
    pub fn all_delivered(&self) -> Result<bool, Trouble> {
        let sent = |row: &&MessageRow| row.direction == Direction::Sent;
        let settled = self.client()?.view().unsettled.is_empty();
        Ok(settled && self.rows()?.iter().filter(sent).all(|row| row.state == MessageState::Delivered))
    }

    /// Waits until the relay has stored everything that this person said.
    pub fn stored(&self) -> Result<(), Trouble> {
        let stored = self.client()?.wait_for(PATIENCE, |view| view.unsettled.is_empty().then_some(()));
        stored.ok_or(stopped(format!("the relay did not store what {} said", self.name)))
    }

    /// Waits until everything that this person said is on a device of its recipient.
    pub fn delivered(&self) -> Result<(), Trouble> {
        let deadline = Instant::now() + PATIENCE;
        while !self.all_delivered()? {
            interrupt::check()?;
            if Instant::now() >= deadline {
                return Err(stopped(format!("waited in vain for what {} said to be delivered", self.name)));
            }
            let _ = self.client()?.next_changes(64, Duration::from_millis(50));
        }
        Ok(())
    }

    fn until<T>(&self, what: &str, mut wanted: impl FnMut(&[MessageRow]) -> Option<T>) -> Result<T, Trouble> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = wanted(&self.rows()?) {
                return Ok(found);
            }
            interrupt::check()?;
            if Instant::now() >= deadline {
                return Err(stopped(format!("waited in vain for {what}")));
            }
            // Wakes with the next change; the short limit covers one that came between the look and the wait.
            let _ = self.client()?.next_changes(64, Duration::from_millis(50));
        }
    }
}

/// A closed profile, looked at from outside.
pub struct Kept {
    pub name: &'static str,
    pub rows: Vec<MessageRow>,
    pub verified: Verified,
}

/// Reads a closed profile's messages, and verifies its journal: two folds, and one on from each snapshot.
pub fn inspect(name: &'static str, folder: &Path) -> Result<Kept, Trouble> {
    let rows = unlock(folder)?.reader()?.messages(None, 0, u32::MAX)?;
    let mut disk = OsDisk::new(folder);
    let keys = ProfileKeys::unlock(&mut disk, &passphrase())?;
    let verified = thicket_replay::verify(&mut disk, &keys, None)?;
    Ok(Kept { name, rows, verified })
}
