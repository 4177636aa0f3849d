//! The simulated providers, spoken to by plain clients of HTTP and WebSockets.

mod cartesia;
mod deepgram;
mod http;
mod long;
mod openai;
mod providers;
mod socket;
