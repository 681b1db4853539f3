//! The child's side: one profile over `direct`, which reports each point on its standard output and waits there for a go.
//!
//! ```text
//!   in    register ADDRESS · add NAME · accept NAME · send INTENT NAME TEXT · settle · go · close
//!   out   ready FINGERPRINT · at POINT · answer COMMAND-OR-INTENT STATE · done · trouble WORDS
//! ```

use super::people::{address, create, name, unlock};
use super::{Trouble, stopped};
use std::io::BufRead as _;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use thicket_client::{Client, Direction, Point};
use thicket_transport::DirectClient;
use thicket_types::effect::MessageState;
use thicket_types::ids::IntentId;
use thicket_types::intent::{Answer, Intent};

/// How long the child waits for a contact to be known before it says no.
const PATIENCE: Duration = Duration::from_secs(45);

/// Runs the child until it is told to close, or its parent goes away.
pub fn run(folder: &Path) -> ExitCode {
    match child(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            say(&format!("trouble {}", trouble.words()));
            ExitCode::FAILURE
        }
    }
}

/// One line to the parent. Without a parent there is nobody to tell, and the next read ends the child.
fn say(line: &str) {
    let _ = put!("{line}");
}

fn point(point: &Point) -> String {
    match point {
        Point::Appended { records, intents } => {
            let intents: String = intents.iter().map(|intent| format!(" {}", intent.hex())).collect();
            format!("appended {records}{intents}")
        }
        Point::Committed { ops } => format!("committed {}", ops.join(" ")),
        Point::Sent { lane } => format!("sent {lane:?}"),
        Point::Dispatched { effect } => format!("dispatched {effect}"),
    }
}

fn child(folder: &Path) -> Result<(), Trouble> {
    let (goes, going) = channel::<()>();
    let (lines, commands) = channel::<String>();
    // A go must get through while the profile's thread waits for it, whatever the main thread is at.
    std::thread::spawn(move || read(&goes, &lines));
    let profile = if folder.join("keys").exists() { unlock(folder)? } else { create(folder, "carol")? };
    let observer = Box::new(move |at: Point| {
        say(&format!("at {}", point(&at)));
        // A parent that is gone gives no go: then the process ends where it stands.
        if going.recv().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    let client = Client::open_observed(profile, Box::new(|waker| Box::new(DirectClient::new(Some(waker)))), Some(observer))?;
    say(&format!("ready {}", client.own().1));
    follow(&client, &commands)?;
    client.close()?;
    say("done");
    Ok(())
}

fn read(goes: &Sender<()>, lines: &Sender<String>) {
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let sent = if line == "go" { goes.send(()).is_ok() } else { lines.send(line).is_ok() };
        if !sent {
            return;
        }
    }
}

fn follow(client: &Client, commands: &Receiver<String>) -> Result<(), Trouble> {
    while let Ok(line) = commands.recv() {
        let (command, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match command {
            "register" => {
                ask(client, Intent::Register { relay: address(rest)?, key: None, token: None })?;
                client.wait_for(PATIENCE, |view| view.registered.then_some(())).ok_or(stopped("not registered in time"))?;
                say("answer register done");
            }
            "add" => {
                ask(client, Intent::AddContact { name: name(rest)? })?;
                known(client, rest)?;
                say("answer add done");
            }
            "accept" => {
                ask(client, Intent::AcceptContact { contact: known(client, rest)? })?;
                say("answer accept done");
            }
            "send" => send(client, rest)?,
            "settle" => settle(client)?,
            "close" => return Ok(()),
            _ => return Err(stopped(format!("no such command: {command}"))),
        }
    }
    Ok(())
}

fn send(client: &Client, rest: &str) -> Result<(), Trouble> {
    let mut parts = rest.splitn(3, ' ');
    let (Some(id), Some(who), Some(text)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(stopped("send INTENT NAME TEXT"));
    };
    let number = u128::from_str_radix(id, 16).map_err(|error| stopped(error.to_string()))?;
    client.send_as(IntentId(number.to_be_bytes()), known(client, who)?, text)?;
    say(&format!("answer {id} queued"));
    Ok(())
}

/// Waits until all that was said is delivered.
fn settle(client: &Client) -> Result<(), Trouble> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let rows = client.messages(None, 0, u32::MAX)?;
        let delivered = rows.iter().all(|row| row.direction == Direction::Received || row.state == MessageState::Delivered);
        if delivered && client.view().unsettled.is_empty() {
            say("answer settle done");
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(stopped("waited in vain for receipts"));
        }
        let _ = client.next_changes(64, Duration::from_millis(50));
    }
}

fn known(client: &Client, who: &str) -> Result<thicket_types::ids::Fingerprint, Trouble> {
    let key = name(who)?.key();
    let found =
        client.wait_for(PATIENCE, |view| view.contacts.iter().find(|contact| contact.name.key() == key).map(|contact| contact.fingerprint));
    found.ok_or(stopped(format!("{who} is not known")))
}

fn ask(client: &Client, intent: Intent) -> Result<(), Trouble> {
    match client.submit(Client::intent_id(), intent)? {
        Answer::Accepted | Answer::Queued(_) => Ok(()),
        Answer::Refused(code) => Err(code.into()),
    }
}
