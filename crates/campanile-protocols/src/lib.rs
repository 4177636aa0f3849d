//! What providers of real-time AI really send: bytes in, facts out.
//!
//! ```text
//!  bytes of a body ─┐                       ┌─ text, moments         (noted, for each piece)
//!  text frames ─────┼─▶ Decoder of a family ├─ usage, by meter       (disjoint, with evidence)
//!  binary frames ───┘    (core's `Decode`)  ├─ model, tier, ids, failures
//!                                           └─ `inclusive()`         (totals as the provider shows them)
//! ```
//!
//! | wire | decoder | what is counted |
//! |---|---|---|
//! | chat completions and all that look like them, embeddings | [`openai::chat`] | the last report |
//! | Responses (HTTP, WebSocket), threads | [`openai::responses`] | reports by id, each once |
//! | Realtime: OpenAI, Azure, xAI; OpenAI Live | [`openai::realtime`] | turns, summed; seconds of a live session |
//! | transcription, speech, images over HTTP | [`openai::audio`] | the report; characters of the request |
//! | Anthropic Messages | [`anthropic`] | last value of each field; rounds, summed |
//! | Gemini, Vertex, Live, Interactions | [`gemini`] | the last report; Live's turns, summed |
//! | Bedrock Converse, InvokeModel | [`bedrock`] | the report, else the metrics, else the headers |
//! | Cohere | [`cohere`] | billed units |
//! | Ollama, watsonx, TGI, gateways | [`local`] | first input, last output |
//! | Deepgram | [`deepgram`] | audio and characters as they are sent; reports |
//! | Cartesia text to speech | [`cartesia::tts`] | characters as they are sent, speech as it comes |
//! | other speech services | [`speech`] | the seconds and characters that are stated |
//!
//! [`family`](family::family) finds the decoder for an endpoint; [`recorded`] reads a recording. [`RequestFacts`] says
//! before anything is sent how much it can cost at most.
//!
//! ```
//! use campanile_core::{Decode, Facts, Frame, Meter, Noted};
//!
//! let mut decoder = campanile_protocols::openai::chat::Decoder::new();
//! let mut noted = Noted::new();
//! for piece in [
//!     &b"data: {\"model\":\"gpt-x\",\"choices\":[{\"delta\":{\"content\":\"Hel"[..],
//!     b"lo\"}}]}\n\ndata: {\"choices\":[],\"usage\":{\"prompt_tokens\":118,",
//!     b"\"completion_tokens\":15,\"prompt_tokens_details\":{\"cached_tokens\":64}}}\n\n",
//! ] {
//!     decoder.received(Frame::Body(piece), &mut noted);
//! }
//!
//! assert_eq!(noted.spoken(), Some("Hello"));
//! let usage = noted.noted_usage().unwrap();
//! assert_eq!(usage.at_least(Meter::InputTokens), 118 - 64);
//! assert_eq!(usage.at_least(Meter::CachedInputTokens), 64);
//! assert_eq!(decoder.inclusive().input_tokens, Some(118));
//! ```
//!
//! # What it does not do
//!
//! No IO, no clock, no prices, no compression: a body is handed over inflated. It changes no byte of what passes by.
//! A meter that two models share (the transcription inside a realtime session, an advisor's round) is not noted for
//! the second one. Where a provider contradicts itself, the counts are ranges, never a guess.

pub mod anthropic;
pub mod audio;
mod base64;
pub mod bedrock;
pub mod cartesia;
pub mod cohere;
mod decimal;
pub mod deepgram;
mod deltas;
mod documents;
mod eventstream;
mod failure;
pub mod family;
pub mod gemini;
mod json;
mod lines;
pub mod local;
pub mod openai;
pub mod recorded;
mod report;
mod request;
mod shape;
pub mod speech;
mod turns;
mod weigh;
mod wire;

pub use decimal::Decimal;
pub use report::Inclusive;
pub use request::RequestFacts;
pub use wire::{Decoder, Out, Read};
