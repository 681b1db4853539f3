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

pub(super) fn add_one_time(conn: &Connection, account: i64, suite: u32, package: &[u8]) -> Result<()> {
    let mut add = conn.prepare_cached("INSERT INTO key_package (account, suite, bytes) VALUES (?1, ?2, ?3)")?;
    add.execute(params![account, suite, package])?;
    Ok(())
}

/// Replaces a suite's last-resort package. The same bytes again are no new package: given out stays given out.
pub(super) fn replace_last_resort(conn: &Connection, account: i64, suite: u32, package: &[u8]) -> Result<()> {
    let mut replace = conn.prepare_cached(
        "INSERT INTO last_resort (account, suite, bytes, given) VALUES (?1, ?2, ?3, 0)
         ON CONFLICT (account, suite) DO UPDATE SET bytes = excluded.bytes, given = given AND bytes = excluded.bytes",
    )?;
    replace.execute(params![account, suite, package])?;
    Ok(())
}

pub(super) fn remove_key_packages(conn: &Connection, account: i64) -> Result<()> {
    conn.prepare_cached("DELETE FROM key_package WHERE account = ?1")?.execute(params![account])?;
    conn.prepare_cached("DELETE FROM last_resort WHERE account = ?1")?.execute(params![account])?;
    Ok(())
}

/// The oldest one-time package of a suite, with its row's number.
pub(super) fn one_time(conn: &Connection, account: i64, suite: u32) -> Result<Option<(i64, StoredKeyPackage)>> {
    let mut find =
        conn.prepare_cached("SELECT number, bytes FROM key_package WHERE account = ?1 AND suite = ?2 ORDER BY number LIMIT 1")?;
    let package = find
        .query_row(params![account, suite], |row| Ok((row.get(0)?, StoredKeyPackage { suite, bytes: row.get(1)?, last_resort: false })));
    package.optional()
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

pub(super) fn stock(conn: &Connection, name: &NameKey) -> Result<Stock> {
    let mut find = conn.prepare_cached(
        "SELECT (SELECT count(*) FROM key_package WHERE account = account.number),
                EXISTS (SELECT 1 FROM last_resort WHERE account = account.number AND given = 0)
         FROM account WHERE name_key = ?1",
    )?;
    let stock = find.query_row(params![name.text()], |row| Ok(Stock { one_time: row.get(0)?, last_resort: row.get(1)? }));
    Ok(stock.optional()?.unwrap_or_default())
}
