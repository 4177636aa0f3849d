//! Sums by the dimensions of a query: by numbers while one file is read, by texts when those of several files are added up.

use super::query::{Dimension, Filter, Key, Query, Words, key_texts};
use crate::ledger::{
    place::{Groups, Place},
    store::Dictionary,
    sum::Sum,
};
use rusqlite::Connection;
use std::collections::BTreeMap;

/// What adds up.
pub(super) trait Absorb: Default {
    fn absorb(&mut self, other: &Self);
}

impl Absorb for Sum {
    fn absorb(&mut self, other: &Self) {
        Sum::absorb(self, other);
    }
}

/// Sums of one file, by the numbers of their keys there.
pub(super) struct Keyed<'a, V> {
    filter: &'a Filter<'a>,
    words: Words,
    groups: Groups<Key, V>,
}

impl<'a, V: Absorb> Keyed<'a, V> {
    pub(super) fn new(filter: &'a Filter<'a>) -> Self {
        Self {
            filter,
            words: Words::default(),
            groups: Groups::default(),
        }
    }

    pub(super) fn of(&mut self, place: &Place<'_>) -> &mut V {
        self.groups.of(&self.filter.key(place, &mut self.words))
    }

    /// The same by texts. Several keys may have one: a label that is empty, and none.
    pub(super) fn texts(
        &self,
        conn: &Connection,
        names: &Dictionary,
    ) -> rusqlite::Result<Grouped<V>> {
        let by = &self.filter.query.by;
        let sessions = match by.contains(&Dimension::Session) {
            true => self.filter.sessions(conn)?,
            false => Dictionary::default(),
        };
        let mut grouped = Grouped::default();
        for (key, sum) in self.groups.keys.iter().zip(&self.groups.sums) {
            grouped.one(key_texts(key, by, names, &sessions, &self.words), sum);
        }
        Ok(grouped)
    }
}

/// Sums by the texts of their keys, so that those of several files add up.
#[derive(Debug, Default)]
pub(super) struct Grouped<V>(BTreeMap<Vec<String>, V>);

impl<V: Absorb> Grouped<V> {
    fn one(&mut self, keys: Vec<String>, sum: &V) {
        self.0.entry(keys).or_default().absorb(sum);
    }

    pub(super) fn add(&mut self, other: Self) {
        other
            .0
            .into_iter()
            .for_each(|(keys, sum)| self.one(keys, &sum));
    }

    pub(super) fn total(&self) -> V {
        let mut total = V::default();
        self.0.values().for_each(|sum| total.absorb(sum));
        total
    }

    /// One row a key, in the order of the keys; none where only the total is asked for.
    pub(super) fn rows<R>(self, query: &Query, row: impl Fn(Vec<String>, &V) -> R) -> Vec<R> {
        let rows = self.0.into_iter().filter(|_| !query.by.is_empty());
        rows.map(|(keys, sum)| row(keys, &sum)).collect()
    }
}
