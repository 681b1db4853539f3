//! Conversations of two: an MLS group each, begun from a key package or by a Welcome.
//!
//! If both sides begin at once there are two groups. The one whose creator has the smaller fingerprint is the sending group
//! for both as soon as each knows both; the other stays readable. A dead group sends no more: one side can't read it. What sends no
//! more is deleted when it was not used for a while.

use crate::contact::{self, Known};
use crate::mls::provider::Provider;
use crate::mls::storage::MlsStore;
use crate::mls::{credential, group};
use crate::schema::fault;
use crate::{BROKEN, Scope, Stop, account, rows};
use openmls::group::{GroupId, MlsGroup, StagedWelcome, WelcomeError};
use openmls::prelude::Welcome;
use openmls_traits::OpenMlsProvider as _;
use prost::Message as _;
use rusqlite::{Connection, OptionalExtension as _, params};
use thicket_journal_format::digest;
use thicket_openpgp::Certificate;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::{ConversationId, Fingerprint};
use thicket_types::limits::{GROUPS_CONTACT_MAX, PAST_EPOCHS_FOR};
use thicket_types::time::Stamp;
use thicket_types::wire;

/// The conversation's id: the same on both sides, whatever MLS groups it had.
pub(crate) fn conversation_id(a: Fingerprint, b: Fingerprint) -> ConversationId {
    ConversationId(digest(&[b"thicket.conversation.v1", &a.min(b).0, &a.max(b).0]).0)
}

/// Begins a conversation from a contact's key package that the relay gave.
pub(crate) fn begin(scope: &Scope<'_>, contact: Fingerprint, answer: &[u8], at: Stamp) -> Result<Outcome, Stop> {
    if sending(scope, contact)?.is_some() {
        return Ok(Outcome::Begun { again: Vec::new() });
    }
    let bad = Stop::Refused(Code::BadKeyPackage);
    let Some(wire::relay::answer::Said::KeyPackage(answer)) = wire::relay::Answer::decode(answer).ok().and_then(|answer| answer.said)
    else {
        return Err(bad);
    };
    if answer.suite != wire::SUITE {
        return Err(bad);
    }
    begin_with(scope, contact, &answer.key_package, at)
}

/// Begins a conversation from the key package that the contact offered. Where they were heard in a living group nothing needs
/// to begin; a group in which they never were is given up. What such a one carried is named all the same, and where they said that
/// earlier groups are dead: the living one may be one that they began since.
pub(crate) fn begin_from_offer(scope: &Scope<'_>, contact: Fingerprint, at: Stamp) -> Result<Outcome, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT offer FROM contact WHERE fingerprint = ?1")?;
    let offer: Option<Vec<u8>> = find.query_row([contact.0], |row| row.get(0)).optional()?.flatten();
    let (anew, key_package) = offer.as_deref().and_then(<[u8]>::split_first).ok_or(Stop::Refused(Code::BadOffer))?;
    scope.conn.prepare_cached("UPDATE contact SET offer = NULL WHERE fingerprint = ?1")?.execute([contact.0])?;
    let unheard = bury(scope, contact, Buried::Unheard)?;
    if sending(scope, contact)?.is_some() {
        let again = if *anew == 1 || unheard { rows::untold(scope, contact)? } else { Vec::new() };
        return Ok(Outcome::Begun { again });
    }
    begin_with(scope, contact, key_package, at)
}

/// The first commit is merged at once: its creator is alone in epoch 0.
fn begin_with(scope: &Scope<'_>, contact: Fingerprint, key_package: &[u8], at: Stamp) -> Result<Outcome, Stop> {
    let Known { certificate, .. } = contact::load(scope, contact)?.ok_or(Stop::Refused(Code::UnknownContact))?;
    let provider = scope.provider();
    let package = group::read_key_package(&provider, key_package).map_err(Stop::Refused)?;
    let leaf = package.leaf_node();
    credential::check(&certificate, leaf.credential(), leaf.signature_key().as_slice()).map_err(Stop::Refused)?;

    let id = group_id(contact::next_time(scope, contact, at)?, scope.random()?);
    let own = credential::with_key(&scope.account.credential, &scope.account.leaf_key);
    let config = group::create_config().map_err(Stop::Broken)?;
    let signer = &scope.account.signer;
    let mut mls = MlsGroup::new_with_group_id(&provider, signer, &config, GroupId::from_slice(&id), own).map_err(|_| BROKEN)?;
    let (_, welcome, _) = mls.add_members(&provider, signer, &[package]).map_err(|_| Stop::Refused(Code::BadKeyPackage))?;
    mls.merge_pending_commit(&provider).map_err(|_| BROKEN)?;
    let welcome = welcome.to_bytes().map_err(|_| BROKEN)?;
    let creator = scope.account.certificate.fingerprint();
    keep(scope, &New { id: &id, contact, creator, welcome: Some(&welcome), shared: false }, at)?;
    // What only a dead group carried was perhaps never read, whether or not that group is still here.
    Ok(Outcome::Begun { again: rows::untold(scope, contact)? })
}

/// Joins a group of two by its Welcome, after looking at who is in it.
pub(crate) fn join(scope: &Scope<'_>, certificate: &Certificate, welcome: Welcome, at: Stamp) -> Result<(), Stop> {
    let provider = scope.provider();
    let refused = |error: &WelcomeError<_>| match error {
        WelcomeError::NoMatchingKeyPackage => Stop::Refused(Code::NoMatchingKeyPackage),
        _ => Stop::Refused(Code::MalformedEnvelope),
    };
    let shared = welcome.secrets().iter().map(|secrets| MlsStore::new(scope.conn).is_shared(&secrets.new_member()));
    let shared = shared.collect::<Result<Vec<bool>, _>>().map_err(|_| BROKEN)?.contains(&true);
    let staged: StagedWelcome = StagedWelcome::build_from_welcome(&provider, &group::join_config(), welcome)
        .map_err(|error| refused(&error))?
        .skip_lifetime_validation()
        .build()
        .map_err(|error| refused(&error))?;
    let own = staged.own_leaf_index();
    let others: Vec<_> = staged.members().filter(|member| member.index != own).collect();
    let [other] = others.as_slice() else {
        return Err(Stop::Refused(Code::ForgedLeaf));
    };
    credential::check(certificate, &other.credential, &other.signature_key).map_err(Stop::Refused)?;
    let mls = staged.into_group(&provider).map_err(|error| refused(&error))?;
    let creator = certificate.fingerprint();
    keep(scope, &New { id: mls.group_id().as_slice(), contact: creator, creator, welcome: None, shared }, at)
}

/// A group's id: when it was begun, by its creator's clock, and what makes it unique. It is within what MLS signs, and within the
/// seal of every envelope: nobody else sees it.
fn group_id(begun: u64, unique: [u8; 16]) -> Vec<u8> {
    [begun.to_be_bytes().as_slice(), &unique].concat()
}

/// When a group was begun; `None` if its id has not this form.
fn begun(id: &[u8]) -> Option<i64> {
    let (begun, unique) = id.split_first_chunk::<8>()?;
    if unique.len() != 16 {
        return None;
    }
    i64::try_from(u64::from_be_bytes(*begun)).ok()
}

/// A group that is new here.
struct New<'a> {
    id: &'a [u8],
    contact: Fingerprint,
    creator: Fingerprint,
    welcome: Option<&'a [u8]>,
    /// Whether another copy of the profile may be in it: then it is read, and sends nothing.
    shared: bool,
}

fn keep(scope: &Scope<'_>, new: &New<'_>, at: Stamp) -> Result<(), Stop> {
    let New { id, contact, creator, welcome, shared } = *new;
    let begun = begun(id).ok_or(Stop::Refused(Code::MalformedEnvelope))?;
    let mut put = scope.conn.prepare_cached(
        "INSERT INTO mls_group (id, contact, creator, sending, dead, begun, used, welcome) VALUES (?1, ?2, ?3, 0,
             ?7 OR (?2 = ?3 AND ?4 <= (SELECT dead_until FROM contact WHERE fingerprint = ?2)), ?4, ?5, ?6)",
    )?;
    put.execute(params![id, contact.0, creator.0, begun, at.0, welcome, shared])?;
    choose(scope, contact)?;
    // Whoever begins again and again fills no disk: those used longest ago go.
    let mut find = scope
        .conn
        .prepare_cached("SELECT id FROM mls_group WHERE contact = ?1 AND sending = 0 ORDER BY used DESC, id <> ?2 LIMIT -1 OFFSET ?3")?;
    let beside = GROUPS_CONTACT_MAX.saturating_sub(1);
    let over: Vec<Vec<u8>> = find.query_map(params![contact.0, id, beside], |row| row.get(0)).and_then(Iterator::collect)?;
    drop_groups(scope, &over)
}

/// The smaller creator's living group sends; of several by the same creator the one they began last, since the others were given
/// up.
fn choose(scope: &Scope<'_>, contact: Fingerprint) -> Result<(), Stop> {
    let mut choose = scope.conn.prepare_cached(
        "UPDATE mls_group SET sending = (id = coalesce((
             SELECT id FROM mls_group WHERE contact = ?1 AND dead = 0 ORDER BY creator, begun DESC, id LIMIT 1
         ), x'')) WHERE contact = ?1",
    )?;
    choose.execute([contact.0])?;
    Ok(())
}

/// Which groups with a contact we give up.
#[derive(Clone, Copy)]
pub(crate) enum Buried {
    /// All.
    All,
    /// Those that they were never heard in.
    Unheard,
}

/// Gives groups with a contact up: they stay readable and send no more. Returns whether one was living.
pub(crate) fn bury(scope: &Scope<'_>, contact: Fingerprint, which: Buried) -> Result<bool, Stop> {
    let bury = match which {
        Buried::All => "UPDATE mls_group SET dead = 1 WHERE contact = ?1 AND dead = 0",
        Buried::Unheard => "UPDATE mls_group SET dead = 1 WHERE contact = ?1 AND dead = 0 AND welcome IS NOT NULL",
    };
    let buried = scope.conn.prepare_cached(bury)?.execute([contact.0])?;
    choose(scope, contact)?;
    Ok(buried > 0)
}

/// Gives groups with a contact up at their word, which bears this time of theirs: ours, and those that they began before, also
/// where a Welcome comes later. One that they began since is the one to go on in.
pub(crate) fn bury_before(scope: &Scope<'_>, contact: Fingerprint, time: i64) -> Result<(), Stop> {
    let note = "UPDATE contact SET dead_until = max(dead_until, ?2) WHERE fingerprint = ?1";
    scope.conn.prepare_cached(note)?.execute(params![contact.0, time])?;
    let bury = "UPDATE mls_group SET dead = 1 WHERE contact = ?1 AND NOT (creator = ?1 AND begun > ?2)";
    scope.conn.prepare_cached(bury)?.execute(params![contact.0, time])?;
    choose(scope, contact)
}

/// Something was sealed in a group, or read in it.
pub(crate) fn note_used(scope: &Scope<'_>, id: &[u8], at: Stamp) -> Result<(), Stop> {
    scope.conn.prepare_cached("UPDATE mls_group SET used = max(used, ?2) WHERE id = ?1")?.execute(params![id, at.0])?;
    Ok(())
}

/// Deletes groups that send no more and were not used for the window, with all that MLS kept of them: dead ones, and those that
/// lost against another in which the contact was heard, and which they therefore send in too.
pub(crate) fn tidy(scope: &Scope<'_>, now: Stamp) -> Result<(), Stop> {
    let mut find = scope.conn.prepare_cached(
        "SELECT id FROM mls_group AS past WHERE sending = 0 AND used + ?1 <= ?2 AND (dead = 1 OR EXISTS (
             SELECT 1 FROM mls_group WHERE contact = past.contact AND sending = 1 AND welcome IS NULL
         ))",
    )?;
    let old: Vec<Vec<u8>> = find.query_map(params![PAST_EPOCHS_FOR.0, now.0], |row| row.get(0)).and_then(Iterator::collect)?;
    drop_groups(scope, &old)
}

/// Deletes what is left of strangers who were declined and wrote no more for the window: their groups, and then who they were.
pub(crate) fn tidy_strangers(scope: &Scope<'_>, now: Stamp) -> Result<(), Stop> {
    let mut find = scope.conn.prepare_cached(
        "SELECT id FROM mls_group JOIN contact ON fingerprint = contact WHERE pinned = 0 AND used + ?1 <= ?2
             AND NOT EXISTS (SELECT 1 FROM message WHERE message.contact = fingerprint)",
    )?;
    let old: Vec<Vec<u8>> = find.query_map(params![PAST_EPOCHS_FOR.0, now.0], |row| row.get(0)).and_then(Iterator::collect)?;
    drop_groups(scope, &old)?;
    let forget = "DELETE FROM contact WHERE pinned = 0 AND offer IS NULL
             AND NOT EXISTS (SELECT 1 FROM mls_group WHERE mls_group.contact = fingerprint)
             AND NOT EXISTS (SELECT 1 FROM message WHERE message.contact = fingerprint)";
    scope.conn.prepare_cached(forget)?.execute([])?;
    Ok(())
}

/// Deletes groups, with all that MLS kept of them.
fn drop_groups(scope: &Scope<'_>, groups: &[Vec<u8>]) -> Result<(), Stop> {
    for id in groups {
        MlsStore::new(scope.conn).drop_group(&GroupId::from_slice(id)).map_err(|_| BROKEN)?;
        scope.conn.prepare_cached("DELETE FROM past_epoch WHERE group_id = ?1")?.execute([id])?;
        scope.conn.prepare_cached("DELETE FROM mls_group WHERE id = ?1")?.execute([id])?;
    }
    Ok(())
}

/// Gives all groups up, also those with people who are no contacts any more: another vault may have used their keys, and may have
/// begun groups that are not here.
pub(crate) fn give_up(conn: &Connection) -> Result<(), Code> {
    conn.execute("UPDATE mls_group SET dead = 1, sending = 0", []).map_err(fault)?;
    conn.execute("UPDATE contact SET told = 0", []).map_err(fault)?;
    crate::group::give_up(conn)?;
    // So may a group whose Welcome comes only now: the other copy has the key package that lets one in.
    MlsStore::new(conn).share_key_packages().map_err(|_| Code::VaultDamaged)?;
    account::note_elsewhere(conn)
}

/// The group that messages to a contact are encrypted in.
pub(crate) struct Sending {
    pub(crate) id: Vec<u8>,
    /// Its Welcome, until the contact was heard in it.
    pub(crate) welcome: Option<Vec<u8>>,
}

/// The contact's living group that sends, if there is one.
pub(crate) fn sending(scope: &Scope<'_>, contact: Fingerprint) -> Result<Option<Sending>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT id, welcome FROM mls_group WHERE contact = ?1 AND sending = 1")?;
    Ok(find.query_row([contact.0], |row| Ok(Sending { id: row.get(0)?, welcome: row.get(1)? })).optional()?)
}

/// A group as openmls keeps it: as it is now, or as it was in a past epoch, by the provider.
pub(crate) fn load(provider: &Provider<'_>, id: &[u8]) -> Result<Option<MlsGroup>, Stop> {
    MlsGroup::load(provider.storage(), &GroupId::from_slice(id)).map_err(|_| BROKEN)
}
