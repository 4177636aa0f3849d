//! Seconds of raw audio, from bytes.

use campanile_core::{Count, Decode, Evidence, Frame, Meter, Moment, Noted};

/// How samples are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Encoding {
    /// 16-bit samples (`linear16`, `pcm_s16le`).
    Linear16,
    /// 24-bit samples.
    Linear24,
    /// 32-bit samples, whole or float (`linear32`, `pcm_f32le`).
    Linear32,
    /// One byte for each sample (`mulaw`, `alaw`).
    Law,
    /// Compressed, or in a container: bytes say nothing of seconds.
    Other,
}

impl Encoding {
    /// The encoding of that name, in the spelling of any provider.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "linear16" | "pcm_s16le" | "pcm16" | "s16le" | "pcm" | "LINEAR16" | "PCM" => {
                Self::Linear16
            }
            "linear24" | "pcm_s24le" => Self::Linear24,
            "linear32" | "pcm_s32le" | "pcm_f32le" | "f32le" => Self::Linear32,
            "mulaw" | "alaw" | "pcm_mulaw" | "pcm_alaw" | "g711_ulaw" | "g711_alaw" | "ulaw"
            | "MULAW" | "ALAW" | "wav/ulaw" | "wav/alaw" => Self::Law,
            _ => Self::Other,
        }
    }

    /// Bytes of one sample; `None` where there is no such number.
    #[must_use]
    pub const fn sample_bytes(self) -> Option<u64> {
        match self {
            Self::Linear16 => Some(2),
            Self::Linear24 => Some(3),
            Self::Linear32 => Some(4),
            Self::Law => Some(1),
            Self::Other => None,
        }
    }
}

/// Counts bytes of raw audio, and says how long it lasts. Bytes are added up first and divided once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pcm {
    bytes: u64,
    /// Of these, in frames without a sound.
    silent: u64,
    /// Bytes of one second; zero where nobody knows.
    second: u64,
}

impl Pcm {
    pub(crate) fn new(encoding: Encoding, sample_rate: u64, channels: u64) -> Self {
        let second = encoding
            .sample_bytes()
            .and_then(|bytes| bytes.checked_mul(sample_rate)?.checked_mul(channels));
        Self {
            bytes: 0,
            silent: 0,
            second: second.unwrap_or(0),
        }
    }

    /// Whether bytes say seconds.
    pub(crate) fn is_known(self) -> bool {
        self.second > 0
    }

    pub(crate) fn add(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Microseconds of everything added so far, rounded down.
    pub(crate) fn micros(self) -> Option<u64> {
        self.lasts(self.bytes)
    }

    /// Adds a frame that was sent to be heard, and notes what all of them last; those in which no sample changes (what is sent to
    /// keep a connection open) apart, too.
    pub(crate) fn sent(&mut self, frame: &[u8], noted: &mut Noted) {
        self.add(frame.len() as u64);
        if is_silent(frame) {
            self.silent = self.silent.saturating_add(frame.len() as u64);
        }
        let mut note = |meter, micros| noted.usage(meter, Count::exact(micros, Evidence::Measured));
        if let Some(micros) = self.micros() {
            note(Meter::AudioUs, micros);
        }
        if let Some(micros) = self.lasts(self.silent).filter(|micros| *micros > 0) {
            note(Meter::KeepAliveUs, micros);
        }
    }

    fn lasts(self, bytes: u64) -> Option<u64> {
        let micros = (u128::from(bytes) * 1_000_000).checked_div(self.second.into())?;
        u64::try_from(micros).ok()
    }
}

/// Whether a frame of samples, in whatever encoding, holds no sound: all its bytes are the same. Sound differs in its first bytes,
/// so that this seldom looks further.
fn is_silent(frame: &[u8]) -> bool {
    const LEAST: usize = 16;
    frame.len() >= LEAST && frame[1..] == frame[..frame.len() - 1]
}

/// Decodes a body, or binary frames, of nothing but speech: its bytes are its duration, where they are samples.
///
/// ```
/// use campanile_core::{Decode, Frame, Meter, Noted};
/// use campanile_protocols::audio::{Encoding, Raw};
///
/// let mut decoder = Raw::new(Encoding::Linear16, 24_000);
/// let mut noted = Noted::new();
/// decoder.received(Frame::Body(&[0; 4800]), &mut noted);
/// assert_eq!(noted.noted_usage().unwrap().at_least(Meter::SpeechUs), 100_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raw(Pcm);

impl Raw {
    /// Speech of one channel, written so.
    #[must_use]
    pub fn new(encoding: Encoding, sample_rate: u32) -> Self {
        Self(Pcm::new(encoding, sample_rate.into(), 1))
    }

    pub(crate) fn of(pcm: Pcm) -> Self {
        Self(pcm)
    }
}

impl Decode for Raw {
    fn received(&mut self, frame: Frame<'_>, noted: &mut Noted) {
        let (Frame::Body(bytes) | Frame::Binary(bytes)) = frame else {
            return;
        };
        if bytes.is_empty() {
            return;
        }
        noted.moment(Moment::Piece);
        self.0.add(bytes.len() as u64);
        if let Some(micros) = self.0.micros() {
            noted.usage(Meter::SpeechUs, Count::exact(micros, Evidence::Measured));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_microseconds_without_drift() {
        let mut pcm = Pcm::new(Encoding::Linear16, 16_000, 1);
        for _ in 0..3 {
            pcm.add(641);
        }

        assert_eq!(pcm.micros(), Some(60_093));
        assert_eq!(Pcm::new(Encoding::Other, 48_000, 1).micros(), None);
        assert_eq!(Pcm::new(Encoding::Law, 0, 1).micros(), None);
    }

    #[test]
    fn frames_without_a_sound_are_counted_apart() {
        let mut pcm = Pcm::new(Encoding::Law, 8_000, 1);
        let mut noted = Noted::new();
        let mut sent = |frame: &[u8]| {
            pcm.sent(frame, &mut noted);
            let usage = noted.noted_usage().unwrap();
            let silent = usage.get(Meter::KeepAliveUs);
            (usage.at_least(Meter::AudioUs), silent.map(|us| us.at_least))
        };
        let mut speech = [0xff; 160];
        speech[159] = 0x7e;

        assert_eq!(sent(&speech), (20_000, None));
        assert_eq!(sent(&[0xff]), (20_125, None));
        assert_eq!(sent(&[0xff; 160]), (40_125, Some(20_000)));
        assert_eq!(sent(&[0; 80]), (50_125, Some(30_000)));
        assert_eq!(sent(&[]), (50_125, Some(30_000)));
    }
}
