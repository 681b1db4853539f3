//! One message: shown, sent again, taken back, deleted here.

pub use super::rows::Found;
use super::rows::{find, object, text, waiting};
use super::send::{Goal, follow};
use crate::output::{Trouble, again, put_json, short, time_exact, with_home};
use crate::progress::Progress;
use crate::terminal::width;
use crate::text::beside;
use crate::watch::Watch;
use crate::who::{self, name_of, shown};
use crate::{Global, home};
use thicket_client::{Client, Direction, MessageRow, View};
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, MessageId};
use thicket_types::intent::Intent;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Show a message: who, when, its state, and why it failed. Asks no relay.
    ///
    /// Example: thicket message show 1f0c9a3e
    Show {
        #[command(flatten)]
        which: Which,
    },
    /// Send a message again: one that failed, or that the relay stored and nobody told of.
    ///
    /// Whoever has it already keeps the one they have.
    ///
    /// Example: thicket message retry 1f0c9a3e
    Retry {
        #[command(flatten)]
        which: Which,
        /// Wait until the message is in this state, or the time is up.
        #[arg(long, value_enum, default_value_t = Goal::Stored)]
        wait: Goal,
    },
    /// Take a message back that has not left this device. Asks no relay.
    ///
    /// Example: thicket message cancel 1f0c9a3e
    Cancel {
        #[command(flatten)]
        which: Which,
    },
    /// Delete a message here, its text included. Nobody else's copy goes. Asks no relay.
    ///
    /// Example: thicket message forget 1f0c9a3e
    Forget {
        #[command(flatten)]
        which: Which,
    },
}

#[derive(clap::Args)]
pub struct Which {
    /// The message's id, as read shows it, or its first digits: at least four, and no other message's.
    id: String,
    /// With whom, by name or fingerprint; needed only if messages with several contacts have this id.
    #[arg(long, value_name = "NAME")]
    with: Option<String>,
}

pub fn run(global: &Global, command: &Command) -> Result<(), Trouble> {
    match command {
        Command::Show { which } => show(global, which),
        Command::Retry { which, wait } => {
            let client = home::open(global)?;
            let (found, contact) = which.of(&client)?;
            can_retry(&found)?;
            home::ask(&client, Intent::RetryMessage { contact, message: found.message })?;
            follow(global, client, contact, found.message, *wait)
        }
        Command::Cancel { which } => {
            let client = home::open_offline(global)?;
            let (found, _) = which.of(&client)?;
            home::ask(&client, to_cancel(&found)?)?;
            done(global, found.message, "cancelled")?;
            Ok(client.close()?)
        }
        Command::Forget { which } => {
            let client = home::open_offline(global)?;
            let (found, contact) = which.of(&client)?;
            to_forget(&found, contact)?.into_iter().try_for_each(|intent| home::ask(&client, intent).map(|_| ()))?;
            let gone = Watch::new(global, &client, "deleting").until(|_, _| {
                let left = client.find(found.message)?;
                Ok(left.iter().all(|row| row.contact != contact).then_some(()))
            })?;
            gone.ok_or(Code::DiskFailed)?;
            done(global, found.message, "forgotten")?;
            Ok(client.close()?)
        }
    }
}

impl Which {
    fn of(&self, client: &Client) -> Result<(Found, Fingerprint), Trouble> {
        let view = client.view();
        let found = find(&self.id, &view, |message| client.find(message), |after, count| client.messages(None, after, count))?;
        self.among(found, &view)
    }

    fn among(&self, found: Found, view: &View) -> Result<(Found, Fingerprint), Trouble> {
        let contact = match &self.with {
            Some(typed) => who::find(view, typed)?.fingerprint,
            None => found.contact(view)?,
        };
        Ok((found.only(contact)?, contact))
    }
}

/// Finds the message that a line on standard input names, and with whom it is.
pub fn named(client: &Client, id: &str, with: Option<&str>) -> Result<(Found, Fingerprint), Trouble> {
    Which { id: id.to_owned(), with: with.map(str::to_owned) }.of(client)
}

/// Refuses what is not ours, is on its way to the relay, or has arrived.
pub fn can_retry(found: &Found) -> Result<(), Trouble> {
    let state = found.sent().filter(|_| found.waits.is_none()).map(|row| row.state);
    if matches!(state, Some(MessageState::Failed | MessageState::Stored)) { Ok(()) } else { Err(Code::NothingToRetry.into()) }
}

/// What takes a message back.
pub fn to_cancel(found: &Found) -> Result<Intent, Trouble> {
    if found.waits.is_none() {
        // The relay has it, or it came from somebody else, or there is nothing of it to take back.
        return Err(match found.sent().map(|row| (row.state, row.cause)) {
            Some((MessageState::Failed, Some(Code::Cancelled))) => Code::Cancelled.into(),
            Some((MessageState::Failed, _)) => Trouble::Usage("this message has failed: nothing of it is on its way".to_owned()),
            Some((state, _)) => Trouble::Numbered(Code::PastRecall, Some(format!("it is {}", state.word()))),
            None => Trouble::Usage("this message is not yours: only its sender can take it back".to_owned()),
        });
    }
    Ok(Intent::CancelMessage { message: found.message })
}

/// What deletes a message; both, if one that came has taken the id of one of ours.
pub fn to_forget(found: &Found, contact: Fingerprint) -> Result<Vec<Intent>, Trouble> {
    match found.waits {
        None => {}
        Some((_, MessageState::Queued, _)) => {
            let cancel = format!("{} message cancel {}", again(), short(&found.message));
            return Err(Trouble::Usage(format!("this message has not left yet; to take it back first: {cancel}")));
        }
        Some(_) => return Err(Code::MessageUnderWay.into()),
    }
    let intent = |row: &MessageRow| Intent::ForgetMessage { contact, message: found.message, sent: row.direction == Direction::Sent };
    Ok(found.rows.iter().map(intent).collect())
}

fn done(global: &Global, message: MessageId, what: &str) -> Result<(), Trouble> {
    if global.json { put_json(&serde_json::json!({ "message": message.hex(), "done": what })) } else { put!("The message is {what}.") }
}

fn show(global: &Global, which: &Which) -> Result<(), Trouble> {
    let (view, reader) = home::look(global)?;
    let looking = Progress::start(global, "looking for the message");
    let found = find(&which.id, &view, |message| reader.find(message), |after, count| reader.messages(None, after, count))?;
    drop(looking);
    let (mut found, contact) = which.among(found, &view)?;
    let name = shown(&view, contact);
    if found.sent().is_none() {
        found.rows.extend(waiting(&view, &reader, Some(contact))?.into_iter().filter(|row| row.message == found.message));
    }
    for (at, row) in found.rows.iter().enumerate() {
        if global.json {
            put_json(&object(row, &name_of(&view, contact)))?;
            continue;
        }
        if at > 0 {
            put!("")?;
        }
        print(row, &name, found.waits.map(|(_, state, _)| state))?;
    }
    Ok(())
}

fn head(message: &MessageId, name: &str, direction: Direction, state: MessageState) -> Result<(), Trouble> {
    put!("id         {}", message.hex())?;
    put!("{}  {name}", if direction == Direction::Sent { "to       " } else { "from     " })?;
    put!("state      {}", state.word())
}

fn print(row: &MessageRow, name: &str, waits: Option<MessageState>) -> Result<(), Trouble> {
    let sent = row.direction == Direction::Sent;
    head(&row.message, name, row.direction, waits.filter(|_| sent).unwrap_or(row.state))?;
    put!("{}  {}", if sent { "written  " } else { "came     " }, time_exact(row.stamp.0))?;
    if !sent {
        put!("written    {} by {name}'s clock", time_exact(row.claimed.0))?;
    }
    if let Some(cause) = row.cause {
        let words = format!("{} (error {}); {}", cause.what(), cause.number(), with_home(cause.hint()));
        put!("cause      {}", beside(&words, 11, width()))?;
    }
    put!("text       {}", text(row, "           "))
}
