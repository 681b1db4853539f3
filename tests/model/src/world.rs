//! A group of four, one of them hostile, and everything that they may append to its log.
//!
//! ```text
//!   0 owner    1 admin    2, 3 members           one of 1 and 2 is hostile
//!   honest     what a client does who knows the whole log; control messages also of one who knows all but its last entry
//!   hostile    commits that nobody, one, all but one or all can complete, of the present epoch or the one before; orders,
//!              voids and resets, sealed for either; what is ordered carried out for some; junk
//! ```

use crate::reader::{People, Reader, Standing, name};
use stateright::{Model, Property};
use thicket_types::group::{CommitFacts, Lineage, Role, Said, role};

/// One of the group, by number.
pub type Person = usize;

/// How many they are.
pub const PEOPLE: usize = 4;

/// What is checked.
#[derive(Clone, Debug)]
pub struct World {
    /// Who is hostile.
    pub hostile: Person,
    /// Entries of the longest log.
    pub entries: usize,
    /// Commits that may follow one which is voided.
    pub window: u64,
}

/// What a commit does beside renewing its sender's keys.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Does {
    /// Nothing.
    Update,
    /// Removes somebody.
    Remove(Person),
    /// Brings somebody back in who complained.
    Rejoin(Person),
    /// Something that every member sees to be broken.
    Junk,
}

/// A commit.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Commit {
    /// Its sender.
    pub by: Person,
    /// The commit that opened the epoch it was made in.
    pub epoch: u64,
    /// What it does.
    pub does: Does,
    /// Who can complete it, beside its sender.
    pub completed_by: Vec<Person>,
}

impl Commit {
    /// What every member sees of it.
    pub fn facts(&self) -> CommitFacts {
        let one = |who: Person| vec![name(who)];
        let (removes, rejoins) = match self.does {
            Does::Remove(who) => (one(who), Vec::new()),
            Does::Rejoin(who) => (Vec::new(), one(who)),
            Does::Update | Does::Junk => (Vec::new(), Vec::new()),
        };
        CommitFacts { by: name(self.by), adds: Vec::new(), removes, rejoins, charter: None }
    }
}

/// An entry of the log.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Entry {
    /// A commit.
    Commit(Commit),
    /// A control message.
    Control {
        /// Its sender.
        by: Person,
        /// The epoch that it is sealed for, by the commit that opened that.
        sealed: u64,
        /// What it says.
        said: Said,
    },
}

/// A log, and what each of the group made of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Course {
    /// The entries, the first at place 1.
    pub log: Vec<Entry>,
    /// The four, the hostile one among them.
    pub readers: Vec<Reader>,
    /// The places of orders against the hostile one that counted for who gave them.
    pub orders: Vec<u64>,
    /// Control messages that honest members would have sent without the last entry: they are on their way, and never stale.
    pub late: Vec<Entry>,
}

impl World {
    /// The others.
    pub fn honest(&self) -> impl Iterator<Item = Person> {
        let hostile = self.hostile;
        (0..PEOPLE).filter(move |person| *person != hostile)
    }

    fn first(&self) -> Course {
        Course { log: Vec::new(), readers: (0..PEOPLE).map(|me| Reader::new(self, me)).collect(), orders: Vec::new(), late: Vec::new() }
    }

    /// What a client of an honest member may append.
    fn honestly(&self, course: &Course, person: Person, entries: &mut Vec<Entry>) {
        let Some(reader) = course.readers.get(person) else {
            return;
        };
        let Some(lineage) = reader.lineage() else {
            return;
        };
        let (Some(present), Some(lasting)) = (lineage.present(), lineage.lasting()) else {
            return;
        };
        let at = u64::try_from(course.log.len()).expect("a short log") + 1;
        let authority = role(&present.roster, name(person)).unwrap_or(Role::Member);
        let control = |sealed, said| Entry::Control { by: person, sealed, said };
        if let Some((commit, _)) = lineage.held() {
            // Whoever is ahead keeps the epoch that they would return to. Past the window an owner waits for days first: whoever
            // could bring them back would have.
            let alone = self.honest().filter_map(|other| course.readers.get(other)).all(|other| !could_help(other, at));
            let said = match authority {
                Role::Admin | Role::Owner if lineage.is_voidable(commit) => Said::Void { commit },
                Role::Owner if alone => Said::Reset { commit },
                Role::Member | Role::Admin | Role::Owner => Said::Complaint { commit },
            };
            entries.push(control(present.commit, said));
            return;
        }
        let everybody = (0..PEOPLE).filter(|other| *other != person).collect();
        let commit = |does| Entry::Commit(Commit { by: person, epoch: present.commit, does, completed_by: everybody });
        if present.docket.bars(name(person), at) {
            return;
        }
        if let Some(order) = present.docket.orders(at).next() {
            entries.push(commit(Does::Remove(usize::from(order.target.0[0]))));
            return;
        }
        let of_hostile = role(&present.roster, name(self.hostile));
        if of_hostile.is_some_and(|of_hostile| authority > of_hostile && authority >= Role::Admin) {
            entries.push(control(lasting.commit, Said::Order { target: name(self.hostile) }));
        }
        if let Some(who) = complaint(course, lineage).filter(|who| *who != self.hostile) {
            entries.push(commit(Does::Rejoin(who)));
        } else if person == 0 {
            entries.push(commit(Does::Update));
        }
    }

    /// What the hostile member may append: from what they know, anything that differs.
    fn hostilely(&self, course: &Course, entries: &mut Vec<Entry>) {
        let by = self.hostile;
        let Some(lineage) = course.readers.get(by).and_then(Reader::lineage) else {
            return;
        };
        let honest: Vec<Person> = self.honest().collect();
        let halves: [Vec<Person>; 4] = [honest.clone(), Vec::new(), honest[..1].to_vec(), honest[1..].to_vec()];
        for kept in lineage.kept().rev().take(2) {
            for completed_by in &halves {
                let commit = |does| Entry::Commit(Commit { by, epoch: kept.commit, does, completed_by: completed_by.clone() });
                entries.push(commit(Does::Update));
                let other = *honest.last().expect("there are honest ones");
                if kept.docket.bars(name(other), u64::MAX) {
                    entries.push(commit(Does::Remove(other)));
                }
            }
            for said in self.hostile_words(lineage) {
                entries.push(Entry::Control { by, sealed: kept.commit, said });
            }
        }
        entries.push(Entry::Commit(Commit { by, epoch: 0, does: Does::Junk, completed_by: Vec::new() }));
    }

    fn hostile_words(&self, lineage: &Lineage<People>) -> Vec<Said> {
        let commits = lineage.commits();
        let recent = (commits.saturating_sub(1)..=commits).filter(|commit| *commit > 0);
        let voids = recent.map(|commit| Said::Void { commit }).chain([Said::Reset { commit: 1 }]);
        let orders = self.honest().filter(|who| *who != 1).map(|who| Said::Order { target: name(who) });
        voids.chain(orders).collect()
    }
}

/// Whether somebody could bring others back in: nothing holds them, and they have a say.
fn could_help(reader: &Reader, at: u64) -> bool {
    let present = reader.lineage().filter(|lineage| lineage.held().is_none()).and_then(Lineage::present);
    present.is_some_and(|present| !present.docket.bars(name(reader.me), at))
}

/// A member who waits to be brought back in: who is out, which they say by mail; who is held and said so. Past the window that goes
/// by mail too, which no window ends.
fn complaint(course: &Course, lineage: &Lineage<People>) -> Option<Person> {
    let member = |who: Person| lineage.present().is_some_and(|present| role(&present.roster, name(who)).is_some());
    let waits = |reader: &Reader| match &reader.standing {
        Standing::In(_) => reader.held().is_some() && complained(course, reader.me),
        // By a commit that was taken back: somebody who returned writes to them.
        Standing::Out | Standing::Removed => true,
    };
    course.readers.iter().filter(|reader| waits(reader)).map(|reader| reader.me).find(|who| member(*who))
}

impl Course {
    fn append(&self, world: &World, entry: Entry) -> Course {
        let mut course = self.clone();
        let index = course.log.len();
        course.late.clear();
        world.honest().for_each(|person| world.honestly(self, person, &mut course.late));
        course.late.retain(|late| matches!(late, Entry::Control { .. }) && *late != entry);
        course.log.push(entry);
        let Course { log, readers, orders, late: _ } = &mut course;
        let mut welcomes = Vec::new();
        for reader in readers.iter_mut() {
            let sent = reader.walk(log, index);
            // Who is hostile sends none.
            if reader.me != world.hostile {
                welcomes.extend(sent);
            }
        }
        for welcome in &welcomes {
            if let Some(reader) = readers.get_mut(welcome.to) {
                reader.join(welcome, log);
            }
        }
        let at = u64::try_from(index).expect("a short log") + 1;
        if let Some(Entry::Control { by, said: Said::Order { target }, .. }) = log.last()
            && *by != world.hostile
            && *target == name(world.hostile)
            && let Some(present) = readers.get(*by).and_then(Reader::lineage).and_then(Lineage::present)
            && present.docket.orders(at + 1).any(|order| order.at == at)
        {
            orders.push(at);
        }
        course
    }

    /// Whether somebody sees a difference.
    fn differs(&self, before: &Course) -> bool {
        self.readers != before.readers
    }
}

/// Honest members who know the whole log know one history: the same epochs, or, where one is held, the beginning of them.
pub fn one_history(world: &World, course: &Course) -> bool {
    let inside: Vec<&Reader> = world.honest().filter_map(|person| course.readers.get(person)).filter(|r| r.lineage().is_some()).collect();
    inside.iter().enumerate().all(|(index, one)| {
        inside.iter().skip(index + 1).all(|other| {
            let shared = one.chain.len().min(other.chain.len());
            let same = one.chain[..shared] == other.chain[..shared];
            let (short, long) = if one.chain.len() <= other.chain.len() { (one, other) } else { (other, one) };
            let holds = short.chain.len() == long.chain.len() || short.held() == long.chain.get(shared).map(|(commit, _)| *commit);
            same && holds
        })
    })
}

/// After an order against the hostile member counted, and until they are removed, no commit takes effect but ones that carry an
/// order out.
pub fn no_commit_outruns_an_order(world: &World, course: &Course) -> bool {
    world.honest().filter_map(|person| course.readers.get(person)).all(|reader| foreign(world, course, reader) == 0)
}

/// Commits that took effect between the first order against the hostile member and their removal, and carry nothing out.
fn foreign(world: &World, course: &Course, reader: &Reader) -> usize {
    let Some(order) = course.orders.first() else {
        return 0;
    };
    let does = |at: u64| match course.log.get(usize::try_from(at).expect("a short log") - 1) {
        Some(Entry::Commit(commit)) => commit.does.clone(),
        Some(Entry::Control { .. }) | None => Does::Junk,
    };
    let after = reader.chain.iter().filter(|(_, at)| at > order).map(|(_, at)| does(*at));
    after.take_while(|does| *does != Does::Remove(world.hostile)).filter(|does| !matches!(does, Does::Remove(_))).count()
}

/// Once the hostile member says no more, honest clients remove them and share one epoch, within so many entries.
pub const SETTLES_WITHIN: usize = 24;

/// Whether that is so from here.
pub fn settles(world: &World, course: &Course) -> bool {
    let mut course = course.clone();
    for _ in 0..SETTLES_WITHIN {
        if is_settled(world, &course) {
            return true;
        }
        // Who is held speaks first: what they take back need not be built upon.
        let mut people: Vec<Person> = world.honest().collect();
        people.sort_by_key(|person| course.readers.get(*person).is_none_or(|reader| reader.held().is_none()));
        let next = people.into_iter().find_map(|person| {
            let mut entries = Vec::new();
            world.honestly(&course, person, &mut entries);
            let useful = |entry: &Entry| !matches!(entry, Entry::Commit(commit) if commit.does == Does::Update);
            entries.into_iter().filter(useful).map(|entry| course.append(world, entry)).find(|next| {
                next.differs(&course)
                    || matches!(next.log.last(), Some(Entry::Control { said: Said::Complaint { .. }, .. }) if !complained(&course, person))
            })
        });
        match next {
            Some(next) => course = next,
            None => return is_settled(world, &course),
        }
    }
    is_settled(world, &course)
}

fn complained(course: &Course, person: Person) -> bool {
    let held = course.readers.get(person).and_then(Reader::held);
    course
        .log
        .iter()
        .any(|entry| matches!(entry, Entry::Control { by, said: Said::Complaint { commit }, .. } if *by == person && Some(*commit) == held))
}

/// Whoever is held by nothing agrees, the hostile one is out, and nobody is held who is a member still. Who is held and was
/// removed meanwhile is told so by mail.
fn is_settled(world: &World, course: &Course) -> bool {
    let inside = || world.honest().filter_map(|person| course.readers.get(person));
    let present = |reader: &Reader| reader.lineage().and_then(Lineage::present).map(|kept| kept.roster.clone());
    let Some(leader) = inside().find(|reader| reader.lineage().is_some() && reader.held().is_none()) else {
        return false;
    };
    let Some(roster) = present(leader) else {
        return false;
    };
    let agrees = |reader: &Reader| reader.lineage().is_some() && reader.held().is_none() && reader.chain == leader.chain;
    role(&roster, name(world.hostile)).is_none() && inside().filter(|reader| role(&roster, name(reader.me)).is_some()).all(agrees)
}

impl Model for World {
    type State = Course;
    type Action = Entry;

    fn init_states(&self) -> Vec<Course> {
        vec![self.first()]
    }

    fn actions(&self, course: &Course, entries: &mut Vec<Entry>) {
        if course.log.len() >= self.entries {
            return;
        }
        for person in self.honest() {
            self.honestly(course, person, entries);
        }
        self.hostilely(course, entries);
        let late: Vec<Entry> = course.late.iter().filter(|late| !entries.contains(late)).cloned().collect();
        entries.extend(late);
    }

    fn next_state(&self, course: &Course, entry: Entry) -> Option<Course> {
        let complaint = matches!(entry, Entry::Control { said: Said::Complaint { .. }, by, .. } if !complained(course, by));
        let next = course.append(self, entry);
        // What nobody sees a difference by is as if it were not there.
        (complaint || next.differs(course)).then_some(next)
    }

    fn properties(&self) -> Vec<Property<World>> {
        vec![
            Property::always("one history", one_history),
            Property::always("no commit outruns an order", no_commit_outruns_an_order),
            Property::always("settles", settles),
            Property::sometimes("a void takes a commit back", |_: &World, course: &Course| {
                course.log.iter().any(|entry| matches!(entry, Entry::Control { said: Said::Void { .. }, .. }))
            }),
            Property::sometimes("a member is held", |world: &World, course: &Course| {
                world.honest().any(|person| course.readers[person].held().is_some())
            }),
            Property::sometimes("the hostile one is removed", |world: &World, course: &Course| {
                course.readers[0]
                    .lineage()
                    .and_then(Lineage::present)
                    .is_some_and(|present| role(&present.roster, name(world.hostile)).is_none())
            }),
            Property::sometimes("somebody held is brought back in", |world: &World, course: &Course| {
                course.log.iter().any(|entry| matches!(entry, Entry::Commit(Commit { does: Does::Rejoin(who), .. }) if course.readers[*who].lineage().is_some() && course.readers[*who].held().is_none() && *who != world.hostile))
            }),
            Property::sometimes("an honest member is out", |world: &World, course: &Course| {
                world.honest().any(|person| course.readers[person].standing == Standing::Out)
            }),
        ]
    }
}
