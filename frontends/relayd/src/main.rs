//! `thicket-relayd`: runs a relay until it is told to stop.
#![forbid(unsafe_code)]

mod config;
mod files;
mod home;
mod identity;
mod log;
mod policy;
mod text;
mod trouble;

use clap::{Parser, Subcommand};
use config::Config;
use home::NoHome;
use identity::Identity;
use log::{Level, Line, Watch};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use thicket_client::{SystemClock, SystemEntropy};
use thicket_openpgp::Verifier;
use thicket_relay::{Bell, Counts, Policy, Relay, Running, World};
use thicket_store::SqliteStore;
use thicket_transport::DirectRelay;
use thicket_types::error::Code;
use trouble::Trouble;

/// How often the running relay is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Runs a Thicket relay. Its first line of output is its address alone: what people register with.
///
/// Example: thicket-relayd --home /var/lib/thicket --listen 127.0.0.1:7070
#[derive(Parser)]
#[command(name = "thicket-relayd", version, about, term_width = 80)]
struct Arguments {
    /// The relay's folder: its identity and its store.
    #[arg(long, value_name = "DIR", env = "THICKET_RELAY_HOME")]
    home: Option<PathBuf>,
    /// Where to listen. Port 0 takes a free one.
    #[arg(long, value_name = "IP:PORT")]
    listen: Option<SocketAddr>,
    /// A TOML file: `home`, `listen`, who may register, and limits. What stands on the command line wins.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print what the relay would run with, as a configuration, or say what is wrong with it, and exit.
    #[arg(long)]
    check_config: bool,
    /// What is told on standard error: faults alone, or start, stop and counters too. Never names, addresses or keys.
    #[arg(long, value_enum, value_name = "LEVEL", default_value = "normal")]
    log: Level,
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

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            // Who closed standard error learns it from the status.
            let _ = writeln!(io::stderr(), "thicket-relayd: {trouble}");
            ExitCode::from(trouble.status())
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Trouble> {
    let config = Config::gather(arguments.config.as_deref(), arguments.home.clone(), arguments.listen).map_err(Trouble::configuration)?;
    if arguments.check_config {
        let Settings { listen, policy, connections_address_max } = Settings::of(&config)?;
        return say(config.shown(listen, &policy, connections_address_max).trim_end());
    }
    if let Some(Command::Backup { to }) = &arguments.command {
        if !home::has_store(&config.home) {
            return Err(Trouble::at(&config.home, Code::StoreMissing));
        }
        let store_file = home::store_file(&config.home);
        let store = SqliteStore::open(&store_file).map_err(|error| Trouble::store(&store_file, error))?;
        store.backup(to).map_err(|error| Trouble::backup(&store_file, to, error))?;
        return say(&format!("The store is copied to {}.", to.display()));
    }
    // Before anything is made: a configuration that is refused leaves no trace.
    let settings = Settings::of(&config)?;
    let _lock = home::take(&config.home).map_err(|no_home| match no_home {
        NoHome::InUse => Trouble::at(&config.home, Code::RelayInUse),
        NoHome::Failed(error) => Trouble::file(&config.home, &error),
    })?;
    let (identity, store) = home::open(&config.home)?;
    serve(settings, &identity, store, arguments.log)
}

/// Writes to standard output, where there may be no room, or nobody who reads.
fn say(words: &str) -> Result<(), Trouble> {
    let mut out = io::stdout().lock();
    writeln!(out, "{words}").and_then(|()| out.flush()).map_err(|error| Trouble::file(Path::new("standard output"), &error))
}

/// What a relay that runs needs of its configuration.
struct Settings {
    listen: SocketAddr,
    policy: Policy,
    connections_address_max: usize,
}

impl Settings {
    fn of(config: &Config) -> Result<Settings, Trouble> {
        let (listen, policy) = (config.listen().map_err(Trouble::configuration)?, config.policy().map_err(Trouble::configuration)?);
        let connections_address_max = config.connections_address_max().map_err(Trouble::configuration)?;
        Ok(Settings { listen, policy, connections_address_max })
    }
}

fn serve(settings: Settings, identity: &Identity, store: SqliteStore, log: Level) -> Result<(), Trouble> {
    let Settings { listen, policy, connections_address_max } = settings;
    let too_few_files = files::allow_enough();
    let bell = Arc::new(Bell::default());
    let ringing = bell.clone();
    let bell_of_frames = Arc::new(move || ringing.ring());
    let direct = DirectRelay::bind_bounded(listen, identity.noise(), Box::new(SystemEntropy), bell_of_frames, connections_address_max)
        .map_err(|error| Trouble::Numbered(Code::CannotListen, format!("{listen}: {} ({error})", Code::CannotListen.what())))?;
    let stop = Arc::new(AtomicBool::new(false));
    let (stopping, waking) = (stop.clone(), Arc::new(Bell::default()));
    let wake = waking.clone();
    ctrlc::set_handler(move || {
        stopping.store(true, Ordering::Release);
        wake.ring();
    })
    .map_err(Trouble::system)?;
    say(&direct.address())?;
    let world = World { entropy: Box::new(SystemEntropy), clock: Box::new(SystemClock::new()), verify: Box::new(Verifier), policy };
    let relay = Relay::new(store, direct, identity.relay(), world);
    let counters = relay.counters();
    let running = Running::start(relay, bell).map_err(Trouble::system)?;
    log.tell(&Line::note("started"));
    if let Some(line) = too_few_files {
        log.tell(&line);
    }
    let (began, mut watch) = (Instant::now(), Watch::default());
    while !stop.load(Ordering::Acquire) && running.is_running() {
        waking.wait(LOOK_EVERY);
        for line in watch.look(began.elapsed(), counters.counts()) {
            log.tell(&line);
        }
    }
    // The turn under way ends and is committed; what is not answered is asked again.
    running.stop().ok_or_else(|| Trouble::system("the relay's thread failed; report it"))?;
    let (seconds, all) = (began.elapsed().as_secs(), log::since(Counts::default(), counters.counts()));
    log.tell(&Line::note(format!("stopped after {seconds} s: {all}")));
    Ok(())
}
