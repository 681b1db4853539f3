//! `thicket-relayd`: runs a relay until it is told to stop. Logs neither names nor addresses.
#![forbid(unsafe_code)]

mod config;
mod identity;

use clap::{Parser, Subcommand};
use config::Config;
use identity::Identity;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use thicket_client::{SystemClock, SystemEntropy};
use thicket_openpgp::Verifier;
use thicket_relay::{Bell, Relay, Running, World};
use thicket_store::SqliteStore;
use thicket_transport::DirectRelay;

/// Runs a Thicket relay. Its first line of output is its address alone: what people register with.
///
/// Example: thicket-relayd --home /var/lib/thicket --listen 127.0.0.1:7070
#[derive(Parser)]
#[command(name = "thicket-relayd", version, about, max_term_width = 100)]
struct Arguments {
    /// The relay's folder: its identity and its store.
    #[arg(long, value_name = "DIR", env = "THICKET_RELAY_HOME")]
    home: Option<PathBuf>,
    /// Where to listen. Port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// A TOML file with the keys `home` and `listen`; what stands on the command line wins.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read the configuration, say what is wrong with it, and exit.
    #[arg(long)]
    check_config: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Write a copy of the store to a new file; the relay may be running.
    ///
    /// Example: thicket-relayd --home /var/lib/thicket backup /backup/relay.db
    Backup {
        /// The file to write; it must not be there.
        to: PathBuf,
    },
}

/// What stops relayd, and the status it exits with.
struct Trouble(u8, String);

impl Trouble {
    fn fault(error: impl std::fmt::Display) -> Trouble {
        Trouble(1, error.to_string())
    }

    fn usage(words: impl std::fmt::Display) -> Trouble {
        Trouble(2, words.to_string())
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble(status, words)) => {
            eprintln!("thicket-relayd: {words}");
            ExitCode::from(status)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Trouble> {
    let config = Config::gather(arguments.config.as_deref(), arguments.home.clone(), arguments.listen).map_err(Trouble::usage)?;
    if arguments.check_config {
        println!("home = {}\nlisten = {}", config.home.display(), config.listen().map_err(Trouble::usage)?);
        return Ok(());
    }
    let store_file = config.home.join("relay.db");
    if let Some(Command::Backup { to }) = &arguments.command {
        if !store_file.is_file() {
            return Err(Trouble(3, format!("there is no store in {}", config.home.display())));
        }
        let store = SqliteStore::open(&store_file).map_err(Trouble::fault)?;
        return store.backup(to).map_err(Trouble::fault);
    }
    let identity = Identity::load_or_make(&config.home).map_err(Trouble::fault)?;
    let store = SqliteStore::open(&store_file).map_err(Trouble::fault)?;
    serve(&config, &identity, store)
}

fn serve(config: &Config, identity: &Identity, store: SqliteStore) -> Result<(), Trouble> {
    let listen = config.listen().map_err(Trouble::usage)?;
    let bell = Arc::new(Bell::default());
    let ringing = bell.clone();
    let direct = DirectRelay::bind(listen, identity.noise(), Box::new(SystemEntropy), Arc::new(move || ringing.ring()))
        .map_err(|error| Trouble(1, format!("cannot listen on {listen}: {error}")))?;
    let stop = Arc::new(AtomicBool::new(false));
    let (stopping, waking) = (stop.clone(), Arc::new(Bell::default()));
    let wake = waking.clone();
    ctrlc::set_handler(move || {
        stopping.store(true, Ordering::Release);
        wake.ring();
    })
    .map_err(Trouble::fault)?;
    println!("{}", direct.address());
    let world = World { entropy: Box::new(SystemEntropy), clock: Box::new(SystemClock::new()), verify: Box::new(Verifier) };
    let running = Running::start(Relay::new(store, direct, identity.relay(), world), bell).map_err(Trouble::fault)?;
    while !stop.load(Ordering::Acquire) {
        waking.wait(Duration::from_secs(3600));
    }
    // The turn under way ends and is committed; what is not answered is asked again.
    match running.stop() {
        Some(_) => Ok(()),
        None => Err(Trouble(1, "the relay's thread failed".to_owned())),
    }
}
