//! Commits of ours: staged in the present epoch, posted, and pending until the log shows which commit stands.

use super::kept::{self, Group};
use super::secrets::{Secrets, hash};
use super::{entry, roster, welcome};
use crate::contact::{self, Known};
use crate::mls::provider::Provider;
use crate::mls::{credential, group as setup};
use crate::request::framed;
use crate::{BROKEN, Scope, Stop};
use openmls::group::StagedCommit;
use openmls::prelude::tls_codec::{Serialize as _, Size as _};
use openmls::prelude::{KeyPackage, LeafNodeIndex};
use openmls_traits::OpenMlsProvider as _;
use prost::Message as _;
use rusqlite::{OptionalExtension as _, params};
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::group::{CommitFacts, Passed, Roster as _, permits};
use thicket_types::ids::{Fingerprint, GroupId};
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;
use thicket_types::wire::SUITE;
use thicket_types::wire::peer::{GroupCommit, group_entry::What};
use thicket_types::wire::relay::{Answer, EntryKind, Post, answer::Said, request::Ask};

/// Keeps a contact's key package until a commit lets them in.
pub(crate) fn keep_key_package(scope: &Scope<'_>, id: GroupId, contact: Fingerprint, answer: &[u8], at: Stamp) -> Result<Outcome, Stop> {
    let bad = Stop::Refused(Code::BadKeyPackage);
    let Some(Said::KeyPackage(answer)) = Answer::decode(answer).ok().and_then(|answer| answer.said) else {
        return Err(bad);
    };
    if answer.suite != SUITE {
        return Err(bad);
    }
    let Known { certificate, .. } = contact::load(scope, contact)?.ok_or(Stop::Refused(Code::UnknownContact))?;
    let package = setup::read_key_package(&scope.provider(), &answer.key_package).map_err(Stop::Refused)?;
    let leaf = package.leaf_node();
    credential::check(&certificate, leaf.credential(), leaf.signature_key().as_slice()).map_err(Stop::Refused)?;
    // One that can't be in a group would have the whole commit fail, and nobody could tell whose it was.
    if !setup::fits_a_log(&package) {
        return Err(bad);
    }
    kept::load(scope, id)?;
    let mut put =
        scope.conn.prepare_cached("INSERT OR REPLACE INTO log_package (group_id, contact, package, at) VALUES (?1, ?2, ?3, ?4)")?;
    put.execute(params![id.0, contact.0, answer.key_package, at.0])?;
    Ok(Outcome::Done)
}

/// The key package of somebody who is to be let in.
fn kept_package(scope: &Scope<'_>, id: GroupId, contact: Fingerprint) -> Result<Option<KeyPackage>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT package FROM log_package WHERE group_id = ?1 AND contact = ?2")?;
    let bytes: Option<Vec<u8>> = find.query_row(params![id.0, contact.0], |row| row.get(0)).optional()?;
    bytes.map(|bytes| setup::read_key_package(&scope.provider(), &bytes).map_err(Stop::Refused)).transpose()
}

/// Stages a commit that lets people in, or takes the one that is pending, and makes the request that posts it. **Errors:** `GroupFull`
/// also where what lets them in would not fit an envelope.
pub(crate) fn commit(scope: &Scope<'_>, id: GroupId, adds: &[Fingerprint]) -> Result<Outcome, Stop> {
    let group = kept::load(scope, id)?;
    if group.gone {
        return Err(Stop::Refused(Code::NoMember));
    }
    let provider = scope.provider();
    let mut mls = kept::load_mls(&provider, id)?.ok_or(BROKEN)?;
    if let (Some(entry), Some(staged)) = (pending(scope, id)?, mls.pending_commit()) {
        let posting = hash(&Secrets::opened(&provider, staged)?.posting);
        return post(scope, &group, EntryKind::Commit, entry, posting.0.to_vec());
    }
    if group.lineage.held().is_some() {
        return Err(Stop::Refused(code(Passed::Untold)));
    }
    let present = group.present()?;
    if adds.iter().any(|who| present.roster.has(*who)) {
        return Err(Stop::Refused(Code::AlreadyMember));
    }
    let by = scope.account.certificate.fingerprint();
    let facts = CommitFacts { by, adds: adds.to_vec(), removes: Vec::new(), rejoins: Vec::new(), charter: None };
    permits(&present.roster, &present.docket, group.followed.saturating_add(1), &facts).map_err(|passed| Stop::Refused(code(passed)))?;
    let mut packages = Vec::with_capacity(adds.len());
    let mut certificates = Vec::with_capacity(adds.len());
    let before = mls.export_ratchet_tree().tls_serialized_len();
    let mut more = 0;
    for who in adds {
        let package = kept_package(scope, id, *who)?.ok_or(Stop::Refused(Code::NoKeyPackage))?;
        let Known { certificate, .. } = contact::load(scope, *who)?.ok_or(Stop::Refused(Code::UnknownContact))?;
        // They may have come by another since.
        let leaf = package.leaf_node();
        credential::check(&certificate, leaf.credential(), leaf.signature_key().as_slice()).map_err(Stop::Refused)?;
        let certificate = certificate.to_bytes();
        more += package.tls_serialized_len() + certificate.len();
        packages.push(package);
        certificates.push(certificate);
    }
    let refused = Stop::Refused(Code::BadKeyPackage);
    let built = mls
        .commit_builder()
        .force_self_update(true)
        .propose_adds(packages)
        .load_psks(provider.storage())
        .and_then(|commit| commit.build(provider.rand(), provider.crypto(), &scope.account.signer, |_| true))
        .map_err(|_| refused)?;
    let bundle = built.stage_commit(&provider).map_err(|_| BROKEN)?;
    let welcome = bundle.welcome().map(|welcome| welcome.tls_serialize_detached().map_err(|_| BROKEN)).transpose()?;
    if let Some(welcome) = &welcome
        && !welcome::fits(scope, id, before + more + welcome.len())?
    {
        return Err(Stop::Refused(Code::GroupFull));
    }
    let commit = bundle.commit().to_bytes().map_err(|_| BROKEN)?;
    let posting = hash(&Secrets::opened(&provider, mls.pending_commit().ok_or(BROKEN)?)?.posting);
    let key = kept::entries_key(scope, id, present.commit)?;
    let entry = entry::seal(scope, id, present.commit, &key, What::Commit(GroupCommit { commit, certificates }))?;
    let mut put = scope.conn.prepare_cached("INSERT OR REPLACE INTO log_pending (group_id, entry, welcome) VALUES (?1, ?2, ?3)")?;
    put.execute(params![id.0, entry, welcome])?;
    post(scope, &group, EntryKind::Commit, entry, posting.0.to_vec())
}

/// The entry of our commit that is under way.
fn pending(scope: &Scope<'_>, id: GroupId) -> Result<Option<Vec<u8>>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT entry FROM log_pending WHERE group_id = ?1")?;
    Ok(find.query_row([id.0], |row| row.get(0)).optional()?)
}

/// Our commit is under way no more.
pub(super) fn forget(scope: &Scope<'_>, id: GroupId) -> Result<(), Stop> {
    scope.conn.prepare_cached("DELETE FROM log_pending WHERE group_id = ?1")?.execute([id.0])?;
    Ok(())
}

/// The Welcome of our commit that is under way, for all whom it lets in.
pub(super) fn pending_welcome(scope: &Scope<'_>, id: GroupId) -> Result<Option<Vec<u8>>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT welcome FROM log_pending WHERE group_id = ?1")?;
    Ok(find.query_row([id.0], |row| row.get(0)).optional()?.flatten())
}

/// Whom a commit adds, and the references of their key packages: what finds their part of its Welcome.
pub(super) fn references(provider: &Provider<'_>, staged: &StagedCommit) -> Result<Vec<(Fingerprint, Vec<u8>)>, Stop> {
    let added = staged.add_proposals().map(|add| {
        let package = add.add_proposal().key_package();
        let who = roster::identity(package.leaf_node().credential()).ok_or(BROKEN)?;
        let reference = package.hash_ref(provider.crypto()).map_err(|_| BROKEN)?;
        Ok((who, reference.as_slice().to_vec()))
    });
    added.collect()
}

/// What a commit does, as every member sees it. `None`: it does what no commit of ours does.
pub(super) fn facts(group: &Group, sender: LeafNodeIndex, staged: &StagedCommit) -> Result<Option<CommitFacts>, Stop> {
    let members = &group.present()?.roster;
    let Some(by) = members.at(sender.u32()) else {
        return Ok(None);
    };
    let adds: Option<Vec<Fingerprint>> =
        staged.add_proposals().map(|add| roster::identity(add.add_proposal().key_package().leaf_node().credential())).collect();
    let removes: Option<Vec<Fingerprint>> =
        staged.remove_proposals().map(|remove| members.at(remove.remove_proposal().removed().u32())).collect();
    let known = staged.add_proposals().count() + staged.remove_proposals().count();
    let charter = super::charter::of(staged.group_context().extensions());
    // The sender's own leaf keeps whose it is.
    let same = staged.update_path_leaf_node().is_some_and(|leaf| roster::identity(leaf.credential()) == Some(by));
    Ok(match (adds, removes, charter) {
        (Some(adds), Some(removes), Some(charter)) if same && known == staged.queued_proposals().count() => {
            let charter = (charter != *members.charter()).then_some(charter);
            Some(CommitFacts { by, adds, removes, rejoins: Vec::new(), charter })
        }
        _ => None,
    })
}

/// Why a commit of ours would have no effect, to a person.
fn code(passed: Passed) -> Code {
    match passed {
        Passed::NoMember => Code::NoMember,
        Passed::TooMany => Code::GroupFull,
        Passed::Pointless => Code::AlreadyMember,
        Passed::OrderOpen => Code::OrderOpen,
        Passed::Barred | Passed::NotAllowed | Passed::Unopened | Passed::TooLate | Passed::Untold => Code::NotAllowed,
    }
}

/// The request that posts an entry in the present epoch: on our lane, if we have one.
pub(super) fn post(scope: &Scope<'_>, group: &Group, kind: EntryKind, entry: Vec<u8>, posting: Vec<u8>) -> Result<Outcome, Stop> {
    let incarnation = group.incarnation.ok_or(Stop::Refused(Code::UnknownLog))?;
    let member = |key: &Secret<[u8; 32]>| key.expose().to_vec();
    let key = match &group.lane {
        Some(lane) => member(lane),
        None => member(&kept::posting_key(scope, group.id, group.present()?.commit)?),
    };
    framed(
        scope,
        Ask::Post(Post {
            log: group.id.0.to_vec(),
            incarnation: incarnation.0.to_vec(),
            after: group.latest,
            key,
            kind: kind.into(),
            entry,
            posting,
            reads_with: group.reading.expose().to_vec(),
            ..Post::default()
        }),
    )
}
