//! An event as one line of JSON: `{"v":1,"event":"call","level":"debug","ts":"…",…}`.

use super::{
    shorten::{Cut, shorten},
    text::Text,
};
use campanile_core::{Event, SCHEMA_VERSION, Timestamp};
use serde::{Serialize, ser::Error as _};
use serde_json::{Error, Result};

/// Larger texts than this do not stay in memory.
const KEPT_CAPACITY: usize = 1 << 16;

/// Puts events into text, in one buffer that is used again and again.
#[derive(Debug)]
pub(crate) struct Encoder {
    content: bool,
    line: Vec<u8>,
}

impl Encoder {
    pub(crate) fn new(content: bool) -> Self {
        Self {
            content,
            line: Vec::with_capacity(1_024),
        }
    }

    /// As [`line`](Self::line); texts are cut where it would be longer than `most` bytes. `None` where that is not enough.
    pub(crate) fn line_within(&mut self, event: &Event, most: usize) -> Result<Option<&[u8]>> {
        if self.line(event)?.len() > most {
            let Some((short, cut)) = shorten(event, most) else {
                return Ok(None);
            };
            self.line(&short)?;
            let end = self.line.len() - b"}\n".len();
            self.line.truncate(end);
            let Cut { texts, bytes } = cut;
            let told = format!(",\"cut_texts\":{texts},\"cut_bytes\":{bytes}}}\n");
            self.line.extend_from_slice(told.as_bytes());
        }
        Ok((self.line.len() <= most).then_some(&self.line))
    }

    /// The whole line, with its end.
    pub(crate) fn line(&mut self, event: &Event) -> Result<&[u8]> {
        let kind = kind(event).ok_or_else(|| Error::custom("a kind without a name"))?;
        let line = &mut self.line;
        line.clear();
        line.shrink_to(KEPT_CAPACITY);
        line.extend_from_slice(b"{\"v\":");
        SCHEMA_VERSION.serialize(Text(line))?;
        line.extend_from_slice(b",\"event\":\"");
        line.extend_from_slice(kind.as_bytes());
        if !matches!(event, Event::Log(_)) {
            // A log event brings its own.
            line.extend_from_slice(b"\",\"level\":\"");
            line.extend_from_slice(event.level().name().as_bytes());
        }
        line.extend_from_slice(b"\",\"ts\":");
        moment(event).serialize(Text(line))?;
        // What is inside comes as an object of its own: its brace becomes the comma.
        let inside = line.len();
        write_inside(event, Text(line))?;
        line[inside] = b',';
        if let (true, Event::Call(call)) = (self.content, event)
            && let Some(excerpt) = &call.excerpt
        {
            line.pop();
            line.extend_from_slice(b",\"excerpt\":");
            excerpt.serialize(Text(line))?;
            line.push(b'}');
        }
        line.push(b'\n');
        Ok(line)
    }
}

/// What the event says beside its kind.
fn write_inside(event: &Event, text: Text<'_>) -> Result<()> {
    match event {
        Event::Call(call) => call.serialize(text),
        Event::Usage(usage) => usage.serialize(text),
        Event::Turn(turn) => turn.serialize(text),
        Event::Session(session) => session.serialize(text),
        Event::Alert(alert) => alert.serialize(text),
        Event::Log(log) => log.serialize(text),
        Event::Summary(summary) => summary.serialize(text),
        Event::Loss(loss) => loss.serialize(text),
        _ => Err(Error::custom("a kind without a name")),
    }
}

fn kind(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Call(_) => "call",
        Event::Usage(_) => "usage",
        Event::Turn(_) => "turn",
        Event::Session(_) => "session",
        Event::Alert(_) => "alert",
        Event::Log(_) => "log",
        Event::Summary(_) => "summary",
        Event::Loss(_) => "loss",
        _ => return None,
    })
}

/// When it happened: the end of what took a while, so that the lines of a file are nearly in order.
pub(crate) fn moment(event: &Event) -> Timestamp {
    match event {
        Event::Call(call) => {
            let elapsed = call.timing.map(|timing| timing.elapsed).unwrap_or_default();
            call.started_at.after(elapsed)
        }
        Event::Usage(usage) => usage.at,
        Event::Turn(turn) => turn.started_at.after(turn.elapsed),
        Event::Session(session) => session.at,
        Event::Alert(alert) => alert.at,
        Event::Log(log) => log.at,
        Event::Summary(summary) => summary.at,
        Event::Loss(loss) => loss.at,
        _ => Timestamp::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{
        Attempt, CallEvent, CallId, Content, Cost, Count, Evidence, FailureKind, FailureReport,
        Meter, Mode, Money, Name, Outcome, Reason, Redacted, Redactions, SessionId, Span, Timing,
        Usage, UsageEvent, WithContent,
    };
    use proptest::prelude::*;

    const WORDS: [Name; 4] = [
        Name::from_static("llm"),
        Name::from_static("gpt-4o-mini-2024-07-18"),
        Name::from_static("a \"word\" of ours\n"),
        Name::from_static("naïve"),
    ];

    fn names() -> impl Strategy<Value = Name> {
        let outside = "[a-zA-Z0-9._:/@+#-]{1,40}".prop_map(|name| Name::outside(&name).unwrap());
        prop_oneof![prop::sample::select(WORDS.to_vec()), outside]
    }

    fn texts() -> impl Strategy<Value = Redacted> {
        any::<String>().prop_map(|text| {
            let same = |text: &str, masked: &mut String| {
                masked.push_str(text);
                Redactions::default()
            };
            Redacted::new(&Content::new(text), &same, &mut Redactions::default())
        })
    }

    fn timings() -> impl Strategy<Value = Timing> {
        any::<(Option<u64>, Option<u64>, u64, Option<u64>, u64)>().prop_map(
            |(queued, first, elapsed, items, sent)| {
                let mut timing = Timing::default();
                timing.queued = queued.map(Span);
                timing.first_item = first.map(Span);
                timing.elapsed = Span(elapsed);
                timing.items = items;
                timing.longest_gap = first.map(Span);
                timing.sent = sent;
                timing
            },
        )
    }

    fn usages() -> impl Strategy<Value = Usage> {
        let counts = (0..Meter::COUNT, any::<(u64, Option<u64>)>(), 0_u8..4);
        prop::collection::vec(counts, 0..6).prop_map(|counts| {
            let mut usage = Usage::new();
            for (meter, (at_least, at_most), evidence) in counts {
                let count = Count {
                    at_least,
                    at_most,
                    evidence: Evidence::from_index(evidence),
                };
                usage.set(Meter::ALL[meter], count);
            }
            usage
        })
    }

    fn costs() -> impl Strategy<Value = Cost> {
        (
            any::<(i128, Option<i128>, bool)>(),
            names(),
            0..Meter::COUNT,
        )
            .prop_map(|((least, most, doubt), book, meter)| {
                let mut cost = Cost::exact(Money::from_grains(least));
                cost.at_most = most.map(Money::from_grains);
                cost.book = book;
                if doubt {
                    cost.because(Reason::UnpricedMeter(Meter::ALL[meter]));
                    cost.because(Reason::AssumedAlias);
                }
                cost
            })
    }

    fn failures() -> impl Strategy<Value = FailureReport> {
        (names(), texts(), any::<Option<u64>>()).prop_map(|(code, text, after)| {
            let mut report = FailureReport::new(FailureKind::RateLimit, code.clone());
            report.code = Some(code);
            report.retry_after = after.map(Span);
            report.chain = vec![text.clone(), text.clone()];
            report.backtrace = Some(text);
            report
        })
    }

    fn attempts() -> impl Strategy<Value = Attempt> {
        let option = prop::option::of::<BoxedStrategy<Name>>;
        let said = (
            option(names().boxed()),
            option(names().boxed()),
            any::<u32>(),
        );
        let parts = (
            prop::option::of(timings()),
            prop::option::of(usages()),
            prop::option::of(costs()),
            prop::option::of(failures()),
        );
        (said, parts).prop_map(|((provider, model, n), (timing, usage, cost, failure))| {
            let mut attempt = Attempt::new(n);
            attempt.terms.mode = provider.is_some().then_some(Mode::Streaming);
            attempt.terms.addons = model.iter().cloned().collect();
            attempt.terms.channels = Some(n);
            attempt.request_id = provider.clone();
            attempt.provider = provider;
            attempt.model = model;
            attempt.outcome = Some(Outcome::Failed);
            (attempt.timing, attempt.usage) = (timing, usage);
            (attempt.cost, attempt.failure) = (cost, failure);
            attempt
        })
    }

    fn calls() -> impl Strategy<Value = CallEvent> {
        let own = (any::<(u128, i64, Option<u32>)>(), names(), names());
        let parts = (
            prop::collection::vec(attempts(), 0..3),
            prop::option::of(usages()),
            prop::option::of(costs()),
            prop::option::of(texts()),
        );
        (own, parts).prop_map(|(own, (attempts, usage, cost, excerpt))| {
            let ((id, at, turn), stage, label) = own;
            let at = Timestamp(at);
            let mut call = CallEvent::new(CallId(id), stage, at, Outcome::Completed);
            call.session = turn.map(|_| SessionId::from_call(CallId(id)));
            call.turn = turn;
            call.reason = Some(label.clone());
            call.timing = attempts.last().and_then(|attempt| attempt.timing);
            call.failure = attempts.last().and_then(|attempt| attempt.failure.clone());
            call.attempts = attempts;
            (call.usage, call.cost, call.excerpt) = (usage, cost, excerpt);
            call.labels = vec![("tenant", label)];
            call.observer_failed = turn.unwrap_or(0);
            call
        })
    }

    /// The line as `serde_json` would have it.
    fn expected(event: &Event, content: bool) -> String {
        let text = match content {
            true => serde_json::to_string(&WithContent(event)),
            false => serde_json::to_string(event),
        };
        let begin = format!(r#"{{"event":"{}","#, kind(event).unwrap());
        let text = text.unwrap();
        let rest = text.strip_prefix(&begin).unwrap();
        let (begin, moment) = (&begin[1..], moment(event));
        let level = event.level().name();
        format!(
            "{{\"v\":{SCHEMA_VERSION},{begin}\"level\":\"{level}\",\"ts\":\"{moment}\",{rest}\n"
        )
    }

    proptest! {
        #[test]
        fn a_line_is_the_serde_form_with_version_and_moment(call in calls(), content: bool) {
            let mut encoder = Encoder::new(content);
            let events = [
                Event::Usage(Box::new(UsageEvent::new(
                    call.id,
                    7,
                    call.stage.clone(),
                    call.started_at,
                    call.started_at,
                    call.attempts.first().cloned().unwrap_or_else(|| Attempt::new(1)),
                ))),
                Event::Call(Box::new(call)),
            ];

            for event in &events {
                let line = encoder.line(event).unwrap();
                prop_assert_eq!(std::str::from_utf8(line).unwrap(), expected(event, content));
            }
        }
    }
}
