use crate::desk::*;
use thicket_services::{Policy, Registration};
use thicket_types::error::Code;
use thicket_types::limits;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;

fn register_with(desk: &mut Desk, name: &str, token: &str) -> Said {
    let proof = desk.proof(LANE, name);
    let mut register = registration(&proof, name);
    token.clone_into(&mut register.token);
    desk.said(LANE, Ask::Register(signed_registration(&register)))
}

fn tokens(tokens: &[&str]) -> Policy {
    let tokens = tokens.iter().map(|token| (*token).to_owned()).collect();
    Policy { registration: Registration::Tokens(tokens), ..Policy::default() }
}

#[test]
fn the_default_is_open_and_has_the_limits_of_the_table() {
    let policy = Policy::default();
    assert_eq!(policy.registration, Registration::Open);
    assert_eq!(
        (policy.mailbox_items_max, policy.capability_items_max, policy.request_box_items_max),
        (limits::MAILBOX_ITEMS_MAX, limits::CAPABILITY_ITEMS_MAX, limits::REQUEST_BOX_ITEMS_MAX)
    );
    assert_eq!((policy.stamp_bits, policy.retention, policy.logs_max), (limits::STAMP_BITS, limits::RETENTION, limits::LOGS_MAX));
    let mut desk = Desk::with(policy);
    assert!(matches!(register_with(&mut desk, "alice", "whatever"), Said::Registered(_)));
}

#[test]
fn a_closed_relay_takes_no_new_account_and_keeps_those_there_are() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    desk.policy.registration = Registration::Closed;
    assert_eq!(code(register_with(&mut desk, "bob", "")), Code::RegistrationClosed);
    assert_eq!(desk.code(OTHER_LANE, lookup("bob")), Code::UnknownName);
    assert!(matches!(register_with(&mut desk, "alice", ""), Said::Registered(_)), "the same identity again");
    assert_eq!(code(desk.register_as(LANE, "alice", "alice#2")), Code::NameTaken, "another identity");
    assert!(matches!(desk.log_in(LANE, "alice"), Said::LoggedIn(_)));
}

#[test]
fn a_new_account_needs_one_of_the_tokens_whole() {
    let mut desk = Desk::with(tokens(&["first", "second"]));
    for (at, wrong) in ["", "firs", "first ", "First", "third", "firstsecond"].into_iter().enumerate() {
        assert_eq!(code(register_with(&mut desk, &format!("n{at}"), wrong)), Code::BadToken, "{wrong}");
    }
    for (name, right) in [("alice", "second"), ("bob", "first"), ("carol", "first")] {
        assert!(matches!(register_with(&mut desk, name, right), Said::Registered(_)), "{name}");
    }
    assert!(matches!(register_with(&mut desk, "alice", ""), Said::Registered(_)), "the same identity again");
}

#[test]
fn an_empty_token_or_none_lets_nobody_in() {
    for policy in [tokens(&[]), tokens(&[""])] {
        assert_eq!(code(register_with(&mut Desk::with(policy), "alice", "")), Code::BadToken);
    }
}

#[test]
fn past_the_most_accounts_the_relay_is_busy_for_newcomers() {
    let mut desk = Desk::with(Policy { accounts_max: 2, ..Policy::default() });
    desk.account(LANE, "alice");
    desk.account(LANE, "bob");
    assert_eq!(code(register_with(&mut desk, "carol", "")), Code::RelayBusy);
    assert!(matches!(register_with(&mut desk, "bob", ""), Said::Registered(_)));
    assert_eq!(desk.code(OTHER_LANE, lookup("carol")), Code::UnknownName);
    desk.policy.accounts_max = 3;
    assert!(matches!(register_with(&mut desk, "carol", ""), Said::Registered(_)));
}

#[test]
fn a_refused_registration_changes_nothing() {
    let mut desk = Desk::with(tokens(&["first"]));
    assert_eq!(code(register_with(&mut desk, "alice", "wrong")), Code::BadToken);
    assert_eq!(desk.code(LANE, Own::Fetch(thicket_types::wire::relay::Fetch { items_max: 1, ..Default::default() })), Code::NotLoggedIn);
    assert_eq!(code(desk.log_in(LANE, "alice")), Code::UnknownName);
}

#[test]
fn tokens_are_not_printed() {
    let printed = format!("{:?}", tokens(&["hunter2", "swordfish"]));
    assert!(!printed.contains("hunter2") && !printed.contains("swordfish"), "{printed}");
}
