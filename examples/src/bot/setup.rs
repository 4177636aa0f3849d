//! What can be asked of the bot, and the providers that it runs against.

use super::plan::Plan;
use super::session::Bot;
use super::sound::Sounds;
use super::stages::{llm, stt};
use crate::deepgram::Deepgram;
use crate::openai::OpenAi;
use campanile::Monitor;
use campanile_testkit::sim::{self, Bill, Providers};
use futures_util::future::try_join_all;
use tower::BoxError;

/// What the simulated model answers. The first sentences are short: a bot begins to speak early.
const REPLIES: [&str; 6] = [
    "Yes, of course. The next train to the coast leaves at nine in the morning from platform two.",
    "One moment, please. Your parcel was sent yesterday and should be with you before tomorrow evening.",
    "Good question. The garden is open every day from early spring until the last week of October.",
    "Certainly, let me look. There is a quiet table near the window for four people at half past seven.",
    "I have it here. Your ticket number is on the back of the letter that we sent you last week.",
    "Thank you for waiting. The room is free again on Thursday and you may keep it until Sunday noon.",
];

/// How many calls of how many turns, against whom.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Phone calls at once.
    pub sessions: usize,
    /// Turns of each.
    pub turns: usize,
    /// Decides who interrupts when, and all chance of the simulated providers.
    pub seed: u64,
    /// What the callers say; a tone unless set.
    pub sounds: Option<Sounds>,
    /// As fast as people speak and providers think, instead of as fast as it goes.
    pub realtime: bool,
    /// Against the real providers, with these keys: of OpenAI, Deepgram, Cartesia.
    pub live: Option<[String; 3]>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            sessions: 1,
            turns: 6,
            seed: 7,
            sounds: None,
            realtime: false,
            live: None,
        }
    }
}

/// Runs the bot. Gives what simulated providers will ask money for, line by line.
///
/// # Errors
///
/// When a provider cannot be reached.
pub async fn run(setup: &Setup, monitor: &Monitor) -> Result<Option<Bill>, BoxError> {
    let plan = match setup.live {
        None => Plan::seeded(setup.turns, setup.seed),
        // Real providers have trouble of their own.
        Some(_) => Plan::calm(setup.turns),
    };
    let tone = || Sounds::tone(setup.turns);
    let sounds = setup.sounds.clone().unwrap_or_else(tone);
    let providers = match setup.live {
        None => Some(simulated(setup, &plan).await?),
        Some(_) => None,
    };
    let bot = bot(setup, providers.as_ref(), monitor)?;
    let calls = (0..setup.sessions).map(|_| bot.take_call(&plan, &sounds));
    try_join_all(calls).await?;
    drop(bot);
    Ok(match providers {
        Some(providers) => Some(providers.stop().await),
        None => None,
    })
}

async fn simulated(setup: &Setup, plan: &Plan) -> std::io::Result<Providers> {
    let mut openai = sim::OpenAi::new(setup.seed);
    for reply in REPLIES {
        openai = openai.reply(reply);
    }
    for (request, fault) in plan.faults() {
        openai = openai.fault(request, fault);
    }
    let (deepgram, cartesia) = (
        sim::Deepgram::new(setup.seed),
        sim::Cartesia::new(setup.seed),
    );
    match setup.realtime {
        false => Providers::start_as(openai, deepgram, cartesia).await,
        true => {
            let paced = (openai.realtime(), deepgram.realtime(), cartesia.realtime());
            Providers::start_as(paced.0, paced.1, paced.2).await
        }
    }
}

fn bot(
    setup: &Setup,
    providers: Option<&Providers>,
    monitor: &Monitor,
) -> Result<Bot, http::Error> {
    let [openai_key, deepgram_key, cartesia_key] = setup
        .live
        .clone()
        .unwrap_or_else(|| ["openai", "deepgram", "cartesia"].map(|name| format!("key-of-{name}")));
    let (openai, deepgram, cartesia) = match providers {
        Some(providers) => (
            providers.openai.base_url(),
            providers.deepgram.ws_url(),
            providers.cartesia.ws_url(),
        ),
        None => (
            "https://api.openai.com/v1".into(),
            "wss://api.deepgram.com".into(),
            "wss://api.cartesia.ai".into(),
        ),
    };
    Ok(Bot {
        monitor: monitor.clone(),
        llm: llm(monitor, OpenAi::new(&openai, &openai_key)?),
        stt: stt(monitor, Deepgram::new(&deepgram, &deepgram_key)?),
        speaker: (cartesia, cartesia_key),
        realtime: setup.realtime || setup.live.is_some(),
        simulated: providers.is_some(),
    })
}
