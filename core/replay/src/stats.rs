//! What a journal is made of: records by kind, bytes, rates, and how long effects took.

use crate::{Replay, Step};
use std::collections::BTreeMap;
use thicket_engine::{Fault, ProfileKeys, walk};
use thicket_journal_format::event::Record;
use thicket_types::effect::Effect;
use thicket_types::event::{Arrived, Event, Outcome};
use thicket_types::ids::{EffectId, Seq};
use thicket_types::ports::Disk;
use thicket_types::time::{Duration, Stamp};
use thicket_types::vault_op::VaultOp;

/// What was counted: [`Stats::of`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Records and their bytes, by what they are.
    pub kinds: BTreeMap<&'static str, Kind>,
    /// How long effects took from the record that asked for them to the one that resolved them, by what was asked.
    pub outcomes: BTreeMap<&'static str, Took>,
    /// How many of the records were folded, so that it is known what they asked for: all, unless what came before has retired.
    pub folded: u64,
    /// The stamps of the first and the last record.
    pub span: Option<(Stamp, Stamp)>,
    /// Stamps of all records.
    stamps: Vec<Stamp>,
    /// Effects that are not resolved: what, and when it was asked for.
    asked: BTreeMap<EffectId, (&'static str, Stamp)>,
}

/// Records of one kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Kind {
    /// How many.
    pub records: u64,
    /// Their bytes in the journal, before they are sealed.
    pub bytes: u64,
}

/// How long effects of one kind took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Took {
    /// Each, shortest first, with the place of the record that resolved it.
    pub each: Vec<(Duration, Seq)>,
}

impl Took {
    /// The span that so many in a hundred did not exceed.
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let rank = (self.each.len() * percent.min(100)).div_ceil(100).max(1);
        self.each.get(rank - 1).map(|(took, _)| *took)
    }

    /// The slowest, with the place of the record that resolved it.
    pub fn slowest(&self) -> Option<(Duration, Seq)> {
        self.each.last().copied()
    }
}

impl Stats {
    /// Counts a journal: all records that are there, and of those that can be folded what they asked for.
    ///
    /// **Errors:** as [`Replay::read`].
    pub fn of(disk: &mut dyn Disk, keys: &ProfileKeys) -> Result<Stats, Fault> {
        let mut stats = Stats::default();
        let replay = Replay::read(disk, keys, &mut |step| stats.note(step))?;
        if replay.first() > Seq(1) {
            walk(disk, keys, None, &mut |walked| {
                if walked.place.seq < replay.first() {
                    stats.count(walked.place.stamp, walked.record);
                }
            })?;
        }
        stats.outcomes.values_mut().for_each(|took| took.each.sort_unstable());
        Ok(stats)
    }

    /// How many records there are.
    pub fn records(&self) -> u64 {
        self.kinds.values().map(|kind| kind.records).sum()
    }

    fn count(&mut self, now: Stamp, record: &Record) {
        let mut bytes = Vec::new();
        let len = record.encode(&mut bytes).map_or(0, |()| u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        let kind = self.kinds.entry(kind(&record.event)).or_default();
        kind.records += 1;
        kind.bytes += len;
        self.span = Some(self.span.map_or((now, now), |(first, last)| (first.min(now), last.max(now))));
        self.stamps.push(now);
    }

    fn note(&mut self, step: &Step<'_>) {
        let now = step.place.stamp;
        self.count(now, step.record);
        self.folded += 1;
        if let Event::Resolved { effect, .. } = &step.record.event
            && let Some((what, since)) = self.asked.remove(effect)
        {
            self.outcomes.entry(what).or_default().each.push((now.since(since), step.place.seq));
        }
        for (index, effect) in step.effects.iter().enumerate() {
            // Nothing resolves the others.
            if matches!(effect, Effect::Vault(_) | Effect::Send(_)) {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                self.asked.insert(EffectId { seq: step.place.seq, index, segment: step.place.segment }, (effect_kind(effect), now));
            }
        }
    }

    /// Records in each of so many spans of equal length, and that length. Without a record there is none.
    pub fn rates(&self, spans: usize) -> (Vec<u64>, Duration) {
        let Some((first, last)) = self.span.filter(|_| spans > 0) else {
            return (Vec::new(), Duration(0));
        };
        let count = u64::try_from(spans).unwrap_or(u64::MAX);
        let each = (last.since(first).0 / count).saturating_add(1);
        let mut rates = vec![0; spans];
        for stamp in &self.stamps {
            let at = usize::try_from(stamp.since(first).0 / each).unwrap_or(usize::MAX);
            if let Some(rate) = rates.get_mut(at) {
                *rate += 1;
            }
        }
        (rates, Duration(each))
    }

    /// Effects that were asked for and are not resolved.
    pub fn open(&self) -> usize {
        self.asked.len()
    }
}

/// What a record is, in a word or two.
pub(crate) fn kind(event: &Event) -> &'static str {
    match event {
        Event::Requested { .. } => "requested",
        Event::Arrived(arrival) => match arrival.content {
            Arrived::Answer { .. } => "arrived: answer",
            Arrived::Envelope { .. } => "arrived: envelope",
            Arrived::Repeat { .. } => "arrived: repeat",
            Arrived::Unsealable { .. } => "arrived: unsealable",
        },
        Event::Elapsed { .. } => "elapsed",
        Event::Resolved { outcome, .. } => match outcome {
            Outcome::Handed | Outcome::Unreachable => "resolved: transport",
            Outcome::Framed { .. } => "resolved: frame",
            Outcome::Opened(_) => "resolved: opened",
            Outcome::Followed(_) => "resolved: followed",
            Outcome::Refused(_) => "resolved: refused",
            Outcome::Fault(_) => "resolved: fault",
            Outcome::Done | Outcome::Pinned { .. } | Outcome::Begun { .. } => "resolved: done",
        },
    }
}

/// What effects ask for, in the words of [`effect_kind`].
pub const EFFECT_KINDS: [&str; 15] = [
    "hand over",
    "compose",
    "sign",
    "key care",
    "contact",
    "begin",
    "seal message",
    "seal other",
    "open envelope",
    "stamp",
    "group",
    "file",
    "arm",
    "disarm",
    "tell",
];

/// What an effect asks for, in a word or two.
pub fn effect_kind(effect: &Effect) -> &'static str {
    match effect {
        Effect::Send(_) => "hand over",
        Effect::Vault(op) => match op {
            VaultOp::Compose(_) => "compose",
            VaultOp::SignRegistration { .. } | VaultOp::SignLogin { .. } => "sign",
            VaultOp::MakeKeyPackages { .. } | VaultOp::RotateMailboxKey { .. } | VaultOp::Published { .. } => "key care",
            VaultOp::PinContact { .. } | VaultOp::Unpin { .. } | VaultOp::SetCapabilities { .. } => "contact",
            VaultOp::BeginConversation { .. } | VaultOp::BeginFromOffer { .. } | VaultOp::GiveUpGroups => "begin",
            VaultOp::SealMessage { .. } | VaultOp::SealAgain { .. } => "seal message",
            VaultOp::SealReceipt { .. } | VaultOp::MarkRead { .. } | VaultOp::UpdateKeys { .. } | VaultOp::SealOffer { .. } => "seal other",
            VaultOp::OpenEnvelope { .. } => "open envelope",
            VaultOp::Stamp { .. } => "stamp",
            VaultOp::CreateGroup { .. }
            | VaultOp::LogCreated { .. }
            | VaultOp::KeepKeyPackage { .. }
            | VaultOp::Commit { .. }
            | VaultOp::SealPost { .. }
            | VaultOp::FollowLog { .. }
            | VaultOp::SealWelcome { .. }
            | VaultOp::Join { .. } => "group",
            VaultOp::File { .. }
            | VaultOp::Forget { .. }
            | VaultOp::ForgetMessage { .. }
            | VaultOp::ShowRead { .. }
            | VaultOp::Tidy { .. } => "file",
        },
        Effect::Arm(..) => "arm",
        Effect::Disarm(_) => "disarm",
        Effect::Notify(_) => "tell",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::{Life, asked, relay};

    #[test]
    fn records_that_cannot_be_folded_any_more_are_counted_all_the_same() {
        let mut life = Life::new();
        life.turn([relay()]);
        let (_folder, mut disk, keys) = life.close();
        let whole = Stats::of(&mut disk, &keys).expect("an intact journal");
        assert_eq!((whole.records(), whole.folded), (1, 1));

        let mut life = Life::new();
        life.turn([relay()]);
        (1..=9).for_each(|number| life.turn([asked(number)]));
        life.retire();
        (10..=12).for_each(|number| life.turn([asked(number)]));
        // A segment and what came in it before its snapshot.
        life.snapshot();
        life.turn([asked(13)]);
        life.lose_beginning();
        let (_folder, mut disk, keys) = life.close();
        let mut there = 0;
        walk(&mut disk, &keys, None, &mut |_| there += 1).expect("an intact journal");
        let part = Stats::of(&mut disk, &keys).expect("an intact journal");
        assert_eq!(part.records(), there);
        assert!(part.folded < there && part.folded > 0, "{} of {there}", part.folded);
        assert_eq!(part.stamps.len(), usize::try_from(there).expect("few"));
    }

    #[test]
    fn percentiles_are_of_what_took_so_long() {
        let took = Took { each: (1..=100).map(|ms| (Duration(ms), Seq(ms))).collect() };
        assert_eq!(
            (took.percentile(0), took.percentile(50), took.percentile(100)),
            (Some(Duration(1)), Some(Duration(50)), Some(Duration(100)))
        );
        assert_eq!(took.slowest(), Some((Duration(100), Seq(100))));
        // Of few, the hundredth is the slowest.
        for count in [1, 2, 13, 99] {
            let few = Took { each: (1..=count).map(|ms| (Duration(ms), Seq(ms))).collect() };
            assert_eq!(few.percentile(99), Some(Duration(count)), "of {count}");
            assert_eq!(few.percentile(50), Some(Duration(count.div_ceil(2))), "of {count}");
        }
        assert_eq!((Took::default().percentile(50), Took::default().slowest()), (None, None));
    }

    #[test]
    fn every_record_is_in_one_span_and_the_spans_are_of_one_length() {
        let stamps: Vec<Stamp> = [0, 1, 9, 10, 99].map(|ms| Stamp(1_000 + ms)).into();
        let stats = Stats { span: Some((Stamp(1_000), Stamp(1_099))), stamps, ..Stats::default() };
        let (rates, each) = stats.rates(10);
        assert_eq!((rates, each), (vec![3, 1, 0, 0, 0, 0, 0, 0, 0, 1], Duration(10)));
        let (one, _) = stats.rates(1);
        assert_eq!(one, [5]);
        assert_eq!(stats.rates(0), (Vec::new(), Duration(0)));
        assert_eq!(Stats::default().rates(3), (Vec::new(), Duration(0)));
        // All at one moment.
        let still = Stats { span: Some((Stamp(5), Stamp(5))), stamps: vec![Stamp(5); 4], ..Stats::default() };
        assert_eq!(still.rates(3).0, [4, 0, 0]);
    }
}
