//! One phone call.
//!
//! ```text
//!  user:  ──speaks──┐                                        ┌─ interrupts, now and then
//!  stt:   ══════════╪═ one call for the whole session ═══════╪══════
//!  llm:             └─▶ asked ── deltas ── … ──────────▶ end │ dropped
//!  tts:                            └─ sentence by sentence ──▶ dropped
//! ```

use super::plan::{Plan, Trouble};
use super::sound::{FRAME, Sounds};
use super::stages::{InTurn, Llm, Stt, Tts, tts};
use crate::Piece;
use crate::cartesia::{Cartesia, Speak, Words};
use crate::deepgram::{Heard, Listen, Microphone, Sound};
use crate::openai::{Ask, Line};
use bytes::Bytes;
use campanile::{Monitor, Session, Turn, Upload};
use campanile_testkit::sim::HOLD_AFTER;
use futures_util::future::join;
use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tower::{BoxError, ServiceExt as _};

const LLM_MODEL: &str = "gpt-4o-mini";
const STT_MODEL: &str = "nova-3";
const TTS_MODEL: &str = "sonic-2";
const VOICE: &str = "a0e99841-438c-4a64-b679-ae501e7d6091";
const TTS_RATE: u32 = 24_000;
/// What the bot says at most, in tokens.
const MOST_TOKENS: u32 = 200;
/// How long to wait for the end of a transcript.
const FINAL_WITHIN: Duration = Duration::from_secs(3);
/// A transcriber hangs up on a line that is silent for ten seconds.
const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// The bot: its stages, and what is the same for all of its calls.
#[derive(Clone, Debug)]
pub struct Bot {
    /// Where sessions begin.
    pub monitor: Monitor,
    /// Thinks; shared by all sessions.
    pub llm: Llm,
    /// Hears; shared, with a connection for each session.
    pub stt: Stt,
    /// Where to speak: base URL and key. Each session has a socket of its own.
    pub speaker: (String, String),
    /// Whether audio is sent as fast as it is spoken, instead of as fast as it goes.
    pub realtime: bool,
    /// Whether the providers are simulated, and take hints.
    pub simulated: bool,
}

impl Bot {
    /// Takes one phone call, until everything was said.
    ///
    /// # Errors
    ///
    /// When a provider cannot be reached at all. What happens to single turns does not end the call.
    pub async fn take_call(&self, plan: &Plan, sounds: &Sounds) -> Result<(), BoxError> {
        let session = self.monitor.session();
        let talked = self.talk(&session, plan, sounds).await;
        session.end(if talked.is_ok() { "hang_up" } else { "error" });
        talked
    }

    async fn talk(&self, session: &Session, plan: &Plan, sounds: &Sounds) -> Result<(), BoxError> {
        let (base, key) = &self.speaker;
        let (cartesia, driver) = Cartesia::connect(base, key).await?;
        let mouth = tts(&self.monitor, cartesia);
        let mut ears = Ears::open(self, session, sounds.sample_rate).await?;
        let mut history = vec![("system", String::from("You answer the phone. Be brief."))];
        let turns = plan.turns();
        let of = turns.len();
        for (n, trouble) in turns.enumerate() {
            let turn = session.turn();
            let said = ears.hear(sounds.share(n, of), &turn).await?;
            history.push(("user", said));
            let exchange = Exchange::new(self, &turn, trouble);
            let answer = tokio::select! {
                answer = exchange.answer(&history, &mouth) => answer,
                never = ears.wait() => never,
            };
            history.push(("assistant", answer));
            turn.end();
        }
        ears.close().await?;
        drop(mouth);
        driver.closed().await;
        Ok(())
    }
}

/// The line to the transcriber.
struct Ears {
    sounds: mpsc::Sender<Sound>,
    microphone: Microphone,
    transcript: BoxStream<'static, Result<Piece<Heard>, crate::Error>>,
    realtime: bool,
}

impl Ears {
    async fn open(bot: &Bot, session: &Session, sample_rate: u32) -> Result<Self, BoxError> {
        let (sounds, queue) = mpsc::channel(64);
        let (listen, microphone) = Listen::linear16(STT_MODEL, sample_rate);
        let head = InTurn {
            // It stays open over all turns, and belongs to none of them.
            turn: session.whole(),
            what: listen,
        };
        let transcript = bot
            .stt
            .clone()
            .oneshot(Upload::new(head, drain(queue).boxed()));
        Ok(Self {
            sounds,
            microphone,
            transcript: transcript.await?,
            realtime: bot.realtime,
        })
    }

    /// Hears one turn's share of the audio, and gives what was said.
    async fn hear(&mut self, frames: &[Bytes], turn: &Turn) -> Result<String, BoxError> {
        let speaking = async {
            for frame in frames {
                // An error is a line that is gone; whoever listens hears why.
                let _ = self.sounds.send(self.microphone.audio(frame.clone())).await;
                if self.realtime {
                    tokio::time::sleep(FRAME).await;
                }
            }
            let _ = self.sounds.send(self.microphone.finalize()).await;
            turn.user_stopped();
            // Where nothing was left to be understood, no answer may come.
            tokio::time::sleep(FINAL_WITHIN).await;
        };
        let mut said = String::new();
        let listening = async {
            while let Some(piece) = self.transcript.next().await {
                let piece = piece?;
                said.push_str(piece.text().unwrap_or_default());
                if piece.what.is_final && piece.what.from_finalize {
                    return Ok(());
                }
            }
            Err(BoxError::from("the transcriber has hung up"))
        };
        tokio::select! {
            heard = listening => heard?,
            () = speaking => {}
        }
        turn.transcribed();
        Ok(said)
    }

    /// Keeps the line, while the bot speaks.
    async fn wait(&mut self) -> ! {
        loop {
            tokio::select! {
                () = tokio::time::sleep(KEEP_ALIVE) => {
                    let _ = self.sounds.send(self.microphone.keep_alive()).await;
                }
                // What it still says about the last turn is not waited for; that it is gone, the next turn hears.
                heard = self.transcript.next() => if heard.is_none() { std::future::pending().await },
            }
        }
    }

    /// Says that no more audio comes, and hears the rest.
    async fn close(self) -> Result<(), crate::Error> {
        drop(self.sounds);
        let mut transcript = self.transcript;
        while let Some(piece) = transcript.next().await {
            piece?;
        }
        Ok(())
    }
}

/// One answer of the bot, which the caller may interrupt.
struct Exchange<'a> {
    bot: &'a Bot,
    turn: &'a Turn,
    trouble: Option<Trouble>,
    progress: Mutex<Progress>,
    moved: Notify,
}

/// How far the bot has come.
#[derive(Debug, Default)]
struct Progress {
    thought: String,
    deltas: u64,
    chunks: u64,
}

impl<'a> Exchange<'a> {
    fn new(bot: &'a Bot, turn: &'a Turn, trouble: Option<Trouble>) -> Self {
        Self {
            bot,
            turn,
            trouble,
            progress: Mutex::default(),
            moved: Notify::new(),
        }
    }

    /// Thinks and speaks, until the end or until it is interrupted. Gives what was thought.
    async fn answer(&self, history: &[Line], mouth: &Tts) -> String {
        let (sentences, queue) = mpsc::channel(8);
        tokio::select! {
            _ = join(self.think(history, sentences), self.speak(queue, mouth)) => {}
            // Both replies are dropped after this: the reason must be known before.
            () = self.interrupted() => {}
        }
        std::mem::take(&mut self.progress().thought)
    }

    /// Asks the model, and hands its answer on, sentence by sentence.
    async fn think(&self, history: &[Line], sentences: mpsc::Sender<String>) {
        let mut ask = Ask::new(LLM_MODEL, history, MOST_TOKENS);
        if let (Some(Trouble::BargeIn { deltas, .. }), true) = (self.trouble, self.bot.simulated) {
            // An unpaced provider would be done before anybody could interrupt it.
            ask = ask.header(HOLD_AFTER, deltas);
        }
        let turn = self.turn.clone();
        let Ok(mut reply) = self
            .bot
            .llm
            .clone()
            .oneshot(InTurn { turn, what: ask })
            .await
        else {
            let _ = sentences
                .send(String::from("Sorry, could you say that again?"))
                .await;
            return;
        };
        let mut sentence = String::new();
        // A reply that breaks off ends like any other: what was said was said.
        while let Some(Ok(piece)) = reply.next().await {
            let text = piece.text().unwrap_or_default();
            sentence.push_str(text);
            self.moves(|progress| {
                progress.thought.push_str(text);
                progress.deltas += u64::from(piece.deltas());
            });
            if text.ends_with(['.', '!', '?']) {
                let _ = sentences.send(std::mem::take(&mut sentence)).await;
            }
        }
        if !sentence.is_empty() {
            let _ = sentences.send(sentence).await;
        }
    }

    /// Has sentences spoken as they come.
    async fn speak(&self, mut sentences: mpsc::Receiver<String>, mouth: &Tts) {
        // Nobody is asked to speak before there is something to say.
        let Some(first) = sentences.recv().await else {
            return;
        };
        let id = format!("{}-{}", self.turn.session().id(), self.turn.number());
        let (speak, writer) = Speak::new(id, TTS_MODEL, VOICE, TTS_RATE);
        let words = stream::unfold(
            (Some((writer, sentences)), Some(first)),
            |(state, first)| async move {
                let (mut writer, mut sentences) = state?;
                let next = match first {
                    Some(first) => Some(first),
                    None => sentences.recv().await,
                };
                Some(match next {
                    Some(sentence) => (writer.text(&sentence), (Some((writer, sentences)), None)),
                    None => (writer.end(), (None, None)),
                })
            },
        );
        self.play(Upload::new(speak, words), mouth).await;
    }

    async fn play(
        &self,
        utterance: Upload<Speak, impl Stream<Item = Words> + Send + 'static>,
        mouth: &Tts,
    ) {
        let head = InTurn {
            turn: self.turn.clone(),
            what: utterance.head,
        };
        let upload = Upload::new(head, utterance.items.boxed());
        let Ok(mut speech) = mouth.clone().oneshot(upload).await else {
            return;
        };
        while let Some(Ok(piece)) = speech.next().await {
            if !piece.what.is_empty() {
                // Here a telephone would play it.
                self.turn.bot_started();
                self.moves(|progress| progress.chunks += 1);
            }
        }
    }

    /// Waits for the caller to interrupt, if this is such a caller.
    async fn interrupted(&self) {
        let Some(Trouble::BargeIn { deltas, chunks }) = self.trouble else {
            return std::future::pending().await;
        };
        loop {
            let moved = self.moved.notified();
            let reached = {
                let progress = self.progress();
                progress.deltas >= deltas && progress.chunks >= chunks
            };
            if reached {
                self.turn.interrupt("barge_in");
                return;
            }
            moved.await;
        }
    }

    fn moves(&self, by: impl FnOnce(&mut Progress)) {
        by(&mut self.progress());
        self.moved.notify_one();
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A queue as a stream.
fn drain<T: Send>(mut queue: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send {
    stream::poll_fn(move |cx| queue.poll_recv(cx))
}
