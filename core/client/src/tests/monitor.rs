//! The connection monitor, with a profile's own thread.

use super::*;
use crate::Client;
use std::sync::atomic::AtomicBool;
use std::time::Duration;
use thicket_relay::{Bell, Running};

/// After this long something counts as what never comes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A way that breaks when it is told to, and stays as it was.
struct Breaking {
    end: LoopbackClient,
    broke: Arc<AtomicBool>,
}

impl Transport for Breaking {
    fn send(&mut self, to: &str, lane: Lane, frame: &[u8]) -> Result<(), Unreachable> {
        self.end.send(to, lane, frame)
    }

    fn poll(&mut self) -> Option<(Lane, Vec<u8>)> {
        self.end.poll()
    }

    fn renew(&mut self, lane: Lane) {
        self.end.renew(lane);
    }

    fn broke(&mut self, lane: Lane) -> bool {
        lane == Lane::Named && self.broke.swap(false, Ordering::SeqCst)
    }
}

#[test]
fn a_client_whose_way_broke_logs_in_anew_though_nothing_is_asked_of_it() {
    let (meeting, end) = Loopback::new("test", Conditions::default());
    let bell = Arc::new(Bell::default());
    let ring = bell.clone();
    end.set_waker(Arc::new(move || ring.ring()));
    let ports = thicket_relay::World {
        entropy: Box::new(SeededEntropy::new(1)),
        clock: Box::new(crate::SystemClock::new()),
        verify: Box::new(thicket_openpgp::Verifier),
        policy: thicket_relay::Policy::default(),
    };
    let relay = Running::start(Relay::new(MemoryStore::new(), end, &[9; 32], ports), bell).expect("a thread");
    let folder = TempDir::new().expect("a folder");
    let entropy = share(Box::new(SeededEntropy::new(2)));
    let clock = crate::SystemClock::new();
    let profile = Profile::create(&folder.path().join("alice"), Origin::New(name("alice")), &passphrase(), CHEAP, entropy, &clock)
        .expect("a new profile");
    let (broke, to) = (Arc::new(AtomicBool::new(false)), address(&meeting));
    let (breaks, wakes) = (broke.clone(), Arc::new(Mutex::new(None)));
    let woken = wakes.clone();
    let transport = move |waker: Arc<dyn Fn() + Send + Sync>| {
        *woken.lock().expect("no thread panics") = Some(waker.clone());
        let way = Breaking { end: meeting.client(&mut SeededEntropy::new(3), Some(waker)), broke: breaks };
        Box::new(way) as Box<dyn Transport + Send>
    };
    let client = Client::open(profile, Box::new(transport)).expect("an intact profile");
    let registered = client.submit(Client::intent_id(), Intent::Register { relay: to, key: None, token: None });
    assert_eq!(registered, Ok(Answer::Accepted));
    let connected = || {
        let until = std::time::Instant::now() + PATIENCE;
        while std::time::Instant::now() < until {
            if client.next_changes(64, Duration::from_secs(1)).contains(&Change::Connected) {
                return true;
            }
        }
        false
    };
    assert!(connected(), "a login");
    broke.store(true, Ordering::SeqCst);
    let waker = wakes.lock().expect("no thread panics").clone().expect("the transport was made");
    waker();
    // That it broke is told at once, before another login.
    let told = |change: &Change| matches!(change, Change::Connected | Change::Disconnected(_));
    let until = std::time::Instant::now() + PATIENCE;
    let mut first = None;
    while first.is_none() && std::time::Instant::now() < until {
        first = client.next_changes(1, Duration::from_secs(1)).into_iter().find(told);
    }
    assert_eq!(first, Some(Change::Disconnected(Code::RelayUnreachable)));
    assert!(connected(), "another login");
    client.close().expect("room");
    relay.stop().expect("it did not panic");
}
