//! What folding a capsule may cost. It comes from a stranger: no admission looked at its records, and no vault waited for them.

use thicket_journal_format::codec;
use thicket_reducer::{Link, State};
use thicket_types::event::{Arrived, Event, Opened, Outcome, TimerId};
use thicket_types::intent::Intent;
use thicket_types::limits::{
    CAPSULE_ALL_LEN_MAX, CAPSULE_ONE_LEN_MAX, CAPSULE_STEPS_MAX, CAPSULE_UNDER_WAY_MAX, TIDY_CONTACTS_MAX, WAYPOINTS_ENTRIES_MAX,
};

/// A fold is past a bound. Which one does not matter to anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooMuch;

/// What a fold cost so far.
#[derive(Default)]
pub(super) struct Cost {
    steps: u64,
}

impl Cost {
    /// Takes a record into account before it is folded: what is too much is not begun.
    pub(super) fn note(&mut self, state: &State, event: &Event) -> Result<(), TooMuch> {
        let under_way = state.requests.len().saturating_add(state.outstanding.len()).saturating_add(state.timers.len());
        self.steps = self.steps.saturating_add(steps(state, event));
        if under_way > CAPSULE_UNDER_WAY_MAX || self.steps > CAPSULE_STEPS_MAX { Err(TooMuch) } else { Ok(()) }
    }
}

/// Whether a state holds no more of anything than one that the rules came to: what they go through for a record is counted as if it did
/// not. Lists that hang on a request or an effect are copied with it, and each state that a replay keeps has them all: they are bounded by
/// their encoding.
pub(super) fn is_of_rules(state: &State) -> bool {
    let requests = state.requests.values().map(codec::encode);
    let outstanding = state.outstanding.values().map(codec::encode);
    let lens = requests.chain(outstanding).map(|encoded| encoded.map_or(usize::MAX, |bytes| bytes.len()));
    let (largest, all) = lens.fold((0, 0), |(largest, all): (usize, usize), len| (largest.max(len), all.saturating_add(len)));
    let fits = largest <= CAPSULE_ONE_LEN_MAX && all <= CAPSULE_ALL_LEN_MAX;
    fits && state.is_within_bounds() && state.entries() <= WAYPOINTS_ENTRIES_MAX
}

/// What the rules may go through for a record, in entries of the state: all contacts once, and all that is open once for each thing
/// that the record is about. What the rules bound for each contact, its receipts say, is taken for one.
fn steps(state: &State, event: &Event) -> u64 {
    let lists = [state.outbox.len(), state.requests.len(), state.outstanding.len(), state.queued(), state.held()];
    let open = lists.into_iter().map(count).fold(0, u64::saturating_add);
    let contacts = count(state.contacts.len());
    let things = match event {
        Event::Requested { id: _, intent } => match intent {
            Intent::Rejoin
            | Intent::Restore
            | Intent::TakeOver
            | Intent::BlockContact { .. }
            | Intent::RemoveContact { .. }
            | Intent::DeclineContact { .. } => open.saturating_add(contacts),
            _ => 1,
        },
        Event::Arrived(arrival) => match arrival.content {
            // A login or a registration: all goes on that waited for it.
            Arrived::Answer { .. } if state.session.link == Link::Asking => open.saturating_add(contacts),
            _ => 1,
        },
        Event::Elapsed { timer, fault: _ } => match timer {
            TimerId::Resume => open,
            TimerId::Tidy => count(TIDY_CONTACTS_MAX),
            _ => 1,
        },
        Event::Resolved { effect: _, outcome, vault_count: _ } => match outcome {
            Outcome::Begun { again } => count(again.len()),
            Outcome::Opened(Opened::Receipt { delivered, .. }) => count(delivered.len()),
            _ => 1,
        },
    };
    let each = open.saturating_add(1);
    contacts.saturating_add(things.max(1).saturating_mul(each))
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}
