//! Makes an event of a draft: prices, redacts, fingerprints. Runs on the recorder's thread.

use crate::fingerprint::fingerprint;
use crate::places::frames;
use crate::texts::{self, TextMode, Texts};
use campanile_core::{
    Attempt, AttemptDraft, Billed, CallEvent, Content, Cost, Evidence, Failure, FailureReport,
    Meter, Name, Outcome, Price, Reason, Record, Redact, Redacted, Redactions, Span, Terms, Timing,
    Usage,
};
use campanile_redact::IdGuard;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What sealing needs.
pub(crate) struct Sealer {
    pub(crate) prices: Option<Box<dyn Price>>,
    pub(crate) redactor: Box<dyn Redact>,
    /// What is written of texts.
    pub(crate) texts: Texts,
    /// Looks at names that others chose.
    pub(crate) guard: Arc<IdGuard>,
}

impl Sealer {
    /// The event of a closed call.
    pub(crate) fn call(&self, record: &Record) -> CallEvent {
        let waited = record.waited();
        let opened = record.opened();
        record.draft(|draft| {
            let mut event = CallEvent::new(
                record.id(),
                record.stage().clone(),
                record.started_at(),
                draft.outcome.unwrap_or(Outcome::Cancelled),
            );
            event.session = record.turn().map(|turn| turn.session().id().clone());
            event.turn = record
                .turn()
                .map(campanile_core::Turn::number)
                .filter(|n| *n > 0);
            event.reason = draft.reason.as_ref().map(|name| self.name(name));
            event.spoken = draft.spoken;
            event.labels = self.labels(&draft.labels);
            event.observer_failed = draft.observer_failed;
            let ended = draft.ended.unwrap_or(opened);
            event.timing = Some(call_timing(
                &draft.attempts,
                opened,
                waited,
                ended.since(opened),
            ));
            for attempt in &draft.attempts {
                event
                    .attempts
                    .push(self.attempt(record, attempt, &mut event.redactions));
            }
            event.failure = draft
                .failure
                .as_ref()
                .map(|failure| self.failure(record.stage(), failure, &mut event.redactions));
            event.excerpt = draft
                .text
                .as_ref()
                .filter(|_| self.texts.content == TextMode::Redacted)
                .map(|text| self.redact(text, &mut event.redactions));
            sum(&mut event);
            event
        })
    }

    /// One attempt, as far as it has come.
    pub(crate) fn attempt(
        &self,
        record: &Record,
        draft: &AttemptDraft,
        redactions: &mut Redactions,
    ) -> Attempt {
        let mut attempt = Attempt::new(draft.n);
        let served = &draft.served;
        let guarded = |name: &Option<Name>| name.as_ref().map(|name| self.name(name));
        attempt.provider = guarded(&served.provider);
        attempt.model = served.priced_model().map(|name| self.name(name));
        attempt.requested_model =
            guarded(&served.requested).filter(|name| Some(name) != attempt.model.as_ref());
        attempt.request_id = guarded(&served.request_id);
        attempt.language = guarded(&served.language);
        attempt.terms = self.terms(&served.terms);
        attempt.timing = attempt_timing(draft, record.opened());
        attempt.outcome = draft.outcome;
        let failure = draft.failure.as_ref();
        attempt.failure = failure.map(|failure| self.failure(record.stage(), failure, redactions));
        let usage = match draft.reads_on {
            true => draft.live.tally.unfinished(),
            false => draft.live.tally.snapshot(),
        };
        if !usage.is_empty() {
            let cost = self.cost(&attempt, &usage, record);
            // An open connection by itself is usage where it is what is billed.
            let counts =
                !is_bare(&usage) || cost.as_ref().is_some_and(|cost| cost.at_most.is_some());
            (attempt.cost, attempt.usage) = (cost, Some(usage));
            if !counts {
                (attempt.cost, attempt.usage) = (None, None);
            }
        }
        attempt
    }

    fn cost(&self, attempt: &Attempt, usage: &Usage, record: &Record) -> Option<Cost> {
        let prices = self.prices.as_ref()?;
        let provider = attempt.provider.as_deref().unwrap_or_default();
        let model = attempt.model.as_deref().unwrap_or_default();
        let billed = Billed::new(provider, model, usage, &attempt.terms, record.started_at());
        // A price function may be a user's.
        let cost = catch_unwind(AssertUnwindSafe(|| prices.amount(&billed)));
        Some(cost.unwrap_or_else(|_| Cost::unknown(Reason::PricingFailed)))
    }

    fn failure(
        &self,
        stage: &str,
        failure: &Failure,
        redactions: &mut Redactions,
    ) -> FailureReport {
        let print = fingerprint(stage, failure.kind, failure.code.as_ref(), &failure.chain);
        let mut report = FailureReport::new(failure.kind, print);
        report.code = failure.code.as_ref().map(|code| self.name(code));
        report.retryable = failure.retryable;
        report.retry_after = failure.retry_after.map(Span::from);
        report.chain = failure
            .chain
            .iter()
            .filter_map(|cause| texts::cause(self.texts.errors, cause, &*self.redactor, redactions))
            .collect();
        report.backtrace = failure
            .backtrace
            .as_ref()
            .filter(|_| self.texts.errors < TextMode::Drop)
            .map(|text| Content::new(frames(text.expose_content())))
            .map(|frames| self.redact(&frames, redactions));
        report
    }

    /// A name as it may be written: what others chose may be a telephone number or a key.
    fn name(&self, name: &Name) -> Name {
        if name.is_static() {
            return name.clone();
        }
        match self.guard.checked(name) {
            Cow::Borrowed(_) => name.clone(),
            Cow::Owned(other) => Name::outside(&other).unwrap_or_default(),
        }
    }

    fn terms(&self, terms: &Terms) -> Terms {
        let mut terms = terms.clone();
        let named = [
            &mut terms.tier,
            &mut terms.region,
            &mut terms.voice,
            &mut terms.plan,
        ];
        let addons = terms.addons.iter_mut();
        for name in named.into_iter().flatten().chain(addons) {
            *name = self.name(name);
        }
        terms
    }

    /// The labels of a stage as they may be written.
    pub(crate) fn labels(&self, labels: &[(&'static str, Name)]) -> Vec<(&'static str, Name)> {
        let guarded = |(label, name): &(&'static str, Name)| (*label, self.name(name));
        labels.iter().map(guarded).collect()
    }

    /// Text of a class as it may be written.
    pub(crate) fn written(
        &self,
        mode: TextMode,
        text: &Content,
        redactions: &mut Redactions,
    ) -> Option<Redacted> {
        texts::written(mode, text, &*self.redactor, redactions)
    }

    /// Text as it may be written.
    pub(crate) fn redact(&self, text: &Content, redactions: &mut Redactions) -> Redacted {
        Redacted::new(text, &*self.redactor, redactions)
    }
}

/// Whether all that is known is for how long a connection was open, by our own clock.
fn is_bare(usage: &Usage) -> bool {
    usage
        .iter()
        .all(|(meter, count)| meter == Meter::SocketUs && count.evidence == Evidence::Measured)
}

/// Usage and cost of all attempts.
fn sum(event: &mut CallEvent) {
    for attempt in &event.attempts {
        if let Some(usage) = &attempt.usage {
            event.usage.get_or_insert_default().absorb(usage);
        }
        if let Some(cost) = &attempt.cost {
            event.cost.get_or_insert_with(Cost::nothing).absorb(cost);
        }
    }
}

fn call_timing(
    attempts: &[AttemptDraft],
    opened: campanile_core::Tick,
    waited: Span,
    elapsed: Span,
) -> Timing {
    let mut timing = Timing::default();
    timing.elapsed = elapsed;
    let started = attempts.iter().filter_map(|attempt| attempt.started).min();
    timing.queued = started.map(|started| waited + started.since(opened));
    // The piece that reached the caller came with the last attempt that gave one.
    let answered = attempts
        .iter()
        .rev()
        .find(|attempt| attempt.first_item.is_some());
    timing.first_item = answered.and_then(|attempt| {
        let tries_before = attempt.started?.since(started?);
        Some(tries_before + attempt.first_item?)
    });
    timing.items = attempts
        .iter()
        .filter_map(|attempt| attempt.items)
        .reduce(|a, b| a + b);
    timing.longest_gap = attempts
        .iter()
        .filter_map(|attempt| attempt.longest_gap)
        .max();
    timing.sent = attempts
        .iter()
        .map(|attempt| attempt.live.sent_items())
        .sum();
    timing
}

fn attempt_timing(draft: &AttemptDraft, opened: campanile_core::Tick) -> Option<Timing> {
    let mut timing = Timing::default();
    timing.queued = Some(draft.started?.since(opened));
    timing.first_item = draft.first_item;
    timing.elapsed = draft.elapsed?;
    timing.items = draft.items;
    timing.longest_gap = draft.longest_gap;
    timing.sent = draft.live.sent_items();
    Some(timing)
}
