//! The relay's own keys: one file, readable by its owner alone, written once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use thicket_client::SystemEntropy;
use thicket_types::ports::Entropy as _;
use thicket_types::secret::Secret;

/// Where they are, in the home.
pub const FILE: &str = "relay.key";
const UNFINISHED: &str = "relay.key.new";

/// Two secrets: the relay's Ed25519 identity and its Noise key.
pub struct Identity {
    relay: Secret<[u8; 32]>,
    noise: Secret<[u8; 32]>,
}

impl Identity {
    /// Reads the keys, or makes them in a new home, whose lock the caller has.
    ///
    /// **Errors:** the file system's; `InvalidData` for a file of another size.
    pub fn load_or_make(home: &Path) -> io::Result<Identity> {
        let path = home.join(FILE);
        if !path.exists() {
            make(home, &path)?;
        }
        let mut bytes = Vec::new();
        OpenOptions::new().read(true).open(&path)?.take(65).read_to_end(&mut bytes)?;
        let bytes = Secret::new(bytes);
        let (relay, noise) = bytes.expose().split_at_checked(32).ok_or(io::ErrorKind::InvalidData)?;
        let whole = |part: &[u8]| <[u8; 32]>::try_from(part).map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
        Ok(Identity { relay: Secret::new(whole(relay)?), noise: Secret::new(whole(noise)?) })
    }

    pub fn relay(&self) -> &[u8; 32] {
        self.relay.expose()
    }

    pub fn noise(&self) -> &[u8; 32] {
        self.noise.expose()
    }
}

/// Makes the keys beside their place and moves them there whole: a process that dies on the way leaves no keys, never some of
/// them, and the next one makes others. Nobody has seen those that are lost.
fn make(home: &Path, path: &Path) -> io::Result<()> {
    let mut fresh = vec![0; 64];
    SystemEntropy.fill(&mut fresh);
    let bytes = Secret::new(fresh);
    let unfinished = home.join(UNFINISHED);
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes.expose()).and_then(|()| file.sync_all())?;
    std::fs::rename(&unfinished, path)?;
    File::open(home)?.sync_all()
}
