//! Whose call it is.

use crate::support::*;
use campanile_core::{Evidence, Facts, Meter, Outcome, Session, SessionId, Turn};
use campanile_layers::{CallLayer, Sent, SpanLayer, Upload, UsageLayer, client, scope};
use futures_util::{StreamExt, stream};
use std::collections::BTreeMap;
use std::time::Duration;
use tower::{ServiceBuilder, ServiceExt, service_fn};

/// A request that knows its turn, and how long its answer takes.
#[derive(Clone)]
struct Line {
    turn: Turn,
    ms: u64,
}

impl Facts for Line {}

#[tokio::test(start_paused = true)]
async fn many_sessions_on_one_stage_never_mix() {
    let intake = intake();
    let stage = ServiceBuilder::new()
        .layer(CallLayer::new("tts", &intake).scope(|line: &Line| Some(line.turn.clone())))
        .layer(SpanLayer::new())
        .layer(UsageLayer::new())
        .layer(client::streaming())
        .service(service_fn(async |line: Line| {
            tokio::time::sleep(Duration::from_millis(line.ms)).await;
            let items = stream::iter([Ok::<_, Trouble>(Said::default()), Ok(Said::default())]);
            Ok::<_, Trouble>(items)
        }));
    let mut random = fastrand::Rng::with_seed(3);
    let mut expected = BTreeMap::new();
    let mut speaking = Vec::new();
    for _ in 0..50 {
        let session = Session::begin(&intake, None);
        for _ in 0..4 {
            let turn = session.turn();
            let barged_in = random.bool();
            expected.insert(key(&turn), barged_in);
            let line = Line {
                turn: turn.clone(),
                ms: random.u64(0..100),
            };
            let answer = stage.clone().oneshot(line);
            speaking.push(async move {
                let mut reply = answer.await.unwrap();
                reply.next().await.unwrap().unwrap();
                if barged_in {
                    turn.interrupt("barge_in");
                } else {
                    while reply.next().await.is_some() {}
                }
            });
        }
    }

    futures_util::future::join_all(speaking).await;

    let (closed, late) = closed_and_late(&intake);
    assert_eq!((closed.len(), late), (200, 0));
    let seen: BTreeMap<_, _> = closed
        .iter()
        .map(|record| {
            let end = record.draft(|draft| (draft.outcome, draft.reason.clone()));
            let barged_in = match (end.0, end.1.as_deref()) {
                (Some(Outcome::Cancelled), Some("barge_in")) => true,
                (Some(Outcome::Completed), None) => false,
                other => panic!("an end that nobody made: {other:?}"),
            };
            (key(record.turn().unwrap()), barged_in)
        })
        .collect();
    assert_eq!(seen, expected);
}

fn key(turn: &Turn) -> (SessionId, u32) {
    (turn.session().id().clone(), turn.number())
}

#[tokio::test(start_paused = true)]
async fn an_http_request_brings_its_turn_as_an_extension() {
    let intake = intake();
    let session = Session::begin(&intake, None);
    let turn = session.turn();
    let stage = ServiceBuilder::new()
        .layer(CallLayer::http("llm", &intake).scope(scope::extension))
        .layer(client::http())
        .service(Script::<http::Response<Pages>>::new(Ending::Done));

    let mut request = http::Request::new(());
    request.extensions_mut().insert(turn.clone());
    let with = stage.clone().oneshot(request).await.unwrap();
    turn.interrupt("hang_up");
    drop(with);
    drop(stage.oneshot(http::Request::new(())).await.unwrap());

    let (closed, _) = closed_and_late(&intake);
    let whose = closed.iter().map(|record| record.turn().map(key));
    assert_eq!(whose.collect::<Vec<_>>(), [Some(key(&turn)), None]);
    let reasons = closed
        .iter()
        .map(|record| record.draft(|draft| draft.reason.clone()));
    assert_eq!(reasons.collect::<Vec<_>>(), [Some("hang_up".into()), None]);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_an_open_connection_is_counted_beside_what_was_sent() {
    type Frames = stream::Iter<std::array::IntoIter<Audio, 2>>;
    let intake = intake();
    let stage = ServiceBuilder::new()
        .layer(CallLayer::streamed("stt", &intake))
        .layer(UsageLayer::new())
        .layer(client::streaming().upload())
        .service(service_fn(async |upload: Upload<Ask, Sent<Frames>>| {
            // The handshake is before the connection is open.
            tokio::time::sleep(Duration::from_secs(1)).await;
            let heard = upload.items.then(async |_: Audio| {
                tokio::time::sleep(Duration::from_secs(2)).await;
                Ok::<_, Trouble>(Said::default())
            });
            Ok::<_, Trouble>(heard.boxed())
        }));
    let upload = Upload::new(Ask, stream::iter([Audio, Audio]));

    let mut reply = stage.oneshot(upload).await.unwrap();
    while reply.next().await.is_some() {}
    drop(reply);

    let used = used(&only(&intake));
    let open = used.get(Meter::SocketUs).unwrap();
    assert_eq!(
        (open.at_least, open.evidence),
        (4_000_000, Evidence::Measured)
    );
    assert_eq!(used.at_least(Meter::AudioUs), 40);
}
