//! What a command ends with: words for a person, JSON for a program, and an exit status for both.

use crate::terminal::width_of_errors;
use crate::text::{acts, broken};
use serde_json::{Value, json};
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;
use std::sync::OnceLock;
use thicket_engine::Fault;
use thicket_types::error::{Blame, Code};
use thicket_types::ids::MessageId;
use thicket_types::time::Stamp;

/// Why a command did not do as asked.
#[derive(Debug)]
pub enum Trouble {
    /// A numbered error, and for damage its place.
    Numbered(Code, Option<String>),
    /// The same where more is known of what to do than the error's own hint says: that instead, as it ends a text.
    Advised(Code, Option<String>, String),
    /// The command line asked for what cannot be: `Code::Usage` in words of its own.
    Usage(String),
    /// Whoever read standard output has seen enough.
    Unread,
    /// What is to be said is said: the exit status.
    Said(u8),
}

/// How the program is called once more for the same profile, set when the command line is read.
static AGAIN: OnceLock<String> = OnceLock::new();

/// What a shell makes of a program that SIGPIPE ended. Not 0: what was not shown was not said to be well either.
const UNREAD: u8 = 141;

/// Prints a line on standard output, as `println!`, and gives whether it got out.
macro_rules! put {
    ($($what:tt)*) => { $crate::output::print(&format!("{}\n", format_args!($($what)*))) };
}

/// Prints a line on standard error, as `eprintln!`. If that is closed, there is nobody to tell.
macro_rules! note {
    ($($what:tt)*) => { $crate::output::mention(&format!("{}\n", format_args!($($what)*))) };
}

/// Prints on standard output: nothing else writes there.
pub fn print(text: &str) -> Result<(), Trouble> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => Trouble::Unread,
        _ => Trouble::stream("standard output", &error),
    })
}

/// Prints a line of JSON on standard output: all JSON goes this way.
pub fn put_json(value: &Value) -> Result<(), Trouble> {
    put!("{}", for_a_terminal(&value.to_string()))
}

/// JSON that a terminal shows and does not obey: the same value, with what would act on it in escapes. None of that is syntax, so
/// it stands in strings alone.
fn for_a_terminal(json: &str) -> String {
    let mut shown = String::with_capacity(json.len());
    for char in json.chars() {
        if acts(char) {
            let mut units = [0; 2];
            char.encode_utf16(&mut units).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(char);
        }
    }
    shown
}

/// Prints on standard error.
pub fn mention(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}

/// An error as a program reads it.
pub fn error(code: Code) -> Value {
    Trouble::from(code).object()
}

impl From<Code> for Trouble {
    fn from(code: Code) -> Trouble {
        Trouble::Numbered(code, None)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Trouble {
        Trouble::Numbered(failed(error.kind()), Some(error.to_string()))
    }
}

fn failed(kind: ErrorKind) -> Code {
    if kind == ErrorKind::StorageFull { Code::DiskFull } else { Code::FileFailed }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Numbered(fault.code, fault.damage.map(|damage| damage.to_string()))
    }
}

impl Trouble {
    /// A file or stream that failed, with what the system says.
    pub fn stream(which: &str, error: &std::io::Error) -> Trouble {
        Trouble::Numbered(failed(error.kind()), Some(format!("{which}: {error}")))
    }

    /// Its number.
    pub fn code(&self) -> Option<Code> {
        match self {
            Trouble::Numbered(code, _) | Trouble::Advised(code, ..) => Some(*code),
            Trouble::Usage(_) => Some(Code::Usage),
            Trouble::Unread | Trouble::Said(_) => None,
        }
    }

    /// What happened, in words.
    pub fn words(&self) -> String {
        match self {
            Trouble::Numbered(code, Some(place)) | Trouble::Advised(code, Some(place), _) => format!("{} ({place})", code.what()),
            Trouble::Numbered(code, None) | Trouble::Advised(code, None, _) => code.what().to_owned(),
            Trouble::Usage(words) => words.clone(),
            Trouble::Unread | Trouble::Said(_) => String::new(),
        }
    }

    /// What to do, as the table of errors says it, unless more is known.
    fn hint(&self) -> &str {
        match self {
            Trouble::Advised(_, _, hint) => hint,
            other => other.code().map_or("", Code::hint),
        }
    }

    /// The same, as it is typed for this profile. What is known more was written for it.
    fn advice(&self) -> String {
        match self {
            Trouble::Advised(_, _, hint) => hint.clone(),
            other => other.code().map_or(String::new(), |code| with_home(code.hint())),
        }
    }

    /// The same error where it is known whom its hint names, or at which address.
    pub fn of(self, stands_for: &str) -> Trouble {
        match self {
            Trouble::Numbered(code, place) if hint_of(code, stands_for) != with_home(code.hint()) => {
                let hint = hint_of(code, stands_for);
                // What ends with a command is typed as it stands.
                let dot = if hint.ends_with(stands_for) { "" } else { "." };
                Trouble::Advised(code, place, hint + dot)
            }
            other => other,
        }
    }

    /// The error as a program reads it; null if there is none to tell of.
    pub fn object(&self) -> Value {
        self.code()
            .map_or(Value::Null, |code| json!({ "code": code.number(), "name": code.name(), "message": self.words(), "hint": self.hint() }))
    }

    /// The error as a person reads it: what happened, its number, what to do.
    pub fn told(&self) -> String {
        match (self, self.code()) {
            (_, None) => String::new(),
            // Its words say what to do, and may go on with a list.
            (Trouble::Usage(words), Some(code)) => {
                let number = code.number();
                match words.split_once(":\n") {
                    Some((first, list)) => format!("thicket: {first} (error {number}):\n{list}"),
                    None => format!("thicket: {words} (error {number})"),
                }
            }
            (_, Some(code)) => {
                // What ends with a command is typed as it stands.
                let dot = if matches!(self, Trouble::Advised(..)) { "" } else { "." };
                format!("thicket: {} (error {}). {}{dot}", self.words(), code.number(), sentence(&self.advice()))
            }
        }
    }

    /// Says it, and gives the exit status. With `json` the last line of standard output is the error's object.
    pub fn exit(self, json: bool) -> ExitCode {
        match &self {
            Trouble::Unread => return ExitCode::from(UNREAD),
            Trouble::Said(status) => return ExitCode::from(*status),
            Trouble::Numbered(..) | Trouble::Advised(..) | Trouble::Usage(_) if json => {
                // If standard output is what failed, the exit status tells alone.
                let _ = put_json(&json!({ "error": self.object() }));
            }
            Trouble::Numbered(..) | Trouble::Advised(..) | Trouble::Usage(_) => note!("{}", on_errors(&self.told())),
        }
        ExitCode::from(self.code().map_or(1, status))
    }
}

/// Notes how the program is called once more for the same profile.
pub fn call_again_by(again: String) {
    // It is noted once, before anything is said.
    let _ = AGAIN.set(again);
}

/// How the program is called once more for the same profile: with `--home`, if that is how it was found.
pub fn again() -> &'static str {
    AGAIN.get().map_or("thicket", String::as_str)
}

/// A hint whose commands can be typed as they stand. Only what was written here is taken: a name that was put in could be the
/// program's, and be taken for it. Where one belongs in, its text is written with [`again`].
pub fn with_home(hint: &'static str) -> String {
    called_by(hint, again())
}

/// A hint of [`with_home`] where it is known whom it names, or at which address: what it says to type can be typed.
pub fn hint_of(code: Code, stands_for: &str) -> String {
    let hint = with_home(code.hint());
    match code {
        Code::ContactHeld | Code::ContactBlocked | Code::NotAsking => hint.replace("NAME", stands_for),
        Code::AccountUnknown => hint.replace("ADDRESS", stands_for),
        _ => hint,
    }
}

/// Calls the program of every command in a hint so. A command begins with a small letter: what has an option there, such as
/// `--home DIR`, is of another profile or of none.
fn called_by(hint: &str, again: &str) -> String {
    let mut parts = hint.split("thicket ");
    let mut called = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        called.push_str(if part.starts_with(|char: char| char.is_ascii_lowercase()) { again } else { "thicket" });
        called.push(' ');
        called.push_str(part);
    }
    called
}

/// Says something beside what was asked for, in a line of standard error. With `--json` nobody reads it.
pub fn remark(json: bool, words: &str) {
    if !json {
        note!("{}", on_errors(&format!("thicket: {words}")));
    }
}

/// Words for standard error: broken at the terminal's width where it is one, each of their lines by itself.
pub fn on_errors(words: &str) -> String {
    match width_of_errors() {
        Some(width) => broken(words, width),
        None => words.to_owned(),
    }
}

/// Words with a capital letter.
pub fn sentence(hint: &str) -> String {
    let mut chars = hint.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// The exit status of an error; docs/CLI.md lists them.
pub fn status(code: Code) -> u8 {
    match code {
        Code::Usage => 2,
        Code::WrongPassphrase => 4,
        Code::ProfileInUse => 5,
        Code::RelayUnreachable | Code::NotThatRelay | Code::StillUnderWay => 6,
        Code::JournalDamaged | Code::VaultDamaged | Code::KeysDamaged | Code::RolledBack => 7,
        Code::ArchiveDamaged | Code::CapsuleDamaged => 7,
        Code::DiskFull => 8,
        Code::ProfileNewer => 9,
        Code::Interrupted | Code::DemoInterrupted => 130,
        other => match other.blame() {
            Blame::Caller | Blame::Peer => 3,
            Blame::Device | Blame::Us => 1,
        },
    }
}

/// How a message's id is shown to a person: its first eight digits, which name it where an id is asked for.
pub fn short(message: &MessageId) -> String {
    message.hex().chars().take(8).collect()
}

/// Milliseconds since the epoch as a person reads them, in UTC, to the minute.
pub fn time(ms: u64) -> String {
    let seconds = ms / 1000 % 86_400;
    format!("{} {:02}:{:02}", date(ms), seconds / 3600, seconds / 60 % 60)
}

/// The same to the second.
pub fn time_exact(ms: u64) -> String {
    format!("{}:{:02} UTC", time(ms), ms / 1000 % 60)
}

fn date(ms: u64) -> String {
    let (year, month, day) = Stamp(ms).date();
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_the_same_value_and_moves_no_terminal() {
        let said = "a\u{1b}[31m \u{9b}2J \u{7f} \u{202E}evil\u{2066} \u{200B}\u{FEFF}\n\tgrüße, мир, 世界, שלום 👩‍👧 \\u009b \"";
        let shown = for_a_terminal(&json!({ said: [said] }).to_string());
        assert!(shown.chars().all(|char| !acts(char)), "{shown:?}");
        assert!(shown.contains(r"\u009b2J \u007f \u202eevil\u2066 \u200b\ufeff\n\tgrüße, мир, 世界, שלום 👩‍👧 \\u009b"), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).expect("JSON"), json!({ said: [said] }));
    }

    #[test]
    fn a_hint_is_typed_as_it_stands_for_the_profile_that_was_named() {
        let called = |hint| called_by(hint, "thicket --home '/a b'");
        assert_eq!(called("to go on: thicket account take-over"), "to go on: thicket --home '/a b' account take-over");
        assert_eq!(called("thicket contact add bob, thicket sync"), "thicket --home '/a b' contact add bob, thicket --home '/a b' sync");
        for other in ["thicket --home DIR account create NAME", "see thicket --help", "update thicket-relayd", "close it"] {
            assert_eq!(called(other), other, "another profile, or none");
        }
    }

    #[test]
    fn every_command_that_a_hint_names_is_one() {
        let shape = <crate::Arguments as clap::CommandFactory>::command();
        for code in Code::ALL {
            for part in code.hint().split("thicket ").skip(1).filter(|part| !part.starts_with('-')) {
                let mut words = part.split(|char: char| !char.is_ascii_lowercase() && char != '-').take_while(|word| !word.is_empty());
                let command = words.next().and_then(|word| shape.find_subcommand(word)).unwrap_or_else(|| panic!("{code:?}: {part}"));
                let below = words.next().map(|word| command.find_subcommand(word).is_some());
                assert!(!command.has_subcommands() || below == Some(true), "{code:?}: {part}");
            }
        }
    }

    #[test]
    fn an_error_of_the_command_line_shows_its_number_and_then_its_list() {
        let told = |words: &str| Trouble::Usage(words.to_owned()).told();
        assert_eq!(told("the passphrase is empty"), "thicket: the passphrase is empty (error 126)");
        assert_eq!(told("say which:\n  one\n  two"), "thicket: say which (error 126):\n  one\n  two");
        assert_eq!(told("it does not begin with direct:"), "thicket: it does not begin with direct: (error 126)");
    }

    #[test]
    fn a_hint_names_whom_it_is_about_where_that_is_known() {
        for (code, stands_for) in [
            (Code::ContactHeld, "contact trust bob, then"),
            (Code::ContactBlocked, "contact unblock bob"),
            (Code::NotAsking, "contact remove bob"),
        ] {
            assert!(hint_of(code, "bob").contains(stands_for), "{code:?}");
            assert!(Trouble::from(code).of("bob").told().contains(stands_for), "{code:?}");
        }
        assert!(Trouble::from(Code::AccountUnknown).of("direct:a").told().ends_with("register --relay direct:a"));
        assert!(Trouble::from(Code::ContactHeld).of("bob").told().ends_with('.'), "it goes on behind the command");
        // Another name, and another relay.
        for code in [Code::NameTaken, Code::NameLost, Code::ProfileMissing] {
            assert_eq!(hint_of(code, "bob"), with_home(code.hint()));
        }
    }

    #[test]
    fn what_is_known_to_do_stands_in_place_of_the_errors_own_hint() {
        let trouble = Trouble::Advised(Code::FileFailed, Some("a.asc".to_owned()), "name another.".to_owned());
        assert_eq!(trouble.told(), "thicket: a file or a stream cannot be read or written (a.asc) (error 308). Name another.");
        assert_eq!((&trouble.object()["code"], &trouble.object()["hint"]), (&json!(308), &json!("name another.")));
    }

    #[test]
    fn a_relay_that_takes_too_long_has_the_status_of_one_that_is_away() {
        assert_eq!([Code::RelayUnreachable, Code::NotThatRelay, Code::StillUnderWay].map(status), [6, 6, 6]);
    }

    #[test]
    fn times_are_read_as_dates() {
        assert_eq!(time(0), "1970-01-01 00:00");
        assert_eq!(time(951_827_696_000), "2000-02-29 12:34");
        assert_eq!(time(1_790_000_000_000), "2026-09-21 14:13");
        assert_eq!(time_exact(1_790_000_000_000), "2026-09-21 14:13:20 UTC");
    }
}
