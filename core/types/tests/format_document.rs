//! The tables of journal-format/SPEC.md §9.4 to 9.7 list the variants and fields that the source has, in its order.

use std::path::Path;
use thicket_types::error::Code;

fn read(path: &str) -> String {
    // At run time: two checkouts may share a target folder, and the binary with it.
    let root = Path::new(&std::env::var("CARGO_MANIFEST_DIR").expect("cargo says where the crate is")).join("../..");
    std::fs::read_to_string(root.join(path)).expect("a file of this checkout")
}

/// What stands between the braces of a type, a line each, without comments and attributes.
fn body<'a>(source: &'a str, head: &str) -> Vec<&'a str> {
    let after = source.split_once(&format!("pub {head} {{\n")).unwrap_or_else(|| panic!("no {head}")).1;
    let inner = after.split_once("\n}\n").expect("its end").0;
    inner.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//") && !line.starts_with('#')).collect()
}

/// A variant's name, and the words that its fields begin with in the document.
type Variant = (String, Vec<String>);

/// The variants of an enum. A field without a name begins with its type.
fn variants(source: &str, name: &str) -> Vec<Variant> {
    let mut found: Vec<Variant> = Vec::new();
    let mut inside = false;
    for line in body(source, &format!("enum {name}")) {
        if inside {
            match line.split_once(": ") {
                Some((field, _)) => found.last_mut().expect("a variant").1.push(field.to_owned()),
                None => inside = line != "},",
            }
        } else if let Some(name) = line.strip_suffix(" {") {
            found.push((name.to_owned(), Vec::new()));
            inside = true;
        } else if let Some((name, fields)) = line.trim_end_matches("),").split_once('(') {
            let mut fields: Vec<String> = fields.split(", ").map(in_words).collect();
            if name == "Send" {
                // A struct of its own, whose fields stand in its place.
                fields = self::fields(source, "Send");
            }
            found.push((name.to_owned(), fields));
        } else {
            found.push((line.trim_end_matches(',').to_owned(), Vec::new()));
        }
    }
    found
}

fn in_words(of_type: &str) -> String {
    match of_type {
        of_type if of_type.starts_with("Vec<") => "sequence".to_owned(),
        "u32" | "u64" | "bool" => format!("`{of_type}`"),
        other => other.to_owned(),
    }
}

fn fields(source: &str, name: &str) -> Vec<String> {
    let names = body(source, &format!("struct {name}")).into_iter().filter_map(|line| line.split_once(": ").map(|(field, _)| field));
    names.map(|field| field.trim_start_matches("pub(crate) ").trim_start_matches("pub ").to_owned()).collect()
}

/// The first words of what is listed, one after another.
fn listed(cell: &str) -> Vec<String> {
    cell.split(';').filter_map(|field| field.split_whitespace().next()).map(str::to_owned).collect()
}

/// The rows of a table that is headed so.
fn rows(document: &str, head: &str) -> Vec<Variant> {
    let after = document.split_once(&format!("| {head} | fields |\n|---|---|\n")).unwrap_or_else(|| panic!("no table of {head}")).1;
    let rows = after.lines().take_while(|line| line.starts_with('|')).enumerate();
    let row = |(number, line): (usize, &str)| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].strip_prefix(&format!("{number} ")).unwrap_or_else(|| panic!("{head}: {line} is not row {number}"));
        (name.to_owned(), listed(cells.get(1).copied().unwrap_or_default()))
    };
    rows.map(row).collect()
}

#[test]
fn the_tables_have_the_variants_and_fields_of_the_source_in_its_order() {
    let document = read("journal-format/SPEC.md");
    for (file, names) in [
        ("core/types/src/intent.rs", &["Intent", "Answer"][..]),
        ("core/types/src/event.rs", &["Arrived", "TimerId", "Outcome", "Opened"]),
        ("core/types/src/effect.rs", &["Effect", "Change"]),
        ("core/types/src/vault_op.rs", &["VaultOp", "Ask"]),
        ("core/reducer/src/state.rs", &["Why", "Stampable"]),
    ] {
        let source = read(file);
        for name in names {
            assert_eq!(rows(&document, name), variants(&source, name), "{name}");
        }
    }
}

#[test]
fn small_enums_and_structs_are_listed_whole() {
    let document = read("journal-format/SPEC.md");
    let joined = document.split_whitespace().collect::<Vec<_>>().join(" ");
    for (file, name) in [
        ("core/types/src/event.rs", "Lane"),
        ("core/types/src/effect.rs", "MessageState"),
        ("core/types/src/vault_op.rs", "Published"),
        ("core/reducer/src/state.rs", "Phase"),
        ("core/reducer/src/state.rs", "Link"),
        ("core/reducer/src/state.rs", "Standing"),
        ("core/reducer/src/state.rs", "Conversation"),
    ] {
        let all: Vec<String> =
            variants(&read(file), name).iter().enumerate().map(|(number, (word, _))| format!("{number} {word}")).collect();
        assert!(joined.contains(&all.join(", ")), "{name}: {all:?}");
    }
    let state = read("core/reducer/src/state.rs");
    for name in ["Session", "Contact"] {
        let listing = joined.split_once(&format!(" {name}: ")).expect("a listing").1.split_once(". ").expect("its end").0;
        assert_eq!(listed(listing), fields(&state, name), "{name}");
    }
    let table = document.split_once("| field | type |\n|---|---|\n| session ").expect("a table of the state").1;
    let names = table.lines().skip(1).take_while(|line| line.starts_with('|')).filter_map(|line| line.split_whitespace().nth(1));
    assert_eq!(["session"].into_iter().chain(names).collect::<Vec<_>>(), fields(&state, "State"));
}

#[test]
fn every_error_stands_under_its_number() {
    let document = read("journal-format/SPEC.md");
    let table = document.split_once("| numbers | errors |\n|---|---|\n").expect("a table").1;
    let mut found = Vec::new();
    for line in table.lines().take_while(|line| line.starts_with('|')) {
        let [numbers, names] = line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let first: u32 = numbers.split(' ').next().and_then(|number| number.parse().ok()).expect("a number");
        let last: u32 = numbers.split(' ').next_back().and_then(|number| number.parse().ok()).expect("a number");
        let names: Vec<&str> = names.split(", ").collect();
        assert_eq!((first..=last).count(), names.len(), "{line}");
        found.extend((first..).zip(names.into_iter().map(str::to_owned)));
    }
    assert_eq!(found, Code::ALL.iter().map(|code| (code.number(), code.name().to_owned())).collect::<Vec<_>>());
}
