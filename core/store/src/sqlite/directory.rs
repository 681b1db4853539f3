//! The statements of the directory: accounts and their key packages.

use rusqlite::{Connection, OptionalExtension as _, Result, params};
use thicket_types::ids::{Fingerprint, MailboxId};
use thicket_types::name::NameKey;
use thicket_types::ports::{Account, Stock, StoredKeyPackage};

pub(super) fn account(conn: &Connection, name: &NameKey) -> Result<Option<Account>> {
    let mut find = conn.prepare_cached(
        "SELECT name, fingerprint, certificate, mailbox, mailbox_key_statement, mailbox_key_signature
         FROM account WHERE name_key = ?1",
    )?;
    let account = find.query_row(params![name.text()], |row| {
        Ok(Account {
            name: row.get(0)?,
            fingerprint: Fingerprint(row.get(1)?),
            certificate: row.get(2)?,
            mailbox: MailboxId(row.get(3)?),
            mailbox_key_statement: row.get(4)?,
            mailbox_key_signature: row.get(5)?,
        })
    });
    account.optional()
}

pub(super) fn account_number(conn: &Connection, name: &NameKey) -> Result<Option<i64>> {
    let mut find = conn.prepare_cached("SELECT number FROM account WHERE name_key = ?1")?;
    find.query_row(params![name.text()], |row| row.get(0)).optional()
}

/// Keeps an account that is new.
pub(super) fn put_account(conn: &Connection, name: &NameKey, account: &Account) -> Result<()> {
    let Account { name: text, fingerprint, certificate, mailbox, mailbox_key_statement, mailbox_key_signature } = account;
    let mut put = conn.prepare_cached(
        "INSERT INTO account
         (name_key, name, fingerprint, certificate, mailbox, mailbox_key_statement, mailbox_key_signature)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    put.execute(params![name.text(), text, fingerprint.0, certificate, mailbox.0, mailbox_key_statement, mailbox_key_signature])?;
    Ok(())
}

pub(super) fn set_mailbox_key(conn: &Connection, name: &NameKey, statement: &[u8], signature: &[u8]) -> Result<bool> {
    let mut replace =
        conn.prepare_cached("UPDATE account SET mailbox_key_statement = ?2, mailbox_key_signature = ?3 WHERE name_key = ?1")?;
    Ok(replace.execute(params![name.text(), statement, signature])? > 0)
}

/// Counts by a scan: once an open, and again after a roll back.
pub(super) fn accounts(conn: &Connection) -> Result<u64> {
    conn.prepare_cached("SELECT count(*) FROM account")?.query_row([], |row| row.get(0))
}

pub(super) fn generation(conn: &Connection, name: &NameKey) -> Result<Option<[u8; 16]>> {
    let mut find = conn.prepare_cached("SELECT generation FROM account WHERE name_key = ?1")?;
    let generation: Option<Option<[u8; 16]>> = find.query_row(params![name.text()], |row| row.get(0)).optional()?;
    Ok(generation.flatten())
}

pub(super) fn set_generation(conn: &Connection, name: &NameKey, generation: [u8; 16]) -> Result<bool> {
    let mut replace = conn.prepare_cached("UPDATE account SET generation = ?2 WHERE name_key = ?1")?;
    Ok(replace.execute(params![name.text(), generation])? > 0)
}

/// Suites of which an account has a last-resort key package, but for one.
pub(super) fn other_last_resorts(conn: &Connection, account: i64, suite: u32) -> Result<usize> {
    let mut count = conn.prepare_cached("SELECT count(*) FROM last_resort WHERE account = ?1 AND suite <> ?2")?;
    count.query_row(params![account, suite], |row| row.get(0))
}

pub(super) fn add_one_time(conn: &Connection, account: i64, suite: u32, package: &[u8], at: i64) -> Result<()> {
    let mut add = conn.prepare_cached("INSERT INTO key_package (account, suite, bytes, at) VALUES (?1, ?2, ?3, ?4)")?;
    add.execute(params![account, suite, package, at])?;
    Ok(())
}

/// Replaces a suite's last-resort package. The same bytes again are no new package: given out stays given out, and old stays old.
pub(super) fn replace_last_resort(conn: &Connection, account: i64, suite: u32, package: &[u8], at: i64) -> Result<()> {
    let mut replace = conn.prepare_cached(
        "INSERT INTO last_resort (account, suite, bytes, given, at) VALUES (?1, ?2, ?3, 0, ?4)
         ON CONFLICT (account, suite) DO UPDATE SET bytes = excluded.bytes, given = given AND bytes = excluded.bytes,
         at = CASE WHEN bytes = excluded.bytes THEN at ELSE excluded.at END",
    )?;
    replace.execute(params![account, suite, package, at])?;
    Ok(())
}

pub(super) fn remove_key_packages(conn: &Connection, account: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM key_package WHERE account = ?1")?.execute(params![account])?;
    conn.prepare_cached("DELETE FROM last_resort WHERE account = ?1")?.execute(params![account])?;
    Ok(())
}

/// The oldest one-time package of a suite that came at `from` or later, with its row's number.
pub(super) fn one_time(conn: &Connection, account: i64, suite: u32, from: i64) -> Result<Option<(i64, StoredKeyPackage)>> {
    let mut find = conn.prepare_cached(
        "SELECT number, bytes FROM key_package WHERE account = ?1 AND suite = ?2 AND (at IS NULL OR at >= ?3) ORDER BY number LIMIT 1",
    )?;
    let package = find.query_row(params![account, suite, from], |row| {
        Ok((row.get(0)?, StoredKeyPackage { suite, bytes: row.get(1)?, last_resort: false }))
    });
    package.optional()
}

pub(super) fn has_one_time_before(conn: &Connection, before: i64) -> Result<bool> {
    conn.prepare_cached("SELECT 1 FROM key_package WHERE at < ?1")?.exists(params![before])
}

pub(super) fn remove_one_time_before(conn: &Connection, before: i64, count_max: u32) -> Result<()> {
    let mut remove =
        conn.prepare_cached("DELETE FROM key_package WHERE number IN (SELECT number FROM key_package WHERE at < ?1 ORDER BY at LIMIT ?2)")?;
    remove.execute(params![before, count_max])?;
    Ok(())
}

/// Whether there is a package of which nobody noted when it came.
pub(super) fn has_untimed(conn: &Connection) -> Result<bool> {
    Ok(conn.prepare_cached("SELECT 1 FROM key_package WHERE at IS NULL")?.exists([])?
        || conn.prepare_cached("SELECT 1 FROM last_resort WHERE at IS NULL")?.exists([])?)
}

pub(super) fn time_untimed(conn: &Connection, at: i64) -> Result<()> {
    conn.prepare_cached("UPDATE key_package SET at = ?1 WHERE at IS NULL")?.execute(params![at])?;
    conn.prepare_cached("UPDATE last_resort SET at = ?1 WHERE at IS NULL")?.execute(params![at])?;
    Ok(())
}

pub(super) fn remove_one_time(conn: &Connection, number: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM key_package WHERE number = ?1")?.execute(params![number])?;
    Ok(())
}

/// The last-resort package of a suite, with its row's number and whether it was given out.
pub(super) fn last_resort(conn: &Connection, account: i64, suite: u32) -> Result<Option<(i64, bool, StoredKeyPackage)>> {
    let mut find = conn.prepare_cached("SELECT number, given, bytes FROM last_resort WHERE account = ?1 AND suite = ?2")?;
    let package = find.query_row(params![account, suite], |row| {
        Ok((row.get(0)?, row.get(1)?, StoredKeyPackage { suite, bytes: row.get(2)?, last_resort: true }))
    });
    package.optional()
}

pub(super) fn mark_given(conn: &Connection, number: i64) -> Result<()> {
    conn.prepare_cached("UPDATE last_resort SET given = 1 WHERE number = ?1")?.execute(params![number])?;
    Ok(())
}

/// What came at `from` or later.
pub(super) fn stock(conn: &Connection, name: &NameKey, from: i64) -> Result<Stock> {
    let mut find = conn.prepare_cached(
        "SELECT (SELECT count(*) FROM key_package WHERE account = account.number AND (at IS NULL OR at >= ?2)),
                EXISTS (SELECT 1 FROM last_resort WHERE account = account.number AND given = 0 AND (at IS NULL OR at >= ?2))
         FROM account WHERE name_key = ?1",
    )?;
    let stock = find.query_row(params![name.text(), from], |row| Ok(Stock { one_time: row.get(0)?, last_resort: row.get(1)? }));
    Ok(stock.optional()?.unwrap_or_default())
}
