//! What waits to be written: bytes of rows in chunks, and, once the budget is used up, sums.
//!
//! The lock around it is held for the time of an encoding, never for that of IO: the writer takes whole chunks.

use super::{
    Entry, LedgerErrorKind,
    ack::Slot,
    codec::{Pack, Unpack},
    row::{CallRow, FailureTexts, PartRow, Scratch, SessionEdge, TurnRow},
    store::Job,
    sum::{Portion, Sum},
    writer::instant,
};
use campanile_core::{AlertEvent, CALL_REV, CallEvent, Event, FailureReport, Outcome, UsageEvent};
use std::{
    collections::{HashMap, HashSet, VecDeque, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
    sync::Arc,
    time::{Duration, Instant},
};

/// A chunk is closed once it is as long as this.
const CHUNK_BYTES: usize = 256 * 1024;
/// How many chunks one transaction takes.
const BATCH_CHUNKS: usize = 16;
/// Folded calls that are remembered, to know what comes late for them.
const REMEMBERED: usize = 1 << 18;
/// Failures whose texts were handed over already.
const KNOWN_FAILURES: usize = 4096;

/// What an entry of a chunk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Call,
    Usage,
    Turn,
    Session,
    Alert,
    Texts,
    /// A call behind an id from outside; somebody waits for the answer.
    Append,
    /// An alert; somebody waits for the answer.
    Raise,
}

const KINDS: [Kind; 8] = [
    Kind::Call,
    Kind::Usage,
    Kind::Turn,
    Kind::Session,
    Kind::Alert,
    Kind::Texts,
    Kind::Append,
    Kind::Raise,
];

impl Kind {
    pub(super) fn is_acknowledged(self) -> bool {
        matches!(self, Kind::Append | Kind::Raise)
    }

    /// Whether it touches rows of calls or parts: its place among the calls matters.
    pub(super) fn is_about_calls(self) -> bool {
        matches!(self, Kind::Call | Kind::Usage | Kind::Append)
    }
}

/// Encoded entries, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    bytes: Vec<u8>,
    pub(super) entries: u64,
    pub(super) slots: Vec<(Arc<Slot>, usize)>,
}

impl Chunk {
    /// Adds one entry: its kind, its length, what `fill` writes.
    fn push(&mut self, kind: Kind, fill: impl FnOnce(&mut Vec<u8>)) {
        self.bytes.push(kind as u8);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        fill(&mut self.bytes);
        let len = (self.bytes.len() - start - 4) as u32;
        self.bytes[start..start + 4].copy_from_slice(&len.to_le_bytes());
        self.entries += 1;
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let mut from = Unpack(&self.bytes);
        std::iter::from_fn(move || {
            let kind = *KINDS.get(usize::from(from.byte()?))?;
            let len = u32::from_le_bytes(from.take(4)?.try_into().ok()?);
            Some((kind, from.take(len as usize)?))
        })
    }
}

/// What one transaction writes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) chunks: Vec<Chunk>,
    pub(super) folds: Vec<Fold>,
    /// Events in it.
    pub(super) events: u64,
}

/// Who waits for a batch that is given up is told so.
impl Drop for Batch {
    fn drop(&mut self) {
        for (slot, _) in self.chunks.iter().flat_map(|chunk| &chunk.slots) {
            slot.close();
        }
    }
}

/// Which sum a call is folded into.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct FoldKey {
    pub(super) hour: i64,
    pub(super) stage: Box<str>,
    pub(super) provider: Option<Box<str>>,
    pub(super) model: Option<Box<str>>,
    pub(super) outcome: Outcome,
}

/// A sum, under a number that no other sum of its run has.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) seq: i64,
    pub(super) key: FoldKey,
    pub(super) sum: Sum,
}

/// Counters of a ledger, since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LedgerState {
    /// Events that were handed over.
    pub recorded: u64,
    /// Of these, events that are written as the durability says, or of which it is settled that they are not: `skipped`,
    /// `dropped` and `refused` ones.
    pub written: u64,
    /// Calls that were folded into sums, because memory was full.
    pub folded: u64,
    /// Usage that says less than what was folded already, or nothing that its call will not say again.
    pub skipped: u64,
    /// Turns and other events that sum nothing, which did not fit.
    pub dropped: u64,
    /// Calls, usage and turns that began before what is archived, and could not be told apart from what is there.
    pub refused: u64,
    /// Bytes that wait.
    pub waiting_bytes: u64,
    /// Transactions.
    pub commits: u64,
    /// Tries to write that failed.
    pub errors: u64,
    /// Why it cannot write at the moment.
    pub degraded: Option<LedgerErrorKind>,
}

/// Everything under the lock.
#[derive(Debug)]
pub(super) struct Buffer {
    chunks: VecDeque<Chunk>,
    spare: Vec<Chunk>,
    bytes: usize,
    /// Bytes of the batch that the writer has taken.
    in_flight: usize,
    budget: usize,
    scratch: Scratch,
    folds: HashMap<FoldKey, Sum>,
    /// Events that were folded and are not taken.
    folding: u64,
    fold_seq: i64,
    folded_calls: HashSet<u128>,
    /// Open calls with parts that were handed over.
    with_parts: HashSet<u128>,
    known_failures: HashSet<u64>,
    pub(super) state: LedgerState,
    pub(super) stop: bool,
    /// Until when a closed ledger tries to write what waits.
    pub(super) stop_at: Option<Instant>,
    /// Somebody waits: commit at once.
    pub(super) urgent: bool,
    /// The writer sleeps until it is woken.
    pub(super) asleep: bool,
    /// The writer is gone.
    pub(super) gone: bool,
    /// A closed ledger builds its sums before it ends.
    pub(super) settle: bool,
    /// A closed ledger has written all.
    pub(super) drained: bool,
    /// The roller is done.
    pub(super) rolled: bool,
    /// What the roller wants to be written, and since when.
    pub(super) job: Option<(Job, Instant)>,
    /// Whether it was done; an inner `None`: it failed.
    pub(super) answer: Option<Option<bool>>,
    /// When events were written last,
    pub(super) wrote_at: Instant,
    /// and when about calls of which hours.
    pub(super) hours: HashMap<i64, Instant>,
}

impl Buffer {
    pub(super) fn new(budget: usize, sums: bool) -> Self {
        Self {
            chunks: VecDeque::new(),
            spare: Vec::new(),
            bytes: 0,
            in_flight: 0,
            budget,
            scratch: Scratch::default(),
            folds: HashMap::new(),
            folding: 0,
            fold_seq: 0,
            folded_calls: HashSet::new(),
            with_parts: HashSet::new(),
            known_failures: HashSet::new(),
            state: LedgerState::default(),
            stop: false,
            stop_at: None,
            urgent: false,
            asleep: false,
            gone: false,
            settle: false,
            drained: false,
            rolled: !sums,
            job: None,
            answer: None,
            wrote_at: instant(),
            hours: HashMap::new(),
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.bytes + self.in_flight
    }

    pub(super) fn is_full(&self) -> bool {
        self.waiting() >= self.budget
    }

    pub(super) fn is_empty(&self) -> bool {
        self.chunks.is_empty() && self.folds.is_empty()
    }

    /// Takes one event. `false`: it is none of the ledger's.
    pub(super) fn record(&mut self, event: &Event) -> bool {
        match event {
            Event::Call(call) => self.record_call(call),
            Event::Usage(usage) => self.record_usage(usage),
            Event::Turn(turn) => self.uncounted(Kind::Turn, |out| TurnRow::of(turn).pack(out)),
            Event::Session(session) => {
                self.uncounted(Kind::Session, |out| SessionEdge::of(session).pack(out))
            }
            Event::Alert(alert) => self.uncounted(Kind::Alert, |out| pack_alert(out, alert)),
            _ => return false,
        }
        self.state.recorded += 1;
        true
    }

    fn record_call(&mut self, call: &CallEvent) {
        let has_rows = !self.with_parts.is_empty() && self.with_parts.remove(&call.id.0);
        if !self.folded_calls.is_empty() && self.folded_calls.contains(&call.id.0) {
            self.pass(true);
        } else if self.is_full() && !has_rows {
            self.fold_call(call);
        } else {
            // Also above the budget where checkpoints of the call were handed over: they must be replaced, and
            // there are no more of these than calls that were open.
            self.push_call(Kind::Call, call, None);
        }
    }

    fn record_usage(&mut self, usage: &UsageEvent) {
        let late = usage.rev > CALL_REV;
        let folded = !self.folded_calls.is_empty() && self.folded_calls.contains(&usage.call.0);
        // The sum that a call went into holds bounds that are true all the same. And what a checkpoint says, the
        // end of its call will say again; a process that dies before loses both.
        let known = late || self.with_parts.contains(&usage.call.0);
        if folded || (self.is_full() && !known) || self.waiting() > self.limit() {
            return self.pass(true);
        }
        if usage.rev < CALL_REV {
            self.with_parts.insert(usage.call.0);
        }
        let Self {
            chunks,
            spare,
            scratch,
            bytes,
            ..
        } = self;
        push(chunks, spare, bytes, Kind::Usage, |out| {
            CallRow::open(usage).pack(out);
            PartRow::of_usage(usage, scratch).pack(out);
        });
        self.texts(usage.at.micros(), usage.attempt.failure.as_ref());
    }

    /// Turns, sessions and alerts are few and sum nothing: they get a quarter more than the budget.
    fn uncounted(&mut self, kind: Kind, fill: impl FnOnce(&mut Vec<u8>)) {
        if self.waiting() > self.limit() {
            return self.pass(false);
        }
        push(
            &mut self.chunks,
            &mut self.spare,
            &mut self.bytes,
            kind,
            fill,
        );
    }

    fn limit(&self) -> usize {
        self.budget.saturating_add(self.budget / 4)
    }

    /// Counts an event that is not kept.
    fn pass(&mut self, told_elsewhere: bool) {
        match told_elsewhere {
            true => self.state.skipped += 1,
            false => self.state.dropped += 1,
        }
        self.state.written += 1;
    }

    /// Takes entries whose ids came from outside, and who waits for them.
    pub(super) fn append(&mut self, entries: &[Entry], slot: &Arc<Slot>) {
        for entry in entries {
            self.push_call(Kind::Append, &entry.call, Some(&entry.id));
            self.wait_for(slot);
        }
    }

    pub(super) fn raise(&mut self, alert: &AlertEvent, slot: &Arc<Slot>) {
        push(
            &mut self.chunks,
            &mut self.spare,
            &mut self.bytes,
            Kind::Raise,
            |out| pack_alert(out, alert),
        );
        self.wait_for(slot);
    }

    /// `slot` waits for the entry that was pushed last: which is in the last chunk.
    fn wait_for(&mut self, slot: &Arc<Slot>) {
        self.state.recorded += 1;
        self.urgent = true;
        let Some(chunk) = self.chunks.back_mut() else {
            return;
        };
        match chunk.slots.last_mut() {
            Some((last, count)) if Arc::ptr_eq(last, slot) => *count += 1,
            _ => chunk.slots.push((Arc::clone(slot), 1)),
        }
    }

    fn push_call(&mut self, kind: Kind, call: &CallEvent, outside: Option<&str>) {
        // Texts first: the entry that somebody waits for is the last one.
        self.texts(call.started_at.micros(), call.failure.as_ref());
        for attempt in &call.attempts {
            self.texts(call.started_at.micros(), attempt.failure.as_ref());
        }
        let Self {
            chunks,
            spare,
            scratch,
            bytes,
            ..
        } = self;
        push(chunks, spare, bytes, kind, |out| {
            CallRow::of(call, outside).pack(out);
            match call.attempts.as_slice() {
                [] if call.usage.is_some() || call.cost.is_some() => {
                    out.uint(1);
                    PartRow::whole(call, scratch).pack(out);
                }
                attempts => {
                    out.uint(attempts.len() as u64);
                    for attempt in attempts {
                        PartRow::of(attempt, CALL_REV, scratch).pack(out);
                    }
                }
            }
        });
    }

    /// Hands over the texts of a failure that was not seen before.
    fn texts(&mut self, at: i64, report: Option<&FailureReport>) {
        let Some(report) = report else { return };
        let mut hasher = DefaultHasher::new();
        report.fingerprint.hash(&mut hasher);
        if self.known_failures.len() >= KNOWN_FAILURES {
            self.known_failures.clear();
        }
        if self.known_failures.insert(hasher.finish()) {
            let texts = FailureTexts::of(at, report);
            push(
                &mut self.chunks,
                &mut self.spare,
                &mut self.bytes,
                Kind::Texts,
                |out| texts.pack(out),
            );
            // Not an event of its own.
            if let Some(chunk) = self.chunks.back_mut() {
                chunk.entries -= 1;
            }
        }
    }

    fn fold_call(&mut self, call: &CallEvent) {
        if self.folded_calls.len() >= REMEMBERED {
            self.folded_calls.clear();
        }
        self.folded_calls.insert(call.id.0);
        self.state.folded += 1;
        self.folding += 1;
        let Self { folds, scratch, .. } = self;
        let key = |part: Option<&PartRow<'_>>| FoldKey {
            hour: call.started_at.micros().div_euclid(3_600_000_000) * 3_600_000_000,
            stage: call.stage.as_str().into(),
            provider: part.and_then(|part| part.provider).map(Into::into),
            model: part.and_then(|part| part.model).map(Into::into),
            outcome: call.outcome,
        };
        let mut add = |part: &PartRow<'_>, last: bool| {
            let sum = folds.entry(key(Some(part))).or_default();
            sum.part(Portion::of(part, call.outcome));
            if last {
                sum.call(Some(call.outcome));
            }
        };
        match call.attempts.as_slice() {
            [] if call.usage.is_some() || call.cost.is_some() => {
                add(&PartRow::whole(call, scratch), true)
            }
            [] => folds.entry(key(None)).or_default().call(Some(call.outcome)),
            attempts => {
                for (i, attempt) in attempts.iter().enumerate() {
                    add(
                        &PartRow::of(attempt, CALL_REV, scratch),
                        i + 1 == attempts.len(),
                    );
                }
            }
        }
    }

    /// What the next transaction writes.
    pub(super) fn take(&mut self) -> Batch {
        let chunks: Vec<Chunk> = self
            .chunks
            .drain(..self.chunks.len().min(BATCH_CHUNKS))
            .collect();
        let mut events = chunks.iter().map(|chunk| chunk.entries).sum();
        let bytes = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
        let mut folds = Vec::new();
        if self.chunks.is_empty() {
            self.urgent = false;
            for (key, sum) in self.folds.drain() {
                self.fold_seq += 1;
                folds.push(Fold {
                    seq: self.fold_seq,
                    key,
                    sum,
                });
            }
            events += std::mem::take(&mut self.folding);
        }
        self.bytes -= bytes;
        self.in_flight = bytes;
        Batch {
            chunks,
            folds,
            events,
        }
    }

    /// Hours that were written to within this time; others are forgotten.
    pub(super) fn recent_hours(&mut self, within: Duration) -> HashSet<i64> {
        self.hours.retain(|_, at| at.elapsed() < within);
        self.hours.keys().copied().collect()
    }

    /// Notes that a batch about calls of these hours is written, and keeps its room.
    pub(super) fn written(&mut self, mut batch: Batch, hours: &[i64]) {
        self.in_flight = 0;
        self.wrote_at = instant();
        self.hours
            .extend(hours.iter().map(|hour| (*hour, self.wrote_at)));
        self.state.written += batch.events;
        self.state.commits += 1;
        let chunks = std::mem::take(&mut batch.chunks);
        for mut chunk in chunks
            .into_iter()
            .take(BATCH_CHUNKS - self.spare.len().min(BATCH_CHUNKS))
        {
            chunk.bytes.clear();
            chunk.entries = 0;
            chunk.slots.clear();
            if chunk.bytes.capacity() <= 2 * CHUNK_BYTES {
                self.spare.push(chunk);
            }
        }
    }
}

/// Appends an entry to the last chunk that has room.
fn push(
    chunks: &mut VecDeque<Chunk>,
    spare: &mut Vec<Chunk>,
    bytes: &mut usize,
    kind: Kind,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    if chunks
        .back()
        .is_none_or(|chunk| chunk.bytes.len() >= CHUNK_BYTES)
    {
        chunks.push_back(spare.pop().unwrap_or_default());
    }
    if let Some(chunk) = chunks.back_mut() {
        let before = chunk.bytes.len();
        chunk.push(kind, fill);
        *bytes += chunk.bytes.len() - before;
    }
}

fn pack_alert(out: &mut Vec<u8>, alert: &AlertEvent) {
    out.text(&alert.id);
    out.int(alert.at.micros());
    out.text(&serde_json::to_string(alert).unwrap_or_default());
}
