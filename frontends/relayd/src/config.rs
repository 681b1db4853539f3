//! Where relayd lives and listens: from a file and the command line.

use serde::Deserialize;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// What relayd runs with.
#[derive(Debug, PartialEq, Eq)]
pub struct Config {
    pub home: PathBuf,
    listen: Option<SocketAddr>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct File {
    home: Option<PathBuf>,
    listen: Option<SocketAddr>,
}

impl Config {
    /// What stands on the command line wins over the file. **Errors:** words that name what is missing or unknown.
    pub fn gather(file: Option<&Path>, home: Option<PathBuf>, listen: Option<SocketAddr>) -> Result<Config, String> {
        let file = match file {
            None => File::default(),
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
                toml::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?
            }
        };
        let home = home.or(file.home).ok_or("no home: give --home DIR or `home` in the configuration")?;
        Ok(Config { home, listen: listen.or(file.listen) })
    }

    /// Where to listen; only a relay that runs needs it.
    pub fn listen(&self) -> Result<SocketAddr, String> {
        self.listen.ok_or("nowhere to listen: give --listen IP:PORT or `listen` in the configuration".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Result<Config, String> {
        let folder = std::env::temp_dir().join(format!("thicket-relayd-config-{}-{:x}", std::process::id(), text.len()));
        std::fs::write(&folder, text).expect("room");
        let config = Config::gather(Some(&folder), None, None);
        std::fs::remove_file(&folder).expect("it was just made");
        config
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
}
