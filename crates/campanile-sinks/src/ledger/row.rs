//! What is kept of an event: read from events, carried to the writer as bytes, kept in the bodies of rows.
//!
//! Both forms are the same bytes but for words: texts on the way to the writer, numbers of the `name` table in rows.

mod bounds;
mod call;
mod failure;
mod part;
mod reason;
mod session;
mod terms;
mod timing;
mod turn;

pub(crate) use bounds::Bounds;
pub(crate) use call::{CallDetail, CallRow, Glance, Labels, outcome_of, with_parts};
pub(crate) use failure::{FailureRow, FailureTexts};
pub(crate) use part::{INEXACT, PartDetail, PartRow, Scratch, UNPRICED, part_outcome, part_waste};
pub(crate) use reason::unpack_reasons;
pub(crate) use session::{SessionEdge, TOTALS, Totals};
pub(crate) use turn::{TurnDetail, TurnRow, owner_name};

use super::codec::{Pack, Unpack};

/// Writes words.
pub(crate) trait PutWords {
    type Error;
    fn word(&mut self, out: &mut Vec<u8>, text: &str) -> Result<(), Self::Error>;
}

/// Reads words.
pub(crate) trait GetWords<'a> {
    fn word(&self, from: &mut Unpack<'a>) -> Option<&'a str>;
}

/// Words are written out.
pub(crate) struct Inline;

impl PutWords for Inline {
    type Error = std::convert::Infallible;
    fn word(&mut self, out: &mut Vec<u8>, text: &str) -> Result<(), Self::Error> {
        out.text(text);
        Ok(())
    }
}

impl<'a> GetWords<'a> for Inline {
    fn word(&self, from: &mut Unpack<'a>) -> Option<&'a str> {
        from.text()
    }
}

#[cfg(test)]
mod tests {
    use super::failure::MAX_CHAIN_BYTES;
    use super::*;
    use campanile_core::{
        Attempt, CALL_REV, CallEvent, CallId, Cost, FailureKind, FailureReport, Measure, Meter,
        Mode, Money, Name, Outcome, Reason, SessionId, Span, Timestamp, Timing,
    };
    use proptest::prelude::*;

    fn full_call() -> CallEvent {
        let mut call = CallEvent::new(CallId(7), "llm".into(), Timestamp(-5), Outcome::Cancelled);
        call.session = SessionId::new("s-1").ok();
        call.turn = Some(3);
        call.reason = Some("barge_in".into());
        let mut timing = Timing::default();
        (timing.queued, timing.items, timing.sent) = (Some(Span(5_000)), Some(50), 9);
        timing.longest_gap = Some(Span(21_000));
        call.timing = Some(timing);
        call.spoken = Some(Measure::of("good morning"));
        call.redactions.add("EMAIL", 2);
        call.labels = vec![("tenant", "acme".into())];
        call.observer_failed = 1;
        let mut report = FailureReport::new(FailureKind::Timeout, "0123456789abcdef".into());
        report.code = Some("504".into());
        report.retry_after = Some(Span(2_000_000));
        call.failure = Some(report);
        call
    }

    #[test]
    fn a_call_is_read_as_it_was_written() {
        let call = full_call();
        let row = CallRow::of(&call, Some("outside"));
        let mut bytes = Vec::new();
        row.pack(&mut bytes);

        let mut from = Unpack(&bytes);
        assert_eq!(CallRow::unpack(&mut from), Some(row));
        assert!(from.0.is_empty());
        // Cut anywhere, it is no row; and no panic.
        for len in 0..bytes.len() {
            assert_eq!(CallRow::unpack(&mut Unpack(&bytes[..len])), None);
        }
    }

    #[test]
    fn a_part_is_read_as_it_was_written() {
        let mut attempt = Attempt::new(2);
        attempt.provider = Some("openai".into());
        attempt.requested_model = Some("gpt-4.1".into());
        attempt.request_id = Name::outside("req_1");
        attempt.terms.mode = Some(Mode::Streaming);
        attempt.terms.channels = Some(2);
        attempt.terms.voice = Some("pro".into());
        attempt.terms.addons = vec!["diarize".into()];
        attempt.outcome = Some(Outcome::Failed);
        let mut cost = Cost::unknown(Reason::UnpricedMeter(Meter::AudioUs));
        cost.because(Reason::UnknownUsage);
        cost.book = "2026-11".into();
        attempt.cost = Some(cost.clone());
        let mut scratch = Scratch::default();
        let row = PartRow::of(&attempt, CALL_REV + 4, &mut scratch);
        let mut bytes = Vec::new();
        row.pack(&mut bytes);

        let read = PartRow::unpack(&mut Unpack(&bytes)).unwrap();
        assert_eq!(read, row);
        assert_eq!((read.rev, read.unpriced), (4, true));
        assert_eq!(unpack_reasons(read.detail.why), cost.why);
        assert_eq!(read.detail.terms.to_terms(), attempt.terms);
        assert_eq!(part_outcome(read.flags()), Some(Outcome::Failed));
    }

    #[test]
    fn texts_of_a_failure_are_cut_at_a_character() {
        let same = |text: &str, masked: &mut String| {
            masked.push_str(text);
            campanile_core::Redactions::default()
        };
        let content = campanile_core::Content::new("\u{e4}".repeat(MAX_CHAIN_BYTES));
        let long = campanile_core::Redacted::new(
            &content,
            &same,
            &mut campanile_core::Redactions::default(),
        );
        let mut report = FailureReport::new(FailureKind::Server, "0123456789abcdef".into());
        report.chain = vec![long.clone(), long];

        let texts = FailureTexts::of(0, &report);

        assert_eq!(
            texts.chain.iter().map(|text| text.len()).sum::<usize>(),
            MAX_CHAIN_BYTES
        );
    }

    proptest! {
        #[test]
        fn noise_is_no_row_and_no_panic(noise in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = CallRow::unpack(&mut Unpack(&noise));
            let _ = PartRow::unpack(&mut Unpack(&noise));
            let _ = TurnRow::unpack(&mut Unpack(&noise));
            let _ = SessionEdge::unpack(&mut Unpack(&noise));
            let _ = FailureTexts::unpack(&mut Unpack(&noise));
            let _ = unpack_reasons(&noise);
        }

        #[test]
        fn bounds_are_read_as_they_were_written(grains in any::<i64>(), more in proptest::option::of(any::<u64>())) {
            let at_least = Money::from_grains(grains.into());
            let at_most = more.map(|more| Money::from_grains(i128::from(grains) + i128::from(more)));
            let bounds = Bounds { at_least, at_most };
            let mut bytes = Vec::new();
            bounds.pack(&mut bytes);

            prop_assert_eq!(Bounds::unpack(&mut Unpack(&bytes)), Some(bounds));
        }
    }
}
