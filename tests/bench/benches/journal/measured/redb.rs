//! redb: one transaction a batch, durable when it is committed.

use super::{Batch, Measured};
use redb::{Database, Durability, TableDefinition};
use std::path::Path;

const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");

pub(crate) struct Redb {
    database: Database,
    next: u64,
}

impl Redb {
    pub(crate) fn new(folder: &Path) -> Redb {
        Redb { database: Database::create(folder.join("redb")).expect("a new database"), next: 0 }
    }
}

impl Measured for Redb {
    fn name(&self) -> &'static str {
        "redb, Immediate"
    }

    fn append(&mut self, batch: &mut Batch) {
        let mut transaction = self.database.begin_write().expect("a database");
        transaction.set_durability(Durability::Immediate).expect("no savepoint");
        let mut table = transaction.open_table(RECORDS).expect("a table");
        for record in &batch.records {
            self.next += 1;
            table.insert(self.next, record.as_slice()).expect("a disk");
        }
        drop(table);
        transaction.commit().expect("a disk");
    }
}
