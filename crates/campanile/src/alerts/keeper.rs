//! The threads that look after budgets, and tell of them, while a monitor runs.

use super::Watch;
use super::courier::{Courier, Step};
use super::gate::{Gates, Others};
use campanile_core::{Clock, Event, Handed, Intake, Name};
use campanile_sinks::Notices;
use campanile_sinks::ledger::LedgerError;
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it looks.
const PACE: Duration = Duration::from_secs(1);
/// How long sinks may take to write an alert, and after the last look. One that takes longer counts as done a look later.
const WRITE: Duration = Duration::from_millis(50);
const WRITE_AT_LAST: Duration = Duration::from_secs(1);
/// After so many failed looks, trouble is told (again).
const TELL_EVERY: u32 = 60;

/// Has what was handed over written, and waits for it so long; whether it is.
pub(crate) type Flush = Arc<dyn Fn(Duration) -> bool + Send + Sync>;

/// Alerts that this process has handed over and not noted as logged, whichever of its looks did.
type Waiting = Arc<Mutex<HashSet<Name>>>;

/// Budgets, rules and webhooks, each on a thread of its own: the recorder never waits for them, and budgets wait for nothing else.
#[derive(Debug)]
pub(crate) struct Keeper {
    budgets: Option<Worker>,
    rules: Option<Worker>,
    couriers: Vec<Worker>,
    /// Whether what is owed to webhooks outlives the process.
    kept: bool,
}

impl Keeper {
    /// Looks once a second, hands what is new to `intake`, and has it written by `flush`; tells webhooks what they are owed.
    ///
    /// # Panics
    ///
    /// When the operating system has no thread left to give.
    pub(crate) fn start(
        watch: Option<Watch>,
        couriers: Vec<Courier>,
        gates: &Gates,
        (intake, flush): (&Intake, Flush),
        notices: &Notices,
    ) -> Self {
        let kept = watch.is_some();
        let waiting = Waiting::default();
        let look = |watch, gates| {
            let waiting = Arc::clone(&waiting);
            let look = Look::new(watch, intake.clone(), gates, Arc::clone(&flush), waiting);
            Worker::start(look, notices.clone())
        };
        let (budgets, rules) = match watch.map(Watch::apart) {
            Some((budgets, rules)) => (Some(budgets), rules),
            None => (None, None),
        };
        let courier = |courier: Courier| {
            let telling = Telling {
                courier,
                intake: intake.clone(),
                notices: notices.clone(),
                failing: false,
            };
            Worker::start(telling, notices.clone())
        };
        Self {
            budgets: budgets.map(|watch| look(watch, gates.clone())),
            rules: rules.map(|watch| look(watch, Gates::default())),
            couriers: couriers.into_iter().map(courier).collect(),
            kept,
        }
    }

    /// Looks a last time, tells what is new, and ends. `false`: `within` was too short, and something is lost; what a
    /// webhook could not be told stays owed in the ledger, if there is one.
    pub(crate) fn end(self, within: Duration) -> bool {
        self.rules.iter().for_each(Worker::stop);
        let looked = self.budgets.is_none_or(|budgets| budgets.end(within));
        // What they would have found, who comes next finds.
        let _judged = self.rules.is_none_or(|rules| rules.end(within));
        // They are stopped after the last look, so that they see what it has raised.
        self.couriers.iter().for_each(Worker::stop);
        let mut told = true;
        for courier in self.couriers {
            told &= courier.end(within);
        }
        looked && (told || self.kept)
    }
}

/// What is done again and again on a thread.
trait Work: Send + 'static {
    /// The name of its thread.
    const THREAD: &'static str;
    /// What takes long is followed by a pause so many times as long.
    const REST: u32;

    /// Does it once; `last`: for the last time.
    fn work(&mut self, last: bool) -> Result<(), LedgerError>;
}

/// A thread that works once a second until it is stopped, and then once more.
#[derive(Debug)]
struct Worker {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: JoinHandle<()>,
}

impl Worker {
    /// Its pauses are real ones, whatever clock the calls are timed by.
    fn start<W: Work>(mut work: W, notices: Notices) -> Self {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let clock = Clock::system();
        let rounds = move || {
            let mut pace = Duration::ZERO;
            let mut failed = 0_u32;
            loop {
                let last = pause(&stopped, pace);
                let before = clock.tick();
                match work.work(last) {
                    Ok(()) => failed = 0,
                    Err(error) => {
                        // The ledger's own trouble is told by its writer; this is told where it lasts.
                        failed = failed.wrapping_add(1);
                        if failed % TELL_EVERY == 3 {
                            notices.tell(&format!("alerts cannot be looked after: {error}"));
                        }
                    }
                }
                if last {
                    return;
                }
                let took = clock.tick().since(before).to_duration();
                pace = PACE.max(took.saturating_mul(W::REST));
            }
        };
        let thread = std::thread::Builder::new()
            .name(W::THREAD.into())
            .spawn(rounds)
            .expect("a thread for alerts");
        Self { stop, thread }
    }

    fn stop(&self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
    }

    /// `false`: it ends later.
    fn end(self, mut within: Duration) -> bool {
        self.stop();
        let step = Duration::from_millis(1);
        while !self.thread.is_finished() && !within.is_zero() {
            std::thread::sleep(step);
            within = within.saturating_sub(step);
        }
        self.thread.is_finished()
    }
}

/// Waits for so long, or until it is stopped; whether it is.
fn pause((stop, changed): &(Mutex<bool>, Condvar), pace: Duration) -> bool {
    let stopped = stop.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = changed.wait_timeout_while(stopped, pace, |stopped| !*stopped);
    *waited.unwrap_or_else(PoisonError::into_inner).0
}

/// Looks, and hands what is new to the recorder.
struct Look {
    watch: Watch,
    intake: Intake,
    gates: Gates,
    others: Others,
    flush: Flush,
    /// Alerts that were handed over, and are not noted as logged.
    handed: VecDeque<Name>,
    waiting: Waiting,
}

impl Look {
    fn new(watch: Watch, intake: Intake, gates: Gates, flush: Flush, waiting: Waiting) -> Self {
        Self {
            watch: watch.logs(),
            intake,
            gates,
            others: Others::default(),
            flush,
            handed: VecDeque::new(),
            waiting,
        }
    }

    /// Hands over what is new.
    fn look(&mut self) -> Result<(), LedgerError> {
        let now = self.intake.clock().now();
        self.others.look(&self.gates, self.watch.ledger(), now)?;
        let mut alerts = self.watch.look_with(Some(&self.intake), now)?;
        alerts.extend(self.watch.forgotten(now)?);
        // Where a sink is stuck for long, a look takes its time, or the clock has jumped, what waits to be noted looks forgotten.
        alerts.retain(|alert| self.waiting().insert(alert.id.clone()));
        for alert in alerts {
            self.handed.push_back(alert.id.clone());
            self.intake
                .hand_over(Handed::Event(Event::Alert(Box::new(alert))));
        }
        Ok(())
    }

    /// Has what was handed over written, and notes it at once: who is killed in between has it told again by others. Where a sink is
    /// stuck, only the first `old` are noted: what was handed over a look ago.
    fn note_logged(&mut self, old: usize, within: Duration) -> Result<(), LedgerError> {
        if self.handed.is_empty() {
            return Ok(());
        }
        let written = match (self.flush)(within) {
            true => self.handed.len(),
            false => old,
        };
        for _ in 0..written {
            self.watch.logged(&self.handed[0])?;
            if let Some(noted) = self.handed.pop_front() {
                self.waiting().remove(&noted);
            }
        }
        Ok(())
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<Name>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Work for Look {
    const THREAD: &'static str = "campanile-alerts";
    const REST: u32 = 20;

    fn work(&mut self, last: bool) -> Result<(), LedgerError> {
        let old = self.handed.len();
        if last {
            self.watch.at_last();
        }
        let looked = self.look();
        self.note_logged(old, if last { WRITE_AT_LAST } else { WRITE })?;
        looked
    }
}

/// Tells one webhook.
struct Telling {
    courier: Courier,
    intake: Intake,
    notices: Notices,
    /// Whether its trouble was told.
    failing: bool,
}

impl Work for Telling {
    const THREAD: &'static str = "campanile-webhook";
    // It waits for others, and uses nothing meanwhile.
    const REST: u32 = 0;

    fn work(&mut self, _last: bool) -> Result<(), LedgerError> {
        loop {
            let name = self.courier.name().clone();
            match self.courier.step(self.intake.clock().now())? {
                Step::Idle => return Ok(()),
                Step::Told => self.failing = false,
                Step::PutOff { why, tries } => {
                    if !std::mem::replace(&mut self.failing, true) {
                        self.notices.tell(&format!(
                            "webhook `{name}`: {why} (try {tries}); it is tried again"
                        ));
                    }
                }
                Step::GivenUp { id, why } => self
                    .notices
                    .tell(&format!("webhook `{name}`: {id} was never told: {why}")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::courier::LEASE_US;
    use crate::config::Config;
    use campanile_core::{
        Attempt, CallEvent, Cost, Ids, Money, Outcome, Sink, Tick, TimeSource, Timestamp,
    };
    use campanile_sinks::ledger::{Ledger, LedgerOptions, Reader};
    use std::path::{Path, PathBuf};
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering::Relaxed};

    const SOON: Duration = Duration::from_secs(20);

    /// A ledger in which a budget of a dollar is half spent.
    fn half_spent() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("campanile.db");
        let ledger = Ledger::open(LedgerOptions::new(&path), Clock::system()).unwrap();
        let now = Timestamp::now();
        let id = Ids::random().next(now);
        let mut call = CallEvent::new(id, "llm".into(), now, Outcome::Completed);
        let mut attempt = Attempt::new(1);
        attempt.cost = Some(Cost::exact(Money::from_usd("0.6").unwrap()));
        call.attempts.push(attempt);
        ledger.record(&Event::Call(Box::new(call)));
        assert!(ledger.close(SOON));
        (dir, path)
    }

    fn watch(path: &Path) -> Watch {
        let text = "[[budget]]\nusd = \"1\"\nwindow = \"24h\"\nwarn_at = [0.5]\n";
        let config = Config::parse(text, "campanile.toml".as_ref()).unwrap();
        Watch::new(path, config.budgets().unwrap())
    }

    fn owed(path: &Path) -> usize {
        Reader::open(path).unwrap().owed().unwrap().len()
    }

    /// A wall clock that is ahead by so many seconds.
    #[derive(Clone, Default)]
    struct Ahead(Arc<AtomicI64>);

    impl TimeSource for Ahead {
        fn tick(&self) -> Tick {
            Tick(0)
        }

        fn now(&self) -> Timestamp {
            Timestamp(Timestamp::now().0 + self.0.load(Relaxed) * 1_000_000)
        }
    }

    /// A look whose sinks are at work while `works` says so, and how often they were asked to write.
    fn look(path: &Path, works: &Arc<AtomicBool>) -> (Look, Arc<AtomicUsize>) {
        look_at(Clock::system(), path, works)
    }

    fn look_at(clock: Clock, path: &Path, works: &Arc<AtomicBool>) -> (Look, Arc<AtomicUsize>) {
        let intake = Intake::new(clock, Ids::seeded(7));
        let asked = Arc::new(AtomicUsize::new(0));
        let (works, count, owed_at) = (Arc::clone(works), Arc::clone(&asked), path.to_owned());
        let taken = intake.clone();
        let flush = move |_| {
            count.fetch_add(1, Relaxed);
            let mut handed = Vec::new();
            taken.take(&mut handed);
            assert!(owed(&owed_at) > 0, "noted before it is written");
            works.load(Relaxed)
        };
        let waiting = Waiting::default();
        let look = Look::new(
            watch(path),
            intake,
            Gates::default(),
            Arc::new(flush),
            waiting,
        );
        (look, asked)
    }

    #[test]
    fn an_alert_is_noted_as_logged_as_soon_as_it_is_written() {
        let (_dir, path) = half_spent();
        let (mut look, asked) = look(&path, &Arc::new(AtomicBool::new(true)));

        look.work(false).unwrap();

        assert_eq!((asked.load(Relaxed), owed(&path)), (1, 0));
        look.work(false).unwrap();
        assert_eq!(asked.load(Relaxed), 1, "nothing is new");
    }

    #[test]
    fn an_alert_that_waits_to_be_noted_is_handed_over_once_however_late_it_gets() {
        let (_dir, path) = half_spent();
        let ahead = Ahead::default();
        let works = Arc::new(AtomicBool::new(false));
        let (mut look, _) = look_at(Clock::new(ahead.clone()), &path, &works);
        look.look().unwrap();
        assert_eq!(look.handed.len(), 1);

        ahead.0.store(2 * LEASE_US / 1_000_000, Relaxed);
        look.look().unwrap();

        assert_eq!(look.handed.len(), 1);
        let mut handed = Vec::new();
        look.intake.take(&mut handed);
        assert_eq!(handed.len(), 1);
    }

    #[test]
    fn what_one_look_has_handed_over_another_of_the_process_does_not() {
        let (_dir, path) = half_spent();
        let ahead = Ahead::default();
        let works = Arc::new(AtomicBool::new(false));
        let (mut rules, _) = look_at(Clock::new(ahead.clone()), &path, &works);
        let (mut budgets, _) = look_at(Clock::new(ahead.clone()), &path, &works);
        budgets.waiting = Arc::clone(&rules.waiting);
        rules.look().unwrap();

        ahead.0.store(2 * LEASE_US / 1_000_000, Relaxed);
        budgets.look().unwrap();

        assert_eq!((rules.handed.len(), budgets.handed.len()), (1, 0));
    }

    #[test]
    fn what_a_process_has_raised_and_not_noted_is_logged_by_another_a_minute_later() {
        let (_dir, path) = half_spent();
        let works = Arc::new(AtomicBool::new(true));
        let (mut killed, _) = look(&path, &works);
        killed.look().unwrap();
        drop(killed);

        let ahead = Ahead::default();
        let (mut other, asked) = look_at(Clock::new(ahead.clone()), &path, &works);
        other.work(false).unwrap();
        assert_eq!(
            (asked.load(Relaxed), owed(&path)),
            (0, 1),
            "it may be at it"
        );
        ahead.0.store(LEASE_US / 1_000_000 + 1, Relaxed);
        other.work(false).unwrap();

        assert_eq!((asked.load(Relaxed), owed(&path)), (1, 0));
    }

    #[test]
    fn a_sink_that_is_stuck_delays_the_note_by_one_look() {
        let (_dir, path) = half_spent();
        let works = Arc::new(AtomicBool::new(false));
        let (mut look, _) = look(&path, &works);

        look.work(false).unwrap();
        assert_eq!(owed(&path), 1);
        look.work(false).unwrap();

        assert_eq!(owed(&path), 0);
    }
}
