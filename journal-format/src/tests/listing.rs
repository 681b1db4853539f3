//! A record as a line of JSON, of which a vector holds the hash: so a reader in another language shows that it decoded every field.

use crate::event::Record;
use serde::Serialize;
use serde_json::{Map, Value, json};
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
    hexed("", serde_json::to_value(value).expect("a value of ours"))
}

/// Ids and byte strings are lists of numbers to serde, and no record has another list of numbers.
fn hexed(name: &str, value: Value) -> Value {
    let is_bytes =
        |list: &[Value]| list.iter().all(Value::is_number) && (!list.is_empty() || ["answer", "bytes", "sealed"].contains(&name));
    match value {
        Value::Array(list) if is_bytes(&list) => {
            Value::String(list.iter().map(|byte| format!("{:02x}", byte.as_u64().expect("a byte"))).collect())
        }
        Value::Array(list) => list.into_iter().map(|value| hexed("", value)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.into_iter().map(|(name, value)| (name.clone(), hexed(&name, value))).collect::<Map<_, _>>())
        }
        other => other,
    }
}

/// Whatever order another crate has serde_json keep.
fn sorted(value: Value) -> Value {
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
