//! Where two journals part.
//!
//! Two that have a segment in common are copies of one, and part at the first record that is not the same in both. Others are
//! compared by what a frontend saw: the view digest is taken after each record, and where it became another. What chance decides,
//! how many records lie between two such places, is left out. So is a capsule compared, with whatever journal: no record of it is
//! another's, though its segments are. Names are left out then.
//!
//! ```text
//!   A   1 2 3 4 5 6 7       v1 after 2, v2 after 5, v3 after 7
//!   B   1 2 3 4 5           v1 after 1, v2 after 2, v4 after 5      they part at 7 and 5
//! ```

use crate::view_digest::{Numbering, Seen};
use crate::{Replay, Step};
use std::collections::BTreeSet;
use thicket_engine::{Fault, ProfileKeys};
use thicket_journal_format::digest;
use thicket_reducer::{State, view};
use thicket_types::error::Code;
use thicket_types::ids::{Digest, SegmentId, Seq};
use thicket_types::ports::Disk;

/// What two journals are compared by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// Their records: they are one journal, copied.
    Records,
    /// What a frontend saw.
    View,
}

/// What a journal is compared by, gathered in one pass: [`Course::note`] for each record, in order.
pub struct Course {
    first: Seq,
    last: Seq,
    segments: BTreeSet<SegmentId>,
    /// A digest of each record.
    records: Vec<Digest>,
    numbering: Numbering,
    /// Whether people are compared by their names too.
    names: bool,
    view: Option<Digest>,
    /// The records by which the view became another, with its digest after them.
    views: Vec<(Seq, Digest)>,
    failed: Option<Fault>,
}

/// Where two journals part, if they do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Parting {
    /// What they were compared by.
    pub by: By,
    /// The last record of each up to which they are the same; of the shorter its last, if they do not part.
    pub same_upto: [Seq; 2],
    /// The record of each that made the difference; `None` if one is the beginning of the other.
    pub at: Option<[Seq; 2]>,
}

impl Course {
    /// Begins, before the first record.
    ///
    /// **Errors:** `Inconsistent`, if a state cannot be encoded.
    pub fn new() -> Result<Course, Fault> {
        Course::begin(true)
    }

    /// The same for a journal one of which, it or the other, is a capsule.
    ///
    /// **Errors:** as [`Course::new`].
    pub fn without_names() -> Result<Course, Fault> {
        Course::begin(false)
    }

    fn begin(names: bool) -> Result<Course, Fault> {
        let numbering = Numbering::default();
        let view = numbering.mark(&view(&State::default()), names)?;
        Ok(Course {
            first: Seq::ZERO,
            last: Seq::ZERO,
            segments: BTreeSet::new(),
            records: Vec::new(),
            numbering,
            names,
            view: Some(view),
            views: Vec::new(),
            failed: None,
        })
    }

    /// Looks at a record.
    pub fn note(&mut self, step: &Step<'_>) {
        if self.records.is_empty() {
            self.first = step.place.seq;
        }
        self.last = step.place.seq;
        self.segments.insert(step.place.segment);
        let mut bytes = Vec::new();
        let encoded = step.record.encode(&mut bytes).is_ok();
        self.records.push(digest(&[&step.place.segment.0, &step.place.stamp.0.to_be_bytes(), &bytes]));
        self.numbering.note(step.effects);
        match self.numbering.mark(&view(step.state), self.names) {
            Ok(now) if encoded => {
                if self.view != Some(now) {
                    self.view = Some(now);
                    self.views.push((step.place.seq, now));
                }
            }
            Ok(_) => self.failed = Some(Fault::from(Code::Inconsistent)),
            Err(fault) => self.failed = Some(fault),
        }
    }

    /// Compares two courses.
    ///
    /// **Errors:** `Inconsistent`, if what either was noted from could not be encoded.
    pub fn compare(a: Course, b: Course) -> Result<Parting, Fault> {
        for course in [&a, &b] {
            if let Some(failed) = &course.failed {
                return Err(Fault::from(failed.code));
            }
        }
        let are_copies = a.names && b.names && !a.segments.is_disjoint(&b.segments);
        Ok(if are_copies { by_records(&a, &b) } else { by_view(&a, &b) })
    }

    fn record(&self, seq: Seq) -> Option<Digest> {
        let index = seq.0.checked_sub(self.first.0)?;
        usize::try_from(index).ok().and_then(|index| self.records.get(index)).copied()
    }
}

fn by_records(a: &Course, b: &Course) -> Parting {
    // What has retired of the beginning of either is not there to be compared.
    let (begin, end) = (a.first.max(b.first), a.last.min(b.last));
    let parted = (begin.0..=end.0).map(Seq).find(|seq| a.record(*seq) != b.record(*seq));
    let upto = parted.map_or(end, before);
    Parting { by: By::Records, same_upto: [upto; 2], at: parted.map(|seq| [seq; 2]) }
}

fn by_view(a: &Course, b: &Course) -> Parting {
    let same = a.views.iter().zip(&b.views).take_while(|((_, a), (_, b))| a == b).count();
    let next = |course: &Course| course.views.get(same).map(|(seq, _)| *seq);
    let (next_a, next_b) = (next(a), next(b));
    let same_upto = [next_a.map_or(a.last, before), next_b.map_or(b.last, before)];
    Parting { by: By::View, same_upto, at: next_a.zip(next_b).map(|(a, b)| [a, b]) }
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
            let mut course = Course::new().expect("a state");
            Replay::read(&mut disk, &keys, &mut |step| course.note(step)).expect("an intact journal");
            (folder, disk, keys, course)
        };
        let ((_a, mut disk_a, keys_a, a), (_b, mut disk_b, keys_b, b)) = (read(a), read(b));
        let lasts = [a.last, b.last];
        let parting = Course::compare(a, b).expect("states");
        let [at_a, at_b] = parting.at.unwrap_or(lasts);
        let seen =
            [seen_at(&mut disk_a, &keys_a, at_a, true).expect("a record"), seen_at(&mut disk_b, &keys_b, at_b, true).expect("a record")];
        (parting, seen)
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
        assert_eq!(parting, Parting { by: By::View, same_upto: [Seq(7), Seq(11)], at: Some([Seq(8), Seq(12)]) });
        let found = Tree::of(&of_one, false).differences(&Tree::of(&of_other, false));
        let paths: Vec<String> = found.iter().map(|found| found.path.join("/")).collect();
        assert_eq!(paths, ["contacts/0/accepted", "contacts/0/blocked"]);
    }

    #[test]
    fn two_runs_that_ended_the_same_do_not_part_and_one_that_goes_on_is_longer() {
        let (parted, [one, other]) = parting(life(1, 0).0, life(2, 5).0);
        assert_eq!(parted, Parting { by: By::View, same_upto: [Seq(3), Seq(8)], at: None });
        assert_eq!(Tree::of(&one, true), Tree::of(&other, true));
        let (mut longer, _) = life(2, 5);
        longer.turn([asked(1)]); // 9
        longer.turn([asks(21, Intent::SetReadMarks { on: true })]); // 10
        let (parted, _) = parting(life(1, 0).0, longer);
        assert_eq!(parted, Parting { by: By::View, same_upto: [Seq(3), Seq(9)], at: None });
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
        assert_eq!(parted, Parting { by: By::Records, same_upto: [Seq(6); 2], at: None });
        // No frontend sees the difference.
        one.turn([asked(2)]);
        other.turn([asked(3)]);
        let (parted, _) = parting(one, other);
        assert_eq!(parted, Parting { by: By::Records, same_upto: [Seq(7); 2], at: Some([Seq(8); 2]) });
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
