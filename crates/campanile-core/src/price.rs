//! The seam between usage and money.

use crate::{Cost, Name, Timestamp, Usage};
use serde::Serialize;
use std::sync::Arc;

/// Knows prices. Implemented by price books, and by closures.
///
/// It runs on the recorder's thread, never on a caller's. It must be pure: the moment is an argument. A panic
/// in it is caught and gives an unknown cost.
pub trait Price: Send + Sync {
    /// What `billed` costs. A model, meter or quantity that is not known is a range without upper bound.
    fn price(&self, billed: &Billed<'_>) -> Cost;

    /// The same without [lines](Cost::lines), where that is cheaper. Events carry what this gives: their lines follow
    /// from usage and book at any time.
    fn amount(&self, billed: &Billed<'_>) -> Cost {
        self.price(billed)
    }
}

/// One attempt, as a price book sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Billed<'a> {
    /// Who bills (`openai`, `deepgram`); empty when nobody said.
    pub provider: &'a str,
    /// The model that was served, or else the one that was asked for; empty when nobody said.
    pub model: &'a str,
    /// What was used.
    pub usage: &'a Usage,
    /// The conditions of the price.
    pub terms: &'a Terms,
    /// The moment of billing.
    pub at: Timestamp,
}

impl<'a> Billed<'a> {
    /// Usage of a model, under terms that nobody stated.
    #[must_use]
    pub fn new(
        provider: &'a str,
        model: &'a str,
        usage: &'a Usage,
        terms: &'a Terms,
        at: Timestamp,
    ) -> Self {
        Self {
            provider,
            model,
            usage,
            terms,
            at,
        }
    }
}

/// Under which conditions something was served. `None` means that nobody said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Terms {
    /// Streamed or all at once; speech-to-text has two prices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The service tier: `flex`, `priority`, `batch`, `default`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<Name>,
    /// Whether the tier is what the reply said, and not only what was asked for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tier_served: bool,
    /// Where data stays: `eu`, `us`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<Name>,
    /// The class of a voice: `pro_clone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voice: Option<Name>,
    /// The plan or commitment: `pro`, `growth`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Name>,
    /// Audio channels that are billed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<u32>,
    /// Extras with a price of their own: `diarize`, `redact`, `keyterm`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addons: Vec<Name>,
}

/// How speech was handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Live, over an open connection.
    Streaming,
    /// As a finished recording.
    Prerecorded,
}

impl<F: Fn(&Billed<'_>) -> Cost + Send + Sync> Price for F {
    fn price(&self, billed: &Billed<'_>) -> Cost {
        self(billed)
    }
}

impl Price for Box<dyn Price> {
    fn price(&self, billed: &Billed<'_>) -> Cost {
        (**self).price(billed)
    }
    fn amount(&self, billed: &Billed<'_>) -> Cost {
        (**self).amount(billed)
    }
}

impl<P: Price + ?Sized> Price for Arc<P> {
    fn price(&self, billed: &Billed<'_>) -> Cost {
        (**self).price(billed)
    }
    fn amount(&self, billed: &Billed<'_>) -> Cost {
        (**self).amount(billed)
    }
}
