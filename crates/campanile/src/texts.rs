//! What becomes of texts: by class, and tighter for single sinks.

use crate::phrases;
use campanile_core::{
    Attempt, Cause, Content, Event, FailureReport, FieldValue, Lane, LogEvent, Measure, Redact,
    Redacted, Redactions, Sink, Stats,
};
use campanile_redact::Redactor;
use serde::Deserialize;
use std::time::Duration;

/// What is written of a text. Ordered from the most readable to the strictest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TextMode {
    /// The text, with what must not be read masked.
    #[default]
    Redacted,
    /// Its size: `[57 characters, 9 words]`. Of an error also its type, where it is known, and phrases of libraries and
    /// providers that are known word for word.
    Measure,
    /// Nothing.
    Drop,
}

/// What is written of texts, by class. Where two meet, the stricter one wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Texts {
    /// What is said. Only sinks that ask for it write more than its size.
    pub content: TextMode,
    /// Texts of errors and their sources, and backtraces.
    pub errors: TextMode,
    /// Messages and text fields of the program's own log lines.
    pub logs: TextMode,
}

/// What is said and log lines redacted, where they are asked for at all; texts of errors measured.
impl Default for Texts {
    fn default() -> Self {
        Self::new(TextMode::Redacted, TextMode::Measure, TextMode::Redacted)
    }
}

impl Texts {
    /// What tightens nothing.
    pub(crate) const LOOSEST: Self =
        Self::new(TextMode::Redacted, TextMode::Redacted, TextMode::Redacted);

    /// One mode for each class.
    #[must_use]
    pub const fn new(content: TextMode, errors: TextMode, logs: TextMode) -> Self {
        Self {
            content,
            errors,
            logs,
        }
    }

    /// What is left to tighten, class by class, of what `base` has been through.
    pub(crate) fn beyond(self, base: Self) -> Self {
        let left = |own, done| if own == done { TextMode::Redacted } else { own };
        Self {
            errors: left(self.errors, base.errors),
            logs: left(self.logs, base.logs),
            ..self
        }
    }

    /// The stricter of both, class by class.
    #[must_use]
    pub fn tighten(self, other: Self) -> Self {
        Self {
            content: self.content.max(other.content),
            errors: self.errors.max(other.errors),
            logs: self.logs.max(other.logs),
        }
    }
}

/// A text as its class may be written; `None` where it is dropped.
pub(crate) fn written(
    mode: TextMode,
    text: &Content,
    redactor: &dyn Redact,
    redactions: &mut Redactions,
) -> Option<Redacted> {
    match mode {
        TextMode::Redacted => Some(Redacted::new(text, redactor, redactions)),
        TextMode::Measure => Some(measured(text.measure())),
        TextMode::Drop => None,
    }
}

/// An error of a chain as it may be written.
pub(crate) fn cause(
    mode: TextMode,
    cause: &Cause,
    redactor: &dyn Redact,
    redactions: &mut Redactions,
) -> Option<Redacted> {
    match mode {
        TextMode::Measure if cause.is_ours => {
            return written(TextMode::Redacted, &cause.text, redactor, redactions);
        }
        TextMode::Measure => {}
        _ => return written(mode, &cause.text, redactor, redactions),
    }
    let told = phrases::told(cause.text.expose_content());
    Some(ours(match cause.what {
        Some(what) => format!("{what}: {told}"),
        None => told,
    }))
}

/// `[57 characters, 9 words]`.
fn measured(measure: Measure) -> Redacted {
    let Measure { chars, words, .. } = measure;
    ours(format!("[{chars} characters, {words} words]"))
}

/// Text of our own, in which nothing is left to mask.
fn ours(text: String) -> Redacted {
    let as_it_is = |text: &str, out: &mut String| {
        out.push_str(text);
        Redactions::default()
    };
    Redacted::new(&text.into(), &as_it_is, &mut Redactions::default())
}

/// A sink that is told less than others.
#[derive(Debug)]
pub(crate) struct Tight<S> {
    pub(crate) sink: S,
    pub(crate) texts: Texts,
    /// Masks once more, where the sink's kinds have modes of their own.
    pub(crate) redactor: Option<Redactor>,
}

impl<S: Sink> Sink for Tight<S> {
    fn record(&self, event: &Event) {
        match self.tightened(event) {
            Some(event) => self.sink.record(&event),
            None => self.sink.record(event),
        }
    }

    fn flush(&self, within: Duration) -> bool {
        self.sink.flush(within)
    }

    fn name(&self) -> &'static str {
        self.sink.name()
    }

    fn lane(&self) -> Option<Lane> {
        self.sink.lane()
    }

    fn account(&self) -> Option<Stats> {
        self.sink.account()
    }

    fn hear(&self, lanes: &[Stats]) {
        self.sink.hear(lanes);
    }
}

impl<S> Tight<S> {
    /// The event with its texts as this sink may have them; `None` where it holds no text.
    fn tightened(&self, event: &Event) -> Option<Event> {
        match event {
            Event::Call(call) => {
                let failed = |attempt: &Attempt| attempt.failure.is_some();
                let texts = call.failure.is_some()
                    || call.excerpt.is_some()
                    || call.attempts.iter().any(failed);
                let hidden = self.texts.content == TextMode::Drop && call.spoken.is_some();
                let mut call = (texts || hidden).then(|| call.clone())?;
                call.attempts
                    .iter_mut()
                    .for_each(|attempt| self.failure(attempt.failure.as_mut()));
                self.failure(call.failure.as_mut());
                call.excerpt = call
                    .excerpt
                    .take()
                    .filter(|_| self.texts.content == TextMode::Redacted)
                    .and_then(|text| self.text(TextMode::Redacted, &text));
                if hidden {
                    call.spoken = None;
                }
                Some(Event::Call(call))
            }
            Event::Usage(usage) => {
                let mut usage = usage.attempt.failure.as_ref().map(|_| usage.clone())?;
                self.failure(usage.attempt.failure.as_mut());
                Some(Event::Usage(usage))
            }
            Event::Log(log) => {
                let mut log = log.clone();
                self.log(&mut log);
                Some(Event::Log(log))
            }
            _ => None,
        }
    }

    fn failure(&self, report: Option<&mut FailureReport>) {
        let Some(report) = report else { return };
        let mode = self.texts.errors;
        let cause = |text: &Redacted| match mode {
            TextMode::Measure => Some(ours(phrases::told(text.as_str()))),
            _ => self.text(mode, text),
        };
        report.chain = report.chain.iter().filter_map(cause).collect();
        // Frames are not measured: they hold no text of errors.
        report.backtrace = report
            .backtrace
            .take()
            .filter(|_| mode < TextMode::Drop)
            .and_then(|text| self.text(TextMode::Redacted, &text));
    }

    fn log(&self, log: &mut LogEvent) {
        let mode = self.texts.logs;
        log.message = log.message.take().and_then(|text| self.text(mode, &text));
        log.fields.retain_mut(|(_, value)| match value {
            FieldValue::Text(text) => match self.text(mode, text) {
                Some(tight) => {
                    *text = tight;
                    true
                }
                None => false,
            },
            _ => true,
        });
    }

    fn text(&self, mode: TextMode, text: &Redacted) -> Option<Redacted> {
        let redactor = self.redactor.as_ref();
        let again = move |masked: &str, out: &mut String| {
            match redactor {
                Some(redactor) => redactor.tighten_into(masked, out),
                None => out.push_str(masked),
            }
            Redactions::default()
        };
        let text = Content::new(text.as_str());
        written(mode, &text, &again, &mut Redactions::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Level, Masker, Timestamp, memory};
    use campanile_redact::{Kind, Mode, Policy};

    fn log() -> LogEvent {
        let text = |text: &str| {
            let counts = &mut Redactions::default();
            Redacted::new(&Content::new(text), &Masker::standard(), counts)
        };
        let mut log = LogEvent::new(Timestamp(0), Level::Info, "bot");
        log.message = Some(text("mail jo@example.com today"));
        log.fields = vec![
            ("note", FieldValue::Text(text("four words of text"))),
            ("n", FieldValue::Int(7)),
        ];
        log
    }

    fn through(texts: Texts, redactor: Option<Redactor>) -> LogEvent {
        let (sink, events) = memory();
        let tight = Tight {
            sink,
            texts,
            redactor,
        };
        tight.record(&Event::Log(Box::new(log())));
        match &events.all()[..] {
            [Event::Log(log)] => (**log).clone(),
            other => panic!("{other:?}"),
        }
    }

    fn logs(logs: TextMode) -> Texts {
        Texts {
            logs,
            ..Texts::LOOSEST
        }
    }

    #[test]
    fn a_sink_gets_no_more_than_its_class_of_text_may_have() {
        let log = through(logs(TextMode::Measure), None);
        assert_eq!(log.message.unwrap().as_str(), "[18 characters, 3 words]");
        assert_eq!(log.fields.len(), 2);

        let log = through(logs(TextMode::Drop), None);
        assert!(log.message.is_none());
        assert!(matches!(log.fields[..], [("n", FieldValue::Int(7))]));
    }

    #[test]
    fn a_sink_masks_more_than_others_do() {
        let policy = Policy::new().mode(Kind::Email, Mode::Mask);
        let redactor = Redactor::new(policy).unwrap();

        let log = through(Texts::default(), Some(redactor));

        assert_eq!(log.message.unwrap().as_str(), "mail *** today");
    }

    #[test]
    fn what_was_measured_is_not_measured_again() {
        let base = Texts::default().tighten(logs(TextMode::Measure));
        let sink = Texts::LOOSEST.tighten(base).beyond(base);

        assert_eq!(sink, Texts::LOOSEST);
        assert_eq!(logs(TextMode::Drop).beyond(base).logs, TextMode::Drop);
    }

    #[test]
    fn the_stricter_class_wins_both_ways() {
        let (one, other) = (logs(TextMode::Drop), Texts::default());

        assert_eq!(one.tighten(other), other.tighten(one));
        assert_eq!(one.tighten(other).logs, TextMode::Drop);
    }
}
