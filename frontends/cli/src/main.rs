//! `thicket`: the command line.
#![forbid(unsafe_code)]

mod commands;
mod demo;
mod home;
mod output;
mod text;

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Private messages over an encrypted journal. Everything that happens is a record; a crash at any point loses nothing.
#[derive(Parser)]
#[command(name = "thicket", version, about, max_term_width = 100)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args)]
pub struct Global {
    /// The profile's folder [default: thicket in the platform's data folder].
    #[arg(long, global = true, value_name = "DIR", env = "THICKET_HOME")]
    home: Option<PathBuf>,
    /// Read the passphrase from the first line of this file instead of the terminal. THICKET_PASSPHRASE works too.
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Print JSON: one object, or one a line for lists.
    #[arg(long, global = true)]
    json: bool,
    /// How long to wait for the relay, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10)]
    timeout: u64,
}

impl Global {
    fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }
}

#[derive(Subcommand)]
enum Command {
    /// Shows the main job on an embedded relay: real keys, real MLS, real disk.
    ///
    /// Example: thicket demo --keep /tmp/thicket-demo
    Demo(demo::Arguments),
    /// The demo's third person, in a process of her own; the demo starts it.
    #[command(hide = true)]
    DemoChild {
        /// Her profile's folder.
        folder: PathBuf,
    },
    /// Make an account, or show it.
    #[command(subcommand)]
    Account(commands::account::Command),
    /// Register this account's name with a relay.
    ///
    /// Example: thicket register --relay direct:KEY@127.0.0.1:7070
    Register {
        /// The relay's address, as thicket-relayd prints it.
        #[arg(long, value_name = "ADDRESS")]
        relay: String,
    },
    /// Look people up, accept them, list them.
    #[command(subcommand)]
    Contact(commands::contact::Command),
    /// Send a message.
    ///
    /// Example: thicket send bob "See you at eight."
    Send {
        /// The contact's name.
        to: String,
        /// The text; `-` reads it from standard input.
        text: String,
        /// Wait until the message is in this state, or the time is up.
        #[arg(long, value_enum, default_value_t = commands::message::Goal::Stored)]
        wait: commands::message::Goal,
    },
    /// Show the messages with a contact, oldest first. Asks no relay.
    ///
    /// Example: thicket read bob
    Read {
        /// The contact's name.
        with: String,
    },
    /// List conversations: who, the last message, when. Asks no relay.
    ///
    /// Example: thicket conversations
    Conversations,
    /// Find messages by their words, or how words begin; the newest first. Asks no relay.
    ///
    /// Example: thicket search eight
    Search {
        /// The words.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Log in, send what waits, fetch what came, and exit.
    ///
    /// Example: thicket sync
    Sync,
    /// Stay connected: a JSON line for each change; takes JSON lines on standard input. Ends when the input does.
    ///
    /// Takes {"send":{"to":NAME,"text":TEXT}}, {"add":NAME} and {"accept":NAME}; each is answered by a line with its "answer".
    ///
    /// Example: thicket listen
    Listen,
    /// Show the account's state, and what the transport protects and what not.
    ///
    /// Example: thicket status
    Status,
    /// Look into the journal.
    #[command(subcommand)]
    Journal(commands::journal::Command),
    /// Print a completion script for a shell.
    ///
    /// Example: thicket completions bash > /etc/bash_completion.d/thicket
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    let Arguments { global, command } = Arguments::parse();
    let done = match command {
        Command::Demo(arguments) => return demo::run(&arguments, global.json),
        Command::DemoChild { folder } => return demo::run_child(&folder),
        Command::Completions { shell } => {
            let mut shape = <Arguments as clap::CommandFactory>::command();
            clap_complete::generate(shell, &mut shape, "thicket", &mut std::io::stdout());
            return ExitCode::SUCCESS;
        }
        Command::Account(command) => commands::account::run(&global, &command),
        Command::Register { relay } => commands::register::run(&global, &relay),
        Command::Contact(command) => commands::contact::run(&global, &command),
        Command::Send { to, text, wait } => commands::message::send(&global, &to, &text, wait),
        Command::Read { with } => commands::message::read(&global, &with),
        Command::Conversations => commands::message::conversations(&global),
        Command::Search { words } => commands::message::search(&global, &words.join(" ")),
        Command::Sync => commands::sync::run(&global),
        Command::Listen => commands::listen::run(&global),
        Command::Status => commands::status::run(&global),
        Command::Journal(command) => commands::journal::run(&global, &command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => trouble.exit(global.json),
    }
}
