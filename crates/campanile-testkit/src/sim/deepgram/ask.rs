//! What a client asks for in the URL.

use super::super::bill::AudioFormat;
use super::super::query::Query;

/// The options of one connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) model: String,
    pub(super) format: AudioFormat,
    /// Each channel is transcribed, and billed, for itself.
    pub(super) multichannel: bool,
    pub(super) interim: bool,
    pub(super) vad: bool,
    /// Silence after which speech counts as ended, in microseconds; `None` where that is switched off.
    pub(super) endpointing_us: Option<u64>,
    /// Silence after which `UtteranceEnd` is sent.
    pub(super) utterance_end_us: Option<u64>,
}

impl Ask {
    /// Reads the options; an error is what the provider says about them.
    pub(super) fn parse(query: &Query) -> Result<Self, String> {
        let width = match query.get("encoding") {
            Some("linear16") => 2,
            Some("mulaw" | "alaw") => 1,
            // Without one the real service looks for a container: nothing that bytes can be counted in.
            other => return Err(format!("encoding {other:?} is not simulated")),
        };
        let sample_rate = number(query, "sample_rate")?.ok_or("sample_rate is required")?;
        let channels = number(query, "channels")?.unwrap_or(1);
        if !(1_000..=192_000).contains(&sample_rate) || !(1..=20).contains(&channels) {
            return Err(String::from("sample_rate or channels out of range"));
        }
        let interim = flag(query, "interim_results")?;
        let utterance_end_us = number(query, "utterance_end_ms")?.map(|ms| u64::from(ms) * 1_000);
        if utterance_end_us.is_some_and(|us| !interim || us < 1_000_000) {
            return Err(String::from(
                "utterance_end_ms needs interim_results, and 1000 at least",
            ));
        }
        Ok(Self {
            model: query.get("model").unwrap_or("base").to_owned(),
            format: AudioFormat {
                sample_rate,
                channels: channels as u16,
                width,
            },
            multichannel: flag(query, "multichannel")?,
            interim,
            vad: flag(query, "vad_events")?,
            endpointing_us: match query.get("endpointing") {
                Some("false") => None,
                Some("true") | None => Some(10_000),
                Some(_) => number(query, "endpointing")?.map(|ms| u64::from(ms) * 1_000),
            },
            utterance_end_us,
        })
    }

    /// How many times the audio is billed.
    pub(super) fn billed_channels(&self) -> u64 {
        match self.multichannel {
            true => u64::from(self.format.channels),
            false => 1,
        }
    }
}

fn number(query: &Query, name: &str) -> Result<Option<u32>, String> {
    const MOST: u32 = 1_000_000;
    query
        .get(name)
        .map(|text| {
            text.parse()
                .ok()
                .filter(|number| *number <= MOST)
                .ok_or_else(|| format!("{name} is not a number that makes sense"))
        })
        .transpose()
}

fn flag(query: &Query, name: &str) -> Result<bool, String> {
    match query.get(name) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(_) => Err(format!("{name} is neither true nor false")),
    }
}
