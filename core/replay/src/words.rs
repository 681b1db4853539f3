//! What a journal names only by type and id, in words for people. No name of a person is among them, and ids stand by their first
//! eight digits.

use thicket_reducer::{State, Why};
use thicket_types::effect::Effect;
use thicket_types::event::TimerId;
use thicket_types::ids::EffectId;

/// What an effect asks for, with who does it.
pub fn asked_for(effect: &Effect) -> String {
    match effect {
        Effect::Vault(op) => format!("{} (vault)", spaced(&format!("{op:?}"))),
        Effect::Send(send) => format!("the frame of record {} (transport)", send.frame),
        Effect::Arm(timer, _) => format!("{} (timer)", timer_words(timer)),
        Effect::Disarm(timer) => format!("no {} any more (timer)", timer_words(timer)),
        Effect::Notify(change) => format!("{} (told)", spaced(&format!("{change:?}"))),
    }
}

/// What a timer is for.
pub fn timer_words(timer: &TimerId) -> String {
    match timer {
        TimerId::Retry(frame) => format!("retry of frame {}", short(frame.hex())),
        TimerId::Login => "login".to_owned(),
        TimerId::Fetch => "fetch".to_owned(),
        TimerId::Acknowledge => "acknowledgement".to_owned(),
        TimerId::Receipts(contact) => format!("receipts for {}", short(contact.hex())),
        TimerId::Advance(contact) => format!("next try for {}", short(contact.hex())),
        TimerId::Tidy => "daily round".to_owned(),
        TimerId::Grant => "capabilities".to_owned(),
        TimerId::Resume => "end of the login's moment".to_owned(),
    }
}

/// What an effect is for that a state has as not resolved; `None` for any other.
pub fn reason(state: &State, effect: EffectId) -> Option<String> {
    state.outstanding.get(&effect).map(|known| why_words(&known.why))
}

/// What an effect is for.
pub fn why_words(why: &Why) -> String {
    match why {
        Why::Challenge => "a challenge to log in by".to_owned(),
        Why::Register => "the registration".to_owned(),
        Why::Login => "the login".to_owned(),
        Why::Publish => "key packages at the relay".to_owned(),
        Why::Fetch => "what is in the mailbox".to_owned(),
        Why::Acknowledge(items) => format!("the acknowledgement of {} items", items.len()),
        Why::Lookup(_) => "the lookup of a contact".to_owned(),
        Why::Pin(_) => "the identity that was found".to_owned(),
        Why::KeyPackage(contact) => format!("a key package of {}", short(contact.hex())),
        Why::Begin(contact) => format!("a conversation with {}", short(contact.hex())),
        Why::Message(message) => format!("message {}", short(message.hex())),
        Why::Receipt(contact, _) => format!("receipts for {}", short(contact.hex())),
        Why::Open(envelope, _) => format!("the envelope of record {envelope}"),
        Why::File => "a message's state".to_owned(),
        Why::Abandoned => "nothing any more".to_owned(),
        Why::Handing(frame) => format!("frame {} once more", short(frame.hex())),
        Why::Update(contact) => format!("new keys with {}", short(contact.hex())),
        Why::ReadMark(contact) => format!("a read mark for {}", short(contact.hex())),
        Why::Offer(contact, _) => format!("an offer to {}", short(contact.hex())),
        Why::MailboxKey => "a new mailbox key".to_owned(),
        Why::Grant(given, taken) => format!("capabilities: {} given, {} taken back", given.len(), taken.len()),
        Why::Stamp(of, ..) => format!("{}, with work", why_words(&Why::from(of.clone()))),
        Why::Tidy => "the daily round".to_owned(),
    }
}

/// An id by its first eight digits.
pub(crate) fn short(hex: String) -> String {
    hex.chars().take(8).collect::<String>() + "…"
}

/// A variant's name in words: `SealMessage` is "seal message".
fn spaced(debug: &str) -> String {
    let name = debug.split([' ', '(', '{']).next().unwrap_or_default();
    let mut words = String::with_capacity(name.len() + 4);
    for char in name.chars() {
        if char.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(char.to_ascii_lowercase());
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use thicket_types::ids::{Fingerprint, MessageId, Seq};
    use thicket_types::time::Stamp;
    use thicket_types::vault_op::VaultOp;

    #[test]
    fn ids_are_told_by_their_first_digits_and_variants_by_their_words() {
        let contact = Fingerprint([0xab; 20]);
        let effects = [
            Effect::Vault(VaultOp::Forget { contact }),
            Effect::Vault(VaultOp::GiveUpGroups),
            Effect::Arm(TimerId::Receipts(contact), Stamp(1)),
            Effect::Disarm(TimerId::Fetch),
        ];
        assert_eq!(
            effects.map(|effect| asked_for(&effect)),
            ["forget (vault)", "give up groups (vault)", "receipts for abababab… (timer)", "no fetch any more (timer)"]
        );
        assert_eq!(why_words(&Why::Open(Seq(7), Stamp(1))), "the envelope of record 7");
        assert_eq!(why_words(&Why::Message(MessageId([1; 16]))), "message 01010101…");
    }
}
