//! One member's walk through the log, with the rules that ship.

use crate::world::{Does, Entry, PEOPLE, Person, World};
use std::collections::BTreeSet;
use thicket_types::group::{Charter, CommitFacts, Docket, Kept, Lineage, Officer, Past, Role, Roster, Turn};
use thicket_types::ids::Fingerprint;
use thicket_types::name::Title;

/// An epoch's members. A leaf's index is the person's number.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct People {
    members: BTreeSet<Fingerprint>,
    charter: Charter,
}

impl Roster for People {
    fn charter(&self) -> &Charter {
        &self.charter
    }

    fn has(&self, who: Fingerprint) -> bool {
        self.members.contains(&who)
    }

    fn count(&self) -> usize {
        self.members.len()
    }

    fn first(&self) -> Option<Fingerprint> {
        self.members.first().copied()
    }
}

impl People {
    /// Person 0 owns the group, 1 is an admin, the others are members.
    fn all() -> People {
        let officers = vec![Officer { who: name(0), role: Role::Owner }, Officer { who: name(1), role: Role::Admin }];
        let charter = Charter::new(Title::parse("model").expect("a title"), false, officers).expect("within its limits");
        People { members: (0..PEOPLE).map(name).collect(), charter }
    }

    fn after(&self, facts: &CommitFacts) -> People {
        let mut members = self.members.clone();
        members.retain(|who| !facts.removes.contains(who));
        People { members, charter: self.charter.clone() }
    }
}

/// A person's identity.
pub fn name(person: Person) -> Fingerprint {
    Fingerprint([u8::try_from(person).expect("few people"); 20])
}

/// Where somebody stands.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Standing {
    /// In the group, or held at an epoch of it.
    In(Lineage<People>),
    /// A commit that stands has removed them.
    Removed,
    /// The commit that let them in was taken back: they know, and ask again.
    Out,
}

/// One member's walk.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reader {
    /// Whose.
    pub me: Person,
    /// Where they stand.
    pub standing: Standing,
    window: u64,
    /// The commits that opened the epochs so far, as this reader knows them, with their places.
    pub chain: Vec<(u64, u64)>,
}

/// Somebody is let into the epoch that a commit opened.
pub struct Welcome {
    /// Who.
    pub to: Person,
    at: u64,
    lineage: Lineage<People>,
    chain: Vec<(u64, u64)>,
}

impl Reader {
    /// Before the log's first entry.
    pub fn new(world: &World, me: Person) -> Reader {
        let first = Kept { commit: 0, at: 0, docket: Docket::default(), roster: People::all() };
        Reader { me, window: world.window, standing: Standing::In(Lineage::new(world.window, first, Past::default())), chain: Vec::new() }
    }

    /// The epochs that this reader keeps, unless they are no member.
    pub fn lineage(&self) -> Option<&Lineage<People>> {
        match &self.standing {
            Standing::In(lineage) => Some(lineage),
            Standing::Removed | Standing::Out => None,
        }
    }

    /// Whether this reader waits for somebody to bring them back in, or for a void.
    pub fn held(&self) -> Option<u64> {
        self.lineage().and_then(Lineage::held).map(|(commit, _)| commit)
    }

    /// Walks the log from its entry of this index to its end, and back where a commit was taken back. Returns the Welcomes of the
    /// commits of this reader that stand.
    pub fn walk(&mut self, log: &[Entry], from: usize) -> Vec<Welcome> {
        let mut welcomes = Vec::new();
        let mut index = from;
        while let Some(entry) = log.get(index) {
            let at = u64::try_from(index).expect("a short log") + 1;
            let Standing::In(lineage) = &mut self.standing else {
                break;
            };
            index += 1;
            let turn = match entry {
                Entry::Control { by, sealed, said } => lineage.control(at, *sealed, name(*by), *said),
                Entry::Commit(commit) => {
                    let present = lineage.present().expect("there is always one");
                    let (facts, roster) = (commit.facts(), present.roster.clone());
                    let ours = commit.epoch == present.commit && !(commit.does == Does::Junk);
                    let rejoins = facts.rejoins.contains(&name(self.me));
                    // Who is removed needs no path to see it.
                    let goes = facts.removes.contains(&name(self.me));
                    let completes = goes || !rejoins && (commit.by == self.me || commit.completed_by.contains(&self.me));
                    let opens = completes.then(|| roster.after(&facts));
                    let turn = lineage.commit(at, ours.then_some(&facts), opens);
                    if turn == Turn::Opened && goes {
                        self.standing = Standing::Removed;
                        break;
                    }
                    if turn == Turn::Opened && commit.by == self.me {
                        let number = lineage.commits();
                        let chain: Vec<_> = self.chain.iter().copied().chain([(number, at)]).collect();
                        for to in &facts.rejoins {
                            let to = usize::from(to.0[0]);
                            let first = lineage.present().expect("there is always one").clone();
                            let lineage = Lineage::new(self.window, first, lineage.past());
                            welcomes.push(Welcome { to, at, lineage, chain: chain.clone() });
                        }
                    }
                    turn
                }
            };
            match turn {
                Turn::Opened => self.chain.push((self.lineage().expect("in the group").commits(), at)),
                Turn::Returned { to } => {
                    self.chain.retain(|(_, place)| *place < to);
                    index = usize::try_from(to).expect("a short log");
                }
                Turn::Out => self.standing = Standing::Out,
                Turn::Held | Turn::Noted | Turn::Passed(_) => {}
            }
        }
        welcomes
    }

    /// Takes a Welcome, and walks on from there. Who is in and held by nothing drops it.
    pub fn join(&mut self, welcome: &Welcome, log: &[Entry]) {
        let waits = match &self.standing {
            Standing::In(lineage) => lineage.held().is_some(),
            Standing::Out | Standing::Removed => true,
        };
        if waits {
            self.standing = Standing::In(welcome.lineage.clone());
            self.chain = welcome.chain.clone();
            self.walk(log, usize::try_from(welcome.at).expect("a short log"));
        }
    }
}
