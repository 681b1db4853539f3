//! What no state holds that the rules came to.

use super::*;
use thicket_types::limits::RECEIPTS_HELD_MAX;

/// What there is too much of, and how it comes to be.
type More<'a> = (&'a str, &'a dyn Fn(&mut State));

#[test]
fn a_state_with_one_entry_more_of_anything_than_the_rules_keep_is_past_its_bounds() {
    let book = Book::talking();
    assert!(book.state.is_within_bounds());
    let people = || (0..CONTACTS_MAX as u64).map(|number| Fingerprint(core::array::from_fn(|at| number.to_be_bytes()[at % 8])));
    let messages = |count: usize| (0..count as u128).map(|number| MessageId(number.to_be_bytes()));
    let bob = book.bob().clone();
    let outgoing = Outgoing { contact: BOB, body: None, again: false, astray: false, state: MessageState::Queued, at: Stamp(1) };
    let held = crate::Held { envelope: Seq(1), len: 1, at: Stamp(1) };
    let more: [More<'_>; 8] = [
        ("contacts", &|state| state.contacts.extend(people().map(|id| (id, bob.clone())))),
        ("outbox", &|state| state.outbox.extend(messages(OUTBOX_MAX + 1).map(|id| (id, outgoing.clone())))),
        ("queue", &|state| state.contacts.values_mut().for_each(|known| known.queue = messages(OUTBOX_MAX + 1).collect())),
        ("receipts", &|state| state.contacts.values_mut().for_each(|known| known.receipts = messages(RECEIPTS_HELD_MAX + 1).collect())),
        ("early", &|state| state.early.extend(people().take(HELD_FRAMES_MAX + 1).map(|id| (id, vec![held])))),
        ("early of one", &|state| drop(state.early.insert(BOB, vec![held; HELD_FRAMES_MAX + 1]))),
        ("unacknowledged", &|state| state.unacknowledged.extend(0..=ACKNOWLEDGE_MAX as u64 * 4)),
        ("revoke", &|state| state.revoke.extend(people().chain([BOB]))),
    ];
    for (what, more) in more {
        let mut state = book.state.clone();
        more(&mut state);
        assert!(!state.is_within_bounds(), "{what}");
    }
}
