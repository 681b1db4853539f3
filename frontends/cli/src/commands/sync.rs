//! One round with the relay.

use super::rows::each_page;
use super::send::held;
use crate::output::{Trouble, again, put_json};
use crate::terminal::width;
use crate::text::{beside, broken};
use crate::watch::Watch;
use crate::who::{all_asking, is_replaced, shown};
use crate::{Global, home, warn};
use thicket_client::Direction;
use thicket_types::error::Code;

pub fn run(global: &Global) -> Result<(), Trouble> {
    let profile = home::unlock(global)?;
    // Before it is started: what comes at once is new too.
    let before = profile.reader()?.newest()?;
    let client = home::start(global, profile)?;
    if !client.view().registered {
        return Err(Code::NotRegistered.into());
    }
    let mut watch = Watch::new(global, &client, "waiting for the relay");
    let (rested, silence) = (watch.rest()?, watch.silence());
    drop(watch);
    let mut came = 0;
    each_page(
        before,
        |after, count| client.messages(None, after, count),
        |rows| {
            came += rows.iter().filter(|row| row.direction == Direction::Received).count();
            Ok(())
        },
    )?;
    let view = client.view();
    warn::of_clock(global, &view);
    warn::of_identity(global, &view, None);
    let (waiting, held) = (view.unsettled.len(), held(&view));
    client.close()?;
    // What came is told whatever else did not get done.
    if global.json {
        put_json(&serde_json::json!({ "received": came, "unsettled": waiting, "held": held.values().sum::<usize>() }))?;
        return if rested { Ok(()) } else { Err(silence) };
    }
    if rested || came > 0 {
        put!("{came} new, {waiting} still to be stored by the relay")?;
    }
    let code = Code::ContactHeld;
    for (contact, count) in held {
        let who = shown(&view, contact);
        let words = match is_replaced(&view, contact) {
            true => format!("{count} of them to {who}, which goes nowhere; to take it back: {} message cancel ID", again()),
            false => format!("{count} of them to {who}, which waits: {} (error {})", code.what(), code.number()),
        };
        put!("{}", beside(&words, 0, width()))?;
    }
    if let Some(words) = all_asking(&view) {
        put!("{}", broken(&words, width()))?;
    }
    if rested { Ok(()) } else { Err(silence) }
}
