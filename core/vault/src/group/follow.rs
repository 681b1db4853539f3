//! A page of a group's log: each entry is judged in its order, and what it says is kept, all in one op.
//!
//! A commit is completed, or stands without being completed here (*held*), or is passed over. A message is read in the epoch that it is
//! sealed for: now, or one that counts still. What can't be opened has no effect for anybody who is where we are.

use super::commit::{self, facts};
use super::kept::{self, Group};
use super::roster::Members;
use super::secrets::{Secrets, hash};
use super::welcome::{self, Place};
use super::{entry, post};
use crate::mls::credential;
use crate::mls::provider::Provider;
use crate::mls::storage::MlsStore;
use crate::request::framed;
use crate::{BROKEN, Scope, Stop};
use openmls::group::{GroupId as MlsId, MlsGroup, ProcessMessageError, StageCommitError, StagedCommit};
use openmls::prelude::tls_codec::Deserialize as _;
use openmls::prelude::{
    LeafNodeIndex, MlsMessageBodyIn, MlsMessageIn, ProcessedMessage, ProcessedMessageContent, ProtocolMessage, PublicMessageIn, Sender,
};
use openmls_traits::OpenMlsProvider as _;
use prost::Message as _;
use thicket_openpgp::Certificate;
use thicket_types::error::Code;
use thicket_types::event::{Became, Followed, Outcome, Own};
use thicket_types::group::{CommitFacts, Roster as _, Turn, permits};
use thicket_types::ids::{Fingerprint, GroupId, MessageId};
use thicket_types::limits::LOG_PAGE_ENTRIES_MAX;
use thicket_types::time::Stamp;
use thicket_types::wire::peer::GroupCommit;
use thicket_types::wire::peer::group_entry::What;
use thicket_types::wire::relay::{Answer, EntryKind, LogEntry, LogPage, ReadLog, answer::Said, request::Ask};

/// The request for what is new in a group's log.
pub(crate) fn read_log(scope: &Scope<'_>, id: GroupId) -> Result<Outcome, Stop> {
    let group = kept::load(scope, id)?;
    let from = group.followed.saturating_add(1);
    let key = group.reading.expose().to_vec();
    framed(scope, Ask::ReadLog(ReadLog { log: id.0.to_vec(), key, from, entries_max: LOG_PAGE_ENTRIES_MAX }))
}

/// Follows a page. Entries that were followed before are passed by. **Errors:** `LogBroken` for a page with a gap before it or in it, with
/// more entries than were asked for, and of another life of the relay's store.
pub(crate) fn follow(scope: &Scope<'_>, id: GroupId, answer: &[u8], at: Stamp) -> Result<Outcome, Stop> {
    let Some(Said::LogPage(page)) = Answer::decode(answer).ok().and_then(|answer| answer.said) else {
        return Err(Stop::Refused(Code::MalformedRequest));
    };
    let LogPage { incarnation, last, entries, .. } = page;
    let group = kept::load(scope, id)?;
    let many = entries.len() > usize::try_from(LOG_PAGE_ENTRIES_MAX).unwrap_or(usize::MAX);
    if many || group.incarnation.is_none_or(|known| known.0.as_slice() != incarnation) {
        return Err(Stop::Refused(Code::LogBroken));
    }
    let mut walk = Walk::begin(scope, group, at)?;
    for entry in &entries {
        if entry.number <= walk.group.followed || walk.group.gone {
            continue;
        }
        if entry.number != walk.group.followed.saturating_add(1) {
            return Err(Stop::Refused(Code::LogBroken));
        }
        walk.entry(entry)?;
    }
    walk.end(last)
}

/// A walk along a log.
struct Walk<'s, 'c> {
    scope: &'s Scope<'c>,
    provider: Provider<'s>,
    group: Group,
    /// Stays in memory from entry to entry.
    mls: MlsGroup,
    at: Stamp,
    messages: Vec<(Fingerprint, MessageId)>,
    unreadable: Vec<Code>,
    own: Own,
    before: Members,
}

/// What came of trying to complete a commit.
enum Tried {
    /// It is ours, which is pending.
    Own,
    /// It can be completed here.
    Whole(Box<StagedCommit>),
    /// Every member sees it to be whole, and it can't be completed here.
    Half(Box<StagedCommit>),
}

impl Tried {
    fn of(processed: ProcessedMessage) -> Option<Tried> {
        match processed.into_content() {
            ProcessedMessageContent::StagedCommitMessage(staged) => Some(Tried::Whole(staged)),
            ProcessedMessageContent::OwnPendingCommit => Some(Tried::Own),
            _ => None,
        }
    }
}

/// A commit that every member sees to be whole.
struct Commit {
    /// What it does.
    facts: CommitFacts,
    /// Those of whom it adds.
    certificates: Vec<Certificate>,
    /// Whether it is ours.
    own: bool,
    /// What to go on from; none if nobody can here.
    whole: Option<Tried>,
}

impl<'s, 'c> Walk<'s, 'c> {
    fn begin(scope: &'s Scope<'c>, group: Group, at: Stamp) -> Result<Walk<'s, 'c>, Stop> {
        let provider = scope.provider();
        let mls = kept::load_mls(&provider, group.id)?.ok_or(BROKEN)?;
        let before = group.present()?.roster.clone();
        Ok(Walk { scope, provider, group, mls, at, messages: Vec::new(), unreadable: Vec::new(), own: Own::Open, before })
    }

    fn entry(&mut self, LogEntry { number, kind, entry, posting }: &LogEntry) -> Result<(), Stop> {
        match EntryKind::try_from(*kind) {
            Ok(EntryKind::Commit) => {
                self.commit(*number, entry, posting)?;
                self.group.latest = *number;
            }
            Ok(EntryKind::Message) => self.message(entry)?,
            Ok(EntryKind::Control | EntryKind::Unspecified) | Err(_) => {}
        }
        self.group.followed = *number;
        self.group.prefix = kept::prefix(self.group.prefix, *number, *kind, entry, posting);
        Ok(())
    }

    /// Judges a commit, and goes on in the epoch that it opens.
    fn commit(&mut self, number: u64, entry: &[u8], posting: &[u8]) -> Result<(), Stop> {
        let Some(Commit { facts, certificates, own, whole }) = self.found(entry, posting)? else {
            self.group.lineage.commit(number, None, None);
            return Ok(());
        };
        let present = self.group.present()?;
        let stands = self.group.lineage.held().is_none() && permits(&present.roster, &present.docket, number, &facts).is_ok();
        let Some(whole) = whole.filter(|_| stands) else {
            let turn = self.group.lineage.commit(number, Some(&facts), None);
            // It had its place; and where another's can't be completed here, none of ours can stand.
            return if own || turn == Turn::Held { self.lose() } else { Ok(()) };
        };
        let Opened { welcomed, lost, gone } = self.merge(whole)?;
        if gone {
            self.group.gone = true;
            return commit::forget(self.scope, self.group.id);
        }
        let members = Members::of(self.mls.extensions(), self.mls.members()).ok_or(BROKEN)?;
        if self.group.lineage.commit(number, Some(&facts), Some(members.clone())) != Turn::Opened {
            return Err(BROKEN);
        }
        let opened_by = self.group.present()?.commit;
        let secrets = Secrets::of(&self.provider, &self.mls)?;
        kept::save_epoch(self.scope, self.group.id, opened_by, &members, &secrets)?;
        for certificate in &certificates {
            kept::keep_certificate(self.scope, self.group.id, certificate)?;
        }
        if let Some(welcomed) = welcomed {
            self.own = Own::Stands;
            let place = Place { entry: number, prefix: kept::prefix(self.group.prefix, number, EntryKind::Commit.into(), entry, posting) };
            welcome::keep(self.scope, &self.group, &self.mls, &welcomed, &place, self.at)?;
        } else if lost {
            self.own = Own::Lost;
        }
        commit::forget(self.scope, self.group.id)
    }

    /// Gives our commit up that is under way, if there is one.
    fn lose(&mut self) -> Result<(), Stop> {
        if self.mls.pending_commit().is_some() {
            self.mls.clear_pending_commit(self.provider.storage()).map_err(|_| BROKEN)?;
            self.own = Own::Lost;
        }
        commit::forget(self.scope, self.group.id)
    }

    /// What a commit is, and what it does. `None`: it isn't one of the present epoch that every member sees to be whole.
    ///
    /// Ours is known by what is in it, not by its entry: another member can seal it anew, and then it is the same commit to all.
    fn found(&mut self, entry: &[u8], posting: &[u8]) -> Result<Option<Commit>, Stop> {
        let epoch = self.group.present()?.commit;
        if entry::epoch(entry) != Some(epoch) {
            return Ok(None);
        }
        let key = kept::entries_key(self.scope, self.group.id, epoch)?;
        let Some(What::Commit(GroupCommit { commit, certificates })) = entry::open(self.group.id, &key, entry) else {
            return Ok(None);
        };
        let Some(message) = public_message(&commit) else {
            return Ok(None);
        };
        let tried = self.mls.process_message(&self.provider, ProtocolMessage::from(message.clone()));
        let (sender, tried) = match tried {
            Ok(processed) => (processed.sender().clone(), Tried::of(processed)),
            // Errors of who tries: of those whose part of the path is garbage, and of us where the commit is one that we gave up.
            Err(ProcessMessageError::InvalidCommit(
                StageCommitError::UpdatePathError(_) | StageCommitError::ConfirmationTagMismatch | StageCommitError::OwnCommitMismatch,
            )) => {
                let Ok(processed) = self.mls.public_group().process_message(self.provider.crypto(), ProtocolMessage::from(message)) else {
                    return Ok(None);
                };
                let sender = processed.sender().clone();
                let ProcessedMessageContent::StagedCommitMessage(staged) = processed.into_content() else {
                    return Ok(None);
                };
                (sender, Some(Tried::Half(staged)))
            }
            Err(_) => return Ok(None),
        };
        let (Sender::Member(sender), Some(tried)) = (sender, tried) else {
            return Ok(None);
        };
        let staged: &StagedCommit = match &tried {
            Tried::Whole(staged) | Tried::Half(staged) => staged,
            Tried::Own => self.mls.pending_commit().ok_or(BROKEN)?,
        };
        let Some(certificates) = self.certified(sender, staged, &certificates) else {
            return Ok(None);
        };
        let Some(facts) = facts(&self.group, sender, staged)? else {
            return Ok(None);
        };
        let own = matches!(tried, Tried::Own);
        // Whoever can't complete the commit can't see that it registers a key which nobody has: it stands, and nobody goes on from it.
        let registers = match &tried {
            Tried::Half(_) => false,
            Tried::Whole(_) | Tried::Own => {
                staged.self_removed() || hash(&Secrets::opened(&self.provider, staged)?.posting).0.as_slice() == posting
            }
        };
        Ok(Some(Commit { facts, certificates, own, whole: registers.then_some(tried) }))
    }

    /// The certificates of those whom a commit adds; `None` if somebody whom it adds is not certified by the identity that their leaf names,
    /// or the sender's leaf becomes another's.
    fn certified(&self, sender: LeafNodeIndex, staged: &StagedCommit, certificates: &[Vec<u8>]) -> Option<Vec<Certificate>> {
        let renewed = staged.update_path_leaf_node().zip(self.mls.member_at(sender)).is_some_and(|(leaf, member)| {
            leaf.credential() == &member.credential && leaf.signature_key().as_slice() == member.signature_key.as_slice()
        });
        if !renewed {
            return None;
        }
        let mut certificates = certificates.iter();
        let added = staged.add_proposals().map(|add| {
            let leaf = add.add_proposal().key_package().leaf_node();
            let certificate = certificates.next().and_then(|bytes| Certificate::parse(bytes).ok())?;
            let checked = credential::check(&certificate, leaf.credential(), leaf.signature_key().as_slice());
            checked.is_ok().then_some(certificate)
        });
        added.collect()
    }

    /// Goes on in the epoch that a commit opens: another's, or ours, which is pending. The epoch that it ends is copied.
    fn merge(&mut self, commit: Tried) -> Result<Opened, Stop> {
        let epoch = self.group.present()?.commit;
        MlsStore::new(self.scope.conn).copy_to_epoch(&MlsId::from_slice(&self.group.id.0), epoch).map_err(|_| BROKEN)?;
        let past = Provider::in_epoch(self.scope.conn, self.scope.entropy.clone(), epoch);
        // A commit of ours that was pending holds the next epoch's secrets: they have no place in the copy.
        if let Some(mut old) = kept::load_mls(&past, self.group.id)? {
            old.clear_pending_commit(past.storage()).map_err(|_| BROKEN)?;
        }
        match commit {
            Tried::Own => {
                let welcomed = commit::references(&self.provider, self.mls.pending_commit().ok_or(BROKEN)?)?;
                self.mls.merge_pending_commit(&self.provider).map_err(|_| BROKEN)?;
                Ok(Opened { welcomed: Some(welcomed), lost: false, gone: false })
            }
            Tried::Whole(staged) | Tried::Half(staged) => {
                let (lost, gone) = (self.mls.pending_commit().is_some(), staged.self_removed());
                self.mls.merge_staged_commit(&self.provider, *staged).map_err(|_| BROKEN)?;
                Ok(Opened { welcomed: None, lost, gone })
            }
        }
    }

    /// Reads a message in the epoch that it is sealed for.
    fn message(&mut self, entry: &[u8]) -> Result<(), Stop> {
        if post::is_own(self.scope, self.group.id, entry)? {
            return Ok(());
        }
        let Some(epoch) = entry::epoch(entry) else {
            return Ok(());
        };
        if !self.group.lineage.kept().any(|kept| kept.commit == epoch) {
            let past = epoch < self.group.present()?.commit;
            self.unreadable.push(if past { Code::TooOld } else { Code::Undecryptable });
            return Ok(());
        }
        let key = kept::entries_key(self.scope, self.group.id, epoch)?;
        let Some(What::Message(sealed)) = entry::open(self.group.id, &key, entry) else {
            self.unreadable.push(Code::Undecryptable);
            return Ok(());
        };
        let conn = self.scope.conn;
        conn.execute_batch("SAVEPOINT entry")?;
        let read = self.read(epoch, &sealed)?;
        if let Err(code) = read {
            // openmls may have used the key up before it saw that nothing comes of it.
            conn.execute_batch("ROLLBACK TO entry")?;
            self.mls = kept::load_mls(&self.provider, self.group.id)?.ok_or(BROKEN)?;
            // What was read is here.
            if code != Code::Repeated {
                self.unreadable.push(code);
            }
        }
        conn.execute_batch("RELEASE entry")?;
        Ok(())
    }

    fn read(&mut self, epoch: u64, sealed: &[u8]) -> Result<Result<(), Code>, Stop> {
        let message = MlsMessageIn::tls_deserialize_exact(sealed).ok().and_then(|message| match message.extract() {
            MlsMessageBodyIn::PrivateMessage(message) => Some(ProtocolMessage::from(message)),
            _ => None,
        });
        let Some(message) = message else {
            return Ok(Err(Code::MalformedEnvelope));
        };
        let members = self.group.lineage.kept().find(|kept| kept.commit == epoch).map(|kept| kept.roster.clone());
        let Some(members) = members else {
            return Ok(Err(Code::TooOld));
        };
        let processed = if epoch == self.group.present()?.commit {
            self.mls.process_message(&self.provider, message)
        } else {
            let past = Provider::in_epoch(self.scope.conn, self.scope.entropy.clone(), epoch);
            let Some(mut old) = kept::load_mls(&past, self.group.id)? else {
                return Ok(Err(Code::TooOld));
            };
            old.process_message(&past, message)
        };
        let processed = match processed {
            Ok(processed) => processed,
            Err(error) => return Ok(Err(crate::mls::group::cause(&error))),
        };
        let Sender::Member(index) = processed.sender().clone() else {
            return Ok(Err(Code::ForgedSender));
        };
        let Some(by) = members.at(index.u32()) else {
            return Ok(Err(Code::ForgedSender));
        };
        let ProcessedMessageContent::ApplicationMessage(plain) = processed.into_content() else {
            return Ok(Err(Code::Undecryptable));
        };
        let kept = post::keep_received(self.scope, self.group.id, by, &plain.into_bytes(), self.at)?;
        Ok(kept.map(|message| self.messages.push((by, message))))
    }

    fn end(self, last: u64) -> Result<Outcome, Stop> {
        let Walk { scope, group, messages, unreadable, own, before, .. } = self;
        let present = &group.present()?.roster;
        let changed = *present != before || group.gone;
        let members = u32::try_from(present.count()).unwrap_or(u32::MAX);
        let became = changed.then(|| Became { title: present.charter().title().clone(), members, out: group.gone });
        let followed = Followed { group: group.id, upto: group.followed, last, messages, unreadable, own, became };
        kept::save(scope, group)?;
        Ok(Outcome::Followed(followed))
    }
}

/// What came of a merge.
struct Opened {
    /// Whom a commit of ours lets in, and the references of their key packages; none if it is another's.
    welcomed: Option<Vec<(Fingerprint, Vec<u8>)>>,
    /// Whether one of ours was pending, and is not this one.
    lost: bool,
    /// Whether it put us out.
    gone: bool,
}

fn public_message(bytes: &[u8]) -> Option<PublicMessageIn> {
    match MlsMessageIn::tls_deserialize_exact(bytes).ok()?.extract() {
        MlsMessageBodyIn::PublicMessage(message) => Some(message),
        _ => None,
    }
}
