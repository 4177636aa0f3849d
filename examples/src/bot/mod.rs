//! A voice bot: it hears (speech to text), thinks (a language model), and speaks (text to speech).
//!
//! | file | holds |
//! |---|---|
//! | `stages` | the three stacks: which layer stands where, and why |
//! | `session` | one phone call: turns, barge-ins, the end |
//! | `plan` | who is interrupted when, and which request goes wrong |
//! | `sound` | what the callers say |
//! | `setup` | what can be asked for, and the providers to run against |

mod plan;
mod session;
mod setup;
mod sound;
mod stages;

pub use plan::{Plan, Trouble};
pub use session::Bot;
pub use setup::{Setup, run};
pub use sound::Sounds;
pub use stages::{InTurn, Llm, Stt, Tts, llm, stt, tts};
