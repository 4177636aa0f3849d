//! The threads that look after budgets, and tell of them, while a monitor runs.

use super::Watch;
use super::courier::{Courier, Step};
use super::gate::{Gates, Others};
use campanile_core::{Event, Handed, Intake, Name};
use campanile_sinks::Notices;
use campanile_sinks::ledger::LedgerError;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often it looks.
const PACE: Duration = Duration::from_secs(1);
/// After so many failed looks, trouble is told (again).
const TELL_EVERY: u32 = 60;

/// A watch and its webhooks, each on a thread of its own: the recorder never waits for them.
#[derive(Debug)]
pub(crate) struct Keeper {
    watch: Option<Worker>,
    couriers: Vec<Worker>,
    /// Whether what is owed to webhooks outlives the process.
    kept: bool,
}

impl Keeper {
    /// Looks once a second, and hands what is new to `intake`; tells webhooks what they are owed.
    ///
    /// # Panics
    ///
    /// When the operating system has no thread left to give.
    pub(crate) fn start(
        watch: Option<Watch>,
        couriers: Vec<Courier>,
        gates: &Gates,
        intake: &Intake,
        notices: &Notices,
    ) -> Self {
        let kept = watch.is_some();
        let watch = watch.map(|watch| {
            let (look, notices) = (
                Look::new(watch, intake.clone(), gates.clone()),
                notices.clone(),
            );
            Worker::start(look, intake.clone(), notices)
        });
        let courier = |courier: Courier| {
            let telling = Telling {
                courier,
                intake: intake.clone(),
                notices: notices.clone(),
                failing: false,
            };
            Worker::start(telling, intake.clone(), notices.clone())
        };
        Self {
            watch,
            couriers: couriers.into_iter().map(courier).collect(),
            kept,
        }
    }

    /// Looks a last time, tells what is new, and ends. `false`: `within` was too short, and something is lost; what a
    /// webhook could not be told stays owed in the ledger, if there is one.
    pub(crate) fn end(self, within: Duration) -> bool {
        let looked = self.watch.is_none_or(|watch| watch.end(within));
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
    fn start<W: Work>(mut work: W, intake: Intake, notices: Notices) -> Self {
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let stopped = Arc::clone(&stop);
        let clock = intake.clock().clone();
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
    /// Alerts that were handed over, and may not be written yet.
    handed: Vec<Name>,
}

impl Look {
    fn new(watch: Watch, intake: Intake, gates: Gates) -> Self {
        Self {
            watch: watch.logs(),
            intake,
            gates,
            others: Others::default(),
            handed: Vec::new(),
        }
    }

    /// What was handed over a look ago is written by now.
    fn note_logged(&mut self) -> Result<(), LedgerError> {
        while let Some(id) = self.handed.last() {
            self.watch.logged(id)?;
            self.handed.pop();
        }
        Ok(())
    }
}

impl Work for Look {
    const THREAD: &'static str = "campanile-alerts";
    const REST: u32 = 20;

    fn work(&mut self, last: bool) -> Result<(), LedgerError> {
        self.note_logged()?;
        let now = self.intake.clock().now();
        self.others.look(&self.gates, self.watch.ledger(), now)?;
        let mut alerts = self.watch.look_with(Some(&self.intake), now)?;
        alerts.extend(self.watch.forgotten(now)?);
        for alert in alerts {
            self.handed.push(alert.id.clone());
            self.intake
                .hand_over(Handed::Event(Event::Alert(Box::new(alert))));
        }
        // The engine flushes after the last look.
        if last { self.note_logged() } else { Ok(()) }
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
