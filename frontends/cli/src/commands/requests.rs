//! What a line on the standard input of `listen` asks for.
//!
//! ```text
//!   line ─▶ its id was used? ─yes─▶ the first answer
//!               └─no─▶ Wanted: names and ids looked up ─▶ Intent ─▶ answer
//! ```

use super::message;
use super::relay::{address, key};
use crate::home;
use crate::output::Trouble;
use serde_json::{Map, Value, json};
use thicket_client::{Client, Direction};
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, IntentId};
use thicket_types::intent::{Answer, Intent};

use super::rows::from_hex;

/// The key of a line that names its intent.
const INTENT: &str = "intent";
/// All that a line can ask for.
const REQUESTS: &str = "send, read, retry, cancel, forget, add, accept, decline, block, unblock, remove, verify, trust, update, settings, register or change_relay";

/// Does what a line asks, and says what it came to. A line that can't be read harms nothing.
pub fn answered(client: &Client, line: &[u8]) -> Value {
    let Ok(Value::Object(asked)) = serde_json::from_slice(line) else {
        return refused(&Trouble::Usage("not a JSON object".to_owned()));
    };
    let mut answer = match ask(client, &asked) {
        Ok(answer) => json!({ "answer": answer }),
        Err(trouble) => refused(&trouble),
    };
    // As it was given, so that whoever asked finds it.
    if let (Some(id), Some(answer)) = (asked.get(INTENT), answer.as_object_mut()) {
        answer.insert(INTENT.to_owned(), id.clone());
    }
    answer
}

fn refused(trouble: &Trouble) -> Value {
    let mut error = trouble.object();
    if let (Trouble::Usage(_), Some(error)) = (trouble, error.as_object_mut()) {
        // It is about a line and not about the command line.
        error.insert("hint".to_owned(), json!("see thicket listen --help, and docs/CLI.md"));
    }
    json!({ "answer": null, "error": error })
}

fn usage<T>(words: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Usage(words.into()))
}

fn ask(client: &Client, asked: &Map<String, Value>) -> Result<Value, Trouble> {
    let id = intent_id(asked)?;
    // First of all: what it did may be why its names and ids mean nothing any more.
    if let Some(first) = id.map_or(Ok(None), |id| client.first_answer(id))? {
        return result(first);
    }
    let id = id.unwrap_or_else(Client::intent_id);
    match wanted(client, asked)? {
        Wanted::Send(contact, text) => {
            let body = client.stage(text)?;
            let len = u32::try_from(text.len()).map_err(|_| Code::MessageTooLong)?;
            result(client.submit(id, Intent::Send { contact, body, len })?)
        }
        Wanted::Intents(first, more) => {
            // Those without an id of the caller's first: a repeat after a death in between does them again.
            more.into_iter().try_for_each(|intent| home::ask(client, intent).map(|_| ()))?;
            result(client.submit(id, first)?)
        }
    }
}

fn result(answer: Answer) -> Result<Value, Trouble> {
    match answer {
        Answer::Accepted => Ok(json!("accepted")),
        Answer::Queued(message) => Ok(json!({ "message": message.hex(), "state": "queued" })),
        Answer::Refused(code) => Err(code.into()),
    }
}

/// The id that the caller chose.
fn intent_id(asked: &Map<String, Value>) -> Result<Option<IntentId>, Trouble> {
    let Some(id) = asked.get(INTENT) else {
        return Ok(None);
    };
    let parsed = id.as_str().and_then(from_hex).and_then(|bytes| IntentId::parse(&bytes));
    parsed.map(Some).ok_or_else(|| Trouble::Usage("an intent's id is 32 hex digits".to_owned()))
}

enum Wanted<'a> {
    Send(Fingerprint, &'a str),
    /// The first bears the caller's id. More than one only where a repeat of the others does no harm.
    Intents(Intent, Vec<Intent>),
}

fn wanted<'a>(client: &Client, asked: &'a Map<String, Value>) -> Result<Wanted<'a>, Trouble> {
    let mut requests = asked.iter().filter(|(key, _)| *key != INTENT);
    let (Some((request, of)), None) = (requests.next(), requests.next()) else {
        return usage(format!("a line asks for one thing: {REQUESTS}"));
    };
    let contact = || home::contact(client, text(request, of)?);
    let intent = match request.as_str() {
        "send" => {
            only(request, of, &["to", "text"])?;
            return Ok(Wanted::Send(home::contact(client, field(request, of, "to")?)?, field(request, of, "text")?));
        }
        "read" => {
            only(request, of, &["from", "message"])?;
            let (from, id) = (field(request, of, "from")?, field(request, of, "message")?);
            let (found, contact) = message::named(client, id, Some(from))?;
            if found.rows.iter().all(|row| row.direction == Direction::Sent) {
                return Err(Code::UnknownMessage.into());
            }
            Intent::MarkRead { contact, message: found.message }
        }
        "retry" => {
            let (found, contact) = named(client, request, of)?;
            message::can_retry(&found)?;
            Intent::RetryMessage { contact, message: found.message }
        }
        "cancel" => message::to_cancel(&named(client, request, of)?.0)?,
        "forget" => {
            let (found, contact) = named(client, request, of)?;
            let mut intents = message::to_forget(&found, contact)?.into_iter();
            let first = intents.next().ok_or(Code::UnknownMessage)?;
            return Ok(Wanted::Intents(first, intents.collect()));
        }
        "add" => Intent::AddContact { name: home::name(text(request, of)?)? },
        "accept" => Intent::AcceptContact { contact: contact()? },
        "decline" => Intent::DeclineContact { contact: contact()? },
        "block" => Intent::BlockContact { contact: contact()?, blocked: true },
        "unblock" => Intent::BlockContact { contact: contact()?, blocked: false },
        "remove" => Intent::RemoveContact { contact: contact()? },
        "verify" => Intent::VerifyContact { contact: contact()?, verified: true },
        "trust" => Intent::AcceptIdentity { contact: contact()? },
        "update" => Intent::UpdateKeys { contact: contact()? },
        "settings" => {
            only(request, of, &["read_marks"])?;
            match of.get("read_marks").and_then(Value::as_bool) {
                Some(on) => Intent::SetReadMarks { on },
                None => return usage("settings needs \"read_marks\", true or false"),
            }
        }
        "register" | "change_relay" => {
            only(request, of, &["relay", "key", "token"])?;
            let relay = address(field(request, of, "relay")?)?;
            let given = |name| of.get(name).map(|_| field(request, of, name)).transpose();
            let (key, token) = (key(given("key")?)?, given("token")?.map(home::registration_token).transpose()?);
            if request == "register" { Intent::Register { relay, key, token } } else { Intent::ChangeRelay { relay, key, token } }
        }
        other => return usage(format!("{other} is nothing that a line can ask for; that is {REQUESTS}")),
    };
    Ok(Wanted::Intents(intent, Vec::new()))
}

/// A request that is one text.
fn text<'a>(request: &str, of: &'a Value) -> Result<&'a str, Trouble> {
    of.as_str().ok_or_else(|| Trouble::Usage(format!("{request} needs a text")))
}

/// A text within a request.
fn field<'a>(request: &str, of: &'a Value, name: &str) -> Result<&'a str, Trouble> {
    of.get(name).and_then(Value::as_str).ok_or_else(|| Trouble::Usage(format!("{request} needs \"{name}\", a text")))
}

/// Refuses a field that the request does not know: what it was to change would be left as it is.
fn only(request: &str, of: &Value, known: &[&str]) -> Result<(), Trouble> {
    let unknown = of.as_object().into_iter().flatten().find(|(name, _)| !known.contains(&name.as_str()));
    unknown.map_or(Ok(()), |(name, _)| usage(format!("{request} knows no \"{name}\"")))
}

/// The message that a request names: by its id, or by that and with whom it is.
fn named(client: &Client, request: &str, of: &Value) -> Result<(message::Found, Fingerprint), Trouble> {
    match of {
        Value::Object(_) => {
            only(request, of, &["message", "with"])?;
            message::named(client, field(request, of, "message")?, Some(field(request, of, "with")?))
        }
        _ => message::named(client, text(request, of)?, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_a_request_does_not_know_is_refused() {
        let known = ["relay", "key"];
        assert!(only("register", &json!({ "relay": 1, "key": null }), &known).is_ok());
        assert!(only("register", &json!("a text"), &known).is_ok(), "that it is none is said elsewhere");
        assert!(
            matches!(only("register", &json!({ "relay": "", "keys": "" }), &known), Err(Trouble::Usage(words)) if words.contains("keys"))
        );
    }

    #[test]
    fn an_intents_id_is_sixteen_bytes_of_hex_or_none() {
        let id = |line: Value| intent_id(line.as_object().expect("an object"));
        assert!(matches!(id(json!({ "add": "bob" })), Ok(None)));
        assert!(matches!(id(json!({ "intent": "00112233445566778899aabbccddeeff" })), Ok(Some(IntentId([0, 0x11, ..])))));
        for wrong in [json!("0011"), json!(17), json!(null), json!("zz112233445566778899aabbccddeeff")] {
            assert!(matches!(id(json!({ "intent": wrong })), Err(Trouble::Usage(_))));
        }
    }
}
