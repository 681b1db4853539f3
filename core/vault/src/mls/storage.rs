//! Where OpenMLS keeps what it must remember: one table of the vault's database.
//!
//! The connection is already inside the transaction of the operation being carried out, so whatever
//! OpenMLS writes here is kept or lost together with the rest of that operation. Nothing in this file
//! begins, commits or rolls back.

use std::fmt;

use openmls_traits::storage::{CURRENT_VERSION, StorageProvider, traits};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, Row, params};
use serde::{Serialize, de::DeserializeOwned};
use thicket_journal_format::codec;
use thicket_types::time::Stamp;
use zeroize::Zeroizing;

/// Makes the table that [`MlsStore`] reads and writes.
pub(crate) const SCHEMA: &str = "CREATE TABLE mls (
    epoch INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    key BLOB NOT NULL,
    seq INTEGER NOT NULL DEFAULT 0,
    value BLOB NOT NULL,
    PRIMARY KEY (epoch, kind, key, seq)
) WITHOUT ROWID;";

/// The epoch of what is live: copies of past ones stand under theirs.
const LIVE: i64 = -1;

const PUT: &str = "INSERT INTO mls (epoch, kind, key, seq, value) VALUES (?1, ?2, ?3, 0, ?4)
    ON CONFLICT (epoch, kind, key, seq) DO UPDATE SET value = excluded.value";
const PUSH: &str = "INSERT INTO mls (epoch, kind, key, seq, value)
    SELECT ?1, ?2, ?3, coalesce(max(seq) + 1, 0), ?4 FROM mls WHERE epoch = ?1 AND kind = ?2 AND key = ?3";
const GET: &str = "SELECT value FROM mls WHERE epoch = ?1 AND kind = ?2 AND key = ?3 AND seq = 0";
const LIST: &str = "SELECT value FROM mls WHERE epoch = ?1 AND kind = ?2 AND key = ?3 ORDER BY seq";
const HOLDS: &str = "SELECT 1 FROM mls WHERE epoch = ?1 AND kind = ?2 AND key = ?3 AND value = ?4";
const DROP: &str = "DELETE FROM mls WHERE epoch = ?1 AND kind = ?2 AND key = ?3";
const DROP_ITEM: &str = "DELETE FROM mls WHERE epoch = ?1 AND kind = ?2 AND key = ?3 AND value = ?4";
const COPY: &str = "INSERT OR REPLACE INTO mls (epoch, kind, key, seq, value)
    SELECT ?1, kind, key, seq, value FROM mls WHERE epoch = -1 AND kind = ?2 AND key = ?3";

/// The version of the storage traits that this store speaks.
const V: u16 = CURRENT_VERSION;

/// What a row holds. The numbers are on disk: never renumber one, never use one again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i64)]
pub(crate) enum Kind {
    /// A group's settings. The one kind that is kept as JSON.
    JoinConfig = 1,
    /// Leaves that this client proposed for itself: one a row.
    OwnLeafNodes = 2,
    /// The references of the queued proposals of a group: one a row, in the order they came.
    ProposalQueue = 3,
    /// A queued proposal, under its group and its reference.
    Proposal = 4,
    /// A group's ratchet tree.
    Tree = 5,
    /// A group's context.
    GroupContext = 6,
    /// A group's interim transcript hash.
    InterimTranscriptHash = 7,
    /// A group's confirmation tag.
    ConfirmationTag = 8,
    /// Whether a group is in use, has a commit pending, or has put this client out.
    GroupState = 9,
    /// The secrets that open and seal a group's messages.
    MessageSecrets = 10,
    /// A group's resumption secrets.
    ResumptionPskStore = 11,
    /// This client's place in a group's tree.
    OwnLeafIndex = 12,
    /// The secrets of a group's present epoch.
    EpochSecrets = 13,
    /// A signature key pair, under its public key. OpenMLS itself stores none.
    SignatureKeyPair = 14,
    /// An HPKE key pair of a proposed leaf, under its public key.
    EncryptionKeyPair = 15,
    /// All HPKE key pairs of one epoch, under group, epoch and leaf.
    EpochKeyPairs = 16,
    /// A key package with its private keys, under its reference.
    KeyPackage = 17,
    /// A pre-shared key, under its id.
    Psk = 18,
}

impl Kind {
    /// Whether the value reads itself through `deserialize_any`, so that only a self-describing
    /// encoding can bring it back.
    const fn self_describing(self) -> bool {
        matches!(self, Self::JoinConfig)
    }

    const fn number(self) -> i64 {
        self as i64
    }
}

/// Why the store could not do what OpenMLS asked.
#[derive(Debug, PartialEq)]
pub(crate) enum MlsStoreError {
    /// The database refused.
    Sqlite(rusqlite::Error),
    /// A key or a value could not be encoded, or a stored value could not be read back.
    Codec,
}

impl fmt::Display for MlsStoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(e) => write!(f, "MLS store: {e}"),
            Self::Codec => f.write_str("MLS store: encoding"),
        }
    }
}

impl std::error::Error for MlsStoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Sqlite(e) => Some(e),
            Self::Codec => None,
        }
    }
}

impl From<rusqlite::Error> for MlsStoreError {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(e)
    }
}

type Stored<T> = Result<T, MlsStoreError>;
/// Encoded bytes, most of them secret: wiped when dropped.
type Bytes = Zeroizing<Vec<u8>>;

/// A key's bytes. Every encoding ends where it says it does, so keys may be joined end to end.
fn address<K: Serialize>(key: &K) -> Stored<Vec<u8>> {
    codec::encode(key).map_err(|_| MlsStoreError::Codec)
}

/// The address of something within a group: the group's address, then the thing's own.
fn within(group: &[u8], inner: &[u8]) -> Vec<u8> {
    [group, inner].concat()
}

/// The address of the key pairs that one leaf holds in one epoch of a group.
fn epoch_address<G: Serialize, E: Serialize>(group: &G, epoch: &E, leaf: u32) -> Stored<Vec<u8>> {
    let mut out = within(&address(group)?, &address(epoch)?);
    out.extend_from_slice(&leaf.to_be_bytes());
    Ok(out)
}

fn pack<T: Serialize>(kind: Kind, value: &T) -> Stored<Bytes> {
    let bytes = if kind.self_describing() {
        serde_json::to_vec(value).map_err(|_| MlsStoreError::Codec)?
    } else {
        codec::encode(value).map_err(|_| MlsStoreError::Codec)?
    };
    Ok(Zeroizing::new(bytes))
}

fn unpack<T: DeserializeOwned>(kind: Kind, bytes: &[u8]) -> Stored<T> {
    if kind.self_describing() {
        serde_json::from_slice(bytes).map_err(|_| MlsStoreError::Codec)
    } else {
        codec::decode_large(bytes).map_err(|_| MlsStoreError::Codec)
    }
}

fn value_of(row: &Row<'_>) -> rusqlite::Result<Bytes> {
    row.get(0).map(Zeroizing::new)
}

/// What a late message needs of its epoch: all that openmls loads of a group. Keys of commits are not among it.
const OF_AN_EPOCH: [Kind; 10] = [
    Kind::JoinConfig,
    Kind::Tree,
    Kind::GroupContext,
    Kind::InterimTranscriptHash,
    Kind::ConfirmationTag,
    Kind::GroupState,
    Kind::MessageSecrets,
    Kind::ResumptionPskStore,
    Kind::OwnLeafIndex,
    Kind::EpochSecrets,
];

/// What else stands under a group: proposals and keys of commits.
const OF_A_GROUP: [Kind; 4] = [Kind::OwnLeafNodes, Kind::ProposalQueue, Kind::Proposal, Kind::EpochKeyPairs];

/// OpenMLS's storage over the vault's connection.
pub(crate) struct MlsStore<'c> {
    conn: &'c Connection,
    epoch: i64,
}

impl<'c> MlsStore<'c> {
    /// A store over `conn`, whose open transaction covers all that is done here.
    pub(crate) const fn new(conn: &'c Connection) -> Self {
        Self { conn, epoch: LIVE }
    }

    /// A store over the copy of a past epoch.
    pub(crate) fn in_epoch(conn: &'c Connection, epoch: u64) -> Self {
        Self { conn, epoch: i64::try_from(epoch).unwrap_or(i64::MAX) }
    }

    /// Copies a group's live rows under its epoch.
    pub(crate) fn copy_to_epoch(&self, group: &impl Serialize, epoch: u64) -> Stored<()> {
        let (group, epoch) = (address(group)?, i64::try_from(epoch).unwrap_or(i64::MAX));
        for kind in OF_AN_EPOCH {
            self.statement(COPY)?.execute(params![epoch, kind.number(), group])?;
        }
        Ok(())
    }

    /// Deletes the copy of one of a group's past epochs.
    pub(crate) fn drop_epoch(&self, group: &impl Serialize, epoch: u64) -> Stored<()> {
        let (group, epoch) = (address(group)?, i64::try_from(epoch).unwrap_or(i64::MAX));
        for kind in OF_AN_EPOCH {
            self.statement(DROP)?.execute(params![epoch, kind.number(), group])?;
        }
        Ok(())
    }

    /// Deletes all that is kept of a group: what is live, its copies of past epochs, and its keys of commits.
    pub(crate) fn drop_group(&self, group: &impl Serialize) -> Stored<()> {
        let group = address(group)?;
        // No address begins with another, so what begins with this one is of this group.
        let mut drop = self.statement("DELETE FROM mls WHERE kind = ?1 AND substr(key, 1, length(?2)) = ?2")?;
        for kind in OF_AN_EPOCH.into_iter().chain(OF_A_GROUP) {
            drop.execute(params![kind.number(), group])?;
        }
        Ok(())
    }

    /// Under what a key package is kept.
    pub(crate) fn key_package_address(reference: &impl Serialize) -> Stored<Vec<u8>> {
        address(reference)
    }

    /// Deletes a key package with its private keys; one that is not there is no error.
    pub(crate) fn drop_key_package(&self, address: &[u8]) -> Stored<()> {
        self.drop_all(Kind::KeyPackage, address)
    }

    /// One-time key packages whose private keys are here: those of the present stock, and all.
    pub(crate) fn one_time_key_packages(&self) -> Stored<(u32, u32)> {
        let mut count = self.statement(
            "SELECT count(*) - count(offered.address), count(*) FROM mls LEFT JOIN offered ON offered.address = mls.key
             WHERE epoch = ?1 AND kind = ?2 AND key NOT IN (SELECT address FROM last_resort)",
        )?;
        Ok(count.query_row(params![LIVE, Kind::KeyPackage.number()], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }

    /// Has all one-time key packages go like those that were offered: their private keys are destroyed after the window.
    pub(crate) fn retire_key_packages(&self, at: Stamp) -> Stored<()> {
        let mut retire = self.statement(
            "INSERT OR IGNORE INTO offered (address, at)
             SELECT key, ?1 FROM mls WHERE epoch = ?2 AND kind = ?3 AND key NOT IN (SELECT address FROM last_resort)",
        )?;
        retire.execute(params![at.0, LIVE, Kind::KeyPackage.number()])?;
        Ok(())
    }

    /// Notes that another copy of the profile may have the key packages that are here.
    pub(crate) fn share_key_packages(&self) -> Stored<()> {
        let mut share = self.statement("INSERT OR IGNORE INTO shared (address) SELECT key FROM mls WHERE epoch = ?1 AND kind = ?2")?;
        share.execute(params![LIVE, Kind::KeyPackage.number()])?;
        Ok(())
    }

    /// Whether a key package was here when another copy of the profile may have been made.
    pub(crate) fn is_shared(&self, reference: &impl Serialize) -> Stored<bool> {
        let mut find = self.statement("SELECT EXISTS (SELECT 1 FROM shared WHERE address = ?1)")?;
        Ok(find.query_row([address(reference)?], |row| row.get(0))?)
    }

    /// Forgets which key packages another copy has, of those that are gone here.
    pub(crate) fn tidy_shared(&self) -> Stored<()> {
        let mut tidy = self.statement("DELETE FROM shared WHERE address NOT IN (SELECT key FROM mls WHERE epoch = ?1 AND kind = ?2)")?;
        tidy.execute(params![LIVE, Kind::KeyPackage.number()])?;
        Ok(())
    }

    fn statement(&self, sql: &str) -> Stored<CachedStatement<'c>> {
        Ok(self.conn.prepare_cached(sql)?)
    }

    /// Writes the only value under `key`, over any that was there.
    fn put<T: Serialize>(&self, kind: Kind, key: &[u8], value: &T) -> Stored<()> {
        let value = pack(kind, value)?;
        self.statement(PUT)?.execute(params![self.epoch, kind.number(), key, value.as_slice()])?;
        Ok(())
    }

    fn get<T: DeserializeOwned>(&self, kind: Kind, key: &[u8]) -> Stored<Option<T>> {
        let found: Option<Bytes> = self.statement(GET)?.query_row(params![self.epoch, kind.number(), key], value_of).optional()?;
        found.map(|bytes| unpack(kind, &bytes)).transpose()
    }

    /// Adds a packed value at the end of the list under `key`.
    fn push(&self, kind: Kind, key: &[u8], value: &[u8]) -> Stored<()> {
        self.statement(PUSH)?.execute(params![self.epoch, kind.number(), key, value])?;
        Ok(())
    }

    /// The packed values of a list, in order.
    fn list(&self, kind: Kind, key: &[u8]) -> Stored<Vec<Bytes>> {
        let mut statement = self.statement(LIST)?;
        let rows = statement.query_map(params![self.epoch, kind.number(), key], value_of)?.collect::<Result<Vec<Bytes>, _>>()?;
        Ok(rows)
    }

    fn list_of<T: DeserializeOwned>(&self, kind: Kind, key: &[u8]) -> Stored<Vec<T>> {
        self.list(kind, key)?.iter().map(|bytes| unpack(kind, bytes)).collect()
    }

    fn holds(&self, kind: Kind, key: &[u8], value: &[u8]) -> Stored<bool> {
        Ok(self.statement(HOLDS)?.exists(params![self.epoch, kind.number(), key, value])?)
    }

    /// Deletes every row under `key`; none is no error.
    fn drop_all(&self, kind: Kind, key: &[u8]) -> Stored<()> {
        self.statement(DROP)?.execute(params![self.epoch, kind.number(), key])?;
        Ok(())
    }

    /// Deletes the rows of a list that hold `value`.
    fn drop_item(&self, kind: Kind, key: &[u8], value: &[u8]) -> Stored<()> {
        self.statement(DROP_ITEM)?.execute(params![self.epoch, kind.number(), key, value])?;
        Ok(())
    }
}

impl StorageProvider<V> for MlsStore<'_> {
    type Error = MlsStoreError;

    // Writing what belongs to a group.

    fn write_mls_join_config<G: traits::GroupId<V>, C: traits::MlsGroupJoinConfig<V>>(&self, group_id: &G, config: &C) -> Stored<()> {
        self.put(Kind::JoinConfig, &address(group_id)?, config)
    }

    fn append_own_leaf_node<G: traits::GroupId<V>, L: traits::LeafNode<V>>(&self, group_id: &G, leaf_node: &L) -> Stored<()> {
        let value = pack(Kind::OwnLeafNodes, leaf_node)?;
        self.push(Kind::OwnLeafNodes, &address(group_id)?, &value)
    }

    /// A proposal that is queued again keeps its place.
    fn queue_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>, P: traits::QueuedProposal<V>>(
        &self,
        group_id: &G,
        proposal_ref: &R,
        proposal: &P,
    ) -> Stored<()> {
        let group = address(group_id)?;
        let reference = pack(Kind::ProposalQueue, proposal_ref)?;
        self.put(Kind::Proposal, &within(&group, &reference), proposal)?;
        if self.holds(Kind::ProposalQueue, &group, &reference)? {
            return Ok(());
        }
        self.push(Kind::ProposalQueue, &group, &reference)
    }

    fn write_tree<G: traits::GroupId<V>, T: traits::TreeSync<V>>(&self, group_id: &G, tree: &T) -> Stored<()> {
        self.put(Kind::Tree, &address(group_id)?, tree)
    }

    fn write_interim_transcript_hash<G: traits::GroupId<V>, H: traits::InterimTranscriptHash<V>>(
        &self,
        group_id: &G,
        interim_transcript_hash: &H,
    ) -> Stored<()> {
        self.put(Kind::InterimTranscriptHash, &address(group_id)?, interim_transcript_hash)
    }

    fn write_context<G: traits::GroupId<V>, C: traits::GroupContext<V>>(&self, group_id: &G, group_context: &C) -> Stored<()> {
        self.put(Kind::GroupContext, &address(group_id)?, group_context)
    }

    fn write_confirmation_tag<G: traits::GroupId<V>, T: traits::ConfirmationTag<V>>(
        &self,
        group_id: &G,
        confirmation_tag: &T,
    ) -> Stored<()> {
        self.put(Kind::ConfirmationTag, &address(group_id)?, confirmation_tag)
    }

    fn write_group_state<S: traits::GroupState<V>, G: traits::GroupId<V>>(&self, group_id: &G, group_state: &S) -> Stored<()> {
        self.put(Kind::GroupState, &address(group_id)?, group_state)
    }

    fn write_message_secrets<G: traits::GroupId<V>, M: traits::MessageSecrets<V>>(&self, group_id: &G, message_secrets: &M) -> Stored<()> {
        self.put(Kind::MessageSecrets, &address(group_id)?, message_secrets)
    }

    fn write_resumption_psk_store<G: traits::GroupId<V>, R: traits::ResumptionPskStore<V>>(
        &self,
        group_id: &G,
        resumption_psk_store: &R,
    ) -> Stored<()> {
        self.put(Kind::ResumptionPskStore, &address(group_id)?, resumption_psk_store)
    }

    fn write_own_leaf_index<G: traits::GroupId<V>, L: traits::LeafNodeIndex<V>>(&self, group_id: &G, own_leaf_index: &L) -> Stored<()> {
        self.put(Kind::OwnLeafIndex, &address(group_id)?, own_leaf_index)
    }

    fn write_group_epoch_secrets<G: traits::GroupId<V>, S: traits::GroupEpochSecrets<V>>(
        &self,
        group_id: &G,
        group_epoch_secrets: &S,
    ) -> Stored<()> {
        self.put(Kind::EpochSecrets, &address(group_id)?, group_epoch_secrets)
    }

    // Writing keys.

    fn write_signature_key_pair<K: traits::SignaturePublicKey<V>, P: traits::SignatureKeyPair<V>>(
        &self,
        public_key: &K,
        signature_key_pair: &P,
    ) -> Stored<()> {
        self.put(Kind::SignatureKeyPair, &address(public_key)?, signature_key_pair)
    }

    fn write_encryption_key_pair<K: traits::EncryptionKey<V>, P: traits::HpkeKeyPair<V>>(
        &self,
        public_key: &K,
        key_pair: &P,
    ) -> Stored<()> {
        self.put(Kind::EncryptionKeyPair, &address(public_key)?, key_pair)
    }

    fn write_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, P: traits::HpkeKeyPair<V>>(
        &self,
        group_id: &G,
        epoch: &E,
        leaf_index: u32,
        key_pairs: &[P],
    ) -> Stored<()> {
        self.put(Kind::EpochKeyPairs, &epoch_address(group_id, epoch, leaf_index)?, &key_pairs)
    }

    fn write_key_package<H: traits::HashReference<V>, K: traits::KeyPackage<V>>(&self, hash_ref: &H, key_package: &K) -> Stored<()> {
        self.put(Kind::KeyPackage, &address(hash_ref)?, key_package)
    }

    fn write_psk<I: traits::PskId<V>, B: traits::PskBundle<V>>(&self, psk_id: &I, psk: &B) -> Stored<()> {
        self.put(Kind::Psk, &address(psk_id)?, psk)
    }

    // Reading what belongs to a group.

    fn mls_group_join_config<G: traits::GroupId<V>, C: traits::MlsGroupJoinConfig<V>>(&self, group_id: &G) -> Stored<Option<C>> {
        self.get(Kind::JoinConfig, &address(group_id)?)
    }

    fn own_leaf_nodes<G: traits::GroupId<V>, L: traits::LeafNode<V>>(&self, group_id: &G) -> Stored<Vec<L>> {
        self.list_of(Kind::OwnLeafNodes, &address(group_id)?)
    }

    fn queued_proposal_refs<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(&self, group_id: &G) -> Stored<Vec<R>> {
        self.list_of(Kind::ProposalQueue, &address(group_id)?)
    }

    fn queued_proposals<G: traits::GroupId<V>, R: traits::ProposalRef<V>, P: traits::QueuedProposal<V>>(
        &self,
        group_id: &G,
    ) -> Stored<Vec<(R, P)>> {
        let group = address(group_id)?;
        let queue = self.list(Kind::ProposalQueue, &group)?;
        let mut proposals = Vec::with_capacity(queue.len());
        for reference in &queue {
            // The queue and the proposals are written and deleted together, so a reference without
            // its proposal means the table was damaged.
            let proposal = self.get(Kind::Proposal, &within(&group, reference))?.ok_or(MlsStoreError::Codec)?;
            proposals.push((unpack(Kind::ProposalQueue, reference)?, proposal));
        }
        Ok(proposals)
    }

    fn tree<G: traits::GroupId<V>, T: traits::TreeSync<V>>(&self, group_id: &G) -> Stored<Option<T>> {
        self.get(Kind::Tree, &address(group_id)?)
    }

    fn group_context<G: traits::GroupId<V>, C: traits::GroupContext<V>>(&self, group_id: &G) -> Stored<Option<C>> {
        self.get(Kind::GroupContext, &address(group_id)?)
    }

    fn interim_transcript_hash<G: traits::GroupId<V>, H: traits::InterimTranscriptHash<V>>(&self, group_id: &G) -> Stored<Option<H>> {
        self.get(Kind::InterimTranscriptHash, &address(group_id)?)
    }

    fn confirmation_tag<G: traits::GroupId<V>, T: traits::ConfirmationTag<V>>(&self, group_id: &G) -> Stored<Option<T>> {
        self.get(Kind::ConfirmationTag, &address(group_id)?)
    }

    fn group_state<S: traits::GroupState<V>, G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<Option<S>> {
        self.get(Kind::GroupState, &address(group_id)?)
    }

    fn message_secrets<G: traits::GroupId<V>, M: traits::MessageSecrets<V>>(&self, group_id: &G) -> Stored<Option<M>> {
        self.get(Kind::MessageSecrets, &address(group_id)?)
    }

    fn resumption_psk_store<G: traits::GroupId<V>, R: traits::ResumptionPskStore<V>>(&self, group_id: &G) -> Stored<Option<R>> {
        self.get(Kind::ResumptionPskStore, &address(group_id)?)
    }

    fn own_leaf_index<G: traits::GroupId<V>, L: traits::LeafNodeIndex<V>>(&self, group_id: &G) -> Stored<Option<L>> {
        self.get(Kind::OwnLeafIndex, &address(group_id)?)
    }

    fn group_epoch_secrets<G: traits::GroupId<V>, S: traits::GroupEpochSecrets<V>>(&self, group_id: &G) -> Stored<Option<S>> {
        self.get(Kind::EpochSecrets, &address(group_id)?)
    }

    // Reading keys.

    fn signature_key_pair<K: traits::SignaturePublicKey<V>, P: traits::SignatureKeyPair<V>>(&self, public_key: &K) -> Stored<Option<P>> {
        self.get(Kind::SignatureKeyPair, &address(public_key)?)
    }

    fn encryption_key_pair<P: traits::HpkeKeyPair<V>, K: traits::EncryptionKey<V>>(&self, public_key: &K) -> Stored<Option<P>> {
        self.get(Kind::EncryptionKeyPair, &address(public_key)?)
    }

    fn encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>, P: traits::HpkeKeyPair<V>>(
        &self,
        group_id: &G,
        epoch: &E,
        leaf_index: u32,
    ) -> Stored<Vec<P>> {
        let found = self.get(Kind::EpochKeyPairs, &epoch_address(group_id, epoch, leaf_index)?)?;
        Ok(found.unwrap_or_default())
    }

    fn key_package<R: traits::HashReference<V>, K: traits::KeyPackage<V>>(&self, hash_ref: &R) -> Stored<Option<K>> {
        self.get(Kind::KeyPackage, &address(hash_ref)?)
    }

    fn psk<B: traits::PskBundle<V>, I: traits::PskId<V>>(&self, psk_id: &I) -> Stored<Option<B>> {
        self.get(Kind::Psk, &address(psk_id)?)
    }

    // Deleting what belongs to a group.

    fn remove_proposal<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(&self, group_id: &G, proposal_ref: &R) -> Stored<()> {
        let group = address(group_id)?;
        let reference = pack(Kind::ProposalQueue, proposal_ref)?;
        self.drop_item(Kind::ProposalQueue, &group, &reference)?;
        self.drop_all(Kind::Proposal, &within(&group, &reference))
    }

    fn delete_own_leaf_nodes<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::OwnLeafNodes, &address(group_id)?)
    }

    fn delete_group_config<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::JoinConfig, &address(group_id)?)
    }

    fn delete_tree<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::Tree, &address(group_id)?)
    }

    fn delete_confirmation_tag<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::ConfirmationTag, &address(group_id)?)
    }

    fn delete_group_state<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::GroupState, &address(group_id)?)
    }

    fn delete_context<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::GroupContext, &address(group_id)?)
    }

    fn delete_interim_transcript_hash<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::InterimTranscriptHash, &address(group_id)?)
    }

    fn delete_message_secrets<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::MessageSecrets, &address(group_id)?)
    }

    fn delete_all_resumption_psk_secrets<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::ResumptionPskStore, &address(group_id)?)
    }

    fn delete_own_leaf_index<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::OwnLeafIndex, &address(group_id)?)
    }

    fn delete_group_epoch_secrets<G: traits::GroupId<V>>(&self, group_id: &G) -> Stored<()> {
        self.drop_all(Kind::EpochSecrets, &address(group_id)?)
    }

    fn clear_proposal_queue<G: traits::GroupId<V>, R: traits::ProposalRef<V>>(&self, group_id: &G) -> Stored<()> {
        let group = address(group_id)?;
        for reference in &self.list(Kind::ProposalQueue, &group)? {
            self.drop_all(Kind::Proposal, &within(&group, reference))?;
        }
        self.drop_all(Kind::ProposalQueue, &group)
    }

    // Deleting keys.

    fn delete_signature_key_pair<K: traits::SignaturePublicKey<V>>(&self, public_key: &K) -> Stored<()> {
        self.drop_all(Kind::SignatureKeyPair, &address(public_key)?)
    }

    fn delete_encryption_key_pair<K: traits::EncryptionKey<V>>(&self, public_key: &K) -> Stored<()> {
        self.drop_all(Kind::EncryptionKeyPair, &address(public_key)?)
    }

    fn delete_encryption_epoch_key_pairs<G: traits::GroupId<V>, E: traits::EpochKey<V>>(
        &self,
        group_id: &G,
        epoch: &E,
        leaf_index: u32,
    ) -> Stored<()> {
        self.drop_all(Kind::EpochKeyPairs, &epoch_address(group_id, epoch, leaf_index)?)
    }

    fn delete_key_package<R: traits::HashReference<V>>(&self, hash_ref: &R) -> Stored<()> {
        self.drop_all(Kind::KeyPackage, &address(hash_ref)?)
    }

    fn delete_psk<I: traits::PskId<V>>(&self, psk_id: &I) -> Stored<()> {
        self.drop_all(Kind::Psk, &address(psk_id)?)
    }
}
