//! Builds sums of hours and the index of sessions in the background, so that reports need not look at each call.
//!
//! ```text
//!  roller (own thread, own read connection)         writer (in its pauses)
//!  what is in no slice yet? ─────────────────────▶  claim: an empty slice, gone when one of its calls changes
//!  reads its calls, in a view after the claim
//!  sums, times, ids by session ──────────────────▶  index, then fill the slice, if it is still there
//! ```
//!
//! Nothing here is needed for anything to be right: what is in no slice is read call by call.

use super::{
    Shared,
    place::Place,
    reader::{RawCall, RawPart, connect, scan},
    slice::SliceSums,
    span::{END, HOUR_US, Span, first_id, hour_of, millis_of},
    store::{Claim, Job, Visit, archived_until},
    visit::block_of,
    writer::instant,
};
use campanile_core::Clock;
use rusqlite::Connection;
use std::{
    collections::{BTreeMap, BTreeSet, HashSet, hash_map::RandomState},
    hash::BuildHasher,
    ops::ControlFlow,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// No slice has more calls: one is read in some tens of milliseconds.
const MOST_CALLS: usize = 16 * 1024;
/// While more may come, a slice has no fewer.
const LEAST_CALLS: usize = 4 * 1024;
/// How often to look for work.
const LOOK: Duration = Duration::from_secs(2);
/// After trouble.
const BACKOFF: Duration = Duration::from_secs(30);
/// A slice is begun when nothing was written for this long,
const QUIET: Duration = Duration::from_millis(300);
/// or, if it never is quiet, when the one before was begun this long ago.
const PATIENCE: Duration = Duration::from_secs(5);
/// Calls of the last seconds are still changing.
const FRESH_MS: i64 = 10_000;
/// An hour that was written to this recently is not over, whatever the clock says: somebody tells of it later.
const RECENT: Duration = Duration::from_secs(20);
/// An hour is over for good so much later.
const GRACE: Duration = Duration::from_secs(60);
/// Rows of the index that one step writes.
const STEP: usize = 64;

pub(super) struct Roller {
    shared: Arc<Shared>,
    path: PathBuf,
    clock: Clock,
    conn: Option<Connection>,
    /// When the last slice was begun.
    begun: Instant,
    /// When it last found nothing to do,
    looked: Instant,
    /// and how many events were written by then.
    settled: Option<u64>,
    /// Hours with damaged rows: a report must see these itself.
    damaged: HashSet<i64>,
}

/// Why a pass has ended early.
enum Stop {
    Closed,
    Trouble,
}

impl From<rusqlite::Error> for Stop {
    fn from(_: rusqlite::Error) -> Self {
        Self::Trouble
    }
}

/// What comes after a rest.
enum Rest {
    Look,
    /// The ledger is being closed: what can be summed is summed now.
    Settle,
    End,
}

/// Calls of one hour that are in no slice.
#[derive(Clone, Copy, Debug)]
struct Run {
    hour: i64,
    span: Span,
    /// No more will come: it is taken however short it is.
    over: bool,
}

impl Roller {
    pub(super) fn new(shared: Arc<Shared>, path: PathBuf, clock: Clock) -> Self {
        Self {
            shared,
            path,
            clock,
            conn: None,
            begun: instant(),
            looked: instant(),
            settled: None,
            damaged: HashSet::new(),
        }
    }

    pub(super) fn work(mut self) {
        let mut wait = LOOK;
        loop {
            let closing = match self.shared.rest(wait) {
                Rest::Look => false,
                Rest::Settle => true,
                Rest::End => break,
            };
            wait = match self.pass(closing) {
                Ok(()) | Err(Stop::Closed) => LOOK,
                Err(Stop::Trouble) => {
                    self.conn = None;
                    BACKOFF
                }
            };
            if closing {
                break;
            }
        }
        // The writer is the last one to close the file: it takes the log away.
        self.conn = None;
        self.shared.rolled();
    }

    /// Builds all slices that can be built now.
    fn pass(&mut self, closing: bool) -> Result<(), Stop> {
        let written = self.shared.lock().state.written;
        // Also without anything new: hours come to their end.
        let due = self.settled != Some(written) || self.looked.elapsed() >= GRACE;
        if !due && !closing {
            return Ok(());
        }
        if self.conn.is_none() {
            self.conn = Some(connect(&self.path)?);
        }
        for run in self.runs(self.clock.now().micros(), closing)? {
            self.run(run, closing)?;
        }
        self.settled = Some(written);
        self.looked = instant();
        Ok(())
    }

    fn conn(&self) -> Result<&Connection, Stop> {
        self.conn.as_ref().ok_or(Stop::Trouble)
    }

    /// What may be summed, hour by hour. What is archived is not: its sums were built before, or are read there.
    fn runs(&self, now: i64, closing: bool) -> Result<Vec<Run>, Stop> {
        let conn = self.conn()?;
        let view = conn.unchecked_transaction()?;
        let spans = |sql: &str| -> rusqlite::Result<Vec<(i64, Span)>> {
            view.prepare_cached(sql)?
                .query_map([], |row| {
                    let span = Span {
                        low: row.get(1)?,
                        high: row.get(2)?,
                    };
                    Ok((row.get(0)?, span))
                })?
                .collect()
        };
        let recent = self.shared.lock().recent_hours(RECENT);
        let archived_until = archived_until(&view)?;
        let hours = spans("SELECT hour, low, high FROM hour ORDER BY hour")?;
        let slices = spans("SELECT hour, low, high FROM slice ORDER BY hour, low")?;
        let open: BTreeSet<i64> = view
            .prepare_cached("SELECT call FROM open")?
            .query_map([], |row| row.get(0))?
            .map(|id| id.map(|id: [u8; 16]| millis_of(&id)))
            .collect::<rusqlite::Result<_>>()?;
        let mut runs = Vec::new();
        for (hour, mut span) in hours
            .into_iter()
            .filter(|(hour, _)| *hour >= archived_until && !self.damaged.contains(hour))
        {
            let ends = hour.saturating_add(1).saturating_mul(HOUR_US);
            let ended = ends.saturating_add(GRACE.as_micros() as i64) <= now;
            let over = ended && (closing || !recent.contains(&hour));
            if !ended && !closing {
                span.high = span.high.min(now / 1_000 - FRESH_MS);
            }
            let first = slices.partition_point(|slice| slice.0 < hour);
            let here = slices[first..].iter().take_while(|slice| slice.0 == hour);
            for span in span.without(here.map(|slice| slice.1)) {
                let holes: Vec<i64> = open.range(span.low..span.high).copied().collect();
                let over = over && holes.is_empty();
                let holes = holes.into_iter().map(|low| Span { low, high: low + 1 });
                runs.extend(
                    span.without(holes)
                        .into_iter()
                        .map(|span| Run { hour, span, over }),
                );
            }
        }
        Ok(runs)
    }

    /// Builds slices of a run, one after the other.
    fn run(&mut self, mut run: Run, closing: bool) -> Result<(), Stop> {
        while !run.span.is_empty() {
            let (span, calls) = self.piece(run)?;
            if calls < LEAST_CALLS && !run.over {
                break;
            }
            if !closing {
                let patience = PATIENCE.saturating_sub(self.begun.elapsed());
                self.shared.quiet(QUIET, patience)?;
            }
            self.begun = instant();
            let claim = Claim {
                id: self.number(),
                hour: run.hour,
                span,
                made_at: self.clock.now().micros(),
            };
            if self.shared.ask(Job::Claim(claim))? {
                self.build(claim)?;
            }
            run.span.low = span.high;
        }
        Ok(())
    }

    /// The next calls of a run, no more than a slice has, and how many they are. Where more may come, it ends with the
    /// last call: the next one shall not take it away.
    fn piece(&self, run: Run) -> Result<(Span, usize), Stop> {
        let (first, end) = (first_id(run.span.low), first_id(run.span.high));
        let sql = "SELECT id, at FROM call WHERE id >= ?1 AND id < ?2 ORDER BY id";
        let mut statement = self.conn()?.prepare_cached(sql)?;
        let mut rows = statement.query([&first[..16], &end[..]])?;
        let mut calls = 0;
        let mut last = run.span.low;
        while let Some(row) = rows.next()? {
            let millis = row
                .get_ref(0)?
                .as_blob()
                .ok()
                .and_then(|id| id.try_into().ok());
            let millis = millis.map_or(last, millis_of);
            // All of a millisecond or nothing of it.
            if calls >= MOST_CALLS && millis > last {
                let high = (last + 1).min(END);
                return Ok((Span { high, ..run.span }, calls));
            }
            last = millis;
            calls += usize::from(hour_of(row.get(1)?) == run.hour);
        }
        let high = if run.over { run.span.high } else { last + 1 };
        Ok((Span { high, ..run.span }, calls))
    }

    /// Sums the calls of a claim, and has the sums written.
    fn build(&mut self, claim: Claim) -> Result<(), Stop> {
        let mut sums = SliceSums::default();
        let mut sessions: BTreeMap<(i64, i64), BTreeSet<[u8; 16]>> = BTreeMap::new();
        let view = self.conn()?.unchecked_transaction()?;
        let damage = scan(&view, claim.span, |call, parts| {
            if hour_of(call.at) == claim.hour {
                add(&mut sums, call, parts);
                if let Some(session) = call.session {
                    let key = (session, block_of(millis_of(&call.id)));
                    sessions.entry(key).or_default().insert(call.id);
                }
            }
            ControlFlow::Continue(())
        })?;
        drop(view);
        if damage != Default::default() {
            self.damaged.insert(claim.hour);
            return Ok(());
        }
        let mut visits = sessions.into_iter().map(|((session, block), calls)| Visit {
            session,
            block,
            calls,
        });
        loop {
            let step: Vec<Visit> = visits.by_ref().take(STEP).collect();
            if step.is_empty() {
                break;
            }
            self.shared.ask(Job::Visits(step))?;
        }
        let (sums, times) = sums.pack();
        self.shared.ask(Job::Fill { claim, sums, times })?;
        Ok(())
    }

    /// A number that nobody else chooses.
    fn number(&self) -> i64 {
        let random = RandomState::new().hash_one(self.clock.now().micros());
        (random >> 1) as i64 | 1
    }
}

fn add(sums: &mut SliceSums, call: &RawCall, parts: &[RawPart]) {
    let glance = call.glance();
    let mut place = Place {
        at: call.at,
        stage: call.stage,
        session: None,
        provider: None,
        model: None,
        outcome: call.outcome,
        labels: glance.labels,
    };
    for part in parts {
        (place.provider, place.model) = (part.provider, part.model);
        sums.part(&place, part.portion(call.outcome));
    }
    sums.call(&place, glance.timing.as_ref());
}

/// The roller's side of what it shares with the writer.
impl Shared {
    /// Waits between two looks.
    fn rest(&self, within: Duration) -> Rest {
        let waited = self.roll.wait_timeout_while(self.lock(), within, |buffer| {
            !buffer.drained && !buffer.gone
        });
        let buffer = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        match (buffer.gone, buffer.drained) {
            (true, _) => Rest::End,
            (false, true) => Rest::Settle,
            (false, false) => Rest::Look,
        }
    }

    /// Waits until nothing was written for a while, but no longer than `patience`.
    fn quiet(&self, quiet: Duration, patience: Duration) -> Result<(), Stop> {
        let until = instant() + patience;
        let mut buffer = self.lock();
        loop {
            if buffer.gone || buffer.stop {
                return Err(Stop::Closed);
            }
            let since = buffer.wrote_at.elapsed();
            let calm = since >= quiet && buffer.is_empty();
            if calm || instant() >= until {
                return Ok(());
            }
            let wait = quiet.saturating_sub(since).max(Duration::from_millis(20));
            let waited = self.roll.wait_timeout(buffer, wait);
            buffer = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Has the writer do one step, and waits for it.
    fn ask(&self, job: Job) -> Result<bool, Stop> {
        let mut buffer = self.lock();
        if buffer.gone {
            return Err(Stop::Closed);
        }
        buffer.job = Some((job, instant()));
        buffer.answer = None;
        self.work.notify_one();
        let waited = self
            .roll
            .wait_while(buffer, |buffer| buffer.answer.is_none() && !buffer.gone);
        let mut buffer = waited.unwrap_or_else(std::sync::PoisonError::into_inner);
        match buffer.answer.take() {
            Some(Some(done)) => Ok(done),
            Some(None) => Err(Stop::Trouble),
            None => Err(Stop::Closed),
        }
    }

    /// Says that nothing more will be asked for.
    fn rolled(&self) {
        self.lock().rolled = true;
        self.work.notify_one();
    }
}
