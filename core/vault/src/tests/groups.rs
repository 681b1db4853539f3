//! Groups with a log: vaults of several people over one log, which a relay keeps and nobody judges.

use super::*;
use crate::group::insider::held;
use std::collections::BTreeMap;
use thicket_types::event::{Became, Followed, Own};
use thicket_types::ids::GroupId;
use thicket_types::limits::REPLACED_KEYS_FOR;
use thicket_types::name::Title;
use wire::{EntryKind, LogCreated, LogEntry, LogPage, Post, Posted};

pub(super) const GROUP: GroupId = GroupId([9; 16]);
const INCARNATION: [u8; 16] = [4; 16];

pub(super) fn title(text: &str) -> Title {
    Title::parse(text).expect("a title")
}

/// What a relay does with a log, less the rights.
#[derive(Default)]
pub(super) struct Log {
    pub(super) entries: Vec<LogEntry>,
}

impl Log {
    pub(super) fn latest(&self) -> u64 {
        self.entries.iter().rev().find(|entry| entry.kind == i32::from(EntryKind::Commit)).map_or(0, |entry| entry.number)
    }

    /// What it answers to a request that the vault made.
    pub(super) fn answers(&mut self, outcome: &Outcome) -> Said {
        match asked(outcome) {
            Asked::CreateLog(_) => Said::LogCreated(LogCreated { incarnation: INCARNATION.to_vec() }),
            Asked::ReadLog(read) => Said::LogPage(self.page(read.from)),
            Asked::Post(post) if post.after != self.latest() => Said::LogPage(self.page(post.after + 1)),
            Asked::Post(post) => self.append(post),
            other => panic!("nothing of a log: {other:?}"),
        }
    }

    pub(super) fn append(&mut self, Post { kind, entry, posting, .. }: Post) -> Said {
        let number = u64::try_from(self.entries.len()).expect("few") + 1;
        self.entries.push(LogEntry { number, kind, entry, posting });
        Said::Posted(Posted { number })
    }

    pub(super) fn page(&self, from: u64) -> LogPage {
        let entries = self.entries.iter().filter(|entry| entry.number >= from).cloned().collect();
        let last = u64::try_from(self.entries.len()).expect("few");
        LogPage { incarnation: INCARNATION.to_vec(), first: 1, last, commit: self.latest(), readable_upto: 0, entries }
    }
}

pub(super) fn page(by: &mut Person, page: LogPage) -> Outcome {
    by.ask(VaultOp::FollowLog { group: GROUP, answer: Seq(4), at: LATER }, &answer(Said::LogPage(page)))
}

/// Reads what is new, all of it.
pub(super) fn follow(by: &mut Person, log: &mut Log) -> Followed {
    let read = by.ask(VaultOp::Compose(Ask::ReadLog(GROUP)), &[]);
    let Said::LogPage(new) = log.answers(&read) else {
        panic!("no page");
    };
    followed(page(by, new))
}

pub(super) fn followed(outcome: Outcome) -> Followed {
    match outcome {
        Outcome::Followed(followed) => followed,
        other => panic!("not followed: {other:?}"),
    }
}

pub(super) fn create(by: &mut Person, log: &mut Log) {
    let made = by.ask(VaultOp::CreateGroup { group: GROUP, title: title("Readers"), public: false }, &[]);
    let said = log.answers(&made);
    assert_eq!(by.ask(VaultOp::LogCreated { group: GROUP, answer: Seq(1) }, &answer(said)), Outcome::Done);
}

pub(super) fn keep_package(by: &mut Person, of: &mut Person) -> Outcome {
    let said = Said::KeyPackage(wire::KeyPackage { key_package: package(of), last_resort: false, suite: SUITE });
    by.ask(VaultOp::KeepKeyPackage { group: GROUP, contact: of.own(), answer: Seq(2), at: NOW }, &answer(said))
}

pub(super) fn commit(by: &mut Person, adds: &[Fingerprint]) -> Outcome {
    by.ask(VaultOp::Commit { group: GROUP, adds: adds.to_vec() }, &[])
}

/// Lets people in, in one commit.
pub(super) fn add(by: &mut Person, log: &mut Log, people: &mut [&mut Person]) {
    for person in people.iter_mut() {
        pin(by, person);
        assert_eq!(keep_package(by, person), Outcome::Done);
    }
    let adds: Vec<Fingerprint> = people.iter().map(|person| person.own()).collect();
    let posted = commit(by, &adds);
    assert!(matches!(log.answers(&posted), Said::Posted(_)));
    let Followed { own, .. } = follow(by, log);
    assert_eq!(own, Own::Stands);
    for person in people.iter_mut() {
        meet(person, by);
        let welcome = welcome(by, person);
        assert!(matches!(join(person, by, &welcome), Outcome::Opened(Opened::Welcomed { .. })));
    }
}

/// A contact of theirs, if they are none yet.
pub(super) fn meet(by: &mut Person, contact: &mut Person) {
    if !by.contacts().iter().any(|known| known.0 == contact.own()) {
        pin(by, contact);
    }
}

/// Joins the group that an envelope lets one into.
pub(super) fn join(by: &mut Person, from: &Person, sealed: &[u8]) -> Outcome {
    by.ask(VaultOp::Join { envelope: Seq(3), contact: from.own(), at: LATER }, sealed)
}

pub(super) fn invited(by: &Person) -> Opened {
    Opened::Invited { contact: by.own(), name: name(by.who), group: GROUP }
}

/// The envelope that lets somebody in.
pub(super) fn welcome(by: &mut Person, to: &Person) -> Vec<u8> {
    put(&by.ask(VaultOp::SealWelcome { group: GROUP, contact: to.own(), mailbox: to.mailbox() }, &[])).envelope
}

pub(super) fn post(by: &mut Person, log: &mut Log, text: &str) -> Said {
    let body = by.vault.stage(text.as_bytes()).expect("room");
    let sealed = by.ask(VaultOp::SealPost { group: GROUP, message: message_of(text), body: Some(body), at: NOW }, &[]);
    log.answers(&sealed)
}

/// The texts of the group's messages that came, and who wrote each.
pub(super) fn texts(of: &Person) -> Vec<(Fingerprint, String)> {
    let sql = "SELECT sender, bytes FROM message JOIN body ON body = ref WHERE contact = ?1 AND outgoing = 0 ORDER BY number";
    let mut find = of.vault.conn.prepare(sql).expect("tables");
    let rows =
        find.query_map([GROUP.0], |row| Ok((Fingerprint(row.get(0)?), String::from_utf8_lossy(&row.get::<_, Vec<u8>>(1)?).into_owned())));
    rows.and_then(Iterator::collect).expect("rows")
}

#[test]
fn who_is_let_in_by_mail_reads_what_is_posted_from_then_on() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = Log::default();
    create(&mut alice, &mut log);
    assert!(matches!(post(&mut alice, &mut log, "to nobody yet"), Said::Posted(_)));
    add(&mut alice, &mut log, &mut [&mut bob, &mut carol]);
    for (who, text) in [(&mut alice, "from alice"), (&mut bob, "from bob"), (&mut carol, "from carol")] {
        assert!(matches!(post(who, &mut log, text), Said::Posted(_)), "{text}");
    }
    let from = |who: &Person, text: &str| (who.own(), text.to_owned());
    for person in [&mut alice, &mut bob, &mut carol] {
        let Followed { messages, unreadable, own, became, upto, last, .. } = follow(person, &mut log);
        assert_eq!((messages.len(), unreadable.len(), own, became, upto, last), (2, 0, Own::Open, None, 5, 5));
    }
    assert_eq!(texts(&alice), [from(&bob, "from bob"), from(&carol, "from carol")]);
    assert_eq!(texts(&bob), [from(&alice, "from alice"), from(&carol, "from carol")]);
    assert_eq!(texts(&carol), [from(&alice, "from alice"), from(&bob, "from bob")]);
}

#[test]
fn a_newcomer_is_told_the_title_and_who_is_in_it_and_members_see_them_come() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob]);
    pin(&mut alice, &mut carol);
    assert_eq!(keep_package(&mut alice, &mut carol), Outcome::Done);
    let posted = commit(&mut alice, &[carol.own()]);
    log.answers(&posted);
    let three = Became { title: title("Readers"), members: 3, out: false };
    assert_eq!(follow(&mut bob, &mut log).became, Some(three.clone()));
    assert_eq!(follow(&mut alice, &mut log).became, Some(three));
    let sealed = welcome(&mut alice, &carol);
    pin(&mut carol, &mut alice);
    let expected = Opened::Welcomed { contact: alice.own(), group: GROUP, title: title("Readers"), members: 3 };
    assert_eq!(join(&mut carol, &alice, &sealed), Outcome::Opened(expected));
    // bob, who never met carol, knows whose word he reads.
    post(&mut carol, &mut log, "hello bob");
    follow(&mut bob, &mut log);
    assert_eq!(texts(&bob), [(carol.own(), "hello bob".to_owned())]);
}

#[test]
fn a_welcome_holds_one_joiners_secrets_and_lets_them_in_once() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = Log::default();
    create(&mut alice, &mut log);
    for person in [&mut bob, &mut carol] {
        pin(&mut alice, person);
        assert_eq!(keep_package(&mut alice, person), Outcome::Done);
    }
    let posted = commit(&mut alice, &[bob.own(), carol.own()]);
    log.answers(&posted);
    // Before the log shows that the commit stands nobody is let in.
    let early = VaultOp::SealWelcome { group: GROUP, contact: bob.own(), mailbox: bob.mailbox() };
    assert_eq!(alice.ask(early, &[]), Outcome::Refused(Code::NoMember));
    follow(&mut alice, &mut log);
    let sealed = welcome(&mut alice, &bob);
    let Inside::GroupWelcome(content) = inside(&bob, &sealed) else {
        panic!("no Welcome");
    };
    let parsed = openmls::prelude::Welcome::tls_deserialize_exact(&content.welcome).expect("a Welcome");
    assert_eq!(parsed.secrets().len(), 1);
    assert_eq!(content.certificates.len(), 1, "carol's");
    // Nobody is in a group by another's word alone, and a stranger has no say.
    assert_eq!(read(&mut bob, &sealed), unreadable(&alice, Code::UnknownContact));
    assert_eq!(join(&mut bob, &alice, &sealed), Outcome::Refused(Code::UnknownContact));
    pin(&mut bob, &mut alice);
    assert_eq!(read(&mut bob, &sealed), invited(&alice));
    assert_eq!((bob.count("log_group"), bob.count("log_certificate"), bob.count("welcome")), (0, 0, 0));
    assert_eq!(join(&mut bob, &carol, &sealed), Outcome::Refused(Code::ForgedSender), "it is alice's");
    // Another's does not open with what bob has.
    let Inside::GroupWelcome(of_carol) = inside(&carol, &welcome(&mut alice, &carol)) else {
        panic!("no Welcome");
    };
    let turned = forge(&bob, &alice, Inside::GroupWelcome(of_carol));
    assert_eq!(read(&mut bob, &turned), unreadable(&alice, Code::ForgedSender));
    assert!(matches!(join(&mut bob, &alice, &sealed), Outcome::Opened(Opened::Welcomed { .. })));
    assert_eq!(read(&mut bob, &sealed), unreadable(&alice, Code::Repeated));
    assert_eq!(join(&mut bob, &alice, &sealed), Outcome::Refused(Code::Repeated));
}

#[test]
fn a_welcome_is_its_senders_word_about_the_log() {
    let (mut alice, mut bob) = two();
    let mut log = Log::default();
    create(&mut alice, &mut log);
    pin(&mut alice, &mut bob);
    keep_package(&mut alice, &mut bob);
    let posted = commit(&mut alice, &[bob.own()]);
    log.answers(&posted);
    follow(&mut alice, &mut log);
    let sealed = welcome(&mut alice, &bob);
    pin(&mut bob, &mut alice);
    let Inside::GroupWelcome(honest) = inside(&bob, &sealed) else {
        panic!("no Welcome");
    };
    let place = peer::GroupPlace::decode(honest.statement.as_slice()).expect("a place");
    let moved = peer::GroupPlace { entry: place.entry + 1, ..place }.encode_to_vec();
    let forged = forge(&bob, &alice, Inside::GroupWelcome(peer::GroupWelcome { statement: moved, ..honest.clone() }));
    assert_eq!(read(&mut bob, &forged), unreadable(&alice, Code::ForgedSender));
    // A tree in which somebody stands whom nobody certified.
    let nobody = forge(&bob, &alice, Inside::GroupWelcome(peer::GroupWelcome { tree: Vec::new(), ..honest }));
    assert_eq!(join(&mut bob, &alice, &nobody), Outcome::Refused(Code::MalformedEnvelope));
    assert!(matches!(join(&mut bob, &alice, &sealed), Outcome::Opened(Opened::Welcomed { .. })), "nothing was used up");
}

#[test]
fn of_two_commits_at_once_the_first_stands_and_the_other_is_made_again() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut dave = Person::new("dave", 4);
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob]);
    // alice adds carol; before that is posted she is told what bob did. bob is no admin: he renews his keys alone.
    pin(&mut alice, &mut carol);
    keep_package(&mut alice, &mut carol);
    let mine = commit(&mut alice, &[carol.own()]);
    let theirs = commit(&mut bob, &[]);
    assert!(matches!(log.answers(&theirs), Said::Posted(_)));
    let Said::LogPage(new) = log.answers(&mine) else {
        panic!("not stale");
    };
    assert_eq!(followed(page(&mut alice, new)).own, Own::Lost);
    assert_eq!(follow(&mut bob, &mut log).own, Own::Stands);
    let again = commit(&mut alice, &[carol.own()]);
    assert!(matches!(log.answers(&again), Said::Posted(_)));
    assert_eq!(follow(&mut alice, &mut log).own, Own::Stands);
    follow(&mut bob, &mut log);
    let sealed = welcome(&mut alice, &carol);
    pin(&mut carol, &mut alice);
    join(&mut carol, &alice, &sealed);
    add(&mut alice, &mut log, &mut [&mut dave]);
    for person in [&mut bob, &mut carol] {
        assert_eq!(follow(person, &mut log).became.expect("a member more").members, 4);
    }
    post(&mut dave, &mut log, "all four");
    for person in [&mut alice, &mut bob, &mut carol] {
        assert_eq!(follow(person, &mut log).messages.len(), 1);
    }
}

#[test]
fn a_mere_member_lets_nobody_in() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob]);
    pin(&mut bob, &mut carol);
    assert_eq!(keep_package(&mut bob, &mut carol), Outcome::Done);
    assert_eq!(commit(&mut bob, &[carol.own()]), Outcome::Refused(Code::NotAllowed));
    assert_eq!(commit(&mut alice, &[bob.own()]), Outcome::Refused(Code::AlreadyMember));
    assert_eq!(alice.ask(VaultOp::Commit { group: GroupId([1; 16]), adds: vec![] }, &[]), Outcome::Refused(Code::UnknownGroup));
}

#[test]
fn a_message_that_lost_its_place_is_encrypted_anew_and_one_of_an_epoch_that_ended_is_read() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob, &mut carol]);
    // bob's message is stored after a commit that he does not know of.
    let update = commit(&mut carol, &[]);
    log.answers(&update);
    let Said::LogPage(new) = post(&mut bob, &mut log, "late") else {
        panic!("not stale");
    };
    assert_eq!(followed(page(&mut bob, new)).messages, []);
    let again = bob.ask(VaultOp::SealPost { group: GROUP, message: message_of("late"), body: None, at: LATER }, &[]);
    assert!(matches!(log.answers(&again), Said::Posted(_)));
    // One that the relay took by the commit before, in spite of the rules, can still be read.
    let old = {
        let body = alice.vault.stage(b"of an epoch that ended").expect("room");
        let op = VaultOp::SealPost { group: GROUP, message: message_of("old"), body: Some(body), at: NOW };
        let Asked::Post(post) = asked(&alice.ask(op, &[])) else {
            panic!("no post");
        };
        post
    };
    log.append(old);
    for person in [&mut bob, &mut carol] {
        let Followed { unreadable, .. } = follow(person, &mut log);
        assert_eq!(unreadable, []);
        assert!(texts(person).iter().any(|(_, text)| text == "of an epoch that ended"));
    }
    follow(&mut alice, &mut log);
    assert_eq!(texts(&alice), [(bob.own(), "late".to_owned())]);
}

#[test]
fn a_page_with_a_gap_or_of_another_life_of_the_store_is_refused_and_nothing_of_it_is_taken() {
    let (mut alice, mut bob) = two();
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob]);
    for text in ["one", "two", "three"] {
        post(&mut alice, &mut log, text);
    }
    let whole = log.page(2);
    let gap = LogPage { entries: [&whole.entries[..1], &whole.entries[2..]].concat(), ..whole.clone() };
    let later = LogPage { entries: whole.entries[1..].to_vec(), ..whole.clone() };
    let restored = LogPage { incarnation: vec![5; 16], ..whole.clone() };
    for broken in [gap, later, restored] {
        assert_eq!(page(&mut bob, broken), Outcome::Refused(Code::LogBroken));
        assert_eq!(texts(&bob), []);
    }
    // Cut short, and then all once more: each message once.
    let short = LogPage { entries: whole.entries[..2].to_vec(), ..whole.clone() };
    assert_eq!(followed(page(&mut bob, short)).upto, 3);
    assert_eq!(followed(page(&mut bob, whole.clone())).messages.len(), 1);
    assert_eq!(followed(page(&mut bob, whole)).messages.len(), 0);
    assert_eq!(texts(&bob).len(), 3);
}

#[test]
fn garbage_in_a_log_has_no_effect() {
    let (mut alice, mut bob) = two();
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob]);
    let Asked::Post(honest) = asked(&commit(&mut bob, &[])) else {
        panic!("no post");
    };
    let flipped = |at: usize| {
        let mut entry = honest.entry.clone();
        entry[at] ^= 0x81;
        Post { entry, ..honest.clone() }
    };
    for garbage in [
        Post { entry: Vec::new(), ..honest.clone() },
        flipped(0),
        flipped(7),
        flipped(8),
        flipped(honest.entry.len() - 1),
        Post { kind: EntryKind::Control.into(), ..honest.clone() },
        Post { kind: 77, ..honest.clone() },
    ] {
        log.append(garbage.clone());
        log.append(Post { kind: EntryKind::Message.into(), ..garbage });
    }
    let Followed { own, became, messages, .. } = follow(&mut alice, &mut log);
    assert_eq!((own, became, messages), (Own::Open, None, vec![]));
    // The garbage is commits all the same to who counts them: bob's own goes behind them.
    let Said::LogPage(new) = log.answers(&commit(&mut bob, &[])) else {
        panic!("not stale");
    };
    page(&mut bob, new);
    let again = commit(&mut bob, &[]);
    assert!(matches!(log.answers(&again), Said::Posted(_)));
    assert_eq!(follow(&mut bob, &mut log).own, Own::Stands);
    follow(&mut alice, &mut log);
    post(&mut alice, &mut log, "still here");
    follow(&mut bob, &mut log);
    assert_eq!(texts(&bob).len(), 1);
}

#[test]
fn a_commit_that_registers_a_key_nobody_has_is_gone_on_from_by_nobody() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob, &mut carol]);
    let Asked::Post(honest) = asked(&commit(&mut bob, &[])) else {
        panic!("no post");
    };
    log.append(Post { posting: vec![0; 32], ..honest });
    for person in [&mut alice, &mut carol] {
        follow(person, &mut log);
        let group = held(&scope(person), GROUP);
        assert_eq!(group, Some(2), "held by the second commit of the log");
    }
}

pub(super) fn scope(of: &Person) -> crate::Scope<'_> {
    crate::Scope { conn: &of.vault.conn, entropy: &of.vault.entropy, account: &of.vault.account }
}

#[test]
fn a_group_and_its_messages_are_there_after_a_reopen_and_an_op_that_is_asked_for_again_does_nothing() {
    let (mut alice, mut bob) = two();
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob]);
    post(&mut alice, &mut log, "before");
    let call = VaultCall {
        effect: effect(77),
        op: VaultOp::FollowLog { group: GROUP, answer: Seq(4), at: LATER },
        frame: answer(Said::LogPage(log.page(2))),
    };
    let first = bob.run(slice::from_ref(&call));
    assert_eq!(bob.run(slice::from_ref(&call)), first);
    let mut bob = bob.reopened();
    assert_eq!(bob.run(&[call]), first);
    post(&mut alice, &mut log, "after");
    follow(&mut bob, &mut log);
    assert_eq!(texts(&bob).len(), 2);
}

#[test]
fn groups_are_given_up_with_all_that_is_kept_of_them_and_one_who_is_let_in_again_is_in_it() {
    let (mut alice, mut bob) = two();
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob]);
    post(&mut alice, &mut log, "still to be read");
    follow(&mut bob, &mut log);
    assert_eq!(bob.ask(VaultOp::GiveUpGroups, &[]), Outcome::Done);
    for table in ["log_group", "log_epoch", "log_pending", "log_post", "log_package", "log_welcome", "log_place", "log_certificate"] {
        assert_eq!(bob.count(table), 0, "{table}");
    }
    let of_the_group = format!("mls WHERE instr(key, x'{}') > 0", GROUP.hex());
    assert_eq!((bob.count(&of_the_group), texts(&bob).len()), (0, 1));
    assert!(alice.count(&of_the_group) > 0, "it would be found");
    assert_eq!(commit(&mut bob, &[]), Outcome::Refused(Code::UnknownGroup));
    assert_eq!(bob.ask(VaultOp::Compose(Ask::ReadLog(GROUP)), &[]), Outcome::Refused(Code::UnknownGroup));
    assert_eq!(page(&mut bob, log.page(2)), Outcome::Refused(Code::UnknownGroup));
}

#[test]
fn what_lets_people_in_and_certificates_of_nobody_go_after_52_days() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob]);
    post(&mut alice, &mut log, "hello");
    pin(&mut alice, &mut carol);
    keep_package(&mut alice, &mut carol);
    let stray = "INSERT INTO log_certificate SELECT group_id, zeroblob(20), certificate FROM log_certificate";
    alice.vault.conn.execute_batch(stray).expect("a table");
    let counts = |of: &Person| ["log_package", "log_place", "log_welcome", "log_post", "log_certificate"].map(|table| of.count(table));
    let day = LATER.after(REPLACED_KEYS_FOR);
    assert_eq!(counts(&alice), [1, 1, 1, 1, 2]);
    assert_eq!(alice.ask(VaultOp::Tidy { at: NOW.after(REPLACED_KEYS_FOR) }, &[]), Outcome::Done);
    assert_eq!(counts(&alice), [1, 1, 1, 1, 1], "a certificate of nobody goes at once");
    assert_eq!(alice.ask(VaultOp::Tidy { at: day }, &[]), Outcome::Done);
    assert_eq!(counts(&alice), [0, 1, 1, 0, 1]);
    assert_eq!(alice.ask(VaultOp::Tidy { at: Stamp(day.0 + 1) }, &[]), Outcome::Done);
    assert_eq!(counts(&alice), [0, 0, 0, 0, 1]);
    let late = VaultOp::SealWelcome { group: GROUP, contact: bob.own(), mailbox: bob.mailbox() };
    assert_eq!(alice.ask(late, &[]), Outcome::Refused(Code::NoMember));
    assert_eq!(commit(&mut alice, &[carol.own()]), Outcome::Refused(Code::NoKeyPackage));
}

#[test]
fn a_package_that_is_past_its_window_when_its_commit_stands_is_in_nobodys_way() {
    let (mut alice, mut bob) = two();
    let mut log = Log::default();
    create(&mut alice, &mut log);
    pin(&mut alice, &mut bob);
    keep_package(&mut alice, &mut bob);
    let posted = commit(&mut alice, &[bob.own()]);
    alice.ask(VaultOp::Tidy { at: LATER.after(REPLACED_KEYS_FOR) }, &[]);
    log.answers(&posted);
    assert_eq!(follow(&mut alice, &mut log).own, Own::Stands);
    meet(&mut bob, &mut alice);
    let sealed = welcome(&mut alice, &bob);
    assert!(matches!(join(&mut bob, &alice, &sealed), Outcome::Opened(Opened::Welcomed { .. })));
}

#[test]
fn nobody_is_let_in_whom_no_envelope_could_tell_who_is_in_the_group() {
    let mut alice = Person::new("alice", 1);
    let mut log = Log::default();
    create(&mut alice, &mut log);
    let mut members = 1;
    // Whoever is let in last is told of all the others.
    let refused = (2..).step_by(8).find_map(|seed| {
        let mut people: Vec<Person> = (seed..seed + 8).map(|seed| Person::new("somebody", seed)).collect();
        for person in &mut people {
            meet(person, &mut alice);
            let entry = entry(person);
            pin_as(&mut alice, person.who, entry);
            unpin(&mut alice, person);
            assert_eq!(keep_package(&mut alice, person), Outcome::Done);
        }
        let adds: Vec<Fingerprint> = people.iter().map(Person::own).collect();
        let posted = commit(&mut alice, &adds);
        if matches!(posted, Outcome::Refused(_)) {
            return Some(posted);
        }
        log.answers(&posted);
        members += 8;
        assert_eq!(follow(&mut alice, &mut log).own, Own::Stands);
        let last = people.last_mut().expect("eight");
        let sealed = welcome(&mut alice, last);
        assert!(matches!(join(last, &alice, &sealed), Outcome::Opened(Opened::Welcomed { .. })));
        None
    });
    assert_eq!(refused, Some(Outcome::Refused(Code::GroupFull)));
    assert!(members >= 64, "{members} members");
    assert!(members < 128, "{members} members");
}

fn unpin(by: &mut Person, contact: &Person) {
    by.ask(VaultOp::Unpin { contact: contact.own() }, &[]);
}

#[test]
fn a_group_is_made_once_under_an_id() {
    let mut alice = Person::new("alice", 1);
    let mut log = Log::default();
    create(&mut alice, &mut log);
    let again = VaultOp::CreateGroup { group: GROUP, title: title("Others"), public: true };
    assert_eq!(alice.ask(again, &[]), Outcome::Refused(Code::Repeated));
}

#[test]
fn views_of_contacts_and_archives_leave_out_what_is_said_in_groups() {
    let (mut alice, mut bob) = two();
    let mut log = Log::default();
    create(&mut alice, &mut log);
    add(&mut alice, &mut log, &mut [&mut bob]);
    post(&mut alice, &mut log, "said among several");
    post(&mut bob, &mut log, "heard among several");
    follow(&mut alice, &mut log);
    assert_eq!(texts(&alice).len(), 1);
    let reader = alice.reader();
    assert_eq!((alice.rows(), reader.latest(), reader.search("among", 10)), (vec![], Ok(vec![]), Ok(vec![])));
    let mine = message_of("said among several");
    assert_eq!((reader.find(mine), reader.unread()), (Ok(vec![]), Ok(BTreeMap::new())));
    assert!(reader.newest().expect("a number") > 0);
    let mut told = 0;
    for part in [crate::Part::Keys, crate::Part::Rows] {
        let put = &mut |piece: &thicket_journal_format::archive::Piece| {
            use thicket_journal_format::archive::Piece;
            told += usize::from(matches!(piece, Piece::Message(_) | Piece::Body(_)));
            Ok(())
        };
        alice.vault.archive(part, put).expect("a vault that works");
    }
    assert_eq!(told, 0, "texts of a group, or of nothing");
}
