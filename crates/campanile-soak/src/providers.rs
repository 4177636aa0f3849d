//! The simulated providers of a soak: what they answer, and how long they take over it.

use crate::canary;
use campanile_testkit::sim::{Cartesia, Deepgram, OpenAi, Pace, Providers, Quantiles};
use std::io;

/// First tokens of chat models, and what is between two. Nobody's measurement: chosen with a long tail, so that a turn's
/// latency lies where operators want it (half of the turns within 1.5 s, 95 % within 5 s).
const MODEL: (Quantiles, Quantiles) = (
    &[
        (0, 180),
        (500, 420),
        (900, 800),
        (990, 1_600),
        (1_000, 3_000),
    ],
    &[(0, 5), (500, 18), (900, 40), (990, 120), (1_000, 300)],
);
/// From the end of speech to a final transcript: 99 % within 0.35 s, as Pipecat measured Deepgram (`stt_latency.py`).
const TRANSCRIBER: (Quantiles, Quantiles) = (
    &[(0, 60), (500, 150), (900, 250), (990, 350), (1_000, 800)],
    &[(0, 0), (1_000, 0)],
);
/// First speech of a context, and what is between two pieces. Chosen, like the model's.
const SPEAKER: (Quantiles, Quantiles) = (
    &[(0, 60), (500, 110), (900, 180), (990, 400), (1_000, 900)],
    &[(0, 3), (900, 30), (1_000, 120)],
);

fn configured(seed: u64) -> (OpenAi, Deepgram, Cartesia) {
    let pace = |(first, between)| Pace::measured(first, between);
    let mut deepgram = Deepgram::new(seed).pace(pace(TRANSCRIBER));
    for utterance in utterances() {
        deepgram = deepgram.transcript(utterance);
    }
    let openai = OpenAi::new(seed).pace(pace(MODEL));
    (openai, deepgram, Cartesia::new(seed).pace(pace(SPEAKER)))
}

/// What callers say: everyday things, and now and then a canary.
fn utterances() -> impl Iterator<Item = String> {
    const SAID: [&str; 6] = [
        "When does the next train leave?",
        "Could I have the table by the window?",
        "I am still waiting for my parcel.",
        "Is the garden open on Sunday?",
        "Yes, that would be very kind of you.",
        "Let me think about that for a moment.",
    ];
    let canaries: Vec<_> = canary::said()
        .into_iter()
        .chain(canary::secrets())
        .collect();
    (0..90).map(move |n| match n % 9 {
        8 => format!("And {} it is.", canaries[n / 9 % canaries.len()]),
        _ => SAID[n % SAID.len()].to_owned(),
    })
}

/// In this process, without ports.
pub(crate) fn in_memory(seed: u64) -> Providers {
    let (openai, deepgram, cartesia) = configured(seed);
    Providers::in_memory(openai, deepgram, cartesia)
}

/// On ports of 127.0.0.1.
pub(crate) async fn listening(seed: u64) -> io::Result<Providers> {
    let (openai, deepgram, cartesia) = configured(seed);
    Providers::start_as(openai, deepgram, cartesia).await
}
