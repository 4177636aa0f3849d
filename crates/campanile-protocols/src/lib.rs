//! What providers of real-time AI really send: bytes in, facts out.
mod decimal;
mod documents;
mod eventstream;
mod failure;
mod json;
mod lines;
mod report;
mod wire;

pub use decimal::Decimal;
pub use report::Inclusive;
pub use wire::{Decoder, Out, Read};
