//! What an epoch's exporter gives (RFC 9420 §8.5): all members of the epoch have it, and nobody else.

use crate::mls::provider::Provider;
use crate::{BROKEN, Stop};
use openmls::group::{MlsGroup, StagedCommit};
use openmls_traits::OpenMlsProvider as _;
use thicket_journal_format::digest;
use thicket_types::ids::Digest;
use thicket_types::secret::Secret;

/// Bytes of each.
const LEN: usize = 32;

/// The secrets of an epoch.
pub(super) struct Secrets {
    /// Seals its commits and messages.
    pub(super) entries: Secret<[u8; LEN]>,
    /// What is posted with, once the commit that opens it is in the log.
    pub(super) posting: Secret<[u8; LEN]>,
    /// What is read with, where the commit that opens it is a gate.
    pub(super) reading: Secret<[u8; LEN]>,
}

impl Secrets {
    /// Those of a group's present epoch.
    pub(super) fn of(provider: &Provider<'_>, mls: &MlsGroup) -> Result<Secrets, Stop> {
        Secrets::by(|label| mls.export_secret(provider.crypto(), label, &[], LEN).map_err(|_| BROKEN))
    }

    /// Those of the epoch that a commit opens.
    pub(super) fn opened(provider: &Provider<'_>, staged: &StagedCommit) -> Result<Secrets, Stop> {
        Secrets::by(|label| staged.export_secret(provider.crypto(), label, &[], LEN).map_err(|_| BROKEN))
    }

    fn by(export: impl Fn(&str) -> Result<Vec<u8>, Stop>) -> Result<Secrets, Stop> {
        let one = |label: &str| {
            let bytes = zeroize::Zeroizing::new(export(label)?);
            <[u8; LEN]>::try_from(bytes.as_slice()).map(Secret::new).map_err(|_| BROKEN)
        };
        Ok(Secrets { entries: one("thicket.entries.v1")?, posting: one("thicket.posting.v1")?, reading: one("thicket.reading.v1")? })
    }
}

/// What a relay keeps of a secret.
pub(super) fn hash(secret: &Secret<[u8; LEN]>) -> Digest {
    digest(&[secret.expose()])
}
