//! What becomes of texts: by class, and tighter for single sinks.

use campanile_core::{
    Attempt, Content, Event, FailureReport, FieldValue, Lane, LogEvent, Measure, Redact, Redacted,
    Redactions, Sink, Stats,
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
    /// Its size: `[57 characters, 9 words]`.
    Measure,
    /// Nothing.
    Drop,
}

/// What is written of texts, by class. Where two meet, the stricter one wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Texts {
    /// What is said. Only sinks that ask for it write more than its size.
    pub content: TextMode,
    /// Texts of errors and their sources, and backtraces.
    pub errors: TextMode,
    /// Messages and text fields of the program's own log lines.
    pub logs: TextMode,
}

impl Texts {
    /// One mode for each class.
    #[must_use]
    pub const fn new(content: TextMode, errors: TextMode, logs: TextMode) -> Self {
        Self {
            content,
            errors,
            logs,
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
        TextMode::Measure => Some(measured(text.measure(), redactions)),
        TextMode::Drop => None,
    }
}

/// `[57 characters, 9 words]`: numbers of ours, so that nothing is left to mask.
fn measured(measure: Measure, redactions: &mut Redactions) -> Redacted {
    let Measure { chars, words, .. } = measure;
    let size = Content::new(format!("[{chars} characters, {words} words]"));
    let as_it_is = |text: &str, out: &mut String| {
        out.push_str(text);
        Redactions::default()
    };
    Redacted::new(&size, &as_it_is, redactions)
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
        report.chain = report
            .chain
            .iter()
            .filter_map(|text| self.text(mode, text))
            .collect();
        report.backtrace = report
            .backtrace
            .take()
            .and_then(|text| self.text(mode, &text));
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
            ..Texts::default()
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
    fn the_stricter_class_wins_both_ways() {
        let (one, other) = (logs(TextMode::Drop), Texts::default());

        assert_eq!(one.tighten(other), other.tighten(one));
        assert_eq!(one.tighten(other).logs, TextMode::Drop);
    }
}
