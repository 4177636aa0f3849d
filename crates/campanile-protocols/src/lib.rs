//! What providers of real-time AI really send: bytes in, facts out.
pub mod anthropic;
pub mod audio;
mod base64;
pub mod bedrock;
pub mod cartesia;
pub mod cohere;
mod decimal;
pub mod deepgram;
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
pub mod speech;
mod turns;
mod wire;

pub use decimal::Decimal;
pub use report::Inclusive;
pub use request::RequestFacts;
pub use wire::{Decoder, Out, Read};
