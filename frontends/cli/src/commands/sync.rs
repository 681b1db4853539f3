//! One round with the relay.

use crate::output::Trouble;
use crate::{Global, home};
use thicket_types::error::Code;

pub fn run(global: &Global) -> Result<(), Trouble> {
    let client = home::open(global)?;
    if !client.view().registered {
        return Err(Code::NotRegistered.into());
    }
    let before = client.newest()?;
    let rest = client.wait_for(global.patience(), |view| view.at_rest.then_some(()));
    let new = client.messages(None, before, u32::MAX)?;
    let came = new.iter().filter(|row| row.direction == thicket_client::Direction::Received).count();
    let waiting = client.view().unsettled.len();
    client.close()?;
    if rest.is_none() {
        return Err(Code::RelayUnreachable.into());
    }
    if global.json {
        println!("{}", serde_json::json!({ "received": came, "unsettled": waiting }));
    } else {
        println!("{came} new, {waiting} still to be stored by the relay");
    }
    Ok(())
}
