//! A voice bot's events against the bills of the providers that served it.

#![allow(clippy::unwrap_used, reason = "what cannot be had fails the test")]

mod support;

use campanile::sinks::ledger::{Dimension, Query};
use campanile::{Attempt, CallEvent, Count, Evidence, Meter, Outcome, Usage};
use campanile_examples::bot::{Setup, Sounds, run};
use campanile_testkit::sim::{Bill, Line, Provider, Why};
use campanile_testkit::wav;
use std::path::{Path, PathBuf};
use support::{Kept, monitor};

const TURNS: usize = 20;
const BARGE_INS: usize = 5;

struct Ran {
    events: Kept,
    bill: Bill,
    /// What the file of speech says of itself.
    speech_us: u64,
}

/// Twenty turns with five barge-ins, a 429, a 500 and an answer that breaks off; every frame of a file is sent once.
async fn ran(seed: u64) -> Ran {
    let file = speech();
    let speech_us = wav::read(&file).unwrap().duration().as_micros() as u64;
    let (monitor, events) = monitor();
    let setup = Setup {
        turns: TURNS,
        seed,
        sounds: Some(Sounds::read(&file).unwrap()),
        ..Setup::default()
    };
    let bill = run(&setup, &monitor).await.unwrap().expect("simulated");
    assert!(monitor.close().await);
    Ran {
        events,
        bill,
        speech_us,
    }
}

/// Real speech where it lies beside the workspace, else a file of noise of an odd length.
fn speech() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shared = here.join("../../shared/data/audio/jfk.wav");
    if shared.exists() {
        return shared;
    }
    let samples: Vec<u8> = (0..97_531_u32)
        .flat_map(|n| ((n.wrapping_mul(2_654_435_761) >> 20) as i16).to_le_bytes())
        .collect();
    let made = Path::new(env!("CARGO_TARGET_TMPDIR")).join("speech.wav");
    std::fs::write(&made, wav_file(&samples)).unwrap();
    made
}

fn wav_file(samples: &[u8]) -> Vec<u8> {
    let mut file = b"RIFF".to_vec();
    file.extend((samples.len() as u32 + 36).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend([16, 0, 0, 0, 1, 0, 1, 0]);
    file.extend(16_000_u32.to_le_bytes());
    file.extend(32_000_u32.to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend((samples.len() as u32).to_le_bytes());
    file.extend(samples);
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn events_come_to_what_the_providers_bill() {
    let ran = ran(7).await;

    audio_is_that_of_the_file(&ran);
    characters_are_those_submitted(&ran);
    tokens_are_reported_or_bounded(&ran);
    each_turn_says_how_it_went(&ran);
    the_ledger_says_the_same(&ran);
}

fn audio_is_that_of_the_file(ran: &Ran) {
    let [stt] = &ran.events.attempts("deepgram")[..] else {
        panic!("one connection for the session");
    };
    let usage = stt.usage.unwrap();

    assert_eq!(ran.bill.of(Provider::Deepgram).audio_us, ran.speech_us);
    assert_eq!(
        usage.get(Meter::AudioUs),
        Some(Count::exact(ran.speech_us, Evidence::Measured))
    );
    assert_eq!(
        usage.get(Meter::ServerAudioUs),
        Some(Count::exact(ran.speech_us, Evidence::Reported))
    );
}

fn characters_are_those_submitted(ran: &Ran) {
    let spoken = ran.events.attempts("cartesia");
    for attempt in &spoken {
        let line = one(&ran.bill, |line| {
            line.context_id.as_deref() == attempt.request_id.as_deref()
        });
        assert_eq!(
            attempt.usage.unwrap().get(Meter::Characters),
            Some(Count::exact(line.meters.characters, Evidence::Measured)),
            "{line:?}"
        );
    }
    let lines = ran.bill.lines.iter();
    let contexts = lines.filter(|line| line.provider == Provider::Cartesia);
    assert_eq!(contexts.count(), spoken.len());
    assert!(spoken.len() > TURNS / 2);
}

fn tokens_are_reported_or_bounded(ran: &Ran) {
    let asked = ran.events.attempts("openai");
    let (mut reported, mut bounded, mut refused) = (0, 0, 0);
    for attempt in &asked {
        let Some(id) = &attempt.request_id else {
            refused += 1;
            assert_eq!(attempt.usage, None, "a refusal bills nothing: {attempt:?}");
            continue;
        };
        let line = one(&ran.bill, |line| *line.request_id == **id);
        let usage = attempt.usage.unwrap();
        match line.why {
            Why::Completed => {
                reported += 1;
                is_exactly(&usage, line);
            }
            _ => {
                bounded += 1;
                holds(&usage, line);
            }
        }
    }
    // The 429 and the 500; the barge-ins and the cut.
    assert_eq!((refused, bounded), (2, BARGE_INS + 1));
    assert_eq!(reported, TURNS - bounded);
    let lines = ran.bill.lines.iter();
    let requests = lines.filter(|line| line.provider == Provider::OpenAi);
    assert_eq!(requests.count(), asked.len());
}

/// Input in the provider's way of counting: what was read from its cache included.
fn input(usage: &Usage, of: impl Fn(Meter) -> u64) -> u64 {
    let cached = usage.get(Meter::CachedInputTokens);
    of(Meter::InputTokens) + cached.map_or(0, |_| of(Meter::CachedInputTokens))
}

fn is_exactly(usage: &Usage, line: &Line) {
    assert!(usage.is_exact(), "{usage:?}");
    assert_eq!(usage.evidence(), Some(Evidence::Reported));
    let of = |meter| usage.at_least(meter);
    assert_eq!(input(usage, of), line.meters.prompt_tokens);
    assert_eq!(of(Meter::CachedInputTokens), line.meters.cached_tokens);
    assert_eq!(
        of(Meter::OutputTokens) + of(Meter::ReasoningTokens),
        line.meters.completion_tokens
    );
}

fn holds(usage: &Usage, line: &Line) {
    for (meter, billed) in [
        (Meter::InputTokens, line.meters.prompt_tokens),
        (Meter::OutputTokens, line.meters.completion_tokens),
    ] {
        let count = usage.get(meter).unwrap();
        let at_most = count.at_most.expect("the request had limits");
        assert!(
            (count.at_least..=at_most).contains(&billed),
            "{meter}: {billed} is not in {count:?}"
        );
        assert!(
            count.at_least < at_most,
            "a guess that looks exact: {count:?}"
        );
        assert_eq!(count.evidence, Evidence::Estimated);
    }
}

fn the_ledger_says_the_same(ran: &Ran) {
    let report = ran
        .events
        .report(&Query::default().by([Dimension::Provider]));
    let row = |provider: Provider| {
        let rows = report.rows.iter();
        rows.clone()
            .find(|row| row.keys == [provider.as_str()])
            .unwrap_or_else(|| panic!("no {provider}: {report:?}"))
    };
    let used = |provider, meter| row(provider).usage.get(meter).unwrap();
    let bill = |provider| ran.bill.of(provider);

    assert_eq!(
        used(Provider::Deepgram, Meter::AudioUs),
        Count::exact(bill(Provider::Deepgram).audio_us, Evidence::Measured)
    );
    assert_eq!(
        used(Provider::Cartesia, Meter::Characters),
        Count::exact(bill(Provider::Cartesia).characters, Evidence::Measured)
    );
    let openai = bill(Provider::OpenAi);
    for (meter, billed) in [
        (
            Meter::InputTokens,
            openai.prompt_tokens - openai.cached_tokens,
        ),
        (Meter::OutputTokens, openai.completion_tokens),
    ] {
        let count = used(Provider::OpenAi, meter);
        let at_most = count.at_most.expect("every request had limits");
        assert!(
            (count.at_least..=at_most).contains(&billed),
            "{meter}: {billed} {count:?}"
        );
    }
    assert_eq!(row(Provider::OpenAi).parts, (TURNS + 2) as u64);
    assert_eq!(row(Provider::OpenAi).inexact, (BARGE_INS + 1) as u64);
    assert_eq!(report.total.calls, ran.events.calls().len() as u64);
    assert_eq!((report.total.open, report.total.failed), (0, 1));
    assert_eq!(report.total.unpriced, 0, "{report:?}");
    assert!(row(Provider::Deepgram).cost.is_exact());
    assert!(!row(Provider::OpenAi).cost.is_exact());
}

fn each_turn_says_how_it_went(ran: &Ran) {
    let turns = ran.events.turns();
    assert_eq!(turns.len(), TURNS);
    let interrupted = turns.iter().filter(|turn| turn.interrupted.is_some());
    assert_eq!(interrupted.count(), BARGE_INS);
    for turn in &turns {
        let sum: u64 = turn.segments.iter().map(|segment| segment.span.0).sum();
        assert_eq!(turn.user_to_bot.map_or(0, |span| span.0), sum);
    }

    let calls = ran.events.calls();
    let llm: Vec<&CallEvent> = calls.iter().filter(|call| call.stage == "llm").collect();
    let ended = |outcome| llm.iter().filter(|call| call.outcome == outcome).count();
    assert_eq!(llm.len(), TURNS);
    assert_eq!(ended(Outcome::Cancelled), BARGE_INS);
    assert_eq!(ended(Outcome::Failed), 1);
    let codes: Vec<_> = failures(&llm).collect();
    assert!(
        codes.contains(&"rate_limit_exceeded") && codes.contains(&"server_error"),
        "{codes:?}"
    );
}

/// The codes of attempts that failed and were made good by another one.
fn failures<'a>(calls: &'a [&CallEvent]) -> impl Iterator<Item = &'a str> {
    let good = calls.iter().filter(|call| call.outcome != Outcome::Failed);
    let attempts = good.flat_map(|call| &call.attempts);
    attempts.filter_map(|attempt: &Attempt| attempt.failure.as_ref()?.code.as_deref())
}

fn one(bill: &Bill, of: impl Fn(&Line) -> bool) -> &Line {
    let mut lines = bill.lines.iter().filter(|line| of(line));
    let line = lines.next().expect("on the bill");
    assert!(lines.next().is_none(), "on the bill once");
    line
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_seeds_bill_the_same() {
    let (one, other) = (ran(11).await, ran(11).await);

    assert_eq!(one.bill.total(), other.bill.total());
    let sums = |ran: &Ran| {
        let mut sum = Usage::new();
        let calls = ran.events.calls();
        calls
            .iter()
            .filter_map(|call| call.usage.as_ref())
            .for_each(|usage| sum.absorb(usage));
        [
            Meter::InputTokens,
            Meter::OutputTokens,
            Meter::Characters,
            Meter::AudioUs,
        ]
        .map(|meter| sum.get(meter))
    };
    assert_eq!(sums(&one), sums(&other));
}
