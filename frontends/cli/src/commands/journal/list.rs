//! Records, one by one.

use super::meant::meant;
use crate::output::{Trouble, on_errors, put_json, remark, time_exact};
use crate::progress::Progress;
use crate::text::counted;
use crate::{Global, home};
use serde_json::{Map, Value, json};
use std::cell::Cell;
use std::collections::VecDeque;
use thicket_engine::{Walked, walk};
use thicket_replay::{EFFECT_KINDS, Replay, Step, Touching, effect_kind, refusal, timer_words};
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Event, Followed, Opened, Outcome};
use thicket_types::ids::{Fingerprint, Seq};
use thicket_types::intent::Intent;
use thicket_types::name::Name;
use thicket_types::ports::Place;
use thicket_types::time::Stamp;

/// Which records a list shows.
#[derive(clap::Args)]
pub struct Wanted {
    /// Begin at this place.
    #[arg(long, value_name = "SEQ", default_value_t = 1, value_parser = super::seq)]
    from: u64,
    /// At most so many, the first ones.
    #[arg(long, value_name = "N", value_parser = super::number)]
    count: Option<u64>,
    /// At most so many, the last ones.
    #[arg(long, value_name = "N", value_parser = super::number, conflicts_with = "count")]
    last: Option<u64>,
    /// Records of this kind alone.
    #[arg(long, ignore_case = true)]
    kind: Option<Kind>,
    /// Records that name this error alone, by its number.
    #[arg(long, value_name = "NUMBER", value_parser = cause)]
    cause: Option<Code>,
    /// Records that touched the conversation with this contact alone: by name, or how the fingerprint begins.
    #[arg(long, value_name = "NAME", value_parser = super::word)]
    conversation: Option<String>,
    /// Records that asked for such an effect alone, in a word of `journal stats`, or arm, disarm or tell.
    #[arg(long, value_name = "KIND", value_parser = effect)]
    effect: Option<&'static str>,
    /// Not what was before this day or time in UTC: 2026-11-22, 2026-11-22T18:30 or 2026-11-22T18:30:07.
    #[arg(long, value_name = "TIME", value_parser = begin)]
    since: Option<u64>,
    /// Not what was after this day or time.
    #[arg(long, value_name = "TIME", value_parser = end)]
    until: Option<u64>,
}

/// A record's kind.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Requested,
    Arrived,
    Elapsed,
    Resolved,
}

pub fn run(global: &Global, wanted: &Wanted) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let with = wanted.conversation.as_deref().map(|typed| meant(&at, typed)?.contact()).transpose()?;
    let mut shown = Shown { global, left: wanted.count.unwrap_or(u64::MAX), last: wanted.last, kept: VecDeque::new(), any: false };
    let mut unfolded = None;
    // Stamps never decrease: what comes after such a record is not asked for.
    let is_past = Cell::new(false);
    let note = |place: Place| is_past.set(is_past.get() || wanted.until.is_some_and(|until| place.stamp.0 > until));
    let damaged = if with.is_some() || wanted.effect.is_some() {
        let takes = |step: &Step<'_>, touched| {
            note(step.place);
            touched && wanted.takes_folded(step)
        };
        let (replay, damaged) = each_folded(global, &at, with, &takes, &mut |place, event| shown.take(place, event))?;
        unfolded = not_looked_at(replay.oldest().max(Seq(wanted.from)), replay.first());
        damaged
    } else {
        let takes = |walked: &Walked<'_>| {
            note(walked.place);
            wanted.takes(walked.place, &walked.record.event)
        };
        each(global, &at, &takes, &mut |place, event| shown.take(place, event))?
    };
    let is_all = shown.left == 0 || is_past.get();
    shown.finish()?;
    if let Some(words) = unfolded {
        note!("{}", on_errors(&format!("thicket: {words}")));
    }
    home::end(damaged.as_ref(), is_all)
}

/// That records of those that were asked for could not be folded: those from one place on, up to where the fold begins.
fn not_looked_at(from: Seq, first: Seq) -> Option<String> {
    let which = match first.0.checked_sub(from.0)? {
        0 => return None,
        1 => format!("record {from} was"),
        more => format!("records {from} to {} were", from.0 + more - 1),
    };
    Some(format!("{which} not looked at: no snapshot holds what came before, and without that nothing there can be folded"))
}

/// A record's line, in words.
struct Line {
    place: Place,
    kind: &'static str,
    what: String,
}

/// Shows the first so many, or the last.
struct Shown<'g> {
    global: &'g Global,
    left: u64,
    last: Option<u64>,
    /// The last ones so far.
    kept: VecDeque<Line>,
    any: bool,
}

impl Shown<'_> {
    fn take(&mut self, place: Place, event: &Event) -> Result<(), Trouble> {
        let Some(last) = self.last else {
            if self.left == 0 {
                return Ok(());
            }
            self.left -= 1;
            self.any = true;
            return list(self.global, place, event);
        };
        let (kind, what) = words(event);
        self.kept.push_back(Line { place, kind, what });
        if u64::try_from(self.kept.len()).is_ok_and(|len| len > last) {
            self.kept.pop_front();
        }
        Ok(())
    }

    fn finish(self) -> Result<(), Trouble> {
        if !self.any && self.kept.is_empty() {
            remark(self.global.json, "no record is so");
        }
        self.kept.iter().try_for_each(|line| print(self.global, line))
    }
}

impl Wanted {
    fn takes(&self, place: Place, event: &Event) -> bool {
        let stamp = place.stamp.0;
        let kind = match event {
            Event::Requested { .. } => Kind::Requested,
            Event::Arrived(_) => Kind::Arrived,
            Event::Elapsed { .. } => Kind::Elapsed,
            Event::Resolved { .. } => Kind::Resolved,
        };
        place.seq >= Seq(self.from)
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self.cause.is_none_or(|wanted| cause_of(event) == Some(wanted))
            && self.since.is_none_or(|since| stamp >= since)
            && self.until.is_none_or(|until| stamp <= until)
    }

    fn takes_folded(&self, step: &Step<'_>) -> bool {
        let asked = |wanted| step.effects.iter().any(|effect| effect_kind(effect) == wanted);
        self.takes(step.place, &step.record.event) && self.effect.is_none_or(asked)
    }
}

/// The error that a record names.
pub fn cause_of(event: &Event) -> Option<Code> {
    match event {
        Event::Arrived(Arrival { content: Arrived::Unsealable { cause, .. }, .. }) => Some(*cause),
        Event::Resolved { outcome: Outcome::Opened(Opened::Unreadable { cause, .. }), .. } => Some(*cause),
        // What the relay or the vault refused.
        event => refusal(event),
    }
}

fn cause(typed: &str) -> Result<Code, String> {
    let code = typed.parse().ok().and_then(Code::from_number);
    code.ok_or_else(|| "no error has this number: docs/ERRORS.md lists them".to_owned())
}

/// A kind of effect in the words of `journal stats`, which may be joined: `seal-message`.
fn effect(typed: &str) -> Result<&'static str, String> {
    let words = typed.replace('-', " ");
    let known = EFFECT_KINDS.into_iter().find(|kind| *kind == words);
    known.ok_or_else(|| format!("no effect is called so; one of: {}", EFFECT_KINDS.map(|kind| kind.replace(' ', "-")).join(", ")))
}

/// The first millisecond of a day, a minute or a second in UTC.
fn begin(typed: &str) -> Result<u64, String> {
    moment(typed).map(|(from, _)| from).ok_or_else(|| A_TIME.to_owned())
}

/// Its last one.
fn end(typed: &str) -> Result<u64, String> {
    moment(typed).map(|(from, len)| from.saturating_add(len - 1)).ok_or_else(|| A_TIME.to_owned())
}

const A_TIME: &str = "a day or a time in UTC, as 2026-11-22, 2026-11-22T18:30 or 2026-11-22T18:30:07";

/// A day, a minute or a second: when it begins, and how long it is, in milliseconds. A blank stands for the T: so are times shown.
fn moment(typed: &str) -> Option<(u64, u64)> {
    let (day, time) = typed.split_once(['T', ' ']).map_or((typed, None), |(day, time)| (day, Some(time)));
    let mut parts = day.split('-').map(|part| part.parse::<u64>().ok());
    let date = (parts.next()??, parts.next()??, parts.next()??);
    let day = Stamp::of_date(date).filter(|_| parts.next().is_none())?;
    let Some(time) = time else {
        return Some((day.0, 86_400_000));
    };
    let mut parts = time.split(':').map(|part| part.parse::<u64>().ok());
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next();
    let (seconds, len) = match seconds {
        Some(seconds) => (seconds?, 1_000),
        None => (0, 60_000),
    };
    let fits = hours < 24 && minutes < 60 && seconds < 60 && parts.next().is_none();
    fits.then_some((day.0 + hours * 3_600_000 + minutes * 60_000 + seconds * 1_000, len))
}

/// Shows each record of the journal that is wanted, until that fails. None is shown twice, however often the journal is looked
/// at.
fn each(
    global: &Global,
    at: &home::At,
    wanted: &dyn Fn(&Walked<'_>) -> bool,
    show: &mut dyn FnMut(Place, &Event) -> Result<(), Trouble>,
) -> Result<Option<home::Damaged>, Trouble> {
    // Gone as soon as something else is shown.
    let mut reading = Some(Progress::start(global, "reading the journal"));
    let mut seen = Seq::ZERO;
    let mut shown = Ok(());
    let ((), damaged) = at.look_before_damage(|look| {
        let remembered = look.remembered();
        let (disk, keys) = look.files();
        walk(disk, keys, remembered, &mut |walked| {
            if walked.place.seq <= seen {
                return;
            }
            seen = walked.place.seq;
            if shown.is_ok() && wanted(&walked) {
                reading = None;
                shown = show(walked.place, &walked.record.event);
            }
        })?;
        Ok(())
    })?;
    shown.map(|()| damaged)
}

/// Folds the journal and shows each record that is wanted, as [`each`]; of a conversation it is known whether it was touched.
fn each_folded(
    global: &Global,
    at: &home::At,
    with: Option<(Fingerprint, Option<Name>)>,
    wanted: &dyn Fn(&Step<'_>, bool) -> bool,
    show: &mut dyn FnMut(Place, &Event) -> Result<(), Trouble>,
) -> Result<(Replay, Option<home::Damaged>), Trouble> {
    let mut folding = Some(Progress::start(global, "folding the journal"));
    let mut seen = Seq::ZERO;
    let mut shown = Ok(());
    let found = at.look_before_damage(|look| {
        let (disk, keys) = look.files();
        let mut touching = with.clone().map(|(contact, name)| Touching::new(contact, name));
        Replay::read(disk, keys, &mut |step| {
            let touched = touching.as_mut().is_none_or(|touching| touching.note(step));
            if step.place.seq <= seen {
                return;
            }
            seen = step.place.seq;
            if shown.is_ok() && wanted(step, touched) {
                folding = None;
                shown = show(step.place, &step.record.event);
            }
        })
    })?;
    shown.map(|()| found)
}

/// Shows a record in a line.
fn list(global: &Global, place: Place, event: &Event) -> Result<(), Trouble> {
    let (kind, what) = words(event);
    print(global, &Line { place, kind, what })
}

fn print(global: &Global, line: &Line) -> Result<(), Trouble> {
    if global.json {
        return put_json(&Value::Object(object(line)));
    }
    let Line { place, kind, what } = line;
    put!("{:>8}  {}  {kind:<9} {what}", place.seq, time_exact(place.stamp.0))
}

/// A record in a line, as a program reads it.
pub fn line(place: Place, event: &Event) -> Map<String, Value> {
    let (kind, what) = words(event);
    object(&Line { place, kind, what })
}

fn object(line: &Line) -> Map<String, Value> {
    let Line { place, kind, what } = line;
    let fields = [("seq", json!(place.seq.0)), ("stamp_ms", json!(place.stamp.0)), ("kind", json!(kind)), ("what", json!(what))];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A record's kind, and what it says.
pub fn words(event: &Event) -> (&'static str, String) {
    match event {
        Event::Requested { id: _, intent } => {
            let what = match intent {
                Intent::Register { .. } => "Register",
                Intent::Connect => "Connect",
                Intent::AddContact { .. } => "AddContact",
                Intent::AcceptContact { .. } => "AcceptContact",
                Intent::Send { .. } => "Send",
                Intent::DeclineContact { .. } => "DeclineContact",
                Intent::BlockContact { .. } => "BlockContact",
                Intent::RemoveContact { .. } => "RemoveContact",
                Intent::VerifyContact { .. } => "VerifyContact",
                Intent::AcceptIdentity { .. } => "AcceptIdentity",
                Intent::UpdateKeys { .. } => "UpdateKeys",
                Intent::MarkRead { .. } => "MarkRead",
                Intent::SetReadMarks { .. } => "SetReadMarks",
                Intent::RetryMessage { .. } => "RetryMessage",
                Intent::CancelMessage { .. } => "CancelMessage",
                Intent::ForgetMessage { .. } => "ForgetMessage",
                Intent::ChangeRelay { .. } => "ChangeRelay",
                Intent::TakeOver => "TakeOver",
                Intent::Rejoin => "Rejoin",
                Intent::Restore => "Restore",
            };
            ("Requested", what.to_owned())
        }
        Event::Arrived(arrival) => {
            let what = match &arrival.content {
                Arrived::Answer { answer } => match refusal(event) {
                    Some(code) => format!("an answer, refused: {}", code.what()),
                    None => format!("an answer, {} bytes", answer.0.len()),
                },
                Arrived::Envelope { cursor, sealed, .. } => format!("item {cursor}, {} bytes", sealed.0.len()),
                Arrived::Repeat { cursor } => format!("item {cursor} again"),
                Arrived::Unsealable { cursor, cause } => format!("item {cursor}, dropped: {}", cause.what()),
            };
            ("Arrived", what)
        }
        Event::Elapsed { timer, fault } => {
            ("Elapsed", format!("{}{}", timer_words(timer), if *fault { ", and its fold failed" } else { "" }))
        }
        Event::Resolved { effect, outcome, vault_count: _ } => {
            let what = match outcome {
                Outcome::Handed => "handed to the transport".to_owned(),
                Outcome::Unreachable => "the transport could not".to_owned(),
                Outcome::Framed { bytes, .. } => format!("a frame of {} bytes", bytes.0.len()),
                Outcome::Done => "done".to_owned(),
                Outcome::Pinned { .. } => "an identity pinned".to_owned(),
                Outcome::Begun { again } if again.is_empty() => "a conversation begun".to_owned(),
                Outcome::Begun { again } => format!("a conversation begun, {} to be sealed again", again.len()),
                Outcome::Opened(Opened::Message { .. }) => "a message read".to_owned(),
                Outcome::Opened(Opened::Receipt { delivered, .. }) => format!("a receipt for {}", delivered.len()),
                Outcome::Opened(Opened::Early { .. }) => "a message that waits".to_owned(),
                Outcome::Opened(Opened::ReadMark { .. }) => "a read mark".to_owned(),
                Outcome::Opened(Opened::Committed { .. }) => "a commit".to_owned(),
                Outcome::Opened(Opened::Offer { .. }) => "an offer to begin".to_owned(),
                Outcome::Opened(Opened::Invited { .. }) => "an invitation into a group".to_owned(),
                Outcome::Opened(Opened::Welcomed { .. }) => "a group joined".to_owned(),
                Outcome::Followed(Followed { messages, .. }) => {
                    format!("a group's log, with {}", counted(u64::try_from(messages.len()).unwrap_or(u64::MAX), "message"))
                }
                Outcome::Opened(Opened::Known { .. }) => "a message that is here already".to_owned(),
                Outcome::Opened(Opened::Unreadable { cause, .. }) => format!("unreadable: {}", cause.what()),
                Outcome::Refused(code) => format!("refused: {}", code.what()),
                Outcome::Fault(code) => format!("fault: {}", code.what()),
            };
            ("Resolved", format!("{}.{} {what}", effect.seq, effect.index))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thicket_types::event::{Lane, TimerId};
    use thicket_types::ids::{EffectId, FrameId, SegmentId};

    #[test]
    fn a_kind_of_effect_is_taken_in_its_words_joined_or_not() {
        assert_eq!((effect("seal message"), effect("seal-message"), effect("tell")), (Ok("seal message"), Ok("seal message"), Ok("tell")));
        for wrong in ["", "seal", "Seal message", "vault:seal", "sealmessage"] {
            assert!(effect(wrong).is_err_and(|words| words.contains("hand-over, compose,")), "{wrong}");
        }
    }

    #[test]
    fn days_minutes_and_seconds_are_taken_in_utc_and_nothing_else_is() {
        assert_eq!((begin("2026-11-22"), end("2026-11-22")), (Ok(1_795_305_600_000), Ok(1_795_391_999_999)));
        assert_eq!((begin("2026-11-22T18:30"), end("2026-11-22T18:30")), (Ok(1_795_372_200_000), Ok(1_795_372_259_999)));
        let second = "2026-11-22T18:30:07";
        assert_eq!((begin(second), end(second)), (Ok(1_795_372_207_000), Ok(1_795_372_207_999)));
        assert_eq!(begin("2026-11-22 18:30:07"), begin(second), "as it is shown");
        assert_eq!(begin("2000-02-29"), Ok(951_782_400_000));
        for wrong in [
            "",
            "2026",
            "2026-11",
            "2026-02-29",
            "2026-11-31",
            "2026-13-01",
            "2026-00-10",
            "2026-11-00",
            "1969-12-31",
            "2026-11-22-1",
            "2026-11-22T",
            "2026-11-22T24:00",
            "2026-11-22T18:60",
            "2026-11-22T18:30:60",
            "2026-11-22T18:30:07:00",
            "2026-11-22T18:30:07.5",
            "2026-11-22_18:30",
            "99999999999999999999-01-01",
            "18446744073709551615-01-01",
        ] {
            assert!(begin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn records_that_could_not_be_folded_are_named_where_they_were_asked_for() {
        let told = |from, first| not_looked_at(Seq(from), Seq(first));
        assert_eq!([told(1, 1), told(335, 335), told(700, 589)], [None, None, None]);
        assert!(told(335, 589).is_some_and(|words| words.starts_with("records 335 to 588 were not looked at")));
        assert!(told(588, 589).is_some_and(|words| words.starts_with("record 588 was not looked at")));
    }

    #[test]
    fn an_error_is_found_wherever_a_record_names_it() {
        let effect = EffectId { seq: Seq(1), index: 0, segment: SegmentId([0; 16]) };
        let resolved = |outcome| Event::Resolved { effect, outcome, vault_count: 0 };
        let (contact, name) = (Fingerprint([1; 20]), Name::parse("bob").expect("a name"));
        let arrived = |content| Event::Arrived(Arrival { frame: FrameId([2; 32]), lane: Lane::Named, content });
        let cause = Code::TooOld;
        let naming = [
            resolved(Outcome::Refused(cause)),
            resolved(Outcome::Fault(cause)),
            resolved(Outcome::Opened(Opened::Unreadable { contact, name, cause })),
            arrived(Arrived::Unsealable { cursor: 1, cause }),
        ];
        assert!(naming.iter().all(|event| cause_of(event) == Some(cause)));
        for event in
            [resolved(Outcome::Done), arrived(Arrived::Repeat { cursor: 1 }), Event::Elapsed { timer: TimerId::Login, fault: false }]
        {
            assert_eq!(cause_of(&event), None);
        }
    }
}
