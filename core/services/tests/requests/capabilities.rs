use crate::desk::*;
use thicket_services::Policy;
use thicket_types::error::Code;
use thicket_types::ids::MailboxId;
use thicket_types::limits::{CAPABILITIES_MAX, CAPABILITIES_SET_MAX};
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{Acknowledge, Fetch, SetCapabilities};

/// Bob's mailbox at a desk that asks strangers for stamps, with capabilities 1 and 2.
fn desk() -> (Desk, MailboxId) {
    let mut desk = Desk::with(Policy { stamp_bits: 4, capability_items_max: 2, request_box_items_max: 2, ..Policy::default() });
    let mailbox = desk.account(LANE, "bob");
    desk.set_capabilities(LANE, &[1, 2], &[]);
    (desk, mailbox)
}

fn by(desk: &mut Desk, number: u8, mailbox: MailboxId, envelope: u8) -> Said {
    desk.said(OTHER_LANE, Ask::Put(put_by(number, mailbox, &[envelope])))
}

#[test]
fn who_shows_a_capability_needs_no_stamp() {
    let (mut desk, mailbox) = desk();
    assert!(matches!(by(&mut desk, 1, mailbox, 1), Said::Stored(_)));
    assert_eq!(desk.fetched(LANE).waiting, 1);
}

#[test]
fn a_full_capability_refuses_only_itself() {
    let (mut desk, mailbox) = desk();
    for envelope in 1..=2 {
        assert!(matches!(by(&mut desk, 1, mailbox, envelope), Said::Stored(_)));
    }
    assert_eq!(code(by(&mut desk, 1, mailbox, 3)), Code::QuotaReached);
    assert!(matches!(by(&mut desk, 1, mailbox, 2), Said::Stored(_)), "what it has is stored again");
    assert!(matches!(by(&mut desk, 2, mailbox, 3), Said::Stored(_)), "another capability");
    let mut stranger = put(mailbox, &[4]);
    stranger.stamp = Some(desk.put_stamp(mailbox, &[4], 4));
    assert!(matches!(desk.said(OTHER_LANE, Ask::Put(stranger)), Said::Stored(_)), "a stranger");
    // Taking one item away makes room for one.
    desk.said(LANE, Own::Acknowledge(Acknowledge { cursors: vec![1] }));
    assert!(matches!(by(&mut desk, 1, mailbox, 5), Said::Stored(_)));
    assert_eq!(code(by(&mut desk, 1, mailbox, 6)), Code::QuotaReached);
}

#[test]
fn a_full_request_box_does_not_hurt_who_has_a_capability() {
    let (mut desk, mailbox) = desk();
    desk.policy.stamp_bits = 0;
    for envelope in 1..=2 {
        assert!(matches!(desk.said(OTHER_LANE, Ask::Put(put(mailbox, &[envelope]))), Said::Stored(_)));
    }
    for bits in [0, 4] {
        desk.policy.stamp_bits = bits;
        assert_eq!(desk.code(OTHER_LANE, Ask::Put(put(mailbox, &[9]))), Code::RequestBoxFull, "and asks for no work");
    }
    assert!(matches!(by(&mut desk, 1, mailbox, 3), Said::Stored(_)));
    // What a contact sent comes before what strangers sent.
    let fetch = desk.owner_frame(LANE, Own::Fetch(Fetch { items_max: 64, ..Fetch::default() }));
    let envelopes: Vec<u8> = desk.hand(LANE, &fetch).items.iter().map(|(_, envelope)| envelope[0]).collect();
    assert_eq!(envelopes, [3, 1, 2]);
}

#[test]
fn who_shows_a_capability_that_was_taken_back_is_a_stranger() {
    let (mut desk, mailbox) = desk();
    assert!(matches!(by(&mut desk, 1, mailbox, 1), Said::Stored(_)));
    desk.set_capabilities(LANE, &[], &[1]);
    assert_eq!(bits(by(&mut desk, 1, mailbox, 2)), 4);
    assert!(matches!(by(&mut desk, 1, mailbox, 1), Said::Stored(_)), "what it has is stored again");
    assert!(matches!(by(&mut desk, 2, mailbox, 3), Said::Stored(_)), "another capability");
    assert_eq!(bits(by(&mut desk, 9, mailbox, 4)), 4, "one that never was");
    let mut stamped = put_by(1, mailbox, &[2]);
    stamped.stamp = Some(desk.put_stamp(mailbox, &[2], 4));
    assert!(matches!(desk.said(OTHER_LANE, Ask::Put(stamped)), Said::Stored(_)), "with a stamp it goes into the request box");
    assert_eq!(desk.fetched(LANE).waiting, 3, "what it brought before stays");
    desk.set_capabilities(LANE, &[1], &[]);
    assert!(matches!(by(&mut desk, 1, mailbox, 5), Said::Stored(_)));
    assert_eq!(code(by(&mut desk, 1, mailbox, 6)), Code::QuotaReached, "what it brought before counts");
}

#[test]
fn a_capability_is_of_one_mailbox() {
    let (mut desk, _) = desk();
    let carol = desk.account(OTHER_LANE, "carol");
    assert_eq!(bits(by(&mut desk, 1, carol, 1)), 4);
}

#[test]
fn a_repeat_that_comes_late_gives_nothing_back() {
    let (mut desk, mailbox) = desk();
    let digest = crate::sha256::digest(&capability(3)).to_vec();
    let late = desk.owner_frame(LANE, Own::Capabilities(SetCapabilities { add: vec![digest], remove: Vec::new() }));
    assert!(matches!(desk.answer_to(LANE, &late), Said::CapabilitiesSet(_)));
    desk.set_capabilities(LANE, &[], &[3]);
    assert!(matches!(desk.answer_to(LANE, &late), Said::CapabilitiesSet(_)), "its first answer");
    assert_eq!(bits(by(&mut desk, 3, mailbox, 1)), 4, "and it was not done again");
}

#[test]
fn malformed_and_too_many_capabilities_are_refused_whole() {
    let (mut desk, mailbox) = desk();
    let set = |add, remove| Own::Capabilities(SetCapabilities { add, remove });
    let good = crate::sha256::digest(&capability(3)).to_vec();
    for (add, remove) in [(vec![good.clone(), vec![1; 31]], Vec::new()), (vec![good.clone()], vec![vec![1; 33]])] {
        assert_eq!(desk.code(LANE, set(add, remove)), Code::MalformedRequest);
    }
    let many = vec![good.clone(); CAPABILITIES_SET_MAX];
    assert_eq!(desk.code(LANE, set(many.clone(), vec![good.clone()])), Code::TooLarge);
    assert_eq!(bits(by(&mut desk, 3, mailbox, 1)), 4, "nothing of it was done");
    assert!(matches!(desk.said(LANE, set(many, Vec::new())), Said::CapabilitiesSet(_)));
    assert!(matches!(by(&mut desk, 3, mailbox, 1), Said::Stored(_)));
}

#[test]
fn past_the_most_a_mailbox_may_have_the_relay_is_busy() {
    let (mut desk, _) = desk();
    let digests: Vec<Vec<u8>> = (2..CAPABILITIES_MAX).map(|number| [&number.to_be_bytes()[..], &[0; 24]].concat()).collect();
    for part in digests.chunks(CAPABILITIES_SET_MAX) {
        let set = SetCapabilities { add: part.to_vec(), remove: Vec::new() };
        assert!(matches!(desk.said(LANE, Own::Capabilities(set)), Said::CapabilitiesSet(_)));
    }
    let one_more = |remove| Own::Capabilities(SetCapabilities { add: vec![vec![1; 32]], remove });
    assert_eq!(desk.code(LANE, one_more(Vec::new())), Code::RelayBusy);
    assert!(matches!(desk.said(LANE, one_more(vec![digests[0].clone()])), Said::CapabilitiesSet(_)), "one for one");
}
