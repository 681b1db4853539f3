//! How the demo speaks: prose for a person, one JSON line for a program.

use super::Trouble;
use super::ledger::Report;
use crate::Global;
use crate::output::put_json;
use crate::progress::Progress;
use crate::terminal::COLUMNS;
use crate::text::{beside, quoted};
use std::path::Path;
use std::time::Instant;

/// Prints the story as it goes.
pub struct Tell<'a> {
    global: &'a Global,
    since: Instant,
    scene: usize,
    /// What the scene is about, for whoever waits for its next line.
    about: &'static str,
    progress: Option<Progress>,
}

impl<'a> Tell<'a> {
    pub fn new(global: &'a Global) -> Tell<'a> {
        Tell { global, since: Instant::now(), scene: 0, about: "", progress: None }
    }

    pub fn seconds(&self) -> f64 {
        self.since.elapsed().as_secs_f64()
    }

    /// Begins a scene. What it is about is shown while it takes long.
    pub fn scene(&mut self, title: &str, about: &'static str) -> Result<(), Trouble> {
        (self.scene, self.about) = (self.scene + 1, about);
        let line = format!("\n{}. {title}", self.scene);
        self.say(&line)
    }

    /// Says what happened, with the time since the start.
    pub fn line(&mut self, text: &str) -> Result<(), Trouble> {
        let line = format!("   {:>5.1} s  {}", self.seconds(), beside(text, 12, COLUMNS));
        self.say(&line)
    }

    fn say(&mut self, line: &str) -> Result<(), Trouble> {
        if self.global.json {
            return Ok(());
        }
        // It is gone before anything stands in its place.
        self.progress = None;
        put!("{line}")?;
        self.progress = Some(Progress::start(self.global, self.about));
        Ok(())
    }

    pub fn report(&mut self, report: &Report, keep: Option<(&Path, &str)>) -> Result<(), Trouble> {
        self.progress = None;
        if self.global.json {
            return put_json(&report.json(self.seconds()));
        }
        put!("\n{}", report.table())?;
        put!("{}", report.verdict(self.seconds()))?;
        put!("\n{}", next(keep, !are_found()).trim_end())
    }
}

/// What to try next, as commands that can be typed, in this order: for what was kept, with the relay's address, or by hand.
fn next(keep: Option<(&Path, &str)>, build: bool) -> String {
    let build = if build { BUILD } else { "" };
    let Some((folder, address)) = keep else {
        return format!("{build}{NEXT}");
    };
    let [alice, bob, carol, relay] = ["alice", "bob", "carol", "relay"].map(|name| quoted(&folder.join(name).display().to_string()));
    let listen = address.rsplit('@').next().unwrap_or(address);
    format!(
        "Kept in {}:\n\
         a profile each (keys, journal, snapshots, vault), and the relay's data and key.\n\n\
         {build}Look at what is there:\n\n\
         \x20  export THICKET_PASSPHRASE=\"{}\"\n\
         \x20  thicket --home {bob} journal verify\n\
         \x20  thicket --home {bob} journal ls --count 20\n\
         \x20  thicket --home {bob} read alice\n\
         \x20  thicket --home {alice} conversations\n\n\
         Or go on. The relay runs again, in a terminal of its own, where carol finds it;\n\
         alice knew it on loopback, and follows:\n\n\
         \x20  thicket-relayd --home {relay} --listen {listen}\n\n\
         \x20  thicket --home {carol} send bob \"And now?\"\n\
         \x20  thicket --home {alice} relay change {address}\n",
        folder.display(),
        super::PASSPHRASE
    )
}

/// What comes before: after `cargo run` the programs have no names that a shell knows, and the relay's is not built.
const BUILD: &str = r#"First build the programs, and have each terminal that you use find them:

   cargo build --release
   export PATH="$PWD/target/release:$PATH"

"#;

/// Whether a shell finds both programs by their names.
fn are_found() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |name: &str| std::env::split_paths(&path).any(|folder| folder.join(name).is_file());
    ["thicket", "thicket-relayd"].map(|name| format!("{name}{}", std::env::consts::EXE_SUFFIX)).iter().all(|name| found(name))
}

/// What to try next if nothing was kept: the demo's files, or the same with one's own hands, as in the README.
const NEXT: &str = r#"The same, with everything kept for a closer look:

   thicket demo --keep /tmp/thicket-demo

Or by hand, in three terminals. The first is a relay; it prints its ADDRESS:

   thicket-relayd --home /tmp/relay --listen 127.0.0.1:7070

The second is alice, and the third is bob, with bob and /tmp/b in place of alice
and /tmp/a:

   thicket --home /tmp/a account create alice
   thicket --home /tmp/a register --relay ADDRESS

Then from the second, and whenever bob is there from the third:

   thicket --home /tmp/a contact add bob
   thicket --home /tmp/a send bob "See you at eight."

   thicket --home /tmp/b sync
   thicket --home /tmp/b read alice
"#;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::COLUMNS;
    use clap::Parser as _;

    const ADDRESS: &str = "direct:0101@127.0.0.1:4242";

    #[test]
    fn what_to_try_next_can_be_typed() {
        for (keep, count) in [(None, 7), (Some((Path::new("/tmp/kept"), ADDRESS)), 6)] {
            let text = next(keep, false);
            let commands: Vec<&str> =
                text.lines().filter_map(|line| line.strip_prefix("   ")).filter(|line| line.starts_with("thicket ")).collect();
            assert_eq!(commands.len(), count, "{text}");
            for command in commands {
                // What stands in quotes is one word.
                let words = command.split('"').enumerate().flat_map(|(at, part)| match at % 2 {
                    0 => part.split_whitespace().collect(),
                    _ => vec![part],
                });
                assert!(crate::Arguments::try_parse_from(words).is_ok(), "{command}");
            }
        }
        let quoted = next(Some((Path::new("/tmp/it's kept"), ADDRESS)), false);
        assert!(quoted.contains(r"--home '/tmp/it'\''s kept/bob' "), "{quoted}");
    }

    #[test]
    fn what_to_try_next_as_it_is_shown() {
        insta::with_settings!({ snapshot_path => "../../tests/snapshots", prepend_module_to_snapshot => false, omit_expression => true }, {
            insta::assert_snapshot!("demo_next_kept", next(Some((Path::new("/tmp/kept"), ADDRESS)), false));
            insta::assert_snapshot!("demo_next_unbuilt", next(None, true));
        });
    }

    #[test]
    fn the_programs_are_built_and_found_before_they_are_named() {
        for keep in [None, Some((Path::new("/tmp/kept"), ADDRESS))] {
            assert!(next(keep, true).lines().all(|line| line.len() <= COLUMNS || line.starts_with("Kept in")), "{}", next(keep, true));
            let text = next(keep, true);
            let (build, rest) = text.split_once("   cargo build --release\n   export PATH=\"$PWD/target/release:$PATH\"\n").expect("both");
            assert!(!build.contains("   thicket") && rest.contains("   thicket ") && rest.contains("   thicket-relayd "), "{text}");
            assert!(!next(keep, false).contains("cargo"), "whoever has them builds nothing");
        }
    }
}
