//! What members, a relay and senders of Welcomes do who are hostile: nobody else's group stands still for it, or forks.

use super::groups::*;
use super::*;
use crate::group::insider::{held, opened, sealed};
use crate::request;
use openmls::prelude::tls_codec::Serialize as _;
use openmls::prelude::{Capabilities, KeyPackage, KeyPackageIn, MlsMessageBodyIn, ProtocolVersion};
use thicket_types::event::{Followed, Own};
use thicket_types::limits::LOG_PAGE_ENTRIES_MAX;
use wire::{LogPage, Post};

/// Alice's group with the others in it.
fn group(alice: &mut Person, others: &mut [&mut Person]) -> Log {
    let mut log = Log::default();
    create(alice, &mut log);
    add(alice, &mut log, others);
    log
}

fn posted(outcome: &Outcome) -> Post {
    let Asked::Post(post) = asked(outcome) else {
        panic!("no post");
    };
    post
}

/// A commit that a member seals once more, with something else beside it.
fn sealed_anew(by: &Person, post: &Post, alter: impl Fn(&mut peer::GroupCommit)) -> Post {
    let what = opened(&scope(by), GROUP, &post.entry).expect("a group");
    let Some(peer::group_entry::What::Commit(mut commit)) = what else {
        panic!("no commit");
    };
    alter(&mut commit);
    let entry = sealed(&scope(by), GROUP, peer::group_entry::What::Commit(commit)).expect("a group");
    Post { entry, ..post.clone() }
}

/// The group as MLS has it.
fn mls(of: &Person) -> (Provider<'_>, MlsGroup) {
    let provider = Provider::new(&of.vault.conn, of.vault.entropy.clone());
    let mls = MlsGroup::load(provider.storage(), &GroupId::from_slice(&GROUP.0)).expect("a store").expect("a group");
    (provider, mls)
}

fn package_of(of: &mut Person) -> KeyPackage {
    let bytes = package(of);
    let parsed = KeyPackageIn::tls_deserialize_exact(bytes.as_slice()).expect("a package");
    let provider = Provider::new(&of.vault.conn, of.vault.entropy.clone());
    parsed.validate(provider.crypto(), ProtocolVersion::Mls10).expect("a package")
}

/// A statement about the log, signed by whoever makes it.
fn placed(by: &Person, to: &Person, content: peer::GroupWelcome, alter: impl Fn(&mut peer::GroupPlace)) -> Vec<u8> {
    let mut place = peer::GroupPlace::decode(content.statement.as_slice()).expect("a place");
    alter(&mut place);
    let statement = place.encode_to_vec();
    let signature = request::sign(&scope(by), context::GROUP_WELCOME, &statement).expect("a signature");
    forge(to, by, Inside::GroupWelcome(peer::GroupWelcome { statement, signature, ..content }))
}

#[test]
fn a_commit_of_ours_that_another_member_seals_anew_is_ours_all_the_same() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = group(&mut alice, &mut [&mut bob]);
    pin(&mut alice, &mut carol);
    keep_package(&mut alice, &mut carol);
    let honest = posted(&commit(&mut alice, &[carol.own()]));
    // Without the certificate it is nothing to anybody, and the true one may come yet.
    log.append(sealed_anew(&bob, &honest, |commit| commit.certificates.clear()));
    for person in [&mut alice, &mut bob] {
        let Followed { own, became, .. } = follow(person, &mut log);
        assert_eq!((own, became), (Own::Open, None));
    }
    log.append(sealed_anew(&bob, &honest, |_| {}));
    assert_eq!(follow(&mut alice, &mut log).own, Own::Stands);
    assert_eq!(follow(&mut bob, &mut log).became.expect("a member more").members, 3);
    meet(&mut carol, &mut alice);
    let envelope = welcome(&mut alice, &carol);
    assert!(matches!(join(&mut carol, &alice, &envelope), Outcome::Opened(Opened::Welcomed { .. })));
    post(&mut carol, &mut log, "hello");
    for person in [&mut alice, &mut bob] {
        assert_eq!(follow(person, &mut log).messages.len(), 1);
    }
}

#[test]
fn a_commit_of_ours_under_a_key_that_nobody_has_holds_us_as_it_does_the_others() {
    let (mut alice, mut bob) = two();
    let mut log = group(&mut alice, &mut [&mut bob]);
    let honest = posted(&commit(&mut alice, &[]));
    log.append(Post { posting: vec![0; 32], ..honest });
    assert_eq!(follow(&mut alice, &mut log).own, Own::Lost);
    follow(&mut bob, &mut log);
    assert_eq!((held(&scope(&alice), GROUP), held(&scope(&bob), GROUP)), (Some(2), Some(2)));
}

#[test]
fn whoever_is_held_has_no_commit_under_way_and_makes_none() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = group(&mut alice, &mut [&mut bob, &mut carol]);
    let mine = commit(&mut alice, &[]);
    let theirs = posted(&commit(&mut carol, &[]));
    log.append(Post { posting: vec![0; 32], ..theirs });
    assert_eq!(follow(&mut alice, &mut log).own, Own::Lost);
    log.append(posted(&mine));
    assert_eq!(follow(&mut alice, &mut log).own, Own::Open);
    assert_eq!(commit(&mut alice, &[]), Outcome::Refused(Code::NotAllowed));
    // What is said in the epoch where all hold is read all the same.
    post(&mut bob, &mut Log::default(), "never stored");
    let sealed = bob.ask(VaultOp::SealPost { group: GROUP, message: message_of("never stored"), body: None, at: NOW }, &[]);
    log.append(posted(&sealed));
    assert_eq!(follow(&mut alice, &mut log).messages.len(), 1);
}

#[test]
fn a_commit_that_its_sender_may_not_make_leaves_nothing_behind() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = group(&mut alice, &mut [&mut bob]);
    let honest = posted(&commit(&mut bob, &[]));
    let package = package_of(&mut carol);
    let commit = {
        let (provider, mut mls) = mls(&bob);
        mls.clear_pending_commit(provider.storage()).expect("a store");
        let (commit, _, _) = mls.add_members(&provider, &bob.vault.account.signer, &[package]).expect("a commit");
        commit.to_bytes().expect("bytes")
    };
    let certificates = vec![carol.vault.own().1.to_bytes()];
    let what = peer::group_entry::What::Commit(peer::GroupCommit { commit, certificates });
    let entry = sealed(&scope(&bob), GROUP, what).expect("a group");
    let before = alice.count("log_certificate");
    log.append(Post { entry, ..honest });
    let Followed { own, became, .. } = follow(&mut alice, &mut log);
    assert_eq!((own, became, alice.count("log_certificate")), (Own::Open, None, before));
    assert_eq!(held(&scope(&alice), GROUP), None);
}

#[test]
fn an_entry_that_stands_in_the_log_twice_says_nothing_new() {
    let (mut alice, mut bob) = two();
    let mut log = group(&mut alice, &mut [&mut bob]);
    post(&mut alice, &mut log, "from alice");
    post(&mut bob, &mut log, "from bob");
    for entry in log.entries.clone() {
        log.append(Post { kind: entry.kind, entry: entry.entry, posting: entry.posting, ..Post::default() });
    }
    for person in [&mut alice, &mut bob] {
        let Followed { messages, unreadable, became, upto, .. } = follow(person, &mut log);
        assert_eq!((messages.len(), unreadable, became, upto), (1, vec![], None, 6));
        assert_eq!(held(&scope(person), GROUP), None);
    }
}

#[test]
fn nobody_takes_the_name_of_another_members_message_unseen() {
    let (mut alice, mut bob, mut carol) = three("carol");
    let mut log = group(&mut alice, &mut [&mut bob, &mut carol]);
    // Whoever sees a message before it is stored can be first with its name.
    let mine = message_of("from bob");
    let body = carol.vault.stage(b"from carol").expect("room");
    let sealed = carol.ask(VaultOp::SealPost { group: GROUP, message: mine, body: Some(body), at: NOW }, &[]);
    log.answers(&sealed);
    post(&mut bob, &mut log, "from bob");
    let Followed { messages, unreadable, .. } = follow(&mut alice, &mut log);
    assert_eq!((messages, unreadable), (vec![(carol.own(), mine)], vec![Code::ForgedSender]));
}

#[test]
fn a_page_has_no_more_entries_than_were_asked_for() {
    let (mut alice, mut bob) = two();
    let mut log = group(&mut alice, &mut [&mut bob]);
    let Asked::Post(garbage) = asked(&commit(&mut bob, &[])) else {
        panic!("no post");
    };
    for _ in 0..=LOG_PAGE_ENTRIES_MAX {
        log.append(Post { entry: vec![7], ..garbage.clone() });
    }
    let whole = log.page(2);
    assert_eq!(page(&mut alice, whole.clone()), Outcome::Refused(Code::LogBroken));
    let most = usize::try_from(LOG_PAGE_ENTRIES_MAX).expect("few");
    let cut = LogPage { entries: whole.entries[..most].to_vec(), ..whole };
    assert_eq!(followed(page(&mut alice, cut)).upto, 1 + u64::from(LOG_PAGE_ENTRIES_MAX));
}

#[test]
fn a_welcome_to_a_place_that_no_log_has_is_refused() {
    let (mut alice, mut bob) = two();
    let mut log = Log::default();
    create(&mut alice, &mut log);
    pin(&mut alice, &mut bob);
    pin(&mut bob, &mut alice);
    keep_package(&mut alice, &mut bob);
    let commit = commit(&mut alice, &[bob.own()]);
    log.answers(&commit);
    follow(&mut alice, &mut log);
    let envelope = welcome(&mut alice, &bob);
    let Inside::GroupWelcome(honest) = inside(&bob, &envelope) else {
        panic!("no Welcome");
    };
    let places: [fn(&mut peer::GroupPlace); 7] = [
        |place| (place.entry, place.commit) = (u64::MAX, u64::MAX),
        |place| place.entry = 1 << 49,
        |place| place.commit = 0,
        |place| place.commit = place.entry + 1,
        |place| place.prefix.clear(),
        |place| place.incarnation.push(1),
        |place| place.reading.clear(),
    ];
    for place in places {
        let forged = placed(&alice, &bob, honest.clone(), place);
        assert_eq!(read(&mut bob, &forged), unreadable(&alice, Code::MalformedEnvelope));
        assert_eq!(join(&mut bob, &alice, &forged), Outcome::Refused(Code::MalformedEnvelope));
    }
    // Another's group under the same words.
    let other = placed(&alice, &bob, honest, |place| place.log = vec![8; 16]);
    assert_eq!(join(&mut bob, &alice, &other), Outcome::Refused(Code::MalformedEnvelope));
    assert_eq!(bob.count("log_group"), 0);
    assert!(matches!(join(&mut bob, &alice, &envelope), Outcome::Opened(Opened::Welcomed { .. })), "nothing was used up");
}

#[test]
fn a_welcome_of_a_mere_member_lets_nobody_into_an_epoch_of_their_own() {
    let (mut alice, mut bob, mut carol) = three("carol");
    group(&mut alice, &mut [&mut bob]);
    pin(&mut carol, &mut bob);
    pin(&mut bob, &mut carol);
    let package = package_of(&mut carol);
    let (welcome, tree) = {
        let (provider, mut mls) = mls(&bob);
        let (_, welcome, _) = mls.add_members(&provider, &bob.vault.account.signer, &[package]).expect("a commit");
        mls.merge_pending_commit(&provider).expect("a commit");
        let MlsMessageBodyIn::Welcome(welcome) = MlsMessageIn::from(welcome).extract() else {
            panic!("no Welcome");
        };
        let tree = mls.export_ratchet_tree().tls_serialize_detached().expect("bytes");
        (welcome.tls_serialize_detached().expect("bytes"), tree)
    };
    let statement = peer::GroupPlace {
        to: carol.own().0.to_vec(),
        welcome: digest(&[&welcome]).0.to_vec(),
        log: GROUP.0.to_vec(),
        incarnation: vec![4; 16],
        entry: 2,
        commit: 2,
        prefix: vec![1; 32],
        reading: vec![2; 32],
    };
    let certificates = vec![alice.vault.own().1.to_bytes()];
    let content = peer::GroupWelcome { statement: statement.encode_to_vec(), signature: Vec::new(), welcome, tree, certificates };
    let forged = placed(&bob, &carol, content, |_| {});
    assert_eq!(join(&mut carol, &bob, &forged), Outcome::Refused(Code::ForgedSender));
    assert_eq!(carol.count("log_group") + carol.count("log_certificate"), 0);
}

#[test]
fn a_key_package_of_a_client_that_knows_no_groups_is_not_kept() {
    let (mut alice, mut bob) = two();
    let mut log = Log::default();
    create(&mut alice, &mut log);
    pin(&mut alice, &mut bob);
    let package = {
        let provider = Provider::new(&bob.vault.conn, bob.vault.entropy.clone());
        let can = Capabilities::new(None, None, None, None, Some(&[crate::mls::credential::CREDENTIAL_TYPE]));
        let builder = KeyPackage::builder().leaf_node_capabilities(can);
        let suite = openmls::prelude::Ciphersuite::MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519;
        let built = builder.build(suite, &provider, &bob.vault.account.signer, request::own_leaf(&scope(&bob))).expect("a package");
        built.key_package().tls_serialize_detached().expect("bytes")
    };
    let said = Said::KeyPackage(wire::KeyPackage { key_package: package, last_resort: false, suite: SUITE });
    let keep = VaultOp::KeepKeyPackage { group: GROUP, contact: bob.own(), answer: Seq(2), at: NOW };
    assert_eq!(alice.ask(keep, &answer(said)), Outcome::Refused(Code::BadKeyPackage));
    assert_eq!(alice.count("log_package"), 0);
}
