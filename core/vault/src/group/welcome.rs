//! Welcomes: what lets somebody in goes to them as sealed mail, once the commit that adds them stands; each gets their own secrets alone.

use super::commit;
use super::kept::{self, Group};
use super::roster::{self, Members};
use super::secrets::Secrets;
use crate::envelope::{self, Unsealed};
use crate::mls::storage::MlsStore;
use crate::mls::{credential, group as setup};
use crate::sealing::{Recipient, put_inside};
use crate::{BROKEN, Scope, Stop, contact, request};
use openmls::group::{MlsGroup, StagedWelcome, WelcomeError};
use openmls::prelude::tls_codec::{Deserialize as _, Serialize as _};
use openmls::prelude::{RatchetTreeIn, Welcome};
use prost::Message as _;
use rusqlite::{OptionalExtension as _, params};
use std::collections::BTreeMap;
use thicket_journal_format::digest;
use thicket_openpgp::Certificate;
use thicket_types::error::Code;
use thicket_types::event::{Opened, Outcome};
use thicket_types::group::{Docket, Kept, Lineage, Past, Role, Roster as _, role};
use thicket_types::ids::{Digest, Fingerprint, GroupId, Incarnation};
use thicket_types::limits::{MEMBERS_MAX, PADDING_CLASSES, VOIDABLE_COMMITS_MAX};
use thicket_types::name::Name;
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

/// Whether what lets somebody in fits an envelope, if its tree, certificates and Welcome have so many bytes together, less the
/// certificates of those who are members already.
pub(super) fn fits(scope: &Scope<'_>, id: GroupId, len: usize) -> Result<bool, Stop> {
    let mut sum = scope.conn.prepare_cached("SELECT coalesce(sum(length(certificate) + 4), 0) FROM log_certificate WHERE group_id = ?1")?;
    let certificates: usize = sum.query_row([id.0], |row| row.get(0))?;
    let most = PADDING_CLASSES.last().copied().unwrap_or(0);
    Ok(len.saturating_add(certificates).saturating_add(scope.account.certificate_bytes.len()).saturating_add(AROUND_LEN) <= most)
}

/// Room for a renewed path of the tree, the place and its signature, and what frames them all.
const AROUND_LEN: usize = 4_096;

/// Keeps what lets those in whom a commit of ours adds: who, and the reference of their key package. The group is in the epoch that it
/// opens.
pub(super) fn keep(
    scope: &Scope<'_>,
    group: &Group,
    mls: &MlsGroup,
    welcomed: &[(Fingerprint, Vec<u8>)],
    place: &Place,
    at: Stamp,
) -> Result<(), Stop> {
    let Some(welcome) = commit::pending_welcome(scope, group.id)? else {
        return Ok(());
    };
    let present = group.present()?;
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
        certificates.extend(kept::certificate(scope, group.id, *who)?);
    }
    let content = GroupWelcome { statement: statement.encode_to_vec(), signature: Vec::new(), welcome: Vec::new(), tree, certificates };
    let mut put = scope.conn.prepare_cached("INSERT OR REPLACE INTO log_place (group_id, number, content, at) VALUES (?1, ?2, ?3, ?4)")?;
    put.execute(params![group.id.0, present.commit, content.encode_to_vec(), at.0])?;
    for (who, reference) in welcomed {
        let cut = cut(&welcome, reference).ok_or(BROKEN)?;
        let mut put =
            scope.conn.prepare_cached("INSERT OR REPLACE INTO log_welcome (group_id, contact, number, welcome) VALUES (?1, ?2, ?3, ?4)")?;
        put.execute(params![group.id.0, who.0, present.commit, cut])?;
        scope.conn.prepare_cached("DELETE FROM log_package WHERE group_id = ?1 AND contact = ?2")?.execute(params![group.id.0, who.0])?;
    }
    Ok(())
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

/// What a Welcome says of the log, by its sender's word.
struct Invitation {
    group: GroupId,
    /// SHA-256 of the MLS Welcome.
    hash: [u8; 32],
    entry: u64,
    commit: u64,
    prefix: Digest,
    incarnation: Incarnation,
    reading: Secret<[u8; 32]>,
}

/// Entries that no log has: what follows them still is a number to SQLite.
const ENTRIES_MAX: u64 = 1 << 48;

/// Takes a Welcome for one, without moving a key. **Errors:** `ForgedSender` if it is not the sender's word to us, `UnknownContact` for one
/// of a stranger, `Repeated` if it let us in before, or into a group that we are in.
fn parse(scope: &Scope<'_>, from: &Certificate, content: &GroupWelcome) -> Result<Invitation, Stop> {
    let GroupWelcome { statement, signature, welcome, tree: _, certificates: _ } = content;
    from.verify(context::GROUP_WELCOME, statement, signature).map_err(|_| Stop::Refused(Code::ForgedSender))?;
    let place = GroupPlace::decode(statement.as_slice()).map_err(|_| MALFORMED)?;
    let GroupPlace { to, welcome: named, log, incarnation, entry, commit, prefix, reading } = place;
    let hash = digest(&[welcome]).0;
    if to != scope.account.certificate.fingerprint().0 || named != hash {
        return Err(Stop::Refused(Code::ForgedSender));
    }
    if contact::load(scope, from.fingerprint())?.is_none() {
        return Err(Stop::Refused(Code::UnknownContact));
    }
    let group = GroupId::parse(&log).ok_or(MALFORMED)?;
    let known = scope.conn.prepare_cached("SELECT 1 FROM welcome WHERE hash = ?1")?.exists([hash])?;
    if known || scope.conn.prepare_cached("SELECT 1 FROM log_group WHERE id = ?1 AND gone = 0")?.exists([group.0])? {
        return Err(Stop::Refused(Code::Repeated));
    }
    // The creation is no entry, and each commit is one.
    if commit == 0 || commit > entry || entry > ENTRIES_MAX {
        return Err(MALFORMED);
    }
    let prefix = Digest::parse(&prefix).ok_or(MALFORMED)?;
    let incarnation = Incarnation::parse(&incarnation).ok_or(MALFORMED)?;
    let reading = <[u8; 32]>::try_from(reading.as_slice()).map(Secret::new).map_err(|_| MALFORMED)?;
    Ok(Invitation { group, hash, entry, commit, prefix, incarnation, reading })
}

/// Tells of a Welcome. Nothing is kept of it: nobody is in a group because somebody else says so.
pub(crate) fn invited(scope: &Scope<'_>, from: &Certificate, name: &Name, content: &GroupWelcome) -> Result<Opened, Stop> {
    let Invitation { group, .. } = parse(scope, from, content)?;
    Ok(Opened::Invited { contact: from.fingerprint(), name: name.clone(), group })
}

/// Joins the group that an envelope lets one into, after looking at who is in it.
pub(crate) fn join(scope: &Scope<'_>, contact: Fingerprint, sealed: &[u8], at: Stamp) -> Result<Outcome, Stop> {
    let Unsealed { certificate: from, content, .. } = envelope::open(scope.account, sealed).map_err(Stop::Refused)?;
    let Inside::GroupWelcome(content) = content else {
        return Err(MALFORMED);
    };
    if from.fingerprint() != contact {
        return Err(Stop::Refused(Code::ForgedSender));
    }
    let Invitation { group: id, hash, entry, commit, prefix, incarnation, reading } = parse(scope, &from, &content)?;
    let GroupWelcome { welcome, tree, certificates, .. } = content;
    // Put out once, and let in again.
    if scope.conn.prepare_cached("SELECT 1 FROM log_group WHERE id = ?1")?.exists([id.0])? {
        kept::forget(scope.conn, id).map_err(Stop::Broken)?;
    }
    let provider = scope.provider();
    let parsed = Welcome::tls_deserialize_exact(&welcome).map_err(|_| MALFORMED)?;
    let shared = parsed.secrets().iter().map(|secrets| MlsStore::new(scope.conn).is_shared(&secrets.new_member()));
    if shared.collect::<Result<Vec<bool>, _>>().map_err(|_| BROKEN)?.contains(&true) {
        // Another copy of the profile may be in with that leaf.
        return Err(Stop::Refused(Code::NoMatchingKeyPackage));
    }
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
    certified(scope, id, &from, &staged, &certificates)?;
    let members = Members::of(staged.group_context().extensions(), staged.members()).filter(|members| members.count() <= MEMBERS_MAX);
    let members = members.ok_or(MALFORMED)?;
    // What a mere member commits lets nobody in: no other member is in that epoch.
    if role(&members, contact) < Some(Role::Admin) {
        return Err(Stop::Refused(Code::ForgedSender));
    }
    let mls = staged.into_group(&provider).map_err(|error| refused(&error))?;
    kept::save_epoch(scope, id, commit, &members, &Secrets::of(&provider, &mls)?)?;
    let opened = Opened::Welcomed {
        contact,
        group: id,
        title: members.charter().title().clone(),
        members: u32::try_from(members.count()).unwrap_or(u32::MAX),
    };
    let first = Kept { commit, at: entry, docket: Docket::default(), roster: members };
    let group = Group {
        id,
        lineage: Lineage::new(VOIDABLE_COMMITS_MAX, first, Past::default()),
        followed: entry,
        prefix,
        latest: entry,
        incarnation: Some(incarnation),
        reading,
        lane: None,
        gone: false,
    };
    kept::save(scope, group)?;
    scope.conn.prepare_cached("INSERT INTO welcome (hash, at) VALUES (?1, ?2)")?.execute(params![hash, at.0])?;
    Ok(Outcome::Opened(opened))
}

/// Checks that each leaf of a tree is certified by the identity that it names, and keeps the certificates. **Errors:** `ForgedLeaf`.
fn certified(scope: &Scope<'_>, id: GroupId, from: &Certificate, staged: &StagedWelcome, certificates: &[Vec<u8>]) -> Result<(), Stop> {
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
            kept::keep_certificate(scope, id, certificate)?;
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
