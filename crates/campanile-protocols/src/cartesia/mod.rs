//! Cartesia: text to speech, and speech to text.

pub mod tts;
