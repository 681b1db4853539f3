//! A record's event as a program reads it: whole, but for what nobody may see.
//!
//! Names, titles of groups, relays' addresses and tokens stand as `(private)`, and byte strings as their length, as in prose. Keys and texts are in no record.

use serde_json::{Value, json};
use thicket_types::bytes::Bytes;
use thicket_types::error::Code;
use thicket_types::event::{Arrival, Arrived, Became, Event, Followed, Lane, Opened, Outcome, Own, TimerId};
use thicket_types::ids::{EffectId, MessageId, RelayKey};
use thicket_types::intent::Intent;
use thicket_types::name::{Name, RegistrationToken, RelayAddress, Title};

/// The event: an object with its kind and what belongs to it.
pub fn object(event: &Event) -> Value {
    match event {
        Event::Requested { id, intent } => json!({ "requested": { "id": id.hex(), "intent": of_intent(intent) } }),
        Event::Arrived(Arrival { frame, lane, content }) => {
            let lane = match lane {
                Lane::Named => "named",
                Lane::Anonymous => "anonymous",
            };
            json!({ "arrived": { "frame": frame.hex(), "lane": lane, "content": of_arrived(content) } })
        }
        Event::Elapsed { timer, fault } => json!({ "elapsed": { "timer": of_timer(*timer), "fault": fault } }),
        Event::Resolved { effect: EffectId { seq, index, segment }, outcome, vault_count } => json!({ "resolved": {
            "effect": { "seq": seq.0, "index": index, "segment": segment.hex() },
            "outcome": self::outcome(outcome),
            "vault_count": vault_count,
        } }),
    }
}

fn of_intent(intent: &Intent) -> Value {
    let of_relay = |_: &RelayAddress, key: &Option<RelayKey>, token: &Option<RegistrationToken>| json!({ "relay": PRIVATE, "key": key.map(|key| key.hex()), "token": token.as_ref().map(|_| PRIVATE) });
    match intent {
        Intent::Register { relay, key, token } => json!({ "register": of_relay(relay, key, token) }),
        Intent::Connect => json!("connect"),
        Intent::AddContact { name } => json!({ "add_contact": { "name": of_name(name) } }),
        Intent::AcceptContact { contact } => json!({ "accept_contact": { "contact": contact.hex() } }),
        Intent::Send { contact, body, len } => json!({ "send": { "contact": contact.hex(), "body": body.hex(), "len": len } }),
        Intent::DeclineContact { contact } => json!({ "decline_contact": { "contact": contact.hex() } }),
        Intent::BlockContact { contact, blocked } => json!({ "block_contact": { "contact": contact.hex(), "blocked": blocked } }),
        Intent::RemoveContact { contact } => json!({ "remove_contact": { "contact": contact.hex() } }),
        Intent::VerifyContact { contact, verified } => json!({ "verify_contact": { "contact": contact.hex(), "verified": verified } }),
        Intent::AcceptIdentity { contact } => json!({ "accept_identity": { "contact": contact.hex() } }),
        Intent::UpdateKeys { contact } => json!({ "update_keys": { "contact": contact.hex() } }),
        Intent::MarkRead { contact, message } => json!({ "mark_read": { "contact": contact.hex(), "message": message.hex() } }),
        Intent::SetReadMarks { on } => json!({ "set_read_marks": { "on": on } }),
        Intent::RetryMessage { contact, message } => json!({ "retry_message": { "contact": contact.hex(), "message": message.hex() } }),
        Intent::CancelMessage { message } => json!({ "cancel_message": { "message": message.hex() } }),
        Intent::ForgetMessage { contact, message, sent } => {
            json!({ "forget_message": { "contact": contact.hex(), "message": message.hex(), "sent": sent } })
        }
        Intent::ChangeRelay { relay, key, token } => json!({ "change_relay": of_relay(relay, key, token) }),
        Intent::TakeOver => json!("take_over"),
        Intent::Rejoin => json!("rejoin"),
        Intent::Restore => json!("restore"),
    }
}

fn of_arrived(content: &Arrived) -> Value {
    match content {
        Arrived::Answer { answer } => json!({ "answer": { "len": of_bytes(answer) } }),
        Arrived::Envelope { cursor, sender, sealed } => {
            json!({ "envelope": { "cursor": cursor, "sender": sender.hex(), "len": of_bytes(sealed) } })
        }
        Arrived::Repeat { cursor } => json!({ "repeat": { "cursor": cursor } }),
        Arrived::Unsealable { cursor, cause } => json!({ "unsealable": { "cursor": cursor, "cause": of_code(*cause) } }),
    }
}

fn of_timer(timer: TimerId) -> Value {
    match timer {
        TimerId::Retry(frame) => json!({ "retry": { "frame": frame.hex() } }),
        TimerId::Login => json!("login"),
        TimerId::Fetch => json!("fetch"),
        TimerId::Acknowledge => json!("acknowledge"),
        TimerId::Receipts(contact) => json!({ "receipts": { "contact": contact.hex() } }),
        TimerId::Advance(contact) => json!({ "advance": { "contact": contact.hex() } }),
        TimerId::Tidy => json!("tidy"),
        TimerId::Grant => json!("grant"),
        TimerId::Resume => json!("resume"),
    }
}

/// What an effect came to.
pub fn outcome(outcome: &Outcome) -> Value {
    match outcome {
        Outcome::Handed => json!("handed"),
        Outcome::Unreachable => json!("unreachable"),
        Outcome::Framed { frame, bytes } => json!({ "framed": { "frame": frame.hex(), "len": of_bytes(bytes) } }),
        Outcome::Done => json!("done"),
        Outcome::Pinned { contact, mailbox, name, contradicts, anew } => json!({ "pinned": {
            "contact": contact.hex(),
            "mailbox": mailbox.hex(),
            "name": of_name(name),
            "contradicts": contradicts.map(|contact| contact.hex()),
            "anew": anew,
        } }),
        Outcome::Begun { again } => json!({ "begun": { "again": of_messages(again) } }),
        Outcome::Opened(opened) => json!({ "opened": of_opened(opened) }),
        Outcome::Refused(code) => json!({ "refused": { "code": of_code(*code) } }),
        Outcome::Fault(code) => json!({ "fault": { "code": of_code(*code) } }),
        Outcome::Followed(followed) => json!({ "followed": of_followed(followed) }),
    }
}

fn of_followed(followed: &Followed) -> Value {
    let Followed { group, upto, last, messages, unreadable, own, became } = followed;
    let own = match own {
        Own::Open => "open",
        Own::Stands => "stands",
        Own::Lost => "lost",
    };
    let of_became = |Became { title, members, out }: &Became| json!({ "title": of_title(title), "members": members, "out": out });
    let messages: Vec<Value> = messages.iter().map(|(by, message)| json!({ "by": by.hex(), "message": message.hex() })).collect();
    json!({
        "group": group.hex(),
        "upto": upto,
        "last": last,
        "messages": messages,
        "unreadable": unreadable.iter().map(|code| of_code(*code)).collect::<Vec<_>>(),
        "own": own,
        "became": became.as_ref().map(of_became),
    })
}

fn of_opened(opened: &Opened) -> Value {
    match opened {
        Opened::Message { contact, name, conversation, message, claimed, moved } => json!({ "message": {
            "contact": contact.hex(),
            "name": of_name(name),
            "conversation": conversation.hex(),
            "message": message.hex(),
            "claimed_ms": claimed.0,
            "moved": moved,
        } }),
        Opened::Receipt { contact, delivered, moved } => {
            json!({ "receipt": { "contact": contact.hex(), "delivered": of_messages(delivered), "moved": moved } })
        }
        Opened::Early { contact, name, len } => json!({ "early": { "contact": contact.hex(), "name": of_name(name), "len": len } }),
        Opened::Unreadable { contact, name, cause } => {
            json!({ "unreadable": { "contact": contact.hex(), "name": of_name(name), "cause": of_code(*cause) } })
        }
        Opened::ReadMark { contact, moved } => json!({ "read_mark": { "contact": contact.hex(), "moved": moved } }),
        Opened::Committed { contact, owed, moved } => {
            json!({ "committed": { "contact": contact.hex(), "owed": owed, "moved": moved } })
        }
        Opened::Known { contact, message, moved } => {
            json!({ "known": { "contact": contact.hex(), "message": message.hex(), "moved": moved } })
        }
        Opened::Offer { contact, name, anew } => json!({ "offer": { "contact": contact.hex(), "name": of_name(name), "anew": anew } }),
        Opened::Invited { contact, name, group } => {
            json!({ "invited": { "contact": contact.hex(), "name": of_name(name), "group": group.hex() } })
        }
        Opened::Welcomed { contact, group, title, members } => {
            json!({ "welcomed": { "contact": contact.hex(), "group": group.hex(), "title": of_title(title), "members": members } })
        }
    }
}

/// What stands in place of what identifies a person, or opens a door.
const PRIVATE: &str = "(private)";

fn of_name(_: &Name) -> &'static str {
    PRIVATE
}

fn of_title(_: &Title) -> &'static str {
    PRIVATE
}

/// How many: what they hold is sealed, or said by the record that follows.
fn of_bytes(bytes: &Bytes) -> usize {
    bytes.0.len()
}

fn of_code(code: Code) -> u32 {
    code.number()
}

fn of_messages(messages: &[MessageId]) -> Vec<String> {
    messages.iter().map(MessageId::hex).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use thicket_types::ids::{Fingerprint, FrameId, GroupId, IntentId};

    #[test]
    fn what_a_log_came_to_is_shown_whole_but_for_the_title() {
        let (by, message) = (Fingerprint([4; 20]), MessageId([5; 16]));
        let became = Some(Became { title: Title::parse("Readers").expect("a title"), members: 3, out: false });
        let page = Followed {
            group: GroupId([6; 16]),
            upto: 7,
            last: 9,
            messages: vec![(by, message)],
            unreadable: vec![Code::TooOld],
            own: Own::Lost,
            became,
        };
        let expected = json!({
            "group": "06".repeat(16),
            "upto": 7,
            "last": 9,
            "messages": [{ "by": by.hex(), "message": message.hex() }],
            "unreadable": [Code::TooOld.number()],
            "own": "lost",
            "became": { "title": "(private)", "members": 3, "out": false },
        });
        assert_eq!(outcome(&Outcome::Followed(page)), json!({ "followed": expected }));
    }

    #[test]
    fn a_record_is_shown_whole_but_for_names_addresses_tokens_and_bytes() {
        let (name, token) = (Name::parse("alice").expect("a name"), RegistrationToken::parse("open-sesame").expect("a token"));
        let relay = RelayAddress::parse("loopback:demo").expect("an address");
        let asked = |intent| object(&Event::Requested { id: IntentId([1; 16]), intent });
        let register = asked(Intent::Register { relay, key: Some(RelayKey([2; 32])), token: Some(token) });
        let expected = json!({ "relay": "(private)", "key": "02".repeat(32), "token": "(private)" });
        assert_eq!(register, json!({ "requested": { "id": "01".repeat(16), "intent": { "register": expected } } }));
        let added = asked(Intent::AddContact { name });
        assert_eq!(added["requested"]["intent"], json!({ "add_contact": { "name": "(private)" } }));
        let answer = Arrived::Answer { answer: Bytes(b"sealed".to_vec()) };
        let arrived = object(&Event::Arrived(Arrival { frame: FrameId([3; 32]), lane: Lane::Named, content: answer }));
        assert_eq!(arrived, json!({ "arrived": { "frame": "03".repeat(32), "lane": "named", "content": { "answer": { "len": 6 } } } }));
    }
}
