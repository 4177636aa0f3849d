//! `campanile record`: usage events in, one acknowledgement for each once it is durable.

use super::cost::{Given, Pairs, billed_at};
use crate::{
    Io,
    fault::Fault,
    lines::{Bad, Blank, Output, Work, work_on},
    nan::without_nan,
    settings::Settings,
    text,
};
use campanile::alerts::{Watch, Webhook};
use campanile::config::Durable;
use campanile_core::{
    Attempt, CallEvent, Clock, Ids, Name, Outcome, SessionId, Span, Tick, Timestamp,
};
use campanile_pricing::Book;
use campanile_redact::{HashKey, IdGuard};
use campanile_sinks::ledger::{Ack, Appended, Durability, Entry, Ledger, LedgerOptions};
use serde::Deserialize;
use serde_json::Value;
use std::collections::VecDeque;
use std::io::Write;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const EXAMPLES: &str = r#"A line of the input is one event; `usage` is what `campanile cost` reads:
  {"id": "e1", "provider": "openai", "model": "gpt-4o-mini",
   "at": "2026-11-15T12:00:00Z", "stage": "llm", "session": "call-7",
   "turn": 1, "outcome": "completed", "usage": {"input_tokens": 118}}

`usage` is needed; `at` is now where it is not given; `request_id` is the provider's own, for
`campanile reconcile`.
An id counts once, however often it comes. Without an id a line counts again each time it
comes, and its answer tells the id that it was given.
`ack ID QTY` says that the event is durable.
QTY is the sum of its counts (audio in microseconds).

Examples:
  campanile record < events.jsonl
  tail -f events.jsonl | campanile record --ledger ledger/campanile.db"#;

/// So many may wait for their acknowledgement.
const MAX_WAITING: usize = 1_024;
/// How often budgets and rules are looked at, at most.
const LOOK_EVERY: Span = Span(1_000_000_000);
/// How often trouble is told while the ledger cannot be written.
const PATIENCE: Duration = Duration::from_secs(10);

/// Writes usage events to the ledger and acknowledges each once it is durable.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Record {}

#[derive(Deserialize)]
struct Told<'a> {
    id: Option<Value>,
    provider: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    usage: Pairs<'a>,
    at: Option<String>,
    stage: Option<String>,
    session: Option<String>,
    turn: Option<u32>,
    outcome: Option<String>,
    request_id: Option<String>,
}

struct Recorder {
    ledger: Ledger,
    book: Book,
    ids: Ids,
    /// Looks at ids of sessions and at names.
    guard: IdGuard,
    waiting: VecDeque<(Ack, String, u64)>,
    /// What the ledger's writer complains of.
    troubles: Receiver<String>,
    /// Events that were refused: older than what is archived.
    too_old: u64,
    watch: Watch,
    webhooks: Vec<Webhook>,
    clock: Clock,
    /// When budgets and rules were looked at last.
    looked: Tick,
}

impl Record {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        let config = settings.config()?;
        let durability = match config.sink.ledger.durability {
            Durable::Fast => Durability::Fast,
            _ => Durability::Durable,
        };
        let (tell, troubles) = channel();
        let options = LedgerOptions::new(settings.ledger_path()?)
            .durability(durability)
            .prices(settings.book()?)
            // Nobody listens any more only when nobody waits any more.
            .tell(move |trouble| drop(tell.send(trouble.message)));
        let clock = Clock::system();
        let ledger = Ledger::open(options, clock.clone()).map_err(Fault::usage)?;
        let budgets = config.budgets().map_err(Fault::usage)?;
        let rules = config.rules().map_err(Fault::usage)?;
        let webhooks = config.webhooks().map_err(Fault::usage)?;
        let names = webhooks.iter().map(|webhook| webhook.name().clone());
        let mut recorder = Recorder {
            watch: Watch::new(ledger.path(), budgets)
                .durability(durability)
                .rules(rules)
                .webhooks(names.collect()),
            webhooks,
            looked: clock.tick(),
            clock,
            ledger,
            book: settings.book()?,
            ids: Ids::random(),
            guard: IdGuard::new(
                config
                    .hash_key()
                    .map_err(Fault::usage)?
                    .unwrap_or_else(HashKey::of_process),
            ),
            waiting: VecDeque::new(),
            troubles,
            too_old: 0,
        };
        let done = work_on(io, Blank::Skip, &mut recorder);
        recorder.watch.at_last();
        recorder.look(&mut io.err);
        let path = recorder.ledger.path().display().to_string();
        match recorder.ledger.close(PATIENCE) {
            true if recorder.too_old > 0 => done.and(Err(Fault::Told(1))),
            true => done,
            false => Err(Fault::Failed(format!(
                "{path}: not all could be written; what has no `ack` must be sent again"
            ))),
        }
    }
}

impl Work for Recorder {
    fn line(&mut self, line: &[u8], io: &mut Output<'_>) -> Result<(), Bad> {
        let (id, call) = self.read(line)?;
        let qty = call.usage.map_or(0, |usage| usage.quantity());
        let ack = self.ledger.append(&[Entry::new(id.as_str(), call)]);
        self.waiting.push_back((ack, id, qty));
        match self.waiting.len() >= MAX_WAITING {
            true => {
                self.acknowledge(io)?;
                self.look_when_due(io.err);
                Ok(())
            }
            false => Ok(()),
        }
    }

    fn idle(&mut self, io: &mut Output<'_>) -> Result<(), Fault> {
        match self.acknowledge(io) {
            Ok(()) => {
                self.look_when_due(io.err);
                Ok(())
            }
            Err(Bad::Stream(error)) => Err(error.into()),
            Err(Bad::Line(why)) => Err(Fault::Failed(why)),
        }
    }
}

impl Recorder {
    /// Waits for all that were handed over, in their order.
    fn acknowledge(&mut self, io: &mut Output<'_>) -> Result<(), Bad> {
        'each: while let Some((ack, id, qty)) = self.waiting.pop_front() {
            loop {
                match ack.wait(PATIENCE) {
                    Some(Ok(answers)) if answers == [Appended::TooOld] => {
                        self.too_old += 1;
                        let what = format!("{id}: older than what is archived; it is not counted");
                        let _ = writeln!(io.err, "campanile: {}", text::clean(&what));
                        continue 'each;
                    }
                    Some(Ok(_)) => break,
                    Some(Err(error)) => return Err(Bad::line(format!("{id}: {error}"))),
                    None => self.tell(io),
                }
            }
            writeln!(io.out, "ack {id} {qty}")?;
        }
        Ok(())
    }

    fn look_when_due(&mut self, err: &mut dyn Write) {
        if self.clock.tick().since(self.looked) >= LOOK_EVERY {
            self.look(err);
        }
    }

    /// Raises the alerts of budgets and rules that what was recorded asks for. Trouble is told, and stops nothing.
    fn look(&mut self, err: &mut dyn Write) {
        let now = self.clock.now();
        let told = self.watch.look(now).and_then(|alerts| {
            for alert in &alerts {
                let _ = writeln!(err, "campanile: {}", text::clean(&alert.to_string()));
            }
            self.watch.tell(&self.webhooks, now)
        });
        if let Err(error) = told {
            let _ = writeln!(err, "campanile: {}", text::clean(&error.to_string()));
        }
        self.looked = self.clock.tick();
    }

    /// What the writer complained of since the last time.
    fn tell(&self, io: &mut Output<'_>) {
        for trouble in self.troubles.try_iter() {
            let _ = writeln!(io.err, "campanile: {}", text::clean(&trouble));
        }
    }

    fn read(&self, line: &[u8]) -> Result<(String, CallEvent), Bad> {
        let line = without_nan(line);
        let told: Told<'_> = serde_json::from_slice(&line)?;
        let at = match &told.at {
            Some(at) => billed_at(at)?,
            None => Timestamp::now(),
        };
        let given = Given::read(&told.usage)?;
        let name = |field, text| self.name(field, text);
        let (provider, model) = (name("provider", told.provider)?, name("model", told.model)?);
        let cost = given.price(
            &self.book,
            provider.as_deref().unwrap_or(""),
            model.as_deref().unwrap_or(""),
            at,
        );
        let outcome = outcome(told.outcome.as_deref())?;
        let stage = name("stage", told.stage)?.unwrap_or(Name::from_static("recorded"));
        let mut call = CallEvent::new(self.ids.next(at), stage, at, outcome);
        let id = match &told.id {
            None | Some(Value::Null) => call.id.to_string(),
            Some(told) => id(told)?,
        };
        call.session = match told.session {
            Some(session) => {
                let bad = |error| Bad::Line(format!("`session`: {error}"));
                let session = SessionId::new(&session).map_err(bad)?;
                Some(SessionId::new(&self.guard.checked(session.as_str())).map_err(bad)?)
            }
            None => None,
        };
        call.turn = told.turn;
        let (usage, _) = given.usage();
        call.usage = Some(usage);
        call.cost = Some(cost.clone());
        let mut attempt = Attempt::new(1);
        (attempt.provider, attempt.model) = (provider, model);
        attempt.request_id = name("request_id", told.request_id)?;
        (attempt.usage, attempt.cost) = (Some(usage), Some(cost));
        attempt.outcome = Some(outcome);
        attempt.terms = given.terms;
        call.attempts.push(attempt);
        Ok((id, call))
    }

    /// A name as it may be written: what is a telephone number or a key becomes a hash.
    fn name(&self, field: &str, text: Option<String>) -> Result<Option<Name>, Bad> {
        let name = name(field, text)?;
        let guarded = |name: Name| Name::outside(&self.guard.checked(&name)).unwrap_or(name);
        Ok(name.map(guarded))
    }
}

/// A text or a whole number, without blanks: it stands in a line of the answer.
fn id(id: &Value) -> Result<String, Bad> {
    let text = match id {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(Bad::line("`id` is no text and no number")),
    };
    let plain = |char: char| !char.is_whitespace() && !char.is_control();
    match !text.is_empty() && text.len() <= 256 && text.chars().all(plain) {
        true => Ok(text),
        false => Err(Bad::line(
            "`id` has 1 to 256 bytes without blanks and control characters",
        )),
    }
}

fn name(field: &str, text: Option<String>) -> Result<Option<Name>, Bad> {
    let Some(text) = text else { return Ok(None) };
    match Name::outside(&text) {
        Some(name) => Ok(Some(name)),
        None => Err(Bad::Line(format!(
            "`{field}` is no name: letters, digits and . _ : - / @ + # only"
        ))),
    }
}

fn outcome(word: Option<&str>) -> Result<Outcome, Bad> {
    let Some(word) = word else {
        return Ok(Outcome::Completed);
    };
    let known = Outcome::ALL
        .into_iter()
        .find(|outcome| outcome.name() == word);
    known.ok_or_else(|| Bad::line("`outcome` is completed, failed, cancelled, panicked or crashed"))
}
