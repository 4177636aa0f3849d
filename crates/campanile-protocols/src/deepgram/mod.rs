//! Deepgram: speech to text, and text to speech.

pub mod live;
