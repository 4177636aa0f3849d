//! All three together.

use campanile_testkit::sim::{Cartesia, Deepgram, OpenAi, Provider, Providers};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::http::Client;
use super::socket;

#[tokio::test]
async fn three_servers_write_one_bill() {
    let providers = Providers::start(1).await.unwrap();

    let mut listening = socket::connect(
        &providers.deepgram,
        "/v1/listen?encoding=linear16&sample_rate=8000",
        &[("authorization", "Token k")],
    )
    .await
    .unwrap();
    listening.binary(vec![0; 16_000]).await;
    listening.text(json!({"type": "CloseStream"})).await;
    listening.rest().await;
    let ask = json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "Hi"}]});
    let answer = Client::tcp(&providers.openai)
        .await
        .post(
            "/v1/chat/completions",
            &[("authorization", "Bearer k")],
            ask.to_string(),
        )
        .await
        .unwrap();
    let speak = json!({
        "model_id": "sonic-3", "transcript": "Hi", "voice": {"mode": "id", "id": "v"},
        "output_format": {"container": "raw", "encoding": "pcm_s16le", "sample_rate": 8_000},
    });
    Client::tcp(&providers.cartesia)
        .await
        .post(
            "/tts/bytes",
            &[("x-api-key", "k"), ("cartesia-version", "2026-03-01")],
            speak.to_string(),
        )
        .await
        .unwrap();

    let bill = providers.stop().await;

    assert_eq!(bill.of(Provider::Deepgram).audio_us, 1_000_000);
    assert_eq!(bill.of(Provider::Cartesia).characters, 2);
    assert_eq!(
        answer.json()["usage"]["total_tokens"],
        bill.of(Provider::OpenAi).prompt_tokens + bill.of(Provider::OpenAi).completion_tokens
    );
    let models: Vec<_> = bill.total().into_keys().map(|(_, model)| model).collect();
    assert_eq!(models, ["gpt-4o-2024-08-06", "base", "sonic-3"]);
}

#[tokio::test]
async fn stopping_ends_what_is_open_at_any_of_them() {
    let providers = Providers::in_memory(OpenAi::new(1), Deepgram::new(1), Cartesia::new(1));
    let path = "/v1/listen?encoding=linear16&sample_rate=8000";
    let io = providers.deepgram.connect();
    let base = providers.deepgram.ws_url();
    let mut socket = socket::over(io, &base, path, &[("authorization", "Token k")])
        .await
        .unwrap();
    socket.binary(vec![0; 1_600]).await;
    // Whatever was sent before is received before this is answered.
    socket.text(json!({"type": "Finalize"})).await;
    socket.read().await.unwrap();

    let bill = providers.stop().await;

    assert_eq!((bill.open, bill.lines.len()), (0, 1));
    assert_eq!(bill.lines[0].meters.audio_us, 100_000);
    socket.read().await.unwrap_err();
}

#[tokio::test]
async fn nonsense_on_the_line_ends_no_server() {
    let providers = Providers::start(1).await.unwrap();
    let nonsense: [&[u8]; 6] = [
        b"",
        b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\ncontent-length: 100\r\n\r\n{",
    ];
    let servers = [&providers.openai, &providers.deepgram, &providers.cartesia];

    for server in servers {
        for bytes in nonsense {
            let mut socket = TcpStream::connect(server.address().unwrap()).await.unwrap();
            socket.write_all(bytes).await.unwrap();
            socket.shutdown().await.unwrap();
            let mut read = Vec::new();
            let _ = socket.read_to_end(&mut read).await;
            assert!(!read.starts_with(b"HTTP/1.1 2"), "{read:?}");
        }
        let answer = Client::tcp(server)
            .await
            .post("/nowhere", &[], "")
            .await
            .unwrap();
        assert!(matches!(answer.status, 401 | 404), "{}", answer.status);
    }

    let bill = providers.stop().await;
    assert!(bill.lines.iter().all(|line| line.meters.is_zero()));
}
