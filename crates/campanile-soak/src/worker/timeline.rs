//! Faults that come and go by the clock, and what they do to the world around the pipeline.

use super::sinks::Mood;
use super::world::World;
use super::{Watching, bill};
use crate::faults::Fault;
use crate::journal::{Entry, Sample};
use crate::judge::logs::taken;
use crate::plan::Window;
use rusqlite::Connection;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::sleep;

/// How often the clock is looked at.
const STEP: Duration = Duration::from_millis(100);
/// How often the worker says how it is, in the calls' own time.
const SAMPLE_MS: u64 = 2_000;
/// Lines of a flood at each step.
const FLOOD: u64 = 100;
const JUMP_US: i64 = 90_000_000;

/// Runs until time is up.
pub(super) async fn run(world: &World, watching: &Watching) {
    let mut on: Option<(Window, Trouble)> = None;
    let mut sampled = 0;
    while !world.is_over() {
        let now = world.now_ms();
        if let Some((window, trouble)) = on.take_if(|(window, _)| now >= window.until_ms) {
            trouble.end(world, watching);
            mark(world, window.fault, false);
        }
        let due = |window: &&Window| (window.from_ms..window.until_ms).contains(&now);
        // What the worker before was killed in the middle of is over.
        let fresh = |window: &&Window| window.from_ms >= world.job.from_ms;
        let mut windows = world.schedule.windows.iter().filter(fresh);
        if on.is_none()
            && let Some(window) = windows.find(due)
        {
            mark(world, window.fault, true);
            on = Some((*window, Trouble::begin(window.fault, world, watching).await));
        }
        if now >= sampled + SAMPLE_MS {
            sampled = now;
            bill(world);
            world.journal.write(&Entry::Sample(watching.sample(world)));
        }
        sleep(STEP).await;
    }
    if let Some((window, trouble)) = on {
        trouble.end(world, watching);
        mark(world, window.fault, false);
    }
}

fn mark(world: &World, fault: Fault, on: bool) {
    let at_ms = world.now_ms();
    world.journal.write(&Entry::Mark {
        fault: fault.name().to_owned(),
        at_ms,
        on,
    });
}

/// What has to be put right when a fault is over.
enum Trouble {
    /// It is in the plan of the turns, or somebody else's work.
    None,
    Mood,
    Jumped,
    /// A file that takes all the room there is.
    Ballast(PathBuf),
    /// The folder of the logs, put away, with a file in its place.
    Blocked {
        away: PathBuf,
        here: PathBuf,
    },
    Locked(Box<Connection>),
    /// A program that says more than anybody reads.
    Flood(JoinHandle<()>),
}

impl Trouble {
    async fn begin(fault: Fault, world: &World, watching: &Watching) -> Self {
        let mood = |mood| {
            watching.hostile.mood.set(mood);
            Self::Mood
        };
        match fault {
            Fault::SinkSlow => mood(Mood::SLOW),
            Fault::SinkStuck => mood(Mood::STUCK),
            Fault::SinkPanic => mood(Mood::PANICS),
            Fault::ClockJump => {
                world.clock.jump(-JUMP_US);
                Self::Jumped
            }
            Fault::FolderGone => {
                // In one step: what is removed while it is written to is read by nobody.
                let logs = world.job.logs();
                let _ = fs::rename(&logs, taken(&logs));
                Self::None
            }
            Fault::StdoutStall => Self::Flood(flood()),
            Fault::DiskFull if world.job.small_disk => Self::fill(world),
            Fault::DiskFull => Self::block(world),
            Fault::LedgerLocked => Self::lock(world),
            Fault::Kill => {
                die(world, watching).await;
                Self::None
            }
            _ => Self::None,
        }
    }

    /// Leaves no room on the disk.
    fn fill(world: &World) -> Self {
        let ballast = world.job.disk.join("ballast");
        let zeros = vec![0; 64 << 10];
        if let Ok(mut file) = File::create(&ballast) {
            while file.write_all(&zeros).is_ok() {}
        }
        Self::Ballast(ballast)
    }

    /// Puts a file where the folder of the logs was: nothing can be written there.
    fn block(world: &World) -> Self {
        let here = world.job.logs();
        let away = here.with_extension("away");
        let _ = fs::rename(&here, &away);
        let _ = File::create(&here);
        Self::Blocked { away, here }
    }

    /// Holds the ledger, as a program would that writes something long.
    fn lock(world: &World) -> Self {
        let held = Connection::open(world.job.ledger()).and_then(|ledger| {
            ledger.execute_batch("BEGIN IMMEDIATE")?;
            Ok(ledger)
        });
        held.map_or(Self::None, |ledger| Self::Locked(Box::new(ledger)))
    }

    fn end(self, world: &World, watching: &Watching) {
        match self {
            Self::None => {}
            Self::Mood => watching.hostile.mood.set(Mood::GOOD),
            Self::Jumped => world.clock.jump(JUMP_US),
            Self::Ballast(file) => {
                let _ = fs::remove_file(file);
            }
            Self::Blocked { away, here } => {
                let _ = fs::remove_file(&here);
                // What was made there meanwhile stays; what was there before goes back into it.
                let _ = fs::create_dir_all(&here);
                for entry in fs::read_dir(&away).into_iter().flatten().flatten() {
                    let _ = fs::rename(entry.path(), here.join(entry.file_name()));
                }
                let _ = fs::remove_dir(&away);
            }
            Self::Flood(task) => task.abort(),
            Self::Locked(ledger) => {
                let _ = ledger.execute_batch("ROLLBACK");
            }
        }
    }
}

/// Log lines, many times more than there are usually.
fn flood() -> JoinHandle<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is aborted when the fault is over"
    )]
    tokio::spawn(async {
        loop {
            for n in 0..FLOOD {
                tracing::debug!(target: "bot", note = n, "one of very many lines that nobody will ever read");
            }
            sleep(STEP).await;
        }
    })
}

/// Waits to be killed.
///
/// On a scaled clock, two runs with one seed are to come to the same, so the moment is a quiet one: the pipeline stands
/// still, a second goes by in which open calls are checkpointed, and what was handed over is written as the ledger
/// promises. Nothing is flushed or closed. In real time the axe falls in the middle of everything.
async fn die(world: &World, watching: &Watching) {
    if world.measured.is_none() {
        freeze(world, watching);
    }
    bill(world);
    let at_ms = world.now_ms();
    world.journal.write(&Entry::Sample(Sample {
        at_ms,
        ..watching.sample(world)
    }));
    world.journal.write(&Entry::Kill { at_ms });
    if world.measured.is_none() {
        loop {
            std::thread::park();
        }
    }
    // Other calls go on until then.
    std::future::pending::<()>().await;
}

/// Lets a second go by for the monitor alone, and waits until its ledger has nothing left to write.
fn freeze(world: &World, watching: &Watching) {
    let now_ns = world.now_ms() * 1_000_000;
    world.clock.advance_to(now_ns + 1_001_000_000);
    // On a busy machine the recorder owes the rounds of many calls, which its counters do not show: they are made up for here.
    world.monitor.seal();
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(50));
        let ledger = watching.ledger(world);
        if ledger.recorded == ledger.written {
            break;
        }
    }
    super::open_bill(world);
}
