//! The price book of campanile and its exact arithmetic.
mod amount;
mod book;
mod calendar;
mod compile;
mod error;
mod inclusive;
mod rate;
mod row;
mod text;
pub use amount::{Amount, Quote};
pub use book::{Book, Found};
pub use error::BookError;
pub use inclusive::{Inclusive, audio_us};
pub use row::{Kind, Row, Source};
