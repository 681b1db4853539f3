//! `thicket`: the command line.
#![forbid(unsafe_code)]
// A macro of the standard library panics if nobody reads: `put!` and `note!` do not.
#![deny(clippy::print_stdout, clippy::print_stderr)]

#[macro_use]
mod output;

mod ahead;
mod commands;
mod demo;
mod files;
mod home;
mod interrupt;
mod paint;
mod progress;
mod terminal;
mod text;
mod usage;
mod warn;
mod watch;
mod who;

use clap::{Args, Parser, Subcommand};
use output::{Trouble, print, put_json};
use paint::Colour;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use thicket_types::error::Code;
use thicket_types::limits::COMMAND_TIMEOUT_S_MAX;

/// Private messages over an encrypted journal. Everything that happens is a record; a crash at any point loses nothing.
#[derive(Parser)]
#[command(name = "thicket", version, term_width = 80, after_help = "Example: thicket demo")]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The profile's folder [default: thicket in the platform's data folder].
    #[arg(long, global = true, value_name = "DIR", env = "THICKET_HOME", hide_env_values = true)]
    home: Option<PathBuf>,
    /// Read the passphrase from the first line of this file instead of the terminal. THICKET_PASSPHRASE works too.
    #[arg(long, global = true, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Print JSON: one object, or one a line for lists.
    #[arg(long, global = true)]
    json: bool,
    /// How long to wait for the relay, in seconds: at most a year.
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=COMMAND_TIMEOUT_S_MAX))]
    timeout: u64,
    /// Tell on standard error what happens.
    #[arg(short, long, global = true)]
    verbose: bool,
    /// When to colour what is printed.
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Colour::Auto, hide_possible_values = true)]
    color: Colour,
    /// A capsule whose journal is looked into, instead of the profile's.
    #[arg(skip)]
    capsule: Option<PathBuf>,
    /// When the program began.
    #[arg(skip = Instant::now())]
    since: Instant,
}

impl Global {
    fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// How the program is called once more for the same profile: with `--home`, if that is how it was found.
    fn again(&self) -> String {
        match &self.home {
            Some(home) if std::env::var_os("THICKET_HOME").is_none_or(|known| known != home.as_os_str()) => {
                format!("thicket --home {}", text::quoted(&home.display().to_string()))
            }
            _ => "thicket".to_owned(),
        }
    }

    /// A line of what `-v` tells: with the time since the program began.
    fn telling(&self, words: &str) -> String {
        format!("thicket: {:.3} s  {words}", self.since.elapsed().as_secs_f64())
    }

    /// Tells what happens, with `-v` alone.
    fn tell(&self, words: impl FnOnce() -> String) {
        if self.verbose {
            note!("{}", self.telling(&words()));
        }
    }
}

#[derive(Subcommand)]
enum Command {
    /// Show the main job on an embedded relay: real keys, real MLS, real disk.
    ///
    /// Example: thicket demo --keep /tmp/thicket-demo
    Demo(demo::Arguments),
    /// Make or import an account, show or export it, change its passphrase, delete it.
    #[command(subcommand, after_help = "Example: thicket account create alice")]
    Account(commands::account::Command),
    /// Write a backup of this account, check one, or make a profile of one.
    #[command(subcommand, after_help = "Example: thicket backup create alice.thicket")]
    Backup(commands::backup::Command),
    /// Register this account's name with a relay.
    ///
    /// Example: thicket register --relay direct:KEY@127.0.0.1:7070
    Register {
        /// The relay's address, as thicket-relayd prints it.
        #[arg(long, value_name = "ADDRESS")]
        relay: String,
        #[command(flatten)]
        with: commands::relay::With,
    },
    /// Change the relay of this account.
    #[command(subcommand, after_help = "Example: thicket relay change direct:KEY@relay.example:7070")]
    Relay(commands::relay::Command),
    /// Look people up, accept them, list them.
    #[command(subcommand, after_help = "Example: thicket contact add bob")]
    Contact(commands::contact::Command),
    /// Send a message.
    ///
    /// Example: thicket send bob "See you at eight."
    Send {
        /// The contact's name, or how their fingerprint begins.
        to: String,
        /// The text; `-` reads it from standard input, without its last line break.
        text: String,
        /// Wait until the message is in this state, or the time is up.
        #[arg(long, value_enum, default_value_t = commands::send::Goal::Stored)]
        wait: commands::send::Goal,
    },
    /// Talk to a contact: what they write is shown as it comes, what you type is sent line by line. Ends with Ctrl-D.
    ///
    /// Shows the last 20 messages first, and marks what comes as read.
    ///
    /// Without a terminal each line of standard input is sent; it ends when the relay has stored them all, or the time is up.
    ///
    /// Example: thicket chat bob
    Chat {
        /// The contact's name, or how their fingerprint begins.
        with: String,
    },
    /// Show the messages with a contact, oldest first, and mark them as read. Asks no relay.
    ///
    /// While another process has the profile open they are shown and not marked.
    ///
    /// Example: thicket read bob
    Read {
        /// The contact's name, or how their fingerprint begins.
        with: String,
    },
    /// Show one message, send it again, take it back, or delete it here.
    #[command(subcommand, after_help = "Example: thicket message show 1f0c9a3e")]
    Message(commands::message::Command),
    /// List conversations: who, what is unread, the last message, when. Asks no relay.
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
    /// What is unread is told first, as if it came now.
    ///
    /// Takes {"send":{"to":NAME,"text":TEXT}}, {"read":{"from":NAME,"message":ID}}, {"retry":ID}, {"cancel":ID}, {"forget":ID};
    /// {"add":NAME}, and so accept, decline, block, unblock, remove, verify, trust and update;
    /// {"settings":{"read_marks":BOOL}}, {"register":{"relay":ADDRESS}} and {"change_relay":{"relay":ADDRESS}}.
    ///
    /// Each is answered by a line with its "answer". With an "intent" of 32 hex digits, which comes back in the answer, it can be
    /// asked again for 24 hours: it gets the first answer, and nothing is done twice.
    ///
    /// Example: thicket listen
    Listen,
    /// Show the account's state, and what the transport protects and what not.
    ///
    /// Example: thicket status
    Status,
    /// Show the settings, or change one. Asks no relay.
    ///
    /// Example: thicket settings read-marks on
    Settings {
        #[command(subcommand)]
        change: Option<commands::settings::Command>,
    },
    /// Look for what is wrong: files, keys, journal, vault, relay, clock. Says what to do.
    ///
    /// Example: thicket doctor
    Doctor,
    /// Look into the journal.
    #[command(after_help = "Example: thicket journal verify")]
    Journal {
        /// Look into a capsule, which needs no passphrase, instead of the profile's journal.
        #[arg(long, global = true, value_name = "FILE")]
        capsule: Option<PathBuf>,
        #[command(subcommand)]
        command: commands::journal::Command,
    },
    /// Print a completion script for a shell.
    ///
    /// Example: thicket completions bash > /etc/bash_completion.d/thicket
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

fn main() -> ExitCode {
    // Whatever this program makes is for its owner alone.
    #[cfg(unix)]
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    if let Some(folder) = demo::child_folder(std::env::args_os()) {
        return demo::run_child(&folder);
    }
    let Arguments { mut global, command } = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage::exit(&usage::without_home(error)),
    };
    output::call_again_by(global.again());
    let interrupted = if matches!(command, Command::Demo(_)) { Code::DemoInterrupted } else { Code::Interrupted };
    interrupt::heed(global.json, interrupted);
    let done = match command {
        Command::Demo(arguments) => demo::run(&arguments, &global),
        Command::Completions { shell } => {
            let mut shape = <Arguments as clap::CommandFactory>::command();
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut shape, "thicket", &mut script);
            let script = String::from_utf8_lossy(&script);
            if global.json { put_json(&serde_json::json!({ "script": script })) } else { print(&script) }
        }
        Command::Backup(command) => commands::backup::run(&global, &command),
        Command::Account(command) => commands::account::run(&global, &command),
        Command::Register { relay, with } => commands::relay::register(&global, &relay, &with),
        Command::Relay(command) => commands::relay::run(&global, &command),
        Command::Contact(command) => commands::contact::run(&global, &command),
        Command::Send { to, text, wait } => commands::send::run(&global, &to, &text, wait),
        Command::Chat { with } => commands::chat::run(&global, &with),
        Command::Read { with } => commands::read::run(&global, &with),
        Command::Message(command) => commands::message::run(&global, &command),
        Command::Conversations => commands::conversations::list(&global),
        Command::Search { words } => commands::conversations::search(&global, &words.join(" ")),
        Command::Sync => commands::sync::run(&global),
        Command::Listen => commands::listen::run(&global),
        Command::Status => commands::status::run(&global),
        Command::Settings { change } => commands::settings::run(&global, change.as_ref()),
        Command::Doctor => commands::doctor::run(&global),
        Command::Journal { capsule, command } => {
            global.capsule = capsule;
            commands::journal::run(&global, &command)
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Trouble::Said(interrupt::STATUS)) => Trouble::Said(interrupt::STATUS).exit(global.json),
        // Whatever it looked like where it was met.
        Err(_) if interrupt::asked() => Trouble::from(interrupted).exit(global.json),
        Err(trouble) => trouble.exit(global.json),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    /// Every command and every group with the words that lead to it, the program itself included.
    fn all(command: &clap::Command, path: &str) -> Vec<(String, clap::Command)> {
        let below = command.get_subcommands().filter(|below| !below.is_hide_set() && below.get_name() != "help");
        let mut found: Vec<_> = below.flat_map(|below| all(below, &format!("{path} {}", below.get_name()))).collect();
        found.push((path.to_owned(), command.clone()));
        found
    }

    /// How a command stands in the document's tables: by all its words, or by its last in a row that names its group before.
    fn is_in(document: &str, path: &str) -> bool {
        let (group, name) = path.split_once(' ').map_or(("", path), |(group, name)| (group, name));
        document.lines().filter(|line| line.starts_with("| `")).any(|line| {
            let quoted: Vec<&str> = line.split('|').nth(1).unwrap_or_default().split('`').skip(1).step_by(2).collect();
            let after = quoted.iter().position(|words| !group.is_empty() && words.split(' ').next() == Some(group));
            quoted.contains(&path) || after.is_some_and(|at| quoted.iter().skip(at).any(|words| *words == name))
        })
    }

    #[test]
    fn every_command_has_a_row_that_says_what_it_prints_as_json() {
        let path = std::path::Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where")).join("../../docs/CLI.md");
        let document = std::fs::read_to_string(path).expect("docs/CLI.md is there");
        let json = document.split_once("\n## JSON\n").expect("a section").1;
        let mut shape = Arguments::command();
        shape.build();
        let leaves: Vec<String> = all(&shape, "thicket")
            .into_iter()
            .filter(|(_, command)| command.get_subcommands().all(clap::Command::is_hide_set))
            .filter_map(|(path, _)| path.strip_prefix("thicket ").map(str::to_owned))
            .collect();
        assert!(leaves.len() > 35, "{leaves:?}");
        for leaf in leaves {
            assert!(is_in(json, &leaf), "{leaf} has no row");
        }
        assert!(!is_in(json, "contact forget") && !is_in(json, "sing"), "what is not there is not found");
    }

    #[test]
    fn every_command_and_every_group_has_help_with_an_example_that_can_be_typed() {
        let mut shape = Arguments::command();
        shape.build();
        let all = all(&shape, "thicket");
        assert!(all.len() > 40, "{}", all.len());
        for (path, mut command) in all {
            let help = command.render_long_help().to_string();
            let example = help.lines().find_map(|line| line.trim().strip_prefix("Example: ")).unwrap_or_else(|| panic!("{path}: {help}"));
            let typed = example.split(" > ").next().unwrap_or_default();
            assert!(typed.starts_with(&path), "{path}: {example}");
            // As a shell does, as far as examples need it: what stands in quotes is one word.
            let words = typed.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().collect(),
                _ => vec![part],
            });
            assert!(Arguments::try_parse_from(words).is_ok(), "{path}: {example}");
        }
    }
}
