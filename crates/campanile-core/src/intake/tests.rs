use super::*;
use crate::{Meter, Tick, TimeSource, Timestamp};

/// A clock that a test moves by hand.
#[derive(Clone, Default)]
struct Hand(Arc<AtomicU64>);

impl TimeSource for Hand {
    fn tick(&self) -> Tick {
        Tick(self.0.load(Relaxed))
    }
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
}

fn intake() -> (Intake, Hand) {
    let hand = Hand::default();
    (Intake::new(Clock::new(hand.clone()), Ids::seeded(1)), hand)
}

fn taken(intake: &Intake) -> Vec<Handed> {
    let mut handed = Vec::new();
    intake.take(&mut handed);
    handed
}

const LLM: Name = Name::from_static("llm");

#[test]
fn a_call_is_closed_once() {
    let (intake, _) = intake();
    let record = intake.open(&LLM, None, Span(0));

    record.close(Outcome::Completed, None);
    record.close(Outcome::Cancelled, None);

    assert!(matches!(&taken(&intake)[..], [Handed::Closed(_)]));
    assert_eq!(
        record.draft(|draft| draft.outcome),
        Some(Outcome::Completed)
    );
    assert!(intake.open_calls().is_empty());
}

#[test]
fn who_writes_late_is_heard() {
    let (intake, _) = intake();
    let mut record = intake.open(&LLM, None, Span(0));
    record.begin_attempt();
    record.close(Outcome::Cancelled, None);
    taken(&intake);

    record.attempt(|attempt| attempt.items = Some(3));

    assert!(matches!(&taken(&intake)[..], [Handed::Late(_)]));
}

#[test]
fn room_is_used_again_and_starts_empty() {
    let (intake, _) = intake();
    let mut record = intake.open(&LLM, None, Span(0));
    let live = record.begin_attempt();
    live.tally.add(Meter::Characters, 9);
    let room = Arc::as_ptr(&live);
    record.close(Outcome::Completed, None);
    drop((record, live));
    let Some(Handed::Closed(record)) = taken(&intake).pop() else {
        panic!("closed")
    };
    let (id, shard) = (record.id(), record.slot().0 % 16);
    intake.recycle(record);

    // The same shard comes round again within a few ids.
    let again = (0..1_000)
        .map(|_| intake.open(&LLM, None, Span(0)))
        .find_map(|mut record| {
            let live = (record.slot().0 % 16 == shard).then(|| record.begin_attempt())?;
            (Arc::as_ptr(&live) == room).then_some((record.id(), live))
        });

    let (new_id, live) = again.expect("the room was pooled");
    assert_ne!(new_id, id);
    assert!(live.tally.snapshot().is_empty());
}

#[test]
fn a_room_that_somebody_holds_is_not_used_again() {
    let (intake, _) = intake();
    let held = intake.open(&LLM, None, Span(0));
    held.close(Outcome::Completed, None);
    let Some(Handed::Closed(record)) = taken(&intake).pop() else {
        panic!("closed")
    };
    intake.recycle(record);

    let others: Vec<_> = (0..200).map(|_| intake.open(&LLM, None, Span(0))).collect();

    assert!(
        others
            .iter()
            .all(|other| !Arc::ptr_eq(other.slot().1, held.slot().1))
    );
}

#[test]
fn every_attempt_has_its_own_place_and_one_pass_shares_it() {
    let (intake, _) = intake();
    let request = intake.open(&LLM, None, Span(0));
    let (mut first, mut second) = (request.clone(), request.clone());

    let usage = first.begin_attempt();
    let timing = first.begin_attempt();
    second.begin_attempt();

    assert!(Arc::ptr_eq(&usage, &timing));
    assert_eq!(
        (first.attempt_number(), second.attempt_number()),
        (Some(1), Some(2))
    );
}

#[test]
fn sessions_and_turns_end_once_even_when_dropped() {
    let (intake, _) = intake();
    let session = Session::begin(&intake, None);
    let turn = session.turn();
    turn.end();
    turn.end();
    drop(turn);
    drop(session.turn());
    drop(session);

    let mut seen = Vec::new();
    // Handles in the queue are the last ones: what they tell when they go is heard too.
    loop {
        let handed = taken(&intake);
        if handed.is_empty() {
            break;
        }
        seen.extend(handed.iter().map(|handed| match handed {
            Handed::SessionBegun(_) => "begun".to_owned(),
            Handed::TurnOver(turn) => format!("turn {}", turn.number()),
            Handed::SessionOver(_, reason) => format!("over: {reason}"),
            _ => "?".to_owned(),
        }));
    }
    assert_eq!(seen, ["begun", "turn 1", "turn 2", "over: dropped"]);
}

#[test]
fn a_waterfall_sums_whatever_is_missing_or_out_of_order() {
    let (intake, hand) = intake();
    let turn = Session::begin(&intake, None).turn();
    assert_eq!(turn.waterfall(), None);

    hand.0.store(1_000, Relaxed);
    turn.user_stopped();
    turn.mark(Mark::LlmCalled, Tick(900)); // speculative: before the user stopped
    turn.mark(Mark::Transcribed, Tick(1_300));
    turn.mark(Mark::LlmFirstItem, Tick(1_900));
    turn.first_item("tts", Tick(2_000), Tick(2_100));

    let (total, segments) = turn.waterfall().unwrap();
    assert_eq!(total, Span(1_100));
    assert_eq!(
        segments.iter().map(|segment| segment.span.0).sum::<u64>(),
        1_100
    );
    let names: Vec<_> = segments
        .iter()
        .map(|segment| (segment.name, segment.span.0))
        .collect();
    assert_eq!(
        names,
        [
            ("transcription", 300),
            ("to_llm", 0),
            ("llm_first_item", 600),
            ("tts_queue", 100),
            ("tts_first_item", 100)
        ]
    );
}

#[test]
fn log_text_that_waits_is_bounded_and_its_loss_counted() {
    let (intake, _) = intake();
    let line = || LogEvent::new(Timestamp(0), crate::Level::Info, "test");
    for _ in 0..10 {
        intake.log(line(), Some(Content::new("x".repeat(1 << 20))), Vec::new());
    }

    assert_eq!(taken(&intake).len(), 7);
    assert_eq!((intake.take_lost_logs(), intake.take_lost_logs()), (3, 0));
    intake.log(line(), None, Vec::new());
    assert_eq!(taken(&intake).len(), 1);
}

#[test]
fn an_attempt_that_is_read_on_leaves_the_next_one_its_caller() {
    let (intake, _) = intake();
    let call = intake.open(&LLM, None, Span(0));
    let mut attempts: Vec<_> = (0..70).map(|_| call.clone()).collect();
    for attempt in &mut attempts {
        attempt.begin_attempt();
    }

    attempts[0].set_draining();

    let draining = attempts.iter().filter(|attempt| attempt.is_draining());
    assert_eq!(draining.count(), 1);
    attempts[68].set_draining();
    assert!(!attempts[62].is_draining() && attempts[69].is_draining());
}

#[test]
fn an_attempt_stops_once_with_what_was_counted_until_then() {
    let (intake, _) = intake();
    let mut record = intake.open(&LLM, None, Span(0));
    let live = record.begin_attempt();
    record.attempt(|attempt| attempt.stop(Tick(5)));
    assert_eq!(record.draft(|draft| draft.attempts[0].elapsed), None);

    record.attempt(|attempt| attempt.started = Some(Tick(10)));
    live.sent(Tick(14));
    let firsts = [20, 50, 60].map(|at| live.item(Tick(at)));
    record.attempt(|attempt| attempt.stop(Tick(70)));
    live.item(Tick(500));
    record.attempt(|attempt| attempt.stop(Tick(600)));

    assert_eq!(firsts, [true, false, false]);
    record.draft(|draft| {
        let attempt = &draft.attempts[0];
        // Of a streamed request, from its first piece.
        assert_eq!(attempt.first_item, Some(Span(6)));
        assert_eq!(
            (attempt.items, attempt.longest_gap),
            (Some(3), Some(Span(30)))
        );
        assert_eq!(attempt.elapsed, Some(Span(60)));
    });
}
