//! One context of speech: texts that follow one another in one voice.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::bill::{Open, Why};
use super::super::pace::Gait;
use super::ask::Ask;
use super::sound::Sound;

/// A context that has not ended.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) id: String,
    open: Open,
    gait: Gait,
    queue: VecDeque<Piece>,
    /// No text will come any more.
    ended: bool,
    /// When it may speak again; not said anything yet where there is none.
    due: Option<Instant>,
    /// Length of all texts until now.
    spoken_us: u64,
    flushes: u64,
    character_us: u64,
}

#[derive(Debug)]
enum Piece {
    Timestamps(Value),
    Sound(Sound),
    FlushDone,
}

/// What a context says next.
#[derive(Debug)]
pub(super) enum Said {
    /// A piece of sound.
    Item(Value),
    Other(Value),
    /// The last message of this context.
    Done(Value),
}

impl Context {
    pub(super) fn new(id: String, open: Open, gait: Gait, character_us: u64) -> Self {
        Self {
            id,
            open,
            gait,
            queue: VecDeque::new(),
            ended: false,
            due: None,
            spoken_us: 0,
            flushes: 0,
            character_us,
        }
    }

    /// Takes a text in, and bills it.
    pub(super) fn take(&mut self, ask: &Ask) {
        let characters = ask.characters();
        if characters > 0 {
            self.open.meter(|meters| meters.characters += characters);
            if ask.timestamps {
                self.queue
                    .push_back(Piece::Timestamps(self.timestamps(ask)));
            }
            let sound = Sound::new(ask.format, characters, self.character_us);
            if !sound.is_over() {
                self.queue.push_back(Piece::Sound(sound));
            }
            self.spoken_us += characters * self.character_us;
        }
        if ask.flush {
            self.queue.push_back(Piece::FlushDone);
        }
        self.ended = !ask.go_on;
        if self.due.is_none() && characters > 0 {
            self.due = Some(Instant::now() + self.gait.first());
        }
    }

    pub(super) fn is_ended(&self) -> bool {
        self.ended
    }

    /// When there is something to say; nothing while it waits for text.
    pub(super) fn due(&self) -> Option<Instant> {
        let busy = self.ended || !self.queue.is_empty();
        busy.then(|| self.due.unwrap_or_else(Instant::now))
    }

    /// Whether `done` is all that is left.
    pub(super) fn is_spoken(&self) -> bool {
        self.queue.is_empty()
    }

    /// The next message.
    pub(super) fn next(&mut self) -> Said {
        match self.queue.front_mut() {
            None => {
                // On the bill before the client can have read it.
                self.open.close(Why::Completed);
                Said::Done(self.message("done", 200, true))
            }
            Some(Piece::Timestamps(words)) => {
                let words = words.take();
                self.queue.pop_front();
                let mut message = self.message("timestamps", 206, false);
                message["word_timestamps"] = words;
                Said::Other(message)
            }
            Some(Piece::FlushDone) => {
                self.queue.pop_front();
                self.flushes += 1;
                let mut message = self.message("flush_done", 206, false);
                message["flush_done"] = json!(true);
                message["flush_id"] = json!(self.flushes);
                Said::Other(message)
            }
            Some(Piece::Sound(sound)) => {
                let data = STANDARD.encode(sound.next().unwrap_or_default());
                if sound.is_over() {
                    self.queue.pop_front();
                }
                self.due = Some(Instant::now() + self.gait.between());
                let mut message = self.message("chunk", 206, false);
                message["data"] = json!(data);
                message["flush_id"] = json!(self.flushes + 1);
                Said::Item(message)
            }
        }
    }

    /// Ends it before its time.
    pub(super) fn end(mut self, why: Why) {
        self.open.close(why);
    }

    fn message(&self, kind: &str, status: u16, done: bool) -> Value {
        json!({
            "type": kind,
            "context_id": self.id,
            "status_code": status,
            "done": done,
            "step_time": 12.5,
        })
    }

    /// Where in the sound of this context each word of the text is.
    fn timestamps(&self, ask: &Ask) -> Value {
        let (mut words, mut start, mut end) = (Vec::new(), Vec::new(), Vec::new());
        let seconds = |characters: usize| {
            let micros = self.spoken_us + characters as u64 * self.character_us;
            micros as f64 / 1_000_000.0
        };
        let mut at = 0;
        for part in ask.transcript.split_inclusive(char::is_whitespace) {
            let word = part.trim();
            if !word.is_empty() {
                words.push(word);
                start.push(seconds(at));
                end.push(seconds(at + word.chars().count()));
            }
            at += part.chars().count();
        }
        json!({"words": words, "start": start, "end": end})
    }
}
