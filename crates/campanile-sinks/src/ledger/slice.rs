//! Slices: the sums of some calls of one hour, by stage, provider, model, outcome and labels.

use super::{
    codec::{Pack, Unpack},
    place::{Groups, Place, Times},
    row::{Labels, outcome_of},
    sketch::Sketch,
    span::HOUR_US,
    sum::{Portion, Sum},
};
use campanile_core::{Outcome, Timing};
use std::collections::HashMap;

/// More sums than this are too many: labels that are nearly as many as calls are left out.
const MAX_SUMS: usize = 2_048;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    stage: i64,
    provider: Option<i64>,
    model: Option<i64>,
    outcome: Option<Outcome>,
    /// Which of the slice's sets of labels; zero is the empty one.
    labels: usize,
}

/// Sums calls of one hour.
#[derive(Debug, Default)]
pub(crate) struct SliceSums {
    groups: Groups<Key, (Sum, Times)>,
    labels: Vec<Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, usize>,
    /// There were too many.
    without_labels: bool,
    /// When the first and the last call began, in microseconds of the hour.
    began: Option<(u64, u64)>,
}

impl SliceSums {
    pub(crate) fn part(&mut self, place: &Place<'_>, part: Portion<'_>) {
        self.of(place).0.part(part);
    }

    pub(crate) fn call(&mut self, place: &Place<'_>, timing: Option<&Timing>) {
        let at = place.at.rem_euclid(HOUR_US) as u64;
        let (first, last) = self.began.unwrap_or((at, at));
        self.began = Some((first.min(at), last.max(at)));
        let (sum, times) = self.of(place);
        sum.call(place.outcome);
        if let Some(timing) = timing {
            times.call(timing);
        }
    }

    fn of(&mut self, place: &Place<'_>) -> &mut (Sum, Times) {
        if self.groups.sums.len() > MAX_SUMS && !self.without_labels {
            self.forget_labels();
        }
        let key = Key {
            stage: place.stage,
            provider: place.provider,
            model: place.model,
            outcome: place.outcome,
            labels: self.label_set(place.labels),
        };
        self.groups.of(&key)
    }

    fn label_set(&mut self, labels: Labels<'_>) -> usize {
        if labels.0.is_empty() || self.without_labels {
            return 0;
        }
        if let Some(&number) = self.numbers.get(labels.0) {
            return number;
        }
        self.labels.push(labels.0.into());
        self.numbers.insert(labels.0.into(), self.labels.len());
        self.labels.len()
    }

    fn forget_labels(&mut self) {
        self.without_labels = true;
        self.labels.clear();
        self.numbers.clear();
        let groups = std::mem::take(&mut self.groups);
        for (key, (sum, times)) in groups.keys.into_iter().zip(groups.sums) {
            let all = self.groups.of(&Key { labels: 0, ..key });
            all.0.absorb(&sum);
            all.1.absorb(&times);
        }
    }

    /// What the columns `sums` and `times` hold.
    pub(crate) fn pack(&self) -> (Vec<u8>, Vec<u8>) {
        let (mut sums, mut times) = (Vec::new(), Vec::new());
        sums.push(u8::from(self.without_labels));
        let (first, last) = self.began.unwrap_or_default();
        sums.uint(first);
        sums.uint(last);
        sums.uint(self.labels.len() as u64);
        for labels in &self.labels {
            sums.blob(labels);
        }
        let mut packed = Vec::new();
        for (key, (sum, spent)) in self.groups.keys.iter().zip(&self.groups.sums) {
            sums.int(key.stage);
            for id in [key.provider, key.model] {
                sums.uint(id.map_or(0, |id| id as u64 + 1));
            }
            sums.push(key.outcome.map_or(0, |outcome| outcome as u8 + 1));
            sums.uint(key.labels as u64);
            packed.clear();
            sum.pack(&mut packed);
            sums.blob(&packed);
            for sketch in [&spent.queued, &spent.first_item, &spent.elapsed] {
                sketch.pack(&mut times);
            }
        }
        (sums, times)
    }
}

/// Reads the column `sums`, one place after the other.
pub(crate) struct SliceReader<'a> {
    from: Unpack<'a>,
    labels: Vec<Labels<'a>>,
    pub(crate) without_labels: bool,
    /// When its first and its last call began.
    pub(crate) began: (i64, i64),
}

impl<'a> SliceReader<'a> {
    /// `at` is the beginning of the hour.
    pub(crate) fn new(sums: &'a [u8], at: i64) -> Option<Self> {
        let mut from = Unpack(sums);
        let without_labels = from.byte()? != 0;
        let mut moment = || Some(at.saturating_add(i64::try_from(from.uint()?).ok()?));
        let began = (moment()?, moment()?);
        let mut labels = vec![Labels::default()];
        for _ in 0..from.uint()? {
            labels.push(Labels(from.blob()?));
        }
        Some(Self {
            from,
            labels,
            without_labels,
            began,
        })
    }

    /// The next sum. `None`: that was the last one; an inner `None`: it makes no sense.
    pub(crate) fn next(&mut self) -> Option<Option<(Place<'a>, Sum)>> {
        (!self.from.0.is_empty()).then(|| self.read())
    }

    fn read(&mut self) -> Option<(Place<'a>, Sum)> {
        let stage = self.from.int()?;
        let mut id = || {
            let id = self.from.uint()?;
            Some(id.checked_sub(1).and_then(|id| i64::try_from(id).ok()))
        };
        let (provider, model) = (id()?, id()?);
        let outcome = match self.from.byte()? {
            0 => None,
            number => Some(outcome_of(number - 1)?),
        };
        let labels = usize::try_from(self.from.uint()?).ok()?;
        let place = Place {
            // All that it stands for is asked for where this moment is.
            at: self.began.0,
            stage,
            session: None,
            provider,
            model,
            outcome,
            labels: *self.labels.get(labels)?,
        };
        Some((place, Sum::unpack(self.from.blob()?)?))
    }
}

/// Reads the sketches of the next place from the column `times`.
pub(crate) fn read_times(from: &mut Unpack<'_>) -> Option<Times> {
    Some(Times {
        queued: Sketch::unpack(from)?,
        first_item: Sketch::unpack(from)?,
        elapsed: Sketch::unpack(from)?,
    })
}
