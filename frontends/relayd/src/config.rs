//! Where relayd lives and listens, and what its operator decided: from a file and the command line.

use crate::{policy, text};
use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use thicket_relay::Policy;
use thicket_types::limits::RELAY_CONFIG_LEN_MAX;

/// What relayd runs with.
#[derive(Debug)]
pub struct Config {
    pub home: PathBuf,
    listen: Option<SocketAddr>,
    file: File,
    /// Where the file is, if there is one.
    place: Option<PathBuf>,
}

/// The configuration's keys; docs/RELAY.md lists them.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields)]
pub struct File {
    home: Option<PathBuf>,
    listen: Option<SocketAddr>,
    pub registration: Option<policy::Kind>,
    pub tokens_file: Option<PathBuf>,
    pub accounts_max: Option<u64>,
    pub mailbox_items_max: Option<u64>,
    pub capability_items_max: Option<u64>,
    pub request_box_items_max: Option<u64>,
    pub logs_max: Option<u64>,
    pub stamp_bits: Option<u64>,
    pub retention_days: Option<u64>,
    pub connections_address_max: Option<u64>,
}

impl Config {
    /// What stands on the command line wins over the file. **Errors:** words that name what is missing or unknown.
    pub fn gather(file: Option<&Path>, home: Option<PathBuf>, listen: Option<SocketAddr>) -> Result<Config, String> {
        let place = file.map(Path::to_path_buf);
        let mut file = match file {
            None => File::default(),
            Some(path) => {
                let text = text::read(path, RELAY_CONFIG_LEN_MAX).map_err(|error| format!("{}: {error}", path.display()))?;
                parsed(&text).map_err(|error| format!("{}: {error}", path.display()))?
            }
        };
        let home = home.or(file.home.take()).ok_or("no home: there is neither --home DIR nor `home` in a configuration")?;
        Ok(Config { home, listen: listen.or(file.listen), file, place })
    }

    /// Where to listen; only a relay that runs needs it.
    pub fn listen(&self) -> Result<SocketAddr, String> {
        self.listen.ok_or("nowhere to listen: there is neither --listen IP:PORT nor `listen` in a configuration".to_owned())
    }

    /// What the operator decided, with the tokens of their file; only a relay that runs needs it.
    ///
    /// **Errors:** words that name the key, what is wrong with it, and what it may be.
    pub fn policy(&self) -> Result<Policy, String> {
        policy::policy(&self.file).map_err(|words| self.placed(words))
    }

    /// What a relay would run with, as a configuration that `--config` takes.
    pub fn shown(&self, listen: SocketAddr, policy: &Policy, connections_address_max: usize) -> String {
        [
            policy::shown_path("home", &self.home),
            policy::line("listen", listen.to_string()),
            policy::shown(policy, self.file.tokens_file.as_deref()),
            policy::line("connections_address_max", connections_address_max),
        ]
        .concat()
    }

    /// How many connections one address may have; only a relay that runs needs it. **Errors:** words, as those of the policy.
    pub fn connections_address_max(&self) -> Result<usize, String> {
        policy::connections_address_max(&self.file).map_err(|words| self.placed(words))
    }

    /// Words about a key, with the file that it stands in.
    fn placed(&self, words: String) -> String {
        self.place.as_ref().map_or(words.clone(), |place| format!("{}: {words}", place.display()))
    }
}

/// The keys of a file. **Errors:** one line of words that says which line is wrong, and how.
fn parsed(text: &str) -> Result<File, String> {
    // First whether it is TOML at all: what is wrong with that has no key.
    text.parse::<toml::Table>().and_then(|_| toml::from_str(text)).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let number = before.matches('\n').count();
        let line = text.lines().nth(number).unwrap_or_default();
        let (number, words) = (number.saturating_add(1), one_line(error.message()));
        let key = line.split(['=', '.']).next().unwrap_or_default().trim_matches(['[', ']', ' ', '\t', '"', '\'']);
        // A value that is no TOML is said to be so, as what the key asks for says nothing of a quote that is missing.
        let of_the_value = ["invalid type", "invalid socket address", "unknown variant", "invalid value"];
        match (may_be(key), words.strip_prefix("unknown field ")) {
            (Some(what), _) if of_the_value.iter().any(|begin| words.starts_with(begin)) => format!("line {number}: {key} must be {what}"),
            // After the key come all that there are.
            (_, Some(unknown)) => format!("line {number}: there is no key {}", unknown.split(", expected").next().unwrap_or_default()),
            _ => format!("line {number} is no TOML: {words}"),
        }
    })
}

/// What a key's value must be.
fn may_be(key: &str) -> Option<&'static str> {
    match key {
        "home" | "tokens_file" => Some("a path in quotes"),
        "listen" => Some("IP:PORT in quotes"),
        "registration" => Some("\"open\", \"token\" or \"closed\""),
        "accounts_max"
        | "mailbox_items_max"
        | "capability_items_max"
        | "request_box_items_max"
        | "logs_max"
        | "stamp_bits"
        | "retention_days"
        | "connections_address_max" => Some("a whole number, not below zero"),
        _ => None,
    }
}

/// Words on one line, without what a terminal would obey.
fn one_line(words: &str) -> String {
    words.lines().collect::<Vec<&str>>().join(", ").escape_debug().to_string().replace("\\\"", "\"").replace("\\'", "'")
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn file(text: &str) -> Result<Config, String> {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("relayd.toml");
        std::fs::write(&path, text).expect("room");
        Config::gather(Some(&path), None, None)
    }

    #[test]
    fn a_file_gives_home_and_listen_and_unknown_keys_are_named() {
        let config = file("home = \"/srv/relay\"\nlisten = \"127.0.0.1:7070\"\n").expect("a good file");
        assert_eq!(config.listen().map(|listen| listen.port()), Ok(7070));
        assert!(file("home = \"/srv/relay\"\nlisten = \"127.0.0.1:7070\"\nlsten = 1\n").expect_err("a typo").contains("lsten"));
        let incomplete = file("home = \"/srv/relay\"\n").expect("enough for a backup");
        assert!(incomplete.listen().expect_err("nowhere").contains("--listen"));
        assert!(file("listen = \"127.0.0.1:7070\"\n").expect_err("no home").contains("--home"));
    }

    #[test]
    fn what_is_wrong_is_one_line_that_names_its_line_and_key() {
        for (line, named) in [
            ("accounts_max = -1", "accounts_max"),
            ("retention_days = \"long\"", "line 2: retention_days must be a whole number"),
            ("stamp_bits = 1.5", "line 2: stamp_bits must be a whole number"),
            ("registration = \"invited\"", "line 2: registration must be \"open\", \"token\" or \"closed\""),
            ("listen = \"here\"", "line 2: listen must be IP:PORT in quotes"),
            ("listen = 7070", "line 2: listen must be IP:PORT in quotes"),
            ("tokens_file = [\"a\",\n\"b\"]", "line 2: tokens_file must be a path in quotes"),
            ("[accounts_max]\nof = 7", "line 2: accounts_max must be a whole number"),
            ("mailbox_items = 5", "line 2: there is no key `mailbox_items`"),
            ("\"a\\nb\" = 5", "line 2: there is no key `a"),
            ("stamp_bits = 99999999999999999999", "line 2: stamp_bits must be a whole number"),
            ("listen.port = 7070", "line 2: listen must be IP:PORT in quotes"),
            ("home = \"/srv/other\"", "line 2 is no TOML: duplicate key"),
            ("listen 7070", "line 2 is no TOML: "),
            ("listen = \"127.0.0.1", "line 2 is no TOML: "),
        ] {
            let words = file(&format!("home = \"/srv/relay\"\n{line}\n")).expect_err(line);
            assert!(words.contains(named) && words.lines().count() == 1, "{words}");
        }
    }

    #[test]
    fn a_policy_that_cannot_be_does_not_stand_in_the_way_of_a_backup() {
        let config = file("home = \"/srv/relay\"\nregistration = \"token\"\n").expect("enough for a backup");
        assert!(config.policy().expect_err("no tokens").contains("tokens_file"));
    }
}
