//! The frame of every decoder: bodies and messages are cut into whole pieces here, and read by a [`Read`].

use crate::documents::Documents;
use crate::eventstream::EventStream;
use crate::lines::Sse;
use crate::report::{Inclusive, Report};
use crate::request::RequestFacts;
use crate::weigh::{self, Habits};
use campanile_core::{Count, Decode, Failure, Frame, Meter, Moment, Name, Noted};
use std::borrow::Cow;

/// Reads the whole messages of one family. Implemented in this crate, for the types that [`Decoder`] is made of.
pub trait Read: Send + Default + std::fmt::Debug {
    /// The provider that bills, unless the decoder was told another one.
    #[doc(hidden)]
    const PROVIDER: &'static str = "";

    /// One message of the provider: a JSON body, the data of an event, a text frame.
    #[doc(hidden)]
    fn message(&mut self, event: &str, message: &str, out: &mut Out<'_>);

    /// One binary frame of the provider.
    #[doc(hidden)]
    fn binary(&mut self, _bytes: &[u8], _out: &mut Out<'_>) {}

    /// One frame that goes to the provider.
    #[doc(hidden)]
    fn sent(&mut self, _frame: Frame<'_>, _out: &mut Out<'_>) {}

    /// Nothing more will come.
    #[doc(hidden)]
    fn ended(&mut self, _out: &mut Out<'_>) {}
}

/// Decodes one exchange: a reply's body (JSON, server-sent events, NDJSON, an AWS event stream: told apart by
/// their first byte) or one WebSocket.
///
/// Each piece gives its facts as soon as it is whole. Memory is bounded: of a message longer than 1 MiB the
/// largest members, or all of it, are left out and counted in [`left_out`](Decoder::left_out).
pub struct Decoder<R> {
    pub(crate) reader: R,
    framing: Framing,
    state: State,
}

/// What a decoder keeps beside its reader.
pub(crate) struct State {
    report: Report,
    /// What is billed, where that is not what the totals say.
    billed: Option<Report>,
    keep_text: bool,
    provider: Name,
    introduced: bool,
    identified: bool,
    left_out: u64,
    /// Each delta of this provider's is one token.
    sends_tokens: bool,
    /// How the model's tokens compare with what is seen of them.
    habits: Habits,
    /// The prompt's bounds once the reply has begun, where the request is known.
    prompt: Option<Count>,
}

#[derive(Default)]
enum Framing {
    /// Nothing came yet.
    #[default]
    Open,
    Documents(Documents),
    Sse(Sse),
    EventStream(EventStream),
}

/// Shows the reader and the totals: the pieces of messages that are held are content.
impl<R: std::fmt::Debug> std::fmt::Debug for Decoder<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decoder")
            .field("reader", &self.reader)
            .field("provider", &self.state.provider)
            .field("totals", &self.state.report.totals)
            .finish_non_exhaustive()
    }
}

impl<R: Read> Default for Decoder<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Read> Decoder<R> {
    /// A decoder for one exchange.
    #[must_use]
    pub fn new() -> Self {
        Self::with(R::default())
    }

    pub(crate) fn with(reader: R) -> Self {
        Self {
            reader,
            framing: Framing::Open,
            state: State {
                report: Report::default(),
                billed: None,
                keep_text: true,
                provider: Name::from_static(R::PROVIDER),
                introduced: false,
                identified: false,
                left_out: 0,
                sends_tokens: weigh::sends_tokens(R::PROVIDER),
                habits: Habits::default(),
                prompt: None,
            },
        }
    }

    /// Whether text is noted. Default: true. Without it, no text is even looked for.
    #[must_use]
    pub fn keep_text(mut self, keep: bool) -> Self {
        self.state.keep_text = keep;
        self
    }

    /// What was asked for: once the reply has begun, the prompt has been read, and its lower bound is raised from zero.
    #[must_use]
    pub fn asked(mut self, request: &RequestFacts) -> Self {
        self.state.prompt = request.begun_input();
        self
    }

    /// The provider that bills. Default: the one that the family is named after.
    #[must_use]
    pub fn provider(mut self, provider: Name) -> Self {
        self.state.sends_tokens = weigh::sends_tokens(&provider);
        self.state.provider = provider;
        self
    }

    /// The inclusive totals so far.
    #[must_use]
    pub fn inclusive(&self) -> &Inclusive {
        &self.state.report.totals
    }

    /// How many messages, or members of them, were too long to be read.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        let framing = match &self.framing {
            Framing::Open => 0,
            Framing::Documents(documents) => documents.dropped,
            Framing::Sse(sse) => sse.skipped(),
            Framing::EventStream(stream) => stream.skipped(),
        };
        self.state.left_out.saturating_add(framing)
    }

    /// Calls `read` with the reader and what it may write to; then writes down what changed.
    pub(crate) fn reading(&mut self, noted: &mut Noted, read: impl FnOnce(&mut R, &mut Out<'_>)) {
        self.state.reading(&mut self.reader, noted, read);
    }

    /// Says who bills, before there is a message to read.
    pub(crate) fn introduce(&mut self, noted: &mut Noted) {
        self.state.introduce(noted);
    }

    fn body(&mut self, mut bytes: &[u8], noted: &mut Noted) {
        self.introduce(noted);
        if let Framing::Open = self.framing {
            let Some((framing, rest)) = Framing::of(bytes) else {
                return;
            };
            self.framing = framing;
            bytes = rest;
        }
        let (state, reader) = (&mut self.state, &mut self.reader);
        self.framing.feed(bytes, &mut |event, data| {
            state.message(reader, event, data, noted)
        });
    }
}

impl Framing {
    /// What the first byte that is no white space and no byte order mark tells, and the bytes from there.
    fn of(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let blank = |byte: &u8| byte.is_ascii_whitespace() || b"\xef\xbb\xbf".contains(byte);
        let start = bytes.iter().position(|byte| !blank(byte))?;
        let rest = bytes.get(start..)?;
        let framing = match rest.first()? {
            b'{' | b'[' => Framing::Documents(Documents::default()),
            // The length of the first message, of which the highest byte is zero.
            0 => Framing::EventStream(EventStream::default()),
            _ => Framing::Sse(Sse::default()),
        };
        Some((framing, rest))
    }

    fn feed(&mut self, bytes: &[u8], take: &mut dyn FnMut(&str, &[u8])) {
        match self {
            Framing::Open => {}
            Framing::Documents(documents) => documents.feed(bytes, &mut |data| take("", data)),
            Framing::Sse(sse) => sse.feed(bytes, take),
            Framing::EventStream(stream) => stream.feed(bytes, take),
        }
    }

    fn end(&mut self, take: &mut dyn FnMut(&str, &[u8])) {
        match self {
            Framing::Open | Framing::EventStream(_) => {}
            Framing::Documents(documents) => documents.end(&mut |data| take("", data)),
            Framing::Sse(sse) => sse.end(take),
        }
    }
}

impl State {
    fn message<R: Read>(&mut self, reader: &mut R, event: &str, data: &[u8], noted: &mut Noted) {
        let data = text(data);
        self.reading(reader, noted, |reader, out| {
            reader.message(event, &data, out);
        });
    }

    fn reading<R>(
        &mut self,
        reader: &mut R,
        noted: &mut Noted,
        read: impl FnOnce(&mut R, &mut Out<'_>),
    ) {
        let mut out = Out {
            noted,
            state: self,
            reported: false,
        };
        read(reader, &mut out);
        if out.reported {
            self.billed.as_ref().unwrap_or(&self.report).note(noted);
        }
        self.introduce(noted);
    }

    /// Says once who bills.
    fn introduce(&mut self, noted: &mut Noted) {
        if !std::mem::replace(&mut self.introduced, true) && !self.provider.is_empty() {
            noted.served().provider = Some(self.provider.clone());
        }
    }
}

/// Bytes that are no UTF-8 are replaced: one bad character costs no usage. The usual case is tried first, for
/// the check alone is many times faster than the replacement.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

impl<R: Read> Decode for Decoder<R> {
    fn sent(&mut self, frame: Frame<'_>, noted: &mut Noted) {
        self.reading(noted, |reader, out| reader.sent(frame, out));
    }

    fn received(&mut self, frame: Frame<'_>, noted: &mut Noted) {
        match frame {
            Frame::Body(bytes) => self.body(bytes, noted),
            Frame::Text(text) => self.reading(noted, |reader, out| reader.message("", text, out)),
            Frame::Binary(bytes) => self.reading(noted, |reader, out| reader.binary(bytes, out)),
        }
    }

    fn ended(&mut self, noted: &mut Noted) {
        let (state, reader) = (&mut self.state, &mut self.reader);
        self.framing
            .end(&mut |event, data| state.message(reader, event, data, noted));
        self.reading(noted, |reader, out| reader.ended(out));
    }
}

/// Where a reader writes what it found.
pub struct Out<'a> {
    noted: &'a mut Noted,
    state: &'a mut State,
    reported: bool,
}

impl std::fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Out")
            .field("noted", &self.noted)
            .finish_non_exhaustive()
    }
}

/// The longest model name that is kept.
const MAX_MODEL: usize = 512;

impl Out<'_> {
    /// Everything that can be noted directly.
    pub(crate) fn noted(&mut self) -> &mut Noted {
        self.noted
    }

    pub(crate) fn keeps_text(&self) -> bool {
        self.state.keep_text
    }

    pub(crate) fn provider(&self) -> &str {
        &self.state.provider
    }

    /// A piece of the answer.
    pub(crate) fn piece(&mut self) {
        self.noted.moment(Moment::Piece);
    }

    /// A piece of text that is no token of anybody's.
    pub(crate) fn said(&mut self, text: &str) {
        self.piece();
        if self.state.keep_text {
            self.noted.text(text);
        }
    }

    /// A delta of text.
    pub(crate) fn delta(&mut self, text: &str) {
        self.made(weigh::text(text).delta(self.state.sends_tokens));
        self.said(text);
    }

    /// A delta of text, as a raw JSON string: unescaped only where somebody keeps it.
    pub(crate) fn delta_raw(&mut self, raw: &str) {
        if let Some(text) = crate::json::plain(raw) {
            return self.delta(text);
        }
        self.made(weigh::json(raw).delta(self.state.sends_tokens));
        self.piece();
        if self.state.keep_text
            && let Some(text) = crate::json::text(raw)
        {
            self.noted.text(&text);
        }
    }

    /// A piece that is made, billed, and not said: arguments of a call, a thought, as raw JSON strings.
    pub(crate) fn unspoken(&mut self, raw: &str) {
        self.made(weigh::json(raw).unspoken());
        self.piece();
    }

    /// A piece behind which more may stand than is shown.
    pub(crate) fn hidden(&mut self) {
        self.made(weigh::HIDDEN);
        self.piece();
    }

    /// A thought: some providers show all of it, some a summary.
    pub(crate) fn thought(&mut self, raw: &str) {
        match self.state.habits.sums_up_thoughts {
            true => self.hidden(),
            false => self.unspoken(raw),
        }
    }

    /// The first sign of an answer: the prompt has been read, and is billed.
    pub(crate) fn begun(&mut self) {
        if self.state.prompt.is_none() {
            return;
        }
        let reported = self.state.report.totals.input_tokens.is_some();
        if let Some(prompt) = self.state.prompt.take().filter(|_| !reported) {
            self.noted.usage(Meter::InputTokens, prompt);
        }
    }

    fn made(&mut self, mut made: campanile_core::Made) {
        self.begun();
        if self.state.habits.thinks_in_secret {
            made.most = None;
        } else if self.state.habits.cuts_fine {
            made = weigh::finer(made);
        }
        self.noted.made(made);
    }

    /// What was reported so far; its counts are noted after this message.
    pub(crate) fn report(&mut self) -> &mut Report {
        self.reported = true;
        &mut self.state.report
    }

    /// What was reported so far, to look at.
    pub(crate) fn reported(&self) -> &Report {
        &self.state.report
    }

    /// Whether any count was reported so far.
    pub(crate) fn usage_known(&self) -> bool {
        self.state.report.says_something()
    }

    /// What is billed, where that is not what the totals say: the meters are noted of this instead.
    pub(crate) fn bill(&mut self, billed: Report) {
        self.reported = true;
        self.state.billed = Some(billed);
    }

    /// The raw JSON string that names the model. An empty one says nothing.
    pub(crate) fn model(&mut self, raw: Option<&str>) {
        if let Some(model) = raw.and_then(crate::json::filled) {
            self.model_named(&model);
        }
    }

    /// The name of the model. The first one stays: later chunks repeat it.
    pub(crate) fn model_named(&mut self, model: &str) {
        let known = &mut self.state.report.totals.model;
        if known.is_none() && model.len() <= MAX_MODEL {
            *known = Some(model.to_owned());
            self.state.habits = Habits::of(model);
            if let Some(name) = Name::outside(model) {
                self.noted.served().model = Some(name);
            }
        }
    }

    pub(crate) fn knows_model(&self) -> bool {
        self.state.report.totals.model.is_some()
    }

    /// The raw JSON string that is the provider's id of this exchange. The first one stays: chunks repeat it.
    pub(crate) fn request_id(&mut self, raw: Option<&str>) {
        if !self.state.identified
            && let Some(id) = name(raw)
        {
            self.state.identified = true;
            self.noted.served().request_id = Some(id);
        }
    }

    /// The raw JSON string that names the tier that was served.
    pub(crate) fn tier(&mut self, raw: Option<&str>) {
        if let Some(tier) = name(raw) {
            let terms = &mut self.noted.served().terms;
            terms.tier = Some(tier);
            terms.tier_served = true;
        }
    }

    pub(crate) fn failure(&mut self, failure: Failure) {
        self.noted.failure(failure);
    }
}

/// A name in a raw JSON string.
pub(crate) fn name(raw: Option<&str>) -> Option<Name> {
    let text: Cow<'_, str> = crate::json::text(raw?)?;
    Name::outside(&text)
}
