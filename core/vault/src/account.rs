//! The account's own keys: identity, leaf key, mailbox key. Read once at open, wiped when the vault closes.

use crate::mls::credential;
use crate::mls::provider::{LeafSigner, SharedEntropy};
use crate::schema::fault;
use crate::seal;
use rusqlite::{Connection, OptionalExtension as _, params};
use thicket_openpgp::{Certificate, Identity, OpenPgpError};
use thicket_types::error::Code;
use thicket_types::name::Name;
use thicket_types::secret::Secret;
use thicket_types::time::Stamp;

/// What a new account is made of.
pub struct NewAccount {
    /// Its identity.
    pub origin: Origin,
    /// Now, to the second: when a new certificate is made, and what every signature of this account bears as its time.
    pub at: Stamp,
}

/// Where a new account's identity comes from.
pub enum Origin {
    /// Made now, for this name.
    New(Name),
    /// An armored OpenPGP secret key of the kind that Thicket makes, locked by the passphrase.
    Imported {
        /// The key.
        armored: String,
        /// What it is locked by.
        passphrase: Secret<Vec<u8>>,
    },
}

/// The account, unlocked.
pub(crate) struct Account {
    pub(crate) identity: Identity,
    pub(crate) certificate: Certificate,
    pub(crate) certificate_bytes: Vec<u8>,
    /// Every signature bears the identity's creation as its time: no clock shows in it.
    pub(crate) created_s: u64,
    pub(crate) signer: LeafSigner,
    pub(crate) leaf_key: [u8; 32],
    pub(crate) credential: Vec<u8>,
    /// What mail is sealed to now, and was before: the newest first.
    pub(crate) mailbox_keys: Vec<MailboxSecret>,
}

/// A mailbox key's private half.
pub(crate) type MailboxSecret = Secret<[u8; 32]>;

pub(crate) fn create(conn: &Connection, entropy: &SharedEntropy, new: &NewAccount) -> Result<Account, Code> {
    let created_s = new.at.0 / 1000;
    let identity = match &new.origin {
        Origin::New(name) => {
            let mut entropy = entropy.lock().map_err(|_| Code::Inconsistent)?;
            Identity::generate(name.text(), created_s, entropy.as_mut()).map_err(|_| Code::BadCertificate)?
        }
        Origin::Imported { armored, passphrase } => {
            let imported = Identity::import_armored(armored, passphrase.expose());
            imported.map_err(|error| if error == OpenPgpError::WrongPassphrase { Code::WrongPassphrase } else { Code::BadCertificate })?
        }
    };
    Name::parse(identity.certificate().name()).map_err(|_| Code::MalformedName)?;
    keep_identity(conn, entropy, &identity, created_s, matches!(new.origin, Origin::Imported { .. }))?;
    add_mailbox_key(conn, entropy, new.at)?;
    load(conn)
}

/// Keeps an identity, with a leaf key that is made for it now; `elsewhere` if another vault has it too, or had it.
pub(crate) fn keep_identity(
    conn: &Connection,
    entropy: &SharedEntropy,
    identity: &Identity,
    created_s: u64,
    elsewhere: bool,
) -> Result<(), Code> {
    let signer = LeafSigner::generate(entropy.lock().map_err(|_| Code::Inconsistent)?.as_mut());
    let credential =
        credential::certify(identity, &identity.certificate(), &signer.public(), created_s).map_err(|_| Code::BadCertificate)?;
    let secret = identity.to_bytes();
    put(conn, "identity", secret.expose())?;
    put(conn, "certificate", &identity.certificate().to_bytes())?;
    put(conn, "created", &created_s.to_be_bytes())?;
    put(conn, "leaf", signer.secret().as_slice())?;
    put(conn, "credential", &credential)?;
    put(conn, "elsewhere", &[u8::from(elsewhere)])
}

pub(crate) fn load(conn: &Connection) -> Result<Account, Code> {
    let secret = Secret::new(get(conn, "identity")?);
    let identity = Identity::from_bytes(secret.expose()).map_err(|_| Code::VaultDamaged)?;
    let certificate = identity.certificate();
    let leaf: Secret<[u8; 32]> = Secret::new(fixed(conn, "leaf")?);
    let signer = LeafSigner::from_secret(leaf.expose());
    Ok(Account {
        certificate_bytes: certificate.to_bytes(),
        certificate,
        identity,
        created_s: u64::from_be_bytes(fixed(conn, "created")?),
        leaf_key: signer.public(),
        signer,
        credential: get(conn, "credential")?,
        mailbox_keys: mailbox_keys(conn)?,
    })
}

/// Whether the identity lives in another vault too, or did: it may have conversations that are not here.
pub(crate) fn is_elsewhere(conn: &Connection) -> Result<bool, Code> {
    fixed(conn, "elsewhere").map(|elsewhere| elsewhere == [1])
}

/// Notes that it does.
pub(crate) fn note_elsewhere(conn: &Connection) -> Result<(), Code> {
    conn.execute("UPDATE meta SET value = x'01' WHERE key = 'elsewhere'", []).map(|_| ()).map_err(fault)
}

/// Whether a mailbox key was made at that time, or later by a clock that is behind now, and is not published yet.
pub(crate) fn has_unpublished_mailbox_key(conn: &Connection, at: Stamp) -> Result<bool, Code> {
    // The published one is not replaced either.
    let waits = "SELECT count(*) > 1 AND max(since) >= ?1 FROM mailbox_key WHERE replaced IS NULL";
    conn.query_row(waits, [at.0], |row| row.get::<_, Option<bool>>(0)).map(|waits| waits == Some(true)).map_err(fault)
}

/// Makes a new mailbox key. The one before is replaced when the relay has taken this one. Returns the public half.
pub(crate) fn add_mailbox_key(conn: &Connection, entropy: &SharedEntropy, at: Stamp) -> Result<[u8; 32], Code> {
    let (secret, public) = {
        let mut entropy = entropy.lock().map_err(|_| Code::Inconsistent)?;
        let (secret, public) = seal::hpke_key_pair(entropy.as_mut());
        (Secret::new(secret), public)
    };
    // A clock may have been ahead when the last was made: each says that it is no older than the one before.
    let last: Option<u64> = conn.query_row("SELECT max(since) FROM mailbox_key", [], |row| row.get(0)).map_err(fault)?;
    let at = Stamp(last.map_or(at.0, |last| at.0.max(last)));
    conn.execute("INSERT INTO mailbox_key (secret, public, since) VALUES (?1, ?2, ?3)", params![secret.expose(), public, at.0])
        .map_err(fault)?;
    Ok(public)
}

/// The mailbox key that is published: its public half, and since when.
pub(crate) fn published_mailbox_key(conn: &Connection) -> Result<([u8; 32], Stamp), Code> {
    let newest = "SELECT public, since FROM mailbox_key ORDER BY number DESC LIMIT 1";
    conn.query_row(newest, [], |row| Ok((row.get(0)?, Stamp(row.get(1)?)))).map_err(fault)
}

/// The mailbox keys that mail may still be sealed to, the newest first.
pub(crate) fn mailbox_keys(conn: &Connection) -> Result<Vec<MailboxSecret>, Code> {
    let mut find = conn.prepare_cached("SELECT secret FROM mailbox_key ORDER BY number DESC").map_err(fault)?;
    let keys = find.query_map([], |row| row.get::<_, [u8; 32]>(0).map(Secret::new)).map_err(fault)?;
    keys.collect::<Result<_, _>>().map_err(fault)
}

fn put(conn: &Connection, key: &str, value: &[u8]) -> Result<(), Code> {
    conn.execute("INSERT INTO meta (key, value) VALUES (?1, ?2)", params![key, value]).map(|_| ()).map_err(fault)
}

fn get(conn: &Connection, key: &str) -> Result<Vec<u8>, Code> {
    conn.query_row("SELECT value FROM meta WHERE key = ?1", [key], |row| row.get(0)).optional().map_err(fault)?.ok_or(Code::VaultDamaged)
}

fn fixed<const N: usize>(conn: &Connection, key: &str) -> Result<[u8; N], Code> {
    let bytes = Secret::new(get(conn, key)?);
    bytes.expose().as_slice().try_into().map_err(|_| Code::VaultDamaged)
}
