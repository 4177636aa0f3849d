//! Everything that a verdict is made from.

use super::console::Consoles;
use super::logs::Logs;
use super::mission::Early;
use crate::faults::Fault;
use crate::journal::{BillLine, Entry, Latency, Outcome, Sample};
use crate::options::Options;
use campanile::Timestamp;
use campanile::sinks::ledger::{
    FailureGroup, LedgerCall, LedgerStats, Problem, Query, Reader, Report, SessionRow,
};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;

/// See the [module docs](self).
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) options: Options,
    /// The sinks of the environment: each has to leave something to judge.
    pub(crate) sinks: Vec<String>,
    pub(crate) ended_early: bool,
    /// All workers, in order.
    pub(crate) lives: Vec<Begun>,
    pub(crate) closed: Option<Closed>,
    pub(crate) calls: Vec<Called>,
    pub(crate) sessions: BTreeMap<String, Option<String>>,
    pub(crate) turns: u64,
    pub(crate) interrupted: u64,
    pub(crate) lines: Vec<BillLine>,
    pub(crate) samples: Vec<(u32, Sample)>,
    pub(crate) marks: Vec<Mark>,
    pub(crate) kills: u32,
    /// When workers wanted to be killed.
    pub(crate) killed_at: Vec<u64>,
    pub(crate) logs: Logs,
    pub(crate) console: Consoles,
    pub(crate) canaries: Vec<String>,
    pub(crate) searched_bytes: u64,
    pub(crate) ledger: Option<Ledgered>,
    /// Calls in the metrics of the last worker, when its monitor was closed.
    pub(crate) metric_calls: Option<u64>,
    /// What there was after five minutes.
    pub(crate) early: Option<Early>,
    pub(crate) max_file: u64,
    pub(crate) max_total: u64,
    life: u32,
}

/// How a worker began.
#[derive(Clone, Debug)]
pub(crate) struct Begun {
    pub(crate) life: u32,
    pub(crate) pid: u32,
    pub(crate) fds: u64,
    pub(crate) tasks: u64,
    pub(crate) threads: u64,
}

/// How the last one ended.
#[derive(Clone, Debug)]
pub(crate) struct Closed {
    pub(crate) life: u32,
    pub(crate) opened: u64,
    pub(crate) clean: bool,
    pub(crate) fds: u64,
    pub(crate) tasks: u64,
    pub(crate) threads: u64,
    pub(crate) latency: Option<Latency>,
}

/// A call, as its caller saw it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Called {
    pub(crate) life: u32,
    pub(crate) n: u64,
    pub(crate) session: String,
    pub(crate) turn: u32,
    pub(crate) stage: String,
    pub(crate) at_ms: u64,
    pub(crate) wall: Timestamp,
    pub(crate) faults: String,
    /// `None`: its process was killed, in the middle of it or before its end can be known for certain.
    pub(crate) over: Option<Outcome>,
    pub(crate) over_ms: u64,
}

/// What a process has seen so shortly before it was killed in the middle of everything need not be durable (`docs/ending.md`).
const LAST_MS: u64 = 15;

impl Called {
    /// How people find it.
    pub(crate) fn place(&self) -> String {
        format!("{} of {} turn {}", self.stage, self.session, self.turn)
    }
}

/// A fault that came or went.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Mark {
    pub(crate) fault: String,
    pub(crate) at_ms: u64,
    pub(crate) on: bool,
}

/// What the ledger holds.
#[derive(Debug)]
pub(crate) struct Ledgered {
    pub(crate) calls: Vec<LedgerCall>,
    pub(crate) sessions: Vec<SessionRow>,
    pub(crate) report: Report,
    pub(crate) alerts: Vec<serde_json::Value>,
    pub(crate) errors: Vec<FailureGroup>,
    pub(crate) problems: Vec<Problem>,
    pub(crate) stats: LedgerStats,
}

impl Ledgered {
    /// Reads a ledger; an error is one line.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        use campanile::sinks::ledger::Dimension::{Model, Outcome, Provider};
        let reader = Reader::open(path).map_err(|error| error.to_string())?;
        let mut calls = Vec::new();
        let read = || -> Result<Self, campanile::sinks::ledger::LedgerError> {
            reader.calls(&Query::default(), |call| {
                calls.push(call);
                ControlFlow::Continue(())
            })?;
            Ok(Self {
                sessions: reader.sessions(&Query::default())?,
                report: reader.report(&Query::default().by([Provider, Model, Outcome]))?,
                alerts: reader.alerts()?,
                errors: reader.errors(&Query::default())?,
                problems: reader.verify()?,
                stats: reader.stats()?,
                calls,
            })
        };
        read().map_err(|error| error.to_string())
    }
}

impl Evidence {
    pub(crate) fn new(options: Options, sinks: Vec<String>) -> Self {
        Self {
            options,
            sinks,
            ended_early: false,
            lives: Vec::new(),
            closed: None,
            calls: Vec::new(),
            sessions: BTreeMap::new(),
            turns: 0,
            interrupted: 0,
            lines: Vec::new(),
            samples: Vec::new(),
            marks: Vec::new(),
            kills: 0,
            killed_at: Vec::new(),
            logs: Logs::default(),
            console: Consoles::default(),
            canaries: Vec::new(),
            searched_bytes: 0,
            ledger: None,
            metric_calls: None,
            early: None,
            max_file: 0,
            max_total: 0,
            life: 0,
        }
    }

    /// Whether the environment has a sink of this name.
    pub(crate) fn has(&self, sink: &str) -> bool {
        self.sinks.iter().any(|name| name == sink)
    }

    /// Leaves open how calls ended that were over just before the process was killed.
    fn forget_the_last(&mut self, killed_ms: u64) {
        let life = self.life;
        for call in self.calls.iter_mut().filter(|call| call.life == life) {
            if call.over_ms.saturating_add(LAST_MS) >= killed_ms {
                call.over = None;
            }
        }
    }

    /// Takes in what a worker has noted. Says when it wants to be killed.
    pub(crate) fn take(&mut self, entry: Entry) -> Option<u64> {
        match entry {
            Entry::Begun {
                life,
                pid,
                fds,
                tasks,
                threads,
                ..
            } => {
                self.life = life;
                self.lives.push(Begun {
                    life,
                    pid,
                    fds,
                    tasks,
                    threads,
                });
            }
            Entry::Session { id, over, .. } => {
                self.sessions.insert(id, over);
            }
            Entry::Turn { interrupted, .. } => {
                self.turns += 1;
                self.interrupted += u64::from(interrupted);
            }
            Entry::Call {
                n,
                session,
                turn,
                stage,
                at_ms,
                wall,
                faults,
            } => self.calls.push(Called {
                life: self.life,
                n,
                session,
                turn,
                stage,
                at_ms,
                wall,
                faults,
                over: None,
                over_ms: 0,
            }),
            Entry::Over { n, at_ms, outcome } => {
                // It is among the last ones.
                let life = self.life;
                let is_dead = self.options.is_real() && self.killed_at.len() > life as usize;
                let mut calls = self.calls.iter_mut().rev();
                if let Some(call) = calls.find(|call| call.life == life && call.n == n) {
                    call.over = Some(outcome).filter(|_| !is_dead);
                    call.over_ms = at_ms;
                }
            }
            Entry::Bill(line) | Entry::OpenBill(line) => self.lines.push(line),
            Entry::Mark { fault, at_ms, on } => self.marks.push(Mark { fault, at_ms, on }),
            Entry::Kill { at_ms } => {
                self.killed_at.push(at_ms);
                if self.options.is_real() {
                    self.forget_the_last(at_ms);
                }
                return Some(at_ms);
            }
            Entry::Sample(sample) => self.samples.push((self.life, sample)),
            Entry::Closed {
                opened,
                clean,
                fds,
                tasks,
                threads,
                latency,
                ..
            } => {
                self.closed = Some(Closed {
                    life: self.life,
                    opened,
                    clean,
                    fds,
                    tasks,
                    threads,
                    latency,
                });
            }
        }
        None
    }

    /// How often a fault has met something.
    pub(crate) fn hits(&self, fault: Fault) -> u64 {
        let calls = |stage: &str, word: &str| {
            let met = |call: &&Called| {
                call.stage == stage && call.faults.split(',').any(|met| met.starts_with(word))
            };
            self.calls.iter().filter(met).count() as u64
        };
        match fault {
            Fault::TooMany => calls("llm", "too_many_requests"),
            Fault::ServerError => calls("llm", "server_error"),
            Fault::Cut => calls("llm", "cut_"),
            Fault::ErrorInStream => calls("llm", "error_in_stream"),
            Fault::NoUsage => calls("llm", "no_usage_chunk"),
            Fault::Slow => calls("llm", "slow="),
            Fault::Reset => calls("llm", "refuse") - calls("llm", "refused"),
            Fault::BlackHole => calls("llm", "black_hole"),
            Fault::Refused => calls("llm", "refused"),
            Fault::Panic => calls("llm", "panic"),
            Fault::SocketClosed => calls("tts", "close_socket"),
            Fault::SttReconnect => calls("stt", "close_socket"),
            Fault::Kill => self.kills.into(),
            _ => self
                .marks
                .iter()
                .filter(|mark| mark.on && mark.fault == fault.name())
                .count() as u64,
        }
    }
}

#[cfg(test)]
impl Evidence {
    /// Of a soak of the default options that is over: nothing was seen of it, but that its one worker ended in order.
    pub(crate) fn of(sinks: &[&str]) -> Self {
        use clap::Parser as _;
        let options = Options::parse_from(["soak"]);
        let mut evidence = Self::new(options, sinks.iter().map(|&name| name.into()).collect());
        let begun = Entry::Begun {
            life: 0,
            pid: 1,
            at_ms: 0,
            fds: 1,
            tasks: 0,
            threads: 1,
        };
        let closed = Entry::Closed {
            at_ms: 1,
            opened: 0,
            clean: true,
            fds: 1,
            tasks: 0,
            threads: 1,
            latency: None,
        };
        for entry in [begun, Entry::Sample(Sample::default()), closed] {
            evidence.take(entry);
        }
        evidence
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_over_just_before_a_kill_in_real_time_is_known_as_either() {
        let ends = |speed: u32| {
            let mut evidence = Evidence::of(&[]);
            evidence.options.speed = speed;
            let mut take = |entry| evidence.take(entry);
            for n in 0..3 {
                take(Entry::Call {
                    n,
                    session: String::new(),
                    turn: 0,
                    stage: "llm".to_owned(),
                    at_ms: 0,
                    wall: Timestamp(0),
                    faults: String::new(),
                });
            }
            let outcome = Outcome::Completed;
            let over = |n, at_ms| Entry::Over { n, at_ms, outcome };
            take(over(0, 984));
            take(over(1, 990));
            take(Entry::Kill { at_ms: 1_000 });
            take(over(2, 1_001));
            evidence
                .calls
                .iter()
                .map(|call| call.over.is_some())
                .collect::<Vec<_>>()
        };

        assert_eq!(ends(1), [true, false, false]);
        assert_eq!(ends(60), [true; 3]);
    }
}
