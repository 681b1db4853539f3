//! Why a message is where it is, asked of the journals of real lives: each answer is held word by word.

use super::*;
use thicket_replay::{Explaining, Replay, Step, Subject};
use thicket_types::event::{Arrival, Arrived, Event};

/// Folds what somebody's journal holds once their process has died.
fn fold(world: &mut World, who: &'static str, visit: &mut dyn FnMut(&Step<'_>)) {
    world.kill(who);
    let mut disk = OsDisk::new(&world.people[who].folder);
    let keys = ProfileKeys::unlock(&mut disk, &passphrase()).expect("intact keys");
    Replay::read(&mut disk, &keys, visit).expect("an intact journal");
}

/// What the journal says of something, without the records' places.
fn why(world: &mut World, who: &'static str, subject: Subject) -> Vec<String> {
    let mut explaining = Explaining::new(subject);
    fold(world, who, &mut |step| explaining.note(step));
    let lines = explaining.finish();
    assert!(lines.len() <= 12 && lines.windows(2).all(|pair| pair[0].seq <= pair[1].seq), "{lines:?}");
    lines.into_iter().map(|line| line.says).collect()
}

/// A line without the record that it names.
fn unnumbered(line: String) -> String {
    line.split_once("the last at ").map_or(line.clone(), |(line, _)| format!("{line}the last at …)"))
}

fn whom(world: &World, who: &str) -> String {
    world.people[who].own.hex()[..8].to_owned()
}

#[test]
fn a_first_message_waited_for_the_conversation_and_paid_for_its_way() {
    let mut world = two(900, Conditions::default());
    let message = world.say("alice", "bob", "one");
    world.run(60_000);
    let (alice, bob) = (world.people["alice"].own, world.people["bob"].own);
    world.ask("bob", Intent::AcceptContact { contact: alice });
    world.run(60_000);
    let to = whom(&world, "bob");
    assert_eq!(
        why(&mut world, "alice", Subject::Message(message)),
        [
            format!("you asked to send 3 bytes to {to}…: it waits, since the conversation has to begin first").as_str(),
            "what it waited for is there: it is being encrypted",
            "it was encrypted, and goes to the transport",
            "the transport took it",
            "the relay asks for work before it takes it: the vault does it",
            "the work is done: it goes again, with a stamp",
            "the relay stored it for its recipient",
            "a receipt came: its recipient's device has it",
        ]
    );
    let from = whom(&world, "alice");
    assert_eq!(
        why(&mut world, "bob", Subject::Message(message)),
        [
            "an envelope of 3120 bytes came, item 1 of the mailbox",
            format!("it was read: a message of {from}…").as_str(),
            "its sender is told that it is here",
        ]
    );
    assert_eq!(
        why(&mut world, "alice", Subject::Contact(bob)),
        [
            "by what the vault did, they became a contact",
            "as you asked, a conversation is being begun",
            "by what the vault did, the conversation is open: messages can be encrypted",
        ]
    );
    assert_eq!(
        why(&mut world, "bob", Subject::Contact(alice)),
        [
            "by what was read, they wrote first, and wait to be accepted",
            "as you asked, they are accepted",
            "by what the vault did, their mailbox was found",
        ]
    );
}

#[test]
fn what_was_lost_on_the_way_went_again_until_it_was_answered() {
    let mut world = two(901, Conditions { lost: 300, ..Conditions::default() });
    world.say("alice", "bob", "one");
    let message = world.say("alice", "bob", "two");
    world.run(60_000);
    let to = whom(&world, "bob");
    assert_eq!(
        why(&mut world, "alice", Subject::Message(message)).into_iter().map(unnumbered).collect::<Vec<_>>(),
        [
            format!("you asked to send 3 bytes to {to}…: it waits, since the conversation has to begin first").as_str(),
            "what it waited for is there: it is being encrypted",
            "it was encrypted, and goes to the transport",
            "the transport took it",
            "no answer came in time: the same bytes go again (2 times, the last at …)",
            "the relay asks for work before it takes it: the vault does it",
            "the work is done: it goes again, with a stamp",
            "no answer came in time: the same bytes go again",
            "the relay stored it for its recipient",
        ]
    );
}

#[test]
fn a_process_that_died_before_the_answer_had_the_next_one_ask_again() {
    let mut world = friends(910, Conditions::default());
    world.say("bob", "alice", "what lets you write");
    world.run(60_000);
    let message = world.say("alice", "bob", "three");
    // Handed over, and the relay's turn has not come.
    for _ in 0..10 {
        world.pump("alice").pump().expect("a disk that works");
    }
    world.kill("alice");
    world.open("alice");
    world.run(60_000);
    let to = whom(&world, "bob");
    assert_eq!(
        why(&mut world, "alice", Subject::Message(message)),
        [
            format!("you asked to send 5 bytes to {to}…: it is being encrypted").as_str(),
            "it was encrypted, and goes to the transport",
            "the transport took it",
            "a receipt came: its recipient's device has it",
            "no answer can come to a way of before the login: the same bytes go again",
            "the relay answers that it has it",
        ]
    );
}

#[test]
fn a_relay_whose_reply_path_expired_was_asked_again_and_answered() {
    let mut world = friends(920, Conditions::default());
    world.say("bob", "alice", "what lets you write");
    world.run(60_000);
    world.kill("bob");
    // The relay stores it, and can't say so until its answer has a way again.
    world.expired.store(true, Ordering::Relaxed);
    let message = world.say("alice", "bob", "five");
    world.run(2_000);
    world.expired.store(false, Ordering::Relaxed);
    world.run(60_000);
    let to = whom(&world, "bob");
    assert_eq!(
        why(&mut world, "alice", Subject::Message(message)),
        [
            format!("you asked to send 4 bytes to {to}…: it is being encrypted").as_str(),
            "it was encrypted, and goes to the transport",
            "the transport took it",
            "no answer came in time: the same bytes go again",
            "the relay stored it for its recipient",
        ]
    );
    // To the relay it was one message.
    world.open("bob");
    world.run(60_000);
    world.verify("bob");
    let five = world.texts("bob").into_iter().filter(|(_, _, text)| text == "five");
    assert_eq!(five.count(), 1);
}

#[test]
fn what_was_sealed_for_a_device_that_was_lost_waits_for_a_welcome_and_is_given_up() {
    let mut world = friends(930, Conditions::default());
    let file = world.folder.path().join("one.thicket");
    super::archive::archive(&mut world, "bob", &file);
    world.kill("bob");
    let message = world.say("alice", "bob", "to nobody yet");
    world.run(60_000);
    // The new device has no group of the old one's; the message comes once more, by a group that begins with it.
    let folder = world.folder.path().join("new");
    let (profile, _) = super::archive::restore(&mut world, &folder, &file).expect("a whole archive");
    world.people.get_mut("bob").expect("a person").folder = folder;
    world.wire("bob", profile);
    world.ask("bob", Intent::Connect);
    world.run(60_000);
    let mut came = Vec::new();
    fold(&mut world, "bob", &mut |step| {
        if let Event::Arrived(Arrival { frame, content: Arrived::Envelope { .. }, .. }) = &step.record.event {
            came.push(MessageId::parse(&frame.0[..16]).expect("the first half"));
        }
    });
    let from = whom(&world, "alice");
    assert_eq!(
        why(&mut world, "bob", Subject::Message(message)),
        [
            "an envelope of 3120 bytes came, item 4 of the mailbox",
            format!("it was read: a message of {from}…").as_str(),
            "its sender is told that it is here",
        ]
    );
    let mut lines = [
        "an envelope of 1584 bytes came, item 3 of the mailbox",
        "it can't be read yet: its conversation, or that epoch of it, is not here; it waits (2 times, the last at …)",
    ]
    .to_vec();
    let waits = |world: &mut World| -> Vec<String> { why(world, "bob", Subject::Message(came[0])).into_iter().map(unnumbered).collect() };
    assert_eq!(waits(&mut world), lines);
    // As long as the relay would have kept it.
    world.clock.0.fetch_add(46 * 24 * 3_600_000, Ordering::Relaxed);
    world.open("bob");
    world.run(60_000);
    lines.extend([
        "it waited too long, or too many wait: it is opened for the last time",
        "it can never be read: the message belongs to a conversation that never arrived (408)",
    ]);
    assert_eq!(waits(&mut world), lines);
}

#[test]
fn what_was_taken_back_failed_by_that() {
    let mut world = friends(905, Conditions::default());
    let message = world.say("alice", "bob", "four");
    world.ask("alice", Intent::CancelMessage { message });
    world.run(60_000);
    let to = whom(&world, "bob");
    assert_eq!(
        why(&mut world, "alice", Subject::Message(message)),
        [
            format!("you asked to send 4 bytes to {to}…: it is being encrypted").as_str(),
            "you took it back",
            "it failed: the message was cancelled before it was sent (122)",
        ]
    );
}

#[test]
fn an_effect_was_asked_for_by_a_record_and_resolved_by_another() {
    let mut world = friends(906, Conditions::default());
    let mut asked = None;
    fold(&mut world, "alice", &mut |step| {
        let seals = |effect: &thicket_types::effect::Effect| format!("{effect:?}").contains("SealMessage");
        asked = asked.or_else(|| step.effects.iter().position(seals).map(|index| (step.place.seq, u32::try_from(index).expect("few"))));
    });
    let (seq, index) = asked.expect("a message was sealed");
    let lines = why(&mut world, "alice", Subject::Effect(seq, index));
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert_eq!(lines[0], "by what the vault did, it was asked for: seal message (vault)");
    assert!(lines[1].starts_with("it was resolved after ") && lines[1].ends_with(" bytes"), "{lines:#?}");
    assert!(lines[2].starts_with("that asked for: the frame of record "), "{lines:#?}");
}
