//! Finds and masks what people must not read: cards, keys, names, also in spoken form.

mod check;
mod counts;
mod cue;
mod custom;
mod cut;
mod detect;
mod find;
mod hash;
mod kind;
mod lexicon;
mod measure;
mod mode;
mod policy;
mod redactor;
mod run;
mod token;

pub use counts::Counts;
pub use find::Find;
pub use hash::HashKey;
pub use kind::Kind;
pub use measure::{Measure, measure};
pub use mode::Mode;
pub use policy::{Policy, PolicyError, Rule};
pub use redactor::Redactor;
