//! What clap makes of a command line that it does not take: its words for a person, the error's object for a program.

use crate::Arguments;
use crate::output::{Trouble, mention, print};
use crate::paint::Colour;
use clap::builder::Resettable;
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::ExitCode;
use thicket_types::error::Code;

/// The same error as if THICKET_HOME was not set: where it is, clap writes `--home` into the usage as if it was to be given.
pub fn without_home(error: clap::Error) -> clap::Error {
    if error.exit_code() == 0 || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return error;
    }
    let again = shape_without_home().try_get_matches_from(std::env::args_os()).err();
    again.filter(|again| again.kind() == error.kind()).unwrap_or(error)
}

fn shape_without_home() -> clap::Command {
    <Arguments as clap::CommandFactory>::command().mut_arg("home", |home| home.env(Resettable::Reset))
}

/// Says what is wrong with the command line, or shows the help that it asked for.
pub fn exit(error: &clap::Error) -> ExitCode {
    let json = wants_json(std::env::args_os());
    let done = match error.kind() {
        // clap knows whether the terminal wants colours.
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => shown(error),
        _ if json => Err(Trouble::Usage(words(&error.render().to_string()))),
        _ => {
            let rendered = error.render();
            let paint = Colour::Auto.paint(std::io::stderr().is_terminal());
            mention(&numbered(&if paint.colours() { rendered.ansi().to_string() } else { rendered.to_string() }));
            Err(Trouble::Said(2))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => trouble.exit(json),
    }
}

fn shown(error: &clap::Error) -> Result<(), Trouble> {
    error.print().map_err(|error| match error.kind() {
        std::io::ErrorKind::BrokenPipe => Trouble::Unread,
        _ => Trouble::stream("standard output", &error),
    })?;
    print("")
}

/// What clap says, with the error's number. A help that was not asked for is no error to clap, and has none.
fn numbered(rendered: &str) -> String {
    match rendered.split_once("error:") {
        Some((before, after)) if !before.contains('\n') => format!("{before}error {}:{after}", Code::Usage.number()),
        _ => rendered.to_owned(),
    }
}

/// Whether `--json` is among the arguments; what stands behind `--` is text.
fn wants_json(arguments: impl Iterator<Item = OsString>) -> bool {
    arguments.take_while(|argument| argument != "--").any(|argument| argument == "--json")
}

/// What happened, in one line: clap's first paragraph. How to use the command comes after it.
fn words(rendered: &str) -> String {
    let first = rendered.split("\n\n").next().unwrap_or_default();
    let joined = first.split_whitespace().collect::<Vec<_>>().join(" ");
    joined.strip_prefix("error: ").unwrap_or(&joined).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_asked_for_before_the_text_begins() {
        let wants = |line: &str| wants_json(line.split(' ').map(OsString::from));
        assert!(wants("thicket --json send") && wants("thicket send --json"));
        assert!(!wants("thicket send bob") && !wants("thicket send bob -- --json"));
    }

    #[test]
    fn what_clap_says_shows_its_number() {
        assert_eq!(numbered("error: what\n\nUsage: error: no"), "error 126: what\n\nUsage: error: no");
        assert_eq!(numbered("\u{1b}[31merror:\u{1b}[0m what"), "\u{1b}[31merror 126:\u{1b}[0m what");
        assert_eq!(numbered("Usage: thicket\nno error: here"), "Usage: thicket\nno error: here");
    }

    #[test]
    fn what_clap_says_becomes_one_line() {
        let rendered = "error: the following required arguments were not provided:\n  <TEXT>\n\nUsage: thicket send <TO> <TEXT>\n";
        assert_eq!(words(rendered), "the following required arguments were not provided: <TEXT>");
        assert_eq!(words(""), "");
    }
}
