//! What the layers add: the way of a piece from the socket to the bot, and of a frame from the microphone to the socket.
//!
//! Each is measured beside the same load without layers, in the same process at the same time, so that what the machine
//! does meanwhile meets both.

use crate::journal::{Latency, LatencyRow, Quantiles};
use campanile::Clock;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// A frame is to leave before the next one is there.
const DEADLINE_NS: u64 = 20_000_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// From the transcriber's socket to the bot.
    Transcript,
    /// From the model's socket to the bot.
    Delta,
    /// From the speaker's socket to the bot.
    Speech,
    /// From the microphone to the transcriber's socket.
    Frame,
}

const WAYS: [(Way, &str); 4] = [
    (Way::Transcript, "transcript: socket to bot"),
    (Way::Delta, "delta: socket to bot"),
    (Way::Speech, "speech: socket to bot"),
    (Way::Frame, "frame: microphone to socket"),
];

/// All that was measured, with layers and without.
#[derive(Debug)]
pub(super) struct Measured {
    clock: Clock,
    rows: [[Mutex<Histogram>; 2]; WAYS.len()],
    late: [AtomicU64; 2],
    frames: [AtomicU64; 2],
}

impl Measured {
    pub(super) fn new(clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            clock,
            rows: Default::default(),
            late: Default::default(),
            frames: Default::default(),
        })
    }

    fn note(&self, way: Way, watched: bool, ns: u64) {
        let row = &self.rows[way as usize][usize::from(watched)];
        row.lock().unwrap_or_else(PoisonError::into_inner).add(ns);
    }

    pub(super) fn summary(&self) -> Latency {
        let quantiles = |row: &Mutex<Histogram>| {
            row.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .quantiles()
        };
        let rows = WAYS.iter().map(|(way, what)| LatencyRow {
            what: (*what).to_owned(),
            bare: quantiles(&self.rows[*way as usize][0]),
            watched: quantiles(&self.rows[*way as usize][1]),
        });
        let read = |pair: &[AtomicU64; 2]| [pair[0].load(Relaxed), pair[1].load(Relaxed)];
        Latency {
            rows: rows.collect(),
            late: read(&self.late),
            frames: read(&self.frames),
        }
    }
}

/// Times one connection.
#[derive(Debug)]
pub(super) struct Stopwatch {
    measured: Arc<Measured>,
    way: Way,
    watched: bool,
    /// When bytes were read last.
    read_ns: AtomicU64,
    /// When a frame was taken from the microphone that has not been written; 0: none.
    taken_ns: AtomicU64,
}

impl Stopwatch {
    pub(super) fn new(measured: &Arc<Measured>, way: Way, watched: bool) -> Arc<Self> {
        Arc::new(Self {
            measured: Arc::clone(measured),
            way,
            watched,
            read_ns: AtomicU64::new(0),
            taken_ns: AtomicU64::new(0),
        })
    }

    /// Bytes were read.
    pub(super) fn read(&self) {
        self.read_ns.store(self.measured.clock.tick().0, Relaxed);
    }

    /// The bot has a piece of what was read.
    pub(super) fn heard(&self) {
        let read = self.read_ns.load(Relaxed);
        if read > 0 {
            let now = self.measured.clock.tick().0;
            self.measured
                .note(self.way, self.watched, now.saturating_sub(read));
        }
    }

    /// A frame was taken from the microphone, that much too late.
    pub(super) fn taken(&self, late_ns: u64) {
        let side = usize::from(self.watched);
        self.measured.frames[side].fetch_add(1, Relaxed);
        self.measured.late[side].fetch_add(u64::from(late_ns > DEADLINE_NS), Relaxed);
        self.taken_ns.store(self.measured.clock.tick().0, Relaxed);
    }

    /// Bytes were written.
    pub(super) fn wrote(&self) {
        let taken = self.taken_ns.swap(0, Relaxed);
        if taken > 0 {
            let now = self.measured.clock.tick().0;
            self.measured
                .note(Way::Frame, self.watched, now.saturating_sub(taken));
        }
    }
}

/// Counts by size: 32 steps to each power of two, so that a quantile is at most 3 % too high.
#[derive(Debug)]
struct Histogram {
    counts: Vec<u64>,
    n: u64,
}

const STEPS: u64 = 32;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; (STEPS * 60) as usize],
            n: 0,
        }
    }
}

impl Histogram {
    fn place(ns: u64) -> usize {
        let power = u64::from((ns / STEPS).max(1).ilog2());
        (power * STEPS + (ns >> power)) as usize
    }

    fn add(&mut self, ns: u64) {
        let last = self.counts.len() - 1;
        self.counts[Self::place(ns).min(last)] += 1;
        self.n += 1;
    }

    fn quantile(&self, per_mille: u64) -> u64 {
        let rank = (self.n * per_mille).div_ceil(1_000);
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += count;
            seen >= rank.max(1)
        });
        let place = found.unwrap_or(0) as u64;
        match place {
            0..64 => place,
            _ => {
                let power = place / STEPS - 1;
                (place - power * STEPS + 1) << power
            }
        }
    }

    fn quantiles(&self) -> Quantiles {
        Quantiles {
            n: self.n,
            p50: self.quantile(500),
            p99: self.quantile(990),
            p999: self.quantile(999),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_never_too_low_and_hardly_too_high() {
        for ns in [0, 1, 31, 32, 63, 64, 65, 1_000, 20_000_000, 3_000_000_000] {
            let mut histogram = Histogram::default();
            histogram.add(ns);

            let found = histogram.quantile(500);
            assert!(found >= ns && found <= ns + ns / 16 + 1, "{ns}: {found}");
        }
        let mut histogram = Histogram::default();
        (1..=1_000).for_each(|ns| histogram.add(ns * 1_000));
        let quantiles = histogram.quantiles();
        assert!((500_000..520_000).contains(&quantiles.p50), "{quantiles:?}");
        assert!(
            (990_000..1_030_000).contains(&quantiles.p99),
            "{quantiles:?}"
        );
    }
}
