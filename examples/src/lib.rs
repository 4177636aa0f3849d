//! Clients of three providers, and a voice bot that uses them.
//!
//! The clients ([`openai`], [`deepgram`], [`cartesia`]) are plain `tower::Service`s: no layer, no clock, no event is in
//! them. What their requests and items are worth is told by [`Facts`](campanile::Facts), which the decoders of
//! `campanile::protocols` fill in; [`bot`] stacks the layers on top.

pub mod bot;
pub mod cartesia;
mod connect;
pub mod deepgram;
mod error;
pub mod openai;
mod piece;
pub mod proxy;
pub mod retry;

pub use connect::{Dial, Transport, Wire};
pub use error::Error;
pub use piece::Piece;
