//! OpenAI, and the many who speak its dialects.

pub mod audio;
pub mod chat;
pub mod realtime;
pub mod responses;
mod usage;

pub(crate) use usage::usage;
