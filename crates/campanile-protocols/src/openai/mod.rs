//! OpenAI, and the many who speak its dialects.

pub mod chat;
mod usage;

pub(crate) use usage::usage;
