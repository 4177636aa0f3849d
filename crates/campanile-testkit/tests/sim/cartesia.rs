//! The wire and the bill of text to speech.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use campanile_testkit::sim::{Bill, Cartesia, Fault, Pace, Server, Why};
use campanile_testkit::wav;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::tungstenite::Error;

use super::http::{Answer, Client};
use super::socket::{self, Ended, Socket};

const PATH: &str = "/tts/websocket";
const KEYS: &[(&str, &str)] = &[("x-api-key", "sk_car"), ("cartesia-version", "2026-03-01")];
/// A millisecond of sound at 24 kHz is 48 bytes; a character lasts 60.
const CHARACTER: usize = 60 * 48;

async fn connect(server: &Server) -> Result<Socket, Error> {
    socket::connect(server, PATH, KEYS).await
}

fn speak(context: &str, text: &str, go_on: bool) -> Value {
    json!({
        "context_id": context,
        "model_id": "sonic-3",
        "transcript": text,
        "continue": go_on,
        "voice": {"mode": "id", "id": "v"},
        "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 24_000},
        "language": "en",
    })
}

fn kinds(messages: &[Value]) -> Vec<&str> {
    messages
        .iter()
        .filter_map(|message| message["type"].as_str())
        .collect()
}

fn sound(messages: &[Value], context: &str) -> Vec<u8> {
    let chunks = messages
        .iter()
        .filter(|message| message["type"] == "chunk" && message["context_id"] == context);
    chunks
        .flat_map(|chunk| {
            STANDARD
                .decode(chunk["data"].as_str().expect("data"))
                .expect("base64")
        })
        .collect()
}

/// All messages until that one of that context.
async fn until<T: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut Socket<T>,
    kind: &str,
    context: &str,
) -> Vec<Value> {
    let mut read = Vec::new();
    loop {
        let message = socket.read().await.expect("the connection goes on");
        let last = message["type"] == kind && message["context_id"] == context;
        read.push(message);
        if last {
            return read;
        }
    }
}

fn billed(bill: &Bill) -> Vec<(&str, u64, Why)> {
    let name = |line: &'_ campanile_testkit::sim::Line| line.meters.characters;
    bill.lines
        .iter()
        .map(|line| {
            (
                line.context_id.as_deref().unwrap_or(""),
                name(line),
                line.why,
            )
        })
        .collect()
}

#[tokio::test]
async fn a_context_is_spoken_and_billed_by_code_points() {
    let server = Cartesia::new(1).start().await.unwrap();
    let mut socket = connect(&server).await.unwrap();

    socket.text(speak("c1", "Naïve café 😀", true)).await;
    socket.text(speak("c1", " Caf\u{e9}.", true)).await;
    socket.text(speak("c1", "", false)).await;
    let read = until(&mut socket, "done", "c1").await;

    let bill = server.bill();
    assert_eq!(billed(&bill), [("c1", 18, Why::Completed)]);
    assert_eq!(bill.lines[0].served_model, "sonic-3");
    assert_eq!(sound(&read, "c1").len(), 18 * CHARACTER);
    let chunk = &read[0];
    assert_eq!(
        (&chunk["done"], &chunk["status_code"]),
        (&json!(false), &json!(206))
    );
    let done = read.last().unwrap();
    assert_eq!(
        (&done["done"], &done["status_code"]),
        (&json!(true), &json!(200))
    );
    assert!(
        kinds(&read[..read.len() - 1])
            .iter()
            .all(|kind| *kind == "chunk")
    );
}

#[tokio::test]
async fn flushes_and_timestamps_come_when_asked_for() {
    let server = Cartesia::new(1).start().await.unwrap();
    let mut socket = connect(&server).await.unwrap();
    let mut unbuffered = speak("c1", "One two. ", true);
    unbuffered["max_buffer_delay_ms"] = json!(0);
    unbuffered["add_timestamps"] = json!(true);
    let mut flush = speak("c1", "", true);
    flush["flush"] = json!(true);

    socket.text(&unbuffered).await;
    let first = until(&mut socket, "flush_done", "c1").await;
    socket.text(flush).await;
    let second = until(&mut socket, "flush_done", "c1").await;
    socket.text(speak("c1", "", false)).await;
    let last = until(&mut socket, "done", "c1").await;

    let words = &first[0]["word_timestamps"];
    assert_eq!(first[0]["type"], "timestamps");
    assert_eq!(words["words"], json!(["One", "two."]));
    assert_eq!(words["start"], json!([0.0, 0.24]));
    assert_eq!(words["end"], json!([0.18, 0.48]));
    assert_eq!(first.last().unwrap()["flush_id"], 1);
    assert_eq!(kinds(&second), ["flush_done"]);
    assert_eq!(second[0]["flush_id"], 2);
    assert_eq!(kinds(&last), ["done"]);
}

#[tokio::test(start_paused = true)]
async fn contexts_take_turns_and_each_has_its_line() {
    let server = Cartesia::new(1)
        .pace(Pace::steady(Duration::from_millis(20), Duration::ZERO))
        .in_memory();
    let io = server.connect();
    let mut socket = socket::over(io, &server.ws_url(), PATH, KEYS)
        .await
        .unwrap();

    for context in ["a", "b"] {
        socket.text(speak(context, "ten chars.", false)).await;
    }
    let read = until(&mut socket, "done", "b").await;

    let speakers: Vec<&str> = read
        .iter()
        .filter_map(|message| message["context_id"].as_str())
        .collect();
    assert_eq!(speakers[..4], ["a", "b", "a", "b"]);
    assert_eq!(sound(&read, "a").len(), sound(&read, "b").len());
    let bill = server.stop().await;
    assert_eq!(
        billed(&bill),
        [("a", 10, Why::Completed), ("b", 10, Why::Completed)]
    );
    assert_eq!(bill.lines[0].request_id, bill.lines[1].request_id);
}

#[tokio::test]
async fn a_cancelled_context_bills_what_came_before_and_says_no_more() {
    let server = Cartesia::new(1)
        .fault(
            0,
            Fault::Slow {
                first: Duration::ZERO,
                between: Duration::from_millis(5),
            },
        )
        .start()
        .await
        .unwrap();
    let mut socket = connect(&server).await.unwrap();

    socket
        .text(speak("c1", "A long text, cut short.", true))
        .await;
    socket.text(speak("c1", " And more.", true)).await;
    socket.read().await.unwrap();
    socket
        .text(json!({"context_id": "c1", "cancel": true}))
        .await;
    socket
        .text(json!({"context_id": "unknown", "cancel": true}))
        .await;
    socket.text(speak("c1", "Too late.", true)).await;
    let refused = until(&mut socket, "error", "c1").await;
    socket.text(speak("c2", "Next.", false)).await;
    let next = until(&mut socket, "done", "c2").await;

    assert!(kinds(&refused).iter().all(|kind| *kind != "done"));
    assert_eq!(refused.last().unwrap()["status_code"], 400);
    assert!(next.iter().all(|message| message["context_id"] == "c2"));
    let bill = server.stop().await;
    assert_eq!(
        billed(&bill),
        [("c1", 33, Why::Cancelled), ("c2", 5, Why::Completed)]
    );
}

#[tokio::test]
async fn a_client_that_goes_pays_for_the_texts_that_came() {
    let server = Cartesia::new(1).in_memory();
    let mut ended = 0;
    for in_due_form in [true, false] {
        let mut socket = socket::over(server.connect(), &server.ws_url(), PATH, KEYS)
            .await
            .unwrap();
        socket.text(speak("c1", "Hello there.", true)).await;
        socket.text(speak("c1", "Bye.", true)).await;
        if in_due_form {
            socket.stream.close(None).await.unwrap();
        }
        drop(socket);
        ended += 1;
        while server.bill().lines.len() < ended {
            tokio::task::yield_now().await;
        }
    }

    assert_eq!(
        billed(&server.settled().await),
        [("c1", 16, Why::Cancelled), ("c1", 16, Why::HungUp)]
    );
}

#[tokio::test]
async fn bad_messages_get_an_error_and_the_connection_lives() {
    let server = Cartesia::new(1).start().await.unwrap();
    let mut socket = connect(&server).await.unwrap();
    let without = |name: &str| {
        let mut message = speak("c1", "Hi", false);
        message.as_object_mut().unwrap().remove(name);
        message.to_string()
    };
    let with = |name: &str, value: Value| {
        let mut message = speak("c1", "Hi", false);
        message[name] = value;
        message.to_string()
    };
    let nameless = [
        String::from("{"),
        String::from("[]"),
        String::from("7"),
        without("context_id"),
    ];
    let bad = [
        without("model_id"),
        without("transcript"),
        without("voice"),
        without("output_format"),
        with("transcript", json!(7)),
        with("continue", json!("no")),
        with("cancel", json!(1)),
        with(
            "output_format",
            json!({"container": "mp3", "sample_rate": 24_000}),
        ),
        with(
            "output_format",
            json!({"container": "wav", "encoding": "pcm_s16le", "sample_rate": 24_000}),
        ),
        with(
            "output_format",
            json!({"container": "raw", "encoding": "pcm_s16le", "sample_rate": 1}),
        ),
        with("transcript", json!("")),
    ];

    for text in nameless {
        socket.text(&text).await;
        let answer = socket.read().await.unwrap();
        assert_eq!(answer["type"], "error", "{text}");
        assert_eq!(answer.get("context_id"), None);
    }
    for text in bad {
        socket.text(&text).await;
        let answer = socket.read().await.unwrap();
        assert_eq!(answer["type"], "error", "{text}");
        assert_eq!(answer["context_id"], "c1");
        assert_eq!(
            (&answer["done"], &answer["status_code"]),
            (&json!(true), &json!(400))
        );
        assert!(answer["error_code"].is_string() && answer["title"].is_string());
    }
    socket.binary(vec![1, 2, 3]).await;
    assert_eq!(socket.read().await.unwrap()["type"], "error");
    socket.text(speak("c1", "Hi", false)).await;
    until(&mut socket, "done", "c1").await;

    assert_eq!(billed(&server.stop().await), [("c1", 2, Why::Completed)]);
}

#[tokio::test]
async fn bad_handshakes_are_answered_as_http_and_keys_may_be_anywhere() {
    let server = Cartesia::new(1)
        .fault(
            0,
            Fault::TooManyRequests {
                retry_after: Duration::from_secs(3),
            },
        )
        .fault(1, Fault::ServerError)
        .start()
        .await
        .unwrap();

    let busy = socket::refused(connect(&server).await);
    let broken = socket::refused(connect(&server).await);
    let stranger = socket::refused(socket::connect(&server, PATH, &KEYS[1..]).await);
    let undated = socket::refused(socket::connect(&server, PATH, &KEYS[..1]).await);
    let lost = socket::refused(socket::connect(&server, "/stt", KEYS).await);
    let bearer = [("authorization", "Bearer k"), KEYS[1]];
    let query = format!("{PATH}?api_key=k&cartesia_version=2025-04-16");
    let welcome = [
        socket::connect(&server, PATH, &bearer).await.is_ok(),
        socket::connect(&server, &query, &[]).await.is_ok(),
    ];

    assert_eq!(
        (busy.status().as_u16(), broken.status().as_u16()),
        (429, 500)
    );
    assert_eq!(busy.headers()["retry-after"], "3");
    assert_eq!(stranger.status().as_u16(), 401);
    assert_eq!(undated.status().as_u16(), 400);
    assert_eq!(lost.status().as_u16(), 404);
    assert_eq!(welcome, [true, true]);
    let bill = server.settled().await;
    assert_eq!(bill.lines.len(), 5);
    assert!(
        bill.lines
            .iter()
            .all(|line| line.meters.is_zero() && line.why == Why::Failed)
    );
}

#[tokio::test]
async fn faults_come_where_the_script_says() {
    let text = "Twenty characters ok";
    let server = Cartesia::new(1)
        .fault(0, Fault::CutAfter { items: 3 })
        .fault(1, Fault::ErrorInStream { items: 2 })
        .fault(
            2,
            Fault::CloseSocket {
                after_frames: 2,
                code: 1011,
            },
        )
        .fault(3, Fault::HoldAfter { items: 1 })
        .fault(4, Fault::CutAfter { items: 1_000 })
        .start()
        .await
        .unwrap();

    let mut cut = connect(&server).await.unwrap();
    cut.text(speak("cut", text, false)).await;
    let (cut_read, cut_end) = cut.rest().await;

    let mut error = connect(&server).await.unwrap();
    error.text(speak("error", text, false)).await;
    let error_read = until(&mut error, "error", "error").await;
    error.text(speak("after", "Fine.", false)).await;
    until(&mut error, "done", "after").await;
    drop(error);

    let mut closed = connect(&server).await.unwrap();
    closed.text(speak("closed", text, true)).await;
    closed.text(speak("closed", text, true)).await;
    let (_, closed_end) = closed.rest().await;
    drop(closed);

    let mut held = connect(&server).await.unwrap();
    held.text(speak("held", text, false)).await;
    assert_eq!(held.read().await.unwrap()["type"], "chunk");
    let more = tokio::time::timeout(Duration::from_millis(30), held.read()).await;
    held.text(json!({"context_id": "held", "cancel": true}))
        .await;
    while server.bill().open > 0 {
        tokio::task::yield_now().await;
    }

    let mut late = connect(&server).await.unwrap();
    late.text(speak("late", text, false)).await;
    let (late_read, late_end) = late.rest().await;

    let bill = server.settled().await;
    assert_eq!(kinds(&cut_read), ["chunk"; 3]);
    assert_eq!(cut_end, Ended::Broken);
    assert_eq!(kinds(&error_read), ["chunk", "chunk", "error"]);
    assert_eq!(error_read[2]["status_code"], 500);
    assert_eq!(
        closed_end,
        Ended::Closed(1011, String::from("internal error"))
    );
    assert!(more.is_err());
    assert_eq!(kinds(&late_read), ["chunk"; 12]);
    assert_eq!(late_end, Ended::Broken);
    assert_eq!(
        billed(&bill),
        [
            ("cut", 20, Why::HungUp),
            ("error", 20, Why::Failed),
            ("after", 5, Why::Completed),
            ("closed", 40, Why::Failed),
            ("held", 20, Why::Cancelled),
            ("late", 20, Why::HungUp),
        ]
    );
}

async fn post(server: &Server, body: &Value) -> Result<Answer, hyper::Error> {
    let mut client = Client::tcp(server).await;
    client.post("/tts/bytes", KEYS, body.to_string()).await
}

#[tokio::test]
async fn speech_over_http_is_billed_by_its_text() {
    let server = Cartesia::new(1)
        .fault(3, Fault::CutAfter { items: 2 })
        .fault(
            4,
            Fault::TooManyRequests {
                retry_after: Duration::ZERO,
            },
        )
        .start()
        .await
        .unwrap();
    let mut spoken = speak("", "Grüße!", false);
    spoken.as_object_mut().unwrap().remove("context_id");
    let mut wave = spoken.clone();
    wave["output_format"]["container"] = json!("wav");
    let mut empty = spoken.clone();
    empty["transcript"] = json!("");

    let raw = post(&server, &spoken).await.unwrap();
    let file = post(&server, &wave).await.unwrap();
    let nothing = post(&server, &empty).await.unwrap();
    let cut = post(&server, &spoken).await.unwrap();
    let busy = post(&server, &spoken).await.unwrap();

    let bill = server.settled().await;
    assert_eq!((raw.status, raw.body.len()), (200, 6 * CHARACTER));
    let wav = wav::parse(&file.body).unwrap();
    assert_eq!((wav.sample_rate, wav.channels, wav.bits), (24_000, 1, 16));
    assert_eq!(wav.data, raw.body);
    assert_eq!(wav.duration(), Duration::from_millis(360));
    assert_eq!((nothing.status, busy.status), (400, 429));
    assert!(!cut.whole);
    assert_eq!(cut.body.len(), 200 * 48);
    assert_eq!(
        billed(&bill),
        [
            ("", 6, Why::Completed),
            ("", 6, Why::Completed),
            ("", 0, Why::Failed),
            ("", 6, Why::HungUp),
            ("", 0, Why::Failed),
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn paces_are_waited_on_the_paused_clock() {
    let ms = Duration::from_millis;
    let server = Cartesia::new(1)
        .pace(Pace::steady(ms(90), ms(30)))
        .in_memory();
    let mut socket = socket::over(server.connect(), &server.ws_url(), PATH, KEYS)
        .await
        .unwrap();

    let began = tokio::time::Instant::now();
    socket.text(speak("c1", "five.", false)).await;
    socket.read().await.unwrap();
    let first = began.elapsed();
    let (mut last, mut chunks) = (first, 1);
    while socket.read().await.unwrap()["type"] == "chunk" {
        last = began.elapsed();
        chunks += 1;
    }

    assert_eq!((first, last, chunks), (ms(90), ms(150), 3));
}

#[tokio::test]
async fn a_seed_decides_every_message() {
    let mut heard = Vec::new();
    for seed in [3, 3, 4] {
        let server = Cartesia::new(seed)
            .fault_share(500, Fault::ErrorInStream { items: 1 })
            .start()
            .await
            .unwrap();
        let mut all = Vec::new();
        for _ in 0..12 {
            let mut socket = connect(&server).await.unwrap();
            let request_id = socket.response.headers()["x-request-id"].clone();
            socket.text(speak("c1", "Hello.", false)).await;
            let mut read = vec![socket.read().await.unwrap()];
            while read.last().unwrap()["done"] == false {
                read.push(socket.read().await.unwrap());
            }
            all.push((request_id, read));
        }
        heard.push(all);
    }

    assert_eq!(heard[0], heard[1]);
    assert_ne!(heard[0], heard[2]);
    let ends: Vec<&Value> = heard[0]
        .iter()
        .map(|(_, read)| &read.last().unwrap()["type"])
        .collect();
    assert!(ends.contains(&&json!("error")) && ends.contains(&&json!("done")));
}
