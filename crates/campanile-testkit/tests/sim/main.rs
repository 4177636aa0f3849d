//! The simulated providers, spoken to by plain clients of HTTP and WebSockets.

mod deepgram;
mod http;
mod openai;
mod socket;
