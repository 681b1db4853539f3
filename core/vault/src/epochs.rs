//! Epochs: our own commit, pending until the contact is past it; and copies of past epochs, in which late messages are read.
//!
//! Live groups keep no past epoch of openmls' own: before each merge the group's rows are copied under their epoch, and a late
//! message is read by loading that copy and storing it back without the used key (docs/PROTOCOL.md §9).

use crate::mls::provider::Provider;
use crate::mls::storage::MlsStore;
use crate::{BROKEN, Scope, Stop, conversation};
use openmls::group::MlsGroup;
use openmls_traits::OpenMlsProvider as _;
use rusqlite::{OptionalExtension as _, params};
use thicket_types::limits::{PAST_EPOCHS_FOR, PAST_EPOCHS_MAX};
use thicket_types::time::Stamp;

/// Copies a group's rows under the epoch that is about to end, and forgets the oldest past the window.
pub(crate) fn copy(scope: &Scope<'_>, mls: &MlsGroup, at: Stamp) -> Result<(), Stop> {
    let (id, epoch) = (mls.group_id(), mls.epoch().as_u64());
    MlsStore::new(scope.conn).copy_to_epoch(id, epoch).map_err(|_| BROKEN)?;
    let past = Provider::in_epoch(scope.conn, scope.entropy.clone(), epoch);
    // A commit of ours that was pending holds the next epoch's secrets: they have no place in the copy.
    if let Some(mut old) = conversation::load(&past, id.as_slice())? {
        old.clear_pending_commit(past.storage()).map_err(|_| BROKEN)?;
    }
    let mut note = scope.conn.prepare_cached("INSERT OR REPLACE INTO past_epoch (group_id, epoch, at) VALUES (?1, ?2, ?3)")?;
    note.execute(params![id.as_slice(), epoch, at.0])?;
    let mut find = scope.conn.prepare_cached("SELECT epoch FROM past_epoch WHERE group_id = ?1 AND epoch + ?2 <= ?3")?;
    let old: Vec<u64> = find.query_map(params![id.as_slice(), PAST_EPOCHS_MAX, epoch], |row| row.get(0)).and_then(Iterator::collect)?;
    old.into_iter().try_for_each(|epoch| drop_epoch(scope, id.as_slice(), epoch))
}

fn drop_epoch(scope: &Scope<'_>, id: &[u8], epoch: u64) -> Result<(), Stop> {
    MlsStore::new(scope.conn).drop_epoch(&openmls::group::GroupId::from_slice(id), epoch).map_err(|_| BROKEN)?;
    scope.conn.prepare_cached("DELETE FROM past_epoch WHERE group_id = ?1 AND epoch = ?2")?.execute(params![id, epoch])?;
    Ok(())
}

/// Forgets the copies that are older than the window.
pub(crate) fn tidy(scope: &Scope<'_>, now: Stamp) -> Result<(), Stop> {
    let mut find = scope.conn.prepare_cached("SELECT group_id, epoch FROM past_epoch WHERE at + ?1 <= ?2")?;
    let old: Vec<(Vec<u8>, u64)> =
        find.query_map(params![PAST_EPOCHS_FOR.0, now.0], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect)?;
    old.into_iter().try_for_each(|(id, epoch)| drop_epoch(scope, &id, epoch))
}

/// Merges our own pending commit: the contact is past it.
pub(crate) fn merge_own(scope: &Scope<'_>, provider: &Provider<'_>, mls: &mut MlsGroup, at: Stamp) -> Result<(), Stop> {
    copy(scope, mls, at)?;
    mls.merge_pending_commit(provider).map_err(|_| BROKEN)?;
    forget_own(scope, mls)
}

/// The commit of ours that waits is settled, one way or the other.
pub(crate) fn forget_own(scope: &Scope<'_>, mls: &MlsGroup) -> Result<(), Stop> {
    scope.conn.prepare_cached("UPDATE mls_group SET pending = NULL WHERE id = ?1")?.execute([mls.group_id().as_slice()])?;
    Ok(())
}

/// The bytes of our commit that waits in a group.
pub(crate) fn pending(scope: &Scope<'_>, id: &[u8]) -> Result<Option<Vec<u8>>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT pending FROM mls_group WHERE id = ?1")?;
    Ok(find.query_row([id], |row| row.get(0)).optional()?.flatten())
}

/// Keeps the bytes of our commit until it is settled: sent again, it has the same.
pub(crate) fn keep_pending(scope: &Scope<'_>, id: &[u8], commit: &[u8]) -> Result<(), Stop> {
    scope.conn.prepare_cached("UPDATE mls_group SET pending = ?2 WHERE id = ?1")?.execute(params![id, commit])?;
    Ok(())
}
