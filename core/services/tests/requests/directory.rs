use crate::desk::*;
use thicket_types::error::Code;
use thicket_types::limits::{RELAY_ANSWERS_FOR, RETENTION};
use thicket_types::ports::Store as _;
use thicket_types::time::Duration;
use thicket_types::wire::context;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::{MailboxKey, PublishMailboxKey};

fn publish(desk: &mut Desk, mailbox_key: MailboxKey) -> Said {
    desk.said(LANE, Own::MailboxKey(PublishMailboxKey { mailbox_key: Some(mailbox_key) }))
}

fn shown(desk: &mut Desk) -> MailboxKey {
    match desk.said(OTHER_LANE, lookup("alice")) {
        Said::Entry(entry) => entry.mailbox_key.expect("a key"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_shows_what_was_registered() {
    let mut desk = Desk::new();
    let mailbox = desk.account(LANE, "Alice");
    match desk.said(OTHER_LANE, lookup("aLICE")) {
        Said::Entry(entry) => {
            assert_eq!(
                (entry.name.as_str(), entry.certificate.as_slice(), entry.mailbox.as_slice()),
                ("Alice", &b"Alice"[..], &mailbox.0[..])
            );
            assert_eq!(entry.mailbox_key, Some(mailbox_key("Alice", 3, 0)));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(desk.code(OTHER_LANE, lookup("bob")), Code::UnknownName);
    assert_eq!(desk.code(OTHER_LANE, lookup("server")), Code::MalformedName);
}

#[test]
fn a_new_mailbox_key_takes_the_place_of_the_one_there_was() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    let renewed = mailbox_key("alice", 4, 1_000);
    assert!(matches!(publish(&mut desk, renewed.clone()), Said::MailboxKeyPublished(_)));
    assert_eq!(shown(&mut desk), renewed);
    assert!(matches!(publish(&mut desk, renewed.clone()), Said::MailboxKeyPublished(_)), "the same one again");
    assert_eq!(shown(&mut desk), renewed);
}

#[test]
fn a_late_repeat_puts_back_no_older_mailbox_key_and_a_slow_clock_keeps_out_no_newer() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    let (older, newer) = (mailbox_key("alice", 4, 1_000), mailbox_key("alice", 5, 1_001));
    let late = desk.owner_frame(LANE, Own::MailboxKey(PublishMailboxKey { mailbox_key: Some(older.clone()) }));
    assert!(matches!(desk.answer_to(LANE, &late), Said::MailboxKeyPublished(_)));
    assert!(matches!(publish(&mut desk, newer.clone()), Said::MailboxKeyPublished(_)));
    // The same bytes, doubled on the way: the first answer, and nothing else.
    assert!(matches!(desk.answer_to(LANE, &late), Said::MailboxKeyPublished(_)));
    assert_eq!(shown(&mut desk), newer);
    // Later in the session, when the answer is forgotten, they are told that they are not of it any more, and do nothing.
    desk.now = desk.now.after(RELAY_ANSWERS_FOR).after(Duration(1));
    desk.store.clean(desk.now, RETENTION).expect("a store in memory");
    assert_eq!(code(desk.answer_to(LANE, &late)), Code::NotLoggedIn);
    assert_eq!(shown(&mut desk), newer);
    // From a session before they count for nothing.
    assert!(matches!(desk.log_in(LANE, "alice"), Said::LoggedIn(_)));
    desk.now = desk.now.after(RELAY_ANSWERS_FOR).after(Duration(1));
    desk.store.clean(desk.now, RETENTION).expect("a store in memory");
    assert_eq!(code(desk.answer_to(LANE, &late)), Code::NotLoggedIn);
    assert_eq!(shown(&mut desk), newer);
    // What its owner publishes now holds, whatever their clock says.
    assert!(matches!(publish(&mut desk, older.clone()), Said::MailboxKeyPublished(_)));
    assert_eq!(shown(&mut desk), older);
}

#[test]
fn a_mailbox_key_must_be_the_identitys_own_and_well_formed() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    desk.account(OTHER_LANE, "mallory");
    assert_eq!(desk.code(LANE, Own::MailboxKey(PublishMailboxKey { mailbox_key: None })), Code::MalformedRequest);
    assert_eq!(code(publish(&mut desk, mailbox_key("mallory", 4, 1))), Code::BadSignature);
    // Signed by alice, and about somebody else.
    let theirs = mailbox_key("mallory", 4, 1).statement;
    let signed = MailboxKey { signature: signature(b"alice", context::MAILBOX_KEY, &theirs), statement: theirs };
    assert_eq!(code(publish(&mut desk, signed)), Code::MalformedRequest);
    let short = mailbox_key("alice", 4, 1).statement[..20].to_vec();
    let torn = MailboxKey { signature: signature(b"alice", context::MAILBOX_KEY, &short), statement: short };
    assert_eq!(code(publish(&mut desk, torn)), Code::MalformedRequest);
    assert_eq!(shown(&mut desk), mailbox_key("alice", 3, 0), "none of it changed the entry");
}
