//! A value as a tree that people read, and what two trees differ in.
//!
//! Whatever serde writes becomes a tree: fields by their names, maps by their keys, ids in hex, stamps as times in UTC. A token is
//! never shown, and names and addresses only where they are asked for: what is shown of a journal is given to others.

use serde::Serialize;
use serde::ser;
use std::collections::BTreeMap;
use std::fmt;
use thicket_types::time::Stamp;

/// Ids in a map's key by their first eight digits, as people tell them apart. No key is a text of somebody's.
pub fn short_ids(key: &str) -> String {
    let mut short = String::with_capacity(key.len());
    let mut rest = key;
    while let Some(begin) = rest.find(|char: char| char.is_ascii_hexdigit()) {
        let (before, run) = rest.split_at(begin);
        let len = run.find(|char: char| !char.is_ascii_hexdigit()).unwrap_or(run.len());
        let (run, after) = run.split_at(len);
        short.push_str(before);
        match run.get(..8).filter(|_| len >= ID_DIGITS_MIN) {
            Some(digits) => {
                short.push_str(digits);
                short.push('…');
            }
            None => short.push_str(run),
        }
        rest = after;
    }
    short + rest
}

/// Bytes of the shortest id.
const BYTES_MIN: usize = 16;
/// Its digits.
const ID_DIGITS_MIN: usize = 2 * BYTES_MIN;

/// Digits that ids have.
const ID_DIGITS: [usize; 3] = [32, 40, 64];

/// What stands for a name, an address or a token that is not shown.
const PRIVATE: &str = "(private)";

/// A value, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tree {
    /// What has no parts.
    Leaf(Leaf),
    /// A sequence or a set.
    List(Vec<Tree>),
    /// A struct's fields, a map's entries, or a variant with what it holds: in order.
    Fields(Vec<(String, Tree)>),
}

/// A value without parts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Leaf {
    /// An option that is not there.
    None,
    /// Yes or no.
    Bool(bool),
    /// A number.
    Number(i128),
    /// A stamp; 0 is never.
    Time(Stamp),
    /// An id, or bytes: in hex.
    Id(String),
    /// A text, or a variant without fields.
    Text(String),
}

impl Leaf {
    /// As people read it: an id by its first eight digits, other bytes by their number.
    pub fn short(&self) -> String {
        match self {
            Leaf::Id(hex) if ID_DIGITS.contains(&hex.len()) => short_ids(hex),
            Leaf::Id(hex) => format!("{} bytes", hex.len() / 2),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Leaf::None => f.write_str("none"),
            Leaf::Bool(value) => value.fmt(f),
            Leaf::Number(value) => value.fmt(f),
            Leaf::Time(Stamp(0)) => f.write_str("never"),
            Leaf::Time(stamp) => {
                let ((year, month, day), ms) = (stamp.date(), stamp.0);
                let (hours, minutes, seconds) = (ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1_000 % 60);
                write!(f, "{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{:03}", ms % 1_000)
            }
            Leaf::Id(text) | Leaf::Text(text) => f.write_str(text),
        }
    }
}

/// What two trees differ in, at one place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Difference {
    /// The names that lead there.
    pub path: Vec<String>,
    /// What was there; `None` if nothing was.
    pub before: Option<Tree>,
    /// What is there now; `None` if nothing is.
    pub after: Option<Tree>,
}

impl Tree {
    /// The tree of a value, `names` and addresses in it or not. What serde cannot write is a leaf that says so.
    pub fn of<T: Serialize>(value: &T, names: bool) -> Tree {
        value.serialize(Grow { names }).unwrap_or_else(|unwritable| Tree::Leaf(Leaf::Text(unwritable.0)))
    }

    /// Whether there is nothing in it: no entry, no element.
    pub fn is_empty(&self) -> bool {
        match self {
            Tree::Leaf(_) => false,
            Tree::List(list) => list.is_empty(),
            Tree::Fields(fields) => fields.is_empty(),
        }
    }

    /// In one line, ids by their first eight digits.
    pub fn line(&self) -> String {
        let mut line = String::new();
        self.write_line(&mut line);
        line
    }

    /// A variant, and what it holds. No field and no id begins with a capital.
    fn as_variant(&self) -> Option<(&str, &Tree)> {
        match self {
            Tree::Fields(fields) => match fields.as_slice() {
                [(variant, tree)] if variant.starts_with(|char: char| char.is_ascii_uppercase()) => Some((variant, tree)),
                _ => None,
            },
            Tree::Leaf(_) | Tree::List(_) => None,
        }
    }

    fn write_line(&self, line: &mut String) {
        if let Some((variant, tree)) = self.as_variant() {
            line.push_str(&short_ids(variant));
            line.push(' ');
            return tree.write_line(line);
        }
        match self {
            Tree::Leaf(leaf) => line.push_str(&leaf.short()),
            Tree::List(list) => {
                line.push('[');
                for (at, tree) in list.iter().enumerate() {
                    line.push_str(if at == 0 { "" } else { ", " });
                    tree.write_line(line);
                }
                line.push(']');
            }
            Tree::Fields(fields) => {
                line.push('{');
                for (at, (name, tree)) in fields.iter().enumerate() {
                    line.push_str(if at == 0 { "" } else { ", " });
                    line.push_str(&short_ids(name));
                    line.push(' ');
                    tree.write_line(line);
                }
                line.push('}');
            }
        }
    }

    /// Line by line, each with its depth: what fits into `width` with its indent stays in one.
    pub fn lines(&self, width: usize) -> Vec<(usize, String)> {
        let mut lines = Vec::new();
        self.unfold(None, 0, width, &mut lines);
        lines
    }

    fn unfold(&self, name: Option<&str>, depth: usize, width: usize, lines: &mut Vec<(usize, String)>) {
        let name = name.map(short_ids);
        // A variant stands where its name does.
        if let (Some(name), Some((variant, tree))) = (&name, self.as_variant()) {
            return tree.unfold(Some(&format!("{name} {variant}")), depth, width, lines);
        }
        let named = |text: &str| name.as_ref().map_or_else(|| text.to_owned(), |name| format!("{name} {text}"));
        let whole = named(&self.line());
        let top = name.is_none() && matches!(self, Tree::Fields(_));
        if !top && (self.is_empty() || matches!(self, Tree::Leaf(_)) || whole.chars().count() + 2 * depth <= width) {
            return lines.push((depth, whole));
        }
        let below = if let Some(name) = name {
            lines.push((depth, name));
            depth + 1
        } else {
            depth
        };
        match self {
            Tree::Leaf(_) => {}
            Tree::List(list) => list.iter().for_each(|tree| tree.unfold(Some("-"), below, width, lines)),
            Tree::Fields(fields) => fields.iter().for_each(|(name, tree)| tree.unfold(Some(name), below, width, lines)),
        }
    }

    /// What is different in another tree, in the order of this one.
    pub fn differences(&self, after: &Tree) -> Vec<Difference> {
        let mut found = Vec::new();
        compare(&mut Vec::new(), self, after, &mut found);
        found
    }
}

fn compare<'t>(path: &mut Vec<String>, before: &'t Tree, after: &'t Tree, found: &mut Vec<Difference>) {
    if before == after {
        return;
    }
    match (before, after) {
        (Tree::Fields(was), Tree::Fields(is)) => {
            let by_name =
                |fields: &'t [(String, Tree)]| fields.iter().map(|(name, tree)| (name.as_str(), tree)).collect::<BTreeMap<_, _>>();
            let (is_by_name, was_by_name) = (by_name(is), by_name(was));
            for (name, before) in was {
                step(path, name, Some(before), is_by_name.get(name.as_str()).copied(), found);
            }
            for (name, after) in is.iter().filter(|(name, _)| !was_by_name.contains_key(name.as_str())) {
                step(path, name, None, Some(after), found);
            }
        }
        (Tree::List(was), Tree::List(is)) => {
            // What both begin and end with stayed: between is what went and what came.
            let begin = was.iter().zip(is).take_while(|(was, is)| was == is).count();
            let end = was.iter().rev().zip(is.iter().rev()).take(was.len().min(is.len()) - begin).take_while(|(was, is)| was == is).count();
            let went = was.iter().take(was.len() - end).skip(begin);
            let came = is.iter().take(is.len() - end).skip(begin);
            went.for_each(|tree| step(path, "-", Some(tree), None, found));
            came.for_each(|tree| step(path, "-", None, Some(tree), found));
        }
        _ => found.push(Difference { path: path.clone(), before: Some(before.clone()), after: Some(after.clone()) }),
    }
}

fn step<'t>(path: &mut Vec<String>, name: &str, before: Option<&'t Tree>, after: Option<&'t Tree>, found: &mut Vec<Difference>) {
    path.push(name.to_owned());
    match (before, after) {
        (Some(before), Some(after)) => compare(path, before, after, found),
        (before, after) => found.push(Difference { path: path.clone(), before: before.cloned(), after: after.cloned() }),
    }
    path.pop();
}

/// A value that serde cannot write.
#[derive(Debug)]
struct Unwritable(String);

impl fmt::Display for Unwritable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unwritable {}

impl ser::Error for Unwritable {
    fn custom<T: fmt::Display>(what: T) -> Unwritable {
        Unwritable(what.to_string())
    }
}

#[derive(Clone, Copy)]
struct Grow {
    names: bool,
}

/// Fields, entries or elements on their way into a tree.
struct Growing {
    grow: Grow,
    /// Whether their number is a type's, not a value's.
    is_tuple: bool,
    /// The variant that they are of.
    variant: Option<&'static str>,
    key: Option<String>,
    fields: Vec<(String, Tree)>,
    list: Vec<Tree>,
}

fn growing(grow: Grow, variant: Option<&'static str>) -> Growing {
    Growing { grow, is_tuple: false, variant, key: None, fields: Vec::new(), list: Vec::new() }
}

fn of_variant(variant: Option<&'static str>, tree: Tree) -> Tree {
    match variant {
        Some(variant) => Tree::Fields(vec![(variant.to_owned(), tree)]),
        None => tree,
    }
}

fn text(value: impl Into<String>) -> Result<Tree, Unwritable> {
    Ok(Tree::Leaf(Leaf::Text(value.into())))
}

/// A key of a map in one piece.
fn key_of(tree: &Tree) -> String {
    match tree {
        Tree::Leaf(leaf) => leaf.to_string(),
        Tree::List(list) => list.iter().map(key_of).collect::<Vec<_>>().join("."),
        Tree::Fields(fields) => match fields.as_slice() {
            [(variant, tree)] => format!("{variant}({})", key_of(tree)),
            fields => fields.iter().map(|(_, tree)| key_of(tree)).collect::<Vec<_>>().join("."),
        },
    }
}

macro_rules! numbers {
    ($($name:ident: $type:ty),* $(,)?) => {
        $(fn $name(self, value: $type) -> Result<Tree, Unwritable> {
            Ok(Tree::Leaf(Leaf::Number(value.into())))
        })*
    };
}

impl ser::Serializer for Grow {
    type Ok = Tree;
    type Error = Unwritable;
    type SerializeSeq = Growing;
    type SerializeTuple = Growing;
    type SerializeTupleStruct = Growing;
    type SerializeTupleVariant = Growing;
    type SerializeMap = Growing;
    type SerializeStruct = Growing;
    type SerializeStructVariant = Growing;

    numbers! {
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64,
    }

    fn serialize_bool(self, value: bool) -> Result<Tree, Unwritable> {
        Ok(Tree::Leaf(Leaf::Bool(value)))
    }

    fn serialize_f32(self, value: f32) -> Result<Tree, Unwritable> {
        text(value.to_string())
    }

    fn serialize_f64(self, value: f64) -> Result<Tree, Unwritable> {
        text(value.to_string())
    }

    fn serialize_char(self, value: char) -> Result<Tree, Unwritable> {
        text(value)
    }

    fn serialize_str(self, value: &str) -> Result<Tree, Unwritable> {
        text(value)
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Tree, Unwritable> {
        Ok(Tree::Leaf(Leaf::Id(value.iter().map(|byte| format!("{byte:02x}")).collect())))
    }

    /// Only ids and bytes are written so.
    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<Tree, Unwritable> {
        Ok(Tree::Leaf(Leaf::Id(value.to_string())))
    }

    fn serialize_none(self) -> Result<Tree, Unwritable> {
        Ok(Tree::Leaf(Leaf::None))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Tree, Unwritable> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Tree, Unwritable> {
        Ok(Tree::Leaf(Leaf::None))
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<Tree, Unwritable> {
        text(name)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Tree, Unwritable> {
        text(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Tree, Unwritable> {
        let inner = value.serialize(self)?;
        match (name, &inner) {
            // Whoever has it can register at the relay.
            ("RegistrationToken", _) => text(PRIVATE),
            ("Private" | "RelayAddress", _) if !self.names => text(PRIVATE),
            ("Stamp" | "ClaimedTime", Tree::Leaf(Leaf::Number(ms))) => {
                Ok(u64::try_from(*ms).map_or(inner, |ms| Tree::Leaf(Leaf::Time(Stamp(ms)))))
            }
            _ => Ok(inner),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Tree, Unwritable> {
        Ok(of_variant(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Growing, Unwritable> {
        Ok(growing(self, None))
    }

    fn serialize_tuple(self, _: usize) -> Result<Growing, Unwritable> {
        Ok(Growing { is_tuple: true, ..growing(self, None) })
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Growing, Unwritable> {
        Ok(growing(self, None))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Growing, Unwritable> {
        Ok(growing(self, Some(variant)))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Growing, Unwritable> {
        Ok(growing(self, None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Growing, Unwritable> {
        Ok(growing(self, None))
    }

    fn serialize_struct_variant(self, _: &'static str, _: u32, variant: &'static str, _: usize) -> Result<Growing, Unwritable> {
        Ok(growing(self, Some(variant)))
    }
}

impl Growing {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        self.list.push(value.serialize(self.grow)?);
        Ok(())
    }

    fn field<T: Serialize + ?Sized>(&mut self, name: &str, value: &T) -> Result<(), Unwritable> {
        self.fields.push((name.to_owned(), value.serialize(self.grow)?));
        Ok(())
    }

    fn grown_list(self) -> Result<Tree, Unwritable> {
        // So many numbers in a row, each of a byte, are an array of bytes.
        let byte = |tree: &Tree| if let Tree::Leaf(Leaf::Number(number)) = tree { u8::try_from(*number).ok() } else { None };
        let bytes = self.list.iter().map(byte).collect::<Option<Vec<u8>>>().filter(|bytes| self.is_tuple && bytes.len() >= BYTES_MIN);
        let tree = match bytes {
            Some(bytes) => Tree::Leaf(Leaf::Id(bytes.iter().map(|byte| format!("{byte:02x}")).collect())),
            None => Tree::List(self.list),
        };
        Ok(of_variant(self.variant, tree))
    }

    fn grown_fields(self) -> Result<Tree, Unwritable> {
        Ok(of_variant(self.variant, Tree::Fields(self.fields)))
    }
}

macro_rules! grows_list {
    ($($part:ident :: $each:ident),* $(,)?) => {
        $(impl ser::$part for Growing {
            type Ok = Tree;
            type Error = Unwritable;

            fn $each<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
                self.element(value)
            }

            fn end(self) -> Result<Tree, Unwritable> {
                self.grown_list()
            }
        })*
    };
}

grows_list!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
);

macro_rules! grows_fields {
    ($($part:ident),*) => {
        $(impl ser::$part for Growing {
            type Ok = Tree;
            type Error = Unwritable;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Result<(), Unwritable> {
                self.field(name, value)
            }

            fn end(self) -> Result<Tree, Unwritable> {
                self.grown_fields()
            }
        })*
    };
}

grows_fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Growing {
    type Ok = Tree;
    type Error = Unwritable;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Unwritable> {
        self.key = Some(key_of(&key.serialize(self.grow)?));
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Unwritable> {
        let key = self.key.take().unwrap_or_default();
        self.field(&key, value)
    }

    fn end(self) -> Result<Tree, Unwritable> {
        self.grown_fields()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use thicket_types::bytes::Bytes;
    use thicket_types::event::{Event, Outcome, TimerId};
    use thicket_types::ids::{EffectId, FrameId, MessageId, SegmentId, Seq};
    use thicket_types::name::{Name, RegistrationToken};

    #[derive(Serialize)]
    struct Life {
        at: Stamp,
        never: Stamp,
        token: Option<RegistrationToken>,
        queue: Vec<MessageId>,
        timers: BTreeMap<TimerId, Stamp>,
        asked: BTreeMap<EffectId, bool>,
        places: BTreeSet<u64>,
        skew: Option<i64>,
        name: Name,
    }

    fn life() -> Life {
        let effect = EffectId { seq: Seq(7), index: 1, segment: SegmentId([9; 16]) };
        Life {
            at: Stamp(1_790_000_000_123),
            never: Stamp(0),
            token: RegistrationToken::parse("let-me-in"),
            queue: vec![MessageId([1; 16]), MessageId([2; 16]), MessageId([3; 16])],
            timers: [(TimerId::Login, Stamp(1)), (TimerId::Retry(FrameId([4; 32])), Stamp(2))].into(),
            asked: [(effect, true)].into(),
            places: BTreeSet::new(),
            skew: Some(-4),
            name: Name::parse("Bob").expect("a name"),
        }
    }

    #[test]
    fn a_value_becomes_names_ids_and_times() {
        let short = |byte: &str| format!("{}…", byte.repeat(4));
        let expected = format!(
            "{{at 2026-09-21 14:13:20.123, never never, token (private), queue [{}, {}, {}], timers {{Retry({}) 1970-01-01 00:00:00.002, \
             Login 1970-01-01 00:00:00.001}}, asked {{7.1.{} true}}, places [], skew -4, name (private)}}",
            short("01"),
            short("02"),
            short("03"),
            short("04"),
            short("09"),
        );
        assert_eq!(Tree::of(&life(), false).line(), expected);
        let named = expected.replace("name (private)", "name Bob");
        assert_eq!(Tree::of(&life(), true).line(), named, "a token stays private");
    }

    #[test]
    fn what_is_wide_is_unfolded_and_what_is_narrow_stays_in_a_line() {
        let lines = Tree::of(&life(), false).lines(30);
        let shown: Vec<String> = lines.iter().map(|(depth, line)| format!("{}{line}", "  ".repeat(*depth))).collect();
        assert!(shown.iter().all(|line| line.chars().count() <= 60), "{shown:?}");
        assert_eq!(shown[..4], ["at 2026-09-21 14:13:20.123", "never never", "token (private)", "queue"]);
        assert_eq!(shown[4], "  - 01010101…");
        assert_eq!(shown.last().map(String::as_str), Some("name (private)"));
    }

    #[test]
    fn a_variant_stands_beside_the_field_that_it_is_in() {
        let effect = EffectId { seq: Seq(7), index: 1, segment: SegmentId([9; 16]) };
        let outcome = Outcome::Framed { frame: FrameId([4; 32]), bytes: Bytes(vec![0; 29]) };
        let tree = Tree::of(&Event::Resolved { effect, outcome, vault_count: 3 }, false);
        let says = "Resolved {effect {seq 7, index 1, segment 09090909…}, outcome Framed {frame 04040404…, bytes 29 bytes}, vault_count 3}";
        assert_eq!(tree.line(), says);
        let lines: Vec<String> = tree.lines(30).into_iter().map(|(depth, line)| format!("{}{line}", "  ".repeat(depth))).collect();
        let framed = ["  outcome Framed", "    frame 04040404…", "    bytes 29 bytes"];
        assert!(lines.windows(3).any(|lines| lines == framed), "{lines:?}");
    }

    #[test]
    fn differences_are_what_went_what_came_and_what_changed_each_at_its_place() {
        let (before, mut other) = (Tree::of(&life(), false), life());
        other.queue = vec![MessageId([1; 16]), MessageId([5; 16]), MessageId([6; 16]), MessageId([3; 16])];
        other.timers.remove(&TimerId::Login);
        other.timers.insert(TimerId::Tidy, Stamp(9));
        other.skew = None;
        let found: Vec<String> = before
            .differences(&Tree::of(&other, false))
            .iter()
            .map(|found| {
                let shown = |tree: &Option<Tree>| tree.as_ref().map_or_else(|| "nothing".to_owned(), Tree::line);
                format!("{}: {} -> {}", found.path.join("/"), shown(&found.before), shown(&found.after))
            })
            .collect();
        let id = |byte: &str| format!("{}…", byte.repeat(4));
        assert_eq!(
            found,
            [
                format!("queue/-: {} -> nothing", id("02")),
                format!("queue/-: nothing -> {}", id("05")),
                format!("queue/-: nothing -> {}", id("06")),
                "timers/Login: 1970-01-01 00:00:00.001 -> nothing".to_owned(),
                "timers/Tidy: nothing -> 1970-01-01 00:00:00.009".to_owned(),
                "skew: -4 -> none".to_owned(),
            ]
        );
        assert_eq!(before.differences(&before), []);
    }

    #[test]
    fn ids_are_shortened_and_texts_are_not() {
        let id = "0123456789abcdef".repeat(2);
        assert_eq!(short_ids(&format!("Retry({id}{id}).{id}, deadbeef, 2026-11-22")), "Retry(01234567…).01234567…, deadbeef, 2026-11-22");
        assert_eq!(short_ids(""), "");
        let named = Name::parse(&id).expect("a name");
        assert_eq!(Tree::of(&named, true).line(), id);
        assert_eq!((Tree::of(&named, false).line().as_str(), Tree::of(&named.key(), false).line().as_str()), ("(private)", "(private)"));
        for tree in [Tree::of(&MessageId([1; 16]), false), Tree::of(&[1_u8; 16], false)] {
            assert_eq!(tree, Tree::Leaf(Leaf::Id("01".repeat(16))));
        }
        assert_eq!(Tree::of(&Bytes(vec![7; 1_584]), false).line(), "1584 bytes");
        for list in [Tree::of(&vec![1; 16], false), Tree::of(&[1_u8; 15], false), Tree::of(&[256_u64; 16], false)] {
            assert!(matches!(list, Tree::List(_)), "{list:?}");
        }
    }

    #[test]
    fn lists_that_repeat_an_element_are_not_counted_twice() {
        let (one, two) = (Tree::of(&vec![1, 1], false), Tree::of(&vec![1, 1, 1], false));
        let (came, went) = (one.differences(&two), two.differences(&one));
        assert_eq!((came.len(), went.len()), (1, 1));
        let one = Some(Tree::Leaf(Leaf::Number(1)));
        assert_eq!((&came[0].after, &went[0].before), (&one, &one));
    }
}
