//! A hard limit: concurrent calls, whatever their end, do not pass it.

use crate::support::{SOON, call, folder, ledger, spend};
use campanile::config::Config;
use campanile::{
    BudgetLayer, CallLayer, Clock, ErrorLayer, Facts, Meter, Money, Monitor, OverBudget, Tally,
    Tick, TimeSource, Timestamp, Unary, UsageLayer, classify, client, memory,
};
use futures_util::{FutureExt as _, Stream, StreamExt, stream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tower::util::BoxCloneService;
use tower::{BoxError, ServiceBuilder, ServiceExt as _};

struct Speak(u64);

impl Facts for Speak {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::Characters, self.0);
    }
}

#[derive(Debug)]
struct Sound;
impl Facts for Sound {}

fn usd(text: &str) -> Money {
    Money::from_usd(text).unwrap()
}

fn config(ledger: &Path, sinks: &str, window: &str) -> Config {
    let text = format!(
        "[env.test]\nsinks = {sinks}\n[sink.ledger]\npath = {ledger:?}\n\
         [[budget]]\nname = \"speech\"\nprovider = \"cartesia\"\nusd = \"1\"\nwindow = \"{window}\"\n"
    );
    Config::parse(&text, "campanile.toml".as_ref()).unwrap()
}

/// What a stage does with a call.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Does {
    Complete,
    Fail,
    Panic,
    /// It answers with a stream that never ends.
    Hang,
}

type Sounds = std::pin::Pin<Box<dyn Stream<Item = Result<Sound, BoxError>> + Send>>;

async fn provider(does: Does) -> Result<Sounds, BoxError> {
    tokio::task::yield_now().await;
    match does {
        Does::Complete => Ok(stream::iter([Ok(Sound), Ok(Sound)]).boxed()),
        Does::Fail => Err("out of order".into()),
        Does::Panic => panic!("out of order"),
        Does::Hang => Ok(stream::pending().boxed()),
    }
}

/// Says a thousand characters for five cents.
fn stage(monitor: &Monitor, does: Does) -> BoxCloneService<Speak, Sounds, BoxError> {
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("tts", monitor))
        .layer(ErrorLayer::new(classify::boxed))
        .layer(BudgetLayer::new(
            monitor.gate("speech", usd("0.05")).unwrap(),
        ))
        .layer(UsageLayer::new().provider("cartesia").model("sonic-3"))
        .layer(client::streaming())
        .service_fn(move |_: Speak| provider(does));
    BoxCloneService::new(stage.map_response(StreamExt::boxed))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::disallowed_methods, reason = "the test waits for its tasks")]
async fn concurrent_calls_do_not_pass_a_limit() {
    let (_dir, path) = folder();
    let monitor = Monitor::from_config(&config(&path, "[]", "month"), "test").unwrap();
    let stage = stage(&monitor, Does::Complete);
    let calls = (0..64).map(|_| {
        let stage = stage.clone();
        tokio::spawn(async move {
            let mut refused = 0;
            for _ in 0..4 {
                match stage.clone().oneshot(Speak(1_000)).await {
                    Ok(reply) => assert_eq!(Box::pin(reply).count().await, 2),
                    Err(error) => {
                        let over = error
                            .downcast_ref::<OverBudget>()
                            .expect("refused for money");
                        assert_eq!(over.budget, "budget:speech");
                        assert!(over.resets_at.is_some());
                        refused += 1;
                    }
                }
            }
            refused
        })
    });
    let mut refused = 0;
    for call in calls.collect::<Vec<_>>() {
        refused += call.await.unwrap();
    }

    // 256 calls would cost 12.80; a dollar lets 20 through.
    assert_eq!(256 - refused, 20);
    assert!(monitor.close().await);
}

#[tokio::test]
async fn what_is_held_is_given_back_whatever_the_end() {
    for does in [Does::Complete, Does::Fail, Does::Panic, Does::Hang] {
        let (_dir, path) = folder();
        let monitor = Monitor::from_config(&config(&path, "[]", "month"), "test").unwrap();
        let stage = stage(&monitor, does);
        for n in 0..20 {
            let calling = stage.clone().oneshot(Speak(1_000));
            match std::panic::AssertUnwindSafe(calling).catch_unwind().await {
                // Dropped: at its end, or in the middle.
                Ok(Ok(reply)) if does == Does::Complete => drop(Box::pin(reply).count().await),
                Ok(Ok(reply)) => drop(reply),
                Ok(Err(error)) => assert!(!error.is::<OverBudget>(), "{does:?}, call {n}: {error}"),
                Err(_) => assert_eq!(does, Does::Panic),
            }
        }
        assert!(monitor.flush(SOON));

        // Each has cost five cents, as far as anybody knows; nothing is held any more.
        let Err(error) = stage.oneshot(Speak(1_000)).await else {
            panic!("{does:?}: twenty calls were a dollar");
        };
        assert_eq!(
            error.to_string().split(';').next().unwrap(),
            "budget:speech of $1 is used up: $1 spent",
            "{does:?}"
        );
        assert!(monitor.close().await);
    }
}

#[tokio::test]
async fn one_value_and_an_http_response_go_through_a_gate_too() {
    let (_dir, path) = folder();
    let monitor = Monitor::from_config(&config(&path, "[]", "month"), "test").unwrap();
    let gate = || BudgetLayer::new(monitor.gate("speech", usd("0.60")).unwrap());
    let one = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &monitor))
        .layer(gate())
        .layer(client::unary())
        .service_fn(async |_: Speak| Ok::<_, BoxError>(Sound));
    let http = ServiceBuilder::new()
        .layer(CallLayer::http("llm", &monitor))
        .layer(gate())
        .layer(client::http())
        .service_fn(async |_: http::Request<String>| {
            Ok::<_, BoxError>(http::Response::new(http_body_util::Full::new(
                bytes::Bytes::new(),
            )))
        });

    let Unary(Sound) = one.clone().oneshot(Speak(1)).await.unwrap();
    assert!(monitor.flush(SOON));
    let answer = http
        .clone()
        .oneshot(http::Request::new(String::new()))
        .await
        .unwrap();
    // It is under way as long as somebody holds it.
    assert!(
        one.clone()
            .oneshot(Speak(1))
            .await
            .unwrap_err()
            .is::<OverBudget>()
    );
    drop(answer);
    assert!(monitor.flush(SOON));
    assert!(one.oneshot(Speak(1)).await.is_ok());
}

#[tokio::test]
async fn what_others_spend_counts_and_a_refusal_is_an_event() {
    let (_dir, path) = folder();
    let mut other = call(Timestamp::now(), 97);
    other.attempts[0].provider = Some("cartesia".into());
    let theirs = ledger(&path);
    theirs
        .append(&[campanile::sinks::ledger::Entry::new("theirs", other)])
        .wait(SOON)
        .unwrap()
        .unwrap();
    spend(&theirs, Timestamp::now(), 500);

    let monitor = Monitor::from_config(&config(&path, "[\"ledger\"]", "24h"), "test").unwrap();
    let Err(error) = stage(&monitor, Does::Complete).oneshot(Speak(1_000)).await else {
        panic!("97 cents are spent, and five were asked for");
    };
    assert_eq!(
        error.to_string(),
        "budget:speech of $1 is used up: $0.97 spent"
    );
    assert!(monitor.close().await);

    let reader = campanile::sinks::ledger::Reader::open(&path).unwrap();
    let errors = reader
        .errors(&campanile::sinks::ledger::Query::default())
        .unwrap();
    assert_eq!(
        (errors[0].kind, errors[0].code.as_deref()),
        ("quota", Some("over_budget"))
    );
}

/// A clock that is moved by hand.
#[derive(Clone)]
struct Hand(Arc<AtomicU64>);

impl TimeSource for Hand {
    fn tick(&self) -> Tick {
        Tick(self.0.load(Relaxed) + 1)
    }
    fn now(&self) -> Timestamp {
        Timestamp(crate::support::NOW.0 + (self.0.load(Relaxed) / 1_000) as i64)
    }
}

#[tokio::test]
async fn a_new_window_has_room_again_and_unknown_costs_count_with_what_was_held() {
    // Hours for which nothing has left the window, and after which all has.
    for (window, full, free) in [("month", 6 * 24, 7 * 24), ("24h", 23, 25)] {
        let (_dir, path) = folder();
        let hand = Hand(Arc::default());
        let config = config(&path, "[]", window);
        let (sink, _events) = memory();
        let monitor = Monitor::configure(&config, "test")
            .clock(Clock::new(hand.clone()))
            .also(sink)
            .start()
            .unwrap();
        let stage = ServiceBuilder::new()
            .layer(CallLayer::new("tts", &monitor))
            .layer(BudgetLayer::new(
                monitor.gate("speech", usd("0.40")).unwrap(),
            ))
            .layer(UsageLayer::new().provider("cartesia").model("nobody-knows"))
            .layer(client::unary())
            .service_fn(async |_: Speak| Ok::<_, BoxError>(Sound));
        let goes = async || {
            let said = stage.clone().oneshot(Speak(1)).await.is_ok();
            assert!(monitor.flush(SOON));
            said
        };
        let after = |hours: u64| hand.0.store(hours * 3_600_000_000_000, Relaxed);

        assert_eq!(
            [goes().await, goes().await, goes().await],
            [true, true, false]
        );
        after(full);
        assert!(!goes().await, "{window}: it has not ended");
        after(free);
        assert_eq!(
            [goes().await, goes().await, goes().await],
            [true, true, false]
        );
    }
}
