//! One exchange of a session: the user speaks, the bot answers.

use super::{Handed, Session};
use crate::{Cost, Name, Owner, Segment, Span, Tick, Timestamp, Wasted};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// One turn of a session. A plain value: clone it into every task that works for it, and hand it to the stages
/// ([`CallLayer::scope`](https://docs.rs/campanile-layers)).
///
/// It ends once: by [`end`](Turn::end), or when its last handle goes (open calls hold one too). Its event is written when its calls
/// are over as well.
#[derive(Clone)]
pub struct Turn(Arc<Inner>, Option<Guess>);

/// Whether what was asked for on a guess was thrown away.
#[derive(Clone, Debug, Default)]
pub struct Guess(Arc<AtomicBool>);

impl Guess {
    /// Whether it was.
    #[must_use]
    pub fn is_discarded(&self) -> bool {
        self.0.load(Relaxed)
    }

    /// Whether both are of one guess.
    #[must_use]
    pub fn is(&self, other: &Guess) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

struct Inner {
    session: Session,
    n: u32,
    /// Stands for the whole session: no event is written for it.
    whole: bool,
    started: Tick,
    started_at: Timestamp,
    open_calls: AtomicU32,
    over: AtomicBool,
    ended: OnceLock<Tick>,
    interrupted: OnceLock<Name>,
    /// One more than what was played, in microseconds; zero: nobody said.
    played_us: AtomicU64,
    marks: Mutex<Vec<(Mark, Tick)>>,
    totals: Mutex<TurnTotals>,
}

/// Moments of a turn from which its waterfall is made. The layers set those of the stages `llm` and `tts`; the program
/// sets the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Mark {
    /// The user stopped speaking.
    UserStopped,
    /// The final transcript was there.
    Transcribed,
    /// The language model was called.
    LlmCalled,
    /// The language model's client was started.
    LlmStarted,
    /// The language model's first token was there.
    LlmFirstItem,
    /// The first text was handed to text-to-speech.
    TtsCalled,
    /// The text-to-speech client was started.
    TtsStarted,
    /// The first audio was there.
    TtsFirstItem,
    /// The bot was heard.
    BotStarted,
}

/// What a turn came to; kept for the recorder.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TurnTotals {
    /// Calls that are over.
    pub calls: u32,
    /// What they cost.
    pub cost: Cost,
    /// The part of it that nobody heard.
    pub wasted: Wasted,
}

impl Turn {
    pub(super) fn begin(session: Session, n: u32, whole: bool) -> Self {
        let clock = session.intake().clock();
        Self(
            Arc::new(Inner {
                n,
                whole,
                started: clock.tick(),
                started_at: clock.now(),
                open_calls: AtomicU32::new(0),
                over: AtomicBool::new(false),
                ended: OnceLock::new(),
                interrupted: OnceLock::new(),
                played_us: AtomicU64::new(0),
                marks: Mutex::default(),
                totals: Mutex::new(TurnTotals {
                    calls: 0,
                    cost: Cost::nothing(),
                    wasted: Wasted::default(),
                }),
                session,
            }),
            None,
        )
    }

    /// Its session.
    #[must_use]
    pub fn session(&self) -> &Session {
        &self.0.session
    }

    /// Its number in the session, from 1; 0 for [`Session::whole`].
    #[must_use]
    pub fn number(&self) -> u32 {
        self.0.n
    }

    /// When it began, in wall time.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.0.started_at
    }

    /// The user has stopped speaking, now: the clock of the user-to-bot latency starts. The last mark counts: a
    /// user may go on after a pause.
    pub fn user_stopped(&self) {
        let now = self.now();
        let mut marks = self.marks();
        marks.retain(|(mark, _)| *mark != Mark::UserStopped);
        marks.push((Mark::UserStopped, now));
    }

    /// The final transcript is there, now.
    pub fn transcribed(&self) {
        self.mark(Mark::Transcribed, self.now());
    }

    /// The bot is heard, now.
    pub fn bot_started(&self) {
        self.mark(Mark::BotStarted, self.now());
    }

    /// So much of the bot's speech was played until now, or until it was interrupted. The last word counts: what was made beyond it is
    /// written as [`unplayed_us`](crate::Meter::UnplayedUs) when the turn is over, and its part of the cost as wasted.
    pub fn played(&self, speech: Duration) {
        let us = u64::try_from(speech.as_micros()).unwrap_or(u64::MAX - 1);
        self.0.played_us.store(us.saturating_add(1), Relaxed);
    }

    /// How much of the bot's speech was played, in microseconds; `None` where nobody said.
    #[must_use]
    pub fn played_us(&self) -> Option<u64> {
        self.0.played_us.load(Relaxed).checked_sub(1)
    }

    /// A handle of this turn for calls on a guess: a reply that is asked for before the user has finished. Where the guess was right,
    /// nothing is to be done; where it was wrong, [`discard`](Turn::discard) it.
    #[must_use]
    pub fn guess(&self) -> Self {
        Self(Arc::clone(&self.0), Some(Guess::default()))
    }

    /// What calls of this [guess](Turn::guess) have made, and will make, is thrown away: their cost is wasted as
    /// [`Speculation`](crate::Waste::Speculation). Of a handle that is no guess, nothing. Say it before the turn is over.
    pub fn discard(&self) {
        if let Some(guess) = &self.1
            && !guess.0.swap(true, Relaxed)
        {
            let intake = self.0.session.intake();
            intake.hand_over(Handed::Discarded(self.clone()));
        }
    }

    /// The guess of which this is a handle; for the recorder.
    #[must_use]
    pub fn guessed(&self) -> Option<&Guess> {
        self.1.as_ref()
    }

    /// Notes a moment. The first one of a kind counts.
    pub fn mark(&self, mark: Mark, at: Tick) {
        let mut marks = self.marks();
        if !self.0.whole && marks.iter().all(|(known, _)| *known != mark) {
            marks.push((mark, at));
        }
    }

    /// The client of `stage` was started at `started`, and gave its first piece at `first`.
    pub fn first_item(&self, stage: &str, started: Tick, first: Tick) {
        let (start, item) = match stage {
            "llm" => (Mark::LlmStarted, Mark::LlmFirstItem),
            "tts" => (Mark::TtsStarted, Mark::TtsFirstItem),
            _ => return,
        };
        self.mark(start, started);
        self.mark(item, first);
    }

    /// Says why what is dropped from now on is dropped: `barge_in`, `hang_up`. The first reason counts.
    pub fn interrupt(&self, reason: &'static str) {
        let _ = self.0.interrupted.set(Name::from_static(reason));
    }

    /// What interrupted it.
    #[must_use]
    pub fn interrupted(&self) -> Option<&Name> {
        self.0.interrupted.get()
    }

    /// Ends the turn. Only the first end counts.
    pub fn end(&self) {
        if self.0.whole || self.0.over.swap(true, Relaxed) {
            return;
        }
        let _ = self.0.ended.set(self.now());
        self.0
            .session
            .intake()
            .hand_over(Handed::TurnOver(self.clone()));
    }

    /// From its beginning to its end, or until now.
    #[must_use]
    pub fn elapsed(&self) -> Span {
        self.0
            .ended
            .get()
            .copied()
            .unwrap_or_else(|| self.now())
            .since(self.0.started)
    }

    /// How many of its calls are open.
    #[must_use]
    pub fn open_calls(&self) -> u32 {
        self.0.open_calls.load(Relaxed)
    }

    /// Reads or writes what the turn came to so far; for the recorder.
    pub fn totals<T>(&self, with: impl FnOnce(&mut TurnTotals) -> T) -> T {
        with(&mut self.0.totals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// From the end of the user's speech to the bot's first audio, and the stretches it is made of: they sum to it.
    ///
    /// A stretch whose mark is missing falls to the next one; a mark that lies before an earlier one (a model
    /// that was asked before the transcript was final) makes a stretch of nothing.
    #[must_use]
    pub fn waterfall(&self) -> Option<(Span, Vec<Segment>)> {
        const STRETCHES: [(Mark, &str, Owner); 8] = [
            (Mark::Transcribed, "transcription", Owner::Provider),
            (Mark::LlmCalled, "to_llm", Owner::Program),
            (Mark::LlmStarted, "llm_queue", Owner::Queue),
            (Mark::LlmFirstItem, "llm_first_item", Owner::Provider),
            (Mark::TtsCalled, "to_tts", Owner::Program),
            (Mark::TtsStarted, "tts_queue", Owner::Queue),
            (Mark::TtsFirstItem, "tts_first_item", Owner::Provider),
            (Mark::BotStarted, "playback", Owner::Playback),
        ];
        let marks = self.marks().clone();
        let find = |wanted| {
            marks
                .iter()
                .find(|(mark, _)| *mark == wanted)
                .map(|(_, at)| *at)
        };
        let start = find(Mark::UserStopped)?;
        find(Mark::BotStarted).or_else(|| find(Mark::TtsFirstItem))?;
        let mut segments = Vec::new();
        let mut reached = start;
        for (mark, name, owner) in STRETCHES {
            let Some(at) = find(mark) else { continue };
            segments.push(Segment::new(name, owner, at.since(reached)));
            reached = reached.max(at);
        }
        Some((reached.since(start), segments))
    }

    pub(super) fn call_opened(&self, stage: &str, at: Tick) {
        self.0.open_calls.fetch_add(1, Relaxed);
        self.0.session.call_opened();
        match stage {
            "llm" => self.mark(Mark::LlmCalled, at),
            "tts" => self.mark(Mark::TtsCalled, at),
            _ => {}
        }
    }

    pub(super) fn call_closed(&self) {
        self.0.open_calls.fetch_sub(1, Relaxed);
        self.0.session.call_closed();
    }

    fn now(&self) -> Tick {
        self.0.session.intake().clock().tick()
    }

    fn marks(&self) -> std::sync::MutexGuard<'_, Vec<(Mark, Tick)>> {
        self.0.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.whole || *self.over.get_mut() {
            return;
        }
        // The last handle goes: a new one, already over, carries the news.
        let now = self.session.intake().clock().tick();
        let last = Inner {
            session: self.session.clone(),
            n: self.n,
            whole: false,
            started: self.started,
            started_at: self.started_at,
            open_calls: AtomicU32::new(0),
            over: AtomicBool::new(true),
            ended: OnceLock::from(now),
            interrupted: std::mem::take(&mut self.interrupted),
            played_us: std::mem::take(&mut self.played_us),
            marks: std::mem::take(&mut self.marks),
            totals: Mutex::new(
                self.totals
                    .get_mut()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone(),
            ),
        };
        self.session
            .intake()
            .hand_over(Handed::TurnOver(Turn(Arc::new(last), None)));
    }
}

impl std::fmt::Debug for Turn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Turn")
            .field("session", self.0.session.id())
            .field("number", &self.0.n)
            .finish_non_exhaustive()
    }
}
