//! What clap makes of a command line that it does not take: its words for a person, the error's object for a program.

use crate::output::{Trouble, print};
use clap::error::ErrorKind;
use std::ffi::OsString;
use std::process::ExitCode;

/// Says what is wrong with the command line, or shows the help that it asked for.
pub fn exit(error: &clap::Error) -> ExitCode {
    let json = wants_json(std::env::args_os());
    let done = match error.kind() {
        // clap knows whether the terminal wants colours.
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => shown(error),
        _ if json => Err(Trouble::Usage(words(&error.render().to_string()))),
        // Without somebody at standard error the exit status tells alone.
        _ => error.print().map_err(|_| Trouble::Said(2)).and(Err(Trouble::Said(2))),
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
    fn what_clap_says_becomes_one_line() {
        let rendered = "error: the following required arguments were not provided:\n  <TEXT>\n\nUsage: thicket send <TO> <TEXT>\n";
        assert_eq!(words(rendered), "the following required arguments were not provided: <TEXT>");
        assert_eq!(words(""), "");
    }
}
