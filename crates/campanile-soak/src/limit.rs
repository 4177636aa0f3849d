//! How many phone calls at once: more and more of them, until the layers or the machine are too slow.

use crate::interrupt::Interrupt;
use crate::journal::Sample;
use crate::judge::evidence::Evidence;
use crate::judge::latency::{LATE, P99_NS, added, late};
use crate::options::Options;
use crate::run::Soak;
use std::io::Write as _;

/// How long each step lasts, in minutes.
const STEP_MINUTES: f64 = 1.0;
/// A frame that leaves after its successor was due: of a thousand, so many are too many.
const MISSED: f64 = 10.0;

/// What one step came to.
struct Step {
    sessions: u32,
    /// The most that layers added at p99, in nanoseconds.
    added_ns: u64,
    late: [f64; 2],
    /// Cores that the worker kept busy, and of these the monitor's own threads.
    cores: f64,
    monitor: f64,
}

impl Step {
    fn of(evidence: &Evidence, sessions: u32) -> Option<Self> {
        let latency = evidence.closed.as_ref()?.latency.as_ref()?;
        let added = added(latency).map(|added| added.p99);
        let samples: Vec<&Sample> = evidence.samples.iter().map(|(_, sample)| sample).collect();
        let (first, last) = (
            samples.get(samples.len() / 4)?,
            samples.get(samples.len().checked_sub(2)?)?,
        );
        let passed = (last.real_ms.saturating_sub(first.real_ms)) as f64 * 1e6;
        let busy = |of: fn(&Sample) -> u64| (of(last).saturating_sub(of(first))) as f64 / passed;
        Some(Self {
            sessions,
            added_ns: added.max()?,
            late: late(latency),
            cores: busy(|sample| sample.cpu_ns),
            monitor: busy(|sample| sample.monitor_cpu_ns),
        })
    }

    fn holds(&self) -> bool {
        self.added_ns <= P99_NS && self.late[1] <= MISSED && self.late[1] <= self.late[0] + LATE
    }

    fn line(&self) -> String {
        format!(
            "{:>6} sessions: p99 +{:.0} µs, {:.2} of 1,000 frames late ({:.2} without layers), {:.2} cores, {:.1} % of that the monitor's: {}",
            self.sessions,
            self.added_ns as f64 / 1e3,
            self.late[1],
            self.late[0],
            self.cores,
            self.monitor / self.cores.max(1e-9) * 100.0,
            if self.holds() { "holds" } else { "too many" }
        )
    }
}

/// Raises the number until something breaks, then closes in. Whether at least the first number held.
pub(crate) async fn find(options: &Options, interrupt: &Interrupt) -> Result<bool, String> {
    let (mut good, mut bad): (Option<Step>, Option<u32>) = (None, None);
    let mut sessions = options.sessions;
    while bad
        .is_none_or(|bad| sessions < bad && bad > good.as_ref().map_or(0, |g| g.sessions) * 5 / 4)
    {
        let Some(step) = measure(options, sessions, interrupt).await? else {
            break;
        };
        say(&step.line());
        let next = match step.holds() {
            true => {
                let next = bad.map_or(sessions * 2, |bad| (sessions + bad) / 2);
                good = Some(step);
                next
            }
            false => {
                bad = Some(sessions);
                good.as_ref()
                    .map_or(sessions / 2, |good| (good.sessions + sessions) / 2)
            }
        };
        if next == sessions || next == 0 || sessions > 20_000 {
            break;
        }
        sessions = next;
    }
    if good.is_none() && bad.is_none() {
        return Err("it was ended before anything was measured".into());
    }
    let Some(best) = good else {
        say("not even the first number of sessions holds");
        return Ok(false);
    };
    let at_least = match interrupt.has_come() {
        true => "at least ",
        false => "",
    };
    // A quarter of the load has no layers.
    let all = f64::from(best.sessions) * 1.25;
    say(&format!(
        "the limit is {at_least}{} sessions with layers and {} without, on {:.2} cores: {:.0} sessions a core",
        best.sessions,
        best.sessions / 4,
        best.cores,
        all / best.cores.max(1e-9)
    ));
    Ok(true)
}

/// One step; `None` when it was ended early.
async fn measure(
    options: &Options,
    sessions: u32,
    interrupt: &Interrupt,
) -> Result<Option<Step>, String> {
    let step = Options {
        minutes: STEP_MINUTES,
        speed: 1,
        sessions,
        faults: "none".parse()?,
        report: options.report.join("limit"),
        ..options.clone()
    };
    if interrupt.has_come() {
        return Ok(None);
    }
    let mut soak = Soak::prepare(step, interrupt).await?;
    soak.live().await?;
    if interrupt.has_come() {
        return Ok(None);
    }
    let step = Step::of(soak.evidence(), sessions);
    step.map(Some)
        .ok_or_else(|| "nothing was measured".to_owned())
}

fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
