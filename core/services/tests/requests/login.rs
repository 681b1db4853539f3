use crate::desk::*;
use prost::Message as _;
use std::path::Path;
use thicket_store::SqliteStore;
use thicket_types::error::Code;
use thicket_types::ids::{LaneTag, MailboxId};
use thicket_types::limits::{GENERATIONS_MAX, LANES_MAX};
use thicket_types::name::Name;
use thicket_types::ports::{Account, Store};
use thicket_types::wire::context;
use thicket_types::wire::relay::answer::Said;
use thicket_types::wire::relay::request::Ask;
use thicket_types::wire::relay::{
    Acknowledge, Fetch, Login, LoginStatement, Owner, OwnerStatement, PublishKeyPackages, PublishMailboxKey, SetCapabilities,
};

/// The lane of a copy of the profile, or of the same one after a restart.
const THIRD_LANE: LaneTag = LaneTag([3; 16]);

fn kept(desk: &mut Desk) -> Option<[u8; 16]> {
    desk.store.generation(&Name::parse("alice").expect("a name").key()).expect("a store in memory")
}

fn log_in_with(desk: &mut Desk, change: impl FnOnce(&mut LoginStatement)) -> Said {
    let proof = desk.proof(THIRD_LANE, "alice");
    let mut login = login_with(&proof, &[], [9; 16]);
    change(&mut login);
    desk.said(THIRD_LANE, Ask::Login(signed_login(&login, "alice")))
}

/// A login whose statement was changed after it was signed.
fn log_in_changed(desk: &mut Desk, change: impl FnOnce(&mut LoginStatement)) -> Said {
    let proof = desk.proof(THIRD_LANE, "alice");
    let mut login = login_with(&proof, &[], [9; 16]);
    let signature = signed_login(&login, "alice").signature;
    change(&mut login);
    desk.said(THIRD_LANE, Ask::Login(Login { statement: login.encode_to_vec(), signature }))
}

#[test]
fn a_login_is_by_the_registered_key_and_ends_the_one_before() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    let proof = desk.proof(OTHER_LANE, "alice");
    assert_eq!(desk.code(OTHER_LANE, login(&proof, "mallory")), Code::BadSignature, "a login by another key");
    assert_eq!(code(desk.log_in(OTHER_LANE, "nobody")), Code::UnknownName);
    assert_eq!(desk.fetched(LANE).waiting, 0, "neither took the lane");
    assert!(matches!(desk.log_in(OTHER_LANE, "alice"), Said::LoggedIn(_)));
    assert_eq!(desk.code(LANE, Own::Fetch(Fetch { items_max: 1, ..Fetch::default() })), Code::NotLoggedIn);
}

#[test]
fn what_needs_a_login_is_refused_without_one() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    for ask in [
        Own::Fetch(Fetch { items_max: 1, ..Fetch::default() }),
        Own::Acknowledge(Acknowledge { cursors: vec![1] }),
        Own::Publish(PublishKeyPackages { one_time: Vec::new(), last_resort: vec![1], suite: SUITE, replaces: false }),
        Own::MailboxKey(PublishMailboxKey { mailbox_key: Some(mailbox_key("alice", 4, 1)) }),
        Own::Capabilities(SetCapabilities { add: vec![vec![1; 32]], remove: Vec::new() }),
    ] {
        assert_eq!(desk.code(OTHER_LANE, ask), Code::NotLoggedIn);
    }
}

#[test]
fn what_an_owner_asks_is_bound_to_relay_session_and_request() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    desk.account(OTHER_LANE, "bob");
    let ask = || Own::Acknowledge(Acknowledge { cursors: vec![1] });
    let nonce = desk.nonce();
    let good = desk.statement(LANE, &nonce, ask());
    let hand = |desk: &mut Desk, lane, statement: &OwnerStatement, certificate: &str| {
        desk.answer_to(lane, &frame_of(&nonce, Ask::Owner(owner(statement, certificate))))
    };
    assert_eq!(code(hand(&mut desk, LANE, &good, "mallory")), Code::BadSignature, "another key");
    let elsewhere = OwnerStatement { relay_key: vec![8; 32], ..good.clone() };
    assert_eq!(code(hand(&mut desk, LANE, &elsewhere, "alice")), Code::BadSignature, "another relay");
    let reused = OwnerStatement { nonce: vec![8; 16], ..good.clone() };
    assert_eq!(code(hand(&mut desk, LANE, &reused, "alice")), Code::BadSignature, "another request's");
    let before = OwnerStatement { session: vec![8; 32], ..good.clone() };
    assert_eq!(code(hand(&mut desk, LANE, &before, "alice")), Code::NotLoggedIn, "another session's");
    assert_eq!(code(hand(&mut desk, OTHER_LANE, &good, "alice")), Code::NotLoggedIn, "another lane's");
    let mut other_purpose = owner(&good, "alice");
    other_purpose.signature = signature(b"alice", context::LOGIN, &other_purpose.statement);
    assert_eq!(code(desk.answer_to(LANE, &frame_of(&nonce, Ask::Owner(other_purpose)))), Code::BadSignature);
    assert_eq!(code(hand(&mut desk, LANE, &OwnerStatement { ask: None, ..good.clone() }, "alice")), Code::MalformedRequest);
    let torn = Owner { statement: vec![0xff], signature: Vec::new() };
    assert_eq!(desk.code(LANE, Ask::Owner(torn)), Code::MalformedRequest);
    // Once more after another login: what was signed in the session before is not done.
    assert!(matches!(desk.log_in(LANE, "alice"), Said::LoggedIn(_)));
    assert_eq!(code(hand(&mut desk, LANE, &good, "alice")), Code::NotLoggedIn);
    let again = desk.statement(LANE, &nonce, ask());
    assert!(matches!(hand(&mut desk, LANE, &again, "alice"), Said::Acknowledged(_)));
}

#[test]
fn a_request_that_was_refused_takes_no_number_and_one_without_a_number_is_refused() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    let mut hand = |mailbox_key, number| {
        let nonce = desk.nonce();
        let statement = desk.statement(LANE, &nonce, Own::MailboxKey(PublishMailboxKey { mailbox_key }));
        let statement = OwnerStatement { number, ..statement };
        desk.answer_to(LANE, &frame_of(&nonce, Ask::Owner(owner(&statement, "alice"))))
    };
    assert_eq!(code(hand(None, 5)), Code::MalformedRequest);
    assert!(matches!(hand(Some(mailbox_key("alice", 4, 1)), 5), Said::MailboxKeyPublished(_)));
    assert_eq!(code(hand(Some(mailbox_key("alice", 5, 1)), 5)), Code::NotLoggedIn, "the number is taken");
    assert_eq!(code(hand(Some(mailbox_key("alice", 5, 1)), 0)), Code::MalformedRequest);
    // One that was overtaken on the way is done.
    assert!(matches!(hand(Some(mailbox_key("alice", 6, 1)), 4), Said::MailboxKeyPublished(_)));
}

#[test]
fn a_device_that_knows_the_generation_there_is_swaps_it() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    let said = log_in_with(&mut desk, |login| login.known = vec![vec![7; 16], GENERATION.to_vec(), vec![8; 16]]);
    assert!(matches!(said, Said::LoggedIn(_)));
    assert_eq!(kept(&mut desk), Some([9; 16]));
    // The answer was lost, and the device asks again under the generation that it gave: the relay holds it already.
    assert!(matches!(log_in_with(&mut desk, |_| ()), Said::LoggedIn(_)));
    assert_eq!(kept(&mut desk), Some([9; 16]));
}

#[test]
fn an_account_without_a_generation_takes_the_first_that_comes() {
    let mut desk = Desk::new();
    let account = Account {
        name: "alice".to_owned(),
        fingerprint: fingerprint("alice"),
        certificate: b"alice".to_vec(),
        mailbox: MailboxId([5; 16]),
        mailbox_key_statement: Vec::new(),
        mailbox_key_signature: Vec::new(),
    };
    desk.store.put_account(&Name::parse("alice").expect("a name").key(), &account).expect("a store in memory");
    assert!(matches!(log_in_with(&mut desk, |_| ()), Said::LoggedIn(_)));
    assert_eq!(kept(&mut desk), Some([9; 16]));
}

#[test]
fn a_copied_profile_is_refused_and_takes_neither_lane_nor_generation() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    // The first copy goes on, and swaps.
    assert!(matches!(log_in_with(&mut desk, |login| login.known = vec![GENERATION.to_vec()]), Said::LoggedIn(_)));
    // The second knows only what both knew.
    let proof = desk.proof(OTHER_LANE, "alice");
    let stale = Ask::Login(signed_login(&login_with(&proof, &[[7; 16], GENERATION], [5; 16]), "alice"));
    assert_eq!(desk.code(OTHER_LANE, stale), Code::ProfileCopied);
    assert_eq!(kept(&mut desk), Some([9; 16]));
    assert_eq!(desk.fetched(THIRD_LANE).waiting, 0, "the first is still logged in");
    assert_eq!(desk.code(OTHER_LANE, Own::Fetch(Fetch { items_max: 1, ..Fetch::default() })), Code::NotLoggedIn);
    // The person decides for the second.
    let proof = desk.proof(OTHER_LANE, "alice");
    let taking = LoginStatement { takes_over: true, ..login_with(&proof, &[], [5; 16]) };
    assert!(matches!(desk.said(OTHER_LANE, Ask::Login(signed_login(&taking, "alice"))), Said::LoggedIn(_)));
    assert_eq!(kept(&mut desk), Some([5; 16]));
    // Now the first is the stale one.
    assert_eq!(code(log_in_with(&mut desk, |login| login.known = vec![GENERATION.to_vec(), vec![9; 16]])), Code::ProfileCopied);
}

#[test]
fn a_fetch_swaps_the_generation_of_who_is_logged_in() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    let fetch = |generation: &[u8]| Own::Fetch(Fetch { items_max: 1, generation: generation.to_vec() });
    for short in [1, 15, 17] {
        assert_eq!(desk.code(LANE, fetch(&vec![5; short])), Code::MalformedRequest);
    }
    assert_eq!(desk.code(OTHER_LANE, fetch(&[5; 16])), Code::NotLoggedIn);
    assert_eq!(kept(&mut desk), Some(GENERATION));
    assert!(matches!(desk.said(LANE, fetch(&[5; 16])), Said::Fetched(_)));
    assert_eq!(kept(&mut desk), Some([5; 16]));
    assert_eq!(desk.fetched(LANE).waiting, 0);
    assert_eq!(kept(&mut desk), Some([5; 16]), "a fetch without one leaves it");
    // A copy that was made in this session, before that fetch, does not know it.
    let proof = desk.proof(THIRD_LANE, "alice");
    let copy = Ask::Login(signed_login(&login_with(&proof, &[GENERATION], [9; 16]), "alice"));
    assert_eq!(desk.code(THIRD_LANE, copy), Code::ProfileCopied);
}

#[test]
fn a_fetch_that_comes_again_brings_what_waits_and_puts_no_older_generation_back() {
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fetch-again.db");
    // What an earlier run left, if anything.
    let _ = std::fs::remove_file(&place);
    puts_no_older_generation_back(Desk::new());
    puts_no_older_generation_back(Desk::over(SqliteStore::open(&place).expect("a store")));
}

fn puts_no_older_generation_back(mut desk: Desk<impl Store>) {
    let mailbox = desk.account(LANE, "alice");
    let alice = Name::parse("alice").expect("a name").key();
    desk.said(OTHER_LANE, Ask::Put(put(mailbox, b"mail")));
    let swapping = |generation: u8| Own::Fetch(Fetch { items_max: 1, generation: vec![generation; 16] });
    // Given a session that gave a generation, and an hour later another.
    let early = desk.owner_frame(LANE, swapping(5));
    let mail = [(1, b"mail".to_vec())];
    assert_eq!(desk.hand(LANE, &early).items, mail);
    // Its answer was lost: the same frame brings the same.
    assert_eq!((desk.hand(LANE, &early).items.as_slice(), desk.store.generation(&alice)), (mail.as_slice(), Ok(Some([5; 16]))));
    assert!(matches!(desk.said(LANE, swapping(6)), Said::Fetched(_)));
    // When the first comes once more, then it brings what waits, and the later generation stays.
    let again = desk.hand(LANE, &early);
    assert_eq!((again.items.as_slice(), again.refused), (mail.as_slice(), false));
    assert_eq!(desk.store.generation(&alice), Ok(Some([6; 16])));
    // So is one that comes when nobody knows any more whether it was done.
    let late = desk.owner_frame(LANE, swapping(7));
    (0..65).for_each(|_| assert!(matches!(desk.said(LANE, swapping(8)), Said::Fetched(_))));
    assert_eq!((desk.hand(LANE, &late).items.as_slice(), desk.store.generation(&alice)), (mail.as_slice(), Ok(Some([8; 16]))));
    // One without a number is none, unless it swaps nothing.
    let mut unnumbered = |ask: Own| {
        let nonce = desk.nonce();
        let statement = OwnerStatement { number: 0, ..desk.statement(LANE, &nonce, ask) };
        desk.answer_to(LANE, &frame_of(&nonce, Ask::Owner(owner(&statement, "alice"))))
    };
    assert_eq!(code(unnumbered(swapping(9))), Code::MalformedRequest);
    assert!(matches!(unnumbered(Own::Fetch(Fetch { items_max: 1, ..Fetch::default() })), Said::Fetched(_)));
    assert_eq!(desk.store.generation(&alice), Ok(Some([8; 16])));
}

#[test]
fn taking_over_needs_the_signature_and_well_formed_generations() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    // Whether it takes over, and what it knows and gives, is signed.
    assert_eq!(code(log_in_changed(&mut desk, |login| login.takes_over = true)), Code::BadSignature);
    assert_eq!(code(log_in_changed(&mut desk, |login| login.known = vec![GENERATION.to_vec()])), Code::BadSignature);
    assert_eq!(code(log_in_changed(&mut desk, |login| login.generation = vec![8; 16])), Code::BadSignature);
    let known =
        |count: usize, len: usize| move |login: &mut LoginStatement| (login.takes_over, login.known) = (true, vec![vec![1; len]; count]);
    assert_eq!(code(log_in_with(&mut desk, known(1, 15))), Code::MalformedRequest);
    assert_eq!(code(log_in_with(&mut desk, known(GENERATIONS_MAX + 1, 16))), Code::TooLarge);
    let torn = log_in_with(&mut desk, |login| (login.takes_over, login.generation) = (true, vec![9; 17]));
    assert_eq!(code(torn), Code::MalformedRequest);
    // Shapes are looked at after the signature: who can't sign learns nothing.
    let both = log_in_changed(&mut desk, |login| login.generation = Vec::new());
    assert_eq!(code(both), Code::BadSignature);
    assert_eq!(kept(&mut desk), Some(GENERATION));
    assert!(matches!(log_in_with(&mut desk, known(GENERATIONS_MAX, 16)), Said::LoggedIn(_)));
}

#[test]
fn a_repeated_login_gets_its_first_answer() {
    let mut desk = Desk::new();
    desk.account(LANE, "alice");
    let proof = desk.proof(THIRD_LANE, "alice");
    let frame = desk.frame(Ask::Login(signed_login(&login_with(&proof, &[GENERATION], [9; 16]), "alice")));
    let first = desk.answer_to(THIRD_LANE, &frame);
    assert!(matches!(first, Said::LoggedIn(_)));
    assert_eq!(desk.answer_to(THIRD_LANE, &frame), first);
    assert_eq!(code(desk.answer_to(OTHER_LANE, &frame)), Code::ChallengeUnknown, "on another lane it is a replay");
}

#[test]
fn past_as_many_lanes_as_may_be_logged_in_the_idlest_is_put_out_and_told() {
    // Given Alice's lane, and as many that are logged in after hers.
    let crowded = |others: usize| {
        let mut desk = Desk::new();
        desk.account(LANE, "alice");
        for number in 0..others {
            let mut tag = [0; 16];
            tag[..8].copy_from_slice(&(number + 1).to_be_bytes());
            desk.store.bind_lane(LaneTag(tag), &Name::parse(&format!("n{number}")).expect("a name").key(), [6; 32]).expect("bound");
        }
        desk
    };
    assert_eq!(crowded(LANES_MAX - 1).fetched(LANE).waiting, 0);
    let mut desk = crowded(LANES_MAX);
    assert_eq!(desk.code(LANE, Own::Fetch(Fetch { items_max: 1, ..Fetch::default() })), Code::NotLoggedIn);
    assert!(matches!(desk.log_in(LANE, "alice"), Said::LoggedIn(_)));
}
