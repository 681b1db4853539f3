//! A group's rows.

use super::roster::{Members, Sitting};
use super::secrets::Secrets;
use crate::mls::storage::MlsStore;
use crate::schema::fault;
use crate::{BROKEN, Scope, Stop};
use openmls::group::{GroupId as MlsId, MlsGroup};
use openmls_traits::OpenMlsProvider as _;
use rusqlite::{Connection, OptionalExtension as _, params};
use thicket_journal_format::{codec, digest};
use thicket_openpgp::Certificate;
use thicket_types::error::Code;
use thicket_types::group::{Kept, Lineage};
use thicket_types::ids::{Digest, Fingerprint, GroupId, Incarnation};
use thicket_types::secret::Secret;

/// A group as it is kept: what MLS keeps of it stands in its own rows.
pub(super) struct Group {
    pub(super) id: GroupId,
    pub(super) lineage: Lineage<Members>,
    /// The last entry of the log that was followed.
    pub(super) followed: u64,
    /// The log's hash up to it.
    pub(super) prefix: Digest,
    /// The last entry that is a commit.
    pub(super) latest: u64,
    /// The relay's, once it has the log.
    pub(super) incarnation: Option<Incarnation>,
    /// What the log is read with.
    pub(super) reading: Secret<[u8; 32]>,
    /// Our lane, if we are an admin.
    pub(super) lane: Option<Secret<[u8; 32]>>,
    /// Whether we are no member any more.
    pub(super) gone: bool,
}

impl Group {
    /// The present epoch.
    pub(super) fn present(&self) -> Result<&Kept<Members>, Stop> {
        self.lineage.present().ok_or(BROKEN)
    }
}

/// A group that is here. **Errors:** `UnknownGroup`.
pub(super) fn load(scope: &Scope<'_>, id: GroupId) -> Result<Group, Stop> {
    let mut find = scope
        .conn
        .prepare_cached("SELECT lineage, followed, prefix, latest, incarnation, reading, lane, gone FROM log_group WHERE id = ?1")?;
    type Row = (Vec<u8>, u64, [u8; 32], u64, Option<[u8; 16]>, [u8; 32], Option<[u8; 32]>, bool);
    let row: Option<Row> = find
        .query_row([id.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?, row.get(7)?))
        })
        .optional()?;
    let (lineage, followed, prefix, latest, incarnation, reading, lane, gone) = row.ok_or(Stop::Refused(Code::UnknownGroup))?;
    let lineage: Lineage<()> = codec::decode_large(&lineage).map_err(|_| BROKEN)?;
    let lineage = lineage.try_map(|number, ()| members(scope, id, number))?;
    Ok(Group {
        id,
        lineage,
        followed,
        prefix: Digest(prefix),
        latest,
        incarnation: incarnation.map(Incarnation),
        reading: Secret::new(reading),
        lane: lane.map(Secret::new),
        gone,
    })
}

/// Keeps a group as it is now; what is kept of epochs that count no more goes.
pub(super) fn save(scope: &Scope<'_>, group: Group) -> Result<(), Stop> {
    let Group { id, lineage, followed, prefix, latest, incarnation, reading, lane, gone } = group;
    let numbers: Vec<u64> = lineage.kept().map(|kept| kept.commit).collect();
    let lineage = lineage.try_map(|_, _| Ok::<(), Stop>(()))?;
    let mut put = scope.conn.prepare_cached(
        "INSERT OR REPLACE INTO log_group (id, lineage, followed, prefix, latest, incarnation, reading, lane, gone)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    put.execute(params![
        id.0,
        codec::encode(&lineage).map_err(|_| BROKEN)?,
        followed,
        prefix.0,
        latest,
        incarnation.map(|incarnation| incarnation.0),
        reading.expose(),
        lane.as_ref().map(|lane| lane.expose()),
        gone
    ])?;
    let mut find = scope.conn.prepare_cached("SELECT number FROM log_epoch WHERE group_id = ?1")?;
    let there: Vec<u64> = find.query_map([id.0], |row| row.get(0)).and_then(Iterator::collect)?;
    for number in there.into_iter().filter(|number| !numbers.contains(number)) {
        scope.conn.prepare_cached("DELETE FROM log_epoch WHERE group_id = ?1 AND number = ?2")?.execute(params![id.0, number])?;
        MlsStore::new(scope.conn).drop_epoch(&MlsId::from_slice(&id.0), number).map_err(|_| BROKEN)?;
    }
    Ok(())
}

/// Keeps an epoch that was just opened.
pub(super) fn save_epoch(scope: &Scope<'_>, id: GroupId, number: u64, members: &Members, secrets: &Secrets) -> Result<(), Stop> {
    let mut put = scope
        .conn
        .prepare_cached("INSERT OR REPLACE INTO log_epoch (group_id, number, members, entries, posting) VALUES (?1, ?2, ?3, ?4, ?5)")?;
    let members = codec::encode(members.sitting()).map_err(|_| BROKEN)?;
    put.execute(params![id.0, number, members, secrets.entries.expose(), secrets.posting.expose()])?;
    Ok(())
}

fn members(scope: &Scope<'_>, id: GroupId, number: u64) -> Result<Members, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT members FROM log_epoch WHERE group_id = ?1 AND number = ?2")?;
    let bytes: Vec<u8> = find.query_row(params![id.0, number], |row| row.get(0)).optional()?.ok_or(BROKEN)?;
    codec::decode_large::<Sitting>(&bytes).map(Members::from).map_err(|_| BROKEN)
}

/// What the entries of a kept epoch are sealed with.
pub(super) fn entries_key(scope: &Scope<'_>, id: GroupId, number: u64) -> Result<Secret<[u8; 32]>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT entries FROM log_epoch WHERE group_id = ?1 AND number = ?2")?;
    find.query_row(params![id.0, number], |row| row.get(0)).optional()?.map(Secret::new).ok_or(BROKEN)
}

/// What members of an epoch post with.
pub(super) fn posting_key(scope: &Scope<'_>, id: GroupId, number: u64) -> Result<Secret<[u8; 32]>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT posting FROM log_epoch WHERE group_id = ?1 AND number = ?2")?;
    find.query_row(params![id.0, number], |row| row.get(0)).optional()?.map(Secret::new).ok_or(BROKEN)
}

/// The group as MLS keeps it, by the provider: as it is now, or as it was in an epoch.
pub(super) fn load_mls(provider: &crate::mls::provider::Provider<'_>, id: GroupId) -> Result<Option<MlsGroup>, Stop> {
    MlsGroup::load(provider.storage(), &MlsId::from_slice(&id.0)).map_err(|_| BROKEN)
}

/// The log's hash, one entry on.
pub(super) fn prefix(before: Digest, number: u64, kind: i32, entry: &[u8], posting: &[u8]) -> Digest {
    let (entry, posting) = (digest(&[entry]), digest(&[posting]));
    digest(&[b"thicket.log.v1", &before.0, &number.to_be_bytes(), &kind.to_be_bytes(), &entry.0, &posting.0])
}

/// Keeps a member's certificate: of several that an identity made for itself, the one that their leaf in this group goes by.
pub(super) fn keep_certificate(scope: &Scope<'_>, id: GroupId, certificate: &Certificate) -> Result<(), Stop> {
    let mut put =
        scope.conn.prepare_cached("INSERT OR REPLACE INTO log_certificate (group_id, fingerprint, certificate) VALUES (?1, ?2, ?3)")?;
    put.execute(params![id.0, certificate.fingerprint().0, certificate.to_bytes()])?;
    Ok(())
}

/// A member's certificate, as it came with what let them in. `None` never, of somebody else who is in a kept epoch.
pub(super) fn certificate(scope: &Scope<'_>, id: GroupId, who: Fingerprint) -> Result<Option<Vec<u8>>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT certificate FROM log_certificate WHERE group_id = ?1 AND fingerprint = ?2")?;
    Ok(find.query_row(params![id.0, who.0], |row| row.get(0)).optional()?)
}

/// The groups that are here.
pub(super) fn all(conn: &Connection) -> Result<Vec<GroupId>, Code> {
    let mut find = conn.prepare_cached("SELECT id FROM log_group").map_err(fault)?;
    find.query_map([], |row| row.get(0).map(GroupId)).and_then(Iterator::collect).map_err(fault)
}

/// Forgets a group, but for its messages.
pub(super) fn forget(conn: &Connection, id: GroupId) -> Result<(), Code> {
    MlsStore::new(conn).drop_group(&MlsId::from_slice(&id.0)).map_err(|_| Code::VaultDamaged)?;
    for rows in [
        "DELETE FROM log_group WHERE id = ?1",
        "DELETE FROM log_epoch WHERE group_id = ?1",
        "DELETE FROM log_pending WHERE group_id = ?1",
        "DELETE FROM log_post WHERE group_id = ?1",
        "DELETE FROM log_package WHERE group_id = ?1",
        "DELETE FROM log_welcome WHERE group_id = ?1",
        "DELETE FROM log_place WHERE group_id = ?1",
        "DELETE FROM log_certificate WHERE group_id = ?1",
    ] {
        conn.prepare_cached(rows).and_then(|mut delete| delete.execute([id.0])).map_err(fault)?;
    }
    Ok(())
}

/// Whether MLS has anything under this id, also another conversation's.
pub(super) fn is_taken(scope: &Scope<'_>, id: GroupId) -> Result<bool, Stop> {
    Ok(load_mls(&scope.provider(), id)?.is_some())
}
