//! What a frontend sees of the state. Messages themselves are rows in the vault.

use crate::state::{Contact, Link, Standing, State};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use thicket_types::effect::MessageState;
use thicket_types::ids::{BodyRef, Fingerprint, MessageId};
use thicket_types::name::{Name, RelayAddress};
use thicket_types::time::Stamp;

/// The state, as a frontend sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct View {
    /// Whether the account is registered.
    pub registered: bool,
    /// Whether this process is logged in.
    pub online: bool,
    /// Everybody we know, by fingerprint.
    pub contacts: Vec<ContactView>,
    /// Messages of ours that the relay has not stored yet.
    pub unsettled: BTreeMap<MessageId, (Fingerprint, MessageState, Option<BodyRef>, Stamp)>,
    /// Requests that wait for an answer.
    pub requests: usize,
    /// Items on our disk that the relay has not been told of.
    pub unacknowledged: usize,
    /// Envelopes that wait for a conversation to begin.
    pub early: usize,
    /// Whether nothing is under way: logged in, the mailbox found empty, every request answered.
    pub at_rest: bool,
    /// Whether contacts are told what was read, and what they tell is shown.
    pub read_marks: bool,
    /// Whether the relay met another copy of this profile: sending is stopped.
    pub copied: bool,
    /// The relay's clock less ours at its last answer, in milliseconds.
    pub skew_ms: Option<i64>,
    /// The relay's address.
    pub relay: Option<RelayAddress>,
    /// While a change of the relay is not settled: the address of the one that has the account until then.
    pub moving_from: Option<RelayAddress>,
    /// Envelopes of people who are not accepted that were left at the relay since the profile was opened: today's budget
    /// for them is used up.
    pub left: u64,
    /// Items of the mailbox that could not be opened and were given up, in all.
    pub dropped: u64,
    /// Frames that this build could not fold since the profile was opened: a fault of ours. They stay at the relay.
    pub set_aside: u64,
}

impl View {
    /// The contact of a name: of several who call themselves so, the one whom the directory knows.
    pub fn contact(&self, name: &Name) -> Option<&ContactView> {
        let named = self.contacts.iter().filter(|contact| contact.name.is_same(name));
        named.max_by_key(|contact| (contact.proved, !contact.held))
    }
}

/// A contact, as a frontend sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContactView {
    /// Their identity.
    pub fingerprint: Fingerprint,
    /// Their name as registered.
    pub name: Name,
    /// Whether we added or accepted them.
    pub accepted: bool,
    /// Whether what they send is dropped.
    pub blocked: bool,
    /// Whether the safety number was compared with them.
    pub verified: bool,
    /// Whether the directory shows this identity under their name.
    pub proved: bool,
    /// Whether sending is held, since their identity changed.
    pub held: bool,
    /// Whether they are to begin anew with this device, and have not: what is written to them waits until then.
    pub anew: bool,
    /// Messages received from them.
    pub received: u64,
}

/// Reads the state for a frontend.
pub fn view(state: &State) -> View {
    View {
        registered: state.session.phase.is_settled(),
        online: state.session.link == Link::Online,
        contacts: state
            .contacts
            .iter()
            .map(|(fingerprint, contact)| ContactView {
                fingerprint: *fingerprint,
                name: contact.name.clone(),
                accepted: contact.standing == Standing::Accepted,
                blocked: contact.standing == Standing::Blocked,
                verified: contact.verified,
                proved: contact.proved,
                held: contact.held,
                anew: contact.anew,
                received: contact.received,
            })
            .collect(),
        unsettled: state
            .outbox
            .iter()
            .map(|(id, outgoing)| (*id, (outgoing.contact, outgoing.state, outgoing.body, outgoing.at)))
            .collect(),
        requests: state.requests.len(),
        unacknowledged: state.unacknowledged.len(),
        early: state.early.values().map(Vec::len).sum(),
        at_rest: state.session.link == Link::Online
            && state.session.looked
            && (state.session.waiting == 0 || state.session.quiet > 0)
            && state.requests.is_empty()
            && state.outstanding.is_empty()
            && state.unacknowledged.is_empty()
            && state.contacts.values().all(|contact| contact.standing != Standing::Accepted || contact.held || contact.is_told()),
        read_marks: state.settings.read_marks,
        copied: state.session.copied,
        skew_ms: state.session.skew_ms,
        relay: state.session.relay.as_ref().map(|relay| relay.address.clone()),
        moving_from: state.session.before.as_ref().map(|before| before.address.clone()),
        left: 0,
        dropped: state.dropped,
        set_aside: 0,
    }
}

impl Contact {
    /// Whether they know what there is to tell: what arrived, which epoch we are in, what was read.
    fn is_told(&self) -> bool {
        self.receipts.is_empty() && !self.acknowledge && self.mark.is_none()
    }
}
