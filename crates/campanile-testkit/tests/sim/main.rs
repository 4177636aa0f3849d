//! The simulated providers, spoken to by plain clients of HTTP and WebSockets.

mod http;
mod openai;
