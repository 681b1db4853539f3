//! Requests to the relay: made here, so that every frame is a ledgered reply and a resend has the same bytes.

use crate::mls::provider::Provider;
use crate::mls::storage::MlsStore;
use crate::mls::{credential, group};
use crate::{BROKEN, Scope, Stop, account};
use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::{CredentialWithKey, KeyPackage};
use openmls_traits::OpenMlsProvider as _;
use prost::Message as _;
use rusqlite::{OptionalExtension as _, params};
use thicket_journal_format::digest;
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::FrameId;
use thicket_types::limits::{FRAME_LEN_MAX, GENERATIONS_MAX, KEY_PACKAGES, KEY_PACKAGES_KEPT_MAX, KEY_PACKAGES_LIVE_MAX};
use thicket_types::name::RegistrationToken;
use thicket_types::time::Stamp;
use thicket_types::vault_op::{Ask, Challenge, Published};
use thicket_types::wire::relay::owner_statement::Ask as OwnerAsk;
use thicket_types::wire::relay::{self as wire, request};
use thicket_types::wire::{SUITE, VERSION, context};

/// Wraps an ask into a request with a nonce of its own.
pub(crate) fn framed(scope: &Scope<'_>, ask: request::Ask) -> Result<Outcome, Stop> {
    framed_as(VERSION, scope.random::<16>()?.to_vec(), ask)
}

/// Wraps an ask into a request with a nonce that it had before.
pub(crate) fn framed_as(version: u32, nonce: Vec<u8>, ask: request::Ask) -> Result<Outcome, Stop> {
    let bytes = wire::Request { version, nonce, ask: Some(ask) }.encode_to_vec();
    if bytes.len() > FRAME_LEN_MAX {
        return Err(Stop::Refused(Code::TooLarge));
    }
    let frame = FrameId(digest(&[&bytes]).0);
    Ok(Outcome::Framed { frame, bytes: Bytes(bytes) })
}

/// Wraps what only an owner may ask, signed for the session.
pub(crate) fn framed_as_owner(scope: &Scope<'_>, ask: OwnerAsk) -> Result<Outcome, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT value FROM meta WHERE key = 'session'")?;
    let session: Option<Vec<u8>> = find.query_row([], |row| row.get(0)).optional()?;
    let (relay_key, session) = match session.as_deref().and_then(|session| session.split_at_checked(32)) {
        Some((relay, nonce)) => (relay.to_vec(), nonce.to_vec()),
        None => return Err(Stop::Refused(Code::NotLoggedIn)),
    };
    let nonce = scope.random::<16>()?.to_vec();
    let number = match ask {
        OwnerAsk::Publish(_) | OwnerAsk::MailboxKey(_) | OwnerAsk::Capabilities(_) => next_number(scope)?,
        // What it swaps is swapped once, also if the frame comes again later in the session.
        OwnerAsk::Fetch(ref fetch) if !fetch.generation.is_empty() => next_number(scope)?,
        OwnerAsk::Fetch(_) | OwnerAsk::Acknowledge(_) => 0,
    };
    let statement = wire::OwnerStatement { relay_key, session, nonce: nonce.clone(), ask: Some(ask), number }.encode_to_vec();
    let owner = wire::Owner { signature: sign(scope, context::OWNER, &statement)?, statement };
    framed_as(VERSION, nonce, request::Ask::Owner(owner))
}

/// The number of the next request that the session does once.
fn next_number(scope: &Scope<'_>) -> Result<u64, Stop> {
    let mut next = scope.conn.prepare_cached(
        "INSERT INTO meta (key, value) VALUES ('number', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value",
    )?;
    Ok(next.query_row([], |row| row.get(0))?)
}

pub(crate) fn compose(scope: &Scope<'_>, ask: &Ask) -> Result<Outcome, Stop> {
    match ask {
        Ask::Challenge => framed(scope, request::Ask::Challenge(wire::ChallengeAsk { name: scope.account.certificate.name().to_owned() })),
        Ask::Lookup(name) => framed(scope, request::Ask::Lookup(wire::Lookup { name: name.text().to_owned() })),
        Ask::KeyPackage(name) => {
            let ask = wire::KeyPackageAsk { name: name.text().to_owned(), suites: vec![SUITE], stamp: None };
            framed(scope, request::Ask::KeyPackage(ask))
        }
        Ask::ReadLog(group) => crate::group::read_log(scope, *group),
        Ask::Fetch { items_max, swap } => {
            let generation = if *swap { next_generation(scope)?.1 } else { Vec::new() };
            framed_as_owner(scope, OwnerAsk::Fetch(wire::Fetch { items_max: *items_max, generation }))
        }
        Ask::Acknowledge { cursors } => framed_as_owner(scope, OwnerAsk::Acknowledge(wire::Acknowledge { cursors: cursors.clone() })),
    }
}

/// Answers a challenge, whose nonce names the session from now on.
fn proof(scope: &Scope<'_>, challenge: &Challenge) -> Result<wire::Proof, Stop> {
    let session = [challenge.relay.0, challenge.nonce].concat();
    scope.conn.prepare_cached("INSERT OR REPLACE INTO meta (key, value) VALUES ('session', ?1)")?.execute([session])?;
    scope.conn.prepare_cached("DELETE FROM meta WHERE key = 'number'")?.execute([])?;
    Ok(wire::Proof {
        relay_key: challenge.relay.0.to_vec(),
        nonce: challenge.nonce.to_vec(),
        name: scope.account.certificate.name().to_owned(),
        until_ms: challenge.until_ms,
    })
}

pub(crate) fn sign(scope: &Scope<'_>, context: &str, text: &[u8]) -> Result<Vec<u8>, Stop> {
    scope.account.identity.sign(context, text, scope.account.created_s).map_err(|_| Stop::Broken(Code::Inconsistent))
}

/// The statement about the mailbox key that is published now, signed.
fn mailbox_key(scope: &Scope<'_>) -> Result<wire::MailboxKey, Stop> {
    let (key, since) = account::published_mailbox_key(scope.conn).map_err(Stop::Broken)?;
    let fingerprint = scope.account.certificate.fingerprint().0.to_vec();
    let statement = wire::MailboxKeyStatement { fingerprint, key: key.to_vec(), from_ms: since.0 }.encode_to_vec();
    Ok(wire::MailboxKey { signature: sign(scope, context::MAILBOX_KEY, &statement)?, statement })
}

/// Makes a new mailbox key, unless one waits, and the request that publishes it.
pub(crate) fn rotate_mailbox_key(scope: &Scope<'_>, at: Stamp) -> Result<Outcome, Stop> {
    if !account::has_unpublished_mailbox_key(scope.conn, at).map_err(Stop::Broken)? {
        account::add_mailbox_key(scope.conn, scope.entropy, at).map_err(Stop::Broken)?;
    }
    let mailbox_key = Some(mailbox_key(scope)?);
    framed_as_owner(scope, OwnerAsk::MailboxKey(wire::PublishMailboxKey { mailbox_key }))
}

/// Makes a new device generation and forgets the oldest past the bound. Returns those given before, and the new one.
fn next_generation(scope: &Scope<'_>) -> Result<(Vec<Vec<u8>>, Vec<u8>), Stop> {
    let most = i64::try_from(GENERATIONS_MAX).unwrap_or(i64::MAX);
    let mut find = scope.conn.prepare_cached("SELECT id FROM generation ORDER BY number DESC LIMIT ?1")?;
    let known: Vec<Vec<u8>> = find.query_map([most], |row| row.get(0)).and_then(Iterator::collect)?;
    let new = scope.random::<16>()?.to_vec();
    scope.conn.prepare_cached("INSERT INTO generation (id) VALUES (?1)")?.execute([&new])?;
    let mut drop = scope.conn.prepare_cached("DELETE FROM generation WHERE number <= (SELECT max(number) FROM generation) - ?1")?;
    drop.execute([most])?;
    Ok((known, new))
}

pub(crate) fn sign_registration(scope: &Scope<'_>, challenge: &Challenge, token: Option<&RegistrationToken>) -> Result<Outcome, Stop> {
    let (_, generation) = next_generation(scope)?;
    let statement = wire::RegisterStatement {
        proof: Some(proof(scope, challenge)?),
        certificate: scope.account.certificate_bytes.clone(),
        mailbox_key: Some(mailbox_key(scope)?),
        token: token.map(|token| token.text().to_owned()).unwrap_or_default(),
        generation,
    }
    .encode_to_vec();
    framed(scope, request::Ask::Register(wire::Register { signature: sign(scope, context::REGISTER, &statement)?, statement }))
}

pub(crate) fn sign_login(scope: &Scope<'_>, challenge: &Challenge, takes_over: bool) -> Result<Outcome, Stop> {
    let (known, generation) = next_generation(scope)?;
    let proof = Some(proof(scope, challenge)?);
    let statement = wire::LoginStatement { proof, known, generation, takes_over }.encode_to_vec();
    framed(scope, request::Ask::Login(wire::Login { signature: sign(scope, context::LOGIN, &statement)?, statement }))
}

/// Our leaf, as a key package shows it.
pub(crate) fn own_leaf(scope: &Scope<'_>) -> CredentialWithKey {
    credential::with_key(&scope.account.credential, &scope.account.leaf_key)
}

/// Makes key packages and the request that publishes them. With `replaces`, or where too many are live, those made before are not given out any more; what
/// begins with one that was is still read, as long as the relay keeps mail.
pub(crate) fn make_key_packages(scope: &Scope<'_>, count: u32, last_resort: bool, replaces: bool, at: Stamp) -> Result<Outcome, Stop> {
    let provider = scope.provider();
    let store = MlsStore::new(scope.conn);
    let (live, kept) = store.one_time_key_packages().map_err(|_| BROKEN)?;
    // Taken by people who never wrote, or said to be gone by a relay that lies: without an end their keys would be kept for ever.
    // One that said so and did not reach the relay is said again.
    let crowded = live >= KEY_PACKAGES_LIVE_MAX || publication(scope)?.is_some_and(|before| before.crowded);
    let (replaces, last_resort) = (replaces || crowded, last_resort || crowded);
    let count = count.min(KEY_PACKAGES).min(KEY_PACKAGES_KEPT_MAX.saturating_sub(kept));
    if replaces {
        store.retire_key_packages(at).map_err(|_| BROKEN)?;
    }
    let make = |last_resort: bool| -> Result<Vec<u8>, Stop> {
        let bundle = group::key_package(&provider, &scope.account.signer, own_leaf(scope), last_resort).map_err(Stop::Broken)?;
        if last_resort {
            note_last_resort(scope, &provider, bundle.key_package())?;
        }
        bundle.key_package().tls_serialize_detached().map_err(|_| BROKEN)
    };
    let one_time = (0..count).map(|_| make(false)).collect::<Result<Vec<_>, _>>()?;
    let last_resort = if last_resort { make(true)? } else { Vec::new() };
    let mut newest = scope.conn.prepare_cached("SELECT max(number) FROM last_resort")?;
    let newest = if last_resort.is_empty() { None } else { newest.query_row([], |row| row.get(0))? };
    keep_publication(scope, &Publication { last_resort: newest, crowded })?;
    let publish = wire::PublishKeyPackages { one_time, last_resort, suite: SUITE, replaces };
    framed_as_owner(scope, OwnerAsk::Publish(publish))
}

/// A last-resort package's private key outlives its use: it goes when another has long taken its place.
fn note_last_resort(scope: &Scope<'_>, provider: &Provider<'_>, package: &KeyPackage) -> Result<(), Stop> {
    let reference = package.hash_ref(provider.crypto()).map_err(|_| BROKEN)?;
    let address = MlsStore::key_package_address(&reference).map_err(|_| BROKEN)?;
    scope.conn.prepare_cached("INSERT INTO last_resort (address) VALUES (?1)")?.execute([address])?;
    Ok(())
}

/// The key packages that were made last, until the relay has them.
struct Publication {
    /// The last-resort one among them, by its row.
    last_resort: Option<i64>,
    /// Whether they take the place of all since too many were never used.
    crowded: bool,
}

fn publication(scope: &Scope<'_>) -> Result<Option<Publication>, Stop> {
    let mut find = scope.conn.prepare_cached("SELECT last_resort, crowded FROM publication")?;
    Ok(find.query_row([], |row| Ok(Publication { last_resort: row.get(0)?, crowded: row.get(1)? })).optional()?)
}

fn keep_publication(scope: &Scope<'_>, made: &Publication) -> Result<(), Stop> {
    let mut put = scope.conn.prepare_cached("INSERT OR REPLACE INTO publication (id, last_resort, crowded) VALUES (1, ?1, ?2)")?;
    put.execute(params![made.last_resort, made.crowded])?;
    Ok(())
}

/// The relay took what was published last: what there was before is replaced from now on. Key packages without a last-resort one
/// leave that which is there in its place.
pub(crate) fn published(scope: &Scope<'_>, what: Published, at: Stamp) -> Result<Outcome, Stop> {
    match what {
        Published::MailboxKey => {
            let replace = "UPDATE mailbox_key SET replaced = ?1 WHERE replaced IS NULL AND number < (SELECT max(number) FROM mailbox_key)";
            scope.conn.prepare_cached(replace)?.execute([at.0])?;
        }
        Published::KeyPackages => {
            if let Some(newest) = publication(scope)?.and_then(|made| made.last_resort) {
                let replace = "UPDATE last_resort SET replaced = ?1 WHERE replaced IS NULL AND number < ?2";
                scope.conn.prepare_cached(replace)?.execute(params![at.0, newest])?;
            }
            scope.conn.prepare_cached("DELETE FROM publication")?.execute([])?;
        }
    }
    Ok(Outcome::Done)
}
