//! What a command ends with: words for a person, JSON for a program, and an exit status for both.

use std::process::ExitCode;
use thicket_engine::Fault;
use thicket_types::error::{Blame, Code};
use thicket_types::ids::MessageId;

/// Why a command did not do as asked.
#[derive(Debug)]
pub enum Trouble {
    /// A numbered error, and for damage its place.
    Numbered(Code, Option<String>),
    /// The command line asked for what cannot be.
    Usage(String),
}

impl From<Code> for Trouble {
    fn from(code: Code) -> Trouble {
        Trouble::Numbered(code, None)
    }
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Trouble {
        Trouble::Numbered(fault.code, fault.damage.map(|damage| damage.to_string()))
    }
}

impl Trouble {
    /// Says it, and gives the exit status. With `json` the last line of standard output is the error's object.
    pub fn exit(self, json: bool) -> ExitCode {
        match self {
            Trouble::Numbered(code, place) => {
                let message = match &place {
                    Some(place) => format!("{} ({place})", code.what()),
                    None => code.what().to_owned(),
                };
                if json {
                    println!("{}", serde_json::json!({ "error": error(code, &message) }));
                } else {
                    eprintln!("thicket: {message} (error {}). {}.", code.number(), sentence(code.hint()));
                }
                ExitCode::from(status(code))
            }
            Trouble::Usage(words) => {
                if json {
                    println!("{}", serde_json::json!({ "error": { "code": 0, "name": "Usage", "message": words, "hint": "see --help" } }));
                } else {
                    eprintln!("thicket: {words}");
                }
                ExitCode::from(2)
            }
        }
    }
}

/// A numbered error as an object.
pub fn error(code: Code, message: &str) -> serde_json::Value {
    serde_json::json!({ "code": code.number(), "name": code.name(), "message": message, "hint": code.hint() })
}

/// Words with a capital letter.
pub fn sentence(hint: &str) -> String {
    let mut chars = hint.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// The exit status of an error; docs/CLI.md lists them.
pub fn status(code: Code) -> u8 {
    match code {
        Code::WrongPassphrase => 4,
        Code::ProfileInUse => 5,
        Code::RelayUnreachable => 6,
        Code::JournalDamaged | Code::VaultDamaged | Code::KeysDamaged | Code::RolledBack => 7,
        Code::DiskFull => 8,
        Code::ProfileNewer => 9,
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
    let days = ms / 86_400_000;
    // Days to a civil date (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_dates() {
        assert_eq!(time(0), "1970-01-01 00:00");
        assert_eq!(time(951_827_696_000), "2000-02-29 12:34");
        assert_eq!(time(1_790_000_000_000), "2026-09-21 14:13");
        assert_eq!(time_exact(1_790_000_000_000), "2026-09-21 14:13:20 UTC");
    }
}
