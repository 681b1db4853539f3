//! What is the same for every store of logs: which entries a log is past, and whether a lane finds room.

use std::collections::BTreeMap;
use thicket_types::ids::Digest;
use thicket_types::limits::{LOG_ENTRIES_MAX, LOG_LANES_MAX, LOG_LEN_MAX};
use thicket_types::ports::{LogLane, StoreError};

/// Whether a log that holds so much must let its oldest entry go.
pub(crate) fn is_past(entries: u64, len: u64) -> bool {
    entries > LOG_ENTRIES_MAX || len > LOG_LEN_MAX && entries > 1
}

/// A log's lanes after some are added and others removed. One that is in both stays. **Errors:** `Full` past [`LOG_LANES_MAX`].
pub(crate) fn lanes(mut lanes: BTreeMap<Digest, bool>, add: &[LogLane], remove: &[Digest]) -> Result<BTreeMap<Digest, bool>, StoreError> {
    lanes.retain(|lane, _| !remove.contains(lane));
    lanes.extend(add.iter().map(|lane| (lane.lane, lane.owner)));
    if lanes.len() > LOG_LANES_MAX { Err(StoreError::Full) } else { Ok(lanes) }
}
