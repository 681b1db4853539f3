//! The profile's folder and passphrase, and how a command opens it.

use crate::Global;
use crate::output::{Trouble, on_errors};
use crate::progress::Progress;
use crate::text::beside;
use crate::{terminal, who};
use etcetera::BaseStrategy as _;
use std::env::VarError;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use thicket_client::{Client, Look, Profile, Reader, SystemEntropy, View, share};
use thicket_engine::{Damage, Fault, KEYS_FILE, OsDisk, ProfileKeys};
use thicket_journal_format::digest;
use thicket_replay::Intact;
use thicket_replay::capsule::{self, CapsuleDisk};
use thicket_transport::DirectClient;
use thicket_types::error::Code;
use thicket_types::ids::{Digest, Fingerprint, Seq};
use thicket_types::intent::{Answer, Intent};
use thicket_types::limits::{CAPSULE_LEN_MAX, SECRET_FILE_LEN_MAX};
use thicket_types::name::{Name, RegistrationToken, RelayAddress};
use thicket_types::ports::Disk;
use thicket_types::secret::Secret;
use zeroize::Zeroize as _;

/// The profile's folder.
pub fn folder(global: &Global) -> Result<PathBuf, Trouble> {
    if let Some(home) = &global.home {
        return Ok(home.clone());
    }
    let base = etcetera::choose_base_strategy().map_err(|_| Trouble::Usage("there is no data folder here; give --home DIR".to_owned()))?;
    Ok(base.data_dir().join("thicket"))
}

/// What is asked for on the terminal, and for what is new once more.
struct Question {
    prompt: &'static str,
    /// The second prompt, and what is said if the two differ.
    again: Option<(&'static str, &'static str)>,
}

const PASSPHRASE: Question = Question { prompt: "Passphrase: ", again: None };
const BACKUP_PASSPHRASE: Question = Question { prompt: "Passphrase of the backup: ", again: None };
const PASSPHRASE_OF_A: Question = Question { prompt: "Passphrase of A: ", again: None };
const PASSPHRASE_OF_B: Question = Question { prompt: "Passphrase of B: ", again: None };
const OLD_PASSPHRASE: Question = Question { prompt: "Old passphrase: ", again: None };
const FIRST_PASSPHRASE: Question = Question { prompt: "Passphrase: ", again: Some(("Once more: ", "the two differ; nothing was made")) };
const NEW_PASSPHRASE: Question =
    Question { prompt: "New passphrase: ", again: Some(("New passphrase once more: ", "the two differ; nothing was changed")) };
/// What is to be known before a passphrase is chosen.
const CHOOSE: &str = "Choose a passphrase. It cannot be recovered: whoever forgets it has lost this account.";

/// The passphrase: from a file, from the environment, or from the terminal (twice, if it is a new one).
pub fn passphrase(global: &Global, new: bool) -> Result<Secret<Vec<u8>>, Trouble> {
    given_or_typed(global, if new { &FIRST_PASSPHRASE } else { &PASSPHRASE })
}

fn given_or_typed(global: &Global, question: &Question) -> Result<Secret<Vec<u8>>, Trouble> {
    let given = match &global.passphrase_file {
        Some(file) => Some(first_line(file)?),
        None => from_environment("THICKET_PASSPHRASE")?,
    };
    let passphrase = match given {
        Some(passphrase) => passphrase,
        None if !has_terminal() => {
            return Err(Trouble::Usage("no terminal to ask for the passphrase on; give --passphrase-file FILE".to_owned()));
        }
        None => typed(question)?,
    };
    if passphrase.expose().is_empty() {
        return Err(Trouble::Usage("the passphrase is empty".to_owned()));
    }
    Ok(passphrase)
}

/// What a backup opens with.
pub fn passphrase_of_backup(global: &Global) -> Result<Secret<Vec<u8>>, Trouble> {
    given_or_typed(global, &BACKUP_PASSPHRASE)
}

/// A new passphrase in place of the old one: from a file, or from the terminal, twice.
pub fn new_passphrase(file: Option<&Path>) -> Result<Secret<Vec<u8>>, Trouble> {
    let passphrase = match file {
        Some(file) => first_line(file)?,
        None if !has_terminal() => {
            return Err(Trouble::Usage("no terminal to ask for the new passphrase on; give --new-file FILE".to_owned()));
        }
        None => typed(&NEW_PASSPHRASE)?,
    };
    if passphrase.expose().is_empty() { Err(Trouble::Usage("the passphrase is empty".to_owned())) } else { Ok(passphrase) }
}

/// The text of a file that holds a secret.
///
/// **Errors:** `FileFailed`, with what the system says; `FileTooLarge`, and then no more was read than that takes to see.
fn text_of(file: &Path) -> Result<String, Trouble> {
    text_or(file, |place| Trouble::Numbered(Code::FileFailed, Some(place)))
}

/// The armored key that a file holds. **Errors:** as of any secret; of a file that is no text what is expected there.
pub fn armored(file: &Path) -> Result<String, Trouble> {
    text_or(file, |place| Trouble::Advised(Code::FileFailed, Some(place), ARMORED.to_owned()))
}

const ARMORED: &str = "an armored OpenPGP secret key is expected: gpg --armor --export-secret-keys writes one.";

fn text_or(file: &Path, no_text: impl FnOnce(String) -> Trouble) -> Result<String, Trouble> {
    let shown = file.display().to_string();
    let opened = File::open(file).map_err(|error| Trouble::stream(&shown, &error))?;
    match bounded(opened) {
        Ok(text) => text.ok_or(Trouble::Numbered(Code::FileTooLarge, Some(shown))),
        Err(error) if error.kind() == ErrorKind::InvalidData => Err(no_text(format!("{shown}: it is no text"))),
        Err(error) => Err(Trouble::stream(&shown, &error)),
    }
}

/// All of an input, if it is no longer than a secret may be.
fn bounded(input: impl Read) -> std::io::Result<Option<String>> {
    // Room for all of it from the first: a buffer that grows leaves copies behind.
    let mut text = String::with_capacity(SECRET_FILE_LEN_MAX + 1);
    let limit = u64::try_from(SECRET_FILE_LEN_MAX).unwrap_or(u64::MAX).saturating_add(1);
    let read = input.take(limit).read_to_string(&mut text);
    if read.is_ok() && text.len() <= SECRET_FILE_LEN_MAX {
        return Ok(Some(text));
    }
    text.zeroize();
    read.map(|_| None)
}

fn first_line(file: &Path) -> Result<Secret<Vec<u8>>, Trouble> {
    let mut text = text_of(file)?;
    let line = text.lines().next().unwrap_or_default().as_bytes().to_vec();
    text.zeroize();
    Ok(Secret::new(line))
}

/// What the environment says. What cannot be read there is said and not passed over: something else would be taken in its place.
fn from_environment(variable: &str) -> Result<Option<Secret<Vec<u8>>>, Trouble> {
    match std::env::var(variable) {
        Ok(text) => Ok(Some(Secret::new(text.into_bytes()))),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Trouble::Usage(format!("{variable} is not UTF-8"))),
    }
}

/// Whether there is a terminal to ask on: also where standard input is a pipe, which may hold a message.
#[cfg(unix)]
fn has_terminal() -> bool {
    std::fs::File::open("/dev/tty").is_ok()
}

#[cfg(not(unix))]
fn has_terminal() -> bool {
    use std::io::IsTerminal as _;
    std::io::stdin().is_terminal()
}

fn typed(question: &Question) -> Result<Secret<Vec<u8>>, Trouble> {
    // Whatever ends the program meanwhile puts it back.
    let _echo = terminal::keep();
    let read = |prompt: &str| {
        let typed = rpassword::prompt_password(prompt).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => Code::Interrupted.into(),
            _ => Trouble::stream("the terminal", &error),
        })?;
        Ok::<_, Trouble>(Secret::new(typed.into_bytes()))
    };
    let Some((again, differ)) = question.again else {
        return read(question.prompt);
    };
    // On the terminal too, wherever standard error goes.
    let first = read(&format!("{}\n{}", beside(CHOOSE, 0, terminal::width_of_questions()), question.prompt))?;
    let second = read(again)?;
    if first.expose() != second.expose() {
        return Err(Trouble::Usage(differ.to_owned()));
    }
    Ok(first)
}

/// What a relay with the policy "token" asks for: from a file, or from the environment; never an argument, which others could see.
pub fn token(file: Option<&Path>) -> Result<Option<RegistrationToken>, Trouble> {
    let given = match file {
        Some(file) => Some(first_line(file)?),
        None => from_environment("THICKET_TOKEN")?.filter(|text| !text.expose().is_empty()),
    };
    let Some(given) = given else {
        return Ok(None);
    };
    // What is no UTF-8 is no token either.
    registration_token(std::str::from_utf8(given.expose()).unwrap_or_default()).map(Some)
}

/// A registration token as it was given.
pub fn registration_token(text: &str) -> Result<RegistrationToken, Trouble> {
    let token = RegistrationToken::parse(text.trim());
    token.ok_or_else(|| Trouble::Usage("a token is 1 to 128 letters, digits and signs, without blanks".to_owned()))
}

/// Where the profile is, and what opens it.
pub struct At {
    pub folder: PathBuf,
    pub passphrase: Secret<Vec<u8>>,
    /// The bytes of a capsule that is looked into instead.
    capsule: Option<Vec<u8>>,
}

/// Finds the profile and asks for its passphrase; or reads the capsule that is named instead, which has none.
pub fn at(global: &Global) -> Result<At, Trouble> {
    at_by(global, &PASSPHRASE)
}

/// The same where a new passphrase is asked for after it.
pub fn at_by_old_passphrase(global: &Global) -> Result<At, Trouble> {
    at_by(global, &OLD_PASSPHRASE)
}

/// The same of a profile that was named by its folder, whose passphrase may be in a file of its own.
pub fn at_folder(global: &Global, folder: &Path, file: Option<&Path>) -> Result<At, Trouble> {
    at_with(global, folder.to_path_buf(), file, &PASSPHRASE)
}

/// The same of the first of two.
pub fn at_first(global: &Global, folder: &Path) -> Result<At, Trouble> {
    at_with(global, folder.to_path_buf(), None, &PASSPHRASE_OF_A)
}

/// The same of the second: without a file of its own, its passphrase comes from where the first one's came.
pub fn at_second(global: &Global, folder: &Path, file: Option<&Path>) -> Result<At, Trouble> {
    at_with(global, folder.to_path_buf(), file, &PASSPHRASE_OF_B)
}

/// A capsule, which needs no passphrase.
pub fn at_capsule(file: &Path) -> Result<At, Trouble> {
    Ok(At { folder: file.to_path_buf(), passphrase: Secret::new(Vec::new()), capsule: Some(whole_capsule(file)?) })
}

fn at_by(global: &Global, question: &Question) -> Result<At, Trouble> {
    if let Some(file) = &global.capsule {
        return at_capsule(file);
    }
    at_with(global, folder(global)?, None, question)
}

fn at_with(global: &Global, folder: PathBuf, file: Option<&Path>, question: &Question) -> Result<At, Trouble> {
    match std::fs::metadata(folder.join(KEYS_FILE)) {
        Ok(keys) if keys.is_file() => {}
        Err(error) if error.kind() == ErrorKind::PermissionDenied => return Err(Trouble::stream(&folder.display().to_string(), &error)),
        Ok(_) | Err(_) => {
            // Whoever asks for a profile whose deletion was cut off ends that.
            Profile::end_deletion(&folder)?;
            // One whose keys file was moved away is not to be made anew.
            let code = if folder.join("vault.db").exists() { Code::FolderNotEmpty } else { Code::ProfileMissing };
            return Err(Trouble::Numbered(code, Some(folder.display().to_string())));
        }
    }
    let passphrase = match file {
        Some(file) => first_line(file)?,
        None => given_or_typed(global, question)?,
    };
    Ok(At { folder, passphrase, capsule: None })
}

/// A capsule's bytes. **Errors:** `FileFailed`, with what the system says; `FileTooLarge`, and then no more was read than that takes to
/// see.
fn whole_capsule(file: &Path) -> Result<Vec<u8>, Trouble> {
    let shown = || file.display().to_string();
    let failed = |error: std::io::Error| Trouble::stream(&shown(), &error);
    let opened = File::open(file).map_err(failed)?;
    let limit = u64::try_from(CAPSULE_LEN_MAX).unwrap_or(u64::MAX);
    if opened.metadata().map_err(failed)?.len() > limit {
        return Err(Trouble::Numbered(Code::FileTooLarge, Some(shown())));
    }
    let mut bytes = Vec::new();
    opened.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > CAPSULE_LEN_MAX { Err(Trouble::Numbered(Code::FileTooLarge, Some(shown()))) } else { Ok(bytes) }
}

/// A fault of a capsule's file.
fn of_capsule(fault: Fault, file: &Path) -> Trouble {
    let place = match fault.code {
        Code::ProfileNewer => format!("the capsule {}", file.display()),
        _ => file.display().to_string(),
    };
    Trouble::Numbered(fault.code, Some(place))
}

/// What to do about a capsule that is not whole.
const OF_A_CAPSULE: &str = "ask for another one whoever made it; no profile of yours has anything to do with it.";

/// Unlocks the profile.
pub fn unlock(global: &Global) -> Result<Profile, Trouble> {
    at(global)?.unlock(global)
}

impl At {
    /// Unlocks the profile. **Errors:** `ProfileInUse`, and whatever else the profile says.
    pub fn unlock(&self, global: &Global) -> Result<Profile, Trouble> {
        let _unlocking = Progress::start(global, "unlocking the profile");
        Profile::unlock(&self.folder, &self.passphrase, share(Box::new(SystemEntropy))).map_err(|fault| match fault.code {
            Code::FileFailed => Trouble::Numbered(fault.code, Some(self.folder.display().to_string())),
            _ => fault.into(),
        })
    }

    /// Looks at the profile without starting it: also while another process has it open.
    pub fn look(&self, global: &Global) -> Result<(View, Reader), Trouble> {
        let _opening = Progress::start(global, "opening the profile");
        self.look_into(|look| look.both())
    }

    /// Whether it is a capsule, which has no vault.
    pub fn is_capsule(&self) -> bool {
        self.capsule.is_some()
    }

    /// What tells a capsule from all others: SHA-256 of its bytes. Its segments name files of the folder that it was made of.
    pub fn capsule_digest(&self) -> Option<Digest> {
        self.capsule.as_ref().map(|bytes| digest(&[bytes]))
    }

    /// The files with their keys, to be read for longer than one look.
    pub fn files(&self) -> Result<(Box<dyn Disk>, ProfileKeys), Trouble> {
        if let Some(bytes) = &self.capsule {
            let (disk, keys) = self.open_capsule(bytes)?;
            return Ok((Box::new(disk), keys));
        }
        let mut disk = OsDisk::new(&self.folder);
        let keys = ProfileKeys::unlock(&mut disk, &self.passphrase)?;
        Ok((Box::new(disk), keys))
    }

    fn open_capsule(&self, bytes: &[u8]) -> Result<(CapsuleDisk, ProfileKeys), Trouble> {
        capsule::open(bytes).map_err(|fault| of_capsule(fault, &self.folder))
    }

    /// Looks at what is wanted of the profile, until one look finds it whole.
    pub fn look_into<T>(&self, mut look: impl FnMut(&mut Look<'_>) -> Result<T, Fault>) -> Result<T, Trouble> {
        if let Some(bytes) = &self.capsule {
            let (disk, keys) = self.open_capsule(bytes)?;
            return look(&mut Look::without_vault(Box::new(disk), keys)).map_err(|fault| match fault.code {
                Code::ProfileNewer => of_capsule(fault, &self.folder),
                // It was made so, or somebody changed it: there is no backup of it, and no device of ours to see to.
                Code::JournalDamaged | Code::RolledBack | Code::KeysDamaged => {
                    let Trouble::Numbered(code, place) = Trouble::from(fault) else { return Code::CapsuleDamaged.into() };
                    let place = place.unwrap_or_else(|| self.folder.display().to_string());
                    Trouble::Advised(code, Some(format!("in the capsule: {place}")), OF_A_CAPSULE.to_owned())
                }
                _ => fault.into(),
            });
        }
        Profile::look_into(&self.folder, &self.passphrase, look).map_err(|fault| match fault.code {
            // It may well be looked at while it is open.
            Code::ProfileInUse => Trouble::Numbered(fault.code, Some("and writes it without a pause: try again".to_owned())),
            _ => fault.into(),
        })
    }

    /// Looks at what is wanted of the journal as [`At::look_into`]; of one that is damaged at what stands before the damage, and says
    /// where that begins. Such a look has no vault.
    pub fn look_before_damage<T>(&self, mut look: impl FnMut(&mut Look<'_>) -> Result<T, Fault>) -> Result<(T, Option<Damaged>), Trouble> {
        let mut met = None;
        let looked = self.look_into(|journal| look(journal).inspect_err(|fault| met.clone_from(&fault.damage)));
        let (trouble, damage) = match (looked, met) {
            (Err(trouble @ Trouble::Numbered(Code::JournalDamaged, _)), Some(damage)) => (trouble, damage),
            (looked, _) => return Ok((looked?, None)),
        };
        let (disk, keys) = self.files()?;
        let Some(intact) = Intact::before(disk, &keys, &damage)? else {
            return Err(trouble);
        };
        let damaged = Damaged { from: intact.last().next(), damage };
        let looked = look(&mut Look::without_vault(Box::new(intact), keys))?;
        Ok((looked, Some(damaged)))
    }

    /// The files with their keys as [`At::files`]; of a journal that is damaged what stands before the damage.
    pub fn files_before(&self, damaged: Option<&Damaged>) -> Result<(Box<dyn Disk>, ProfileKeys), Trouble> {
        let (disk, keys) = self.files()?;
        let Some(Damaged { damage, .. }) = damaged else {
            return Ok((disk, keys));
        };
        let intact = Intact::before(disk, &keys, damage)?.ok_or(Code::JournalDamaged)?;
        Ok((Box::new(intact), keys))
    }

    /// Unlocks the profile, or gives `None` while another process has it open, or where it can only be looked at.
    pub fn unlock_if_free(&self, global: &Global) -> Result<Option<Profile>, Trouble> {
        match self.unlock(global) {
            Ok(profile) => Ok(Some(profile)),
            Err(Trouble::Numbered(Code::ProfileInUse | Code::FileFailed, _)) => Ok(None),
            Err(trouble) => Err(trouble),
        }
    }
}

/// Where a journal is damaged of which the records before that were looked at.
pub struct Damaged {
    /// The first record that is not whole.
    pub from: Seq,
    damage: Damage,
}

impl Damaged {
    /// That it is damaged from a record on; what is shown stands before that.
    pub fn words(&self) -> String {
        let Damaged { from, damage } = self;
        let code = Code::JournalDamaged;
        format!("{} from record {from} on ({damage}) (error {}): what is shown is what lies before it", code.what(), code.number())
    }

    /// Says so, on standard error, with `--json` too.
    pub fn mention(&self) {
        note!("{}", on_errors(&format!("thicket: {}", self.words())));
    }

    /// The error, where what was asked for lies behind the damage, all of it or some.
    pub fn trouble(&self, is_shown: bool) -> Trouble {
        let Damaged { from, damage } = self;
        let shown = if is_shown { "; what is shown is what lies before it" } else { "" };
        Trouble::Numbered(Code::JournalDamaged, Some(format!("from record {from} on, {damage}{shown}")))
    }
}

/// Ends a look of [`At::look_before_damage`] whose find is shown: `is_all` that what was asked for lies before the damage.
pub fn end(damaged: Option<&Damaged>, is_all: bool) -> Result<(), Trouble> {
    match damaged {
        None => Ok(()),
        Some(damaged) if is_all => {
            damaged.mention();
            Ok(())
        }
        Some(damaged) => Err(damaged.trouble(true)),
    }
}

/// Looks at the profile without starting it: also while another process has it open.
pub fn look(global: &Global) -> Result<(View, Reader), Trouble> {
    at(global)?.look(global)
}

/// The identity, without the journal.
pub fn reader(global: &Global, at: &At) -> Result<Reader, Trouble> {
    let _unlocking = Progress::start(global, "unlocking the profile");
    at.look_into(|look| look.reader())
}

/// Unlocks the profile and starts it.
pub fn open(global: &Global) -> Result<Client, Trouble> {
    start(global, unlock(global)?)
}

/// Starts an unlocked profile: if the account is registered, it begins to log in.
pub fn start(global: &Global, profile: Profile) -> Result<Client, Trouble> {
    let _opening = Progress::start(global, "opening the profile");
    let client = Client::open(profile, Box::new(|waker| Box::new(DirectClient::new(Some(waker)))))?;
    global.tell(|| opened(&client));
    Ok(client)
}

/// Starts an unlocked profile whose journal and vault are not of the same time, and takes over.
pub fn start_to_take_over(global: &Global, profile: Profile) -> Result<Client, Trouble> {
    let _opening = Progress::start(global, "opening the profile");
    let client = Client::open_to_take_over(profile, Box::new(|waker| Box::new(DirectClient::new(Some(waker)))))?;
    global.tell(|| opened(&client));
    Ok(client)
}

/// Unlocks the profile and starts it without a way to the relay: for what this device does alone.
pub fn open_offline(global: &Global) -> Result<Client, Trouble> {
    start_offline(global, unlock(global)?)
}

/// Starts an unlocked profile without a way to the relay.
pub fn start_offline(global: &Global, profile: Profile) -> Result<Client, Trouble> {
    let _opening = Progress::start(global, "opening the profile");
    let client = Client::open_offline(profile)?;
    global.tell(|| format!("{}; no relay is asked", opened(&client)));
    Ok(client)
}

fn opened(client: &Client) -> String {
    let view = client.view();
    let relay = view.relay.as_ref().map_or("none", RelayAddress::text);
    format!("opened: {} contacts, {} messages to be stored, relay {relay}", view.contacts.len(), view.unsettled.len())
}

/// Asks for something that is done or refused at once.
pub fn ask(client: &Client, intent: Intent) -> Result<Answer, Trouble> {
    match client.submit(Client::intent_id(), intent)? {
        Answer::Refused(code) => Err(code.into()),
        answer => Ok(answer),
    }
}

/// A name as it was typed.
pub fn name(text: &str) -> Result<Name, Trouble> {
    Name::parse(text).map_err(|_| Code::MalformedName.into())
}

/// The contact that was typed: a name, or how a fingerprint begins.
pub fn contact(client: &Client, typed: &str) -> Result<Fingerprint, Trouble> {
    Ok(who::find(&client.view(), typed)?.fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_bound_is_read_of_a_secrets_file() {
        let whole = "x".repeat(SECRET_FILE_LEN_MAX);
        assert_eq!(bounded(whole.as_bytes()).expect("read"), Some(whole.clone()));
        // An input without an end.
        assert_eq!(bounded(std::io::repeat(b'x')).expect("read"), None);
        assert!(bounded(&b"\xff"[..]).is_err(), "no UTF-8");
    }
}
