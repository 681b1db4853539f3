//! The ledger: which op an EffectId did, and what it replied. And the tally, by which a rollback is seen.

use crate::schema::fault;
use rusqlite::{Connection, OptionalExtension as _, params};
use thicket_journal_format::{codec, digest};
use thicket_types::error::Code;
use thicket_types::event::Outcome;
use thicket_types::ids::{Digest, EffectId, Seq};
use thicket_types::ports::{Durable, Remembered};
use thicket_types::vault_op::VaultOp;

/// The digest that tells two ops apart.
pub(crate) fn op_digest(op: &VaultOp) -> Result<Digest, Code> {
    let bytes = codec::encode(op).map_err(|_| Code::Inconsistent)?;
    Ok(digest(&[&bytes]))
}

pub(crate) fn find(conn: &Connection, effect: EffectId) -> Result<Option<(Digest, Outcome)>, Code> {
    let mut find = conn.prepare_cached("SELECT op, reply FROM ledger WHERE seq = ?1 AND idx = ?2 AND segment = ?3").map_err(fault)?;
    let row = find
        .query_row(params![effect.seq.0, effect.index, effect.segment.0], |row| Ok((row.get::<_, [u8; 32]>(0)?, row.get::<_, Vec<u8>>(1)?)))
        .optional()
        .map_err(fault)?;
    let Some((op, reply)) = row else {
        return Ok(None);
    };
    Ok(Some((Digest(op), codec::decode(&reply).map_err(|_| Code::VaultDamaged)?)))
}

pub(crate) fn keep(conn: &Connection, effect: EffectId, op: Digest, reply: &Outcome) -> Result<(), Code> {
    let reply = codec::encode(reply).map_err(|_| Code::Inconsistent)?;
    let mut put = conn.prepare_cached("INSERT INTO ledger (seq, idx, segment, op, reply) VALUES (?1, ?2, ?3, ?4, ?5)").map_err(fault)?;
    put.execute(params![effect.seq.0, effect.index, effect.segment.0, op.0, reply]).map_err(fault)?;
    Ok(())
}

/// Forgets rows up to a place, but those of effects that are still open there.
pub(crate) fn prune(conn: &Connection, covered: Seq, open: &[EffectId]) -> Result<u64, Code> {
    let mut find = conn.prepare_cached("SELECT seq, idx, segment FROM ledger WHERE seq <= ?1").map_err(fault)?;
    let rows: Vec<(u64, u32, [u8; 16])> =
        find.query_map([covered.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).and_then(Iterator::collect).map_err(fault)?;
    let mut drop = conn.prepare_cached("DELETE FROM ledger WHERE seq = ?1 AND idx = ?2 AND segment = ?3").map_err(fault)?;
    let mut pruned = 0;
    for (seq, index, segment) in rows {
        let is_open = open.iter().any(|effect| effect.seq.0 == seq && effect.index == index && effect.segment.0 == segment);
        if !is_open {
            drop.execute(params![seq, index, segment]).map_err(fault)?;
            pruned += 1;
        }
    }
    Ok(pruned)
}

/// How many transactions there were, and the last durable block that one came with.
pub(crate) fn remembered(conn: &Connection) -> Result<Remembered, Code> {
    let row = conn.query_row("SELECT count, durable_seq, durable_chain FROM tally WHERE id = 1", [], |row| {
        Ok((row.get::<_, u64>(0)?, row.get::<_, Option<u64>>(1)?, row.get::<_, Option<[u8; 32]>>(2)?))
    });
    let (count, seq, chain) = row.optional().map_err(fault)?.ok_or(Code::VaultDamaged)?;
    let durable = seq.zip(chain).map(|(seq, chain)| Durable { seq: Seq(seq), chain: Digest(chain) });
    Ok(Remembered { durable, count })
}

/// Remembers a block of a journal that is not of the vault's time, and counts on from the larger of the two counts: a vault of
/// either time is behind from now on.
pub(crate) fn rejoin(conn: &Connection, durable: Durable, count: u64) -> Result<(), Code> {
    let mut put = conn
        .prepare_cached("UPDATE tally SET count = max(count, ?1) + 1, durable_seq = ?2, durable_chain = ?3 WHERE id = 1")
        .map_err(fault)?;
    put.execute(params![count, durable.seq.0, durable.chain.0]).map_err(fault)?;
    Ok(())
}

/// Counts this transaction, and remembers the last durable block if one is given.
pub(crate) fn count(conn: &Connection, durable: Option<Durable>) -> Result<u64, Code> {
    let mut add = conn
        .prepare_cached(
            "UPDATE tally SET count = count + 1, durable_seq = coalesce(?1, durable_seq), durable_chain = coalesce(?2, durable_chain)
             WHERE id = 1 RETURNING count",
        )
        .map_err(fault)?;
    add.query_row(params![durable.map(|block| block.seq.0), durable.map(|block| block.chain.0)], |row| row.get(0)).map_err(fault)
}
