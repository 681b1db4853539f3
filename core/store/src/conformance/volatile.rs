use super::*;
use thicket_types::limits::{
    CHALLENGES_MAX, LANES_MAX, RELAY_ANSWERS_FOR, RELAY_ANSWERS_MAX, RETENTION, STAMPS_SPENT_MAX, STAMPS_SPENT_NAME_MAX,
};
use thicket_types::time::Duration;

pub(super) fn challenge_is_taken_once(store: &mut impl Store) {
    store.put_challenge([1; 32], &challenge("alice", Stamp(5))).expect("kept");
    store.put_challenge([2; 32], &challenge_on(2, "bob", Stamp(6))).expect("kept");
    assert_eq!(store.take_challenge([1; 32]), Ok(Some(challenge("alice", Stamp(5)))));
    assert_eq!(store.take_challenge([1; 32]), Ok(None));
    assert_eq!(store.take_challenge([3; 32]), Ok(None));
    assert_eq!(store.take_challenge([2; 32]), Ok(Some(challenge_on(2, "bob", Stamp(6)))));
}

pub(super) fn lane_has_one_challenge_open(store: &mut impl Store) {
    assert_eq!(store.challenge_of(tag(1)), Ok(None));
    store.put_challenge([1; 32], &challenge("alice", Stamp(5))).expect("kept");
    store.put_challenge([2; 32], &challenge_on(2, "alice", Stamp(5))).expect("kept");
    store.commit().expect("durable");
    assert_eq!(store.challenge_of(tag(1)), Ok(Some(([1; 32], challenge("alice", Stamp(5))))));
    store.put_challenge([3; 32], &challenge("bob", Stamp(6))).expect("kept");
    assert_eq!(store.challenge_of(tag(1)), Ok(Some(([3; 32], challenge("bob", Stamp(6))))));
    assert_eq!(store.take_challenge([1; 32]), Ok(None), "it was replaced");
    store.roll_back().expect("rolled back");
    assert_eq!(store.challenge_of(tag(1)), Ok(Some(([1; 32], challenge("alice", Stamp(5))))));
    assert_eq!(store.take_challenge([3; 32]), Ok(None));
    assert_eq!(store.take_challenge([1; 32]), Ok(Some(challenge("alice", Stamp(5)))));
    assert_eq!(store.challenge_of(tag(1)), Ok(None), "it was answered");
    assert_eq!(store.take_challenge([2; 32]), Ok(Some(challenge_on(2, "alice", Stamp(5)))), "another lane's stands");
}

pub(super) fn past_the_bound_the_first_challenge_goes_and_each_ends(store: &mut impl Store) {
    let most = u64::try_from(CHALLENGES_MAX).expect("small");
    let on = |number: u64| challenge_on(number, "alice", if number == 1 { Stamp(10) } else { Stamp(11) });
    for number in 0..most {
        store.put_challenge(digest(number).0, &on(number)).expect("kept");
    }
    // One lane's newer one takes the place of its own.
    store.put_challenge(digest(most).0, &on(5)).expect("kept");
    assert_eq!(store.challenge_of(tag(0)), Ok(Some((digest(0).0, on(0)))));
    store.commit().expect("durable");
    store.put_challenge(digest(most + 1).0, &on(most)).expect("kept");
    assert_eq!((store.take_challenge(digest(0).0), store.challenge_of(tag(0))), (Ok(None), Ok(None)));
    assert_eq!(store.challenge_of(tag(1)), Ok(Some((digest(1).0, on(1)))));
    store.roll_back().expect("rolled back");
    assert_eq!(store.challenge_of(tag(0)), Ok(Some((digest(0).0, on(0)))));
    // The last moment of a challenge is still within it.
    store.clean(Stamp(10), RETENTION).expect("cleaned");
    assert_eq!(store.challenge_of(tag(1)), Ok(Some((digest(1).0, on(1)))));
    store.clean(Stamp(11), RETENTION).expect("cleaned");
    assert_eq!((store.take_challenge(digest(1).0), store.challenge_of(tag(1))), (Ok(None), Ok(None)));
    assert_eq!(store.take_challenge(digest(0).0), Ok(Some(on(0))));
}

pub(super) fn lane_has_one_name_and_name_has_one_lane(store: &mut impl Store) {
    two_accounts(store);
    let (alice, bob) = (name("alice"), name("bob"));
    assert_eq!(store.lane_of(mailbox(1)), Ok(None));
    store.bind_lane(tag(1), &alice, SESSION).expect("bound");
    store.bind_lane(tag(2), &bob, SESSION).expect("bound");
    // The same again changes nothing.
    store.bind_lane(tag(1), &alice, SESSION).expect("bound");
    assert_eq!((store.lane(tag(1)), store.lane(tag(2))), (Ok(Some(alice.clone())), Ok(Some(bob.clone()))));
    assert_eq!((store.lane_of(mailbox(1)), store.lane_of(mailbox(2))), (Ok(Some(tag(1))), Ok(Some(tag(2)))));
    // A name on a further lane leaves its earlier one.
    store.bind_lane(tag(3), &alice, SESSION).expect("bound");
    assert_eq!((store.lane(tag(1)), store.lane(tag(3))), (Ok(None), Ok(Some(alice.clone()))));
    assert_eq!(store.lane_of(mailbox(1)), Ok(Some(tag(3))));
    // A name on another's lane puts that one out, and leaves its own.
    store.bind_lane(tag(2), &alice, SESSION).expect("bound");
    assert_eq!((store.lane(tag(2)), store.lane(tag(3))), (Ok(Some(alice)), Ok(None)));
    assert_eq!((store.lane_of(mailbox(1)), store.lane_of(mailbox(2))), (Ok(Some(tag(2))), Ok(None)));
    store.bind_lane(tag(3), &bob, SESSION).expect("bound");
    assert_eq!((store.lane_of(mailbox(1)), store.lane_of(mailbox(2))), (Ok(Some(tag(2))), Ok(Some(tag(3)))));
    assert_eq!(store.lane_of(mailbox(3)), Ok(None));
}

/// The nonce that names the login of a lane.
fn nonce(store: &mut impl Store, number: u64) -> Option<[u8; 32]> {
    store.session(tag(number)).expect("read").map(|session| session.nonce)
}

pub(super) fn lane_has_the_session_of_its_last_login(store: &mut impl Store) {
    let alice = name("alice");
    assert_eq!(nonce(store, 1), None);
    store.bind_lane(tag(1), &alice, [1; 32]).expect("bound");
    // A request that comes on it leaves it.
    assert_eq!((store.lane(tag(1)), nonce(store, 1)), (Ok(Some(alice.clone())), Some([1; 32])));
    store.commit().expect("durable");
    store.bind_lane(tag(1), &alice, [2; 32]).expect("bound");
    assert_eq!(nonce(store, 1), Some([2; 32]));
    store.roll_back().expect("rolled back");
    assert_eq!(nonce(store, 1), Some([1; 32]));
    store.bind_lane(tag(2), &alice, [3; 32]).expect("bound");
    assert_eq!((nonce(store, 1), nonce(store, 2)), (None, Some([3; 32])));
}

pub(super) fn what_was_done_in_a_session_ends_with_it(store: &mut impl Store) {
    let alice = name("alice");
    let done = |store: &mut _| Store::session(store, tag(1)).expect("read").map(|session| session.done);
    let some = DoneNumbers { last: 3, below: 1 };
    // Where nobody is logged in, nothing is kept.
    store.set_done(tag(1), some).expect("kept");
    assert_eq!(done(store), None);
    store.bind_lane(tag(1), &alice, SESSION).expect("bound");
    assert_eq!(done(store), Some(DoneNumbers::default()));
    store.set_done(tag(1), some).expect("kept");
    store.commit().expect("durable");
    assert_eq!((store.lane(tag(1)), done(store)), (Ok(Some(alice.clone())), Some(some)));
    store.set_done(tag(1), DoneNumbers { last: 4, below: 3 }).expect("kept");
    store.roll_back().expect("rolled back");
    assert_eq!(done(store), Some(some));
    store.bind_lane(tag(1), &alice, [2; 32]).expect("bound");
    assert_eq!(done(store), Some(DoneNumbers::default()));
}

/// Binds as many lanes as there may be: lane n under the name `n…`, in order.
fn all_lanes(store: &mut impl Store) -> u64 {
    let lanes = u64::try_from(LANES_MAX).expect("small");
    for number in 0..lanes {
        store.bind_lane(tag(number), &name(&format!("n{number}")), SESSION).expect("bound");
    }
    lanes
}

pub(super) fn least_recently_active_lane_goes_first(store: &mut impl Store) {
    two_accounts(store);
    let lanes = all_lanes(store);
    let alice = name("alice");
    // A request came on the lane that was bound first, so it is no longer the idlest; a push to lane 1 is none.
    assert_eq!(store.lane(tag(0)), Ok(Some(name("n0"))));
    store.bind_lane(tag(lanes), &alice, SESSION).expect("bound");
    assert_eq!(store.lane(tag(1)), Ok(None));
    assert_eq!((store.lane(tag(lanes)), store.lane_of(mailbox(1))), (Ok(Some(alice.clone())), Ok(Some(tag(lanes)))));
    // A name that moves, and a lane that takes another name, put nobody out.
    store.bind_lane(tag(lanes + 1), &alice, SESSION).expect("bound");
    store.bind_lane(tag(3), &name("bob"), SESSION).expect("bound");
    assert_eq!(store.lane(tag(2)), Ok(Some(name("n2"))));
    // That question made lane 2 active, and lane 3 was just bound: lane 4 is next, then 5.
    for (number, gone) in [(0, 4), (1, 5)] {
        store.bind_lane(tag(lanes + 2 + number), &name(&format!("m{number}")), SESSION).expect("bound");
        assert_eq!(store.lane(tag(gone)), Ok(None), "{gone}");
    }
    for kept in [0, 2, 3, 6, lanes - 1, lanes + 1, lanes + 2, lanes + 3] {
        assert!(matches!(store.lane(tag(kept)), Ok(Some(_))), "{kept}");
    }
}

pub(super) fn lane_activity_is_rolled_back(store: &mut impl Store) {
    let lanes = all_lanes(store);
    store.commit().expect("durable");
    assert_eq!(store.lane(tag(0)), Ok(Some(name("n0"))));
    store.bind_lane(tag(lanes), &name("alice"), SESSION).expect("bound");
    store.roll_back().expect("rolled back");
    assert_eq!(store.lane(tag(lanes)), Ok(None));
    store.bind_lane(tag(lanes), &name("alice"), SESSION).expect("bound");
    assert_eq!(store.lane(tag(0)), Ok(None), "its activity was taken back");
    assert_eq!(store.lane(tag(1)), Ok(Some(name("n1"))), "its place was given back");
}

pub(super) fn stamp_is_spent_once_until_its_time(store: &mut impl Store) {
    assert_eq!(store.spend(digest(1), whose(1), Stamp(10)), Ok(true));
    assert_eq!(store.spend(digest(1), whose(1), Stamp(20)), Ok(false));
    assert_eq!(store.spend(digest(2), whose(1), Stamp(20)), Ok(true));
    store.commit().expect("durable");
    store.clean(Stamp(10), RETENTION).expect("cleaned");
    assert_eq!(store.spend(digest(1), whose(1), Stamp(20)), Ok(false), "its last moment is still within it");
    store.clean(Stamp(11), RETENTION).expect("cleaned");
    assert_eq!(store.spend(digest(2), whose(1), Stamp(20)), Ok(false));
    assert_eq!(store.spend(digest(1), whose(1), Stamp(20)), Ok(true));
    store.roll_back().expect("rolled back");
    assert_eq!(store.spend(digest(1), whose(1), Stamp(20)), Ok(false), "what was cleaned is back");
    assert_eq!(store.spend(digest(3), whose(1), Stamp(20)), Ok(true));
    store.roll_back().expect("rolled back");
    assert_eq!(store.spend(digest(3), whose(1), Stamp(20)), Ok(true), "what was spent is not");
}

pub(super) fn spent_stamps_are_bounded(store: &mut impl Store) {
    let stamps = u64::try_from(STAMPS_SPENT_MAX).expect("small");
    // A name each for so many as one may have.
    let on = |number: u64| whose(number / STAMPS_SPENT_NAME_MAX);
    for number in 0..stamps {
        assert_eq!(store.spend(digest(number), on(number), Stamp(10 + u64::from(number > 0))), Ok(true));
    }
    assert_eq!(store.spend(digest(stamps), on(stamps), Stamp(11)), Err(StoreError::Full));
    assert_eq!(store.spend(digest(5), on(5), Stamp(11)), Ok(false), "what was spent is known, however full it is");
    assert_eq!(store.stamps_spent(), Ok(stamps));
    store.clean(Stamp(11), RETENTION).expect("cleaned");
    assert_eq!(store.stamps_spent(), Ok(stamps - 1));
    assert_eq!(store.spend(digest(stamps), on(stamps), Stamp(11)), Ok(true));
    assert_eq!(store.spend(digest(stamps + 1), on(stamps), Stamp(11)), Err(StoreError::Full));
}

pub(super) fn spent_stamps_of_a_name_are_bounded_and_leave_the_others_room(store: &mut impl Store) {
    let most = STAMPS_SPENT_NAME_MAX;
    for number in 0..most {
        assert_eq!(store.stamps_spent_on(whose(1)), Ok(number));
        assert_eq!(store.spend(digest(number), whose(1), Stamp(10 + u64::from(number > 0))), Ok(true));
    }
    assert_eq!(store.spend(digest(most), whose(1), Stamp(11)), Err(StoreError::Full));
    assert_eq!(store.spend(digest(5), whose(1), Stamp(11)), Ok(false), "what was spent is known, however full it is");
    assert_eq!(store.spend(digest(most), whose(2), Stamp(11)), Ok(true));
    assert_eq!((store.stamps_spent_on(whose(1)), store.stamps_spent_on(whose(2))), (Ok(most), Ok(1)));
    store.commit().expect("committed");
    store.clean(Stamp(11), RETENTION).expect("cleaned");
    assert_eq!(store.spend(digest(most + 1), whose(1), Stamp(11)), Ok(true), "what is past its time makes room");
    store.roll_back().expect("taken back");
    assert_eq!(store.stamps_spent_on(whose(1)), Ok(most));
    store.clean(Stamp(12), RETENTION).expect("cleaned");
    assert_eq!((store.stamps_spent_on(whose(1)), store.stamps_spent()), (Ok(0), Ok(0)));
}

fn whose(number: u64) -> MailboxId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&number.to_be_bytes());
    MailboxId(id)
}

pub(super) fn answers_are_remembered_by_lane_and_frame(store: &mut impl Store) {
    assert_eq!(store.answer(tag(1), frame(1)), Ok(None));
    store.remember_answer(tag(1), frame(1), &[1, 1], Stamp(0)).expect("remembered");
    store.remember_answer(tag(1), frame(2), &[1, 2], Stamp(0)).expect("remembered");
    store.remember_answer(tag(2), frame(1), &[2, 1], Stamp(0)).expect("remembered");
    assert_eq!(store.answer(tag(1), frame(1)), Ok(Some(vec![1, 1])));
    assert_eq!(store.answer(tag(1), frame(2)), Ok(Some(vec![1, 2])));
    assert_eq!(store.answer(tag(2), frame(1)), Ok(Some(vec![2, 1])));
    assert_eq!(store.answer(tag(2), frame(2)), Ok(None));
}

pub(super) fn past_the_bound_the_first_answer_goes_and_each_ends(store: &mut impl Store) {
    let answers = u64::try_from(RELAY_ANSWERS_MAX).expect("small");
    for number in 0..answers {
        let at = if number == 1 { Stamp(10) } else { Stamp(11) };
        store.remember_answer(tag(1), frame(number), &[1], at).expect("remembered");
    }
    store.commit().expect("durable");
    // The same one again takes no other's place, and is the newest.
    store.remember_answer(tag(1), frame(0), &[2], Stamp(11)).expect("remembered");
    assert_eq!((store.answer(tag(1), frame(0)), store.answer(tag(1), frame(1))), (Ok(Some(vec![2])), Ok(Some(vec![1]))));
    store.remember_answer(tag(1), frame(answers), &[3], Stamp(12)).expect("remembered");
    assert_eq!((store.answer(tag(1), frame(1)), store.answer(tag(1), frame(answers))), (Ok(None), Ok(Some(vec![3]))));
    store.roll_back().expect("rolled back");
    assert_eq!((store.answer(tag(1), frame(0)), store.answer(tag(1), frame(1))), (Ok(Some(vec![1])), Ok(Some(vec![1]))));
    assert_eq!(store.answer(tag(1), frame(answers)), Ok(None));
    store.clean(Stamp(10).after(RELAY_ANSWERS_FOR), RETENTION).expect("cleaned");
    assert_eq!(store.answer(tag(1), frame(1)), Ok(Some(vec![1])));
    store.clean(Stamp(10).after(RELAY_ANSWERS_FOR).after(Duration(1)), RETENTION).expect("cleaned");
    assert_eq!((store.answer(tag(1), frame(0)), store.answer(tag(1), frame(1))), (Ok(Some(vec![1])), Ok(None)));
}
