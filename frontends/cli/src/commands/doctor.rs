//! What may be wrong with a profile, looked for: a check a line, and what to do.

use super::journal::{TAKEN_FIRST, took_away, verified};
use super::relay::way;
use super::rows::PAGE;
use super::send::held;
use super::status::{clock, is_far, skew};
use crate::output::{Trouble, put_json, sentence, status, with_home};
use crate::paint::Paint;
use crate::progress::Progress;
use crate::terminal::width;
use crate::text::{beside, broken_beside, counted, quoted};
use crate::watch::{Watch, is_lost};
use crate::who::{is_replaced, shown};
use crate::{Global, home};
use serde_json::json;
use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Instant;
use thicket_client::{Client, MessageRow, Profile, View};
use thicket_engine::{KEYS_FILE, OsDisk, ProfileKeys};
use thicket_types::error::Code;

/// Free bytes under which the disk is as good as full.
const FREE_MIN: u64 = 16 * 1024 * 1024;
/// Free bytes under which it is time to make room.
const FREE_LOW: u64 = 256 * 1024 * 1024;
/// The column that what was found begins in.
const BESIDE: usize = 20;
/// What to do about another process.
const CLOSE: &str = "close it, and look again";

/// How a check ended.
enum Found {
    Ok,
    /// Something to know; what to do.
    Warning(Todo),
    /// The same, with a number.
    Numbered(Code),
    /// Something to mend.
    Problem(Code),
    /// The same, where more is known of what to do.
    Advised(Code, String),
}

/// What to do.
enum Todo {
    Words(&'static str),
    /// To be typed as it stands.
    Command(String),
}

impl Todo {
    fn text(&self) -> &str {
        match self {
            Todo::Words(words) => words,
            Todo::Command(command) => command,
        }
    }

    /// A sentence, as it stands behind its arrow; a command stays as it is typed.
    fn shown(&self) -> String {
        match self {
            Todo::Words(words) => broken_beside(&format!("{}.", sentence(&with_home(words))), BESIDE + 2, width()),
            Todo::Command(command) => command.clone(),
        }
    }
}

struct Check {
    name: &'static str,
    what: String,
    found: Found,
}

impl Check {
    fn ok(name: &'static str, what: impl Into<String>) -> Check {
        Check { name, what: what.into(), found: Found::Ok }
    }

    fn warning(name: &'static str, what: impl Into<String>, todo: &'static str) -> Check {
        Check { name, what: what.into(), found: Found::Warning(Todo::Words(todo)) }
    }

    /// A warning that a command puts right.
    fn mendable(name: &'static str, what: impl Into<String>, command: impl Into<String>) -> Check {
        Check { name, what: what.into(), found: Found::Warning(Todo::Command(command.into())) }
    }

    fn problem(name: &'static str, code: Code) -> Check {
        Check::of(name, code, None)
    }

    /// A problem, with its place if it has one.
    fn of(name: &'static str, code: Code, place: Option<String>) -> Check {
        let place = place.map_or(String::new(), |place| format!(" ({place})"));
        Check { name, what: format!("{}{place}", code.what()), found: Found::Problem(code) }
    }

    /// What stopped a check, as its result; what the command line got wrong stops the command.
    fn fault(name: &'static str, trouble: Trouble) -> Result<Check, Trouble> {
        match trouble {
            Trouble::Numbered(code, place) => Ok(Check::of(name, code, place)),
            Trouble::Advised(code, place, todo) => Ok(Check { found: Found::Advised(code, todo), ..Check::of(name, code, place) }),
            other => Err(other),
        }
    }

    fn word(&self) -> &'static str {
        match self.found {
            Found::Ok => "ok",
            Found::Warning(_) | Found::Numbered(_) => "warning",
            Found::Problem(_) | Found::Advised(..) => "problem",
        }
    }

    fn todo(&self) -> Option<String> {
        match &self.found {
            Found::Ok => None,
            Found::Warning(todo) => Some(todo.text().to_owned()),
            Found::Numbered(code) | Found::Problem(code) => Some(code.hint().to_owned()),
            Found::Advised(_, todo) => Some(todo.clone()),
        }
    }

    /// The same for a person.
    fn advice(&self) -> Option<String> {
        match &self.found {
            Found::Ok => None,
            Found::Warning(todo) => Some(todo.shown()),
            Found::Numbered(code) | Found::Problem(code) => Some(Todo::Words(code.hint()).shown()),
            Found::Advised(_, todo) => Some(broken_beside(&sentence(todo), BESIDE + 2, width())),
        }
    }

    fn code(&self) -> Option<Code> {
        match self.found {
            Found::Numbered(code) | Found::Problem(code) | Found::Advised(code, _) => Some(code),
            Found::Ok | Found::Warning(_) => None,
        }
    }

    fn problem_code(&self) -> Option<Code> {
        self.code().filter(|_| matches!(self.found, Found::Problem(_) | Found::Advised(..)))
    }
}

pub fn run(global: &Global) -> Result<(), Trouble> {
    let at = home::at(global)?;
    let mut checks = files(&at.folder);
    checks.extend(disk(&at.folder));
    if keys(&at, &mut checks)? {
        match journal(global, &at, &mut checks)? {
            true => inside(global, &at, at.unlock(global), &mut checks)?,
            false => beside_the_journal(global, &at, &mut checks)?,
        }
    }
    show(global, &checks)?;
    match worst(&checks) {
        Some(code) => Err(code.into()),
        None => Ok(()),
    }
}

/// The problem that matters most: damage before a full disk, that before what only this program can mend, then the rest.
fn worst(checks: &[Check]) -> Option<Code> {
    const ORDER: [u8; 5] = [7, 9, 8, 1, 6];
    let rank = |code: &Code| ORDER.iter().position(|known| *known == status(*code)).unwrap_or(ORDER.len());
    checks.iter().filter_map(Check::problem_code).min_by_key(rank)
}

fn show(global: &Global, checks: &[Check]) -> Result<(), Trouble> {
    if global.json {
        let list: Vec<serde_json::Value> = checks
            .iter()
            .map(|check| {
                json!({
                    "check": check.name,
                    "status": check.word(),
                    "what": check.what,
                    "todo": check.todo(),
                    "code": check.code().map(Code::number),
                })
            })
            .collect();
        return put_json(&json!({ "checks": list }));
    }
    let paint = global.color.paint(std::io::stdout().is_terminal());
    for check in checks {
        put!("{}  {:<9}  {}", painted(paint, check), check.name, beside(&check.what, BESIDE, width()))?;
        if let Some(advice) = check.advice() {
            put!("{:BESIDE$}→ {advice}", "")?;
        }
    }
    Ok(())
}

fn painted(paint: Paint, check: &Check) -> String {
    let word = format!("{:<7}", check.word());
    match check.found {
        Found::Ok => paint.good(&word),
        Found::Warning(_) | Found::Numbered(_) => paint.warning(&word),
        Found::Problem(_) | Found::Advised(..) => paint.bad(&word),
    }
}

#[cfg(unix)]
fn files(folder: &Path) -> Vec<Check> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = |path: &Path| std::fs::metadata(path).map(|data| data.permissions().mode() & 0o777);
    let check = |name: &'static str, path: &Path, wanted: u32| match mode(path) {
        Ok(mode) if mode & !wanted & 0o077 == 0 => Check::ok(name, "for its owner alone"),
        Ok(mode) => Check::mendable(
            name,
            format!("other users of this machine may look into it (mode {mode:03o})"),
            format!("chmod {wanted:o} {}", quoted(&path.display().to_string())),
        ),
        Err(_) => Check::problem(name, Code::FileFailed),
    };
    vec![check("folder", folder, 0o700), check("keys file", &folder.join(KEYS_FILE), 0o600)]
}

#[cfg(not(unix))]
fn files(_: &Path) -> Vec<Check> {
    Vec::new()
}

/// Free bytes of the disk that the profile lies on, and whether it can be written.
#[cfg(unix)]
fn free(folder: &Path) -> Option<(u64, bool)> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some((disk.f_bavail.checked_mul(disk.f_frsize)?, !disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY)))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<(u64, bool)> {
    None
}

fn disk(folder: &Path) -> Option<Check> {
    Some(match free(folder)? {
        (_, false) => {
            Check::warning("disk", "read-only: what is here can be read, and nothing else", "to go on with it, copy it elsewhere")
        }
        (bytes @ 0..FREE_MIN, true) => Check { name: "disk", what: size(bytes), found: Found::Problem(Code::DiskFull) },
        (bytes @ FREE_MIN..FREE_LOW, true) => Check::warning("disk", size(bytes), "make room"),
        (bytes, true) => Check::ok("disk", size(bytes)),
    })
}

/// Free bytes in words.
fn size(bytes: u64) -> String {
    const MIB: u64 = 1024 * 1024;
    match bytes / MIB {
        mib @ 0..10_240 => format!("{mib} MiB free"),
        mib => format!("{} GiB free", mib / 1024),
    }
}

/// Whether the passphrase opens the keys. Returns whether there is sense in going on.
fn keys(at: &home::At, checks: &mut Vec<Check>) -> Result<bool, Trouble> {
    match ProfileKeys::unlock(&mut OsDisk::new(&at.folder), &at.passphrase) {
        Ok(_) => {
            checks.push(Check::ok("keys", "opened by the passphrase"));
            Ok(true)
        }
        Err(fault) if fault.code == Code::WrongPassphrase => Err(fault.into()),
        Err(fault) => {
            checks.push(Check::fault("keys", fault.into())?);
            Ok(false)
        }
    }
}

/// What can be looked at without the journal. The profile is not started: that would write to what is damaged.
fn beside_the_journal(global: &Global, at: &home::At, checks: &mut Vec<Check>) -> Result<(), Trouble> {
    checks.push(match home::reader(global, at) {
        Ok(reader) => vault(global, |after| reader.messages(None, after, PAGE)),
        Err(trouble) => Check::fault("vault", trouble)?,
    });
    checks.push(Check::warning("relay", "not asked: the profile is not started beside a damaged journal", "see to the journal first"));
    Ok(())
}

/// Folds the journal again. Returns whether the profile can be started.
fn journal(global: &Global, at: &home::At, checks: &mut Vec<Check>) -> Result<bool, Trouble> {
    let _checking = Progress::start(global, "checking the journal");
    let (check, good) = match verified(at) {
        Ok(verified) if verified.folds_agree() && !verified.taken.is_empty() => {
            let found = Found::Advised(Code::JournalDamaged, TAKEN_FIRST.to_owned());
            (Check { found, ..Check::of("journal", Code::JournalDamaged, took_away(&verified)) }, true)
        }
        Ok(verified) if verified.holds() => {
            let from = if verified.snapshots.is_empty() { "" } else { ", and on from its snapshots," };
            let unfolded = match verified.unfolded() {
                0 => String::new(),
                unfolded => format!("; {} before them can't be folded any more", counted(unfolded, "record")),
            };
            let torn: String = verified.torn.iter().map(|torn| format!("; torn: {torn}")).collect();
            (Check::ok("journal", format!("{} records; two folds{from} are equal{unfolded}{torn}", verified.records)), true)
        }
        Ok(_) => {
            let what = "two folds come to different states".to_owned();
            (Check { name: "journal", what, found: Found::Problem(Code::Inconsistent) }, false)
        }
        Err(Trouble::Numbered(Code::ProfileInUse, _)) => (Check::warning("journal", "not checked: another process writes it", CLOSE), true),
        Err(trouble) => (Check::fault("journal", trouble)?, false),
    };
    checks.push(check);
    Ok(good)
}

/// Vault and relay, through the profile itself.
fn inside(global: &Global, at: &home::At, profile: Result<Profile, Trouble>, checks: &mut Vec<Check>) -> Result<(), Trouble> {
    let profile = match profile {
        Ok(profile) => profile,
        Err(Trouble::Numbered(code @ (Code::ProfileInUse | Code::FileFailed), place)) => {
            match at.look(global) {
                Ok((view, reader)) => {
                    checks.push(vault(global, |after| reader.messages(None, after, PAGE)));
                    checks.push(match code {
                        Code::ProfileInUse => Check::warning("relay", "not asked: another process has this profile open", CLOSE),
                        _ => Check::of("profile", code, place),
                    });
                    checks.extend(waiting(&view, None, &global.again()));
                    checks.extend(anonymity(&view));
                }
                Err(trouble) => checks.push(Check::fault("vault", trouble)?),
            }
            return Ok(());
        }
        Err(trouble) => {
            checks.push(Check::fault("vault", trouble)?);
            return Ok(());
        }
    };
    checks.push(match profile.reader() {
        Ok(reader) => vault(global, |after| reader.messages(None, after, PAGE)),
        Err(fault) => Check::fault("vault", fault.into())?,
    });
    match home::start(global, profile) {
        Ok(client) => {
            relay(global, &client, checks)?;
            Ok(client.close()?)
        }
        Err(trouble) => {
            checks.push(Check::fault("profile", trouble)?);
            Ok(())
        }
    }
}

/// Reads every message: SQLCipher checks each page that it reads.
fn vault(global: &Global, page: impl Fn(u64) -> Result<Vec<MessageRow>, Code>) -> Check {
    let _reading = Progress::start(global, "reading the vault");
    let (mut after, mut count) = (0, 0);
    loop {
        match page(after) {
            Ok(rows) => match rows.last() {
                Some(last) => {
                    after = last.number;
                    count += rows.len();
                }
                None => return Check::ok("vault", format!("{count} messages read")),
            },
            Err(code) => return Check::problem("vault", code),
        }
    }
}

fn relay(global: &Global, client: &Client, checks: &mut Vec<Check>) -> Result<(), Trouble> {
    if !client.view().registered {
        checks.push(Check::mendable(
            "relay",
            "this account is not registered with a relay",
            format!("{} register --relay ADDRESS", global.again()),
        ));
        return Ok(());
    }
    let since = Instant::now();
    let mut watch = Watch::new(global, client, "waiting for the relay");
    let logged_in = watch.until(|view, changes| {
        let ends = view.online || view.copied || is_lost(changes);
        Ok(ends.then_some(since.elapsed()))
    })?;
    let logged_in = logged_in.filter(|_| client.view().online || client.view().copied);
    checks.push(match logged_in {
        _ if client.view().copied => Check::problem("relay", Code::ProfileCopied),
        Some(took) => Check::ok("relay", format!("logged in after {} ms", took.as_millis())),
        None => Check::fault("relay", watch.silence())?,
    });
    if logged_in.is_some() && !client.view().copied {
        watch.rest()?;
    }
    drop(watch);
    let view = client.view();
    if let Some(skew) = skew(&view) {
        let words = format!("this clock {}", if skew.unsigned_abs() < 1_000 { clock(skew) } else { format!("is {}", clock(skew)) });
        checks.push(if is_far(skew) {
            let code = Code::ClockWrong;
            Check { name: "clock", what: format!("{words} (error {})", code.number()), found: Found::Numbered(code) }
        } else {
            Check::ok("clock", words)
        });
    }
    let trouble = checks.iter().filter(|check| check.name == "relay").find_map(Check::problem_code);
    checks.extend(waiting(&view, trouble, &global.again()));
    checks.extend(anonymity(&view));
    Ok(())
}

/// What the way to the relay does not hide; nothing while there is no relay.
fn anonymity(view: &View) -> Option<Check> {
    let way = way(view.relay.as_ref()?);
    Some(Check::warning("anonymity", way.words, way.todo))
}

/// What is under way, and whom nothing goes to; `trouble` is what the relay was found to have.
fn waiting(view: &View, trouble: Option<Code>, again: &str) -> Vec<Check> {
    let held = held(view);
    let parts = [
        (view.unsettled.len().saturating_sub(held.values().sum()), "to be stored by the relay"),
        (view.unacknowledged, "to be acknowledged to it"),
        (view.early, "for a conversation to begin"),
    ];
    let words: Vec<String> = parts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let under_way = match words.is_empty() {
        true => Check::ok("waiting", "nothing"),
        false => Check::warning(
            "waiting",
            words.join(", "),
            match trouble {
                None => "nothing needs doing: it goes on whenever the relay is reached",
                Some(_) => "it goes on when what is wrong with the relay is mended, as said above",
            },
        ),
    };
    let held = held.into_iter().map(|(contact, count)| {
        let (who, code) = (shown(view, contact), Code::ContactHeld);
        let count = messages(count);
        if is_replaced(view, contact) {
            let what = format!("{count} to {who}, in whose place you trust another identity: nothing goes there");
            return Check::mendable("held", what, format!("{again} message cancel ID"));
        }
        let what = format!("{count} to {who}, who is held (error {}); {again} message cancel ID takes one back", code.number());
        Check { name: "held", what, found: Found::Numbered(code) }
    });
    [under_way].into_iter().chain(held).collect()
}

fn messages(count: usize) -> String {
    counted(u64::try_from(count).unwrap_or(u64::MAX), "message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_problem_gives_the_exit_status() {
        let of = |codes: &[Code]| worst(&codes.iter().map(|code| Check::problem("x", *code)).collect::<Vec<_>>());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[Code::RelayUnreachable, Code::JournalDamaged, Code::DiskFull]), Some(Code::JournalDamaged));
        assert_eq!(of(&[Code::ProfileCopied, Code::RelayUnreachable]), Some(Code::RelayUnreachable));
        let numbered = Check { name: "x", what: String::new(), found: Found::Numbered(Code::ClockWrong) };
        assert_eq!(worst(&[Check::warning("x", "", ""), numbered, Check::ok("x", "")]), None);
    }

    #[test]
    fn advice_is_a_sentence_and_a_command_is_left_as_it_is_typed() {
        let shown = |check: Check| check.advice().expect("advice");
        assert_eq!(shown(Check::warning("disk", "", "make room")), "Make room.");
        assert_eq!(shown(Check::mendable("relay", "", "thicket register --relay ADDRESS")), "thicket register --relay ADDRESS");
        assert_eq!(shown(Check::mendable("folder", "", "chmod 700 /home/a")), "chmod 700 /home/a");
        assert_eq!(shown(Check::problem("disk", Code::DiskFull)), "Make room; nothing that was acknowledged is lost.");
        assert!(Code::ALL.iter().all(|code| !code.hint().starts_with("thicket ")), "a hint begins a sentence");
    }

    #[test]
    fn what_waits_needs_nothing_only_where_nothing_is_wrong_with_the_relay() {
        let view = View { unacknowledged: 2, ..View::default() };
        let todo = |trouble| waiting(&view, trouble, "thicket")[0].todo().expect("something waits");
        assert!(todo(None).starts_with("nothing needs doing"));
        for code in [Code::ProfileCopied, Code::AccountUnknown, Code::RelayUnreachable] {
            assert!(!todo(Some(code)).contains("nothing needs doing"), "{code:?}");
        }
        assert_eq!(waiting(&View::default(), Some(Code::RelayUnreachable), "thicket")[0].word(), "ok", "nothing waits");
    }

    #[test]
    fn free_space_is_said_in_one_unit() {
        assert_eq!(size(0), "0 MiB free");
        assert_eq!(size(10_239 * 1024 * 1024), "10239 MiB free");
        assert_eq!(size(10_240 * 1024 * 1024), "10 GiB free");
    }
}
