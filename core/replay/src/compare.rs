//! Where two journals part.
//!
//! Two that have a segment in common are copies of one, and part at the first record that is not the same in both. So do two one of
//! which goes on from a block of the other's, as the journal does of a profile that was restored from a backup. Others are compared
//! by what a frontend saw: the view digest is taken after each record, and where it became another. What chance decides, how many
//! records lie between two such places, is left out. So is a capsule compared, with whatever journal: no record of it is another's,
//! though its segments are. Names are left out then.
//!
//! ```text
//!   A   1 2 3 4 5 6 7       v1 after 2, v2 after 5, v3 after 7
//!   B   1 2 3 4 5           v1 after 1, v2 after 2, v4 after 5      they part at 7 and 5
//! ```

use crate::view_digest::{Numbering, Seen};
use crate::{Replay, Step};
use std::collections::{BTreeMap, BTreeSet};
use thicket_engine::{Fault, ProfileKeys, walk};
use thicket_journal_format::digest;
use thicket_reducer::{State, view};
use thicket_types::error::Code;
use thicket_types::event::Event;
use thicket_types::ids::{Digest, SegmentId, Seq};
use thicket_types::intent::Intent;
use thicket_types::ports::Disk;

/// What two journals are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Their records: they are one journal, copied.
    Records,
    /// What a frontend saw.
    View,
}

/// Where a journal begins: what came before is not there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Begins {
    /// After which place; 0: nothing came before.
    pub after: Seq,
    /// Whether a backup brought what came before.
    pub restored: bool,
    /// From which place on it can be folded: what came before a snapshot may have retired, and not all its records.
    pub folds: Seq,
}

/// What a journal is compared by, gathered from all its records.
pub struct Course {
    begins: Begins,
    /// The chain where it begins, and after each block.
    chains: BTreeMap<Seq, Digest>,
    last: Seq,
    segments: BTreeSet<SegmentId>,
    /// A digest of each record.
    records: Vec<Digest>,
    names: bool,
    /// The records by which the view became another, with its digest after them.
    views: Vec<(Seq, Digest)>,
}

/// What a frontend saw, record by record.
struct Watching {
    numbering: Numbering,
    names: bool,
    view: Digest,
    views: Vec<(Seq, Digest)>,
    failed: Option<Fault>,
}

impl Watching {
    fn note(&mut self, step: &Step<'_>) {
        self.numbering.note(step.effects);
        match self.numbering.mark(&view(step.state), self.names) {
            Ok(now) if now == self.view => {}
            Ok(now) => {
                self.view = now;
                self.views.push((step.place.seq, now));
            }
            Err(fault) => self.failed = Some(fault),
        }
    }
}

/// Where two journals part, if they do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parting {
    /// What they were compared by.
    pub by: By,
    /// Whether they have no segment in common, and one goes on from a block that both had.
    pub goes_on: bool,
    /// Whether they are not of one life: both have records, no segment is in both, and neither goes on from the other.
    pub strangers: bool,
    /// Where each begins.
    pub begins: [Begins; 2],
    /// The last record of each.
    pub last: [Seq; 2],
    /// The last record of each up to which they are the same; of the shorter its last, if they do not part.
    pub same_upto: [Seq; 2],
    /// The record of each that made the difference; `None` if one is the beginning of the other.
    pub at: Option<[Seq; 2]>,
}

impl Parting {
    /// Whether what a frontend saw is known of each from another place on: then it can't be compared, since it is told by what came
    /// before.
    pub fn begins_apart(&self) -> bool {
        let [a, b] = self.begins;
        self.by == By::View && a.folds != b.folds
    }

    /// Whether the two part nowhere. Two runs of one script don't, though they are not of one life.
    pub fn is_same(&self) -> bool {
        self.at.is_none()
    }
}

impl Course {
    /// Reads a journal to be compared; without names if one of the two is a capsule, which has others.
    ///
    /// **Errors:** as [`Replay::read`]; `Inconsistent`, if a record or a state cannot be encoded.
    pub fn read(disk: &mut dyn Disk, keys: &ProfileKeys, names: bool) -> Result<Course, Fault> {
        let numbering = Numbering::default();
        let view = numbering.mark(&view(&State::default()), names)?;
        let mut watching = Watching { numbering, names, view, views: Vec::new(), failed: None };
        let folds = Replay::read(disk, keys, &mut |step| watching.note(step))?.first();
        let begins = Begins { after: Seq::ZERO, restored: false, folds };
        let (chains, segments) = (BTreeMap::new(), BTreeSet::new());
        let mut course = Course { begins, chains, last: Seq::ZERO, segments, records: Vec::new(), names, views: watching.views };
        let mut encoded = Ok(());
        // Records that cannot be folded any more can be compared all the same.
        let extent = walk(disk, keys, None, &mut |walked| {
            if course.records.is_empty() {
                course.begins.restored = matches!(walked.record.event, Event::Requested { intent: Intent::Restore, .. });
            }
            let mut bytes = Vec::new();
            if let Err(code) = walked.record.encode(&mut bytes) {
                encoded = Err(Fault::from(code));
            }
            course.segments.insert(walked.place.segment);
            course.records.push(digest(&[&walked.place.segment.0, &walked.place.stamp.0.to_be_bytes(), &bytes]));
            course.chains.extend(walked.chain.map(|chain| (walked.place.seq, chain)));
        })?;
        encoded?;
        course.begins.after = extent.begins.seq;
        course.last = extent.ends.seq;
        course.chains.insert(extent.begins.seq, extent.begins.chain);
        watching.failed.map_or(Ok(course), Err)
    }

    /// Compares two courses.
    pub fn compare(a: &Course, b: &Course) -> Parting {
        let are_copies = !a.segments.is_disjoint(&b.segments);
        let goes_on = a.goes_on_from(b) || b.goes_on_from(a);
        match a.names && b.names && (are_copies || goes_on) {
            true => Parting { goes_on: !are_copies, ..by_records(a, b) },
            // A capsule keeps its journal's segments.
            false => Parting { strangers: !are_copies && !goes_on && !a.records.is_empty() && !b.records.is_empty(), ..by_view(a, b) },
        }
    }

    /// Whether it begins where a block of another one ends. Not if it begins with nothing: so does any.
    fn goes_on_from(&self, other: &Course) -> bool {
        let after = self.begins.after;
        after > Seq::ZERO && self.chains.get(&after).is_some_and(|chain| other.chains.get(&after) == Some(chain))
    }

    fn record(&self, seq: Seq) -> Option<Digest> {
        let index = seq.0.checked_sub(self.begins.after.next().0)?;
        usize::try_from(index).ok().and_then(|index| self.records.get(index)).copied()
    }
}

fn by_records(a: &Course, b: &Course) -> Parting {
    // What has retired of the beginning of either is not there to be compared.
    let (begin, end) = (a.begins.after.max(b.begins.after).next(), a.last.min(b.last));
    let parted = (begin.0..=end.0).map(Seq).find(|seq| a.record(*seq) != b.record(*seq));
    let upto = parted.map_or(end, before);
    Parting { same_upto: [upto; 2], at: parted.map(|seq| [seq; 2]), ..parting(By::Records, a, b) }
}

fn by_view(a: &Course, b: &Course) -> Parting {
    let same = a.views.iter().zip(&b.views).take_while(|((_, a), (_, b))| a == b).count();
    let next = |course: &Course| course.views.get(same).map(|(seq, _)| *seq);
    let (next_a, next_b) = (next(a), next(b));
    let same_upto = [next_a.map_or(a.last, before), next_b.map_or(b.last, before)];
    Parting { same_upto, at: next_a.zip(next_b).map(|(a, b)| [a, b]), ..parting(By::View, a, b) }
}

/// What is known before anything is compared.
fn parting(by: By, a: &Course, b: &Course) -> Parting {
    let last = [a.last, b.last];
    Parting { by, goes_on: false, strangers: false, begins: [a.begins, b.begins], last, same_upto: last, at: None }
}

fn before(seq: Seq) -> Seq {
    Seq(seq.0.saturating_sub(1))
}

/// What a frontend saw after the record at a place, people and messages by their numbers; with or without names.
///
/// **Errors:** as [`Replay::read`]; `Inconsistent`, if there is no such record.
pub fn seen_at(disk: &mut dyn Disk, keys: &ProfileKeys, seq: Seq, names: bool) -> Result<Seen, Fault> {
    let (mut numbering, mut seen) = (Numbering::default(), None);
    Replay::read(disk, keys, &mut |step| {
        if step.place.seq <= seq {
            numbering.note(step.effects);
        }
        if step.place.seq == seq {
            seen = Some(numbering.seen(&view(step.state), names));
        }
    })?;
    seen.ok_or(Fault::from(Code::Inconsistent))
}

/// What two lists of state digests come to, each in the order of its places.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Narrowed {
    /// How many places are in both.
    pub compared: u64,
    /// The last place up to which the digests are the same; 0 if none is.
    pub same_upto: Seq,
    /// The first place where they differ: the record that made the difference is there, or lies between the two.
    pub differs: Option<Seq>,
}

/// Compares two lists of state digests where both have one.
pub fn compare_digests(a: &[(Seq, Digest)], b: &[(Seq, Digest)]) -> Narrowed {
    let mut narrowed = Narrowed { compared: 0, same_upto: Seq::ZERO, differs: None };
    let mut rest = b.iter().peekable();
    for (seq, digest) in a {
        while rest.next_if(|(other, _)| other < seq).is_some() {}
        let Some((_, other)) = rest.next_if(|(other, _)| other == seq) else {
            continue;
        };
        narrowed.compared += 1;
        if digest != other {
            narrowed.differs = Some(*seq);
            break;
        }
        narrowed.same_upto = *seq;
    }
    narrowed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tree;
    use crate::life::{Life, asked, relay};
    use thicket_engine::Input;
    use thicket_types::bytes::Bytes;
    use thicket_types::event::{Arrival, Arrived, Lane, Opened, Outcome};
    use thicket_types::ids::{ConversationId, Fingerprint, FrameId, IntentId, MessageId};
    use thicket_types::intent::Intent;
    use thicket_types::name::Name;
    use thicket_types::time::ClaimedTime;

    fn parting(a: Life, b: Life) -> (Parting, [Seen; 2]) {
        let read = |life: Life| {
            let (folder, mut disk, keys) = life.close();
            let course = Course::read(&mut disk, &keys, true).expect("an intact journal");
            (folder, disk, keys, course)
        };
        let ((_a, mut disk_a, keys_a, a), (_b, mut disk_b, keys_b, b)) = (read(a), read(b));
        let lasts = [a.last, b.last];
        let parting = Course::compare(&a, &b);
        let [at_a, at_b] = parting.at.unwrap_or(lasts);
        let seen =
            [seen_at(&mut disk_a, &keys_a, at_a, true).expect("a record"), seen_at(&mut disk_b, &keys_b, at_b, true).expect("a record")];
        (parting, seen)
    }

    fn told(parting: &Parting) -> (By, [u64; 2], Option<[u64; 2]>) {
        (parting.by, parting.same_upto.map(|seq| seq.0), parting.at.map(|at| at.map(|seq| seq.0)))
    }

    /// Somebody else's life: other ids everywhere, and so many records in it that no frontend sees.
    fn life(seed: u8, idle: u64) -> (Life, Fingerprint) {
        let (mut life, alice) = (Life::of(seed.into()), Fingerprint([seed; 20]));
        life.turn([relay()]);
        (0..idle).for_each(|number| life.turn([asked(1_000 + number)]));
        let content = Arrived::Envelope { cursor: 1, sender: alice, sealed: Bytes(vec![seed; 1_584]) };
        life.turn([Input::Arrival(Arrival { frame: FrameId([seed; 32]), lane: Lane::Named, content })]);
        life.resolve_opening(Outcome::Opened(Opened::Message {
            contact: alice,
            name: Name::parse("alice").expect("a name"),
            conversation: ConversationId([seed; 32]),
            message: MessageId([seed; 16]),
            claimed: ClaimedTime(seed.into()),
            moved: false,
        }));
        (life, alice)
    }

    fn asks(seed: u8, intent: Intent) -> Input {
        Input::Intent(IntentId([seed; 16]), intent)
    }

    #[test]
    fn two_runs_part_at_the_record_by_which_a_frontend_saw_something_else() {
        let ((mut one, alice), (mut other, allison)) = (life(1, 2), life(2, 7));
        one.turn([asks(11, Intent::SetReadMarks { on: true })]); // 6
        one.turn([asked(5)]); // 7
        one.turn([asks(12, Intent::AcceptContact { contact: alice })]); // 8
        other.turn([asks(21, Intent::SetReadMarks { on: true })]); // 11
        other.turn([asks(22, Intent::BlockContact { contact: allison, blocked: true })]); // 12
        other.turn([asked(5)]);
        let (parting, [of_one, of_other]) = parting(one, other);
        assert_eq!(told(&parting), (By::View, [7, 11], Some([8, 12])));
        let found = Tree::of(&of_one, false).differences(&Tree::of(&of_other, false));
        let paths: Vec<String> = found.iter().map(|found| found.path.join("/")).collect();
        assert_eq!(paths, ["contacts/0/accepted", "contacts/0/blocked"]);
    }

    #[test]
    fn two_runs_that_ended_the_same_do_not_part_and_one_that_goes_on_is_longer() {
        let (parted, [one, other]) = parting(life(1, 0).0, life(2, 5).0);
        assert_eq!(told(&parted), (By::View, [3, 8], None));
        assert!(parted.strangers && parted.is_same() && !parted.begins_apart(), "two lives that look alike");
        assert_eq!(Tree::of(&one, true), Tree::of(&other, true));
        let (mut longer, _) = life(2, 5);
        longer.turn([asked(1)]); // 9
        longer.turn([asks(21, Intent::SetReadMarks { on: true })]); // 10
        let (parted, _) = parting(life(1, 0).0, longer);
        assert_eq!(told(&parted), (By::View, [3, 9], None));
    }

    #[test]
    fn copies_of_one_journal_part_at_the_first_record_that_is_not_the_same() {
        // The same seed gives the same segments, as a copy has them.
        let ((mut one, _), (mut other, _)) = (life(1, 3), life(1, 3));
        for life in [&mut one, &mut other] {
            life.open_again();
            life.turn([asked(1)]); // 7
        }
        let (parted, _) = parting(life(1, 3).0, life(1, 3).0);
        assert_eq!(told(&parted), (By::Records, [6, 6], None));
        assert!(parted.is_same());
        let (_empty, mut disk, keys) = Life::of(1).close();
        let empty = Course::read(&mut disk, &keys, true).expect("a journal");
        assert!(Course::compare(&empty, &empty).is_same(), "nothing of it is another's");
        // No frontend sees the difference.
        one.turn([asked(2)]);
        other.turn([asked(3)]);
        let (parted, _) = parting(one, other);
        assert_eq!(told(&parted), (By::Records, [7, 7], Some([8, 8])));
    }

    #[test]
    fn what_goes_on_from_a_backup_parts_from_what_was_backed_up_after_that() {
        let restored = || {
            let (mut life, _) = life(1, 3);
            let cut = life.durable();
            life.restore(9);
            (life, cut)
        };
        let ((mut other, cut), (mut one, _)) = (restored(), life(1, 3));
        other.turn([asked(7)]);
        let after = Begins { after: cut, restored: true, folds: cut.next() };
        let whole = Begins { after: Seq::ZERO, restored: false, folds: Seq(1) };
        // What was backed up did nothing since: the other one is longer.
        let (parted, _) = parting(life(1, 3).0, restored().0);
        assert_eq!((told(&parted), parted.begins), ((By::Records, [cut.0; 2], None), [whole, after]));
        one.turn([asked(7)]);
        let (parted, _) = parting(one, other);
        assert_eq!((told(&parted), parted.begins), ((By::Records, [cut.0; 2], Some([cut.0 + 1; 2])), [whole, after]));
        assert_eq!(parted.last, [cut.next(), cut.next().next()]);
        // Two of one backup are the same up to it.
        let (mut again, _) = life(1, 3);
        again.restore(10);
        let (parted, _) = parting(restored().0, again);
        assert_eq!((told(&parted), parted.begins), ((By::Records, [cut.0; 2], Some([cut.0 + 1; 2])), [after; 2]));
        // Also when nothing can be folded any more of what came first.
        let mut long = restored().0;
        for number in 1..=3 {
            long.snapshot();
            long.turn([asked(number)]);
        }
        long.lose_beginning();
        let (parted, _) = parting(life(1, 3).0, long);
        assert_eq!((told(&parted), parted.begins[1].after), ((By::Records, [cut.0; 2], None), cut));
        assert!(parted.goes_on && parted.begins[1].folds > cut.next());
        // What somebody else went on from is nobody's.
        let (parted, _) = parting(life(2, 3).0, restored().0);
        assert_eq!((parted.by, parted.strangers, parted.begins_apart()), (By::View, true, true));
    }

    #[test]
    fn digests_name_the_range_in_which_the_difference_lies() {
        let list = |every: usize, planted: u64| -> Vec<(Seq, Digest)> {
            (1..=100).step_by(every).map(|seq| (Seq(seq), Digest([u8::from(seq >= planted); 32]))).collect()
        };
        let narrowed = |a: &[_], b: &[_]| {
            let Narrowed { compared, same_upto, differs } = compare_digests(a, b);
            (compared, same_upto.0, differs.map(|seq| seq.0))
        };
        assert_eq!(narrowed(&list(1, 42), &list(1, 101)), (42, 41, Some(42)), "exactly");
        assert_eq!(narrowed(&list(1, 42), &list(10, 101)), (6, 41, Some(51)), "as far as the coarser goes");
        assert_eq!(narrowed(&list(3, 42), &list(2, 101)), (8, 37, Some(43)));
        assert_eq!(narrowed(&list(1, 101), &list(7, 101)), (15, 99, None));
        assert_eq!(narrowed(&[], &list(1, 1)), (0, 0, None));
        assert_eq!(narrowed(&list(1, 1), &list(1, 101)), (1, 0, Some(1)));
    }
}
