//! Direct keeps the promises of a transport, over real sockets on this machine.
#![allow(clippy::expect_used)]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use thicket_conformance::{Place, keeps_its_promises};
use thicket_transport::{DirectClient, DirectRelay};
use thicket_types::ports::{Entropy, RelayTransport, Transport};

struct Counting(u64);

impl Entropy for Counting {
    fn fill(&mut self, out: &mut [u8]) {
        self.0 += 1;
        out.iter_mut().zip(self.0.to_be_bytes().iter().cycle()).for_each(|(to, from)| *to = *from);
    }
}

const SECRET: [u8; 32] = [7; 32];

struct There {
    /// `None` for the moment of a restart alone.
    relay: Option<DirectRelay>,
    address: String,
    restarts: u64,
}

fn bind(port: u16, from: u64) -> Option<DirectRelay> {
    DirectRelay::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)), &SECRET, Box::new(Counting(from)), Arc::new(|| {})).ok()
}

impl Place for There {
    fn relay(&mut self) -> &mut dyn RelayTransport {
        self.relay.as_mut().expect("a relay that runs")
    }

    fn address(&self) -> String {
        self.address.clone()
    }

    fn client(&mut self) -> Box<dyn Transport> {
        Box::new(DirectClient::new(None))
    }

    fn restart(&mut self) -> bool {
        self.relay = None;
        self.restarts += 1;
        let port = self.address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        // Another process may have taken the port in that moment; then there is nothing to see here.
        self.relay = bind(port, self.restarts << 32).or_else(|| bind(0, self.restarts << 32));
        self.relay.as_ref().is_some_and(|relay| relay.address() == self.address)
    }
}

#[test]
fn direct_keeps_the_promises_of_a_transport() {
    let relay = bind(0, 0).expect("this machine has a free port");
    let address = relay.address();
    keeps_its_promises(&mut There { relay: Some(relay), address, restarts: 0 });
}
