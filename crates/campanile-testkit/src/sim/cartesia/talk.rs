//! One connection, and the contexts that share it.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::super::bill::Why;
use super::super::desk::{Desk, Ticket};
use super::super::socket::{Due, Heard, Socket};
use super::ask::{Ask, Message, Wrong};
use super::context::{Context, Said};
use super::enter;

/// What the provider keeps about a connection.
#[derive(Debug)]
pub(super) struct Talk {
    desk: Arc<Desk>,
    ticket: Ticket,
    character_us: u64,
    /// In the order in which they speak.
    contexts: VecDeque<Context>,
    /// Names that are used up.
    ended: HashSet<String>,
    begun: u64,
}

impl Talk {
    pub(super) fn new(desk: Arc<Desk>, ticket: Ticket, character_us: u64) -> Self {
        Self {
            desk,
            ticket,
            character_us,
            contexts: VecDeque::new(),
            ended: HashSet::new(),
            begun: 0,
        }
    }

    pub(super) async fn run(mut self, mut socket: Socket) {
        loop {
            if let Some((code, reason)) = socket.closing(false) {
                socket.close(code, reason).await;
                return self.fail(socket).await;
            }
            let speaker = self.speaker().filter(|_| socket.is_open());
            let now = Instant::now();
            let due = speaker.map_or(now, |(_, due)| due);
            let heard = tokio::select! {
                // What the client has to say comes first: it may be a cancel.
                biased;
                heard = socket.hear() => heard,
                () = until(due, now), if speaker.is_some() => {
                    let speaker = speaker.map_or(0, |(index, _)| index);
                    match self.speak(speaker, &mut socket).await {
                        Some(Due::Cut) => return self.cut(socket).await,
                        _ => continue,
                    }
                }
            };
            match heard {
                Heard::Gone => return self.end(Why::HungUp),
                Heard::Close => return self.end(Why::Cancelled),
                heard => self.take(heard, &mut socket).await,
            }
        }
    }

    async fn take(&mut self, heard: Heard, socket: &mut Socket) {
        let taken = match heard {
            Heard::Text(text) => Message::parse(&text).and_then(|message| self.follow(message)),
            _ => Err(Wrong::invalid("only text is understood here")),
        };
        if let Err(wrong) = taken {
            socket.say(&wrong.event()).await;
        }
    }

    fn follow(&mut self, message: Message) -> Result<(), Wrong> {
        match message {
            Message::Cancel { context_id } => {
                // One that is unknown or over has nothing left to cancel.
                if let Some(context) = self.remove(&context_id) {
                    context.end(Why::Cancelled);
                }
                Ok(())
            }
            Message::Speak { context_id, ask } => self.context(context_id, &ask).map(|context| {
                context.take(&ask);
            }),
        }
    }

    /// The context of that name, a new one if need be.
    fn context(&mut self, id: String, ask: &Ask) -> Result<&mut Context, Wrong> {
        let known = self.contexts.iter().position(|context| context.id == id);
        if self.ended.contains(&id) || known.is_some_and(|at| self.contexts[at].is_ended()) {
            return Err(Wrong::invalid("the context has ended").of(&id));
        }
        let at = match known {
            Some(at) => at,
            None if ask.transcript.is_empty() && !ask.go_on => {
                return Err(Wrong::invalid("transcript is empty").of(&id));
            }
            None => {
                let mut open = self.desk.open(&self.ticket, self.begun);
                enter(&mut open, ask, 101);
                open.line(|line| line.context_id = Some(id.clone()));
                let gait = self.desk.gait(&self.ticket, self.begun);
                self.begun += 1;
                let context = Context::new(id, open, gait, self.character_us);
                self.contexts.push_back(context);
                self.contexts.len() - 1
            }
        };
        Ok(&mut self.contexts[at])
    }

    /// Who speaks next, and when: of those that are due first, the one whose turn it is.
    fn speaker(&self) -> Option<(usize, Instant)> {
        let due = self.contexts.iter().map(Context::due);
        let waiting = due.enumerate().filter_map(|(at, due)| Some((at, due?)));
        let now = Instant::now();
        waiting.min_by_key(|(_, due)| (*due).max(now))
    }

    /// Has a context say one thing.
    async fn speak(&mut self, at: usize, socket: &mut Socket) -> Option<Due> {
        let mut context = self.contexts.remove(at)?;
        let mut due = socket.due(context.is_spoken());
        if due.is_none() && socket.is_open() {
            match context.next() {
                Said::Item(message) => {
                    socket.say_item(&message).await;
                    due = socket.due(false);
                }
                Said::Other(message) => socket.say(&message).await,
                Said::Done(message) => {
                    self.ended.insert(context.id);
                    socket.say(&message).await;
                    return None;
                }
            }
        }
        if due == Some(Due::Error) {
            socket.say(&Wrong::internal().of(&context.id).event()).await;
            self.ended.insert(context.id.clone());
            context.end(Why::Failed);
        } else {
            self.contexts.push_back(context);
        }
        due
    }

    fn remove(&mut self, id: &str) -> Option<Context> {
        let at = self.contexts.iter().position(|context| context.id == id)?;
        self.ended.insert(id.to_owned());
        self.contexts.remove(at)
    }

    fn end(self, why: Why) {
        for context in self.contexts {
            context.end(why);
        }
    }

    async fn cut(self, socket: Socket) {
        self.end(Why::HungUp);
        socket.cut().await;
    }

    /// Receives what was under way when the connection was closed.
    async fn fail(mut self, mut socket: Socket) {
        loop {
            match socket.hear().await {
                Heard::Close | Heard::Gone => return self.end(Why::Failed),
                heard => self.take(heard, &mut socket).await,
            }
        }
    }
}

/// Waits, but not through the timer where there is nothing to wait for: it is a millisecond late.
async fn until(due: Instant, now: Instant) {
    if due > now {
        sleep_until(due).await;
    }
}
