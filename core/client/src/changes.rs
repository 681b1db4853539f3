//! What a frontend is told and has not asked for yet.

use std::collections::VecDeque;
use thicket_types::effect::Change;
use thicket_types::limits::CHANGES_MAX;

/// Hints, oldest first. Past [`CHANGES_MAX`] the oldest go: the view holds what they hint at.
#[derive(Debug, Default)]
pub(crate) struct Changes(VecDeque<Change>);

impl Changes {
    pub(crate) fn tell(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            if self.0.len() >= CHANGES_MAX {
                self.0.pop_front();
            }
            self.0.push_back(change);
        }
    }

    /// The oldest, at most so many.
    pub(crate) fn take(&mut self, max: usize) -> Vec<Change> {
        self.0.drain(..self.0.len().min(max)).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thicket_types::error::Code;

    #[test]
    fn changes_are_kept_to_the_bound_and_the_oldest_go_first() {
        let mut changes = Changes::default();
        changes.tell([Change::Connected, Change::Registered]);
        changes.tell((2..CHANGES_MAX).map(|_| Change::Disconnected(Code::RelayUnreachable)));
        changes.tell([Change::Connected]);
        assert_eq!(changes.0.len(), CHANGES_MAX);
        assert_eq!(changes.take(2), [Change::Registered, Change::Disconnected(Code::RelayUnreachable)]);
        assert_eq!(changes.take(usize::MAX).last(), Some(&Change::Connected));
        assert!(changes.is_empty());
    }
}
