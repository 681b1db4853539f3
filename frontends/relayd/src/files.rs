//! How many files the system lets this process have open. Each connection is one, and where they run out newcomers wait in vain.

use crate::log::Line;
use thicket_types::limits::DIRECT_CONNECTIONS_MAX;

/// What a relay has open beside its connections: the store and its logs, the lock, the port, the standard streams, and room to
/// spare.
const BESIDE: u64 = 32;

/// Has the system allow as many as all connections need, as far as it does. A line to tell, if that is not enough.
pub fn allow_enough() -> Option<Line> {
    let needed = u64::try_from(DIRECT_CONNECTIONS_MAX).unwrap_or(u64::MAX).saturating_add(BESIDE);
    let allowed = raise(needed);
    (allowed < needed).then(|| {
        Line::fault(format!(
            "the system lets this process open {allowed} files, and {DIRECT_CONNECTIONS_MAX} connections need {needed}: further ones will \
             wait in vain; raise it (LimitNOFILE of systemd, or ulimit -n)"
        ))
    })
}

/// Raises what a process sets itself, to no more than it may; gives what holds then.
#[cfg(unix)]
fn raise(needed: u64) -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = needed.min(maximum.unwrap_or(u64::MAX));
    // None is no limit.
    match current {
        Some(now) if now < wanted => {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
            if raised.is_ok() { wanted } else { now }
        }
        now => now.unwrap_or(u64::MAX),
    }
}

/// Other systems have no such limit.
#[cfg(not(unix))]
fn raise(_: u64) -> u64 {
    u64::MAX
}
