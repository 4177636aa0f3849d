//! The shape of a book's file.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::value::Datetime;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BookText {
    pub(crate) version: Option<String>,
    #[serde(default)]
    pub(crate) vendor: Vec<VendorText>,
    #[serde(default)]
    pub(crate) credit: Vec<CreditText>,
    #[serde(default)]
    pub(crate) price: Vec<PriceText>,
    #[serde(default)]
    pub(crate) limit: Vec<LimitText>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VendorText {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) aliases: Vec<String>,
    /// The plan that is assumed where nobody states one.
    pub(crate) plan: Option<String>,
    /// Settings that a request may name and that cost nothing for any model.
    #[serde(default)]
    pub(crate) included: Vec<String>,
    /// What callers may write before a model's name.
    #[serde(default)]
    pub(crate) prefixes: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreditText {
    pub(crate) vendor: String,
    pub(crate) plan: String,
    pub(crate) usd: String,
    pub(crate) buys: String,
    pub(crate) from: Option<Datetime>,
    pub(crate) to: Option<Datetime>,
    #[expect(
        dead_code,
        reason = "for the reader of the file; required, so that no price is without one"
    )]
    pub(crate) source: SourceText,
}

/// How much some models read and write at most.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitText {
    pub(crate) vendor: String,
    pub(crate) model: Vec<String>,
    /// Tokens of one prompt.
    pub(crate) prompt: u64,
    /// Tokens of one answer, thoughts and all; where nobody says, as many as of a prompt.
    pub(crate) answer: Option<u64>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceText {
    pub(crate) vendor: String,
    #[serde(default)]
    pub(crate) model: Vec<String>,
    pub(crate) starts: Option<String>,
    pub(crate) then: Option<String>,
    #[serde(default)]
    pub(crate) when: WhenText,
    pub(crate) from: Option<Datetime>,
    pub(crate) to: Option<Datetime>,
    #[serde(default)]
    pub(crate) rates: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) above: Vec<AboveText>,
    pub(crate) clock: Option<String>,
    pub(crate) channels: Option<String>,
    pub(crate) least: Option<String>,
    pub(crate) step: Option<String>,
    /// Roundings that some sources state and others do not: they raise the upper bound only.
    #[serde(default)]
    pub(crate) disputed: DisputedText,
    #[serde(default)]
    pub(crate) addons: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) voices: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) regions: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) tiers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) free: Vec<String>,
    #[serde(default)]
    pub(crate) unpriced: bool,
    #[serde(default)]
    pub(crate) usual: bool,
    #[serde(default)]
    pub(crate) retired: bool,
    pub(crate) spread: Option<String>,
    /// Why a sanity check does not hold for this row.
    pub(crate) odd: Option<String>,
    #[serde(default)]
    pub(crate) regular: BTreeMap<String, String>,
    pub(crate) source: SourceText,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhenText {
    pub(crate) mode: Option<String>,
    pub(crate) tier: Option<String>,
    pub(crate) plan: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) hours: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DisputedText {
    pub(crate) least: Option<String>,
    pub(crate) step: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AboveText {
    pub(crate) input: u64,
    pub(crate) edge: String,
    pub(crate) rates: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SourceText {
    pub(crate) page: String,
    pub(crate) checked: Datetime,
    pub(crate) says: String,
    pub(crate) kind: String,
    /// What other sources say, and why this one was taken.
    pub(crate) over: Option<String>,
}
