//! Names that people register.

use crate::limits::{GROUP_TITLE_LEN_MAX, NAME_LEN_MAX, REGISTRATION_TOKEN_LEN_MAX, RELAY_ADDRESS_LEN_MAX};
use crate::secret::Private;
use alloc::string::String;
use serde::{Deserialize, Deserializer, Serialize};

/// A name: 1 to 64 of `A-Z a-z 0-9 _ -`, with a letter or digit in it, and not `server` in any case.
///
/// Shown as registered; two names are the same if they are equal under ASCII lower-casing ([`Name::key`]).
/// Prints redacted, since it identifies a person.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Name(Private<String>);

/// Why a text is not a name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MalformedName;

impl Name {
    /// Takes a text that is a name.
    pub fn parse(text: &str) -> Result<Name, MalformedName> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let sized = !text.is_empty() && text.len() <= NAME_LEN_MAX;
        let readable = text.chars().any(|c| c.is_ascii_alphanumeric());
        if sized && readable && text.chars().all(allowed) && !text.eq_ignore_ascii_case("server") {
            Ok(Name(Private::new(String::from(text))))
        } else {
            Err(MalformedName)
        }
    }

    /// The name as registered.
    pub fn text(&self) -> &str {
        self.0.reveal()
    }

    /// The name as it is looked up: in ASCII lower case.
    pub fn key(&self) -> NameKey {
        NameKey(Private::new(self.text().to_ascii_lowercase()))
    }

    /// Whether both are looked up as the same: their keys are equal. Makes no key for it.
    pub fn is_same(&self, other: &Name) -> bool {
        self.text().eq_ignore_ascii_case(other.text())
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Name::parse(&text).map_err(|MalformedName| serde::de::Error::custom("malformed name"))
    }
}

/// A relay's address, whose scheme chooses the transport: `direct:KEY@HOST:PORT`, `loopback:NAME`.
///
/// **Limits.** 1 to [`RELAY_ADDRESS_LEN_MAX`] printable ASCII characters. The transport reads what is in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct RelayAddress(String);

impl RelayAddress {
    /// Takes a text that can be an address; `None` if it is too long, empty or not printable ASCII.
    pub fn parse(text: &str) -> Option<RelayAddress> {
        let sized = !text.is_empty() && text.len() <= RELAY_ADDRESS_LEN_MAX;
        (sized && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| RelayAddress(String::from(text)))
    }

    /// The address.
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for RelayAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        RelayAddress::parse(&text).ok_or(serde::de::Error::custom("malformed relay address"))
    }
}

/// What a group is called. Prints redacted.
///
/// **Limits.** 1 to [`GROUP_TITLE_LEN_MAX`] bytes, no control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
pub struct Title(Private<String>);

impl Title {
    /// Takes a text that can be a title; `None` if it is too long, empty or has a control character in it.
    pub fn parse(text: &str) -> Option<Title> {
        let sized = !text.is_empty() && text.len() <= GROUP_TITLE_LEN_MAX;
        (sized && !text.chars().any(char::is_control)).then(|| Title(Private::new(String::from(text))))
    }

    /// The title.
    pub fn text(&self) -> &str {
        self.0.reveal()
    }
}

impl<'de> Deserialize<'de> for Title {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Title::parse(&text).ok_or(serde::de::Error::custom("malformed title"))
    }
}

/// What a relay with the policy "token" asks a new account for. Prints redacted.
///
/// **Limits.** 1 to [`REGISTRATION_TOKEN_LEN_MAX`] printable ASCII characters.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RegistrationToken(Private<String>);

impl RegistrationToken {
    /// Takes a text that can be a token; `None` if it is too long, empty or not printable ASCII.
    pub fn parse(text: &str) -> Option<RegistrationToken> {
        let sized = !text.is_empty() && text.len() <= REGISTRATION_TOKEN_LEN_MAX;
        (sized && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| RegistrationToken(Private::new(String::from(text))))
    }

    /// The token.
    pub fn text(&self) -> &str {
        self.0.reveal()
    }
}

impl<'de> Deserialize<'de> for RegistrationToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        RegistrationToken::parse(&text).ok_or(serde::de::Error::custom("malformed registration token"))
    }
}

/// A name in ASCII lower case, under which it is unique.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct NameKey(Private<String>);

impl NameKey {
    /// The lower-case text.
    pub fn text(&self) -> &str {
        self.0.reveal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_1_to_64_of_the_alphabet_with_a_letter_or_digit() {
        for good in ["a", "Alice", "b0b_-", "-0-", &"x".repeat(NAME_LEN_MAX)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "_-_", "server", "SerVer", "a b", "ä", "a/b", &"x".repeat(NAME_LEN_MAX + 1)] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_that_differ_in_case_alone_share_a_key() {
        let key = |text: &str| Name::parse(text).map(|name| name.key());
        assert_eq!(key("ALICE"), key("alice"));
        assert_ne!(key("alice"), key("alice_"));
    }

    #[test]
    fn names_are_the_same_if_their_keys_are() {
        let names = ["ALICE", "alice", "alice_", "-a", "_A", "b"].map(|text| Name::parse(text).expect("a name"));
        for (one, other) in names.iter().flat_map(|one| names.iter().map(move |other| (one, other))) {
            assert_eq!(one.is_same(other), one.key() == other.key(), "{} {}", one.text(), other.text());
        }
    }

    #[test]
    fn addresses_and_tokens_are_printable_and_of_a_bounded_length() {
        let text = |len| "x".repeat(len);
        assert!(RelayAddress::parse(&text(RELAY_ADDRESS_LEN_MAX)).is_some());
        assert!(RegistrationToken::parse(&text(REGISTRATION_TOKEN_LEN_MAX)).is_some());
        for bad in ["", "a b", "ä", "a\n"] {
            assert!(RelayAddress::parse(bad).is_none() && RegistrationToken::parse(bad).is_none(), "{bad:?}");
        }
        assert!(RelayAddress::parse(&text(RELAY_ADDRESS_LEN_MAX + 1)).is_none());
        assert!(RegistrationToken::parse(&text(REGISTRATION_TOKEN_LEN_MAX + 1)).is_none());
    }
}
