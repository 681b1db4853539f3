//! Contacts' identities: verified, kept, and pinned at first sight.

use crate::{Scope, Stop, account};
use prost::Message as _;
use rusqlite::{OptionalExtension as _, params};
use thicket_openpgp::Certificate;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::{Fingerprint, MailboxId};
use thicket_types::name::Name;
use thicket_types::time::Stamp;
use thicket_types::wire::context;
use thicket_types::wire::relay as wire;

/// Verifies a directory entry and keeps the identity that it shows.
pub(crate) fn pin(scope: &Scope<'_>, asked: &Name, answer: &[u8]) -> Result<Outcome, Stop> {
    let forged = Stop::Refused(Code::ForgedEntry);
    let Some(wire::answer::Said::Entry(entry)) = wire::Answer::decode(answer).ok().and_then(|answer| answer.said) else {
        return Err(forged);
    };
    let name = Name::parse(&entry.name).map_err(|_| forged)?;
    let certificate = Certificate::parse(&entry.certificate).map_err(|_| forged)?;
    let mailbox = MailboxId::parse(&entry.mailbox).ok_or(forged)?;
    let mailbox_key = entry.mailbox_key.ok_or(forged)?;
    certificate.verify(context::MAILBOX_KEY, &mailbox_key.statement, &mailbox_key.signature).map_err(|_| forged)?;
    let statement = wire::MailboxKeyStatement::decode(mailbox_key.statement.as_slice()).map_err(|_| forged)?;
    let key = <[u8; 32]>::try_from(statement.key.as_slice()).map_err(|_| forged)?;
    let fingerprint = certificate.fingerprint();
    if name.key() != asked.key() || certificate.name() != name.text() || statement.fingerprint != fingerprint.0 {
        return Err(forged);
    }
    if fingerprint == scope.account.certificate.fingerprint() {
        return Err(Stop::Refused(Code::OwnName));
    }
    let contradicts = pinned_otherwise(scope, &name, fingerprint)?;
    let anew = contradicts.is_none() && account::is_elsewhere(scope.conn).map_err(Stop::Broken)? && !was_told(scope, fingerprint)?;
    if contradicts.is_none() {
        keep(scope, &certificate, &entry.certificate, Some(&key))?;
    }
    Ok(Outcome::Pinned { contact: fingerprint, mailbox, name, contradicts, anew })
}

/// Whether they were told that groups which another vault may have with them are dead.
fn was_told(scope: &Scope<'_>, fingerprint: Fingerprint) -> Result<bool, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT told FROM contact WHERE fingerprint = ?1")?;
    Ok(find.query_row([fingerprint.0], |row| row.get(0)).optional()?.unwrap_or(false))
}

/// An identity pinned under this name that is not this one.
fn pinned_otherwise(scope: &Scope<'_>, name: &Name, fingerprint: Fingerprint) -> Result<Option<Fingerprint>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT fingerprint FROM contact WHERE name_key = ?1 AND fingerprint <> ?2 AND pinned = 1")?;
    let found: Option<[u8; 20]> = find.query_row(params![name.key().text(), fingerprint.0], |row| row.get(0)).optional()?;
    Ok(found.map(Fingerprint))
}

/// Keeps a certificate; a mailbox key replaces the one before. With one, the directory vouches for the name: it is pinned.
/// Without, the name is what a stranger calls themselves, and contradicts nobody.
pub(crate) fn keep(scope: &Scope<'_>, certificate: &Certificate, bytes: &[u8], mailbox_key: Option<&[u8; 32]>) -> Result<(), Stop> {
    let mut put = scope.conn.prepare_cached(
        "INSERT INTO contact (fingerprint, name, name_key, certificate, mailbox_key, pinned) VALUES (?1, ?2, ?3, ?4, ?5, ?5 IS NOT NULL)
         ON CONFLICT (fingerprint) DO UPDATE
         SET mailbox_key = coalesce(excluded.mailbox_key, mailbox_key), pinned = max(pinned, excluded.pinned),
             name = iif(excluded.pinned, excluded.name, name), name_key = iif(excluded.pinned, excluded.name_key, name_key),
             certificate = iif(excluded.pinned, excluded.certificate, certificate)",
    )?;
    put.execute(params![certificate.fingerprint().0, certificate.name(), certificate.name().to_ascii_lowercase(), bytes, mailbox_key])?;
    Ok(())
}

/// Takes the pin off an identity. The certificate stays: messages from it are still read.
pub(crate) fn unpin(scope: &Scope<'_>, contact: Fingerprint) -> Result<Outcome, Stop> {
    scope.conn.prepare_cached("UPDATE contact SET pinned = 0 WHERE fingerprint = ?1")?.execute([contact.0])?;
    Ok(Outcome::Done)
}

/// A contact as it is kept.
pub(crate) struct Known {
    pub(crate) certificate: Certificate,
    /// What mail to them is sealed to, once they were looked up.
    pub(crate) mailbox_key: Option<[u8; 32]>,
}

/// A contact, if there is one.
pub(crate) fn load(scope: &Scope<'_>, contact: Fingerprint) -> Result<Option<Known>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT certificate, mailbox_key FROM contact WHERE fingerprint = ?1")?;
    let row = find.query_row([contact.0], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<[u8; 32]>>(1)?))).optional()?;
    let Some((certificate, mailbox_key)) = row else {
        return Ok(None);
    };
    let certificate = Certificate::parse(&certificate).map_err(|_| Stop::Broken(Code::VaultDamaged))?;
    Ok(Some(Known { certificate, mailbox_key }))
}

/// The time that an offer of ours, or a beginning, bears: later than each before, also after a clock that was ahead went back.
pub(crate) fn next_time(scope: &Scope<'_>, contact: Fingerprint, at: Stamp) -> Result<u64, Stop> {
    let mut next = scope.conn.prepare_cached("UPDATE contact SET begun = max(?2, begun + 1) WHERE fingerprint = ?1 RETURNING begun")?;
    next.query_row(params![contact.0, at.0], |row| row.get(0)).optional()?.ok_or(Stop::Refused(Code::UnknownContact))
}
