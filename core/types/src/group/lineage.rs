//! The epochs of a group that followed one another, and may yet be returned to.
//!
//! ```text
//!   log    c1   c2   order   c3   void c3   c4
//!   kept   E0 ─ E1 ─ E2            E2        E3      c3 was completed by some, and taken back for all
//! ```
//!
//! A commit is *publicly valid* if every member can see that it is; whether its path can be completed only who tries knows. Who
//! can't holds at the epoch before. Which epochs may yet stand is therefore not the same for all; so a control message is judged
//! in each kept epoch by itself, as those see it who hold there. It counts where its seal can be opened: in the epoch that it
//! is sealed for and those that came of it. A void is judged in the epoch that it leads back to, and so by all alike.
//!
//! How long an epoch counts is told in commits of the log, whatever came of them: that is the one clock that all share, also those
//! who can't tell which of them stand. An epoch counts until so many followed the one that ended it.

use super::Said;
use super::charter::{Role, Roster, role};
use super::docket::Docket;
use super::permits::{CommitFacts, Passed, permits};
use crate::ids::Fingerprint;
use crate::limits::VOIDED_MAX;
use alloc::collections::{BTreeSet, VecDeque};
use serde::{Deserialize, Serialize};

/// An epoch that is present, or may be returned to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Kept<E> {
    /// The commit that opened it, counted from the log's beginning: it names the epoch. 0: the group's creation.
    pub commit: u64,
    /// That commit's place in the log.
    pub at: u64,
    /// What is to be carried out, as those see it who hold here.
    pub docket: Docket,
    /// Who is in it.
    pub roster: E,
}

/// What an entry of the log came to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Turn {
    /// The commit opened an epoch.
    Opened,
    /// The commit stands, and can't be completed here: the group is held until somebody brings us back in, or it is taken back.
    Held,
    /// The control message counts.
    Noted,
    /// A commit was taken back: the log is to be walked again from behind this place.
    Returned {
        /// The place of that commit.
        to: u64,
    },
    /// The commit that let us in was taken back: we are no member any more.
    Out,
    /// The entry has no effect.
    Passed(Passed),
}

/// A group's epochs, as one member sees them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Lineage<E> {
    /// Commits that may follow the one that ended an epoch, whatever came of them, until that epoch counts no more.
    window: u64,
    /// The oldest first, the present one last; never empty. **Limits:** those that count.
    kept: VecDeque<Kept<E>>,
    past: Past,
    /// Commits of the log so far, whatever came of them.
    commits: u64,
    /// The commit that stands and can't be completed here, and its place.
    held: Option<(u64, u64)>,
}

/// What is told of the log to somebody who is let into a group.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Past {
    /// Commits that opened the epochs before the oldest one kept, as far as they count still: their control keys are known here,
    /// and not more of them.
    pub before: BTreeSet<u64>,
    /// Commits that were taken back: whoever says so again says nothing new. **Limits:** the newest [`VOIDED_MAX`].
    pub voided: BTreeSet<u64>,
}

impl<E> Lineage<E> {
    /// The same with something else in each epoch's place of members, such as what they are kept under. **Errors:** the first that `f`
    /// has.
    pub fn try_map<F, X>(self, mut f: impl FnMut(u64, E) -> Result<F, X>) -> Result<Lineage<F>, X> {
        let Lineage { window, kept, past, commits, held } = self;
        let each = |Kept { commit, at, docket, roster }: Kept<E>| Ok(Kept { commit, at, docket, roster: f(commit, roster)? });
        let kept = kept.into_iter().map(each).collect::<Result<_, X>>()?;
        Ok(Lineage { window, kept, past, commits, held })
    }
}

impl<E: Roster> Lineage<E> {
    /// Begins with the epoch that one creates, or is let into.
    /// `window`: [`VOIDABLE_COMMITS_MAX`]; the model has smaller ones.
    ///
    /// [`VOIDABLE_COMMITS_MAX`]: crate::limits::VOIDABLE_COMMITS_MAX
    pub fn new(window: u64, first: Kept<E>, past: Past) -> Lineage<E> {
        let commits = first.commit;
        Lineage { window, kept: VecDeque::from([first]), past, commits, held: None }
    }

    /// The epochs that are kept, the present one last.
    pub fn kept(&self) -> impl DoubleEndedIterator<Item = &Kept<E>> {
        self.kept.iter()
    }

    /// The present epoch. `None` never: there is always one.
    pub fn present(&self) -> Option<&Kept<E>> {
        self.kept.back()
    }

    /// The newest epoch that no void can take away; the oldest one kept, where each can be. What is sealed for it lasts.
    pub fn lasting(&self) -> Option<&Kept<E>> {
        self.kept.iter().rev().find(|kept| !self.is_voidable(kept.commit)).or(self.kept.front())
    }

    /// What somebody is told who is let into the present epoch.
    pub fn past(&self) -> Past {
        let kept = self.kept.iter().rev().skip(1).map(|kept| kept.commit);
        Past { before: self.past.before.iter().copied().chain(kept).collect(), voided: self.past.voided.clone() }
    }

    /// Commits of the log so far, whatever came of them.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// The commit that can't be completed here, and its place.
    pub fn held(&self) -> Option<(u64, u64)> {
        self.held
    }

    /// Whether the epoch that a commit of this number ended counts still: then the commit can be voided.
    pub fn is_voidable(&self, commit: u64) -> bool {
        commit <= self.commits && self.commits.saturating_sub(commit) <= self.window
    }

    /// Takes the next commit of the log. `facts`: what it does, if it is of the present epoch and every member can see that it is
    /// whole; `opens`: who is in the epoch that it opens, if it could be completed here.
    pub fn commit(&mut self, at: u64, facts: Option<&CommitFacts>, opens: Option<E>) -> Turn {
        self.commits = self.commits.saturating_add(1);
        let turn = self.judge(at, facts, opens);
        self.forget();
        turn
    }

    fn judge(&mut self, at: u64, facts: Option<&CommitFacts>, opens: Option<E>) -> Turn {
        let number = self.commits;
        if self.held.is_some() {
            return Turn::Passed(Passed::Untold);
        }
        let (Some(facts), Some(present)) = (facts, self.kept.back()) else {
            return Turn::Passed(Passed::Unopened);
        };
        if let Err(passed) = permits(&present.roster, &present.docket, at, facts) {
            return Turn::Passed(passed);
        }
        let Some(roster) = opens else {
            self.held = Some((number, at));
            return Turn::Held;
        };
        let docket = present.docket.among(&roster);
        self.kept.push_back(Kept { commit: number, at, docket, roster });
        Turn::Opened
    }

    /// Lets go what counts no more. It depends on the log alone, so that it is the same for all, whoever holds where.
    fn forget(&mut self) {
        let ended = |end: u64| self.commits.saturating_sub(end) > self.window;
        while self.kept.get(1).is_some_and(|next| ended(next.commit)) {
            self.kept.pop_front();
        }
        let first = self.kept.front().map_or(0, |kept| kept.commit);
        let Past { before, voided } = &mut self.past;
        let ends: BTreeSet<u64> = before.iter().copied().skip(1).chain([first]).collect();
        *before = before.iter().copied().zip(ends).filter(|(_, end)| !ended(*end)).map(|(commit, _)| commit).collect();
        while voided.len() > VOIDED_MAX {
            voided.pop_first();
        }
    }

    /// Takes a control message that is sealed for the epoch which this commit opened.
    pub fn control(&mut self, at: u64, sealed: u64, by: Fingerprint, said: Said) -> Turn {
        if let Said::Reset { commit } = said {
            return self.reset(at, sealed, by, commit);
        }
        let Some(from) = self.opening(sealed) else {
            return Turn::Passed(Passed::Unopened);
        };
        if let Said::Void { commit } = said {
            return self.void(at, from, by, commit);
        }
        let mut turn = Turn::Passed(Passed::Unopened);
        for kept in self.kept.iter_mut().skip(from) {
            let Kept { docket, roster, .. } = kept;
            let noted = match said {
                Said::Order { target } => docket.order(roster, at, by, target),
                Said::Leave => docket.leave(roster, at, by),
                Said::Complaint { .. } | Said::Void { .. } | Said::Reset { .. } => docket.hears(roster, at, by),
            };
            turn = noted.map_or_else(Turn::Passed, |()| Turn::Noted);
        }
        turn
    }

    /// The oldest kept epoch in which what is sealed for an epoch can be opened, if that counts.
    fn opening(&self, sealed: u64) -> Option<usize> {
        if self.past.before.contains(&sealed) {
            return Some(0);
        }
        let index = self.kept.iter().position(|kept| kept.commit == sealed)?;
        let last = index.saturating_add(1) == self.kept.len();
        // Those whom nothing holds have gone on from here, and are past it.
        let past = last && self.held.is_some_and(|(commit, _)| !self.is_voidable(commit));
        (!past).then_some(index)
    }

    fn void(&mut self, at: u64, from: usize, by: Fingerprint, commit: u64) -> Turn {
        if self.past.voided.contains(&commit) || commit > self.commits {
            return Turn::Passed(Passed::Pointless);
        }
        if !self.is_voidable(commit) {
            return Turn::Passed(Passed::TooLate);
        }
        if self.past.before.contains(&commit) || self.kept.front().is_some_and(|kept| kept.commit == commit) {
            // It let us in, or stands before what did: the oldest epoch that is kept has to judge.
            let judged = self.kept.front().map_or(Err(Passed::Unopened), |kept| takes_back(kept, at, by, Role::Admin));
            return judged.map_or_else(Turn::Passed, |()| Turn::Out);
        }
        // The epoch that the commit ended, and the commit's place.
        let ended = match self.held {
            Some((held, place)) if held == commit => self.kept.len().checked_sub(1).map(|index| (index, place)),
            _ => self.kept.iter().zip(self.kept.iter().skip(1)).position(|(_, next)| next.commit == commit).and_then(|index| {
                let place = self.kept.get(index.saturating_add(1))?.at;
                Some((index, place))
            }),
        };
        let Some((index, place)) = ended else {
            return Turn::Passed(Passed::Pointless);
        };
        if from > index {
            return Turn::Passed(Passed::Unopened);
        }
        let judged = self.kept.get(index).map_or(Err(Passed::Unopened), |kept| takes_back(kept, at, by, Role::Admin));
        judged.map_or_else(Turn::Passed, |()| self.return_to(index, commit, place))
    }

    /// Past the window an owner who is held, and whom nobody brings back in, begins again where they hold. Whoever holds there too
    /// goes with them. Whoever is past it is out, and asks to be let in again.
    fn reset(&mut self, at: u64, sealed: u64, by: Fingerprint, commit: u64) -> Turn {
        if self.past.voided.contains(&commit) || commit > self.commits || self.is_voidable(commit) {
            return Turn::Passed(Passed::Pointless);
        }
        let holds = self.held.filter(|(held, _)| *held == commit);
        let present = self.kept.len().saturating_sub(1);
        let judge = if holds.is_some() { self.kept.get(present).filter(|kept| kept.commit == sealed) } else { self.kept.front() };
        let judged = judge.map_or(Err(Passed::Unopened), |kept| takes_back(kept, at, by, Role::Owner));
        match (judged, holds) {
            (Err(passed), _) => Turn::Passed(passed),
            (Ok(()), Some((_, place))) => self.return_to(present, commit, place),
            (Ok(()), None) if self.kept.front().is_some_and(|kept| kept.commit < commit) => Turn::Passed(Passed::Pointless),
            (Ok(()), None) => Turn::Out,
        }
    }

    fn return_to(&mut self, index: usize, commit: u64, place: u64) -> Turn {
        self.kept.truncate(index.saturating_add(1));
        self.held = None;
        self.commits = commit;
        self.past.voided.insert(commit);
        Turn::Returned { to: place }
    }
}

/// Whether somebody may take a commit back, as those see it who hold before it.
fn takes_back<E: Roster>(kept: &Kept<E>, at: u64, by: Fingerprint, least: Role) -> Result<(), Passed> {
    kept.docket.hears(&kept.roster, at, by)?;
    if role(&kept.roster, by) >= Some(least) { Ok(()) } else { Err(Passed::NotAllowed) }
}
