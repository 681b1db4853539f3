//! How the account stands.

use super::relay::way;
use super::send::to_begin;
use super::settings::word;
use crate::output::{Trouble, error, hint_of, put_json, sentence, time};
use crate::paint::Paint;
use crate::terminal::width;
use crate::text::{beside, broken, counted};
use crate::watch::{Watch, is_lost};
use crate::who::{all_asking, begin};
use crate::{Global, home, warn};
use std::io::IsTerminal as _;
use thicket_client::{SystemClock, View};
use thicket_types::error::Code;
use thicket_types::ids::Fingerprint;
use thicket_types::name::RelayAddress;
use thicket_types::ports::Clock as _;
use thicket_types::time::Stamp;

/// How far clocks may stand apart before it is said: shown times are then wrong by more than a reader overlooks.
const SKEW_SHOWN_MS_MIN: u64 = 120_000;

pub fn run(global: &Global) -> Result<(), Trouble> {
    let client = home::open(global)?;
    let mut trouble = None;
    if client.view().registered {
        // A profile that was copied is never online, nor is one whose relay lost it: that is part of what is shown.
        let mut watch = Watch::new(global, &client, "waiting for the relay");
        watch.until(|view, changes| Ok((view.online || view.copied || is_lost(changes)).then_some(())))?;
        let asked = !global.patience().is_zero();
        trouble = watch.trouble().or(asked.then_some(Code::RelayUnreachable));
    }
    let (view, (name, fingerprint)) = (client.view(), client.own());
    let trouble = if view.copied { Some(Code::ProfileCopied) } else { trouble.filter(|_| !view.online) };
    let archived = client.archived()?;
    if global.json {
        put_json(&object(&view, name, fingerprint, trouble, archived))?;
    } else {
        print(&view, (name, fingerprint), trouble, archived, global.color.paint(std::io::stdout().is_terminal()), &global.again())?;
    }
    warn::of_identity(global, &view, None);
    Ok(client.close()?)
}

fn object(view: &View, name: &str, fingerprint: Fingerprint, trouble: Option<Code>, archived: Option<Stamp>) -> serde_json::Value {
    let way = view.relay.as_ref().map(way);
    serde_json::json!({
        "name": name,
        "fingerprint": fingerprint.hex(),
        "registered": view.registered,
        "relay": view.relay.as_ref().map(RelayAddress::text),
        "moving_from": view.moving_from.as_ref().map(RelayAddress::text),
        "online": view.online,
        "trouble": trouble.map(error),
        "copied": view.copied,
        "skew_ms": skew(view),
        "transport": way.map(|way| way.transport),
        "anonymity": way.map(|way| way.anonymity),
        "read_marks": view.read_marks,
        "backup_ms": archived.map(|at| at.0),
        "contacts": view.contacts.len(),
        "unsettled": view.unsettled.len(),
        "unacknowledged": view.unacknowledged,
        "left": view.left,
        "dropped": view.dropped,
        "set_aside": view.set_aside,
        "warnings": warnings(view).map(error).collect::<Vec<_>>(),
    })
}

fn print(
    view: &View,
    (name, fingerprint): (&str, Fingerprint),
    trouble: Option<Code>,
    archived: Option<Stamp>,
    paint: Paint,
    again: &str,
) -> Result<(), Trouble> {
    put!("name        {}", beside(&format!("{name} ({})", begin(fingerprint)), 12, width()))?;
    put!("registered  {}", if view.registered { "yes" } else { "no" })?;
    put!("relay       {}", view.relay.as_ref().map_or("none", RelayAddress::text))?;
    if let Some(before) = &view.moving_from {
        put!("moves from  {}", before.text())?;
    }
    put!("logged in   {}", if view.online { "yes" } else { "no" })?;
    if let Some(skew) = skew(view) {
        put!("clock       {}", clock(skew))?;
    }
    if let Some(way) = view.relay.as_ref().map(way) {
        put!("transport   {}", beside(way.words, 12, width()))?;
    }
    put!("read marks  {}", word(view.read_marks))?;
    put!("backup      {}", archived.map_or_else(|| "none".to_owned(), |at| age(at, SystemClock::new().now())))?;
    put!("contacts    {}", view.contacts.len())?;
    let many = |label: &str, count: u64, thing: &str, what: &str| {
        put!("{label:<10}  {}", beside(&format!("{} {what}", counted(count, thing)), 12, width()))
    };
    let anew = match to_begin(view) {
        0 => String::new(),
        count => format!(", {count} of them until their contact has begun anew with this device"),
    };
    let unsettled = u64::try_from(view.unsettled.len()).unwrap_or(u64::MAX);
    many("unsettled", unsettled, "message", &format!("not yet stored by the relay{anew}"))?;
    if view.left > 0 {
        many("left", view.left, "item", "of people you have not accepted, at the relay until tomorrow")?;
    }
    if view.dropped > 0 {
        many("dropped", view.dropped, "item", "that could not be opened: perhaps sealed for another device of yours")?;
    }
    if view.set_aside > 0 {
        many("set aside", view.set_aside, "item", "that this build could not take, at the relay still: please report it")?;
    }
    if let Some(words) = all_asking(view) {
        put!("\n{}", broken(&words, width()))?;
    }
    let relay = view.relay.as_ref().map_or("ADDRESS", |relay| relay.text());
    let said = |code: Code| format!("{} (error {}). {}.", code.what(), code.number(), sentence(&hint_of(code, relay)));
    if view.copied {
        put!("\n{}", paint.bad(&broken(&format!("Sending is stopped: {}", said(Code::ProfileCopied)), width())))?;
    }
    if let Some(code) = trouble.filter(|_| !view.copied) {
        put!("\n{}", paint.bad(&broken(&format!("Not logged in: {}", said(code)), width())))?;
    }
    if let Some(before) = &view.moving_from {
        let words = "The change of the relay is not settled: until the new one answers, what you send waits. To go back:";
        put!("\n{}", paint.warning(&format!("{}\n{again} relay change {}", beside(words, 0, width()), before.text())))?;
    }
    for code in warnings(view) {
        put!("\n{}", paint.warning(&broken(&sentence(&said(code)), width())))?;
    }
    Ok(())
}

/// How long ago the last backup was made, and when that was.
fn age(at: Stamp, now: Stamp) -> String {
    let hours = now.since(at).0 / 3_600_000;
    let ago = match hours {
        0 => "within the hour".to_owned(),
        1..48 => format!("{} ago", counted(hours, "hour")),
        _ => format!("{} ago", counted(hours / 24, "day")),
    };
    format!("{ago} ({})", time(at.0))
}

/// What hinders nothing, and is better mended.
fn warnings(view: &View) -> impl Iterator<Item = Code> {
    skew(view).filter(|skew| is_far(*skew)).map(|_| Code::ClockWrong).into_iter()
}

/// The relay's clock less ours, as this session measured it: what an earlier one did may be of another relay, or long ago.
pub fn skew(view: &View) -> Option<i64> {
    view.skew_ms.filter(|_| view.online)
}

/// Whether this device's clock and the relay's stand so far apart that it is said.
pub fn is_far(skew_ms: i64) -> bool {
    skew_ms.unsigned_abs() >= SKEW_SHOWN_MS_MIN
}

/// How this device's clock stands to the relay's, whose clock less ours is given.
pub fn clock(skew_ms: i64) -> String {
    let span = skew_ms.unsigned_abs();
    let words = match span {
        0..1_000 => return "agrees with the relay's".to_owned(),
        1_000..120_000 => format!("{} s", span / 1_000),
        120_000..7_200_000 => format!("{} min", span / 60_000),
        7_200_000..172_800_000 => format!("{} h", span / 3_600_000),
        _ => format!("{} days", span / 86_400_000),
    };
    format!("{words} {} the relay's", if skew_ms > 0 { "behind" } else { "ahead of" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_told_by_its_age() {
        let at = |hours: u64| age(Stamp(1_790_000_000_000), Stamp(1_790_000_000_000 + hours * 3_600_000));
        assert_eq!(at(0), "within the hour (2026-09-21 14:13)");
        assert_eq!(at(1), "1 hour ago (2026-09-21 14:13)");
        assert_eq!(at(47), "47 hours ago (2026-09-21 14:13)");
        assert_eq!(at(48), "2 days ago (2026-09-21 14:13)");
    }

    #[test]
    fn a_clock_is_behind_if_the_relays_shows_more() {
        assert_eq!(clock(999), "agrees with the relay's");
        assert_eq!(clock(5_000), "5 s behind the relay's");
        assert_eq!(clock(-180_000), "3 min ahead of the relay's");
        assert_eq!(clock(i64::MIN), "106751991167 days ahead of the relay's");
    }
}
