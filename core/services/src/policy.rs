//! What a relay's operator decides: who may register, and how much is kept for whom.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use thicket_types::error::Code;
use thicket_types::ids::Digest;
use thicket_types::limits::{CAPABILITY_ITEMS_MAX, LOGS_MAX, MAILBOX_ITEMS_MAX, REQUEST_BOX_ITEMS_MAX, RETENTION, STAMP_BITS};
use thicket_types::ports::Verify;
use thicket_types::time::Duration;

/// Who may register a name. Who has one may always register it again.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum Registration {
    /// Anybody.
    #[default]
    Open,
    /// Who has one of these tokens, as often as they like. An empty one lets nobody in.
    Tokens(Vec<String>),
    /// Nobody.
    Closed,
}

/// Without the tokens: they are secrets.
impl fmt::Debug for Registration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Registration::Open => f.write_str("Open"),
            Registration::Tokens(tokens) => write!(f, "Tokens({} of them)", tokens.len()),
            Registration::Closed => f.write_str("Closed"),
        }
    }
}

/// What an operator decides. The default is an open relay with the limits of [`thicket_types::limits`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Who may register.
    pub registration: Registration,
    /// Accounts at most.
    pub accounts_max: u64,
    /// Items that one mailbox holds at most.
    pub mailbox_items_max: u64,
    /// Of them, items of one capability.
    pub capability_items_max: u64,
    /// Of them, items of strangers.
    pub request_box_items_max: u64,
    /// Logs of groups at most.
    pub logs_max: u64,
    /// Zero bits that a stranger's stamp begins with at least; 0 asks for none, however full a box is.
    pub stamp_bits: u32,
    /// How long mail is kept, and the FrameIds of mail that is gone. Clients count on 45 days at most, and on two hours at
    /// least: a put's stamp is good so long, and is spent by being known.
    pub retention: Duration,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            registration: Registration::Open,
            accounts_max: u64::MAX,
            mailbox_items_max: MAILBOX_ITEMS_MAX,
            capability_items_max: CAPABILITY_ITEMS_MAX,
            request_box_items_max: REQUEST_BOX_ITEMS_MAX,
            logs_max: LOGS_MAX,
            stamp_bits: STAMP_BITS,
            retention: RETENTION,
        }
    }
}

impl Policy {
    /// Lets a new account in beside those there are, or says why not.
    pub(crate) fn admit(&self, verify: &dyn Verify, token: &str, accounts: u64) -> Result<(), Code> {
        match &self.registration {
            Registration::Open => {}
            Registration::Tokens(tokens) if knows(verify, tokens, token) => {}
            Registration::Tokens(_) => return Err(Code::BadToken),
            Registration::Closed => return Err(Code::RegistrationClosed),
        }
        if accounts < self.accounts_max { Ok(()) } else { Err(Code::RelayBusy) }
    }
}

/// Compares digests, all of them and each to its end: the time it takes tells nothing of a token.
fn knows(verify: &dyn Verify, tokens: &[String], given: &str) -> bool {
    let differs = |a: &Digest, b: &Digest| a.0.iter().zip(b.0).fold(0, |differs, (a, b)| differs | (a ^ b));
    let given_digest = verify.digest(given.as_bytes());
    let found = tokens.iter().fold(false, |found, token| found | (differs(&verify.digest(token.as_bytes()), &given_digest) == 0));
    found && !given.is_empty()
}
