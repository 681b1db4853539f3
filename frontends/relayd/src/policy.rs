//! What the operator decided, from the configuration's keys. A value that cannot be is refused in words, never bent.

use crate::config::File;
use crate::text;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::path::Path;
use thicket_relay::{Policy, Registration};
use thicket_types::limits::{
    DIRECT_CONNECTIONS_ADDRESS_MAX, DIRECT_CONNECTIONS_MAX, REGISTRATION_TOKEN_LEN_MAX, REGISTRATION_TOKENS_LEN_MAX,
    REGISTRATION_TOKENS_MAX, RETENTION, STAMP_BITS_MAX,
};
use thicket_types::name::RegistrationToken;
use thicket_types::time::Duration;

/// Items that any of the limits can be set to: at 96 KiB each, what a large disk holds of one mailbox.
const ITEMS: RangeInclusive<u64> = 1..=1_000_000;
/// Logs that the limit can be set to.
const LOGS_MOST: u64 = 10_000_000;
/// Milliseconds of a day.
const DAY: u64 = Duration::days(1).0;

/// The configuration's word for who may register.
#[derive(Deserialize, Clone, Copy, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Open,
    Token,
    Closed,
}

/// The policy that the keys say, with its defaults where they say nothing. **Errors:** words.
pub fn policy(file: &File) -> Result<Policy, String> {
    let default = Policy::default();
    let stamp_bits = within("stamp_bits", file.stamp_bits, 0..=u64::from(STAMP_BITS_MAX), u64::from(default.stamp_bits))?;
    let retention_days = within("retention_days", file.retention_days, 1..=RETENTION.0 / DAY, default.retention.0 / DAY)
        .map_err(|words| format!("{words}; clients don't keep the keys that open older mail"))?;
    Ok(Policy {
        registration: registration(file)?,
        accounts_max: within("accounts_max", file.accounts_max, 1..=u64::MAX, default.accounts_max)?,
        mailbox_items_max: within("mailbox_items_max", file.mailbox_items_max, ITEMS, default.mailbox_items_max)?,
        capability_items_max: within("capability_items_max", file.capability_items_max, ITEMS, default.capability_items_max)?,
        request_box_items_max: within("request_box_items_max", file.request_box_items_max, ITEMS, default.request_box_items_max)?,
        logs_max: within("logs_max", file.logs_max, 0..=LOGS_MOST, default.logs_max)?,
        stamp_bits: u32::try_from(stamp_bits).unwrap_or(STAMP_BITS_MAX),
        retention: Duration(retention_days.saturating_mul(DAY)),
    })
}

/// How many connections one address may have: no part of the policy, since it bounds the transport. **Errors:** words.
pub fn connections_address_max(file: &File) -> Result<usize, String> {
    let all = u64::try_from(DIRECT_CONNECTIONS_MAX).unwrap_or(u64::MAX);
    let given = within(
        "connections_address_max",
        file.connections_address_max,
        1..=all,
        u64::try_from(DIRECT_CONNECTIONS_ADDRESS_MAX).unwrap_or(all),
    )?;
    Ok(usize::try_from(given).unwrap_or(DIRECT_CONNECTIONS_MAX))
}

/// What a relay runs with, a key a line as a configuration has it. Of tokens their number alone.
pub fn shown(policy: &Policy, tokens_file: Option<&Path>) -> String {
    let Policy {
        registration,
        accounts_max,
        mailbox_items_max,
        capability_items_max,
        request_box_items_max,
        logs_max,
        stamp_bits,
        retention,
    } = policy;
    let mut lines = match registration {
        Registration::Open => line("registration", "open"),
        Registration::Tokens(tokens) => {
            let file = tokens_file.map(|file| shown_path("tokens_file", file)).unwrap_or_default();
            format!("{}# {} in the file:\n{file}", line("registration", "token"), tokens.len())
        }
        Registration::Closed => line("registration", "closed"),
    };
    let accounts_max = if *accounts_max == u64::MAX { "# accounts_max: none\n".to_owned() } else { line("accounts_max", *accounts_max) };
    lines.push_str(&accounts_max);
    for (key, value) in [
        ("mailbox_items_max", *mailbox_items_max),
        ("capability_items_max", *capability_items_max),
        ("request_box_items_max", *request_box_items_max),
        ("logs_max", *logs_max),
        ("stamp_bits", u64::from(*stamp_bits)),
        ("retention_days", retention.0 / DAY),
    ] {
        lines.push_str(&line(key, value));
    }
    lines
}

/// A key and its value, as TOML.
pub fn line(key: &str, value: impl Serialize) -> String {
    match toml::Value::try_from(value) {
        Ok(value) => format!("{key} = {value}\n"),
        Err(error) => format!("# {key}: {error}\n"),
    }
}

/// A key whose value is a path.
pub fn shown_path(key: &str, path: &Path) -> String {
    match path.to_str() {
        Some(text) => line(key, text),
        None => format!("# {key}: its bytes are no UTF-8, and no TOML can hold them; give it as --{key}\n"),
    }
}

fn within(key: &str, given: Option<u64>, range: RangeInclusive<u64>, default: u64) -> Result<u64, String> {
    let value = given.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    let most = if *range.end() == u64::MAX { "or more".to_owned() } else { format!("to {}", range.end()) };
    Err(format!("{key} = {value}: it must be {} {most}", range.start()))
}

fn registration(file: &File) -> Result<Registration, String> {
    match (file.registration, &file.tokens_file) {
        (Some(Kind::Token), Some(path)) => Ok(Registration::Tokens(tokens(path)?)),
        (Some(Kind::Token), None) => Err("registration = \"token\" needs `tokens_file`: a file with one token a line".to_owned()),
        (Some(Kind::Open | Kind::Closed) | None, Some(_)) => Err("`tokens_file` is of use with registration = \"token\" alone".to_owned()),
        (Some(Kind::Open) | None, None) => Ok(Registration::Open),
        (Some(Kind::Closed), None) => Ok(Registration::Closed),
    }
}

/// Reads tokens, one a line; spaces around one and empty lines count for nothing. **Errors:** words, which show no token.
fn tokens(path: &Path) -> Result<Vec<String>, String> {
    let shown = path.display();
    let text = text::read(path, REGISTRATION_TOKENS_LEN_MAX).map_err(|error| format!("tokens_file {shown}: {error}"))?;
    let mut tokens = Vec::new();
    for (line, number) in text.lines().zip(1_u32..) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let token = RegistrationToken::parse(line).ok_or_else(|| {
            format!(
                "tokens_file {shown}: line {number} is no token: 1 to {REGISTRATION_TOKEN_LEN_MAX} printable ASCII characters, no spaces"
            )
        })?;
        tokens.push(token.text().to_owned());
    }
    match tokens.len() {
        0 => Err(format!("tokens_file {shown}: there is no token in it; registration = \"closed\" lets nobody in")),
        count if count > REGISTRATION_TOKENS_MAX => {
            Err(format!("tokens_file {shown}: it has {count} tokens, and may have {REGISTRATION_TOKENS_MAX}"))
        }
        _ => Ok(tokens),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn of(change: impl FnOnce(&mut File)) -> Result<Policy, String> {
        let mut file = File::default();
        change(&mut file);
        policy(&file)
    }

    fn with_tokens(text: &str) -> Result<Policy, String> {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("tokens");
        std::fs::write(&path, text).expect("room");
        of(|file| (file.registration, file.tokens_file) = (Some(Kind::Token), Some(path)))
    }

    #[test]
    fn without_keys_it_is_the_default() {
        assert_eq!(of(|_| ()), Ok(Policy::default()));
    }

    #[test]
    fn each_key_sets_its_own() {
        let policy = of(|file| {
            file.registration = Some(Kind::Closed);
            file.accounts_max = Some(1);
            file.mailbox_items_max = Some(2);
            file.capability_items_max = Some(3);
            file.request_box_items_max = Some(4);
            file.logs_max = Some(7);
            file.stamp_bits = Some(5);
            file.retention_days = Some(6);
        });
        let expected = Policy {
            registration: Registration::Closed,
            accounts_max: 1,
            mailbox_items_max: 2,
            capability_items_max: 3,
            request_box_items_max: 4,
            logs_max: 7,
            stamp_bits: 5,
            retention: Duration::days(6),
        };
        let lines = "registration = \"closed\"\naccounts_max = 1\nmailbox_items_max = 2\ncapability_items_max = 3\n\
                     request_box_items_max = 4\nlogs_max = 7\nstamp_bits = 5\nretention_days = 6\n";
        assert_eq!(shown(&expected, None), lines);
        assert_eq!(policy, Ok(expected));
    }

    #[test]
    fn what_is_out_of_bounds_is_refused_with_its_bounds() {
        type Change = fn(&mut File);
        let cases: [(Change, &str); 9] = [
            (|file| file.accounts_max = Some(0), "accounts_max = 0: it must be 1 or more"),
            (|file| file.mailbox_items_max = Some(0), "mailbox_items_max = 0: it must be 1 to 1000000"),
            (|file| file.capability_items_max = Some(1_000_001), "capability_items_max = 1000001: it must be 1 to 1000000"),
            (|file| file.request_box_items_max = Some(0), "request_box_items_max = 0"),
            (|file| file.logs_max = Some(10_000_001), "logs_max = 10000001: it must be 0 to 10000000"),
            (|file| file.stamp_bits = Some(23), "stamp_bits = 23: it must be 0 to 22"),
            (|file| file.stamp_bits = Some(u64::from(u32::MAX) + 1), "stamp_bits"),
            (|file| file.retention_days = Some(0), "retention_days = 0: it must be 1 to 45"),
            (|file| file.retention_days = Some(46), "it must be 1 to 45; clients don't keep"),
        ];
        for (change, words) in cases {
            let refused = of(change).expect_err(words);
            assert!(refused.contains(words), "{refused}");
        }
        assert_eq!(of(|file| file.stamp_bits = Some(0)).map(|policy| policy.stamp_bits), Ok(0));
    }

    #[test]
    fn connections_of_an_address_are_at_most_all_that_there_may_be() {
        let of = |given| {
            let mut file = File::default();
            file.connections_address_max = given;
            connections_address_max(&file)
        };
        assert_eq!(of(None), Ok(DIRECT_CONNECTIONS_ADDRESS_MAX));
        assert_eq!(of(Some(1_024)), Ok(DIRECT_CONNECTIONS_MAX));
        for wrong in [0, 1_025] {
            let words = format!("connections_address_max = {wrong}: it must be 1 to 1024");
            assert_eq!(of(Some(wrong)), Err(words));
        }
    }

    #[test]
    fn tokens_are_read_a_line_each_and_counted_when_shown() {
        let policy = with_tokens("first-token\n\n  second \r\nthird").expect("three");
        let tokens = ["first-token", "second", "third"].map(str::to_owned).to_vec();
        assert_eq!(policy.registration, Registration::Tokens(tokens));
        let shown = shown(&policy, Some(Path::new("/etc/tokens")));
        assert!(shown.starts_with("registration = \"token\"\n# 3 in the file:\ntokens_file = \"/etc/tokens\"\n"), "{shown}");
        assert!(!shown.contains("second"), "{shown}");
    }

    #[test]
    fn tokens_that_cannot_be_are_named_by_their_line_and_not_shown() {
        for (text, words) in [
            ("", "no token in it"),
            ("\n \n", "no token in it"),
            ("good\nhunter two\n", "line 2 is no token"),
            (&format!("good\n\n{}", "x".repeat(129)), "line 3 is no token"),
            (&"hunter\n".repeat(REGISTRATION_TOKENS_MAX + 1), "it has 4097 tokens"),
        ] {
            let refused = with_tokens(text).expect_err(words);
            assert!(refused.contains(words) && !refused.contains("hunter"), "{refused}");
        }
    }

    #[test]
    fn tokens_and_the_policy_that_needs_them_go_together() {
        let somewhere = || Some("/nowhere/tokens".into());
        assert!(of(|file| file.registration = Some(Kind::Token)).expect_err("no file").contains("tokens_file"));
        assert!(of(|file| file.tokens_file = somewhere()).expect_err("open").contains("token"));
        let closed = of(|file| (file.registration, file.tokens_file) = (Some(Kind::Closed), somewhere()));
        assert!(closed.expect_err("closed").contains("token"));
        let missing = of(|file| (file.registration, file.tokens_file) = (Some(Kind::Token), somewhere()));
        assert!(missing.expect_err("no such file").contains("/nowhere/tokens"));
    }
}
