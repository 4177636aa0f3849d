//! What was paid for and nobody heard, by kind: as far as a call tells at its end, and what is learnt later.

use crate::support::{Bench, bench};
use campanile::{
    Billed, CallLayer, Cost, DrainLayer, Facts, Meter, Money, Monitor, Streaming, Tally, Turn,
    UsageLayer, client,
};
use futures_util::{Stream, StreamExt as _, stream};
use serde_json::{Value, json};
use std::time::Duration;
use tower::{ServiceBuilder, ServiceExt as _};

#[derive(Clone)]
struct Say(Turn);

impl Facts for Say {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::Characters, 60);
    }
}

/// A second of speech.
struct Second;

impl Facts for Second {
    fn usage(&self, tally: &Tally) {
        tally.add(Meter::SpeechUs, 1_000_000);
    }
}

type Speech = stream::BoxStream<'static, Result<Second, tower::BoxError>>;

/// A cent a character.
fn cent(billed: &Billed<'_>) -> Cost {
    let characters = billed.usage.at_least(Meter::Characters);
    let cent = Money::from_usd("0.01").unwrap();
    Cost::exact(cent.checked_mul(characters).unwrap())
}

fn speaker(
    monitor: &Monitor,
    seconds: usize,
) -> impl tower::Service<
    Say,
    Response = Streaming<impl Stream<Item = Result<Second, tower::BoxError>>>,
    Error = tower::BoxError,
> {
    campanile::stage::<Say, _>(
        ServiceBuilder::new()
            .layer(CallLayer::new("tts", monitor).scope(|say: &Say| Some(say.0.clone())))
            .layer(DrainLayer::new().within(Duration::from_secs(5)))
            .layer(UsageLayer::new().provider("cartesia").model("sonic"))
            .layer(client::streaming())
            .service_fn(move |_| async move {
                Ok::<Speech, tower::BoxError>(
                    stream::repeat_with(|| Ok(Second)).take(seconds).boxed(),
                )
            }),
    )
}

/// A reply that has begun.
async fn begin(
    bench: &Bench,
    turn: &Turn,
    seconds: usize,
) -> impl Stream<Item = Result<Second, tower::BoxError>> {
    let stage = speaker(&bench.monitor, seconds);
    stage.oneshot(Say(turn.clone())).await.unwrap()
}

/// A reply from its beginning to its end.
async fn speak(bench: &Bench, turn: &Turn, seconds: usize) {
    assert_eq!(begin(bench, turn, seconds).await.count().await, seconds);
}

/// A turn of a monitor that knows what a character costs.
fn turn() -> (Bench, Turn) {
    let bench = bench(|builder| builder.prices(cent));
    let turn = bench.monitor.session().turn();
    (bench, turn)
}

fn wasted(bench: &Bench) -> Value {
    bench.only("turn")["wasted_by"].clone()
}

/// What is known last of each call's wasted share and cost.
fn last_usage(bench: &Bench) -> Value {
    bench.of("usage").pop().unwrap()
}

#[tokio::test]
async fn speech_that_was_made_and_not_played_is_wasted() {
    let bench = bench(|builder| builder.prices(cent));
    let session = bench.monitor.session();
    let turn = session.turn();
    speak(&bench, &turn, 2).await;
    bench.hand.moves(Duration::from_millis(1));
    speak(&bench, &turn, 4).await;

    turn.played(Duration::from_secs(3));
    turn.interrupt("barge_in");
    turn.end();
    session.end("hang_up");

    // Three of the second call's four seconds.
    assert_eq!(wasted(&bench), json!({"unplayed": {"usd": "0.45"}}));
    let learnt = bench.only("usage");
    assert_eq!(
        (
            &learnt["attempt"]["usage"]["unplayed_us"],
            &learnt["attempt"]["cost"]["usd"]
        ),
        (&json!(3_000_000), &json!("0.6"))
    );
    assert_eq!(learnt["call"], bench.of("call")[1]["id"]);
    let totals = &bench.of("session")[1]["totals"];
    assert_eq!(
        (&totals["wasted"]["usd"], &totals["wasted_by"]),
        (&json!("0.45"), &json!({"unplayed": {"usd": "0.45"}}))
    );
}

#[tokio::test]
async fn speech_that_was_played_is_not_wasted() {
    let (bench, turn) = turn();
    speak(&bench, &turn, 2).await;

    turn.played(Duration::from_millis(2_040));
    turn.end();

    assert_eq!(wasted(&bench), json!(null));
    assert_eq!(bench.of("usage").len(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_a_reply_that_was_cut_and_played_as_far_as_it_came_more_may_be_wasted() {
    let (bench, turn) = turn();
    let mut reply = begin(&bench, &turn, 6).await;
    reply.next().await.unwrap().unwrap();

    turn.played(Duration::from_secs(1));
    drop(reply);
    turn.end();

    let range = json!({"unplayed": {"at_least": "0", "at_most": "0.6"}});
    assert_eq!(wasted(&bench), range);
}

#[tokio::test]
async fn a_guess_that_was_wrong_is_wasted_also_what_it_still_makes() {
    let (bench, turn) = turn();
    let (right, wrong) = (turn.guess(), turn.guess());
    speak(&bench, &right, 1).await;
    speak(&bench, &wrong, 1).await;
    bench.monitor.seal();
    let open = begin(&bench, &wrong, 1).await;

    wrong.discard();
    drop(right);
    assert_eq!(open.count().await, 1);
    turn.end();

    assert_eq!(wasted(&bench), json!({"speculation": {"usd": "1.2"}}));
    assert_eq!(bench.of("call")[2]["attempts"][0]["wasted"], "speculation");
    let learnt = bench.only("usage");
    assert_eq!(
        (&learnt["call"], &learnt["attempt"]["wasted"]),
        (&bench.of("call")[1]["id"], &json!("speculation"))
    );
}

#[tokio::test]
async fn a_turn_ends_with_its_last_handle_though_its_calls_may_be_waste() {
    let bench = bench(|builder| builder.prices(cent));
    let session = bench.monitor.session();
    let turn = session.turn();
    speak(&bench, &turn.guess(), 1).await;
    bench.monitor.seal();

    drop(turn);

    assert_eq!(bench.of("turn").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_learnt_holds_for_a_reply_that_is_read_on() {
    let (bench, turn) = turn();
    let mut reply = begin(&bench, &turn, 6).await;
    for _ in 0..3 {
        reply.next().await.unwrap().unwrap();
    }

    turn.played(Duration::from_secs(2));
    drop(reply);
    turn.end();
    bench.monitor.seal();
    assert_eq!(
        last_usage(&bench)["attempt"]["usage"]["unplayed_us"],
        1_000_000
    );
    while bench.monitor.intake().drains() > 0 {
        tokio::task::yield_now().await;
    }

    // Six seconds were made, of which two were played.
    let usage = &last_usage(&bench)["attempt"]["usage"];
    assert_eq!(
        (&usage["speech_us"], &usage["unplayed_us"]),
        (&json!(6_000_000), &json!(4_000_000))
    );
}
