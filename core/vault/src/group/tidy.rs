//! What of groups is past its window, and destroyed in the daily round; and groups that are given up.

use super::kept;
use super::roster::Sitting;
use crate::{BROKEN, Scope, Stop};
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use thicket_journal_format::codec;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, GroupId};
use thicket_types::limits::REPLACED_KEYS_FOR;
use thicket_types::time::Stamp;

/// Destroys key packages that let nobody in, Welcomes, which entries were posted, and certificates of those who are in no epoch that
/// counts.
///
/// What was sealed so long ago nobody opens any more: the private half of a key package is gone, and so is the mail.
pub(crate) fn tidy(scope: &Scope<'_>, now: Stamp) -> Result<(), Stop> {
    let past = now.0.saturating_sub(REPLACED_KEYS_FOR.0);
    for old in ["DELETE FROM log_package WHERE at < ?1", "DELETE FROM log_post WHERE at < ?1", "DELETE FROM log_place WHERE at < ?1"] {
        scope.conn.prepare_cached(old)?.execute([past])?;
    }
    let alone = "DELETE FROM log_welcome WHERE NOT EXISTS
        (SELECT 1 FROM log_place WHERE log_place.group_id = log_welcome.group_id AND log_place.number = log_welcome.number)";
    scope.conn.prepare_cached(alone)?.execute([])?;
    kept::all(scope.conn).map_err(Stop::Broken)?.into_iter().try_for_each(|id| tidy_certificates(scope, id))
}

fn tidy_certificates(scope: &Scope<'_>, id: GroupId) -> Result<(), Stop> {
    let mut find = scope.conn.prepare_cached("SELECT members FROM log_epoch WHERE group_id = ?1")?;
    let mut members = BTreeSet::new();
    for bytes in find.query_map([id.0], |row| row.get::<_, Vec<u8>>(0))? {
        members.extend(codec::decode_large::<Sitting>(&bytes?).map_err(|_| BROKEN)?.leaves.into_values());
    }
    let mut find = scope.conn.prepare_cached("SELECT fingerprint FROM log_certificate WHERE group_id = ?1")?;
    let there: Vec<Fingerprint> = find.query_map([id.0], |row| row.get(0).map(Fingerprint)).and_then(Iterator::collect)?;
    let mut drop = scope.conn.prepare_cached("DELETE FROM log_certificate WHERE group_id = ?1 AND fingerprint = ?2")?;
    for who in there.into_iter().filter(|who| !members.contains(who)) {
        drop.execute(params![id.0, who.0])?;
    }
    Ok(())
}

/// Forgets every group, its messages apart: another copy of the profile may have used their keys, so nothing may be sealed with them
/// any more. Whoever is let in again begins with a new leaf.
pub(crate) fn give_up(conn: &Connection) -> Result<(), Code> {
    kept::all(conn)?.into_iter().try_for_each(|id| kept::forget(conn, id))
}
