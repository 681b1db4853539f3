//! A record as a line of JSON, of which a vector holds the hash: so a reader in another language shows that it decoded every field.

use crate::event::Record;
use serde::Serialize;
use serde_json::{Value, json};
use thicket_types::event::Event;
use thicket_types::ids::Seq;

/// One record's line, as `vectors/README.md` has it: keys in ascending order, nothing between the parts, bytes in hex.
pub(super) fn line_of(seq: Seq, record: &Record) -> String {
    let event = match &record.event {
        Event::Requested { id, intent } => json!({ "Requested": { "id": id.hex(), "intent": plain(intent) } }),
        Event::Arrived(arrival) => json!({ "Arrived": plain(arrival) }),
        Event::Elapsed { timer, fault } => json!({ "Elapsed": { "timer": plain(timer), "fault": fault } }),
        Event::Resolved { effect, outcome, vault_count } => {
            json!({ "Resolved": { "effect": plain(effect), "outcome": plain(outcome), "vault_count": vault_count } })
        }
    };
    format!("{}\n", sorted(json!({ "seq": seq.0, "stamp": record.stamp.0, "event": event })))
}

fn plain<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("a value of ours")
}

/// Whatever order another crate has serde_json keep.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(list) => list.into_iter().map(sorted).collect(),
        other => other,
    }
}
