//! What stands in place of a value: as many random ones of a type as there are, matched with them at random or by their rank.

use super::values::{Of, Values};
use std::collections::{BTreeMap, BTreeSet};
use thicket_types::name::{Name, NameKey, RegistrationToken, RelayAddress, Title};
use thicket_types::ports::Entropy;

/// Which random value stands for which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Matched {
    /// Any for any: nothing of the order is told.
    AtRandom,
    /// Those of one rank: what was less stays less.
    ByRank,
}

/// All values that a journal has, by their type.
#[derive(Default)]
pub(super) struct Collected {
    ids: BTreeMap<Of, BTreeSet<Vec<u8>>>,
    names: BTreeMap<NameKey, BTreeSet<String>>,
    addresses: BTreeSet<String>,
    tokens: BTreeSet<String>,
    titles: BTreeSet<String>,
    cursors: BTreeSet<u64>,
}

/// What each of them is replaced by.
pub(super) struct Table {
    ids: BTreeMap<Of, BTreeMap<Vec<u8>, Vec<u8>>>,
    names: BTreeMap<String, Name>,
    addresses: BTreeMap<String, RelayAddress>,
    tokens: BTreeMap<String, RegistrationToken>,
    titles: BTreeMap<String, Title>,
    cursors: BTreeMap<u64, u64>,
    missed: bool,
}

/// How many values of each type were replaced.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Replaced {
    /// Names, however often they occur; one in two spellings is one.
    pub names: usize,
    /// Addresses of relays.
    pub addresses: usize,
    /// Registration tokens.
    pub tokens: usize,
    /// Titles of groups.
    pub titles: usize,
    /// Ids, by what they are of.
    pub ids: BTreeMap<Of, usize>,
    /// Places in mailboxes.
    pub cursors: usize,
}

impl Values for Collected {
    fn id(&mut self, of: Of, bytes: &mut [u8]) {
        self.ids.entry(of).or_default().insert(bytes.to_vec());
    }

    fn name(&mut self, name: &mut Name) {
        self.names.entry(name.key()).or_default().insert(name.text().to_owned());
    }

    fn address(&mut self, address: &mut RelayAddress) {
        self.addresses.insert(address.text().to_owned());
    }

    fn token(&mut self, token: &mut RegistrationToken) {
        self.tokens.insert(token.text().to_owned());
    }

    fn title(&mut self, title: &mut Title) {
        self.titles.insert(title.text().to_owned());
    }

    fn cursor(&mut self, cursor: &mut u64) {
        self.cursors.insert(*cursor);
    }
}

impl Collected {
    pub(super) fn count(&self) -> Replaced {
        Replaced {
            names: self.names.len(),
            addresses: self.addresses.len(),
            tokens: self.tokens.len(),
            titles: self.titles.len(),
            ids: self.ids.iter().map(|(of, ids)| (*of, ids.len())).collect(),
            cursors: self.cursors.len(),
        }
    }

    /// Draws what they are replaced by. Places in a mailbox always have their rank: it is all that is kept of them.
    pub(super) fn draw(&self, matched: Matched, entropy: &mut dyn Entropy) -> Table {
        let ids = self.ids.iter().map(|(of, ids)| {
            let len = ids.iter().map(Vec::len).max().unwrap_or(0);
            let drawn = distinct(ids.len(), matched, || {
                let mut id = vec![0; len];
                entropy.fill(&mut id);
                id
            });
            (*of, ids.iter().cloned().zip(drawn).collect())
        });
        let ids = ids.collect();
        let texts = |count, entropy: &mut dyn Entropy| distinct(count, matched, || letters(entropy));
        let drawn = texts(self.names.len(), entropy);
        let names = self.names.values().zip(drawn).flat_map(|(spellings, drawn)| {
            // Two spellings of one name stay two of one name.
            let spelled = |at: usize| Name::parse(&spelling(&drawn, at)).ok();
            let pairs = spellings.iter().cloned().enumerate().filter_map(|(at, text)| Some((text, spelled(at)?)));
            pairs.collect::<Vec<_>>()
        });
        let names = names.collect();
        let drawn = texts(self.addresses.len(), entropy);
        let addresses = self.addresses.iter().cloned().zip(drawn);
        let addresses = addresses.filter_map(|(text, drawn)| Some((text, RelayAddress::parse(&format!("relay:{drawn}"))?))).collect();
        let drawn = texts(self.tokens.len(), entropy);
        let tokens = self.tokens.iter().cloned().zip(drawn);
        let tokens = tokens.filter_map(|(text, drawn)| Some((text, RegistrationToken::parse(&drawn)?))).collect();
        let drawn = texts(self.titles.len(), entropy);
        let titles = self.titles.iter().cloned().zip(drawn);
        let titles = titles.filter_map(|(text, drawn)| Some((text, Title::parse(&drawn)?))).collect();
        let cursors = self.cursors.iter().copied().zip(1..).collect();
        Table { ids, names, addresses, tokens, titles, cursors, missed: false }
    }
}

impl Table {
    /// Whether a value came by that was not collected. What it was is not there any more.
    pub(super) fn missed(&self) -> bool {
        self.missed
    }
}

impl Values for Table {
    fn id(&mut self, of: Of, bytes: &mut [u8]) {
        match self.ids.get(&of).and_then(|ids| ids.get(&*bytes)) {
            Some(drawn) if drawn.len() == bytes.len() => bytes.copy_from_slice(drawn),
            Some(_) | None => {
                bytes.fill(0);
                self.missed = true;
            }
        }
    }

    fn name(&mut self, name: &mut Name) {
        match self.names.get(name.text()) {
            Some(drawn) => *name = drawn.clone(),
            None => self.missed = true,
        }
    }

    fn address(&mut self, address: &mut RelayAddress) {
        match self.addresses.get(address.text()) {
            Some(drawn) => *address = drawn.clone(),
            None => self.missed = true,
        }
    }

    fn token(&mut self, token: &mut RegistrationToken) {
        match self.tokens.get(token.text()) {
            Some(drawn) => *token = drawn.clone(),
            None => self.missed = true,
        }
    }

    fn title(&mut self, title: &mut Title) {
        match self.titles.get(title.text()) {
            Some(drawn) => *title = drawn.clone(),
            None => self.missed = true,
        }
    }

    fn cursor(&mut self, cursor: &mut u64) {
        match self.cursors.get(cursor) {
            Some(rank) => *cursor = *rank,
            None => self.missed = true,
        }
    }
}

/// So many values, no two of them equal: in the order of their drawing, or in their own.
fn distinct<T: Ord + Clone>(count: usize, matched: Matched, mut draw: impl FnMut() -> T) -> Vec<T> {
    let (mut drawn, mut all) = (Vec::new(), BTreeSet::new());
    while drawn.len() < count {
        let value = draw();
        if all.insert(value.clone()) {
            drawn.push(value);
        }
    }
    if matched == Matched::ByRank { all.into_iter().collect() } else { drawn }
}

/// Every text has one length: what was long and what was short is not told.
fn letters(entropy: &mut dyn Entropy) -> String {
    let mut bytes = [0; LETTERS];
    entropy.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// One of the ways to write a name, by its number.
fn spelling(name: &str, number: usize) -> String {
    name.char_indices().map(|(at, letter)| if number >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter }).collect()
}

const LETTERS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    struct Counter(u8);

    impl Entropy for Counter {
        fn fill(&mut self, out: &mut [u8]) {
            out.iter_mut().for_each(|byte| {
                self.0 = self.0.wrapping_mul(137).wrapping_add(89);
                *byte = self.0;
            });
        }
    }

    #[test]
    fn what_is_drawn_stands_in_the_order_of_what_it_replaces() {
        let mut collected = Collected::default();
        let before: Vec<[u8; 20]> = [9, 3, 200, 4].map(|byte| [byte; 20]).into();
        before.iter().for_each(|id| collected.id(Of::Identity, &mut { *id }));
        collected.id(Of::Frame, &mut [3; 32]);
        let mut table = collected.draw(Matched::ByRank, &mut Counter(1));
        let after: Vec<[u8; 20]> = before
            .iter()
            .copied()
            .map(|mut id| {
                table.id(Of::Identity, &mut id);
                id
            })
            .collect();
        for one in 0..4 {
            for other in 0..4 {
                assert_eq!(before[one].cmp(&before[other]), after[one].cmp(&after[other]));
            }
        }
        assert!(!table.missed() && before.iter().all(|id| !after.contains(id)));
        // What was never seen is not let through.
        let mut other = [77; 20];
        table.id(Of::Identity, &mut other);
        assert!(table.missed() && other == [0; 20]);
    }

    #[test]
    fn what_is_matched_at_random_is_in_no_order_and_stays_apart() {
        let before: Vec<[u8; 20]> = (1..=32).map(|byte| [byte; 20]).collect();
        let mut collected = Collected::default();
        before.iter().for_each(|id| collected.id(Of::Identity, &mut { *id }));
        let ranks = |matched, from| {
            let mut table = collected.draw(matched, &mut Counter(from));
            let mut after = before.clone();
            after.iter_mut().for_each(|id| table.id(Of::Identity, id));
            let sorted = BTreeSet::from_iter(after.iter().copied());
            assert_eq!(sorted.len(), before.len());
            after.iter().map(|id| sorted.iter().position(|other| other == id)).collect::<Vec<_>>()
        };
        let in_order = ranks(Matched::ByRank, 1);
        assert!(in_order.is_sorted());
        let [one, other] = [1, 100].map(|from| ranks(Matched::AtRandom, from));
        assert!(one != in_order && other != in_order && one != other);
    }

    #[test]
    fn names_have_one_length_and_two_spellings_of_one_stay_one_name() {
        let name = |text: &str| Name::parse(text).expect("a name");
        let texts = ["bo", "Bo", "BO", "a-very-long-name-of-somebody"];
        let mut collected = Collected::default();
        texts.iter().for_each(|text| collected.name(&mut name(text)));
        assert_eq!(collected.count().names, 2);
        let mut table = collected.draw(Matched::AtRandom, &mut Counter(7));
        let after: Vec<Name> = texts
            .iter()
            .map(|text| {
                let mut name = name(text);
                table.name(&mut name);
                name
            })
            .collect();
        assert!(!table.missed() && after.iter().all(|name| name.text().len() == LETTERS));
        assert_eq!(BTreeSet::from_iter(after.iter().map(Name::text)).len(), 4);
        assert_eq!(after.iter().map(|name| name.key() == after[0].key()).collect::<Vec<_>>(), [true, true, true, false]);
    }
}
