//! SQLite as one would set it up for this: a write-ahead log, synchronous=FULL, one transaction a batch.

use super::{Batch, Measured};
use rusqlite::Connection;
use std::path::Path;

pub(crate) struct Sqlite(Connection);

impl Sqlite {
    pub(crate) fn new(folder: &Path) -> Sqlite {
        let connection = Connection::open(folder.join("sqlite")).expect("a new database");
        // No checkpoint: it would write everything twice, and have the log written over rather than grow.
        let setup = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0;
            CREATE TABLE records (seq INTEGER PRIMARY KEY, record BLOB NOT NULL) STRICT;";
        connection.execute_batch(setup).expect("a new database");
        Sqlite(connection)
    }
}

impl Measured for Sqlite {
    fn name(&self) -> &'static str {
        "SQLite, WAL, FULL"
    }

    fn append(&mut self, batch: &mut Batch) {
        let transaction = self.0.transaction().expect("a database");
        let mut insert = transaction.prepare_cached("INSERT INTO records (record) VALUES (?1)").expect("a statement");
        for record in &batch.records {
            insert.execute([record]).expect("a disk");
        }
        drop(insert);
        transaction.commit().expect("a disk");
    }
}
