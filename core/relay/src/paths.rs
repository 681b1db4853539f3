//! Ways back to the lanes that are logged in.

use std::collections::{BTreeMap, VecDeque};
use thicket_types::ids::LaneTag;
use thicket_types::limits::{LANES_MAX, REPLY_PATHS_MAX};
use thicket_types::ports::ReplyPath;

/// Reply paths by lane. Of a lane the newest [`REPLY_PATHS_MAX`] are kept, for they live longest; of lanes the [`LANES_MAX`] that
/// sent something last.
#[derive(Default)]
pub(crate) struct Paths {
    lanes: BTreeMap<LaneTag, Ways>,
    /// The least recently active lane first. With `lanes`: one number a lane.
    by_activity: BTreeMap<u64, LaneTag>,
    activity_last: u64,
}

struct Ways {
    activity: u64,
    /// Oldest first.
    paths: VecDeque<ReplyPath>,
    /// Whether mail waits that was not sent on this lane.
    behind: bool,
}

impl Paths {
    /// Keeps what came with a request of a lane, which is active by that.
    pub(crate) fn keep(&mut self, tag: LaneTag, paths: impl Iterator<Item = ReplyPath>) {
        self.activity_last += 1;
        let activity = self.activity_last;
        let ways = self.lanes.entry(tag).or_insert_with(|| Ways { activity, paths: VecDeque::new(), behind: true });
        self.by_activity.remove(&ways.activity);
        self.by_activity.insert(activity, tag);
        ways.activity = activity;
        ways.paths.extend(paths);
        while ways.paths.len() > REPLY_PATHS_MAX {
            ways.paths.pop_front();
        }
        if self.lanes.len() > LANES_MAX
            && let Some((_, idlest)) = self.by_activity.pop_first()
        {
            self.lanes.remove(&idlest);
        }
    }

    /// Notes whether mail waits that was not sent on this lane: nothing new is pushed past it.
    pub(crate) fn set_behind(&mut self, tag: LaneTag, behind: bool) {
        if let Some(ways) = self.lanes.get_mut(&tag) {
            ways.behind = behind;
        }
    }

    /// Whether mail may wait that was not sent on this lane.
    pub(crate) fn is_behind(&self, tag: LaneTag) -> bool {
        self.lanes.get(&tag).is_none_or(|ways| ways.behind)
    }

    /// Takes the oldest way back to a lane.
    pub(crate) fn take(&mut self, tag: LaneTag) -> Option<ReplyPath> {
        self.lanes.get_mut(&tag)?.paths.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(number: usize) -> LaneTag {
        let mut tag = [0; 16];
        tag[..8].copy_from_slice(&number.to_be_bytes());
        LaneTag(tag)
    }

    #[test]
    fn oldest_paths_of_a_lane_go_first_and_are_used_first() {
        let mut paths = Paths::default();
        let most = u64::try_from(REPLY_PATHS_MAX).expect("small");
        paths.keep(tag(1), (0..most).map(ReplyPath));
        paths.keep(tag(1), [ReplyPath(most), ReplyPath(most + 1)].into_iter());
        paths.keep(tag(2), [ReplyPath(900)].into_iter());
        let taken: Vec<u64> = std::iter::from_fn(|| paths.take(tag(1)).map(|path| path.0)).collect();
        assert_eq!(taken, (2..most + 2).collect::<Vec<u64>>());
        assert_eq!((paths.take(tag(2)), paths.take(tag(2)), paths.take(tag(3))), (Some(ReplyPath(900)), None, None));
    }

    #[test]
    fn the_least_recently_active_lane_loses_its_paths_first() {
        let mut paths = Paths::default();
        let one = || [ReplyPath(7), ReplyPath(8)].into_iter();
        for number in 0..LANES_MAX {
            paths.keep(tag(number), one());
        }
        // The lane whose tag sorts first, and which came first, sent something again; a push to the next is no activity.
        paths.keep(tag(0), one());
        assert_eq!(paths.take(tag(1)), Some(ReplyPath(7)));
        paths.keep(tag(LANES_MAX), one());
        assert_eq!(paths.take(tag(1)), None);
        paths.keep(tag(LANES_MAX + 1), one());
        assert_eq!(paths.take(tag(2)), None);
        for kept in [0, 3, LANES_MAX - 1, LANES_MAX, LANES_MAX + 1] {
            assert_eq!(paths.take(tag(kept)), Some(ReplyPath(7)), "{kept}");
        }
        assert_eq!((paths.lanes.len(), paths.by_activity.len()), (LANES_MAX, LANES_MAX));
    }
}
