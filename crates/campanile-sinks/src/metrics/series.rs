//! Handles, looked up once and kept; and how many there may be.

use super::{METADATA, definitions as names, labels, micro_dollars};
use ::metrics::{Counter, Histogram, Key, Label, Recorder};
use campanile_core::{Attempt, Meter, Money, Name, Usage};
use std::collections::HashMap;

static OTHER: Name = Name::from_static("other");
static NONE: Name = Name::from_static("none");

/// Whose call or attempt it was, as the event has it.
#[derive(Clone, Copy)]
pub(super) struct Whose<'a> {
    stage: &'a Name,
    provider: &'a Name,
    model: &'a Name,
    outcome: &'static str,
}

impl<'a> Whose<'a> {
    pub(super) fn new(
        stage: &'a Name,
        attempt: Option<&'a Attempt>,
        outcome: &'static str,
    ) -> Self {
        let provider = attempt.and_then(|attempt| attempt.provider.as_ref());
        let model = attempt.and_then(|attempt| attempt.model.as_ref());
        Self {
            stage,
            provider: provider.unwrap_or(&NONE),
            model: model.unwrap_or(&NONE),
            outcome,
        }
    }

    fn is(self, who: &Who) -> bool {
        self.outcome == who.outcome
            && *self.stage == who.stage
            && *self.model == who.model
            && *self.provider == who.provider
    }

    fn to_who(self) -> Who {
        Who {
            stage: self.stage.clone(),
            provider: self.provider.clone(),
            model: self.model.clone(),
            outcome: self.outcome,
        }
    }
}

/// [`Whose`], kept.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Who {
    stage: Name,
    provider: Name,
    model: Name,
    outcome: &'static str,
}

impl Who {
    fn other(&self) -> Self {
        Self {
            stage: OTHER.clone(),
            provider: OTHER.clone(),
            model: OTHER.clone(),
            outcome: self.outcome,
        }
    }

    fn labels(&self) -> Vec<Label> {
        labels([
            ("stage", &self.stage),
            ("provider", &self.provider),
            ("model", &self.model),
            ("outcome", &Name::from(self.outcome)),
        ])
    }

    fn counter(&self, recorder: &dyn Recorder, name: &'static str) -> Counter {
        recorder.register_counter(&Key::from_parts(name, self.labels()), &METADATA)
    }

    fn histogram(&self, recorder: &dyn Recorder, name: &'static str) -> Histogram {
        recorder.register_histogram(&Key::from_parts(name, self.labels()), &METADATA)
    }
}

/// Handles of calls of one kind.
pub(super) struct Calls {
    pub(super) calls: Counter,
    pub(super) duration: Histogram,
    pub(super) first: Histogram,
    pub(super) queued: Histogram,
}

/// Handles of attempts of one kind.
pub(super) struct Attempts {
    who: Who,
    pub(super) attempts: Counter,
    pub(super) at_least: Sum,
    pub(super) at_most: Sum,
    pub(super) unbounded: Counter,
    tokens: [Histogram; 2],
    meters: [Option<Counter>; Meter::COUNT],
}

impl Attempts {
    fn new(recorder: &dyn Recorder, who: &Who) -> Self {
        let tokens = ["input", "output"].map(|side| {
            let mut labels = who.labels();
            labels.push(Label::from_static_parts("gen_ai.token.type", side));
            recorder.register_histogram(&Key::from_parts(names::TOKENS, labels), &METADATA)
        });
        Self {
            attempts: who.counter(recorder, names::ATTEMPTS),
            at_least: Sum::new(who.counter(recorder, names::COST_AT_LEAST)),
            at_most: Sum::new(who.counter(recorder, names::COST_AT_MOST)),
            unbounded: who.counter(recorder, names::COST_UNBOUNDED),
            tokens,
            meters: [const { None }; Meter::COUNT],
            who: who.clone(),
        }
    }

    pub(super) fn meter(&mut self, recorder: &dyn Recorder, meter: Meter) -> &Counter {
        let who = &self.who;
        self.meters[meter.index()]
            .get_or_insert_with(|| who.counter(recorder, names::of_meter(meter).name))
    }

    /// Input and output tokens, where somebody counted them.
    pub(super) fn tokens(&self, usage: &Usage) {
        let mut sums = [None; 2];
        for (meter, count) in usage.iter() {
            let side = match meter {
                Meter::OutputTokens
                | Meter::ReasoningTokens
                | Meter::AudioOutputTokens
                | Meter::ImageOutputTokens => 1,
                meter if meter.name().ends_with("_tokens") => 0,
                _ => continue,
            };
            sums[side] = Some(sums[side].unwrap_or(0_u64).saturating_add(count.at_least));
        }
        for (handle, sum) in self.tokens.iter().zip(sums) {
            if let Some(sum) = sum {
                handle.record(sum as f64);
            }
        }
    }
}

/// A counter of micro-dollars that loses nothing to rounding: the exact sum stands beside it.
pub(super) struct Sum {
    counter: Counter,
    exact: Money,
}

impl Sum {
    fn new(counter: Counter) -> Self {
        Self {
            counter,
            exact: Money::ZERO,
        }
    }

    pub(super) fn add(&mut self, amount: Money) {
        let Some(sum) = self.exact.checked_add(amount) else {
            return; // More money than there is.
        };
        let before = micro_dollars(self.exact);
        self.counter
            .increment(micro_dollars(sum).saturating_sub(before));
        self.exact = sum;
    }
}

/// How many were seen last: a bot has a few stages, and their calls take turns.
const RECENT: usize = 8;

/// Handles of all kinds of calls. Those that were seen last are found without hashing three names.
struct Kept<H> {
    handles: Vec<(Who, H)>,
    places: HashMap<Who, usize>,
    recent: [usize; RECENT],
    next: usize,
}

impl<H> Kept<H> {
    fn new() -> Self {
        Self {
            handles: Vec::new(),
            places: HashMap::new(),
            recent: [0; RECENT],
            next: 0,
        }
    }

    fn len(&self) -> usize {
        self.handles.len()
    }

    fn find(&mut self, whose: Whose<'_>) -> Option<usize> {
        let is = |at: usize| self.handles.get(at).is_some_and(|(who, _)| whose.is(who));
        if let Some(at) = self.recent.into_iter().find(|at| is(*at)) {
            return Some(at);
        }
        let at = *self.places.get(&whose.to_who())?;
        self.remember(at);
        Some(at)
    }

    /// The place of `who`, with new handles if there are none.
    fn take(&mut self, who: Who, make: impl FnOnce(&Who) -> H) -> usize {
        let at = match self.places.get(&who) {
            Some(at) => *at,
            None => {
                let at = self.handles.len();
                self.handles.push((who.clone(), make(&who)));
                self.places.insert(who, at);
                at
            }
        };
        self.remember(at);
        at
    }

    fn remember(&mut self, at: usize) {
        self.recent[self.next] = at;
        self.next = (self.next + 1) % RECENT;
    }
}

/// A metric and its labels, where a `Who` is too much.
type Plain = (&'static str, Vec<Name>);

pub(super) struct Series {
    most: usize,
    calls: Kept<Calls>,
    attempts: Kept<Attempts>,
    counters: HashMap<Plain, Counter>,
    histograms: HashMap<Plain, Histogram>,
    wasted: Option<Sum>,
}

impl Series {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            calls: Kept::new(),
            attempts: Kept::new(),
            counters: HashMap::new(),
            histograms: HashMap::new(),
            wasted: None,
        }
    }

    fn is_full(&self) -> bool {
        let sets = self.calls.len() + self.attempts.len();
        sets + self.counters.len() + self.histograms.len() >= self.most
    }

    fn overflowed(&self, recorder: &dyn Recorder) {
        recorder
            .register_counter(&Key::from_name(names::OVERFLOWED), &METADATA)
            .increment(1);
    }

    pub(super) fn calls(&mut self, recorder: &dyn Recorder, whose: Whose<'_>) -> &mut Calls {
        let at = match self.calls.find(whose) {
            Some(at) => at,
            None => {
                let who = self.admitted(recorder, whose);
                self.calls.take(who, |who| Calls {
                    calls: who.counter(recorder, names::CALLS),
                    duration: who.histogram(recorder, names::DURATION),
                    first: who.histogram(recorder, names::FIRST),
                    queued: who.histogram(recorder, names::QUEUED),
                })
            }
        };
        &mut self.calls.handles[at].1
    }

    /// Who a new one is counted as.
    fn admitted(&self, recorder: &dyn Recorder, whose: Whose<'_>) -> Who {
        let who = whose.to_who();
        if !self.is_full() {
            return who;
        }
        self.overflowed(recorder);
        who.other()
    }

    pub(super) fn attempts(&mut self, recorder: &dyn Recorder, whose: Whose<'_>) -> &mut Attempts {
        let at = match self.attempts.find(whose) {
            Some(at) => at,
            None => {
                let who = self.admitted(recorder, whose);
                self.attempts.take(who, |who| Attempts::new(recorder, who))
            }
        };
        &mut self.attempts.handles[at].1
    }

    fn plain<const N: usize>(
        &self,
        recorder: &dyn Recorder,
        name: &'static str,
        pairs: [(&'static str, &Name); N],
        is_known: impl Fn(&Plain) -> bool,
    ) -> (Plain, Key) {
        let plain = (name, pairs.map(|(_, value)| value.clone()).to_vec());
        if is_known(&plain) || !self.is_full() {
            return (plain, Key::from_parts(name, labels(pairs)));
        }
        self.overflowed(recorder);
        let others = pairs.map(|(label, _)| (label, &OTHER));
        let plain = (name, vec![OTHER.clone(); N]);
        (plain, Key::from_parts(name, labels(others)))
    }

    pub(super) fn counter<const N: usize>(
        &mut self,
        recorder: &dyn Recorder,
        name: &'static str,
        pairs: [(&'static str, &Name); N],
    ) -> &Counter {
        let known = |plain: &Plain| self.counters.contains_key(plain);
        let (plain, key) = self.plain(recorder, name, pairs, known);
        self.counters
            .entry(plain)
            .or_insert_with(|| recorder.register_counter(&key, &METADATA))
    }

    pub(super) fn histogram<const N: usize>(
        &mut self,
        recorder: &dyn Recorder,
        name: &'static str,
        pairs: [(&'static str, &Name); N],
    ) -> &Histogram {
        let known = |plain: &Plain| self.histograms.contains_key(plain);
        let (plain, key) = self.plain(recorder, name, pairs, known);
        self.histograms
            .entry(plain)
            .or_insert_with(|| recorder.register_histogram(&key, &METADATA))
    }

    pub(super) fn wasted(&mut self, recorder: &dyn Recorder) -> &mut Sum {
        self.wasted.get_or_insert_with(|| {
            let key = Key::from_name(names::COST_WASTED);
            Sum::new(recorder.register_counter(&key, &METADATA))
        })
    }
}
