//! `journal step`: the journal on a screen of its own, record by record, with what each one did.

mod view;

use super::list::{cause_of, words};
use super::show::{came_to, effect_words, with_reason};
use super::state::{Changed, changed};
use crate::output::Trouble;
use crate::progress::Progress;
use crate::text::harmless;
use crate::{Global, home, interrupt, terminal};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::event::{self, Event as Input, KeyEventKind};
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;
use thicket_replay::{Moment, Replay, Tree, asked_for, reason};
use thicket_types::effect::Effect;
use thicket_types::event::{Event, Outcome};
use thicket_types::ids::{EffectId, Seq};
use view::{Row, Said, Then, Tone, View};

/// How often it is looked whether the program is to end.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Records before and behind the one that it stands at that are folded along with it: the next keys go to them.
const AROUND: u64 = 32;

/// A journal, folded.
struct Folded {
    replay: Replay,
    rows: Vec<Row>,
    /// Which record resolved an effect, by its own record and its place there; and whether well.
    resolved: BTreeMap<(u64, u32), (usize, Tone)>,
}

pub fn run(global: &Global, at: Option<u64>, names: bool) -> Result<(), Trouble> {
    if global.json {
        return Err(Trouble::Usage("journal step is for a terminal and has no JSON; journal ls and journal diff have".to_owned()));
    }
    if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal() && crate::paint::obeys_escapes()) {
        let words = "journal step needs a terminal; journal ls and journal diff print the same anywhere";
        return Err(Trouble::Usage(words.to_owned()));
    }
    let home = home::at(global)?;
    let folding = Progress::start(global, "folding the journal");
    let (Folded { replay, rows, resolved }, damaged) = home.look_before_damage(|look| {
        let (disk, keys) = look.files();
        let (mut rows, mut resolved) = (Vec::new(), BTreeMap::new());
        let replay = Replay::read(disk, keys, &mut |step| {
            if let Event::Resolved { effect, outcome, vault_count: _ } = &step.record.event {
                resolved.insert((effect.seq.0, effect.index), (rows.len(), tone_of(outcome)));
            }
            let (kind, what) = words(&step.record.event);
            let cause = cause_of(&step.record.event).map(|code| code.number());
            let what = harmless(&listed(&what), "");
            rows.push(Row { seq: step.place.seq.0, stamp_ms: step.place.stamp.0, kind, what, cause });
        })?;
        Ok(Folded { replay, rows, resolved })
    })?;
    // The look is over: what follows reads the same records again, whoever has the profile open by then.
    let (mut disk, keys) = home.files_before(damaged.as_ref())?;
    drop(folding);
    if replay.last() < replay.first() {
        return put!("the journal has no record");
    }
    let place = at.map_or(replay.last(), Seq);
    if let Some(damaged) = damaged.as_ref().filter(|damaged| place >= damaged.from) {
        return Err(damaged.trouble(false));
    }
    if place < replay.first() || place > replay.last() {
        return Err(Trouble::Usage(format!("there are records from {} to {}", replay.first(), replay.last())));
    }
    let colours = global.color.paint(true).colours();
    let mut view = View::new(rows, place.0, colours);
    if let Some(damaged) = &damaged {
        view.tell(format!("damaged from record {} on (303)", damaged.from));
    }
    interrupt::is_usual();
    let mut around = Vec::new();
    scrub(&mut view, |view| {
        let Some(seq) = view.row().map(|row| Seq(row.seq)) else {
            return Ok(Vec::new());
        };
        let is_here = |moment: &&Moment| moment.place.seq == seq;
        if around.iter().find(is_here).is_none() {
            let (from, upto) = (seq.0.saturating_sub(AROUND), seq.0.saturating_add(AROUND));
            around = replay.records(&mut *disk, &keys, Seq(from), Seq(upto))?;
        }
        let end = if damaged.is_some() { "not resolved before the damage" } else { "not resolved yet" };
        Ok(around.iter().find(is_here).map(|moment| deeds(view, moment, &resolved, end, names)).unwrap_or_default())
    })?;
    home::end(damaged.as_ref(), true)
}

/// Shows the view and does what keys ask, until one leaves.
fn scrub(view: &mut View, mut deeds: impl FnMut(&View) -> Result<Vec<Said>, Trouble>) -> Result<(), Trouble> {
    let failed = |error: std::io::Error| Trouble::stream("the terminal", &error);
    terminal::restore_at_a_panic();
    let _whole = terminal::take_screen().map_err(failed)?;
    let mut screen = Terminal::new(CrosstermBackend::new(std::io::stdout())).map_err(failed)?;
    let mut shown = None;
    loop {
        let size = screen.size().map_err(failed)?;
        view.resize(size.width, size.height);
        if view.row().map(|row| row.seq) != shown {
            let said = deeds(view)?;
            view.show(said);
            shown = view.row().map(|row| row.seq);
        }
        screen.draw(|frame| view.draw(frame)).map_err(failed)?;
        while !event::poll(LOOK_EVERY).map_err(failed)? {
            if interrupt::asked() {
                return Err(Trouble::Said(interrupt::STATUS));
            }
        }
        // A key that is held down brings several before one is drawn: the last place counts.
        loop {
            match event::read().map_err(failed)? {
                Input::Key(key) if key.kind != KeyEventKind::Release => match view.press(key) {
                    Then::Stay => {}
                    Then::Leave => return Ok(()),
                    Then::Interrupt => return Err(Trouble::Said(interrupt::STATUS)),
                },
                _ => {}
            }
            if !event::poll(Duration::ZERO).map_err(failed)? {
                break;
            }
        }
    }
}

/// What a record says, for a narrow list: of an answer that refuses why.
fn listed(what: &str) -> String {
    what.strip_prefix("an answer, refused").map_or_else(|| what.to_owned(), |why| format!("refused{why}"))
}

fn said(indent: usize, text: impl AsRef<str>, tone: Tone) -> Said {
    Said { indent, sign: None, text: harmless(text.as_ref(), ""), tone }
}

/// What a record did: what it resolved, what it asked for and what came of that, or `not_yet`, and what it changed in the state.
fn deeds(view: &View, moment: &Moment, resolved: &BTreeMap<(u64, u32), (usize, Tone)>, not_yet: &str, names: bool) -> Vec<Said> {
    let (kind, what) = words(&moment.record.event);
    let mut lines = vec![said(0, format!("{kind}: {what}"), Tone::Plain), said(0, "", Tone::Plain)];
    if let Event::Resolved { effect: id, .. } = &moment.record.event
        && let Some(known) = moment.before.outstanding.get(id)
    {
        let what = with_reason(&asked_for(&known.effect), reason(&moment.before, *id).as_ref());
        lines.push(said(0, "resolved", Tone::Head));
        lines.push(said(2, format!("{}.{} {what}", id.seq, id.index), Tone::Plain));
        lines.push(said(0, "", Tone::Plain));
    }
    if !moment.effects.is_empty() {
        lines.push(said(0, "asked for", Tone::Head));
    }
    for (index, effect) in (0..).zip(&moment.effects) {
        let seq = moment.place.seq.0;
        // What nothing resolves need not catch the eye.
        let tone = if matches!(effect, Effect::Vault(_) | Effect::Send(_)) { Tone::Plain } else { Tone::Dim };
        let id = EffectId { seq: moment.place.seq, index, segment: moment.place.segment };
        let what = with_reason(&effect_words(effect, moment.place.stamp), reason(&moment.after, id).as_ref());
        lines.push(said(2, format!("{seq}.{index} {what}"), tone));
        let end = resolved.get(&(seq, index)).and_then(|(at, tone)| Some((view.row_at(*at)?, *tone)));
        match (end, effect) {
            (Some((row, tone)), _) => {
                let took = row.stamp_ms.saturating_sub(moment.place.stamp.0);
                lines.push(said(4, format!("at {} after {took} ms: {}", row.seq, came_to(&row.what)), tone));
            }
            (None, Effect::Vault(_) | Effect::Send(_)) => lines.push(said(4, not_yet, Tone::Warning)),
            (None, Effect::Arm(..) | Effect::Disarm(_) | Effect::Notify(_)) => {}
        }
    }
    if !moment.effects.is_empty() {
        lines.push(said(0, "", Tone::Plain));
    }
    let found = Tree::of(&moment.before, names).differences(&Tree::of(&moment.after, names));
    lines.push(said(0, if found.is_empty() { "changed nothing" } else { "changed" }, Tone::Head));
    lines.extend(changed(&found, view.deeds_width()).into_iter().map(|Changed { depth, sign, text }| Said {
        indent: 2 * depth + if sign.is_some() { 2 } else { 4 },
        sign,
        text: harmless(&text, ""),
        tone: match sign {
            Some('+') => Tone::Good,
            Some('-') => Tone::Bad,
            Some(_) => Tone::Warning,
            None => Tone::Plain,
        },
    }));
    lines
}

/// How the end of an effect looks.
fn tone_of(outcome: &Outcome) -> Tone {
    match outcome {
        Outcome::Refused(_) | Outcome::Fault(_) => Tone::Bad,
        Outcome::Unreachable => Tone::Warning,
        Outcome::Handed
        | Outcome::Framed { .. }
        | Outcome::Done
        | Outcome::Pinned { .. }
        | Outcome::Begun { .. }
        | Outcome::Opened(_)
        | Outcome::Followed(_) => Tone::Good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_why_an_answer_refuses() {
        assert_eq!(listed("an answer, refused: the name is taken"), "refused: the name is taken");
        assert_eq!(listed("17.0 a frame of 1584 bytes"), "17.0 a frame of 1584 bytes");
    }
}
