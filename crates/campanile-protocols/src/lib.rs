//! What providers of real-time AI really send: bytes in, facts out.
pub mod anthropic;
pub mod audio;
pub mod cartesia;
mod decimal;
pub mod deepgram;
mod documents;
mod eventstream;
mod failure;
mod json;
mod lines;
pub mod openai;
mod report;
mod turns;
mod wire;

pub use decimal::Decimal;
pub use report::Inclusive;
pub use wire::{Decoder, Out, Read};
