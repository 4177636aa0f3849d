//! What is written: one level for our own events, and a filter for the program's log lines. Both can change while the
//! program runs.

use campanile_core::{Event, Level, Sink};
use campanile_sinks::{Only, SinkExt as _};
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};
use std::sync::{Arc, PoisonError, RwLock};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// The target of our own events in `RUST_LOG`.
const OWN_TARGET: &str = "campanile";

/// The levels of one monitor, shared by its sinks and its `tracing` layer.
#[derive(Clone, Debug)]
pub struct Levels(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    own: AtomicU8,
    targets: RwLock<Targets>,
}

impl Levels {
    /// Everything from `level` on.
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self::of(Targets::new().with_default(filter(level)))
    }

    /// What `directives` say, in the words of `RUST_LOG`: `info,my_bot=debug,campanile=trace`.
    ///
    /// # Errors
    ///
    /// When they cannot be read.
    pub fn parse(directives: &str) -> Result<Self, String> {
        let targets: Targets = directives
            .parse()
            .map_err(|error| format!("`{directives}` is no filter: {error}"))?;
        Ok(Self::of(targets))
    }

    fn of(targets: Targets) -> Self {
        let own = AtomicU8::new(own_level(&targets) as u8);
        Self(Arc::new(Shared {
            own,
            targets: RwLock::new(targets),
        }))
    }

    /// Takes over other levels, from now on. Log lines that were switched off at their call site are asked again.
    pub fn set(&self, other: &Levels) {
        let targets = other
            .0
            .targets
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.0.own.store(own_level(&targets) as u8, Relaxed);
        *self
            .0
            .targets
            .write()
            .unwrap_or_else(PoisonError::into_inner) = targets;
        tracing::callsite::rebuild_interest_cache();
    }

    /// The level of our own events.
    #[must_use]
    pub fn own(&self) -> Level {
        let level = self.0.own.load(Relaxed);
        LEVELS
            .into_iter()
            .find(|known| *known as u8 == level)
            .unwrap_or_default()
    }

    pub(crate) fn enables(&self, metadata: &tracing::Metadata<'_>) -> bool {
        let targets = self
            .0
            .targets
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        targets.would_enable(metadata.target(), metadata.level())
    }

    /// Hands to `sink` what is at or above the level; losses and alerts always.
    pub(crate) fn gate<S: Sink + 'static>(&self, sink: S) -> Only<S> {
        let levels = self.clone();
        sink.only(move |event| {
            let always = matches!(event, Event::Loss(_) | Event::Alert(_));
            // Log lines were filtered by their own target already.
            always || matches!(event, Event::Log(_)) || event.level() >= levels.own()
        })
    }
}

const LEVELS: [Level; 5] = [
    Level::Trace,
    Level::Debug,
    Level::Info,
    Level::Warn,
    Level::Error,
];

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warn => LevelFilter::WARN,
        Level::Error => LevelFilter::ERROR,
    }
}

fn own_level(targets: &Targets) -> Level {
    let enabled = |level: &Level| match filter(*level).into_level() {
        Some(level) => targets.would_enable(OWN_TARGET, &level),
        None => false,
    };
    LEVELS.into_iter().find(enabled).unwrap_or(Level::Error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_sets_our_own_level_by_our_name() {
        assert_eq!(Levels::parse("warn").unwrap().own(), Level::Warn);
        assert_eq!(
            Levels::parse("warn,campanile=trace").unwrap().own(),
            Level::Trace
        );
        assert_eq!(Levels::parse("my_bot=debug").unwrap().own(), Level::Error);
        assert!(Levels::parse("my_bot=loud").is_err());
    }

    #[test]
    fn levels_change_while_the_program_runs() {
        let levels = Levels::new(Level::Info);
        let other = levels.clone();

        levels.set(&Levels::new(Level::Debug));

        assert_eq!(other.own(), Level::Debug);
    }
}
