//! The wire's shapes, generated from `proto/`, and the context strings that signatures are bound to.

/// Between a client and its relay.
#[allow(missing_docs, clippy::doc_markdown)]
pub mod relay {
    include!(concat!(env!("OUT_DIR"), "/thicket.relay.v1.rs"));
}

/// Between two clients, sealed.
#[allow(missing_docs, clippy::doc_markdown)]
pub mod peer {
    include!(concat!(env!("OUT_DIR"), "/thicket.peer.v1.rs"));
}

/// The version of both wire protocols that this build speaks.
pub const VERSION: u32 = 1;

/// What a signature is bound to, so that none can be used for another purpose.
pub mod context {
    /// A relay's answer.
    pub const ANSWER: &str = "thicket.answer.v1";
    /// A registration's proof.
    pub const REGISTER: &str = "thicket.register.v1";
    /// A login's proof.
    pub const LOGIN: &str = "thicket.login.v1";
    /// What a name's owner asks after the login.
    pub const OWNER: &str = "thicket.owner.v1";
    /// An identity's statement about its mailbox key.
    pub const MAILBOX_KEY: &str = "thicket.mailbox-key.v1";
    /// An identity's certification of an MLS leaf key.
    pub const LEAF: &str = "thicket.leaf.v1";
    /// An identity's offer of a key package to one contact.
    pub const OFFER: &str = "thicket.offer.v1";
    /// A member's statement about where a Welcome of theirs lets one into a group's log.
    pub const GROUP_WELCOME: &str = "thicket.group-welcome.v1";
    /// Work done for a request.
    pub const STAMP: &str = "thicket.stamp.v1";
    /// HPKE info of an envelope's seal.
    pub const ENVELOPE: &str = "thicket.envelope.v1";
}

/// The leaf credential's type: private use (RFC 9420 §17.5).
pub const LEAF_CREDENTIAL: u16 = 0xF054;

/// The type of the extension of a group's context that holds its charter: private use (RFC 9420 §17.3).
pub const CHARTER_EXTENSION: u16 = 0xF055;

/// The MLS cipher suite that this build uses: MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519 (RFC 9420 §17.1).
pub const SUITE: u32 = 0x0001;
