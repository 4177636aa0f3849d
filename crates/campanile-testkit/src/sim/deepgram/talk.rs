//! One connection, from its handshake to its end.

use std::collections::VecDeque;

use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep_until};

use super::super::bill::{Open, Why};
use super::super::desk::{Desk, Ticket};
use super::super::fault::IDLE_REASON;
use super::super::pace::{Gait, rest};
use super::super::socket::{Due, Heard, Socket};
use super::ask::Ask;
use super::ear::{Ear, Moment, Word};

/// How long a client may send nothing at all.
const IDLE: Duration = Duration::from_secs(10);

/// What the provider keeps about a connection.
#[derive(Debug)]
pub(super) struct Talk {
    open: Open,
    ask: Ask,
    ear: Ear,
    gait: Gait,
    request_id: String,
    model_uuid: String,
    sha256: String,
    bytes: u64,
    /// Messages with the time at which they are due, which never goes back.
    outbox: VecDeque<(Instant, Moment)>,
    idle_at: Instant,
}

/// What a client's message means for the connection.
enum Next {
    GoOn,
    /// No more audio comes: the rest is told, and the connection closed.
    Finish,
    Gone(Why),
}

/// How a connection ends badly.
enum Trouble {
    Due(Due),
    Close(u16, &'static str),
}

/// What the script has for this moment; what was to come later comes at the `end`.
fn trouble(socket: &mut Socket, end: bool) -> Option<Trouble> {
    let close = socket
        .closing(end)
        .map(|(code, reason)| Trouble::Close(code, reason));
    close.or_else(|| socket.due(end).map(Trouble::Due))
}

impl Talk {
    pub(super) fn new(desk: &Desk, ticket: &Ticket, open: Open, ask: Ask, ear: Ear) -> Self {
        let mut dice = desk.dice(ticket, "metadata");
        Self {
            open,
            ask,
            ear,
            gait: desk.gait(ticket, 0),
            request_id: ticket.request_id.clone(),
            model_uuid: dice.uuid(),
            // Of the audio at the real one; nobody compares it here.
            sha256: dice.hex(64),
            bytes: 0,
            outbox: VecDeque::new(),
            idle_at: Instant::now() + IDLE,
        }
    }

    pub(super) async fn run(mut self, mut socket: Socket) {
        self.idle_at = Instant::now() + IDLE;
        loop {
            let message_at = self.outbox.front().map(|(at, _)| *at);
            if let Some(trouble) = trouble(&mut socket, false) {
                return self.fail(socket, trouble).await;
            }
            if message_at.is_some_and(|at| at <= Instant::now()) {
                // Not through the timer, which is a millisecond late.
                self.tell_next(&mut socket).await;
                continue;
            }
            let next = tokio::select! {
                // In this order, so that what is due goes out before more is taken in.
                biased;
                () = sleep_until(message_at.unwrap_or(self.idle_at)), if message_at.is_some() => continue,
                heard = socket.hear() => self.take(heard, &mut socket).await,
                () = sleep_until(self.idle_at) => return self.fail(socket, Trouble::Close(1011, IDLE_REASON)).await,
            };
            match next {
                Next::GoOn => {}
                Next::Finish => return self.finish(socket).await,
                Next::Gone(why) => return self.open.close(why),
            }
        }
    }

    async fn take(&mut self, heard: Heard, socket: &mut Socket) -> Next {
        match heard {
            Heard::Gone => return Next::Gone(Why::HungUp),
            Heard::Close => return Next::Gone(Why::Cancelled),
            Heard::Binary(audio) if audio.is_empty() => return Next::Finish,
            Heard::Binary(audio) => {
                self.receive(audio.len());
                let moments = self.ear.hear(self.ask.format.micros(self.bytes));
                self.queue(moments);
            }
            Heard::Text(text) => match kind(&text).as_deref() {
                Some("KeepAlive") => {}
                Some("Finalize") => {
                    let moment = self.ear.finalize();
                    self.queue([moment]);
                }
                Some("CloseStream") => return Next::Finish,
                _ => {
                    let wrong = problem("UnparsableClientMessage", "Unknown or malformed message.");
                    socket.say(&wrong).await;
                    return Next::GoOn;
                }
            },
        }
        self.idle_at = Instant::now() + IDLE;
        Next::GoOn
    }

    fn receive(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        let (bytes, format) = (self.bytes, self.ask.format);
        let channels = self.ask.billed_channels();
        self.open.meter(|meters| {
            meters.audio_bytes = bytes;
            meters.audio_us = format.micros(bytes) * channels;
        });
    }

    fn queue(&mut self, moments: impl IntoIterator<Item = Moment>) {
        for moment in moments {
            let ready = Instant::now() + self.gait.first();
            let last = self.outbox.back().map_or(ready, |(at, _)| *at);
            self.outbox.push_back((ready.max(last), moment));
        }
    }

    /// Sends the first message of the outbox.
    async fn tell_next(&mut self, socket: &mut Socket) {
        if let Some((_, moment)) = self.outbox.pop_front() {
            match &moment {
                Moment::Results { .. } => socket.say_item(&self.message(&moment)).await,
                _ => socket.say(&self.message(&moment)).await,
            }
        }
    }

    /// Tells the rest and the summary, and closes.
    async fn finish(mut self, mut socket: Socket) {
        let last = self.ear.close();
        self.queue(last);
        while let Some((at, _)) = self.outbox.front() {
            rest(*at - Instant::now()).await;
            self.tell_next(&mut socket).await;
            if let Some(trouble) = trouble(&mut socket, false) {
                return self.fail(socket, trouble).await;
            }
        }
        if let Some(trouble) = trouble(&mut socket, true) {
            return self.fail(socket, trouble).await;
        }
        // On the bill before the client can have read it.
        self.open.close(Why::Completed);
        if socket.tells_usage() {
            socket.say(&self.metadata()).await;
        }
        socket.close(1000, "").await;
        socket.farewell().await;
    }

    /// Ends the connection badly.
    async fn fail(mut self, mut socket: Socket, trouble: Trouble) {
        let (code, reason) = match trouble {
            Trouble::Due(Due::Cut) => {
                self.open.close(Why::HungUp);
                return socket.cut().await;
            }
            Trouble::Due(Due::Error) => {
                let error = problem("InternalServerError", "Something went wrong.");
                socket.say(&error).await;
                (1011, "NET-0000: internal error")
            }
            Trouble::Close(code, reason) => (code, reason),
        };
        self.open.expect(Why::Failed);
        socket.close(code, reason).await;
        // What was under way is received all the same.
        loop {
            match socket.hear().await {
                Heard::Binary(audio) => self.receive(audio.len()),
                Heard::Text(_) => {}
                Heard::Close | Heard::Gone => return self.open.close(Why::Failed),
            }
        }
    }

    fn message(&self, moment: &Moment) -> Value {
        let channels = self.ask.format.channels;
        match moment {
            Moment::SpeechStarted { at } => json!({
                "type": "SpeechStarted",
                "channel": [0, channels],
                "timestamp": seconds(*at),
            }),
            Moment::UtteranceEnd { last_word_end } => json!({
                "type": "UtteranceEnd",
                "channel": [0, channels],
                "last_word_end": seconds(*last_word_end),
            }),
            Moment::Results {
                start,
                end,
                words,
                is_final,
                speech_final,
                from_finalize,
            } => json!({
                "type": "Results",
                "channel_index": [0, if self.ask.multichannel { channels } else { 1 }],
                "start": seconds(*start),
                "duration": seconds(end - start),
                "is_final": is_final,
                "speech_final": speech_final,
                "from_finalize": from_finalize,
                "channel": {"alternatives": [alternative(words)]},
                "metadata": {
                    "request_id": self.request_id,
                    "model_info": self.model_info(),
                    "model_uuid": self.model_uuid,
                },
            }),
        }
    }

    fn metadata(&self) -> Value {
        json!({
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self.request_id,
            "sha256": self.sha256,
            "created": "2026-01-01T00:00:00.000Z",
            "duration": seconds(self.ask.format.micros(self.bytes)),
            "channels": self.ask.format.channels,
            "models": [self.model_uuid],
            "model_info": {self.model_uuid.as_str(): self.model_info()},
        })
    }

    fn model_info(&self) -> Value {
        json!({
            "name": format!("general-{}", self.ask.model),
            "version": "2026-01-01.0",
            "arch": self.ask.model,
        })
    }
}

/// The type that a client's message names.
fn kind(text: &str) -> Option<String> {
    let message: Value = serde_json::from_str(text).ok()?;
    Some(message["type"].as_str()?.to_owned())
}

fn problem(variant: &str, message: &str) -> Value {
    json!({
        "type": "Error",
        "variant": variant,
        "description": message,
        "message": message,
    })
}

/// A decimal with the digits that the microseconds have: the nearest double prints as just that.
fn seconds(micros: u64) -> Value {
    json!(micros as f64 / 1_000_000.0)
}

fn alternative(words: &[Word]) -> Value {
    let bare = |text: &str| {
        let kept: String = text
            .chars()
            .filter(|c| c.is_alphanumeric() || *c == '\'')
            .collect();
        kept.to_lowercase()
    };
    let thousandths = |number: u64| json!(number as f64 / 1_000.0);
    let transcript: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
    let sum: u64 = words.iter().map(|word| word.confidence).sum();
    let mean = sum.checked_div(words.len() as u64).unwrap_or(0);
    json!({
        "transcript": transcript.join(" "),
        "confidence": thousandths(mean),
        "words": words
            .iter()
            .map(|word| json!({
                "word": bare(&word.text),
                "start": seconds(word.start),
                "end": seconds(word.end),
                "confidence": thousandths(word.confidence),
                "punctuated_word": word.text,
            }))
            .collect::<Vec<_>>(),
    })
}
