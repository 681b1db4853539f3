//! What a member can do with an epoch's key beyond what their client does; for tests.

use super::{entry, kept};
use crate::{Scope, Stop};
use thicket_types::ids::GroupId;
use thicket_types::wire::peer::group_entry::What;

/// What an entry of the present epoch holds.
pub(crate) fn opened(scope: &Scope<'_>, id: GroupId, entry: &[u8]) -> Result<Option<What>, Stop> {
    let epoch = kept::load(scope, id)?.present()?.commit;
    Ok(entry::open(id, &kept::entries_key(scope, id, epoch)?, entry))
}

/// Anything as an entry of the present epoch.
pub(crate) fn sealed(scope: &Scope<'_>, id: GroupId, what: What) -> Result<Vec<u8>, Stop> {
    let epoch = kept::load(scope, id)?.present()?.commit;
    entry::seal(scope, id, epoch, &kept::entries_key(scope, id, epoch)?, what)
}

/// The commit that stands and can't be completed here, counted in the log, if there is one.
pub(crate) fn held(scope: &Scope<'_>, id: GroupId) -> Option<u64> {
    kept::load(scope, id).ok()?.lineage.held().map(|(commit, _)| commit)
}
