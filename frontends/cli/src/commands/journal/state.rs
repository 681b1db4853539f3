//! What the journal folds to at a place, and what changed between two.

use crate::output::{Trouble, put_json};
use crate::paint::Paint;
use crate::progress::Progress;
use crate::text::columns;
use crate::{Global, home, terminal};
use serde_json::{Value, json};
use std::io::IsTerminal as _;
use thicket_replay::{Difference, Leaf, Replay, Tree, short_ids};
use thicket_types::ids::Seq;

pub fn show(global: &Global, at: Option<u64>, names: bool) -> Result<(), Trouble> {
    let ([place], [tree], damaged) = at_places(global, names, |last| [at.map_or(last, Seq)])?;
    if global.json {
        put_json(&json!({ "seq": place.0, "state": value(&tree) }))?;
    } else {
        put!("{}", paint(global).bold(&format!("state after {place}")))?;
        for (depth, line) in tree.lines(terminal::width()) {
            put!("{}{line}", "  ".repeat(depth))?;
        }
    }
    // The last one lies behind the damage.
    home::end(damaged.as_ref(), at.is_some())
}

pub fn diff(global: &Global, from: u64, to: u64, names: bool) -> Result<(), Trouble> {
    let ([from, to], [before, after], damaged) = at_places(global, names, |_| [Seq(from), Seq(to)])?;
    let found = before.differences(&after);
    if global.json {
        let changes: Vec<Value> = found.iter().map(change).collect();
        put_json(&json!({ "from": from.0, "to": to.0, "changes": changes }))?;
    } else if found.is_empty() {
        put!("{from} and {to} fold to the same state")?;
    } else {
        printed(&found, paint(global), terminal::width()).iter().try_for_each(|line| put!("{line}"))?;
    }
    home::end(damaged.as_ref(), true)
}

/// The states after some places, and where the journal is damaged.
type AtPlaces<const N: usize> = ([Seq; N], [Tree; N], Option<home::Damaged>);

fn at_places<const N: usize>(global: &Global, names: bool, places: impl Fn(Seq) -> [Seq; N]) -> Result<AtPlaces<N>, Trouble> {
    let at = home::at(global)?;
    let _folding = Progress::start(global, "folding the journal");
    let ((replay, places, states), damaged) = at.look_before_damage(|look| {
        let (disk, keys) = look.files();
        let replay = Replay::read(disk, keys, &mut |_| {})?;
        let places = places(replay.last());
        let mut states = Vec::new();
        for place in places {
            states.extend(replay.at(disk, keys, place)?.map(|state| Tree::of(&state, names)));
        }
        Ok((replay, places, states))
    })?;
    let reached = || format!("there is a state after each record from {} to {}", replay.first().0.saturating_sub(1), replay.last());
    let states = <[Tree; N]>::try_from(states).map_err(|_| match &damaged {
        Some(damaged) if places.iter().any(|place| *place >= damaged.from) => damaged.trouble(false),
        _ => Trouble::Usage(reached()),
    })?;
    Ok((places, states, damaged))
}

/// Colours for standard output.
pub fn paint(global: &Global) -> Paint {
    global.color.paint(std::io::stdout().is_terminal())
}

/// A line of what changed.
pub struct Changed {
    /// How many names lead there.
    pub depth: usize,
    /// `+` came, `-` went, `~` changed; none before a name that leads to several.
    pub sign: Option<char>,
    pub text: String,
}

/// Differences as a tree: what leads to several is said once, and what came or went whole is unfolded where it is wider than this.
pub fn changed(found: &[Difference], width: usize) -> Vec<Changed> {
    let mut lines = Vec::new();
    let mut open: Vec<&String> = Vec::new();
    for Difference { path, before, after } in found {
        let Some((last, above)) = path.split_last() else {
            continue;
        };
        let shared = open.iter().zip(above).take_while(|(open, name)| **open == *name).count();
        open.truncate(shared);
        for name in above.iter().skip(shared) {
            lines.push(Changed { depth: open.len(), sign: None, text: short_ids(name) });
            open.push(name);
        }
        let name = if last == "-" { String::new() } else { format!("{} ", short_ids(last)) };
        let depth = open.len();
        let (sign, whole) = match (before, after) {
            (Some(before), Some(after)) => {
                let text = format!("{name}{} → {}", before.line(), after.line());
                lines.push(Changed { depth, sign: Some('~'), text });
                continue;
            }
            (Some(before), None) => ('-', before),
            (None, Some(after)) => ('+', after),
            (None, None) => continue,
        };
        let line = format!("{name}{}", whole.line());
        if columns(&line) + 2 * depth + 2 <= width {
            lines.push(Changed { depth, sign: Some(sign), text: line });
            continue;
        }
        let below = usize::from(!name.is_empty());
        if below > 0 {
            lines.push(Changed { depth, sign: Some(sign), text: name.trim_end().to_owned() });
        }
        for (more, text) in whole.lines(width.saturating_sub(2 * (depth + below) + 2)) {
            lines.push(Changed { depth, sign: Some(sign), text: format!("{}{text}", "  ".repeat(more + below)) });
        }
    }
    lines
}

/// The same as it is printed.
pub fn printed(found: &[Difference], paint: Paint, width: usize) -> Vec<String> {
    let line = |Changed { depth, sign, text }: Changed| {
        let indent = "  ".repeat(depth);
        match sign {
            Some(sign @ '+') => format!("{indent}{} {text}", paint.good(&sign.to_string())),
            Some(sign @ '-') => format!("{indent}{} {text}", paint.bad(&sign.to_string())),
            Some(sign) => format!("{indent}{} {text}", paint.warning(&sign.to_string())),
            None => format!("{indent}  {text}"),
        }
    };
    changed(found, width).into_iter().map(line).collect()
}

/// A difference as a program reads it.
pub fn change(found: &Difference) -> Value {
    json!({ "path": found.path, "before": found.before.as_ref().map(value), "after": found.after.as_ref().map(value) })
}

fn value(tree: &Tree) -> Value {
    match tree {
        Tree::Leaf(Leaf::None) => Value::Null,
        Tree::Leaf(Leaf::Bool(value)) => json!(value),
        Tree::Leaf(Leaf::Number(number)) => json!(number),
        Tree::Leaf(Leaf::Time(stamp)) => json!(stamp.0),
        Tree::Leaf(Leaf::Id(text) | Leaf::Text(text)) => json!(text),
        Tree::List(list) => list.iter().map(value).collect(),
        Tree::Fields(fields) => Value::Object(fields.iter().map(|(name, tree)| (name.clone(), value(tree))).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leads_to_several_differences_is_said_once() {
        let leaf = |text: &str| Some(Tree::Leaf(Leaf::Text(text.to_owned())));
        let at = |path: &[&str], before, after| Difference { path: path.iter().map(|name| (*name).to_owned()).collect(), before, after };
        let found = [
            at(&["contacts", "bob", "received"], leaf("3"), leaf("4")),
            at(&["contacts", "bob", "queue", "-"], None, leaf("m")),
            at(&["contacts", "eve"], leaf("x"), None),
            at(&["dropped"], leaf("0"), leaf("1")),
        ];
        let lines = printed(&found, crate::paint::Colour::Never.paint(false), 80);
        assert_eq!(lines, ["  contacts", "    bob", "    ~ received 3 → 4", "      queue", "      + m", "  - eve x", "~ dropped 0 → 1"]);
        // What does not fit into a line is unfolded, with its sign before each.
        let fields = |name: &str| Tree::Fields((0..3).map(|at| (format!("{name}{at}"), Tree::Leaf(Leaf::Number(at)))).collect());
        let found = [at(&["contacts", "bob"], None, Some(fields("field"))), at(&["queue", "-"], Some(fields("x")), None)];
        let lines = printed(&found, crate::paint::Colour::Never.paint(false), 20);
        let unfolded = ["  contacts", "  + bob", "  +   field0 0", "  +   field1 1", "  +   field2 2"];
        assert_eq!(lines[..5], unfolded);
        assert_eq!(lines[5..], ["  queue", "  - x0 0", "  - x1 1", "  - x2 2"]);
    }
}
