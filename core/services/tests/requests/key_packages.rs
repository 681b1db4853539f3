use crate::desk::*;
use thicket_types::error::Code;
use thicket_types::ids::FrameId;
use thicket_types::limits::{KEY_PACKAGE_FOR, KEY_PACKAGE_LEN_MAX, KEY_PACKAGES, RELAY_ANSWERS_FOR, RELAY_ANSWERS_MAX, RETENTION};
use thicket_types::ports::Store as _;
use thicket_types::time::Duration;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{KeyPackage, KeyPackageAsk, PublishKeyPackages};

fn take(desk: &mut Desk, suites: &[u32]) -> Said {
    desk.said(OTHER_LANE, Ask::KeyPackage(KeyPackageAsk { suites: suites.to_vec(), ..key_package_ask("bob") }))
}

fn given(said: Said) -> (u8, bool, u32) {
    match said {
        Said::KeyPackage(KeyPackage { key_package, last_resort, suite }) => (key_package[0], last_resort, suite),
        other => panic!("{other:?}"),
    }
}

#[test]
fn key_packages_go_one_by_one_and_the_last_resort_stays() {
    let mut desk = Desk::new();
    desk.account(LANE, "bob");
    assert_eq!(code(take(&mut desk, &[SUITE])), Code::NoKeyPackage);
    desk.publish(LANE, 2, Some(9));
    let got: Vec<(u8, bool, u32)> = (0..4).map(|_| given(take(&mut desk, &[SUITE]))).collect();
    assert_eq!(got, [(1, false, 1), (2, false, 1), (9, true, 1), (9, true, 1)]);
    assert_eq!(desk.code(OTHER_LANE, Ask::KeyPackage(key_package_ask("nobody"))), Code::UnknownName);
    assert_eq!(desk.code(OTHER_LANE, Ask::KeyPackage(key_package_ask("server"))), Code::MalformedName);
}

#[test]
fn a_key_package_is_of_a_suite_that_the_asker_can_use() {
    let mut desk = Desk::new();
    desk.account(LANE, "bob");
    for (suite, one_time, last_resort) in [(1, vec![vec![11]], vec![19]), (2, vec![vec![21]], Vec::new())] {
        let publish = PublishKeyPackages { one_time, last_resort, suite, replaces: false };
        assert!(matches!(desk.said(LANE, Own::Publish(publish)), Said::Published(_)));
    }
    assert_eq!(code(take(&mut desk, &[3])), Code::NoKeyPackage);
    assert_eq!(given(take(&mut desk, &[3, 2, 1])), (21, false, 2));
    assert_eq!(given(take(&mut desk, &[2, 1])), (11, false, 1));
    assert_eq!(code(take(&mut desk, &[2])), Code::NoKeyPackage);
    assert_eq!(given(take(&mut desk, &[2, 1])), (19, true, 1));
}

#[test]
fn suites_must_be_named_and_few() {
    let mut desk = Desk::new();
    desk.account(LANE, "bob");
    desk.publish(LANE, 1, Some(9));
    assert_eq!(code(take(&mut desk, &[])), Code::MalformedRequest);
    assert_eq!(code(take(&mut desk, &[1; 17])), Code::TooLarge);
    let unnamed = PublishKeyPackages { one_time: vec![vec![1]], last_resort: Vec::new(), suite: 0, replaces: false };
    assert_eq!(desk.code(LANE, Own::Publish(unnamed)), Code::MalformedRequest);
    let suites: Vec<u32> = (0..16).rev().collect();
    assert_eq!(given(take(&mut desk, &suites)), (1, false, 1));
}

#[test]
fn too_many_and_too_large_packages_are_refused() {
    let mut desk = Desk::new();
    desk.account(LANE, "bob");
    for (one_time, last_resort) in [
        (vec![vec![1]; 2 * KEY_PACKAGES as usize + 1], Vec::new()),
        (vec![vec![1; KEY_PACKAGE_LEN_MAX + 1]], Vec::new()),
        (vec![Vec::new()], Vec::new()),
        (Vec::new(), vec![1; KEY_PACKAGE_LEN_MAX + 1]),
    ] {
        let publish = PublishKeyPackages { one_time, last_resort, suite: SUITE, replaces: false };
        assert_eq!(desk.code(LANE, Own::Publish(publish)), Code::TooLarge);
    }
    let largest = PublishKeyPackages { one_time: Vec::new(), last_resort: vec![1; KEY_PACKAGE_LEN_MAX], suite: SUITE, replaces: false };
    assert!(matches!(desk.said(LANE, Own::Publish(largest)), Said::Published(_)));
    let full =
        PublishKeyPackages { one_time: vec![vec![1]; 2 * KEY_PACKAGES as usize], last_resort: Vec::new(), suite: SUITE, replaces: false };
    assert!(matches!(desk.said(LANE, Own::Publish(full)), Said::Published(published) if published.key_packages == 2 * KEY_PACKAGES));
    let of_another_suite = PublishKeyPackages { one_time: vec![vec![1]], last_resort: Vec::new(), suite: 2, replaces: false };
    assert_eq!(desk.code(LANE, Own::Publish(of_another_suite)), Code::TooLarge, "the stock is one, whatever the suites");
}

#[test]
fn last_resorts_of_too_many_suites_are_refused() {
    let mut desk = Desk::new();
    desk.account(LANE, "bob");
    let of = |suite| Own::Publish(PublishKeyPackages { one_time: Vec::new(), last_resort: vec![1], suite, replaces: false });
    for suite in 1..=16 {
        assert!(matches!(desk.said(LANE, of(suite)), Said::Published(_)));
    }
    assert_eq!(desk.code(LANE, of(17)), Code::RelayBusy);
}

#[test]
fn login_and_fetch_tell_the_stock_so_that_its_owner_refills_it() {
    let mut desk = Desk::new();
    desk.account(LANE, "bob");
    let stock = |desk: &mut Desk| {
        let fetched = desk.fetched(LANE);
        let Said::LoggedIn(logged_in) = desk.log_in(LANE, "bob") else { panic!("a login") };
        assert_eq!((fetched.key_packages, fetched.last_resort), (logged_in.key_packages, logged_in.last_resort));
        (fetched.key_packages, fetched.last_resort)
    };
    assert_eq!(stock(&mut desk), (0, false));
    desk.publish(LANE, 1, Some(9));
    assert_eq!(stock(&mut desk), (1, true));
    take(&mut desk, &[SUITE]);
    assert_eq!(stock(&mut desk), (0, true));
    take(&mut desk, &[SUITE]);
    assert_eq!(stock(&mut desk), (0, false), "the last-resort one was given out");
    desk.publish(LANE, 0, Some(9));
    assert_eq!(stock(&mut desk), (0, false), "the same one again is not new");
    desk.publish(LANE, 0, Some(10));
    assert_eq!(stock(&mut desk), (0, true));
}

#[test]
fn a_stale_package_is_not_given_out_and_its_owner_is_told_of_none() {
    let mut desk = Desk::new();
    desk.account(LANE, "bob");
    desk.publish(LANE, 3, Some(9));
    let stock = |desk: &mut Desk| {
        let fetched = desk.fetched(LANE);
        (fetched.key_packages, fetched.last_resort)
    };
    desk.now = desk.now.after(KEY_PACKAGE_FOR);
    assert_eq!(given(take(&mut desk, &[SUITE])), (1, false, SUITE));
    assert_eq!(stock(&mut desk), (2, true));
    // Judged by the clock, before anything was cleaned away.
    desk.now = desk.now.after(Duration(1));
    assert_eq!(stock(&mut desk), (0, false), "so that its owner publishes others, if there is an owner");
    assert_eq!(given(take(&mut desk, &[SUITE])), (9, true, SUITE), "and is reached without");
    desk.publish(LANE, 1, Some(10));
    assert_eq!(stock(&mut desk), (1, true));
    assert_eq!(given(take(&mut desk, &[SUITE])), (1, false, SUITE));
    // What is stale takes no room from what comes.
    desk.publish(LANE, 100, Some(11));
    desk.now = desk.now.after(KEY_PACKAGE_FOR).after(Duration(1));
    desk.publish(LANE, 100, Some(12));
    assert_eq!(stock(&mut desk), (100, true));
}

#[test]
fn a_repeated_ask_spends_no_second_package() {
    let mut desk = Desk::new();
    desk.account(LANE, "bob");
    desk.publish(LANE, 2, None);
    let ask = desk.frame(Ask::KeyPackage(key_package_ask("bob")));
    let first = desk.hand(OTHER_LANE, &ask).answer;
    assert_eq!(desk.hand(OTHER_LANE, &ask).answer, first);
    assert_eq!(desk.fetched(LANE).key_packages, 1);
    // Remembered for a while.
    let mut repeated = |after: Duration| {
        desk.now = desk.now.after(after);
        desk.store.clean(desk.now, RETENTION).expect("a store in memory");
        desk.hand(OTHER_LANE, &ask).answer
    };
    assert_eq!(repeated(RELAY_ANSWERS_FOR), first);
    assert_ne!(repeated(Duration(1)), first);
    assert_eq!(desk.fetched(LANE).key_packages, 0);
}

#[test]
fn past_the_most_answers_the_first_is_forgotten_and_its_repeat_is_done_again() {
    let mut desk = Desk::new();
    desk.account(LANE, "bob");
    desk.publish(LANE, 4, None);
    let asks = [(); 2].map(|()| desk.frame(Ask::KeyPackage(key_package_ask("bob"))));
    let given = |desk: &mut Desk, ask: &[u8]| given(desk.answer_to(OTHER_LANE, ask)).0;
    assert_eq!(asks.each_ref().map(|ask| given(&mut desk, ask)), [1, 2]);
    // When others get as many answers but one.
    for number in 1..u64::try_from(RELAY_ANSWERS_MAX).expect("small") {
        let mut frame = [0; 32];
        frame[..8].copy_from_slice(&number.to_be_bytes());
        desk.store.remember_answer(LANE, FrameId(frame), &[1], desk.now).expect("a store in memory");
    }
    assert_eq!([given(&mut desk, &asks[1]), given(&mut desk, &asks[0])], [2, 3]);
}

#[test]
fn a_publication_that_replaces_leaves_nothing_of_what_there_was() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    let two_suites = PublishKeyPackages { one_time: vec![vec![21]], last_resort: vec![29], suite: 2, replaces: false };
    assert!(matches!(desk.said(LANE, Own::Publish(two_suites)), Said::Published(_)));
    let full =
        PublishKeyPackages { one_time: vec![vec![1]; 2 * KEY_PACKAGES as usize - 1], last_resort: vec![9], suite: SUITE, replaces: false };
    assert!(matches!(desk.said(LANE, Own::Publish(full)), Said::Published(_)));
    // There is no room for one more; what replaces needs none, but is bounded too.
    let replacing =
        |count: usize| PublishKeyPackages { one_time: vec![vec![2]; count], last_resort: vec![10], suite: SUITE, replaces: true };
    assert_eq!(desk.code(LANE, Own::Publish(replacing(2 * KEY_PACKAGES as usize + 1))), Code::TooLarge);
    let said = desk.said(LANE, Own::Publish(replacing(1)));
    assert!(matches!(said, Said::Published(published) if published.key_packages == 1));
    let mut given = || desk.said(OTHER_LANE, Ask::KeyPackage(KeyPackageAsk { suites: vec![2, SUITE], ..key_package_ask("alice") }));
    let expected = |package, last_resort| Said::KeyPackage(KeyPackage { key_package: vec![package], last_resort, suite: SUITE });
    assert_eq!((given(), given()), (expected(2, false), expected(10, true)));
}
