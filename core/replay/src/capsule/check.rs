//! Whether a capsule makes the transitions that its journal makes.

use super::bound::{Cost, TooMuch};
use crate::fold::{Snapshots, fold_one};
use crate::view_digest::Numbering;
use thicket_engine::{Extent, Fault, Newest, ProfileKeys, Walked, kept, walk};
use thicket_journal_format::digest;
use thicket_reducer::{ClientRules, State, view};
use thicket_types::effect::{Change, Effect, Send};
use thicket_types::error::Code;
use thicket_types::event::{Lane, TimerId};
use thicket_types::ids::{Digest, Seq};
use thicket_types::intent::Answer;
use thicket_types::ports::Disk;
use thicket_types::vault_op::{Ask, VaultOp};

/// The kinds of all effects that a journal asks for, in order, record by record; and whom and what a frontend was told of, people and
/// messages by their numbers: what is about somebody else now is none of another kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Transitions {
    records: u64,
    asked: Digest,
    /// What a frontend sees after all, but for names.
    seen: Digest,
}

/// What a capsule of a journal begins with: the snapshot right before its oldest record; `None` if that is the first of all.
///
/// **Errors:** `BeginningGone` if no snapshot stands there; as of any walk.
pub(super) fn beginning(disk: &mut dyn Disk, keys: &ProfileKeys) -> Result<Option<Newest<State>>, Fault> {
    let Extent { begins, .. } = walk(disk, keys, None, &mut |_| {})?;
    if begins.seq == Seq::ZERO {
        return Ok(None);
    }
    let there = kept::<ClientRules>(disk, keys)?.into_iter().find(|kept| kept.durable == begins);
    there.map(Some).ok_or(Fault::from(Code::BeginningGone))
}

/// Folds a journal from where folds of it begin; the visitor sees each record. **Errors:** as [`bounded`].
pub(super) fn transitions(disk: &mut dyn Disk, keys: &ProfileKeys, visit: &mut dyn FnMut(&Walked<'_>)) -> Result<Transitions, Fault> {
    let (mut records, mut asked, mut numbering) = (0_u64, Digest([0; 32]), Numbering::default());
    let state = bounded(disk, keys, &mut |walked, effects| {
        numbering.note(effects);
        let about = |effect: &Effect| match effect {
            Effect::Notify(change) => format!("{} {:?};", kind(effect), numbering.numbers(change)),
            _ => kind(effect) + ";",
        };
        let kinds: String = effects.iter().map(about).collect();
        asked = digest(&[&asked.0, kinds.as_bytes()]);
        records = records.saturating_add(1);
        visit(walked);
    })?;
    let seen = numbering.mark(&view(&state), false)?;
    Ok(Transitions { records, asked, seen })
}

/// Folds a journal from where folds of it begin, as far as that costs no more than a capsule may; the visitor sees each record with what
/// it asked for. One walk, so that of a journal that is damaged further on no more is folded either, by whoever reads it up to there.
///
/// **Errors:** `TooMuchForCapsule`, before the record that is too much; otherwise as of any fold.
pub(super) fn bounded(disk: &mut dyn Disk, keys: &ProfileKeys, visit: &mut dyn FnMut(&Walked<'_>, &[Effect])) -> Result<State, Fault> {
    let mut snapshots = Snapshots::read(disk, keys)?;
    let (mut at, mut folded, mut cost) = (None, Ok(()), Cost::default());
    let walk = walk(disk, keys, None, &mut |walked| {
        snapshots.note(&walked);
        let seq = walked.place.seq;
        if let Some(at) = at.get_or_insert_with(|| snapshots.start(Seq(seq.0.saturating_sub(1))))
            && folded.is_ok()
            && seq > at.after
        {
            folded = cost
                .note(&at.state, &walked.record.event)
                .map_err(|TooMuch| Fault::from(Code::TooMuchForCapsule))
                .and_then(|()| fold_one(at, &walked, &mut |step| visit(&walked, step.effects)));
        }
    });
    folded?;
    let begins = walk?.begins;
    snapshots.hold(begins)?;
    let end = at.unwrap_or_else(|| snapshots.start(begins.seq));
    end.map(|at| at.state).ok_or(Fault::from(Code::JournalDamaged))
}

/// What an effect is, without what it is about.
pub(super) fn kind(effect: &Effect) -> String {
    match effect {
        Effect::Vault(op) => of_op(op),
        Effect::Send(Send { to: _, lane, frame }) => format!("send {} {frame}", of_lane(*lane)),
        Effect::Arm(timer, _) => format!("arm {}", of_timer(*timer)),
        Effect::Disarm(timer) => format!("disarm {}", of_timer(*timer)),
        Effect::Notify(change) => of_change(change),
    }
}

fn of_op(op: &VaultOp) -> String {
    let about = match op {
        VaultOp::Compose(ask) => match ask {
            Ask::Challenge => "Challenge",
            Ask::Lookup(_) => "Lookup",
            Ask::KeyPackage(_) => "KeyPackage",
            Ask::Fetch { .. } => "Fetch",
            Ask::Acknowledge { .. } => "Acknowledge",
            Ask::ReadLog(_) => "ReadLog",
        },
        _ => "",
    };
    let reads = op.frame().map_or(String::new(), |frame| frame.to_string());
    format!("{} {about}{reads}", op.word())
}

fn of_lane(lane: Lane) -> &'static str {
    match lane {
        Lane::Named => "named",
        Lane::Anonymous => "anonymous",
    }
}

fn of_timer(timer: TimerId) -> &'static str {
    match timer {
        TimerId::Retry(_) => "Retry",
        TimerId::Login => "Login",
        TimerId::Fetch => "Fetch",
        TimerId::Acknowledge => "Acknowledge",
        TimerId::Receipts(_) => "Receipts",
        TimerId::Advance(_) => "Advance",
        TimerId::Tidy => "Tidy",
        TimerId::Grant => "Grant",
        TimerId::Resume => "Resume",
    }
}

fn of_change(change: &Change) -> String {
    match change {
        Change::Answered { intent: _, answer } => match answer {
            Answer::Accepted => "accepted".to_owned(),
            Answer::Queued(_) => "queued".to_owned(),
            Answer::Refused(code) => format!("refused {}", code.number()),
        },
        Change::Registered => "Registered".to_owned(),
        Change::RegistrationRefused(code) => format!("RegistrationRefused {}", code.number()),
        Change::Connected => "Connected".to_owned(),
        Change::Disconnected(code) => format!("Disconnected {}", code.number()),
        Change::Contact(_) => "Contact".to_owned(),
        Change::LookupFailed { name: _, cause } => format!("LookupFailed {}", cause.number()),
        Change::IdentityChanged(_) => "IdentityChanged".to_owned(),
        Change::Received { contact: _, message: _ } => "Received".to_owned(),
        Change::Unreadable { contact: _, cause } => format!("Unreadable {}", cause.number()),
        Change::Message { message: _, state } => format!("Message {}", state.word()),
        Change::Dropped(code) => format!("Dropped {}", code.number()),
        Change::Read { contact: _ } => "Read".to_owned(),
        Change::KeysUpdated(_) => "KeysUpdated".to_owned(),
        Change::Forgotten { contact: _, message: _ } => "Forgotten".to_owned(),
    }
}
