//! Write capabilities: what a contact shows at our mailbox, and what we show at theirs.

use crate::request::framed_as_owner;
use crate::{Scope, Stop};
use rusqlite::{OptionalExtension as _, params};
use thicket_journal_format::digest;
use thicket_types::event::Outcome;
use thicket_types::ids::Fingerprint;
use thicket_types::limits::CAPABILITY_CONTACTS_MAX;
use thicket_types::wire::relay as wire;
use thicket_types::wire::relay::owner_statement::Ask;

/// Bytes of a capability.
const LEN: usize = 32;

/// What contacts got before and get now: the one before stays good until the next, since they learn of a new one by mail.
struct Granted {
    now: Vec<u8>,
    before: Option<Vec<u8>>,
}

fn find(scope: &Scope<'_>, contact: Fingerprint) -> Result<Option<Granted>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT now, before FROM granted WHERE contact = ?1")?;
    Ok(find.query_row([contact.0], |row| Ok(Granted { now: row.get(0)?, before: row.get(1)? })).optional()?)
}

/// Makes capabilities and takes others back; the relay is told their hashes. Asked again for one that is there, tells of it again.
pub(crate) fn set(scope: &Scope<'_>, grant: &[Fingerprint], renew: &[Fingerprint], revoke: &[Fingerprint]) -> Result<Outcome, Stop> {
    let (mut add, mut remove) = (Vec::new(), Vec::new());
    let hash = |capability: &[u8]| digest(&[capability]).0.to_vec();
    let put = |contact: &Fingerprint, before: Option<Vec<u8>>| -> Result<Vec<u8>, Stop> {
        let new = scope.random::<LEN>()?.to_vec();
        let mut put = scope.conn.prepare_cached("INSERT OR REPLACE INTO granted (contact, now, before) VALUES (?1, ?2, ?3)")?;
        put.execute(params![contact.0, new, before])?;
        Ok(new)
    };
    for contact in revoke.iter().take(CAPABILITY_CONTACTS_MAX) {
        if let Some(Granted { now, before }) = find(scope, *contact)? {
            remove.push(hash(&now));
            remove.extend(before.as_deref().map(hash));
        }
        scope.conn.prepare_cached("DELETE FROM granted WHERE contact = ?1")?.execute([contact.0])?;
    }
    for contact in grant.iter().take(CAPABILITY_CONTACTS_MAX) {
        let now = match find(scope, *contact)? {
            Some(granted) => granted.now,
            None => put(contact, None)?,
        };
        add.push(hash(&now));
    }
    for contact in renew.iter().take(CAPABILITY_CONTACTS_MAX.saturating_sub(grant.len())) {
        let before = find(scope, *contact)?;
        remove.extend(before.as_ref().and_then(|granted| granted.before.as_deref()).map(hash));
        add.push(hash(&put(contact, before.map(|granted| granted.now))?));
    }
    framed_as_owner(scope, Ask::Capabilities(wire::SetCapabilities { add, remove }))
}

/// What a contact is to show from now on: it goes with everything that is sealed to them.
pub(crate) fn granted(scope: &Scope<'_>, contact: Fingerprint) -> Result<Option<Vec<u8>>, Stop> {
    Ok(find(scope, contact)?.map(|granted| granted.now))
}

/// What we show at a contact's mailbox, if they gave us something to show.
pub(crate) fn theirs(scope: &Scope<'_>, contact: Fingerprint) -> Result<Option<Vec<u8>>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT capability FROM contact WHERE fingerprint = ?1")?;
    Ok(find.query_row([contact.0], |row| row.get(0)).optional()?.flatten())
}

/// Keeps what a contact gave us. What has not the length of one is passed over.
pub(crate) fn keep_theirs(scope: &Scope<'_>, contact: Fingerprint, capability: &[u8]) -> Result<(), Stop> {
    if capability.len() == LEN {
        scope.conn.prepare_cached("UPDATE contact SET capability = ?2 WHERE fingerprint = ?1")?.execute(params![contact.0, capability])?;
    }
    Ok(())
}
