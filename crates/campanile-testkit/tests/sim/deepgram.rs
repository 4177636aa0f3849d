//! The wire and the bill of speech to text.

use std::time::Duration;

use campanile_testkit::sim::{Bill, Deepgram, Fault, Line, Pace, Server, Why};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;

use super::socket::{self, Ended, Socket};

const PATH: &str = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000&channels=1\
    &interim_results=true&vad_events=true&utterance_end_ms=1000&endpointing=300";
const TOKEN: (&str, &str) = ("authorization", "Token dg-test");
/// 20 ms at 16 kHz.
const FRAME: [u8; 640] = [0; 640];

async fn connect(server: &Server) -> Result<Socket, Error> {
    socket::connect(server, PATH, &[TOKEN]).await
}

/// Sends that many frames and `CloseStream`, and reads all there is.
async fn listen(server: &Server, frames: usize) -> (Vec<Value>, Ended) {
    let mut socket = connect(server).await.expect("a handshake");
    for _ in 0..frames {
        socket.binary(FRAME.to_vec()).await;
    }
    socket.text(json!({"type": "CloseStream"})).await;
    socket.rest().await
}

fn only(bill: &Bill) -> &Line {
    assert_eq!((bill.lines.len(), bill.open), (1, 0));
    &bill.lines[0]
}

fn of_type<'a>(messages: &'a [Value], kind: &str) -> Vec<&'a Value> {
    messages
        .iter()
        .filter(|message| message["type"] == kind)
        .collect()
}

/// The words of all final results.
fn said(messages: &[Value]) -> String {
    let finals = messages
        .iter()
        .filter(|message| message["is_final"] == true);
    let texts: Vec<&str> = finals
        .filter_map(|message| message["channel"]["alternatives"][0]["transcript"].as_str())
        .filter(|text| !text.is_empty())
        .collect();
    texts.join(" ")
}

#[tokio::test]
async fn a_whole_connection_has_the_recorded_shapes_and_an_exact_bill() {
    let server = Deepgram::new(1)
        .transcript("Ensure domestic tranquility.")
        .transcript("Establish justice.")
        .start()
        .await
        .unwrap();
    let mut socket = connect(&server).await.unwrap();
    let request_id = socket.response.headers()["dg-request-id"]
        .to_str()
        .unwrap()
        .to_owned();

    for _ in 0..300 {
        socket.binary(FRAME.to_vec()).await;
    }
    socket.text(json!({"type": "KeepAlive"})).await;
    socket.binary(vec![0; 33]).await;
    socket.text(json!({"type": "CloseStream"})).await;
    let (messages, ended) = socket.rest().await;

    assert_eq!(ended, Ended::Closed(1000, String::new()));
    assert_eq!(
        said(&messages),
        "Ensure domestic tranquility. Establish justice."
    );
    assert_eq!(of_type(&messages, "SpeechStarted").len(), 2);
    assert_eq!(
        of_type(&messages, "SpeechStarted")[0]["timestamp"],
        json!(0.2)
    );
    assert_eq!(of_type(&messages, "UtteranceEnd").len(), 2);
    let results = of_type(&messages, "Results");
    assert!(results.iter().any(|result| result["is_final"] == false));
    let ended = results
        .iter()
        .find(|result| result["speech_final"] == true)
        .unwrap();
    assert_eq!(ended["channel_index"], json!([0, 1]));
    assert_eq!(ended["metadata"]["request_id"], request_id);
    assert_eq!(ended["metadata"]["model_info"]["arch"], "nova-3");
    let word = &ended["channel"]["alternatives"][0]["words"][0];
    let keys: Vec<&String> = word.as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        ["confidence", "end", "punctuated_word", "start", "word"]
    );
    let metadata = messages.last().unwrap();
    assert_eq!(metadata["type"], "Metadata");
    // 192,033 bytes of 32,000 a second.
    assert_eq!(metadata["duration"].to_string(), "6.001031");
    let bill = server.stop().await;
    let line = only(&bill);
    assert_eq!(line.request_id, request_id);
    assert_eq!(
        (line.meters.audio_bytes, line.meters.audio_us),
        (192_033, 6_001_031)
    );
    assert_eq!((line.why, line.status), (Why::Completed, Some(101)));
    assert_eq!(line.served_model, "nova-3");
}

#[tokio::test]
async fn options_that_were_not_asked_for_bring_nothing() {
    let server = Deepgram::new(1)
        .transcript("Hello there.")
        .start()
        .await
        .unwrap();
    let path = "/v1/listen?encoding=mulaw&sample_rate=8000";
    let mut socket = socket::connect(&server, path, &[TOKEN]).await.unwrap();

    for _ in 0..50 {
        socket.binary(vec![0; 800]).await;
    }
    socket.binary(Vec::new()).await;
    let (messages, ended) = socket.rest().await;

    assert_eq!(ended, Ended::Closed(1000, String::new()));
    assert_eq!(said(&messages), "Hello there.");
    assert!(of_type(&messages, "SpeechStarted").is_empty());
    assert!(of_type(&messages, "UtteranceEnd").is_empty());
    assert!(
        of_type(&messages, "Results")
            .iter()
            .all(|result| result["is_final"] == true)
    );
    assert_eq!(server.stop().await.lines[0].meters.audio_us, 5_000_000);
}

#[tokio::test]
async fn channels_for_themselves_are_billed_for_themselves() {
    let server = Deepgram::new(1).start().await.unwrap();
    for path in [
        "/v1/listen?encoding=linear16&sample_rate=8000&channels=2",
        "/v1/listen?encoding=linear16&sample_rate=8000&channels=2&multichannel=true",
    ] {
        let mut socket = socket::connect(&server, path, &[TOKEN]).await.unwrap();
        socket.binary(vec![0; 32_000]).await;
        socket.text(json!({"type": "CloseStream"})).await;
        socket.rest().await;
    }

    let bill = server.stop().await;

    let billed: Vec<u64> = bill.lines.iter().map(|line| line.meters.audio_us).collect();
    assert_eq!(billed, [1_000_000, 2_000_000]);
}

#[tokio::test]
async fn finalize_is_answered_at_once() {
    let server = Deepgram::new(1)
        .transcript("One two three four five six.")
        .word(Duration::from_millis(200))
        .start()
        .await
        .unwrap();
    let mut socket = connect(&server).await.unwrap();

    socket.binary(vec![0; 640 * 40]).await;
    socket.text(json!({"type": "Finalize"})).await;
    let mut answer = socket.read().await.unwrap();
    while answer["from_finalize"] != true {
        answer = socket.read().await.unwrap();
    }

    assert_eq!(answer["is_final"], true);
    assert_eq!(
        answer["channel"]["alternatives"][0]["transcript"],
        "One two three"
    );
    assert_eq!(answer["duration"], json!(0.8));
}

#[tokio::test]
async fn a_client_that_goes_pays_for_every_byte_that_came() {
    // In memory: over TCP a close above unread results takes back what the system has not sent yet.
    let server = Deepgram::new(1).in_memory();
    let mut billed = Vec::new();
    for in_due_form in [true, false] {
        let io = server.connect();
        let mut socket = socket::over(io, &server.ws_url(), PATH, &[TOKEN])
            .await
            .unwrap();
        for _ in 0..500 {
            socket.binary(FRAME.to_vec()).await;
        }
        if in_due_form {
            socket.stream.close(None).await.unwrap();
        }
        drop(socket);

        let line = server.settled().await.lines.pop().unwrap();
        billed.push((line.meters.audio_us, line.why));
    }

    assert_eq!(
        billed,
        [(10_000_000, Why::Cancelled), (10_000_000, Why::HungUp)]
    );
}

#[tokio::test]
async fn bad_handshakes_are_answered_as_http() {
    let server = Deepgram::new(1)
        .fault(
            0,
            Fault::TooManyRequests {
                retry_after: Duration::from_millis(250),
            },
        )
        .fault(1, Fault::ServerError)
        .start()
        .await
        .unwrap();

    let busy = socket::refused(connect(&server).await);
    let broken = socket::refused(connect(&server).await);
    let stranger = socket::refused(socket::connect(&server, PATH, &[]).await);
    let lost = socket::refused(socket::connect(&server, "/v2/listen", &[TOKEN]).await);
    let mut bad = Vec::new();
    for query in [
        "",
        "encoding=opus&sample_rate=48000",
        "encoding=linear16",
        "encoding=linear16&sample_rate=0",
        "encoding=linear16&sample_rate=-1",
        "encoding=linear16&sample_rate=16000&channels=0",
        "encoding=linear16&sample_rate=16000&interim_results=maybe",
        "encoding=linear16&sample_rate=16000&utterance_end_ms=1000",
        "encoding=linear16&sample_rate=16000&endpointing=soon",
        "encoding=linear16&sample_rate=99999999999",
    ] {
        let path = format!("/v1/listen?{query}");
        let answer = socket::refused(socket::connect(&server, &path, &[TOKEN]).await);
        bad.push((query, answer.status().as_u16()));
    }

    assert_eq!(
        (busy.status().as_u16(), broken.status().as_u16()),
        (429, 500)
    );
    assert_eq!(busy.headers()["retry-after"], "1");
    assert_eq!(stranger.status().as_u16(), 401);
    assert_eq!(
        stranger.headers()["dg-error"],
        "INVALID_AUTH: Invalid credentials."
    );
    assert!(stranger.headers().contains_key("dg-request-id"));
    assert_eq!(lost.status().as_u16(), 404);
    assert!(bad.iter().all(|(_, status)| *status == 400), "{bad:?}");
    let bill = server.stop().await;
    assert_eq!(bill.lines.len(), 14);
    assert!(
        bill.lines
            .iter()
            .all(|line| line.meters.is_zero() && line.why == Why::Failed)
    );
}

#[tokio::test]
async fn bad_messages_get_an_error_and_bad_frames_end_one_connection_only() {
    let server = Deepgram::new(1).start().await.unwrap();
    let mut odd = connect(&server).await.unwrap();
    let mut wild = connect(&server).await.unwrap();

    for text in ["{", "[]", "null", r#"{"type": 1}"#, r#"{"type": "Dance"}"#] {
        odd.text(text).await;
        let answer = odd.read().await.unwrap();
        assert_eq!(answer["type"], "Error");
        assert_eq!(answer["variant"], "UnparsableClientMessage");
    }
    // A frame with reserved bits and no mask.
    let raw = wild.stream.get_mut();
    tokio::io::AsyncWriteExt::write_all(raw, &[0xff, 0x01, 0x00])
        .await
        .unwrap();
    let (_, ended) = wild.rest().await;
    odd.binary(FRAME.to_vec()).await;
    odd.text(json!({"type": "CloseStream"})).await;
    let (messages, _) = odd.rest().await;

    assert!(matches!(ended, Ended::Closed(1002, _) | Ended::Broken));
    assert_eq!(messages.last().unwrap()["duration"], json!(0.02));
    assert_eq!(
        listen(&server, 1).await.1,
        Ended::Closed(1000, String::new())
    );
    assert_eq!(server.settled().await.lines.len(), 3);
}

#[tokio::test]
async fn faults_come_where_the_script_says_and_the_bill_is_what_was_received() {
    let server = Deepgram::new(1)
        .fault(0, Fault::CutAfter { items: 2 })
        .fault(1, Fault::ErrorInStream { items: 2 })
        .fault(
            2,
            Fault::CloseSocket {
                after_frames: 60,
                code: 1011,
            },
        )
        .fault(3, Fault::NoUsageChunk)
        .fault(4, Fault::HoldAfter { items: 1 })
        .fault(5, Fault::CutAtByte { bytes: 400 })
        .start()
        .await
        .unwrap();

    let mut cut = connect(&server).await.unwrap();
    for _ in 0..100 {
        cut.binary(FRAME.to_vec()).await;
    }
    let (cut_read, cut_end) = cut.rest().await;
    let (error_read, error_end) = listen(&server, 150).await;
    let (_, closed_end) = listen(&server, 100).await;
    let (silent_read, silent_end) = listen(&server, 150).await;
    let (held_read, held_end) = {
        let mut socket = connect(&server).await.unwrap();
        socket.binary(vec![0; 640 * 200]).await;
        let first = socket.read().await.unwrap();
        let second = socket.read().await.unwrap();
        let more = tokio::time::timeout(Duration::from_millis(30), socket.read()).await;
        ([first, second], more.is_err())
    };
    let (short_read, short_end) = listen(&server, 150).await;

    let bill = server.settled().await;
    assert_eq!(of_type(&cut_read, "Results").len(), 2);
    assert_eq!(cut_end, Ended::Broken);
    // The second result comes after two seconds of audio.
    assert_eq!(bill.lines[0].meters.audio_us, 2_000_000);
    assert_eq!(bill.lines[0].why, Why::HungUp);
    assert_eq!(of_type(&error_read, "Results").len(), 2);
    assert_eq!(error_read.last().unwrap()["type"], "Error");
    assert_eq!(bill.lines[1].meters.audio_us, 3_000_000);
    assert_eq!(bill.lines[1].why, Why::Failed);
    for (ended, says) in [(error_end, "NET-0000"), (closed_end, "NET-0001")] {
        let Ended::Closed(1011, reason) = ended else {
            panic!("{ended:?}")
        };
        assert!(reason.starts_with(says), "{reason}");
    }
    assert_eq!(bill.lines[2].meters.audio_us, 2_000_000);
    assert!(of_type(&silent_read, "Metadata").is_empty());
    assert_eq!(silent_end, Ended::Closed(1000, String::new()));
    assert_eq!(bill.lines[3].meters.audio_us, 3_000_000);
    assert_eq!(of_type(&held_read, "Results").len(), 1);
    assert!(held_end);
    assert_eq!(bill.lines[4].meters.audio_us, 4_000_000);
    assert!(of_type(&short_read, "Results").is_empty());
    assert_eq!(short_end, Ended::Broken);
    assert_eq!(bill.lines.len(), 6);
}

#[tokio::test]
async fn a_refused_handshake_is_reset_and_a_black_hole_says_nothing() {
    let server = Deepgram::new(1)
        .fault(0, Fault::Refuse)
        .fault(1, Fault::BlackHole)
        .start()
        .await
        .unwrap();

    let refused = connect(&server).await;
    let swallowed = tokio::time::timeout(Duration::from_millis(50), connect(&server)).await;

    assert!(
        matches!(refused, Err(Error::Io(_) | Error::Protocol(_))),
        "{refused:?}"
    );
    assert!(swallowed.is_err());
    let bill = server.settled().await;
    assert!(
        bill.lines
            .iter()
            .all(|line| line.status.is_none() && line.meters.is_zero())
    );
}

#[tokio::test(start_paused = true)]
async fn silence_of_ten_seconds_closes_and_keep_alive_does_not() {
    let server = Deepgram::new(1).in_memory();
    let mut socket = socket::over(server.connect(), &server.ws_url(), PATH, &[TOKEN])
        .await
        .unwrap();
    let began = tokio::time::Instant::now();

    socket.binary(FRAME.to_vec()).await;
    tokio::time::sleep(Duration::from_secs(9)).await;
    socket.text(json!({"type": "KeepAlive"})).await;
    let (_, ended) = socket.rest().await;

    let Ended::Closed(1011, reason) = ended else {
        panic!("{ended:?}")
    };
    assert!(reason.starts_with("NET-0001"));
    assert_eq!(began.elapsed().as_secs(), 19);
    let bill = server.settled().await;
    assert_eq!(only(&bill).meters.audio_us, 20_000);
    assert_eq!(only(&bill).open_us / 1_000_000, 19);
}

#[tokio::test(start_paused = true)]
async fn results_lag_behind_the_audio_at_the_pace_that_was_set() {
    let lag = Duration::from_millis(120);
    let server = Deepgram::new(1)
        .pace(Pace::steady(lag, Duration::ZERO))
        .in_memory();
    let mut socket = socket::over(server.connect(), &server.ws_url(), PATH, &[TOKEN])
        .await
        .unwrap();

    socket.binary(vec![0; 32_000]).await;
    let began = tokio::time::Instant::now();
    socket.read().await.unwrap();

    assert_eq!(began.elapsed(), lag);
}

#[tokio::test]
async fn a_seed_decides_every_message() {
    let mut heard = Vec::new();
    for seed in [3, 3, 4] {
        let server = Deepgram::new(seed).start().await.unwrap();
        let first = listen(&server, 600).await;
        let second = listen(&server, 600).await;
        assert_ne!(first, second);
        heard.push((first, second));
    }

    assert_eq!(heard[0], heard[1]);
    assert_ne!(heard[0], heard[2]);
    assert!(said(&heard[0].0.0).split(' ').count() > 10);
}

#[tokio::test]
async fn a_browser_may_send_its_key_as_a_protocol() {
    let server = Deepgram::new(1).start().await.unwrap();
    let protocol = [("sec-websocket-protocol", "token, dg-test")];

    let socket = socket::connect(&server, PATH, &protocol).await.unwrap();

    assert_eq!(socket.response.headers()["sec-websocket-protocol"], "token");
}
