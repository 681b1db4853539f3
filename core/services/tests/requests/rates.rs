use crate::desk::*;
use thicket_services::Policy;
use thicket_types::error::Code;
use thicket_types::ids::LaneTag;
use thicket_types::limits::{LANE_REQUEST_EVERY, LANE_REQUESTS_MAX, OUTBOX_MAX, REQUESTS_MAX};
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{Challenge, ChallengeAsk, Fetch, Proof};

const THIRD_LANE: LaneTag = LaneTag([3; 16]);

fn challenge(name: &str) -> Ask {
    Ask::Challenge(ChallengeAsk { name: name.to_owned() })
}

fn busy(desk: &mut Desk, tag: LaneTag, ask: impl Into<Asking>) -> bool {
    matches!(desk.said(tag, ask), Said::Refusal(refusal) if refusal.code == Code::RelayBusy.number())
}

/// Asks on a lane until it is refused.
fn flood(desk: &mut Desk, tag: LaneTag, mut ask: impl FnMut() -> Ask) -> u64 {
    let mut count = 0;
    while !busy(desk, tag, ask()) {
        count += 1;
    }
    count
}

#[test]
fn a_lane_that_asks_too_much_is_refused_whatever_it_asks_and_no_other_is() {
    let mut desk = Desk::new();
    let mailbox = desk.account(LANE, "alice");
    assert_eq!(flood(&mut desk, OTHER_LANE, || lookup("nobody")), LANE_REQUESTS_MAX, "what is refused counts too");
    for ask in [challenge("alice"), lookup("alice"), Ask::KeyPackage(key_package_ask("alice")), Ask::Put(put(mailbox, b"new"))] {
        assert!(busy(&mut desk, OTHER_LANE, ask));
    }
    assert_eq!(code(desk.answer_to(OTHER_LANE, b"no request")), Code::RelayBusy);
    assert_eq!(desk.fetched(LANE).waiting, 0, "neither is the put there");
    // What an owner asks counts by the lane that it comes on.
    while !busy(&mut desk, LANE, Own::Fetch(Fetch { items_max: 1, ..Fetch::default() })) {}
    assert!(matches!(desk.log_in(THIRD_LANE, "alice"), Said::LoggedIn(_)), "her next lane has its own share");
    desk.now = desk.now.after(LANE_REQUEST_EVERY);
    assert!(matches!(desk.said(OTHER_LANE, Ask::Put(put(mailbox, b"new"))), Said::Stored(_)));
    assert_eq!(flood(&mut desk, OTHER_LANE, || lookup("nobody")), 1, "what was paid for counts for nothing");
}

#[test]
fn what_is_stored_counts_for_nothing_and_its_repeats_do() {
    let mut desk = Desk::with(Policy { capability_items_max: u64::MAX, mailbox_items_max: u64::MAX, ..Policy::default() });
    let mailbox = desk.account(LANE, "alice");
    desk.set_capabilities(LANE, &[1], &[]);
    let message = |number: u64| Ask::Put(put_by(1, mailbox, &number.to_be_bytes()));
    for number in 0..2 * LANE_REQUESTS_MAX {
        assert!(matches!(desk.said(OTHER_LANE, message(number)), Said::Stored(_)), "{number}");
    }
    assert_eq!(flood(&mut desk, OTHER_LANE, || message(7)), LANE_REQUESTS_MAX);
}

/// A client that comes back asks again for all that it has open; what was stored before is paid for by nothing then.
#[test]
fn all_that_a_client_may_have_open_is_less_than_a_lanes_share() {
    let open = u64::try_from(OUTBOX_MAX + REQUESTS_MAX).expect("small");
    assert!(open + open / 2 <= LANE_REQUESTS_MAX, "{open}");
}

#[test]
fn an_ask_whose_stamp_was_spent_counts_for_nothing_and_one_that_brings_none_does() {
    let mut desk = Desk::with(Policy { stamp_bits: 1, ..Policy::default() });
    desk.account(LANE, "bob");
    desk.publish(LANE, 1, Some(9));
    let bare = || Ask::KeyPackage(key_package_ask("bob"));
    for _ in 1..LANE_REQUESTS_MAX {
        assert_eq!(desk.code(OTHER_LANE, bare()), Code::StampNeeded);
    }
    for bits in [6, 7, 7] {
        let nonce = desk.nonce();
        let stamp = Some(desk.ask_stamp(&nonce, "bob", bits));
        let frame = frame_of(&nonce, Ask::KeyPackage(thicket_types::wire::relay::KeyPackageAsk { stamp, ..key_package_ask("bob") }));
        assert!(matches!(desk.answer_to(OTHER_LANE, &frame), Said::KeyPackage(_)));
    }
    assert_eq!(flood(&mut desk, OTHER_LANE, bare), 1);
}

#[test]
fn a_lane_that_floods_keeps_nobody_from_logging_in() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    // Given Alice with a challenge that she has not answered yet.
    let proof = desk.proof(THIRD_LANE, "alice");
    // When another lane asks for challenges, also under her name, for as long as hers is good.
    let mut opened = 0;
    while desk.now.0 < proof.until_ms {
        for name in ["alice", "mallory"] {
            match desk.said(OTHER_LANE, challenge(name)) {
                Said::Challenge(Challenge { .. }) => opened += 1,
                Said::Refusal(refusal) => assert_eq!(refusal.code, Code::RelayBusy.number()),
                other => panic!("{other:?}"),
            }
        }
        desk.now.0 += LANE_REQUEST_EVERY.0 / 4;
    }
    assert!(opened > LANE_REQUESTS_MAX, "{opened}");
    assert!(busy(&mut desk, OTHER_LANE, challenge("alice")) || busy(&mut desk, OTHER_LANE, challenge("alice")));
    // Then she is let in by it, and so is whoever asks next.
    assert!(matches!(desk.said(THIRD_LANE, login(&proof, "alice")), Said::LoggedIn(_)));
    assert!(matches!(desk.register_as(LaneTag([4; 16]), "bob", "bob"), Said::Registered(_)));
    let Proof { nonce, .. } = desk.proof(LANE, "alice");
    assert_ne!(nonce, proof.nonce);
}
