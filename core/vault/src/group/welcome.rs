//! Welcomes: what lets somebody in goes to them as sealed mail, once the commit that adds them stands; each gets their own secrets alone.

use super::commit;
use super::kept::{self, Group};
use super::roster::{self, Members};
use super::secrets::Secrets;
use crate::contact::{self, Known};
use crate::mls::{credential, group as setup};
use crate::sealing::{Recipient, put_inside};
use crate::{BROKEN, Scope, Stop, request};
use openmls::group::{MlsGroup, StagedWelcome, WelcomeError};
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::{RatchetTreeIn, Welcome};
use openmls_traits::OpenMlsProvider as _;
use prost::Message as _;
use rusqlite::{OptionalExtension as _, params};
use std::collections::BTreeMap;
use thicket_journal_format::digest;
use thicket_openpgp::Certificate;
use thicket_types::error::Code;
use thicket_types::event::{Opened, Outcome};
use thicket_types::group::{Docket, Kept, Lineage, Past, Roster as _};
use thicket_types::ids::{Digest, Fingerprint, GroupId, Incarnation};
use thicket_types::limits::VOIDABLE_COMMITS_MAX;
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;
use thicket_types::wire::context;
use thicket_types::wire::peer::envelope::Content as Inside;
use thicket_types::wire::peer::{GroupPlace, GroupWelcome};

const MALFORMED: Stop = Stop::Refused(Code::MalformedEnvelope);

/// Where a commit stands in the log.
pub(super) struct Place {
    /// Its number.
    pub(super) entry: u64,
    /// The log's hash up to and with it.
    pub(super) prefix: Digest,
}

/// Keeps what lets those in whom a commit of ours adds. The group is in the epoch that it opens.
pub(super) fn keep(scope: &Scope<'_>, group: &Group, mls: &MlsGroup, adds: &[Fingerprint], place: &Place, at: Stamp) -> Result<(), Stop> {
    let Some(welcome) = commit::pending_welcome(scope, group.id)? else {
        return Ok(());
    };
    let present = group.present()?;
    let provider = scope.provider();
    let statement = GroupPlace {
        to: Vec::new(),
        welcome: Vec::new(),
        log: group.id.0.to_vec(),
        incarnation: group.incarnation.ok_or(BROKEN)?.0.to_vec(),
        entry: place.entry,
        commit: present.commit,
        prefix: place.prefix.0.to_vec(),
        reading: group.reading.expose().to_vec(),
    };
    let tree = mls.export_ratchet_tree().tls_serialize_detached().map_err(|_| BROKEN)?;
    let own = scope.account.certificate.fingerprint();
    let mut certificates = Vec::new();
    for who in present.roster.sitting().leaves.values().filter(|who| **who != own) {
        certificates.push(certificate(scope, *who)?.ok_or(BROKEN)?.to_bytes());
    }
    let content = GroupWelcome { statement: statement.encode_to_vec(), signature: Vec::new(), welcome: Vec::new(), tree, certificates };
    let mut put = scope.conn.prepare_cached("INSERT OR REPLACE INTO log_place (group_id, number, content, at) VALUES (?1, ?2, ?3, ?4)")?;
    put.execute(params![group.id.0, present.commit, content.encode_to_vec(), at.0])?;
    for who in adds {
        let package = commit::kept_package(scope, group.id, *who)?.ok_or(BROKEN)?;
        let reference = package.hash_ref(provider.crypto()).map_err(|_| BROKEN)?;
        let cut = cut(&welcome, reference.as_slice()).ok_or(BROKEN)?;
        let mut put =
            scope.conn.prepare_cached("INSERT OR REPLACE INTO log_welcome (group_id, contact, number, welcome) VALUES (?1, ?2, ?3, ?4)")?;
        put.execute(params![group.id.0, who.0, present.commit, cut])?;
        scope.conn.prepare_cached("DELETE FROM log_package WHERE group_id = ?1 AND contact = ?2")?.execute(params![group.id.0, who.0])?;
    }
    Ok(())
}

/// A member's certificate: as a contact, or as it came with what let them in.
fn certificate(scope: &Scope<'_>, who: Fingerprint) -> Result<Option<Certificate>, Stop> {
    if let Some(Known { certificate, .. }) = contact::load(scope, who)? {
        return Ok(Some(certificate));
    }
    let mut find = scope.conn.prepare_cached("SELECT certificate FROM log_certificate WHERE fingerprint = ?1")?;
    let bytes: Option<Vec<u8>> = find.query_row([who.0], |row| row.get(0)).optional()?;
    bytes.map(|bytes| Certificate::parse(&bytes).map_err(|_| Stop::Broken(Code::VaultDamaged))).transpose()
}

/// Seals what lets a contact in.
pub(crate) fn seal(scope: &Scope<'_>, id: GroupId, to: Recipient) -> Result<Outcome, Stop> {
    let mut find = scope.conn.prepare_cached(
        "SELECT welcome, content FROM log_welcome JOIN log_place USING (group_id, number) WHERE group_id = ?1 AND contact = ?2",
    )?;
    let found: Option<(Vec<u8>, Vec<u8>)> = find.query_row(params![id.0, to.contact.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (welcome, content) = found.ok_or(Stop::Refused(Code::NoMember))?;
    let content = GroupWelcome::decode(content.as_slice()).map_err(|_| BROKEN)?;
    let place = GroupPlace::decode(content.statement.as_slice()).map_err(|_| BROKEN)?;
    let statement = GroupPlace { to: to.contact.0.to_vec(), welcome: digest(&[&welcome]).0.to_vec(), ..place }.encode_to_vec();
    let signature = request::sign(scope, context::GROUP_WELCOME, &statement)?;
    let certificates = content.certificates.into_iter();
    let others = certificates.filter(|bytes| Certificate::parse(bytes).is_ok_and(|certificate| certificate.fingerprint() != to.contact));
    let certificates = others.collect();
    put_inside(scope, to, Inside::GroupWelcome(GroupWelcome { statement, signature, welcome, certificates, ..content }))
}

/// Joins a group, after looking at where its log is gone on with, and at who is in it.
pub(crate) fn join(scope: &Scope<'_>, from: &Certificate, content: GroupWelcome, at: Stamp) -> Result<Opened, Stop> {
    let GroupWelcome { statement, signature, welcome, tree, certificates } = content;
    from.verify(context::GROUP_WELCOME, &statement, &signature).map_err(|_| Stop::Refused(Code::ForgedSender))?;
    let place = GroupPlace::decode(statement.as_slice()).map_err(|_| MALFORMED)?;
    let own = scope.account.certificate.fingerprint();
    let hash = digest(&[&welcome]).0;
    if place.to != own.0 || place.welcome != hash {
        return Err(Stop::Refused(Code::ForgedSender));
    }
    let known = scope.conn.prepare_cached("SELECT 1 FROM welcome WHERE hash = ?1")?.exists([hash])?;
    let id = GroupId::parse(&place.log).ok_or(MALFORMED)?;
    let here = scope.conn.prepare_cached("SELECT 1 FROM log_group WHERE id = ?1 AND gone = 0")?.exists([id.0])?;
    if known || here {
        return Err(Stop::Refused(Code::Repeated));
    }
    let provider = scope.provider();
    let parsed = Welcome::tls_deserialize_exact(&welcome).map_err(|_| MALFORMED)?;
    let tree = RatchetTreeIn::tls_deserialize_exact(&tree).map_err(|_| MALFORMED)?;
    let refused = |error: &WelcomeError<_>| match error {
        WelcomeError::NoMatchingKeyPackage => Stop::Refused(Code::NoMatchingKeyPackage),
        _ => MALFORMED,
    };
    let staged = StagedWelcome::build_from_welcome(&provider, &setup::join_log_config(), parsed)
        .map_err(|error| refused(&error))?
        .with_ratchet_tree(tree)
        .skip_lifetime_validation()
        .build()
        .map_err(|error| refused(&error))?;
    if staged.group_context().group_id().as_slice() != id.0 {
        return Err(MALFORMED);
    }
    let sender = staged.welcome_sender().map_err(|_| MALFORMED)?;
    if roster::identity(sender.credential()) != Some(from.fingerprint()) {
        return Err(Stop::Refused(Code::ForgedSender));
    }
    certified(scope, from, &staged, &certificates)?;
    let members = Members::of(staged.group_context().extensions(), staged.members()).ok_or(MALFORMED)?;
    let prefix = Digest::parse(&place.prefix).ok_or(MALFORMED)?;
    let incarnation = Incarnation::parse(&place.incarnation).ok_or(MALFORMED)?;
    let reading = <[u8; 32]>::try_from(place.reading.as_slice()).map(Secret::new).map_err(|_| MALFORMED)?;
    let mls = staged.into_group(&provider).map_err(|error| refused(&error))?;
    kept::save_epoch(scope, id, place.commit, &members, &Secrets::of(&provider, &mls)?)?;
    let opened = Opened::Welcomed {
        contact: from.fingerprint(),
        group: id,
        title: members.charter().title().clone(),
        members: u32::try_from(members.count()).unwrap_or(u32::MAX),
    };
    let first = Kept { commit: place.commit, at: place.entry, docket: Docket::default(), roster: members };
    let group = Group {
        id,
        lineage: Lineage::new(VOIDABLE_COMMITS_MAX, first, Past::default()),
        followed: place.entry,
        prefix,
        latest: place.entry,
        incarnation: Some(incarnation),
        reading,
        lane: None,
        gone: false,
    };
    kept::save(scope, group)?;
    scope.conn.prepare_cached("INSERT INTO welcome (hash, at) VALUES (?1, ?2)")?.execute(params![hash, at.0])?;
    Ok(opened)
}

/// Checks that each leaf of a tree is certified by the identity that it names, and keeps the certificates. **Errors:** `ForgedLeaf`.
fn certified(scope: &Scope<'_>, from: &Certificate, staged: &StagedWelcome, certificates: &[Vec<u8>]) -> Result<(), Stop> {
    let forged = Stop::Refused(Code::ForgedLeaf);
    let given = certificates.iter().map(|bytes| Certificate::parse(bytes).map(|parsed| (parsed.fingerprint(), parsed)));
    let mut given: BTreeMap<Fingerprint, Certificate> = given.collect::<Result<_, _>>().map_err(|_| forged)?;
    given.insert(from.fingerprint(), from.clone());
    let own = scope.account.certificate.fingerprint();
    given.insert(own, scope.account.certificate.clone());
    for member in staged.members() {
        let who = roster::identity(&member.credential).ok_or(forged)?;
        let certificate = given.get(&who).ok_or(forged)?;
        credential::check(certificate, &member.credential, &member.signature_key).map_err(Stop::Refused)?;
        if who != own {
            kept::keep_certificate(scope, certificate)?;
        }
    }
    Ok(())
}

/// A Welcome with the secrets of one joiner alone (RFC 9420 §12.4.3.1): suite, secrets, group info.
///
/// The secrets are a vector of `{ reference<V>, kem_output<V>, ciphertext<V> }`.
fn cut(welcome: &[u8], reference: &[u8]) -> Option<Vec<u8>> {
    let (suite, rest) = welcome.split_at_checked(2)?;
    let (secrets, info) = vector(rest)?;
    let mut left = secrets;
    while !left.is_empty() {
        let (named, behind) = vector(left)?;
        let (_, behind) = vector(behind)?;
        let (_, behind) = vector(behind)?;
        let one = left.get(..left.len().checked_sub(behind.len())?)?;
        if named == reference {
            return Some([suite, &length(one.len())?, one, info].concat());
        }
        left = behind;
    }
    None
}

/// The content of a variable-size vector (RFC 9420 §2.1.2), and what stands behind it.
fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = bytes.first()?;
    let size = 1_usize << (first >> 6);
    let (head, rest) = bytes.split_at_checked(size)?;
    let length = head.iter().fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
    // The two highest bits say how long the length is.
    let length = length & ((1_usize << (size * 8 - 2)) - 1);
    (size <= 4).then(|| rest.split_at_checked(length)).flatten()
}

fn length(length: usize) -> Option<Vec<u8>> {
    match length {
        0..0x40 => Some(vec![u8::try_from(length).ok()?]),
        0x40..0x4000 => Some((u16::try_from(length).ok()? | 0x4000).to_be_bytes().to_vec()),
        0x4000..0x4000_0000 => Some((u32::try_from(length).ok()? | 0x8000_0000).to_be_bytes().to_vec()),
        _ => None,
    }
}
