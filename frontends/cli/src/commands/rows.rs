//! How messages are shown: a line for a person, an object for a program; and how one is named.

use crate::interrupt;
use crate::output::{Trouble, short, time};
use crate::text::harmless;
use crate::who::shown;
use serde_json::{Value, json};
use thicket_client::{Direction, MessageRow, Reader, View};
use thicket_types::effect::MessageState;
use thicket_types::error::Code;
use thicket_types::ids::{Fingerprint, MessageId};
use thicket_types::time::{ClaimedTime, Stamp};

/// Digits that an id needs at least.
const DIGITS_MIN: usize = 4;
/// Messages that are listed if an id fits several.
const LISTED_MAX: usize = 8;
/// Messages read at once: however long a conversation is, no more of it is in memory.
pub const PAGE: u32 = 512;

/// A message as a program reads it.
pub fn object(row: &MessageRow, with: &str) -> Value {
    json!({
        "message": row.message.hex(),
        "with": with,
        "fingerprint": row.contact.hex(),
        "from": if row.direction == Direction::Sent { "me" } else { with },
        "text": row.text,
        "state": row.state.word(),
        "stamp_ms": row.stamp.0,
        "claimed_ms": row.claimed.0,
        "cause": row.cause.map(Code::number),
    })
}

/// Goes through rows behind the one of a number, a page at a time.
pub fn each_page(
    mut after: u64,
    page: impl Fn(u64, u32) -> Result<Vec<MessageRow>, Code>,
    mut look: impl FnMut(&[MessageRow]) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    loop {
        let rows = page(after, PAGE)?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.number;
        look(&rows)?;
        interrupt::check()?;
    }
}

/// Messages of ours that wait for their encryption and have no row yet, as the rows that they will have; oldest first. With one
/// contact, or with all.
pub fn waiting(view: &View, reader: &Reader, with: Option<Fingerprint>) -> Result<Vec<MessageRow>, Trouble> {
    let mut waiting = Vec::new();
    for (message, (contact, state, body, stamp)) in &view.unsettled {
        if with.is_some_and(|with| with != *contact) || reader.message(*contact, Direction::Sent, *message)?.is_some() {
            continue;
        }
        let text = body.map_or(Ok(None), |body| reader.staged(body))?;
        waiting.push(MessageRow {
            number: u64::MAX,
            contact: *contact,
            direction: Direction::Sent,
            message: *message,
            state: *state,
            text,
            stamp: *stamp,
            claimed: ClaimedTime(stamp.0),
            cause: None,
        });
    }
    waiting.sort_by_key(|row| (row.stamp, row.message));
    Ok(waiting)
}

/// A message's text as a terminal may have it; later lines are indented.
pub fn text(row: &MessageRow, indent: &str) -> String {
    match (&row.text, row.cause) {
        (Some(text), _) => harmless(text, indent),
        (None, Some(cause)) => format!("[unreadable: {}; {}]", cause.what(), cause.hint()),
        (None, None) => "[unreadable]".to_owned(),
    }
}

/// What became of a message of ours, in brackets; nothing for one that came.
pub fn state(row: &MessageRow) -> String {
    match (row.direction, row.state, row.cause) {
        (Direction::Received, _, _) => String::new(),
        (Direction::Sent, MessageState::Failed, Some(cause)) => format!("  (failed: {})", cause.what()),
        (Direction::Sent, state, _) => format!("  ({})", state.word()),
    }
}

/// A line for each message: when, its id, who, what. The names stand flush right, so that all texts begin in one column.
pub struct Lines {
    who_len: usize,
}

impl Lines {
    /// For these names, beside "me".
    pub fn of<'a>(names: impl Iterator<Item = &'a str>) -> Lines {
        Lines { who_len: names.map(str::len).max().unwrap_or_default().max("me".len()) }
    }

    /// The line of a message.
    pub fn line(&self, row: &MessageRow, who: &str) -> String {
        let (time, id, width) = (time(row.stamp.0), short(&row.message), self.who_len);
        format!("{time}  {id}  {who:>width$}: {}{}", text(row, &self.indent()), state(row))
    }

    fn indent(&self) -> String {
        " ".repeat("0000-00-00 00:00  01234567  : ".len() + self.who_len)
    }
}

/// A message that was named by its id, or by how that begins.
pub struct Found {
    pub message: MessageId,
    /// Its rows. Usually one; whoever writes to us chooses the ids of what they write.
    pub rows: Vec<MessageRow>,
    /// Set while the relay has not stored it: with whom, its state, since when.
    pub waits: Option<(Fingerprint, MessageState, Stamp)>,
}

impl Found {
    /// With whom it is. **Errors:** it is with several; then `--with` tells which.
    pub fn contact(&self, view: &View) -> Result<Fingerprint, Trouble> {
        let mut contacts: Vec<Fingerprint> =
            self.rows.iter().map(|row| row.contact).chain(self.waits.map(|(contact, ..)| contact)).collect();
        contacts.sort_unstable();
        contacts.dedup();
        match contacts.as_slice() {
            [contact] => Ok(*contact),
            [] => Err(Code::UnknownMessage.into()),
            several => {
                let names: Vec<String> = several.iter().map(|contact| shown(view, *contact)).collect();
                Err(Trouble::Usage(format!("messages with {} have this id; say which: --with NAME", names.join(" and "))))
            }
        }
    }

    /// Leaves what is with one contact.
    pub fn only(mut self, contact: Fingerprint) -> Result<Found, Trouble> {
        self.rows.retain(|row| row.contact == contact);
        self.waits = self.waits.filter(|(with, ..)| *with == contact);
        if self.rows.is_empty() && self.waits.is_none() { Err(Code::UnknownMessage.into()) } else { Ok(self) }
    }

    /// The row of a message of ours.
    pub fn sent(&self) -> Option<&MessageRow> {
        self.rows.iter().find(|row| row.direction == Direction::Sent)
    }
}

/// Finds the one message whose id begins with what was typed.
///
/// **Errors:** `UnknownMessage`; words, if no id can begin so, or several do.
pub fn find(
    typed: &str,
    view: &View,
    rows_of: impl Fn(MessageId) -> Result<Vec<MessageRow>, Code>,
    page: impl Fn(u64, u32) -> Result<Vec<MessageRow>, Code>,
) -> Result<Found, Trouble> {
    let digits = typed.to_ascii_lowercase();
    if !(DIGITS_MIN..=MessageId::LEN * 2).contains(&digits.len()) || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Trouble::Usage(format!(
            "{typed} is no message's id: give the eight digits that thicket read shows, or at least the first four"
        )));
    }
    let mut fits: Vec<MessageId> = view.unsettled.keys().copied().filter(|message| message.hex().starts_with(&digits)).collect();
    match whole(&digits) {
        Some(message) => fits.push(message),
        None => {
            each_page(0, page, |rows| {
                fits.extend(rows.iter().map(|row| row.message).filter(|message| message.hex().starts_with(&digits)));
                Ok(())
            })?;
        }
    }
    fits.sort_unstable();
    fits.dedup();
    if let [_, _, ..] = fits.as_slice() {
        return Err(several(typed, view, &fits, rows_of));
    }
    let Some(message) = fits.pop() else {
        return Err(Code::UnknownMessage.into());
    };
    let waits = view.unsettled.get(&message).map(|(contact, state, _, stamp)| (*contact, *state, *stamp));
    let found = Found { message, rows: rows_of(message)?, waits };
    if found.rows.is_empty() && found.waits.is_none() { Err(Code::UnknownMessage.into()) } else { Ok(found) }
}

/// The id, if all its digits are there.
fn whole(digits: &str) -> Option<MessageId> {
    MessageId::parse(&from_hex(digits)?)
}

/// Bytes from hex digits; `None` for anything else.
pub fn from_hex(digits: &str) -> Option<Vec<u8>> {
    let nibbles: Option<Vec<u8>> = digits.chars().map(|digit| digit.to_digit(16).and_then(|value| u8::try_from(value).ok())).collect();
    let nibbles = nibbles?;
    let (pairs, rest) = nibbles.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

fn several(typed: &str, view: &View, fits: &[MessageId], rows_of: impl Fn(MessageId) -> Result<Vec<MessageRow>, Code>) -> Trouble {
    let mut words = format!("{typed} begins the ids of {} messages; give more digits:", fits.len());
    for message in fits.iter().take(LISTED_MAX) {
        let rows = rows_of(*message).unwrap_or_default();
        let what = rows
            .first()
            .map(|row| (row.contact, row.stamp))
            .or(view.unsettled.get(message).map(|(contact, _, _, stamp)| (*contact, *stamp)));
        let told = what.map(|(contact, stamp)| format!("  with {}, {}", shown(view, contact), time(stamp.0))).unwrap_or_default();
        words.push_str(&format!("\n  {}{told}", message.hex()));
    }
    if fits.len() > LISTED_MAX {
        words.push_str("\n  …");
    }
    Trouble::Usage(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: u64, id: u8, contact: u8, direction: Direction) -> MessageRow {
        MessageRow {
            number,
            contact: Fingerprint([contact; 20]),
            direction,
            message: MessageId([id; 16]),
            state: MessageState::Delivered,
            text: Some("text".to_owned()),
            stamp: Stamp(number),
            claimed: ClaimedTime(number),
            cause: None,
        }
    }

    fn look(typed: &str, rows: &[MessageRow]) -> Result<Found, Trouble> {
        let of = |message: MessageId| Ok(rows.iter().filter(|row| row.message == message).cloned().collect());
        let page = |after: u64, max: u32| {
            let page = rows.iter().filter(|row| row.number > after).take(usize::try_from(max).unwrap_or(usize::MAX));
            Ok(page.cloned().collect())
        };
        find(typed, &View::default(), of, page)
    }

    fn usage(found: Result<Found, Trouble>) -> String {
        match found {
            Err(Trouble::Usage(words)) => words,
            Err(trouble) => panic!("{trouble:?}"),
            Ok(found) => panic!("found {:?}", found.message),
        }
    }

    #[test]
    fn a_message_is_named_by_how_its_id_begins() {
        let rows: Vec<MessageRow> = (1..=9).map(|number| row(u64::from(number), 0x11 * number, 1, Direction::Sent)).collect();
        for typed in ["2222", "22222222", "22222222222222222222222222222222"] {
            assert_eq!(look(typed, &rows).map(|found| found.message).expect("one"), MessageId([0x22; 16]));
        }
        let upper = row(10, 0xab, 1, Direction::Sent);
        assert_eq!(look("ABAB", &[upper]).map(|found| found.rows.len()).expect("one"), 1);
        assert!(matches!(look("abcd", &rows), Err(Trouble::Numbered(Code::UnknownMessage, None))));
    }

    #[test]
    fn what_no_id_can_begin_with_is_said_so() {
        for typed in ["", "222", "xyzw", "222222222222222222222222222222222"] {
            assert!(usage(look(typed, &[])).contains("is no message's id"), "{typed}");
        }
    }

    #[test]
    fn a_begin_that_several_ids_have_lists_them() {
        let mut second = row(2, 0x22, 1, Direction::Received);
        second.message.0[15] = 0;
        let words = usage(look("2222", &[row(1, 0x22, 1, Direction::Sent), second]));
        assert!(words.contains("2 messages; give more digits") && words.contains("22222222222222222222222222222200"), "{words}");
    }

    #[test]
    fn one_id_in_two_conversations_asks_for_a_name() {
        let found = look("2222", &[row(1, 0x22, 1, Direction::Sent), row(2, 0x22, 2, Direction::Received)]).expect("one id");
        assert!(matches!(found.contact(&View::default()), Err(Trouble::Usage(words)) if words.contains("--with")));
        let only = found.only(Fingerprint([2; 20])).expect("one row");
        assert_eq!((only.rows.len(), only.sent()), (1, None));
    }

    #[test]
    fn rows_are_read_a_page_at_a_time_each_once_and_in_order() {
        let page_len = usize::try_from(PAGE).expect("small");
        let rows: Vec<MessageRow> = (1..=2 * u64::from(PAGE) + 3).map(|number| row(number, 1, 1, Direction::Sent)).collect();
        for after in [0, 5] {
            let (mut seen, mut pages) = (Vec::new(), Vec::new());
            let page = |after: u64, max: u32| {
                let rows = rows.iter().filter(|row| row.number > after).take(usize::try_from(max).expect("small"));
                Ok(rows.cloned().collect())
            };
            let done = each_page(after, page, |rows| {
                pages.push(rows.len());
                seen.extend(rows.iter().map(|row| row.number));
                Ok(())
            });
            assert!(done.is_ok());
            assert_eq!(seen, (after + 1..=2 * u64::from(PAGE) + 3).collect::<Vec<_>>());
            assert!(pages.len() >= 2 && pages.iter().all(|len| *len <= page_len), "{pages:?}");
        }
    }

    #[test]
    fn hex_is_read_whole_or_not_at_all() {
        assert_eq!(from_hex("00ff1a"), Some(vec![0, 255, 26]));
        for typed in ["0", "0g", "é0"] {
            assert_eq!(from_hex(typed), None);
        }
    }

    #[test]
    fn texts_begin_in_one_column() {
        let lines = Lines::of(["bob", "caroline"].into_iter());
        let (mine, theirs) = (lines.line(&row(1, 1, 1, Direction::Sent), "me"), lines.line(&row(2, 2, 1, Direction::Received), "caroline"));
        assert_eq!(mine, "1970-01-01 00:00  01010101        me: text  (delivered)");
        assert_eq!(theirs, "1970-01-01 00:00  02020202  caroline: text");
    }
}
