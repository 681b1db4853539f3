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
    pub stamp_bits: Option<u64>,
    pub retention_days: Option<u64>,
    pub connections_address_max: Option<u64>,
}

impl Config {
    /// What stands on the command line wins over the file. **Errors:** words that name what is missing or unknown.
    pub fn gather(file: Option<&Path>, home: Option<PathBuf>, listen: Option<SocketAddr>) -> Result<Config, String> {
        let mut file = match file {
            None => File::default(),
            Some(path) => {
                let text = text::read(path, RELAY_CONFIG_LEN_MAX).map_err(|error| format!("{}: {error}", path.display()))?;
                toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?
            }
        };
        let home = home.or(file.home.take()).ok_or("no home: give --home DIR or `home` in the configuration")?;
        Ok(Config { home, listen: listen.or(file.listen), file })
    }

    /// Where to listen; only a relay that runs needs it.
    pub fn listen(&self) -> Result<SocketAddr, String> {
        self.listen.ok_or("nowhere to listen: give --listen IP:PORT or `listen` in the configuration".to_owned())
    }

    /// What the operator decided, with the tokens of their file; only a relay that runs needs it.
    ///
    /// **Errors:** words that name the key, what is wrong with it, and what it may be.
    pub fn policy(&self) -> Result<Policy, String> {
        policy::policy(&self.file)
    }

    /// How many connections one address may have; only a relay that runs needs it. **Errors:** words, as those of the policy.
    pub fn connections_address_max(&self) -> Result<usize, String> {
        policy::connections_address_max(&self.file)
    }
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
    fn what_is_no_number_or_no_policy_is_named_with_its_key() {
        for (line, named) in [
            ("accounts_max = -1", "accounts_max"),
            ("retention_days = \"long\"", "retention_days"),
            ("registration = \"invited\"", "`open`, `token`, `closed`"),
        ] {
            let words = file(&format!("home = \"/srv/relay\"\n{line}\n")).expect_err(line);
            assert!(words.contains(named), "{words}");
        }
    }

    #[test]
    fn a_policy_that_cannot_be_does_not_stand_in_the_way_of_a_backup() {
        let config = file("home = \"/srv/relay\"\nregistration = \"token\"\n").expect("enough for a backup");
        assert!(config.policy().expect_err("no tokens").contains("tokens_file"));
    }
}
