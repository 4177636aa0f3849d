//! What sums are about: hour, stage, provider, model, outcome, labels; and sums by some of these.

use super::{numbers::Quick, row::Labels, sketch::Sketch};
use campanile_core::{Outcome, Timing};
use std::collections::HashMap;

/// What one attempt, call or sum is about, in the numbers of its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) at: i64,
    pub(crate) stage: i64,
    pub(crate) session: Option<i64>,
    pub(crate) provider: Option<i64>,
    pub(crate) model: Option<i64>,
    /// `None`: it is open.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) labels: Labels<'a>,
}

/// Where times of calls went: in a queue, to the first item, to the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Times {
    pub(crate) queued: Sketch,
    pub(crate) first_item: Sketch,
    pub(crate) elapsed: Sketch,
}

impl Times {
    pub(crate) fn call(&mut self, timing: &Timing) {
        self.elapsed.add(timing.elapsed.us());
        let maybe = [
            (&mut self.queued, timing.queued),
            (&mut self.first_item, timing.first_item),
        ];
        for (sketch, span) in maybe {
            if let Some(span) = span {
                sketch.add(span.us());
            }
        }
    }

    pub(crate) fn absorb(&mut self, other: &Times) {
        self.queued.absorb(&other.queued);
        self.first_item.absorb(&other.first_item);
        self.elapsed.absorb(&other.elapsed);
    }
}

/// Sums by key; the last one is at hand, since neighbours are alike.
#[derive(Debug)]
pub(crate) struct Groups<K, T> {
    at: HashMap<K, usize, Quick>,
    pub(crate) keys: Vec<K>,
    pub(crate) sums: Vec<T>,
    last: usize,
}

impl<K, T> Default for Groups<K, T> {
    fn default() -> Self {
        Self {
            at: HashMap::default(),
            keys: Vec::new(),
            sums: Vec::new(),
            last: 0,
        }
    }
}

impl<K: Clone + Eq + std::hash::Hash, T: Default> Groups<K, T> {
    pub(crate) fn of(&mut self, key: &K) -> &mut T {
        if self.keys.get(self.last) != Some(key) {
            self.last = match self.at.get(key) {
                Some(&at) => at,
                None => {
                    self.at.insert(key.clone(), self.keys.len());
                    self.keys.push(key.clone());
                    self.sums.push(T::default());
                    self.keys.len() - 1
                }
            };
        }
        &mut self.sums[self.last]
    }
}
