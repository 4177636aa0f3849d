//! What a provider will ask money for, counted by the provider itself.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::Fault;

/// Whose bill it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// The language model.
    OpenAi,
    /// Speech to text.
    Deepgram,
    /// Text to speech.
    Cartesia,
}

impl Provider {
    /// The name in lower case: `openai`, `deepgram`, `cartesia`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Deepgram => "deepgram",
            Self::Cartesia => "cartesia",
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a request ended, as the provider saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Why {
    /// The whole answer was handed to the connection.
    Completed,
    /// The connection ended first.
    HungUp,
    /// The client asked to stop.
    Cancelled,
    /// The provider gave up: a status of 4xx or 5xx, an error inside the stream.
    Failed,
}

/// Plain counts. Nothing is money here: what a token costs is for others to say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Meters {
    /// All input tokens.
    pub prompt_tokens: u64,
    /// The part of `prompt_tokens` that came from the prompt cache.
    pub cached_tokens: u64,
    /// All output tokens.
    pub completion_tokens: u64,
    /// The part of `completion_tokens` that was thought, not said.
    pub reasoning_tokens: u64,
    /// Audio received, in bytes.
    pub audio_bytes: u64,
    /// The same as time, in whole microseconds (a rest is cut off once a request), times the channels where those are
    /// billed apart.
    pub audio_us: u64,
    /// Unicode code points of text that began to be spoken.
    pub characters: u64,
}

impl Meters {
    /// Adds each count of `other`.
    pub fn add(&mut self, other: &Self) {
        self.prompt_tokens += other.prompt_tokens;
        self.cached_tokens += other.cached_tokens;
        self.completion_tokens += other.completion_tokens;
        self.reasoning_tokens += other.reasoning_tokens;
        self.audio_bytes += other.audio_bytes;
        self.audio_us += other.audio_us;
        self.characters += other.characters;
    }

    /// Nothing was billed.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
}

/// The shape of raw audio: what turns bytes into time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    /// Samples a second, of each channel.
    pub sample_rate: u32,
    /// Interleaved channels.
    pub channels: u16,
    /// Bytes of one sample of one channel.
    pub width: u16,
}

impl AudioFormat {
    /// The length of that many bytes in microseconds, the rest cut off.
    #[must_use]
    pub fn micros(&self, bytes: u64) -> u64 {
        let second =
            u128::from(self.sample_rate) * u128::from(self.channels) * u128::from(self.width);
        let micros = (u128::from(bytes) * 1_000_000)
            .checked_div(second)
            .unwrap_or(0);
        u64::try_from(micros).unwrap_or(u64::MAX)
    }
}

/// One thing that a provider was asked for: a request of a language model, a listening socket, a context to speak.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Line {
    /// The provider's own name for it, as it told the client.
    pub request_id: String,
    /// Who bills.
    pub provider: Provider,
    /// The how many-th request or connection of its server it was, from 0.
    pub index: u64,
    /// The how many-th context of its connection, from 0; 0 where there are none.
    pub part: u64,
    /// The client's name for a context of speech.
    pub context_id: Option<String>,
    /// What the client called itself in the header [`KEY`](super::KEY).
    pub key: Option<String>,
    /// The model asked for; empty where the request did not get that far.
    pub model: String,
    /// The model that answered.
    pub served_model: String,
    /// The service tier, where there is such a thing.
    pub tier: Option<String>,
    /// What is billed.
    pub meters: Meters,
    /// What turned audio bytes into time.
    pub audio: Option<AudioFormat>,
    /// The HTTP status that was answered; `None` where nothing was.
    pub status: Option<u16>,
    /// How it ended.
    pub why: Why,
    /// The trouble that the script had for it, whether it came to that or not.
    pub fault: Option<Fault>,
    /// From its arrival to its end. Not determined by the seed.
    pub open_us: u64,
}

/// A copy of a bill at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bill {
    /// What has ended, by provider, index and part.
    pub lines: Vec<Line>,
    /// How many requests have begun and not ended: their counts are not in `lines` yet.
    pub open: u64,
}

impl Bill {
    /// Sums by provider and served model. Models that were billed nothing are there with zeros.
    #[must_use]
    pub fn total(&self) -> BTreeMap<(Provider, String), Meters> {
        let mut total = BTreeMap::<_, Meters>::new();
        for line in &self.lines {
            let model = (line.provider, line.served_model.clone());
            total.entry(model).or_default().add(&line.meters);
        }
        total
    }

    /// The sum of one provider, all models together.
    #[must_use]
    pub fn of(&self, provider: Provider) -> Meters {
        let mut sum = Meters::default();
        for line in self.lines.iter().filter(|line| line.provider == provider) {
            sum.add(&line.meters);
        }
        sum
    }

    /// The lines of that request id: several where a connection had several contexts.
    pub fn request(&self, request_id: &str) -> impl Iterator<Item = &Line> {
        self.lines
            .iter()
            .filter(move |line| line.request_id == request_id)
    }
}

/// Where servers write what they bill: a handle, all clones of which mean the same bill.
#[derive(Clone, Debug, Default)]
pub struct Tab(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    book: Mutex<Book>,
    ended: Notify,
}

#[derive(Debug, Default)]
struct Book {
    bill: Bill,
    /// Lines that are being written, by a number of their own.
    open: BTreeMap<u64, Line>,
    opened: u64,
}

impl Tab {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The bill so far.
    #[must_use]
    pub fn bill(&self) -> Bill {
        let mut bill = self.lock().bill.clone();
        bill.lines.sort_by(|a, b| {
            (a.provider, a.index, a.part, &a.request_id).cmp(&(
                b.provider,
                b.index,
                b.part,
                &b.request_id,
            ))
        });
        bill
    }

    /// The bill as soon as no request is open.
    ///
    /// A provider notices a little later than its client that a connection is gone; ask here, not
    /// [`bill`](Self::bill), where a client has hung up. What has not arrived yet is not waited for.
    pub async fn settled(&self) -> Bill {
        loop {
            let mut ended = std::pin::pin!(self.0.ended.notified());
            // Enrolled before the look at the count, so that no end falls between the two.
            ended.as_mut().enable();
            if self.lock().bill.open == 0 {
                return self.bill();
            }
            ended.await;
        }
    }

    /// Takes the lines that have ended out of the bill, in the order of their ends. For a run that is too long to
    /// keep them all.
    #[must_use]
    pub fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.lock().bill.lines)
    }

    /// What the requests that are open have come to so far: what they are billed if their client dies now, and the
    /// provider notices at once.
    #[must_use]
    pub fn open_lines(&self) -> Vec<Line> {
        self.lock().open.values().cloned().collect()
    }

    pub(crate) fn open(&self, line: Line) -> Open {
        let mut book = self.lock();
        let number = book.opened;
        book.opened += 1;
        book.bill.open += 1;
        book.open.insert(number, line);
        Open {
            number,
            is_open: true,
            since: Instant::now(),
            tab: self.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        // Each change is whole in itself: a panic elsewhere cannot leave half of one.
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line that is being written. Dropped without a word, its client has hung up.
#[derive(Debug)]
pub(crate) struct Open {
    number: u64,
    is_open: bool,
    since: Instant,
    tab: Tab,
}

impl Open {
    /// Changes the line, as long as it is open.
    pub(crate) fn line(&mut self, change: impl FnOnce(&mut Line)) {
        if self.is_open
            && let Some(line) = self.tab.lock().open.get_mut(&self.number)
        {
            change(line);
        }
    }

    /// Changes what is billed, as long as the line is open.
    pub(crate) fn meter(&mut self, change: impl FnOnce(&mut Meters)) {
        self.line(|line| change(&mut line.meters));
    }

    /// Says how it will have ended if nobody says otherwise.
    pub(crate) fn expect(&mut self, why: Why) {
        self.line(|line| line.why = why);
    }

    /// Takes the line back: what it was opened for has lines of its own.
    pub(crate) fn discard(mut self) {
        self.end(false);
    }

    /// Writes the line. Later calls change nothing.
    pub(crate) fn close(&mut self, why: Why) {
        self.expect(why);
        self.end(true);
    }

    fn end(&mut self, is_billed: bool) {
        if !std::mem::take(&mut self.is_open) {
            return;
        }
        let mut book = self.tab.lock();
        let line = book.open.remove(&self.number).filter(|_| is_billed);
        book.bill.lines.extend(line.map(|line| Line {
            open_us: u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX),
            ..line
        }));
        book.bill.open -= 1;
        drop(book);
        self.tab.0.ended.notify_waiters();
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.end(true);
    }
}
