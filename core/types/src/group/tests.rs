//! The rules one by one. Every log that there can be, up to a length, is the model's: `tests/model`.

use super::*;
use crate::ids::Fingerprint;
use crate::limits::{GROUP_TITLE_LEN_MAX, MEMBERS_MAX, OFFICERS_MAX, ORDERS_MAX, VOIDABLE_COMMITS_MAX, VOIDED_MAX};
use crate::name::Title;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use alloc::{string::String, vec};

const OWNER: u16 = 0;
const ADMIN: u16 = 1;
const OTHER_ADMIN: u16 = 2;
const MEMBER: u16 = 3;
const OTHER: u16 = 4;
const STRANGER: u16 = 9_999;

fn who(number: u16) -> Fingerprint {
    let mut bytes = [0; 20];
    bytes[18..].copy_from_slice(&number.to_be_bytes());
    Fingerprint(bytes)
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct People {
    charter: Charter,
    members: BTreeSet<Fingerprint>,
}

impl Roster for People {
    fn charter(&self) -> &Charter {
        &self.charter
    }

    fn has(&self, who: Fingerprint) -> bool {
        self.members.contains(&who)
    }

    fn count(&self) -> usize {
        self.members.len()
    }

    fn first(&self) -> Option<Fingerprint> {
        self.members.first().copied()
    }
}

fn title(text: &str) -> Title {
    Title::parse(text).expect("a title")
}

fn charter(officers: &[(u16, Role)]) -> Charter {
    let officers = officers.iter().map(|(number, role)| Officer { who: who(*number), role: *role }).collect();
    Charter::new(title("readers"), false, officers).expect("within its limits")
}

/// One owner, two admins, two members.
fn people() -> People {
    people_of(5)
}

fn people_of(count: u16) -> People {
    let charter = charter(&[(OWNER, Role::Owner), (ADMIN, Role::Admin), (OTHER_ADMIN, Role::Admin)]);
    People { charter, members: (0..count).map(who).collect() }
}

fn without(people: &People, gone: &[u16]) -> People {
    let mut left = people.clone();
    left.members.retain(|member| !gone.iter().any(|number| who(*number) == *member));
    left
}

fn update(by: u16) -> CommitFacts {
    CommitFacts { by: who(by), adds: vec![], removes: vec![], rejoins: vec![], charter: None }
}

fn adds(by: u16, new: &[u16]) -> CommitFacts {
    CommitFacts { adds: new.iter().map(|number| who(*number)).collect(), ..update(by) }
}

fn removes(by: u16, gone: &[u16]) -> CommitFacts {
    CommitFacts { removes: gone.iter().map(|number| who(*number)).collect(), ..update(by) }
}

fn rejoins(by: u16, back: &[u16]) -> CommitFacts {
    CommitFacts { rejoins: back.iter().map(|number| who(*number)).collect(), ..update(by) }
}

fn appoints(by: u16, charter: Charter) -> CommitFacts {
    CommitFacts { charter: Some(charter), ..update(by) }
}

fn judge(docket: &Docket, at: u64, commit: &CommitFacts) -> Result<(), Passed> {
    permits(&people(), docket, at, commit)
}

fn ordered(by: u16, target: u16) -> Docket {
    let mut docket = Docket::default();
    docket.order(&people(), 1, who(by), who(target)).expect("an order");
    docket
}

fn lineage() -> Lineage<People> {
    Lineage::new(VOIDABLE_COMMITS_MAX, Kept { commit: 0, at: 0, docket: Docket::default(), roster: people() }, Past::default())
}

#[test]
fn a_charter_has_a_title_and_an_owner_and_nobody_twice() {
    let owner = Officer { who: who(OWNER), role: Role::Owner };
    let many = |count: u16| (0..count).map(|number| Officer { who: who(number), role: Role::Owner }).collect::<Vec<_>>();
    let bound = u16::try_from(OFFICERS_MAX).expect("small");
    let long = |len: usize| "ä".repeat(len / 2);
    assert!(Charter::new(title(&long(GROUP_TITLE_LEN_MAX)), true, vec![owner]).is_some());
    assert!(Charter::new(title("x"), true, many(bound)).is_some());
    for text in [String::new(), long(GROUP_TITLE_LEN_MAX + 2), String::from("a\nb")] {
        assert_eq!(Title::parse(&text), None, "{text:?}");
    }
    let bad: [Vec<Officer>; 4] =
        [vec![], vec![Officer { role: Role::Admin, ..owner }], vec![owner, Officer { role: Role::Admin, ..owner }], many(bound + 1)];
    for officers in bad {
        assert!(Charter::new(title("x"), true, officers.clone()).is_none(), "{officers:?}");
    }
    assert!(Charter::new(title("x"), true, vec![owner, Officer { who: who(ADMIN), role: Role::Member }]).is_none());
}

#[test]
fn where_no_owner_is_left_the_first_admin_is_one_and_else_the_first_member() {
    assert_eq!(role(&people(), who(OWNER)), Some(Role::Owner));
    assert_eq!(role(&people(), who(STRANGER)), None);
    let orphaned = without(&people(), &[OWNER]);
    assert_eq!([ADMIN, OTHER_ADMIN, MEMBER].map(|number| role(&orphaned, who(number))), [Role::Owner, Role::Admin, Role::Member].map(Some));
    let headless = without(&people(), &[OWNER, ADMIN, OTHER_ADMIN]);
    assert_eq!([MEMBER, OTHER].map(|number| role(&headless, who(number))), [Role::Owner, Role::Member].map(Some));
}

#[test]
fn admins_add_and_everybody_renews_their_keys() {
    let empty = Docket::default();
    assert_eq!(judge(&empty, 1, &update(MEMBER)), Ok(()));
    assert_eq!(judge(&empty, 1, &adds(ADMIN, &[10, 11])), Ok(()));
    assert_eq!(judge(&empty, 1, &adds(MEMBER, &[10])), Err(Passed::NotAllowed));
    assert_eq!(judge(&empty, 1, &adds(ADMIN, &[MEMBER])), Err(Passed::NotAllowed));
    assert_eq!(judge(&empty, 1, &adds(ADMIN, &[10, 10])), Err(Passed::NotAllowed));
    assert_eq!(judge(&empty, 1, &update(STRANGER)), Err(Passed::NoMember));
}

#[test]
fn a_group_has_so_many_members_and_no_more() {
    let count = u16::try_from(MEMBERS_MAX).expect("small");
    let empty = Docket::default();
    assert_eq!(permits(&people_of(count - 1), &empty, 1, &adds(OWNER, &[STRANGER])), Ok(()));
    assert_eq!(permits(&people_of(count), &empty, 1, &adds(OWNER, &[STRANGER])), Err(Passed::TooMany));
}

#[test]
fn owners_order_anybody_else_out_and_admins_members_alone() {
    let order = |by, target| Docket::default().order(&people(), 1, who(by), who(target));
    for (by, target) in [(OWNER, ADMIN), (OWNER, MEMBER), (ADMIN, MEMBER)] {
        assert_eq!(order(by, target), Ok(()), "{by} {target}");
    }
    for (by, target) in [(OWNER, OWNER), (ADMIN, OWNER), (ADMIN, OTHER_ADMIN), (ADMIN, ADMIN), (MEMBER, OTHER)] {
        assert_eq!(order(by, target), Err(Passed::NotAllowed), "{by} {target}");
    }
    assert_eq!(order(STRANGER, MEMBER), Err(Passed::NoMember));
    assert_eq!(order(OWNER, STRANGER), Err(Passed::Pointless));
}

#[test]
fn nobody_goes_but_by_an_order_or_their_own_word() {
    assert_eq!(judge(&Docket::default(), 2, &removes(OWNER, &[MEMBER])), Err(Passed::NotAllowed));
    assert_eq!(judge(&ordered(ADMIN, MEMBER), 2, &removes(OTHER, &[MEMBER])), Ok(()));
    let mut left = Docket::default();
    left.leave(&people(), 1, who(MEMBER)).expect("a leave");
    assert_eq!(judge(&left, 2, &removes(OTHER, &[MEMBER])), Ok(()));
    // A leave holds nobody up.
    assert_eq!(judge(&left, 2, &update(OTHER)), Ok(()));
    assert_eq!(judge(&left, 2, &removes(OTHER, &[OTHER_ADMIN])), Err(Passed::NotAllowed));
}

#[test]
fn while_an_order_is_open_only_what_carries_the_oldest_out_is_valid() {
    let mut docket = ordered(OWNER, MEMBER);
    docket.order(&people(), 2, who(OWNER), who(ADMIN)).expect("an order");
    assert_eq!(judge(&docket, 3, &removes(OTHER, &[MEMBER])), Ok(()));
    assert_eq!(judge(&docket, 3, &removes(OTHER, &[ADMIN, MEMBER])), Ok(()));
    for commit in [update(OWNER), adds(OWNER, &[10]), removes(OTHER, &[ADMIN]), rejoins(OTHER, &[OTHER_ADMIN])] {
        assert_eq!(judge(&docket, 3, &commit), Err(Passed::OrderOpen), "{commit:?}");
    }
    assert_eq!(judge(&docket, 3, &CommitFacts { adds: vec![who(10)], ..removes(OWNER, &[MEMBER]) }), Err(Passed::OrderOpen));
}

#[test]
fn who_is_ordered_out_or_leaves_has_no_say_from_there_on() {
    let docket = ordered(OWNER, ADMIN);
    assert_eq!(judge(&docket, 1, &update(ADMIN)), Ok(()), "the order is not before it");
    assert_eq!(judge(&docket, 2, &update(ADMIN)), Err(Passed::Barred));
    let mut docket = docket;
    assert_eq!(docket.order(&people(), 2, who(ADMIN), who(MEMBER)), Err(Passed::Barred));
    assert_eq!(docket.leave(&people(), 2, who(ADMIN)), Err(Passed::Barred));
    assert_eq!(docket.order(&people(), 3, who(OWNER), who(ADMIN)), Err(Passed::Pointless));
    assert_eq!(judge(&docket, 4, &rejoins(OTHER, &[ADMIN])), Err(Passed::NotAllowed));
}

#[test]
fn so_many_orders_are_open_and_no_more() {
    let people = people_of(5 + u16::try_from(ORDERS_MAX).expect("small"));
    let mut docket = Docket::default();
    let targets: Vec<Fingerprint> = people.members.iter().skip(1).take(ORDERS_MAX + 1).copied().collect();
    let results: Vec<_> = targets.iter().map(|target| docket.order(&people, 1, who(OWNER), *target)).collect();
    assert!(results[..ORDERS_MAX].iter().all(Result::is_ok));
    assert_eq!(results[ORDERS_MAX], Err(Passed::TooMany));
}

#[test]
fn anybody_brings_a_member_back_in_and_nobody_themselves() {
    let empty = Docket::default();
    assert_eq!(judge(&empty, 1, &rejoins(MEMBER, &[OTHER, OWNER])), Ok(()));
    assert_eq!(judge(&empty, 1, &rejoins(MEMBER, &[MEMBER])), Err(Passed::NotAllowed));
    assert_eq!(judge(&empty, 1, &rejoins(MEMBER, &[STRANGER])), Err(Passed::NotAllowed));
}

#[test]
fn owners_appoint_and_admins_rename() {
    let empty = Docket::default();
    let officers = people().charter.officers().to_vec();
    let renamed = Charter::new(title("writers"), true, officers.clone()).expect("a charter");
    assert_eq!(judge(&empty, 1, &appoints(ADMIN, renamed.clone())), Ok(()));
    assert_eq!(judge(&empty, 1, &appoints(MEMBER, renamed)), Err(Passed::NotAllowed));
    let promoted = charter(&[(OWNER, Role::Owner), (MEMBER, Role::Owner)]);
    assert_eq!(judge(&empty, 1, &appoints(OWNER, promoted.clone())), Ok(()));
    assert_eq!(judge(&empty, 1, &appoints(ADMIN, promoted)), Err(Passed::NotAllowed));
    // The one who hands over steps down; the owner is a member.
    assert_eq!(judge(&empty, 1, &appoints(OWNER, charter(&[(MEMBER, Role::Owner), (OWNER, Role::Admin)]))), Ok(()));
    assert_eq!(judge(&empty, 1, &appoints(OWNER, charter(&[(STRANGER, Role::Owner)]))), Err(Passed::NotAllowed));
    assert_eq!(judge(&empty, 1, &appoints(OWNER, charter(&[(OWNER, Role::Owner), (STRANGER, Role::Admin)]))), Err(Passed::NotAllowed));
    let with_newcomer = CommitFacts { adds: vec![who(10)], ..appoints(OWNER, charter(&[(OWNER, Role::Owner), (10, Role::Admin)])) };
    assert_eq!(judge(&empty, 1, &with_newcomer), Ok(()));
}

#[test]
fn the_first_valid_commit_of_an_epoch_opens_the_next_and_those_behind_it_are_passed_over() {
    let mut lineage = lineage();
    assert_eq!(lineage.commit(1, None, None), Turn::Passed(Passed::Unopened));
    assert_eq!(lineage.commit(2, Some(&adds(MEMBER, &[10])), Some(people())), Turn::Passed(Passed::NotAllowed));
    assert_eq!(lineage.commit(3, Some(&update(MEMBER)), Some(people())), Turn::Opened);
    assert_eq!(lineage.present().map(|kept| (kept.commit, kept.at)), Some((3, 3)));
}

#[test]
fn what_cannot_be_completed_here_holds_the_group_until_an_admin_takes_it_back() {
    let mut lineage = lineage();
    assert_eq!(lineage.commit(1, Some(&update(MEMBER)), None), Turn::Held);
    assert_eq!(lineage.commit(2, Some(&update(OTHER)), Some(people())), Turn::Passed(Passed::Untold));
    let void = Said::Void { commit: 1 };
    assert_eq!(lineage.control(3, 0, who(OTHER), void), Turn::Passed(Passed::NotAllowed));
    assert_eq!(lineage.control(3, 0, who(STRANGER), void), Turn::Passed(Passed::NoMember));
    assert_eq!(lineage.control(3, 0, who(ADMIN), void), Turn::Returned { to: 1 });
    // Walked again from behind it, the next one takes its place.
    assert_eq!(lineage.commit(2, Some(&update(OTHER)), Some(people())), Turn::Opened);
    assert_eq!(lineage.control(3, 0, who(ADMIN), void), Turn::Passed(Passed::Pointless));
}

#[test]
fn a_void_takes_what_came_of_a_commit_back_too_and_its_orders_with_it() {
    let mut lineage = lineage();
    assert_eq!(lineage.commit(1, Some(&update(MEMBER)), Some(people())), Turn::Opened);
    assert_eq!(lineage.commit(2, Some(&update(OTHER)), Some(people())), Turn::Opened);
    let order = Said::Order { target: who(MEMBER) };
    assert_eq!(lineage.control(3, 2, who(OWNER), order), Turn::Noted);
    assert_eq!(lineage.control(4, 0, who(OWNER), Said::Order { target: who(OTHER) }), Turn::Noted);
    assert_eq!(lineage.control(5, 0, who(ADMIN), Said::Void { commit: 1 }), Turn::Returned { to: 1 });
    let docket = &lineage.present().expect("an epoch").docket;
    // What was sealed for the epoch that stands, stands; what was sealed for one that is gone can't be opened by all.
    assert!(docket.is_ordered(who(OTHER), 5) && !docket.is_ordered(who(MEMBER), 5));
}

#[test]
fn a_void_is_judged_as_those_see_it_who_hold_there() {
    let mut lineage = lineage();
    assert_eq!(lineage.commit(1, Some(&update(MEMBER)), Some(people())), Turn::Opened);
    assert_eq!(lineage.control(2, 1, who(OWNER), Said::Void { commit: 1 }), Turn::Passed(Passed::Unopened), "they can't open it");
    // An order that they can't open does not weigh against who voids.
    assert_eq!(lineage.control(3, 1, who(OWNER), Said::Order { target: who(ADMIN) }), Turn::Noted);
    assert_eq!(lineage.clone().control(4, 0, who(ADMIN), Said::Void { commit: 1 }), Turn::Returned { to: 1 });
    assert_eq!(lineage.control(4, 0, who(OWNER), Said::Order { target: who(ADMIN) }), Turn::Passed(Passed::Pointless));
    assert_eq!(lineage.control(5, 0, who(ADMIN), Said::Void { commit: 1 }), Turn::Passed(Passed::Barred));
}

#[test]
fn past_the_window_nothing_is_voided_and_only_so_many_epochs_count() {
    let mut lineage = lineage();
    let last = VOIDABLE_COMMITS_MAX + 1;
    for number in 1..=last {
        assert_eq!(lineage.commit(number, Some(&update(MEMBER)), Some(people())), Turn::Opened);
    }
    assert!(lineage.is_voidable(1));
    assert_eq!(lineage.clone().control(last + 1, 0, who(ADMIN), Said::Void { commit: 1 }), Turn::Returned { to: 1 });
    assert_eq!(lineage.commit(last + 1, None, None), Turn::Passed(Passed::Unopened));
    assert!(!lineage.is_voidable(1));
    assert_eq!(lineage.control(last + 2, 1, who(OWNER), Said::Void { commit: 1 }), Turn::Passed(Passed::TooLate));
    assert_eq!(lineage.control(last + 2, 0, who(OWNER), Said::Leave), Turn::Passed(Passed::Unopened));
    assert_eq!(lineage.control(last + 2, 1, who(OWNER), Said::Void { commit: last + 9 }), Turn::Passed(Passed::Pointless));
    assert_eq!(lineage.kept().map(|kept| kept.commit).collect::<Vec<_>>(), (1..=last).collect::<Vec<_>>());
}

#[test]
fn what_is_sealed_for_the_lasting_epoch_no_void_takes_away() {
    let mut lineage = lineage();
    assert_eq!(lineage.lasting().map(|kept| kept.commit), Some(0));
    for number in 1..=2 * VOIDABLE_COMMITS_MAX {
        assert_eq!(lineage.commit(number, Some(&update(MEMBER)), Some(people())), Turn::Opened);
        let lasting = lineage.lasting().map(|kept| kept.commit).expect("an epoch");
        assert!(lasting == 0 || !lineage.is_voidable(lasting), "{number}");
        assert!(lineage.is_voidable(lasting + 1), "{number}");
    }
    // Of an epoch that nothing ended, whatever came since, it is that one.
    for number in 1..=2 * VOIDABLE_COMMITS_MAX {
        assert_eq!(lineage.commit(number, None, None), Turn::Passed(Passed::Unopened));
    }
    assert_eq!(lineage.lasting(), lineage.present());
    assert_eq!(lineage.kept().count(), 1);
}

#[test]
fn who_is_held_past_the_window_is_not_heard_until_an_owner_begins_again() {
    let mut held = lineage();
    assert_eq!(held.commit(1, Some(&update(MEMBER)), None), Turn::Held);
    let reset = Said::Reset { commit: 1 };
    assert_eq!(held.control(2, 0, who(OWNER), reset), Turn::Passed(Passed::Pointless), "it can be voided");
    for number in 2..=VOIDABLE_COMMITS_MAX + 2 {
        assert_eq!(held.commit(number, None, None), Turn::Passed(Passed::Untold));
    }
    let at = VOIDABLE_COMMITS_MAX + 3;
    assert_eq!(held.control(at, 0, who(OWNER), Said::Order { target: who(OTHER) }), Turn::Passed(Passed::Unopened));
    assert_eq!(held.control(at, 0, who(ADMIN), reset), Turn::Passed(Passed::NotAllowed));
    assert_eq!(held.control(at, 0, who(OWNER), reset), Turn::Returned { to: 1 });
    for number in 2..=VOIDABLE_COMMITS_MAX + 2 {
        assert_eq!(held.commit(number, None, None), Turn::Passed(Passed::Unopened));
    }
    assert_eq!(held.control(at, 0, who(OWNER), reset), Turn::Passed(Passed::Pointless), "walked again");
}

#[test]
fn a_reset_puts_out_whoever_went_on() {
    let mut ahead = lineage();
    let last = VOIDABLE_COMMITS_MAX + 2;
    for number in 1..=last {
        assert_eq!(ahead.commit(number, Some(&update(MEMBER)), Some(people())), Turn::Opened);
    }
    assert_eq!(ahead.clone().control(last + 1, 0, who(ADMIN), Said::Reset { commit: 1 }), Turn::Passed(Passed::NotAllowed));
    assert_eq!(ahead.clone().control(last + 1, 0, who(OWNER), Said::Reset { commit: 1 }), Turn::Out);
}

#[test]
fn so_many_commits_are_remembered_as_taken_back() {
    let mut lineage = lineage();
    let many = u64::try_from(VOIDED_MAX).expect("small") + 1;
    for number in 1..=many {
        assert_eq!(lineage.commit(number, Some(&update(MEMBER)), None), Turn::Held);
        assert_eq!(lineage.control(number, 0, who(ADMIN), Said::Void { commit: number }), Turn::Returned { to: number });
    }
    assert_eq!(lineage.commit(many + 1, Some(&update(MEMBER)), Some(people())), Turn::Opened);
    assert_eq!(lineage.past().voided, (2..=many).collect());
}

#[test]
fn who_was_let_in_by_a_commit_that_is_taken_back_is_out() {
    let mut inside = lineage();
    for number in 1..=3 {
        assert_eq!(inside.commit(number, Some(&update(MEMBER)), Some(people())), Turn::Opened);
    }
    let first = inside.present().expect("an epoch").clone();
    assert_eq!(inside.past().before, BTreeSet::from([0, 1, 2]));
    let newcomer = Lineage::new(VOIDABLE_COMMITS_MAX, first, inside.past());
    for commit in 1..=3 {
        assert_eq!(newcomer.clone().control(4, 0, who(ADMIN), Said::Void { commit }), Turn::Out, "{commit}");
    }
    assert_eq!(newcomer.clone().control(4, 0, who(MEMBER), Said::Void { commit: 1 }), Turn::Passed(Passed::NotAllowed));
    // A control message for an epoch that counts does so for them as for all.
    assert_eq!(newcomer.clone().control(4, 1, who(OWNER), Said::Order { target: who(MEMBER) }), Turn::Noted);
    // What was taken back before they came is nothing new to them.
    let told = Past { voided: BTreeSet::from([1]), ..inside.past() };
    let first = inside.present().expect("an epoch").clone();
    let mut newcomer = Lineage::new(VOIDABLE_COMMITS_MAX, first, told);
    assert_eq!(newcomer.control(4, 0, who(ADMIN), Said::Void { commit: 1 }), Turn::Passed(Passed::Pointless));
}

#[test]
fn a_complaint_changes_nothing_by_itself() {
    let mut lineage = lineage();
    let before = lineage.clone();
    assert_eq!(lineage.control(1, 0, who(MEMBER), Said::Complaint { commit: 1 }), Turn::Noted);
    assert_eq!(lineage.control(2, 0, who(STRANGER), Said::Complaint { commit: 1 }), Turn::Passed(Passed::NoMember));
    assert_eq!(lineage, before);
}
