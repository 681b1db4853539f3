//! Registration with a relay.

use crate::output::Trouble;
use crate::{Global, home};
use std::time::Instant;
use thicket_client::Client;
use thicket_transport::Address;
use thicket_types::effect::Change;
use thicket_types::error::Code;
use thicket_types::intent::{Answer, Intent};
use thicket_types::name::RelayAddress;

pub fn run(global: &Global, relay: &str) -> Result<(), Trouble> {
    Address::parse(relay).map_err(|error| Trouble::Usage(format!("{relay} is no relay's address: {error}")))?;
    let relay = RelayAddress::parse(relay).ok_or(Trouble::Usage(format!("{relay} is no relay's address")))?;
    let client = home::open(global)?;
    match client.submit(Client::intent_id(), Intent::Register { relay, key: None })? {
        Answer::Accepted | Answer::Queued(_) => {}
        Answer::Refused(code) => return Err(code.into()),
    }
    let deadline = Instant::now() + global.patience();
    while Instant::now() < deadline {
        for change in client.next_changes(64, deadline.saturating_duration_since(Instant::now())) {
            match change {
                Change::Registered => {
                    // Key packages and the first fetch go out before the process ends, so that one can be written to at once.
                    client.wait_for(deadline.saturating_duration_since(Instant::now()), |view| view.at_rest.then_some(()));
                    let (name, _) = client.own();
                    if global.json {
                        println!("{}", serde_json::json!({ "registered": name }));
                    } else {
                        println!("{name} is registered.");
                    }
                    return Ok(client.close()?);
                }
                Change::RegistrationRefused(code) => return Err(code.into()),
                _ => {}
            }
        }
    }
    client.close()?;
    Err(Code::RelayUnreachable.into())
}
