//! How the account stands.

use crate::output::Trouble;
use crate::{Global, home};

pub fn run(global: &Global) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let online = client.view().registered && client.wait_for(global.patience(), |view| view.online.then_some(())).is_some();
    let (view, (name, fingerprint)) = (client.view(), client.own());
    let anonymity = "direct gives no anonymity: the relay sees this machine's address, which links both lanes";
    if global.json {
        let json = serde_json::json!({
            "name": name,
            "fingerprint": fingerprint.hex(),
            "registered": view.registered,
            "online": online,
            "transport": "direct",
            "anonymity": "none",
            "contacts": view.contacts.len(),
            "unsettled": view.unsettled.len(),
        });
        println!("{json}");
    } else {
        println!("name        {name}");
        println!("registered  {}", if view.registered { "yes" } else { "no" });
        println!("relay       {}", if online { "logged in" } else { "not reached" });
        println!("transport   {anonymity}");
        println!("contacts    {}", view.contacts.len());
        println!("unsettled   {} message(s) not yet stored by the relay", view.unsettled.len());
    }
    Ok(client.close()?)
}
