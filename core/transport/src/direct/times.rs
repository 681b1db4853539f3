//! How long what may take: the limits, and shorter in tests.

use std::time::Duration;
use thicket_types::limits::{
    DIRECT_CONNECT_FOR, DIRECT_FAILED_FOR, DIRECT_FRAME_FOR, DIRECT_HANDSHAKE_FOR, DIRECT_HEARD_WITHIN, DIRECT_PING_EVERY,
    DIRECT_PLACE_MIN, DIRECT_QUIET_MAX, DIRECT_STOP_FOR,
};

#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) connect_for: Duration,
    pub(super) place_min: Duration,
    pub(super) failed_for: Duration,
    pub(super) handshake_for: Duration,
    pub(super) frame_for: Duration,
    pub(super) ping_every: Duration,
    pub(super) heard_within: Duration,
    pub(super) quiet_max: Duration,
    pub(super) stop_for: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            connect_for: DIRECT_CONNECT_FOR.as_core(),
            place_min: DIRECT_PLACE_MIN.as_core(),
            failed_for: DIRECT_FAILED_FOR.as_core(),
            handshake_for: DIRECT_HANDSHAKE_FOR.as_core(),
            frame_for: DIRECT_FRAME_FOR.as_core(),
            ping_every: DIRECT_PING_EVERY.as_core(),
            heard_within: DIRECT_HEARD_WITHIN.as_core(),
            quiet_max: DIRECT_QUIET_MAX.as_core(),
            stop_for: DIRECT_STOP_FOR.as_core(),
        }
    }
}
