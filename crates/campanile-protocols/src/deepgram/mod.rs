//! Deepgram: speech to text, and text to speech.

pub mod agent;
pub mod flux;
pub mod live;
pub mod prerecorded;
pub mod speak;
