use crate::desk::*;
use thicket_services::Policy;
use thicket_types::error::Code;
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
    let fetch = desk.owner_frame(LANE, Own::Fetch(Fetch { items_max: 64 }));
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
