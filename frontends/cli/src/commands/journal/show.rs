//! One record whole: what it says, what it asked for, and what came of that.

use super::list::{line, words};
use crate::commands::record;
use crate::output::{Trouble, put_json, time_exact};
use crate::progress::Progress;
use crate::text::{beside, harmless};
use crate::{Global, home, terminal};
use serde_json::{Value, json};
use thicket_engine::{Fault, ProfileKeys, walk};
use thicket_replay::{Moment, Replay, Tree, asked_for, effect_kind, reason};
use thicket_types::effect::Effect;
use thicket_types::event::{Event, Outcome};
use thicket_types::ids::{EffectId, Seq};
use thicket_types::ports::{Disk, Place};
use thicket_types::time::Stamp;

/// Columns that its fields stand in.
const INDENT: usize = 2;

/// A record, with what is known of what it did.
struct Whole {
    place: Place,
    event: Event,
    /// What it resolved, as far as that is known.
    resolves: Option<Resolves>,
    /// `None` if the fold does not reach it.
    asked: Option<Vec<Asked>>,
    /// What resolved that, in order.
    ended: Vec<Ended>,
}

/// An effect.
struct Asked {
    kind: &'static str,
    words: String,
    /// What for; of what nothing resolves the state does not know.
    reason: Option<String>,
    /// Whether a later record resolves it.
    is_resolved: bool,
}

/// An effect that the record resolved.
struct Resolves {
    id: EffectId,
    /// The effect; `None` if what asked for it has retired, and the state had it no more.
    effect: Option<Effect>,
    reason: Option<String>,
    /// Where it was asked for: when, and by what.
    asked: Option<(Stamp, Event)>,
}

/// The record that resolved an effect.
struct Ended {
    /// The effect's place among those of its record.
    index: u32,
    place: Place,
    event: Event,
    outcome: Outcome,
}

impl Whole {
    fn new(place: Place, event: &Event) -> Whole {
        Whole { place, event: event.clone(), resolves: None, asked: None, ended: Vec::new() }
    }

    /// Looks at a later record.
    fn note(&mut self, place: Place, event: &Event) {
        if let Event::Resolved { effect: EffectId { seq, index, segment }, outcome, vault_count: _ } = event
            && (*seq, *segment) == (self.place.seq, self.place.segment)
        {
            self.ended.push(Ended { index: *index, place, event: event.clone(), outcome: outcome.clone() });
        }
    }
}

/// What a record asked for, and of a timer in how long.
pub fn effect_words(effect: &Effect, stamp: Stamp) -> String {
    match effect {
        Effect::Arm(_, deadline) => format!("{}, in {} ms", asked_for(effect), deadline.since(stamp).0),
        _ => asked_for(effect),
    }
}

/// What an effect came to, in the words of `journal ls`, which name the effect first.
pub fn came_to(what: &str) -> &str {
    what.split_once(' ').map_or("", |(_, came_to)| came_to)
}

/// What an effect asks for, and what for.
pub fn with_reason(words: &str, reason: Option<&String>) -> String {
    reason.map_or_else(|| words.to_owned(), |reason| format!("{words}, for {reason}"))
}

/// What a record resolved, and the record that asked for that; `None` if it resolved nothing, or can't be folded.
fn resolves(replay: &Replay, disk: &mut dyn Disk, keys: &ProfileKeys, seq: Seq) -> Result<Option<Resolves>, Fault> {
    let Some(Moment { record, before, .. }) = replay.record(disk, keys, seq)? else {
        return Ok(None);
    };
    let Event::Resolved { effect: id, .. } = record.event else {
        return Ok(None);
    };
    let asked = replay.record(disk, keys, id.seq)?.filter(|asked| asked.place.segment == id.segment);
    let of_record = |asked: &Moment| asked.effects.get(usize::try_from(id.index).unwrap_or(usize::MAX)).cloned();
    let effect = before.outstanding.get(&id).map(|known| known.effect.clone()).or_else(|| asked.as_ref().and_then(of_record));
    let asked = asked.map(|asked| (asked.place.stamp, asked.record.event));
    Ok(Some(Resolves { id, effect, reason: reason(&before, id), asked }))
}

pub fn run(global: &Global, seq: u64, names: bool) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let folding = Progress::start(global, "folding the journal");
    let mut found: Option<Whole> = None;
    let looked = at.look_before_damage(|look| {
        found = None;
        let (mut oldest, mut last) = (None, Seq::ZERO);
        let (disk, keys) = look.files();
        let folded = Replay::read(disk, keys, &mut |step| match &mut found {
            Some(whole) => whole.note(step.place, &step.record.event),
            None if step.place.seq == Seq(seq) => {
                let Place { seq, stamp, segment } = step.place;
                let asked = (0..).zip(step.effects).map(|(index, effect)| Asked {
                    kind: effect_kind(effect),
                    words: effect_words(effect, stamp),
                    reason: reason(step.state, EffectId { seq, index, segment }),
                    is_resolved: matches!(effect, Effect::Vault(_) | Effect::Send(_)),
                });
                found = Some(Whole { asked: Some(asked.collect()), ..Whole::new(step.place, &step.record.event) });
            }
            None => {}
        });
        match (&mut found, &folded) {
            (Some(whole), Ok(replay)) => whole.resolves = resolves(replay, disk, keys, Seq(seq))?,
            (Some(_), Err(_)) => {}
            // One of before the oldest snapshot, where what came before it has retired; or there is none.
            (None, _) => {
                walk(disk, keys, None, &mut |walked| {
                    oldest.get_or_insert(walked.place.seq);
                    last = walked.place.seq;
                    match &mut found {
                        Some(whole) => whole.note(walked.place, &walked.record.event),
                        None if walked.place.seq == Seq(seq) => found = Some(Whole::new(walked.place, &walked.record.event)),
                        None => {}
                    }
                })?;
            }
        }
        folded.map(|_| (oldest.unwrap_or(Seq(1)), last))
    });
    drop(folding);
    let damaged = looked.as_ref().ok().and_then(|(_, damaged)| damaged.as_ref());
    // What is whole of a journal that can't be folded is shown before that is said.
    match &found {
        Some(whole) if global.json => put_json(&object(whole))?,
        Some(whole) => print(whole, names, damaged.is_some())?,
        None => {}
    }
    let ((oldest, last), damaged) = looked?;
    match (&found, &damaged) {
        (Some(_), _) => home::end(damaged.as_ref(), true),
        (None, Some(damaged)) if Seq(seq) >= damaged.from => Err(damaged.trouble(false)),
        (None, _) => Err(Trouble::Usage(no_record(seq, oldest, last))),
    }
}

fn no_record(seq: u64, oldest: Seq, last: Seq) -> String {
    if last == Seq::ZERO {
        return format!("there is no record {seq}: the journal has none");
    }
    format!("there is no record {seq}: there are records from {oldest} to {last}")
}

fn object(whole: &Whole) -> Value {
    let Whole { place, event, resolves, asked, ended } = whole;
    let resolves = resolves.as_ref().map(|Resolves { id, effect, reason, asked }| {
        json!({
            "effect": format!("{}.{}", id.seq, id.index),
            "seq": id.seq.0,
            "took_ms": asked.as_ref().map(|(stamp, _)| place.stamp.since(*stamp).0),
            "kind": effect.as_ref().map(effect_kind),
            "what": effect.as_ref().map(asked_for),
            "for": reason,
        })
    });
    let id = |index: u32| format!("{}.{index}", place.seq);
    let effects = asked.as_ref().map(|asked| {
        let each = (0..)
            .zip(asked)
            .map(|(index, asked)| json!({ "effect": id(index), "kind": asked.kind, "what": asked.words, "for": asked.reason }));
        each.collect::<Vec<_>>()
    });
    let outcomes = ended.iter().map(|ended| {
        json!({
            "effect": id(ended.index),
            "seq": ended.place.seq.0,
            "took_ms": ended.place.stamp.since(place.stamp).0,
            "outcome": record::outcome(&ended.outcome),
        })
    });
    let mut whole = line(*place, event);
    whole.insert("event".to_owned(), record::object(event));
    whole.insert("resolves".to_owned(), json!(resolves));
    whole.insert("effects".to_owned(), json!(effects));
    whole.insert("outcomes".to_owned(), outcomes.collect());
    Value::Object(whole)
}

/// Shows it; in a damaged journal only what lies before that is known.
fn print(whole: &Whole, names: bool, is_damaged: bool) -> Result<(), Trouble> {
    let Whole { place, event, resolves, asked, ended } = whole;
    let (kind, what) = words(event);
    let begin = format!("{:>8}  {}  {kind:<9} ", place.seq, time_exact(place.stamp.0));
    put!("{begin}{}", beside(&what, begin.len(), terminal::width()))?;
    // Its kind stands above already.
    let fields = match Tree::of(event, names) {
        Tree::Fields(mut kind) if kind.len() == 1 => kind.pop().map(|(_, fields)| fields),
        tree => Some(tree),
    };
    for (depth, line) in fields.iter().flat_map(|fields| fields.lines(terminal::width().saturating_sub(INDENT))) {
        put!("{:INDENT$}{}{}", "", "  ".repeat(depth), harmless(&line, ""))?;
    }
    if let Some(resolves) = resolves {
        print_resolved(resolves, *place)?;
    }
    let Some(asked) = asked else {
        put!("what it asked for is not known any more: what came before it has retired")?;
        return ended.iter().try_for_each(|ended| print_end(&format!("{}.{} ", place.seq, ended.index), *place, ended));
    };
    put!("{}", if asked.is_empty() { "asked for nothing" } else { "asked for" })?;
    for (index, Asked { words, reason, is_resolved, .. }) in (0..).zip(asked) {
        let begin = format!("  {}.{index} ", place.seq);
        put!("{begin}{}", beside(&with_reason(words, reason.as_ref()), begin.len(), terminal::width()))?;
        match ended.iter().find(|ended| ended.index == index) {
            Some(ended) => print_end("    ", *place, ended)?,
            None if *is_resolved && is_damaged => put!("    not resolved before the damage")?,
            None if *is_resolved => put!("    not resolved yet")?,
            None => {}
        }
    }
    Ok(())
}

fn print_resolved(resolves: &Resolves, place: Place) -> Result<(), Trouble> {
    let Resolves { id, effect, reason, asked } = resolves;
    put!("resolved")?;
    let begin = format!("  {}.{} ", id.seq, id.index);
    let what = effect.as_ref().map_or_else(|| "what that was is not known any more".to_owned(), asked_for);
    put!("{begin}{}", beside(&with_reason(&what, reason.as_ref()), begin.len(), terminal::width()))?;
    let by = match asked {
        Some((stamp, event)) => {
            let (kind, what) = words(event);
            format!("asked for at {}, {} ms before: {kind} {what}", id.seq, place.stamp.since(*stamp).0)
        }
        None => format!("asked for at {}, which can't be folded any more", id.seq),
    };
    put!("    {}", beside(&by, 4, terminal::width()))
}

fn print_end(begin: &str, asked: Place, ended: &Ended) -> Result<(), Trouble> {
    let (_, what) = words(&ended.event);
    let took = ended.place.stamp.since(asked.stamp).0;
    let says = format!("at {} after {took} ms: {}", ended.place.seq, came_to(&what));
    put!("{begin}{}", beside(&says, begin.len(), terminal::width()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_for_a_record_that_is_not_there_is_told_which_are() {
        assert_eq!(no_record(9_999, Seq(335), Seq(782)), "there is no record 9999: there are records from 335 to 782");
        assert_eq!(no_record(1, Seq(1), Seq::ZERO), "there is no record 1: the journal has none");
    }
}
