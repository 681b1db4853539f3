//! Data in memory whose changes can be taken back until they are committed.

use std::collections::BTreeMap;

type Step<T> = Box<dyn FnOnce(&mut T) + Send>;

/// Names one map of the data.
type Part<T, K, V> = fn(&mut T) -> &mut BTreeMap<K, V>;

/// Data, with the way back to how it was at the last commit.
#[derive(Default)]
pub(crate) struct Undo<T> {
    /// How it is now. To be changed by the methods here, or together with a [`Undo::step`].
    pub(crate) data: T,
    /// How to take back what is not committed, newest last.
    steps: Vec<Step<T>>,
}

impl<T: 'static> Undo<T> {
    /// Puts a value into a map; gives the one that was there.
    pub(crate) fn insert<K, V>(&mut self, part: Part<T, K, V>, key: K, value: V) -> Option<V>
    where
        K: Ord + Clone + Send + 'static,
        V: Clone + Send + 'static,
    {
        let before = part(&mut self.data).insert(key.clone(), value);
        let back = before.clone();
        self.step(move |data| {
            match back {
                Some(value) => part(data).insert(key, value),
                None => part(data).remove(&key),
            };
        });
        before
    }

    /// Takes a value out of a map; says whether it was there.
    pub(crate) fn remove<K, V>(&mut self, part: Part<T, K, V>, key: K) -> bool
    where
        K: Ord + Send + 'static,
        V: Send + 'static,
    {
        let Some(value) = part(&mut self.data).remove(&key) else {
            return false;
        };
        self.step(move |data| {
            part(data).insert(key, value);
        });
        true
    }

    /// Says how to take back a change that was made to [`Undo::data`] just now.
    pub(crate) fn step(&mut self, step: impl FnOnce(&mut T) + Send + 'static) {
        self.steps.push(Box::new(step));
    }

    /// Keeps everything since the last commit.
    pub(crate) fn commit(&mut self) {
        self.steps.clear();
    }

    /// Takes back everything since the last commit.
    pub(crate) fn roll_back(&mut self) {
        while let Some(step) = self.steps.pop() {
            step(&mut self.data);
        }
    }
}
