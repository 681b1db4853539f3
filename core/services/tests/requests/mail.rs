use crate::desk::*;
use thicket_services::Policy;
use thicket_types::error::Code;
use thicket_types::limits::{ACKNOWLEDGE_MAX, CAPABILITY_ITEMS_MAX, FETCH_ITEMS_MAX, MAILBOX_ITEMS_MAX, REQUEST_BOX_ITEMS_MAX};
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{Acknowledge, Fetch, Put};

#[test]
fn mail_is_put_once_fetched_in_order_and_forgotten_when_acknowledged() {
    let mut desk = Desk::new();
    let mailbox = desk.account(LANE, "bob");
    let put = |envelope: u8| Ask::Put(put(mailbox, &[envelope; 10]));
    let frame = desk.frame(put(1));
    assert!(desk.hand(OTHER_LANE, &frame).stored.is_some(), "new mail is pushed");
    assert!(desk.hand(OTHER_LANE, &frame).stored.is_none(), "a repeat is not");
    assert!(matches!(desk.said(OTHER_LANE, put(1)), Said::Stored(_)), "nor the same envelope in another request, and it is stored");
    desk.said(OTHER_LANE, put(2));
    let fetch = desk.owner_frame(LANE, Own::Fetch(Fetch { items_max: 64, ..Fetch::default() }));
    let handled = desk.hand(LANE, &fetch);
    let items: Vec<u8> = handled.items.iter().map(|(_, envelope)| envelope[0]).collect();
    assert_eq!(items, [1, 2]);
    let cursors = handled.items.iter().map(|(cursor, _)| *cursor).collect();
    assert!(matches!(desk.said(LANE, Own::Acknowledge(Acknowledge { cursors })), Said::Acknowledged(_)));
    assert_eq!(desk.fetched(LANE).waiting, 0);
    desk.said(OTHER_LANE, put(1));
    assert_eq!(desk.fetched(LANE).waiting, 0, "known for the retention");
}

#[test]
fn a_put_names_a_mailbox_and_at_most_one_whole_capability() {
    let mut desk = Desk::new();
    let mailbox = desk.account(LANE, "bob");
    let put = put(mailbox, &[1]);
    assert_eq!(desk.code(OTHER_LANE, Ask::Put(Put { mailbox: vec![5; 16], ..put.clone() })), Code::UnknownMailbox);
    let lost = Put { mailbox: vec![5; 16], capability: capability(1), ..put.clone() };
    assert_eq!(desk.code(OTHER_LANE, Ask::Put(lost)), Code::UnknownMailbox);
    assert_eq!(desk.code(OTHER_LANE, Ask::Put(Put { mailbox: vec![5; 3], ..put.clone() })), Code::MalformedRequest);
    for len in [1, 31, 33] {
        assert_eq!(desk.code(OTHER_LANE, Ask::Put(Put { capability: vec![1; len], ..put.clone() })), Code::MalformedRequest, "{len}");
    }
    assert_eq!(desk.fetched(LANE).waiting, 0);
    assert_eq!(desk.code(LANE, Own::Acknowledge(Acknowledge { cursors: vec![1; 257] })), Code::TooLarge);
}

#[test]
fn a_full_mailbox_refuses_all_but_what_it_has() {
    let mut desk = Desk::with(Policy { stamp_bits: 0, mailbox_items_max: 2, ..Policy::default() });
    let mailbox = desk.account(LANE, "bob");
    desk.set_capabilities(LANE, &[1], &[]);
    desk.said(OTHER_LANE, Ask::Put(put(mailbox, &[1])));
    desk.said(OTHER_LANE, Ask::Put(put_by(1, mailbox, &[2])));
    assert_eq!(desk.code(OTHER_LANE, Ask::Put(put(mailbox, &[3]))), Code::MailboxFull);
    assert_eq!(desk.code(OTHER_LANE, Ask::Put(put_by(1, mailbox, &[3]))), Code::MailboxFull);
    for kept in [put(mailbox, &[1]), put(mailbox, &[2]), put_by(1, mailbox, &[1])] {
        assert!(matches!(desk.said(OTHER_LANE, Ask::Put(kept)), Said::Stored(_)));
    }
    desk.said(LANE, Own::Acknowledge(Acknowledge { cursors: vec![1] }));
    assert!(matches!(desk.said(OTHER_LANE, Ask::Put(put(mailbox, &[3]))), Said::Stored(_)));
}

#[test]
fn a_fetch_brings_so_many_items_and_the_next_one_the_rest() {
    let mut desk = Desk::with(Policy { stamp_bits: 0, request_box_items_max: 100, ..Policy::default() });
    let mailbox = desk.account(LANE, "bob");
    for number in 0..=u8::try_from(FETCH_ITEMS_MAX).expect("small") {
        desk.said(OTHER_LANE, Ask::Put(put(mailbox, &[number])));
    }
    let fetch = |desk: &mut Desk| {
        let frame = desk.owner_frame(LANE, Own::Fetch(Fetch { items_max: u32::MAX, ..Fetch::default() }));
        desk.hand(LANE, &frame).items.into_iter().map(|(cursor, _)| cursor).collect::<Vec<u64>>()
    };
    let first = fetch(&mut desk);
    assert_eq!(u32::try_from(first.len()), Ok(FETCH_ITEMS_MAX));
    assert_eq!(desk.fetched(LANE).waiting, FETCH_ITEMS_MAX + 1);
    assert!(matches!(desk.said(LANE, Own::Acknowledge(Acknowledge { cursors: first })), Said::Acknowledged(_)));
    assert_eq!(fetch(&mut desk).len(), 1);
}

#[test]
fn an_acknowledgement_names_items_to_the_bound_and_no_more() {
    let mut desk = Desk::new();
    let mailbox = desk.account(LANE, "bob");
    desk.said(OTHER_LANE, Ask::Put(put(mailbox, &[1])));
    let acknowledge = |count: usize| Own::Acknowledge(Acknowledge { cursors: vec![1; count] });
    assert_eq!(desk.code(LANE, acknowledge(ACKNOWLEDGE_MAX + 1)), Code::TooLarge);
    assert_eq!(desk.fetched(LANE).waiting, 1);
    assert!(matches!(desk.said(LANE, acknowledge(ACKNOWLEDGE_MAX)), Said::Acknowledged(_)));
    assert_eq!(desk.fetched(LANE).waiting, 0);
}

#[test]
fn request_box_capability_and_mailbox_hold_as_many_as_the_table_says() {
    // Given a relay with the table's bounds, which asks for no stamps.
    let mut desk = Desk::new();
    let mailbox = desk.account(LANE, "bob");
    let capabilities: Vec<u8> = (1..=20).collect();
    desk.set_capabilities(LANE, &capabilities, &[]);
    let mut number = 0_u64;
    let mut fill = |desk: &mut Desk, ask: &dyn Fn(&[u8]) -> Put| {
        let mut stored = 0;
        loop {
            number += 1;
            match desk.said(OTHER_LANE, Ask::Put(ask(&number.to_be_bytes()))) {
                Said::Stored(_) => stored += 1,
                refused => return (stored, code(refused)),
            }
        }
    };
    // When each is filled, the next item is refused.
    assert_eq!(fill(&mut desk, &|envelope| put(mailbox, envelope)), (REQUEST_BOX_ITEMS_MAX, Code::RequestBoxFull));
    let mut left = MAILBOX_ITEMS_MAX - REQUEST_BOX_ITEMS_MAX;
    // Then a capability takes half of what is left at most, so that it takes many to leave nothing.
    for capability in capabilities {
        let filled = fill(&mut desk, &|envelope| put_by(capability, mailbox, envelope));
        let expected = CAPABILITY_ITEMS_MAX.min(left.div_ceil(2));
        left -= expected;
        assert_eq!(filled, (expected, if left > 0 { Code::QuotaReached } else { Code::MailboxFull }), "capability {capability}");
        if left == 0 {
            assert_eq!(capability, 15);
            break;
        }
    }
    assert_eq!(u64::from(desk.fetched(LANE).waiting), MAILBOX_ITEMS_MAX);
}

#[test]
fn few_contacts_who_send_without_end_leave_the_others_room() {
    let mut desk = Desk::with(Policy { mailbox_items_max: 100, capability_items_max: 30, ..Policy::default() });
    let mailbox = desk.account(LANE, "bob");
    desk.set_capabilities(LANE, &[1, 2, 3, 4, 5, 6], &[]);
    let put = |capability: u8, number: u8| Ask::Put(put_by(capability, mailbox, &[capability, number]));
    // Given five who send without end, in turn.
    let sent = (0..100).flat_map(|number| [1, 2, 3, 4, 5].map(|capability| (capability, number)));
    let stored = sent.filter(|(capability, number)| matches!(desk.said(OTHER_LANE, put(*capability, *number)), Said::Stored(_))).count();
    assert!((80..90).contains(&stored), "{stored}");
    // Then a sixth writes all the same, and is no longer held up when there is room again.
    for number in 0..8 {
        assert!(matches!(desk.said(OTHER_LANE, put(6, number)), Said::Stored(_)), "{number}");
    }
    assert_eq!(desk.code(OTHER_LANE, put(6, 99)), Code::QuotaReached);
    let first: Vec<u64> = (1..=64).collect();
    assert!(matches!(desk.said(LANE, Own::Acknowledge(Acknowledge { cursors: first })), Said::Acknowledged(_)));
    assert!(matches!(desk.said(OTHER_LANE, put(6, 99)), Said::Stored(_)));
}
