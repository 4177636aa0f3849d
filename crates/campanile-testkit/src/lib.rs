//! Scripted stages ([`script()`], [`stage()`]) and simulated providers that keep their own bill.
//!
//! A pipeline under test talks to these servers with its ordinary clients. Each counts for itself what it would charge,
//! in plain integers, so that a ledger can be compared with somebody else's count instead of its own.
//!
//! | provider | wire | what is billed | what an item is |
//! | --- | --- | --- | --- |
//! | [`sim::OpenAi`] | `POST /v1/chat/completions`, JSON and server-sent events | prompt, cached, completion and reasoning tokens | a content delta, which is one token |
//! | [`sim::Deepgram`] | WebSocket `/v1/listen` | bytes of audio, and their time | a `Results` message |
//! | [`sim::Cartesia`] | WebSocket `/tts/websocket`, `POST /tts/bytes` | code points of text, by context | a `chunk` of audio |
//!
//! [`sim::Fault`] is the trouble that can be scripted for a request, [`sim::Pace`] the time that things take (none,
//! unless asked for), [`sim::Bill`] what it comes to. All chance follows from a seed. [`wav`] reads the audio to send.
//!
//! ```
//! use campanile_testkit::sim::{OpenAi, Why};
//! use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
//! use tokio::net::TcpStream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let openai = OpenAi::new(7).reply("Good morning.").start().await?;
//!
//! let ask = r#"{"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello!"}]}"#;
//! let mut socket = TcpStream::connect(openai.address().expect("it has a port")).await?;
//! let length = ask.len();
//! let request = format!(
//!     "POST /v1/chat/completions HTTP/1.1\r\nhost: sim\r\nauthorization: Bearer key\r\n\
//!      content-length: {length}\r\nconnection: close\r\n\r\n{ask}"
//! );
//! socket.write_all(request.as_bytes()).await?;
//! let mut answer = String::new();
//! socket.read_to_string(&mut answer).await?;
//! assert!(answer.contains("Good morning."));
//!
//! let bill = openai.stop().await;
//! let line = &bill.lines[0];
//! assert_eq!(line.why, Why::Completed);
//! assert_eq!(line.served_model, "gpt-4o-mini-2024-07-18");
//! // "Good", " morn", "ing", "."
//! assert_eq!(line.meters.completion_tokens, 4);
//! # Ok(())
//! # }
//! ```
//!
//! What is not here: prices (a bill has counts only), TLS, and anything that other crates of the workspace define: the
//! two counts would not be independent.

mod clock;
mod events;
mod script;
pub mod sim;
pub mod wav;

pub use clock::tokio_clock;
pub use events::Events;
pub use script::{Ask, Script, Word, ask, script, stage};
