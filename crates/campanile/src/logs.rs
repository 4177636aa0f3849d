//! The program's own `tracing` events, as events of ours.
//!
//! A library that logs a whole prompt must not write it here. So the message text of an event is taken only where its
//! target is allowed (`log.targets`), and then redacted; of its fields, those whose names are allowed are taken
//! (`log.fields`): numbers as they are, texts redacted. Everything else is dropped where it stands: its text is never formatted.

use crate::levels::Levels;
use crate::places::without_home;
use campanile_core::{CallId, Content, FieldValue, Intake, Level, LogEvent, SessionId};
use std::fmt;
use std::sync::Arc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::subscriber::Interest;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

/// How much of one text is taken.
const MAX_TEXT_BYTES: usize = 16 << 10;

/// Which texts and fields of log events may be written.
#[derive(Clone, Debug, Default)]
pub struct LogPolicy {
    /// Targets whose message text may be written; a target covers the modules below it.
    pub targets: Vec<String>,
    /// Names of fields that may be written.
    pub fields: Vec<String>,
}

impl LogPolicy {
    fn allows_text(&self, target: &str) -> bool {
        self.targets.iter().any(|allowed| {
            target
                .strip_prefix(allowed.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    }

    fn allows_field(&self, name: &str) -> bool {
        self.fields.iter().any(|allowed| allowed == name)
    }
}

/// A `tracing_subscriber` layer that hands log events to a monitor; see [`Monitor::tracing_layer`](crate::Monitor::tracing_layer).
#[derive(Clone, Debug)]
pub struct LogLayer {
    intake: Intake,
    policy: Arc<LogPolicy>,
    levels: Levels,
}

impl LogLayer {
    pub(crate) fn new(intake: Intake, policy: LogPolicy, levels: Levels) -> Self {
        Self {
            intake,
            policy: Arc::new(policy),
            levels,
        }
    }
}

/// The ids that a span carries.
#[derive(Clone, Default)]
struct Ids {
    session: Option<SessionId>,
    turn: Option<u32>,
    call: Option<CallId>,
}

impl Visit for Ids {
    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "turn" {
            self.turn = u32::try_from(value).ok();
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.record_u64(field, value.try_into().unwrap_or_default());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "session" => self.session = SessionId::new(value).ok(),
            "call" => self.call = CallId::parse(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // Only these two are formatted: other fields may hold anything.
        if matches!(field.name(), "session" | "call") {
            let mut text = Bounded::new(64);
            let _ = fmt::Write::write_fmt(&mut text, format_args!("{value:?}"));
            self.record_str(field, &text.text);
        }
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _context: Context<'_, S>) -> bool {
        // Spans always: they carry ids, and other layers may want them.
        metadata.is_span() || self.levels.enables(metadata)
    }

    fn register_callsite(&self, metadata: &'static tracing::Metadata<'static>) -> Interest {
        match metadata.is_span() || self.levels.enables(metadata) {
            true => Interest::sometimes(),
            false => Interest::never(),
        }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let inherited = span
            .parent()
            .and_then(|parent| parent.extensions().get::<Ids>().cloned());
        let mut ids = inherited.unwrap_or_default();
        let outer = ids.session.clone();
        attributes.record(&mut ids);
        if ids.session != outer {
            ids.session = ids.session.map(|id| self.intake.guarded(id));
        }
        span.extensions_mut().insert(ids);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if !self.levels.enables(metadata) {
            return;
        }
        let level = match *metadata.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG => Level::Debug,
            _ => Level::Trace,
        };
        let mut log = LogEvent::new(self.intake.clock().now(), level, metadata.target());
        log.site = metadata.file().and_then(without_home).zip(metadata.line());
        if let Some(span) = context.event_span(event)
            && let Some(ids) = span.extensions().get::<Ids>()
        {
            log.session = ids.session.clone();
            log.turn = ids.turn;
            log.call = ids.call;
        }
        let mut taken = Taken {
            policy: &self.policy,
            text_allowed: self.policy.allows_text(metadata.target()),
            ours: metadata.target() == "items",
            message: None,
            texts: Vec::new(),
            values: Vec::new(),
        };
        event.record(&mut taken);
        log.fields = taken.values;
        self.intake.log(log, taken.message, taken.texts);
    }
}

/// What may be taken of one event.
struct Taken<'a> {
    policy: &'a LogPolicy,
    text_allowed: bool,
    /// The layers' own event: its fields are ids and numbers.
    ours: bool,
    message: Option<Content>,
    texts: Vec<(&'static str, Content)>,
    values: Vec<(&'static str, FieldValue)>,
}

impl Taken<'_> {
    fn value(&mut self, field: &Field, value: FieldValue) {
        if self.ours || self.policy.allows_field(field.name()) {
            self.values.push((field.name(), value));
        }
    }
}

impl Taken<'_> {
    /// Formats a text only where its name allows it.
    fn text(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        let is_message = field.name() == "message";
        let allowed = match is_message {
            true => self.text_allowed,
            false => self.ours || self.policy.allows_field(field.name()),
        };
        if !allowed {
            return;
        }
        let mut text = Bounded::new(MAX_TEXT_BYTES);
        let _ = fmt::Write::write_fmt(&mut text, value);
        let text = Content::new(text.text);
        match is_message {
            true => self.message = Some(text),
            false => self.texts.push((field.name(), text)),
        }
    }
}

impl Visit for Taken<'_> {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.value(field, FieldValue::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.value(field, FieldValue::Uint(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.value(field, FieldValue::Float(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.value(field, FieldValue::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

/// A text that stops growing.
struct Bounded {
    text: String,
    left: usize,
}

impl Bounded {
    fn new(left: usize) -> Self {
        Self {
            text: String::new(),
            left,
        }
    }
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let end = piece.floor_char_boundary(self.left.min(piece.len()));
        self.text.push_str(&piece[..end]);
        self.left -= end;
        Ok(())
    }
}
