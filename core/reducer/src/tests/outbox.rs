//! The outbox.

use super::*;

#[test]
fn a_first_message_begins_a_conversation_and_moves_on_to_stored() {
    let mut book = Book::acquainted();
    // Queued: durable here, and a key package is asked for.
    let effects = book.ask(1, send_to(BOB, 1));
    let asked = vault(VaultOp::Compose(Ask::KeyPackage(name("bob"))));
    assert_eq!(effects, [asked, answered(1, Answer::Queued(message(1)))]);
    assert_eq!((book.bob().conversation, book.bob().queue.as_slice()), (Conversation::Beginning, [message(1)].as_slice()));
    // A second one waits with it.
    assert_eq!(book.ask(2, send_to(BOB, 2)), [answered(2, Answer::Queued(message(2)))]);
    // The key package comes: the vault begins.
    let asked_at = book.stamp();
    book.now += 10;
    let frame = book.transmit(&Why::KeyPackage(BOB));
    let effects = book.answer(frame, Said::KeyPackage(wire::KeyPackage::default()));
    let begin = VaultOp::BeginConversation { contact: BOB, answer: Seq(book.seq), at: book.stamp() };
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), vault(begin)]);
    // Then both are encrypted, in order.
    let effects = book.resolve(&Why::Begin(BOB), begun());
    let seal = |number| {
        vault(VaultOp::SealMessage { contact: BOB, mailbox: MAILBOX, message: message(number), body: BodyRef([number; 16]), at: asked_at })
    };
    assert_eq!(effects, [seal(1), seal(2)]);
    assert!(book.bob().queue.is_empty());
    // Sent: the transport took it.
    let (frame, _) = book.frame(&Why::Message(message(1)));
    let effects = book.resolve(&Why::Handing(frame), Outcome::Handed);
    assert_eq!(effects, [Effect::Notify(Change::Message { message: message(1), state: MessageState::Sent })]);
    assert_eq!(book.state.outbox[&message(1)].state, MessageState::Sent);
    // Stored: its row in the vault says so from now on.
    let effects = book.answer(frame, stored());
    let filed = vault(VaultOp::File {
        message: message(1),
        contact: BOB,
        body: Some(BodyRef([1; 16])),
        at: asked_at,
        state: MessageState::Stored,
        cause: None,
    });
    let told = Effect::Notify(Change::Message { message: message(1), state: MessageState::Stored });
    // Nothing is asked for on the other lane at that moment.
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), filed, told]);
    assert!(!book.state.outbox.contains_key(&message(1)));
}

#[test]
fn a_message_that_the_transport_did_not_take_is_not_sent() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let (frame, _) = book.frame(&Why::Message(message(1)));
    assert_eq!(book.resolve(&Why::Handing(frame), Outcome::Unreachable), []);
    assert_eq!(book.state.outbox[&message(1)].state, MessageState::Queued);
    assert!(book.state.timers.contains_key(&TimerId::Retry(frame)));
}

#[test]
fn a_passing_no_keeps_a_message_and_any_other_fails_it() {
    for code in [Code::MailboxFull, Code::RelayBusy] {
        let mut book = Book::talking();
        book.ask(1, send_to(BOB, 1));
        let frame = book.transmit(&Why::Message(message(1)));
        let effects = book.answer(frame, refusal(code));
        let deadline = book.deadline(TimerId::Retry(frame));
        assert_eq!(effects, [Effect::Arm(TimerId::Retry(frame), deadline)], "{code:?}");
        assert!(deadline.0 - book.now >= 32_000, "{code:?} is not asked again at once");
        assert!(book.state.requests.contains_key(&frame) && book.state.outbox.contains_key(&message(1)));
    }
    for number in [Code::TooLarge, Code::MalformedRequest, Code::UnknownVersion].map(Code::number).into_iter().chain([0, 9_999]) {
        let mut book = Book::talking();
        book.ask(1, send_to(BOB, 1));
        let asked_at = book.stamp();
        let frame = book.transmit(&Why::Message(message(1)));
        let effects = book.answer(frame, Said::Refusal(wire::Refusal { code: number, stamp_bits: 0 }));
        let cause = Some(Code::from_number(number).unwrap_or(Code::MalformedRequest));
        let filed = vault(VaultOp::File {
            message: message(1),
            contact: BOB,
            body: Some(BodyRef([1; 16])),
            at: asked_at,
            state: MessageState::Failed,
            cause,
        });
        let told = Effect::Notify(Change::Message { message: message(1), state: MessageState::Failed });
        assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), filed, told], "code {number}");
        assert!(book.state.outbox.is_empty() && book.state.requests.is_empty(), "code {number}");
    }
}

#[test]
fn messages_that_can_not_be_are_refused() {
    let mut book = Book::talking();
    let sized = |len| Intent::Send { contact: BOB, body: BodyRef([1; 16]), len };
    let longest = u32::try_from(BODY_LEN_MAX).expect("32 bits");
    assert_eq!(book.ask(1, sized(0)), [answered(1, Answer::Refused(Code::EmptyMessage))]);
    assert_eq!(book.ask(2, sized(longest + 1)), [answered(2, Answer::Refused(Code::MessageTooLong))]);
    assert_eq!(book.ask(3, sized(u32::MAX)), [answered(3, Answer::Refused(Code::MessageTooLong))]);
    assert_eq!(book.ask(4, send_to(CAROL, 4)), [answered(4, Answer::Refused(Code::UnknownContact))]);
    assert!(book.state.outbox.is_empty());
    book.ask(5, sized(longest));
    assert_eq!(book.state.outbox.len(), 1);
}

#[test]
fn the_outbox_is_bounded() {
    let mut book = Book::talking();
    for number in 0..OUTBOX_MAX as u64 {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        let body = Some(BodyRef(id));
        let outgoing = Outgoing { contact: BOB, body, again: false, astray: false, state: MessageState::Queued, at: Stamp(START) };
        book.state.outbox.insert(MessageId(id), outgoing);
    }
    assert_eq!(book.ask(1, send_to(BOB, 1)), [answered(1, Answer::Refused(Code::OutboxFull))]);
    let retry = Intent::RetryMessage { contact: BOB, message: message(203) };
    assert_eq!(book.ask(2, retry.clone()), [answered(2, Answer::Refused(Code::OutboxFull))]);
    assert_eq!(book.state.outbox.len(), OUTBOX_MAX);
    // When one is settled there is room for one.
    book.state.outbox.pop_first();
    book.ask(3, retry);
    assert!(book.state.outbox.contains_key(&message(203)));
    assert_eq!(book.ask(4, send_to(BOB, 4)), [answered(4, Answer::Refused(Code::OutboxFull))]);
}

#[test]
fn a_repeated_intent_gets_the_first_answer_and_does_nothing_more() {
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let before = book.state.clone();
    // Also if it asks for something else by now.
    assert_eq!(book.ask(1, send_to(BOB, 1)), [answered(1, Answer::Queued(message(1)))]);
    assert_eq!(book.ask(1, register()), [answered(1, Answer::Queued(message(1)))]);
    assert_eq!(book.state, before);
    // A no is an answer too: it stays what it was, though a contact appeared.
    assert_eq!(book.ask(2, send_to(CAROL, 2)), [answered(2, Answer::Refused(Code::UnknownContact))]);
    book.receive(1, opened_message(CAROL, 9, true));
    assert_eq!(book.ask(2, send_to(CAROL, 2)), [answered(2, Answer::Refused(Code::UnknownContact))]);
}

#[test]
fn answers_are_forgotten_when_they_are_too_old_or_too_many() {
    let place = |seq, stamp| Place { segment: SEGMENT, seq: Seq(seq), stamp: Stamp(stamp) };
    let id = |number: u64| IntentId(u128::from(number).to_be_bytes());
    let mut answers = Answers::default();
    answers.remember(id(1), place(1, START), Answer::Accepted);
    answers.remember(id(2), place(2, START + ANSWERS_FOR.0), Answer::Accepted);
    assert!(answers.first(id(1)).is_some());
    answers.remember(id(3), place(3, START + ANSWERS_FOR.0 + 1), Answer::Accepted);
    assert!(answers.first(id(1)).is_none() && answers.first(id(2)).is_some());
    for number in 0..ANSWERS_MAX as u64 {
        answers.remember(id(10 + number), place(10 + number, START + ANSWERS_FOR.0 + 1), Answer::Accepted);
    }
    assert!(answers.first(id(3)).is_none() && answers.first(id(10)).is_some());
}

#[test]
fn messages_refused_for_want_of_a_conversation_ask_for_one_key_package() {
    // Given messages under way in a conversation that the vault does not have.
    let mut book = Book::talking();
    for number in 1..=3 {
        book.ask(number, send_to(BOB, number));
    }
    // When it refuses each.
    for number in 1..=3 {
        book.resolve(&Why::Message(message(number)), Outcome::Refused(Code::NoConversation));
    }
    // Then they wait, in order, for one conversation.
    assert_eq!(book.bob().queue, [message(1), message(2), message(3)]);
    assert_eq!(book.bob().conversation, Conversation::Beginning);
    assert_eq!(book.under_way(), [Why::KeyPackage(BOB)]);
}

#[test]
fn a_conversation_that_can_not_begin_is_tried_again_later() {
    let mut book = Book::acquainted();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::KeyPackage(BOB));
    let effects = book.answer(frame, refusal(Code::NoKeyPackage));
    let timer = TimerId::Advance(BOB);
    // They are asked to begin as well, once a day.
    let offer = vault(VaultOp::SealOffer { contact: BOB, mailbox: MAILBOX, anew: false, at: book.stamp() });
    assert_eq!(effects, [Effect::Disarm(TimerId::Retry(frame)), Effect::Arm(timer, book.deadline(timer)), offer]);
    assert_eq!(book.bob().queue, [message(1)]);
    assert_eq!(book.elapse(timer), [vault(VaultOp::Compose(Ask::KeyPackage(name("bob"))))]);
}

#[test]
fn a_receipt_marks_a_message_delivered_whatever_the_relay_said() {
    // Given a message whose Stored was lost.
    let mut book = Book::talking();
    book.ask(1, send_to(BOB, 1));
    let frame = book.transmit(&Why::Message(message(1)));
    // When the receipt comes first.
    let effects = book.receive(1, Outcome::Opened(Opened::Receipt { contact: BOB, delivered: vec![message(1)], moved: false }));
    assert_eq!(effects, [Effect::Notify(Change::Message { message: message(1), state: MessageState::Delivered })]);
    assert!(book.state.outbox.is_empty());
    // Then a late Stored takes nothing back.
    assert_eq!(book.answer(frame, stored()), [Effect::Disarm(TimerId::Retry(frame))]);
}
