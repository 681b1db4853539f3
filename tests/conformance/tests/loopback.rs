//! Loopback keeps the promises of a transport.
#![allow(clippy::expect_used)]

use thicket_conformance::{Place, keeps_its_promises};
use thicket_transport::{Conditions, Loopback, LoopbackRelay};
use thicket_types::ports::{Entropy, RelayTransport, Transport};

struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 += 1;
        out.iter_mut().zip(self.0.to_be_bytes().iter().cycle()).for_each(|(to, from)| *to = *from);
    }
}

struct Here {
    meeting: Loopback,
    relay: LoopbackRelay,
    entropy: Counting,
}

impl Place for Here {
    fn relay(&mut self) -> &mut dyn RelayTransport {
        &mut self.relay
    }

    fn address(&self) -> String {
        self.meeting.address().to_owned()
    }

    fn client(&mut self) -> Box<dyn Transport> {
        Box::new(self.meeting.client(&mut self.entropy, None))
    }

    fn restart(&mut self) -> bool {
        false
    }
}

fn keeps_its_promises_in(conditions: Conditions) {
    let (meeting, relay) = Loopback::new("here", conditions);
    keeps_its_promises(&mut Here { meeting, relay, entropy: Counting(0) });
}

#[test]
fn loopback_keeps_the_promises_of_a_transport() {
    keeps_its_promises_in(Conditions::default());
}

/// As bad as the simulator's worst ways: a transport that loses, doubles and reorders makes the same promises.
#[test]
fn loopback_keeps_them_though_it_loses_doubles_and_reorders() {
    for seed in 1..=8 {
        keeps_its_promises_in(Conditions { lost: 200, doubled: 200, reordered: 300, seed });
    }
}
