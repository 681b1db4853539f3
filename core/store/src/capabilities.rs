//! What a change of a mailbox's write capabilities comes to: reckoned before anything is changed, since a refusal changes nothing.

use std::collections::BTreeSet;
use thicket_types::ids::Digest;
use thicket_types::limits::CAPABILITIES_MAX;
use thicket_types::ports::StoreError;

/// What is to be done, none of it twice.
pub(crate) struct Changes {
    /// Capabilities that the mailbox has not.
    pub(crate) new: BTreeSet<Digest>,
    /// Capabilities that it has, and shall not.
    pub(crate) gone: BTreeSet<Digest>,
    /// Capabilities that it has afterwards.
    pub(crate) count: u64,
}

/// Reckons a change of a mailbox that has `count` capabilities; `has` says which. One that is both added and removed stays.
///
/// **Errors:** `Full`, if it adds to more than [`CAPABILITIES_MAX`]; what `has` says.
pub(crate) fn changes(
    count: u64,
    add: &[Digest],
    remove: &[Digest],
    mut has: impl FnMut(Digest) -> Result<bool, StoreError>,
) -> Result<Changes, StoreError> {
    let (mut new, mut gone) = (BTreeSet::new(), BTreeSet::new());
    for capability in add {
        if !has(*capability)? {
            new.insert(*capability);
        }
    }
    for capability in remove {
        if !add.contains(capability) && has(*capability)? {
            gone.insert(*capability);
        }
    }
    let len = |set: &BTreeSet<Digest>| u64::try_from(set.len()).unwrap_or(u64::MAX);
    let count = count.saturating_sub(len(&gone)).saturating_add(len(&new));
    if count > CAPABILITIES_MAX && !new.is_empty() {
        return Err(StoreError::Full);
    }
    Ok(Changes { new, gone, count })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_past_the_limit_can_still_take_back() {
        let one = Digest([1; 32]);
        let has = |_| Ok(true);
        let changed = changes(CAPABILITIES_MAX + 5, &[], &[one], has).map(|changes| (changes.gone.len(), changes.count));
        assert_eq!(changed, Ok((1, CAPABILITIES_MAX + 4)));
        let more = changes(CAPABILITIES_MAX + 5, &[Digest([2; 32])], &[one], |capability| Ok(capability == one));
        assert_eq!(more.err(), Some(StoreError::Full));
    }
}
