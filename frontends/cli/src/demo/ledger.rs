//! The demo's own account of what was said, held against what the profiles hold.

use super::Trouble;
use super::people::Kept;
use std::collections::BTreeMap;
use thicket_client::Direction;
use thicket_replay::Verified;
use thicket_types::effect::MessageState;

/// Everything that anyone said, in the order it was asked for.
#[derive(Default)]
pub struct Ledger {
    said: Vec<Said>,
}

struct Said {
    from: &'static str,
    to: &'static str,
    text: String,
}

impl Ledger {
    /// Makes a text that occurs once in the whole demo, and notes it.
    pub fn say(&mut self, from: &'static str, to: &'static str, what: &str) -> String {
        let text = format!("{what} [{}]", self.said.len() + 1);
        self.said.push(Said { from, to, text: text.clone() });
        text
    }

    /// Counts what every profile holds. `crashes`: how often a process was killed on the way.
    pub fn settle(&self, kept: &[Kept], crashes: usize) -> Result<Report, Trouble> {
        let mut report = Report { crashes, ..Report::default() };
        for person in kept {
            let count = |wanted: &dyn Fn(&Said) -> bool| self.said.iter().filter(|said| wanted(said)).count();
            let copies = |text: &str| {
                person.rows.iter().filter(|row| row.direction == Direction::Received && row.text.as_deref() == Some(text)).count()
            };
            let to_them: Vec<usize> = self.said.iter().filter(|said| said.to == person.name).map(|said| copies(&said.text)).collect();
            let confirmed =
                person.rows.iter().filter(|row| row.direction == Direction::Sent && row.state == MessageState::Delivered).count();
            let sent = count(&|said| said.from == person.name);
            report.rows.push(Row {
                name: person.name,
                sent,
                confirmed,
                received: to_them.iter().filter(|copies| **copies > 0).count(),
                lost: to_them.iter().filter(|copies| **copies == 0).count(),
                doubled: to_them.iter().filter(|copies| **copies > 1).count(),
                verified: person.verified.clone(),
            });
        }
        Ok(report)
    }
}

/// How it ended.
#[derive(Default)]
pub struct Report {
    rows: Vec<Row>,
    crashes: usize,
}

struct Row {
    name: &'static str,
    sent: usize,
    confirmed: usize,
    received: usize,
    lost: usize,
    doubled: usize,
    verified: Verified,
}

impl Report {
    fn sum(&self, of: impl Fn(&Row) -> usize) -> usize {
        self.rows.iter().map(of).sum()
    }

    fn verified(&self) -> bool {
        !self.rows.is_empty()
            && self.rows.iter().all(|row| row.verified.holds() && row.verified.snapshots.iter().any(|snapshot| snapshot.records > 0))
    }

    /// Nothing lost, nothing doubled, all verified, and every sender knows it.
    pub fn is_good(&self) -> bool {
        self.sum(|row| row.lost) == 0
            && self.sum(|row| row.doubled) == 0
            && self.sum(|row| row.confirmed) == self.sum(|row| row.sent)
            && self.verified()
    }

    pub fn table(&self) -> String {
        let mut table = String::from("         sent  delivered  received  lost  doubled  records  verified\n");
        for row in &self.rows {
            let verified = if row.verified.holds() { "yes" } else { "NO" };
            table.push_str(&format!(
                "{:<8} {:>4}  {:>9}  {:>8}  {:>4}  {:>7}  {:>7}  {:>8}\n",
                row.name, row.sent, row.confirmed, row.received, row.lost, row.doubled, row.verified.records, verified
            ));
        }
        table.push_str(&format!(
            "{:<8} {:>4}  {:>9}  {:>8}  {:>4}  {:>7}\n",
            "together",
            self.sum(|row| row.sent),
            self.sum(|row| row.confirmed),
            self.sum(|row| row.received),
            self.sum(|row| row.lost),
            self.sum(|row| row.doubled),
        ));
        // Whole: whoever compares them by eye sees all there is.
        table.push_str("\nThe digest of each state:\n");
        for row in &self.rows {
            table.push_str(&format!("{:<8} {}\n", row.name, row.verified.state.hex()));
        }
        table
    }

    /// What the table comes to.
    pub fn verdict(&self, seconds: f64) -> String {
        let good = if self.is_good() {
            "Nothing was lost, nothing came twice, every journal folds to the same state."
        } else {
            "SOMETHING WENT WRONG: see the table."
        };
        format!("{good}\n{} crashes were survived. It took {seconds:.1} s.", self.crashes)
    }

    pub fn json(&self, seconds: f64) -> serde_json::Value {
        let digests: BTreeMap<&str, String> = self.rows.iter().map(|row| (row.name, row.verified.state.hex())).collect();
        serde_json::json!({
            "accounts": self.rows.len(),
            "messages_sent": self.sum(|row| row.sent),
            "messages_delivered": self.sum(|row| row.received),
            "lost": self.sum(|row| row.lost),
            "doubled": self.sum(|row| row.doubled),
            "crashes": self.crashes,
            "verified": self.verified(),
            "digests": digests,
            "seconds": (seconds * 10.0).round() / 10.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thicket_replay::FoldedOn;
    use thicket_types::ids::{Digest, Seq};

    /// Where the other screens' are.
    const SNAPSHOTS: &str = "../../tests/snapshots";

    fn row(name: &'static str, lost: usize, repeats: bool) -> Row {
        let digest = Digest([name.len() as u8; 32]);
        let verified = Verified {
            begins: Seq(0),
            from: Seq(0),
            records: 345,
            state: digest,
            effects: digest,
            view: digest,
            repeats,
            snapshots: vec![FoldedOn { at: Seq(340), records: 5, same: true }],
            torn: Vec::new(),
            taken: Vec::new(),
        };
        Row { name, sent: 21, confirmed: 21, received: 16 - lost, lost, doubled: 0, verified }
    }

    #[test]
    fn the_table_tells_what_was_lost_and_what_does_not_hold() {
        let good = Report { rows: vec![row("alice", 0, true), row("bob", 0, true)], crashes: 3 };
        let bad = Report { rows: vec![row("alice", 2, true), row("bob", 0, false)], crashes: 3 };
        assert!(good.is_good() && !bad.is_good());
        assert!(good.table().lines().all(|line| line.len() <= crate::terminal::COLUMNS), "{}", good.table());
        insta::with_settings!({ snapshot_path => SNAPSHOTS, prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!("demo_table", format!("{}\n{}\n\n{}\n{}", good.table(), good.verdict(14.25), bad.table(), bad.verdict(14.25)));
        });
    }
}
