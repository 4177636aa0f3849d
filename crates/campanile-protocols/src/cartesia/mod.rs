//! Cartesia: text to speech. Its speech to text is read by [`speech`](crate::speech).

pub mod tts;
