//! What the recorder makes of what layers hand over.

use crate::support::bench;
use campanile::redaction::HashKey;
use campanile::{
    Billed, BudgetLayer, CALL_REV, CallLayer, Cost, DrainLayer, Event, Facts, Failure, FailureKind,
    Meter, Monitor, Name, Redactions, Sink, Tally, TimingLayer, Turn, UsageLayer, classify, client,
};
use campanile::{ErrorLayer, Gate, Hold, Money, OverBudget, Record, Streaming, TextMode, Texts};
use futures_util::{StreamExt as _, stream};
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tower::{ServiceBuilder, ServiceExt as _};

#[derive(Clone)]
struct Ask(Option<Turn>);

impl Facts for Ask {}

struct Token(u64);

impl Facts for Token {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::OutputTokens, self.0);
    }
}

type Tokens = stream::BoxStream<'static, Result<Token, tower::BoxError>>;

/// A dollar a token.
fn dollar(billed: &Billed<'_>) -> Cost {
    let dollar = Money::from_usd("1").unwrap();
    Cost::exact(
        dollar
            .checked_mul(billed.usage.at_least(Meter::OutputTokens))
            .unwrap(),
    )
}

fn stage<F>(
    monitor: &Monitor,
    answer: impl Fn(Ask) -> F + Clone,
) -> impl tower::Service<
    Ask,
    Response = Streaming<impl futures_util::Stream<Item = Result<Token, tower::BoxError>>>,
    Error = tower::BoxError,
>
where
    F: Future<Output = Result<Tokens, tower::BoxError>>,
{
    campanile::stage::<Ask, _>(
        ServiceBuilder::new()
            .layer(CallLayer::new("llm", monitor).scope(|ask: &Ask| ask.0.clone()))
            .layer(ErrorLayer::new(classify::boxed))
            .layer(UsageLayer::new().provider("openai").model("gpt-x"))
            .layer(TimingLayer::new())
            .layer(client::streaming())
            .service_fn(answer),
    )
}

async fn three(_: Ask) -> Result<Tokens, tower::BoxError> {
    Ok(stream::iter([1, 1, 1]).map(|n| Ok(Token(n))).boxed())
}

async fn endless(_: Ask) -> Result<Tokens, tower::BoxError> {
    Ok(stream::repeat(()).map(|()| Ok(Token(1))).boxed())
}

#[tokio::test]
async fn a_call_is_priced_and_summed() {
    let bench = bench(|builder| builder.prices(dollar));

    let mut reply = stage(&bench.monitor, three)
        .oneshot(Ask(None))
        .await
        .unwrap();
    while reply.next().await.is_some() {}

    let call = bench.only("call");
    assert_eq!(call["outcome"], "completed");
    assert_eq!(
        call["usage"],
        json!({"output_tokens": 3, "evidence": "measured"})
    );
    assert_eq!(call["cost"]["usd"], "3");
    assert_eq!(call["attempts"][0]["provider"], "openai");
    assert_eq!(call["attempts"][0]["model"], "gpt-x");
    assert_eq!(call["timing"]["items"], 3);
}

#[tokio::test]
async fn a_price_that_panics_leaves_an_unknown_cost() {
    let bench = bench(|builder| builder.prices(|_: &Billed<'_>| -> Cost { panic!("a bug") }));

    let mut reply = stage(&bench.monitor, three)
        .oneshot(Ask(None))
        .await
        .unwrap();
    while reply.next().await.is_some() {}

    let cost = bench.only("call")["cost"].clone();
    assert_eq!(
        cost,
        json!({"at_least": "0", "at_most": null, "why": ["pricing_failed"]})
    );
}

#[tokio::test]
async fn a_model_without_a_price_is_warned_of_once() {
    let bench = bench(|builder| builder.prices(campanile::pricing::Book::standard()));

    for _ in 0..2 {
        let mut reply = stage(&bench.monitor, three)
            .oneshot(Ask(None))
            .await
            .unwrap();
        while reply.next().await.is_some() {}
    }

    let log = bench.only("log");
    assert_eq!(
        (&log["level"], &log["target"]),
        (&json!("warn"), &json!("campanile"))
    );
    assert_eq!(bench.of("call")[1]["cost"]["at_most"], json!(null));
}

#[tokio::test]
async fn a_sink_that_panics_is_counted_and_the_others_go_on() {
    struct Broken;
    impl Sink for Broken {
        fn record(&self, _: &Event) {
            panic!("a bug")
        }
    }
    let (kept, events) = campanile::memory();
    let monitor = Monitor::builder(Broken.and(kept)).by_hand().start();

    let session = monitor.session();
    session.end("over");
    monitor.seal();

    assert_eq!((monitor.sinks_failed(), events.all().len()), (2, 2));
    assert!(monitor.flush(Duration::ZERO));
}

#[tokio::test]
async fn what_an_interruption_cut_is_wasted() {
    let bench = bench(|builder| builder.prices(dollar));
    let session = bench.monitor.session_named("call-7").unwrap();
    let turn = session.turn();

    let mut reply = stage(&bench.monitor, endless)
        .oneshot(Ask(Some(turn.clone())))
        .await
        .unwrap();
    reply.next().await.unwrap().unwrap();
    reply.next().await.unwrap().unwrap();
    turn.interrupt("barge_in");
    drop(reply);
    turn.end();
    session.end("hang_up");

    let call = bench.only("call");
    assert_eq!(
        (&call["outcome"], &call["reason"]),
        (&json!("cancelled"), &json!("barge_in"))
    );
    assert_eq!(
        (&call["session"], &call["turn"]),
        (&json!("call-7"), &json!(1))
    );
    let turn = bench.only("turn");
    assert_eq!(
        (&turn["interrupted"], &turn["wasted"]["usd"]),
        (&json!("barge_in"), &json!("2"))
    );
    let kinds: Vec<_> = bench
        .events()
        .iter()
        .map(|event| event["event"].clone())
        .collect();
    assert_eq!(kinds, ["session", "call", "turn", "session"]);
    let totals = &bench.of("session")[1]["totals"];
    assert_eq!(
        (
            &totals["calls"],
            &totals["interrupted"],
            &totals["cost"]["usd"]
        ),
        (&json!(1), &json!(1), &json!("2"))
    );
}

#[tokio::test]
async fn a_turn_waits_for_its_calls() {
    let bench = bench(|builder| builder.prices(dollar));
    let session = bench.monitor.session();
    let turn = session.turn();
    let mut reply = stage(&bench.monitor, three)
        .oneshot(Ask(Some(turn.clone())))
        .await
        .unwrap();

    turn.end();
    assert!(bench.of("turn").is_empty());

    while reply.next().await.is_some() {}
    assert_eq!(bench.only("turn")["cost"]["usd"], "3");
}

#[tokio::test]
async fn an_open_call_is_checkpointed_each_second_if_it_moved() {
    let bench = bench(|builder| builder.prices(dollar));
    let mut reply = stage(&bench.monitor, endless)
        .oneshot(Ask(None))
        .await
        .unwrap();
    reply.next().await.unwrap().unwrap();
    assert!(bench.of("usage").is_empty());

    bench.hand.moves(Duration::from_millis(1_100));
    assert_eq!(bench.of("usage").len(), 1);
    bench.hand.moves(Duration::from_millis(1_100));
    assert_eq!(bench.of("usage").len(), 1, "nothing moved");
    reply.next().await.unwrap().unwrap();
    bench.hand.moves(Duration::from_millis(1_100));

    let usage = bench.of("usage");
    assert_eq!(usage.len(), 2);
    assert_eq!(
        (&usage[1]["open"], &usage[1]["part"]),
        (&json!(true), &json!(1))
    );
    assert_eq!(usage[1]["attempt"]["cost"]["usd"], "2");
    assert!(usage[0]["rev"].as_u64() < usage[1]["rev"].as_u64());
}

#[tokio::test]
async fn a_call_is_checkpointed_when_it_is_a_second_old_whenever_it_was_opened() {
    let bench = bench(|builder| builder.prices(dollar));
    bench.hand.moves(Duration::from_millis(900));
    bench.monitor.seal();
    let mut reply = stage(&bench.monitor, endless)
        .oneshot(Ask(None))
        .await
        .unwrap();
    reply.next().await.unwrap().unwrap();

    bench.hand.moves(Duration::from_millis(200));
    assert!(bench.of("usage").is_empty(), "it is 200 ms old");
    bench.hand.moves(Duration::from_millis(900));
    assert_eq!(bench.of("usage").len(), 1, "it is 1,100 ms old");
}

#[tokio::test]
async fn usage_that_comes_after_the_end_amends_the_call() {
    let bench = bench(|builder| builder.prices(dollar));
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("llm", &bench.monitor))
        .layer(DrainLayer::new())
        .layer(UsageLayer::new())
        .layer(TimingLayer::new())
        .layer(client::streaming())
        .service_fn(three);

    let mut reply = stage.oneshot(Ask(None)).await.unwrap();
    reply.next().await.unwrap().unwrap();
    drop(reply);
    let call = bench.only("call");
    assert_eq!(
        (&call["outcome"], &call["cost"]["usd"]),
        (&json!("cancelled"), &json!("1"))
    );
    // Should the process die now, this is what is known: there may be more.
    assert_eq!(
        call["usage"],
        json!({"output_tokens": 1, "at_most": {"output_tokens": null}, "evidence": "estimated"})
    );
    while bench.monitor.intake().drains() > 0 {
        tokio::task::yield_now().await;
    }

    let usage = bench.of("usage");
    let last = usage.last().unwrap();
    assert!(last["rev"].as_u64().unwrap() > u64::from(CALL_REV));
    assert_eq!(
        (&last["open"], &last["attempt"]["cost"]["usd"]),
        (&json!(false), &json!("3"))
    );
    assert_eq!(
        last["attempt"]["usage"],
        json!({"output_tokens": 3, "evidence": "measured"})
    );
    assert_eq!(last["call"], call["id"]);
}

/// Lets every call through, and notes what came of it.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<Option<Money>>>>);

impl Gate for Notes {
    fn admit(&self, _record: &Record) -> Result<Hold, OverBudget> {
        let notes = self.0.clone();
        let settle = move |cost: Option<&Cost>| {
            notes.lock().unwrap().push(cost.map(|cost| cost.at_least));
        };
        Ok(Hold::new(settle))
    }
}

#[tokio::test]
async fn what_is_held_for_a_reply_that_is_read_on_is_given_back_when_it_is_over() {
    let bench = bench(|builder| builder.prices(dollar));
    let notes = Notes::default();
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("llm", &bench.monitor))
        .layer(BudgetLayer::new(notes.clone()))
        .layer(DrainLayer::new())
        .layer(UsageLayer::new())
        .layer(client::streaming())
        .service_fn(three);

    let mut reply = stage.oneshot(Ask(None)).await.unwrap();
    reply.next().await.unwrap().unwrap();
    drop(reply);
    bench.only("call");
    assert!(notes.0.lock().unwrap().is_empty(), "nobody knows yet");
    while bench.monitor.intake().drains() > 0 {
        tokio::task::yield_now().await;
    }
    bench.of("usage");

    assert_eq!(*notes.0.lock().unwrap(), [Money::from_usd("3")]);
}

/// Texts of errors are written where they are asked for.
const WITH_ERRORS: Texts = Texts::new(TextMode::Redacted, TextMode::Redacted, TextMode::Redacted);

#[tokio::test]
async fn the_text_of_an_error_is_redacted_and_fingerprinted() {
    let mask = |_: &str, masked: &mut String| {
        masked.push_str("[MASKED]");
        let mut redactions = Redactions::default();
        redactions.add("CARD", 1);
        redactions
    };
    let bench = bench(|builder| builder.redactor(mask).texts(WITH_ERRORS));
    let fails = |_: Ask| async {
        let failure = Failure::new(FailureKind::Server).code(Some(Name::from_static("500")));
        let fault = classify::Fault(failure.because("card 4111".to_owned()));
        Err::<Tokens, tower::BoxError>(fault.into())
    };

    assert!(
        stage(&bench.monitor, fails)
            .oneshot(Ask(None))
            .await
            .is_err()
    );

    let call = bench.only("call");
    assert_eq!(call["outcome"], "failed");
    assert_eq!(call["failure"]["kind"], "server");
    assert_eq!(call["failure"]["code"], "500");
    assert_eq!(call["failure"]["fingerprint"].as_str().unwrap().len(), 16);
    assert_eq!(call["failure"]["chain"], json!(["[MASKED]"]));
    assert_eq!(call["redactions"], json!({"CARD": 1}));
}

#[tokio::test]
async fn the_text_of_an_error_is_a_type_known_phrases_and_a_size() {
    let bench = bench(|builder| builder.backtraces(true));
    let fails = |_: Ask| async {
        let reset =
            std::io::Error::other("client error (Connect): about Käthe: operation timed out");
        Err::<Tokens, tower::BoxError>(reset.into())
    };

    assert!(
        stage(&bench.monitor, fails)
            .oneshot(Ask(None))
            .await
            .is_err()
    );

    let failure = &bench.only("call")["failure"];
    assert_eq!(
        failure["chain"],
        json!(["io::Error: client error (Connect): [11 characters, 2 words]: operation timed out"])
    );
    assert_eq!(failure["backtrace"], "[UNSCANNED]");
}

#[tokio::test]
async fn a_name_that_is_a_number_of_somebody_is_hashed() {
    let bench = bench(|builder| builder.id_key(HashKey::new("k1", &[7; 32]).unwrap()));
    let session = bench.monitor.session_named("12025550143").unwrap();
    let fails = |_: Ask| async {
        let code = Name::outside("jo@example.com");
        let fault = classify::Fault(Failure::new(FailureKind::Server).code(code));
        Err::<Tokens, tower::BoxError>(fault.into())
    };

    assert!(
        stage(&bench.monitor, fails)
            .oneshot(Ask(Some(session.turn())))
            .await
            .is_err()
    );

    let call = bench.only("call");
    assert_eq!(call["session"], session.id().as_str());
    assert!(session.id().as_str().starts_with("phone-k1-"));
    let code = call["failure"]["code"].as_str().unwrap();
    assert!(code.starts_with("email-k1-"), "{code}");
    let again = bench.monitor.session_named("+12025550143");
    assert!(again.is_err(), "a plus is in no id");
    let same = bench.monitor.session_named("1-202-555-0143").unwrap();
    assert_eq!(same.id(), session.id());
}

#[tokio::test]
async fn without_a_redactor_no_text_is_shown() {
    let bench = bench(|builder| builder.texts(WITH_ERRORS));
    let fails = |_: Ask| async { Err::<Tokens, tower::BoxError>("card 4111".into()) };

    assert!(
        stage(&bench.monitor, fails)
            .oneshot(Ask(None))
            .await
            .is_err()
    );

    assert_eq!(
        bench.only("call")["failure"]["chain"],
        json!(["[UNSCANNED]"])
    );
}

#[tokio::test]
async fn a_clean_end_closes_what_is_open() {
    let bench = bench(|builder| builder);
    let session = bench.monitor.session();
    let turn = session.turn();
    let reply = stage(&bench.monitor, endless)
        .oneshot(Ask(Some(turn.clone())))
        .await
        .unwrap();
    turn.end();

    assert!(bench.monitor.close().await);

    let call = bench.only("call");
    assert_eq!(
        (&call["outcome"], &call["reason"]),
        (&json!("cancelled"), &json!("shutdown"))
    );
    assert_eq!(bench.of("turn").len(), 1);
    drop(reply);
}

#[tokio::test]
async fn summaries_come_by_turns() {
    let bench = bench(|builder| {
        builder
            .prices(dollar)
            .summary(2, Duration::from_secs(3_600))
    });
    let session = bench.monitor.session();
    for _ in 0..4 {
        let turn = session.turn();
        turn.user_stopped();
        bench.hand.moves(Duration::from_millis(500));
        turn.bot_started();
        turn.end();
        bench.monitor.seal();
    }

    let summaries = bench.of("summary");
    assert_eq!(summaries.len(), 2);
    assert_eq!(summaries[0]["turns"], 2);
    assert_eq!(summaries[0]["user_to_bot"]["p50_us"], 500_000);
}

#[test]
fn a_sink_that_hangs_does_not_hold_whoever_drops_the_monitor() {
    struct Stuck(std::sync::Mutex<std::sync::mpsc::Receiver<()>>);
    impl Sink for Stuck {
        fn record(&self, _: &Event) {
            let _ = self.0.lock().unwrap().recv();
        }
    }
    let (release, stuck) = std::sync::mpsc::channel();
    let monitor = Monitor::builder(Stuck(std::sync::Mutex::new(stuck))).start();
    let session = monitor.session();
    let (done, dropped) = std::sync::mpsc::channel();

    let dropping = std::thread::spawn(move || {
        drop(monitor);
        let _ = done.send(());
    });

    // The bound is 100 ms; ten seconds leave room for a busy machine, and a drop that waits for the sink never comes.
    assert!(dropped.recv_timeout(Duration::from_secs(10)).is_ok());
    drop(release);
    dropping.join().unwrap();
    drop(session);
}
