//! The lanes: what may not be linked, and what may not go before the login.

use super::*;

fn anonymous(effects: &[Effect]) -> Vec<Send> {
    sends(effects).into_iter().filter(|send| send.lane == Lane::Anonymous).collect()
}

#[test]
fn nothing_anonymous_goes_before_the_login() {
    // Given a process that begins to log in while messages wait.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let held = book.transmit(&Why::Message(message(1)));
    book.ask(2, Intent::Connect);
    // When the vault makes more, time passes, and the relay is slow.
    book.ask(3, send_to(BOB, 3));
    let (made, effects) = book.frame(&Why::Message(message(3)));
    assert_eq!(anonymous(&effects), []);
    if book.state.timers.contains_key(&TimerId::Retry(held)) {
        assert_eq!(anonymous(&book.elapse(TimerId::Retry(held))), []);
    }
    assert_eq!(anonymous(&book.settle(&Why::Challenge, challenge(RELAY_KEY))), []);
    // The login itself does not wait.
    let (frame, effects) = book.frame(&Why::Login);
    assert_eq!(sends(&effects), [Send { to: address(RELAY), lane: Lane::Named, frame: Seq(book.seq) }]);
    // Nor does the moment of the login send any.
    let effects = book.answer(frame, logged_in(50, true));
    assert_eq!(anonymous(&effects), []);
    let at = book.stamp();
    // But a while after it all goes, in the order of its making, with the same bytes.
    let records = [held, made].map(|frame| book.state.requests[&frame].frame);
    let mut sent = Vec::new();
    while sent.len() < 2 {
        sent.extend(anonymous(&book.go_on(1)));
        assert!(sent.is_empty() || book.stamp() >= at.after(RESEND_AFTER), "at the moment of the login");
    }
    assert_eq!(sent.iter().map(|send| send.frame).collect::<Vec<Seq>>(), records);
}

#[test]
fn what_is_asked_at_the_moment_of_the_login_waits_as_well() {
    let mut book = Book::talking();
    book.reconnect();
    let at = book.state.session.since;
    book.now = at.0 + RESEND_AFTER.0 - 1;
    book.ask(1, send_to(BOB, 1));
    let (frame, effects) = book.frame(&Why::Message(message(1)));
    assert_eq!(sends(&effects), []);
    assert_eq!(book.state.requests[&frame].tries, 0);
    let record = book.state.requests[&frame].frame;
    let sent = anonymous(&book.go_on(2));
    assert_eq!(sent, [Send { to: address(RELAY), lane: Lane::Anonymous, frame: record }]);
    assert!(book.stamp() >= at.after(RESEND_AFTER));
    assert_eq!(book.state.requests[&frame].tries, 1);
}

#[test]
fn from_then_on_nothing_waits() {
    let mut book = Book::talking();
    book.reconnect();
    book.now = book.state.session.since.after(RESEND_AFTER).0;
    book.ask(1, send_to(BOB, 1));
    let (_, effects) = book.frame(&Why::Message(message(1)));
    assert_eq!(anonymous(&effects).len(), 1);
}

#[test]
fn the_named_lane_does_not_wait() {
    let mut book = Book::registered();
    book.ask(1, Intent::Connect);
    for why in [Why::Challenge, Why::Login] {
        let (frame, effects) = book.frame(&why);
        assert_eq!(sends(&effects), [Send { to: address(RELAY), lane: Lane::Named, frame: Seq(book.seq) }]);
        book.answer(frame, if why == Why::Challenge { challenge(RELAY_KEY) } else { logged_in(50, true) });
    }
    let (_, effects) = book.frame(&Why::Fetch);
    assert_eq!(sends(&effects), [Send { to: address(RELAY), lane: Lane::Named, frame: Seq(book.seq) }]);
}

#[test]
fn a_link_that_breaks_holds_the_anonymous_lane_until_the_next_login() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::Message(message(1)));
    book.fall_offline();
    assert_eq!(sends(&book.elapse(TimerId::Retry(frame))), []);
    book.ask(2, send_to(BOB, 2));
    let (_, effects) = book.frame(&Why::Message(message(2)));
    assert_eq!(sends(&effects), []);
    book.elapse(TimerId::Login);
    book.log_in();
    let sent: BTreeSet<Seq> = anonymous(&book.go_on(8)).iter().map(|send| send.frame).collect();
    assert_eq!(sent.len(), 2);
}

#[test]
fn a_held_request_is_not_lost_when_the_link_breaks_at_the_moment_of_the_login() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::Message(message(1)));
    book.reconnect();
    // When the link breaks before what is held went, and comes again at once.
    book.reconnect();
    let record = book.state.requests[&frame].frame;
    let sent = anonymous(&book.go_on(8));
    assert!(sent.contains(&Send { to: address(RELAY), lane: Lane::Anonymous, frame: record }), "{sent:?}");
    assert!(book.stamp() >= book.state.session.since.after(RESEND_AFTER));
}

#[test]
fn what_a_process_was_handing_over_when_it_died_is_left_to_the_login_of_the_next() {
    // Given a frame for each lane whose handing was not resolved.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let (put, _) = book.frame(&Why::Message(message(1)));
    book.elapse(TimerId::Fetch);
    book.frame(&Why::Fetch);
    // When the next process asks what to do.
    let outstanding = ClientRules::outstanding(&book.state);
    // Then the named one alone is dispatched again.
    let lanes: Vec<Lane> =
        outstanding.iter().filter_map(|(_, effect)| if let Effect::Send(send) = effect { Some(send.lane) } else { None }).collect();
    assert_eq!(lanes, [Lane::Named]);
    // And the other goes with the same bytes when it is logged in.
    let record = book.state.requests[&put].frame;
    book.reconnect();
    let effects = book.elapse(TimerId::Resume);
    assert_eq!(anonymous(&effects).iter().map(|send| send.frame).collect::<Vec<_>>(), [record]);
}

fn makes(effects: &[Effect]) -> Option<(u32, bool)> {
    ops(effects).iter().find_map(|op| match op {
        VaultOp::MakeKeyPackages { count, last_resort, .. } => Some((*count, *last_resort)),
        _ => None,
    })
}

#[test]
fn key_packages_that_the_relay_refused_are_not_made_anew_at_each_fetch() {
    let low = || Said::Fetched(wire::Fetched { waiting: 0, key_packages: 0, last_resort: true });
    let mut book = Book::registered();
    book.elapse(TimerId::Fetch);
    assert_eq!(makes(&book.settle(&Why::Fetch, low())), Some((50, false)));
    book.settle(&Why::Publish, refusal(Code::TooLarge));
    let refused = book.now;
    book.elapse(TimerId::Fetch);
    assert_eq!(makes(&book.settle(&Why::Fetch, low())), None);
    book.now = refused + REFILL_AFTER.0 - 1;
    book.elapse(TimerId::Fetch);
    assert_eq!(makes(&book.settle(&Why::Fetch, low())), None);
    // The next fetch is asked for before the time, and answered at it.
    book.elapse(TimerId::Fetch);
    let frame = book.transmit(&Why::Fetch);
    book.now = refused + REFILL_AFTER.0;
    assert_eq!(makes(&book.answer(frame, low())), Some((50, false)));
}

#[test]
fn a_relay_that_says_each_time_that_it_has_no_last_resort_key_package_gets_one_an_hour() {
    let said = |key_packages| Said::Fetched(wire::Fetched { waiting: 0, key_packages, last_resort: false });
    let mut book = Book::registered();
    book.now += REFILL_AFTER.0;
    book.elapse(TimerId::Fetch);
    assert_eq!(makes(&book.settle(&Why::Fetch, said(50))), Some((0, true)));
    book.settle(&Why::Publish, Said::Published(wire::Published { key_packages: 50 }));
    let published = book.now;
    book.elapse(TimerId::Fetch);
    assert_eq!(makes(&book.settle(&Why::Fetch, said(50))), None);
    // Those for one person each are another matter.
    book.elapse(TimerId::Fetch);
    assert_eq!(makes(&book.settle(&Why::Fetch, said(0))), Some((50, false)));
    book.settle(&Why::Publish, Said::Published(wire::Published { key_packages: 50 }));
    book.now = book.now.max(published + 2 * REFILL_AFTER.0);
    book.elapse(TimerId::Fetch);
    assert_eq!(makes(&book.settle(&Why::Fetch, said(50))), Some((0, true)));
}
