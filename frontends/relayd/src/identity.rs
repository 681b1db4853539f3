//! The relay's own keys: one file, readable by its owner alone, written once.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use thicket_client::SystemEntropy;
use thicket_types::ports::Entropy as _;
use thicket_types::secret::Secret;

/// Where they are, in the home.
pub const FILE: &str = "relay.key";
/// Where they are until the home is a relay's.
pub const UNFINISHED: &str = "relay.key.new";

/// Two secrets: the relay's Ed25519 identity and its Noise key.
pub struct Identity {
    relay: Secret<[u8; 32]>,
    noise: Secret<[u8; 32]>,
}

impl Identity {
    /// Reads the keys. **Errors:** the file system's; `InvalidData` for a file of another size.
    pub fn load(home: &Path) -> io::Result<Identity> {
        let mut bytes = Vec::new();
        OpenOptions::new().read(true).open(home.join(FILE))?.take(65).read_to_end(&mut bytes)?;
        let bytes = Secret::new(bytes);
        let (relay, noise) = bytes.expose().split_at_checked(32).ok_or(io::ErrorKind::InvalidData)?;
        let whole = |part: &[u8]| <[u8; 32]>::try_from(part).map_err(|_| io::Error::from(io::ErrorKind::InvalidData));
        Ok(Identity { relay: Secret::new(whole(relay)?), noise: Secret::new(whole(noise)?) })
    }

    /// Writes new keys beside their place, over those of a start that died. Nobody has seen them, nor does anybody before
    /// [`Identity::keep`].
    pub fn begin(home: &Path) -> io::Result<()> {
        let mut fresh = vec![0; 64];
        SystemEntropy.fill(&mut fresh);
        let bytes = Secret::new(fresh);
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(home.join(UNFINISHED))?;
        file.write_all(bytes.expose()).and_then(|()| file.sync_all())
    }

    /// Moves the new keys to their place, whole. From then on the home is a relay's.
    pub fn keep(home: &Path) -> io::Result<Identity> {
        std::fs::rename(home.join(UNFINISHED), home.join(FILE))?;
        File::open(home)?.sync_all()?;
        Identity::load(home)
    }

    pub fn relay(&self) -> &[u8; 32] {
        self.relay.expose()
    }

    pub fn noise(&self) -> &[u8; 32] {
        self.noise.expose()
    }
}
