//! Write capabilities.

use super::*;

fn set(grant: &[Fingerprint], revoke: &[Fingerprint]) -> VaultOp {
    VaultOp::SetCapabilities { grant: grant.to_vec(), renew: Vec::new(), revoke: revoke.to_vec() }
}

fn done() -> Said {
    Said::CapabilitiesSet(wire::CapabilitiesSet {})
}

fn block(contact: Fingerprint, blocked: bool) -> Intent {
    Intent::BlockContact { contact, blocked }
}

#[test]
fn contacts_who_come_together_get_their_capabilities_in_one_request() {
    // Given two new contacts within a moment.
    let mut book = Book::registered();
    book.befriend(1, BOB, "bob");
    let deadline = book.deadline(TimerId::Grant);
    assert!(within_a_quarter(deadline.0 - book.now, GRANT_AFTER));
    book.befriend(2, CAROL, "carol");
    assert_eq!(book.deadline(TimerId::Grant), deadline, "the second does not put the first off");
    // When the moment is over.
    let effects = book.elapse(TimerId::Grant);
    // Then one request names both, and once the relay has it nothing more is due.
    assert_eq!(effects, [vault(set(&[BOB, CAROL], &[]))]);
    let frame = book.transmit(&Why::Grant(vec![BOB, CAROL], vec![]));
    assert_eq!(book.answer(frame, done()), [Effect::Disarm(TimerId::Retry(frame))]);
    assert_eq!((book.bob().granted, book.under_way()), (Some(book.stamp()), vec![]));
}

#[test]
fn capabilities_travel_on_the_named_lane() {
    let mut book = Book::registered();
    book.befriend(1, BOB, "bob");
    book.elapse(TimerId::Grant);
    let (_, effects) = book.frame(&Why::Grant(vec![BOB], vec![]));
    assert_eq!(sends(&effects), [Send { to: address(RELAY), lane: Lane::Named, frame: Seq(book.seq) }]);
}

#[test]
fn one_request_sets_so_many_and_the_rest_follows() {
    // Given more to give and to take back than one request holds.
    let mut book = Book::acquainted();
    let crowd = book.crowd(CAPABILITY_CONTACTS_MAX as u64 + 9);
    for contact in &crowd {
        book.state.contacts.get_mut(contact).expect("one of the crowd").granted = None;
    }
    book.ask(1, block(BOB, true));
    // When they have gathered, the request is as full as may be.
    let (first, rest) = crowd.split_at(CAPABILITY_CONTACTS_MAX);
    assert_eq!(book.elapse(TimerId::Grant), [vault(set(first, &[BOB]))]);
    // When the relay has them, the rest follows at once.
    let frame = book.transmit(&Why::Grant(first.to_vec(), vec![BOB]));
    assert_eq!(book.answer(frame, done()), [Effect::Disarm(TimerId::Retry(frame)), vault(set(rest, &[]))]);
    book.settle(&Why::Grant(rest.to_vec(), vec![]), done());
    assert_eq!(book.under_way(), []);
    assert!(crowd.iter().all(|contact| book.state.contacts[contact].granted.is_some()));
}

#[test]
fn nothing_is_set_offline_and_all_at_the_next_login() {
    let mut book = Book::acquainted();
    book.fall_offline();
    book.ask(1, block(BOB, true));
    assert_eq!(book.elapse(TimerId::Grant), []);
    book.elapse(TimerId::Login);
    let effects = book.log_in();
    assert!(ops(&effects).contains(&set(&[], &[BOB])), "{effects:?}");
    book.settle(&Why::Grant(vec![], vec![BOB]), done());
    assert!(book.state.revoke.is_empty());
}

#[test]
fn a_request_that_a_login_cut_off_is_made_again() {
    let mut book = Book::registered();
    book.befriend(1, BOB, "bob");
    book.elapse(TimerId::Grant);
    let frame = book.transmit(&Why::Grant(vec![BOB], vec![]));
    let effects = book.reconnect();
    assert!(!book.state.requests.contains_key(&frame));
    assert!(ops(&effects).contains(&set(&[BOB], &[])), "{effects:?}");
}

#[test]
fn a_capability_is_renewed_every_month_by_the_daily_round() {
    let mut book = Book::acquainted();
    let given = book.bob().granted.expect("a capability");
    // Given a round a moment before it is due.
    book.now = given.0 + CAPABILITY_EVERY.0 - 1;
    assert!(!ops(&book.elapse(TimerId::Tidy)).contains(&set(&[BOB], &[])));
    assert_eq!(book.bob().granted, Some(given));
    // When the next one comes.
    let effects = book.elapse(TimerId::Tidy);
    // Then a new one is asked for, and only once.
    let renewal = VaultOp::SetCapabilities { grant: Vec::new(), renew: vec![BOB], revoke: Vec::new() };
    assert!(ops(&effects).contains(&renewal), "{effects:?}");
    assert!(!ops(&book.elapse(TimerId::Tidy)).iter().any(|op| matches!(op, VaultOp::SetCapabilities { .. })));
    book.settle(&Why::Grant(vec![BOB], vec![]), done());
    assert_eq!(book.bob().granted, Some(book.stamp()));
}

#[test]
fn a_renewal_that_came_to_nothing_is_told_of_again_and_makes_no_third() {
    let mut book = Book::acquainted();
    book.now = book.bob().granted.expect("a capability").0 + CAPABILITY_EVERY.0;
    book.elapse(TimerId::Tidy);
    book.settle(&Why::Grant(vec![BOB], vec![]), refusal(Code::RelayBusy));
    let frame = book.under_way().iter().any(|why| matches!(why, Why::Grant(..)));
    assert!(frame, "a busy relay is asked again by itself");
    let effects = book.reconnect();
    assert!(ops(&effects).contains(&set(&[BOB], &[])), "{effects:?}");
}

#[test]
fn blocking_and_removing_take_the_capability_back() {
    for intent in [block(BOB, true), Intent::RemoveContact { contact: BOB }] {
        let mut book = Book::acquainted();
        book.ask(1, intent.clone());
        assert_eq!(book.elapse(TimerId::Grant), [vault(set(&[], &[BOB]))], "{intent:?}");
        book.settle(&Why::Grant(vec![], vec![BOB]), done());
        assert!(book.state.revoke.is_empty());
    }
}

#[test]
fn a_stranger_who_is_declined_had_none_to_take_back() {
    let mut book = Book::registered();
    book.receive(1, opened_message(BOB, 1, true));
    book.ask(2, Intent::DeclineContact { contact: BOB });
    assert!(book.state.revoke.is_empty() && !book.state.timers.contains_key(&TimerId::Grant));
}

#[test]
fn a_held_contact_gets_none_until_their_identity_is_settled() {
    let mut book = Book::registered();
    book.befriend(1, BOB, "bob");
    book.ask(2, Intent::AddContact { name: name("bob") });
    book.settle(&Why::Lookup(name("bob")), Said::Entry(wire::Entry::default()));
    book.resolve(&Why::Pin(name("bob")), pinned(CAROL, "bob", Some(BOB)));
    assert_eq!(book.elapse(TimerId::Grant), []);
    book.befriend(3, BOB, "bob");
    assert_eq!(book.elapse(TimerId::Grant), [vault(set(&[BOB], &[]))]);
}

#[test]
fn a_request_that_was_refused_is_made_again_at_the_next_login_and_not_before() {
    let mut book = Book::registered();
    book.befriend(1, BOB, "bob");
    book.elapse(TimerId::Grant);
    book.settle(&Why::Grant(vec![BOB], vec![]), refusal(Code::MalformedRequest));
    assert_eq!((book.under_way(), book.bob().granted), (vec![], None));
    assert!(!book.state.timers.contains_key(&TimerId::Grant));
    let effects = book.reconnect();
    assert!(ops(&effects).contains(&set(&[BOB], &[])), "{effects:?}");
}

#[test]
fn no_second_request_goes_while_one_is_under_way() {
    let mut book = Book::registered();
    book.befriend(1, BOB, "bob");
    book.elapse(TimerId::Grant);
    book.befriend(2, CAROL, "carol");
    assert_eq!(book.elapse(TimerId::Grant), [], "while the vault is at it");
    let frame = book.transmit(&Why::Grant(vec![BOB], vec![]));
    book.ask(3, block(BOB, true));
    assert_eq!(book.elapse(TimerId::Grant), [], "while the relay is at it");
    let effects = book.answer(frame, done());
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), vault(set(&[CAROL], &[BOB]))]);
}

#[test]
fn who_is_blocked_while_theirs_is_under_way_gets_a_new_one_when_unblocked() {
    // Given a contact who is blocked while the relay is told of their capability.
    let mut book = Book::registered();
    book.befriend(1, BOB, "bob");
    book.elapse(TimerId::Grant);
    book.ask(2, block(BOB, true));
    book.settle(&Why::Grant(vec![BOB], vec![]), done());
    // Then it is taken back, and is not counted as theirs.
    book.settle(&Why::Grant(vec![], vec![BOB]), done());
    assert_eq!(book.bob().granted, None);
    // When they are unblocked.
    book.ask(3, block(BOB, false));
    assert_eq!(book.elapse(TimerId::Grant), [vault(set(&[BOB], &[]))]);
}

#[test]
fn the_fullest_request_names_as_many_hashes_as_a_relay_takes() {
    // Given more capabilities to renew, and more to take back, than one request holds.
    let mut book = Book::acquainted();
    let crowd = book.crowd(CAPABILITY_CONTACTS_MAX as u64 * 2 + 1);
    let (renewed, blocked) = crowd.split_at(CAPABILITY_CONTACTS_MAX);
    for (number, contact) in (1..).zip(blocked) {
        book.ask(number, block(*contact, true));
    }
    book.now = book.bob().granted.expect("a capability").0 + CAPABILITY_EVERY.0;
    // When they are due, it is as full as may be: a renewal is two hashes, and so is one that is taken back.
    let [VaultOp::SetCapabilities { grant, renew, revoke }] = &ops(&book.elapse(TimerId::Grant))[..] else {
        panic!("one request");
    };
    assert_eq!((renew.len(), revoke.as_slice()), (CAPABILITY_CONTACTS_MAX, &blocked[..CAPABILITY_CONTACTS_MAX]));
    assert_eq!(grant.len() + 2 * renew.len() + 2 * revoke.len(), CAPABILITIES_SET_MAX);
    // Then the rest follows.
    let (told, revoked) = (renew.clone(), revoke.clone());
    let effects = book.settle(&Why::Grant(told, revoked), done());
    let rest =
        VaultOp::SetCapabilities { grant: vec![], renew: vec![renewed[renewed.len() - 1]], revoke: vec![blocked[blocked.len() - 1]] };
    assert_eq!(ops(&effects), [rest]);
}

#[test]
fn past_as_many_as_there_can_be_contacts_no_further_capability_waits_to_be_taken_back() {
    let mut book = Book::acquainted();
    let crowd = book.crowd(1);
    book.fall_offline();
    for number in 1..CONTACTS_MAX as u64 {
        let mut id = [200; 20];
        id[..8].copy_from_slice(&number.to_be_bytes());
        book.state.revoke.insert(Fingerprint(id));
    }
    book.ask(1, block(BOB, true));
    book.ask(2, block(crowd[0], true));
    assert_eq!(book.state.revoke.len(), CONTACTS_MAX);
    assert!(book.state.revoke.contains(&BOB) && !book.state.revoke.contains(&crowd[0]));
}
