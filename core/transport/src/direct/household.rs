//! Where connections come from, and how many may come from one place.

use std::net::{IpAddr, Ipv4Addr};
use thicket_types::limits::DIRECT_CONNECTIONS_MAX;

/// Where a connection comes from, as far as it bounds anything: an IPv4 address, or the /64 of an IPv6 one, since whoever has
/// one address of a /64 usually has all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Household {
    V4(Ipv4Addr),
    Net64([u16; 4]),
}

impl Household {
    /// A port that listens for both sees IPv4 as `::ffff:a.b.c.d`, which counts as the IPv4 address.
    pub fn of(address: IpAddr) -> Household {
        match address.to_canonical() {
            IpAddr::V4(address) => Household::V4(address),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Household::Net64([a, b, c, d])
            }
        }
    }
}

/// Whether a newcomer has room beside the connections that there are: all of them are few enough, and so are those from where
/// it comes. They are counted anew each time, so no table of addresses can be wrong about them or outgrow them.
pub fn has_room(newcomer: Household, there: impl ExactSizeIterator<Item = Household>, address_max: usize) -> bool {
    there.len() < DIRECT_CONNECTIONS_MAX && there.filter(|household| *household == newcomer).count() < address_max
}
