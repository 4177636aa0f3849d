//! What the callers say: a file's speech, or a tone.

use bytes::Bytes;
use campanile_testkit::wav::{self, Wav};
use std::f32::consts::TAU;
use std::fmt;
use std::path::Path;
use std::time::Duration;

/// How much audio a microphone hands over at once.
pub(super) const FRAME: Duration = Duration::from_millis(20);
const SAMPLE_RATE: u32 = 16_000;

/// 16-bit samples of one channel, in frames of 20 ms.
#[derive(Clone, Debug)]
pub struct Sounds {
    /// Samples a second.
    pub sample_rate: u32,
    frames: Vec<Bytes>,
}

/// A file that cannot be spoken.
#[derive(Debug)]
pub struct NotSpeech(String);

impl fmt::Display for NotSpeech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotSpeech {}

impl Sounds {
    /// The samples of a WAV file.
    ///
    /// # Errors
    ///
    /// When it is no such file, or has more than one channel or other than 16 bits.
    pub fn read(path: &Path) -> Result<Self, NotSpeech> {
        let wrong = |what: String| NotSpeech(format!("{}: {what}", path.display()));
        let wav = wav::read(path).map_err(|error| wrong(error.to_string()))?;
        match (wav.channels, wav.bits) {
            (1, 16) => Ok(Self::of(&wav)),
            (channels, bits) => Err(wrong(format!(
                "{channels} channels of {bits} bits; this bot wants 1 channel of 16 bits"
            ))),
        }
    }

    /// A second of a tone for each turn, and some silence after it.
    #[must_use]
    pub fn tone(turns: usize) -> Self {
        let second = SAMPLE_RATE as usize;
        let turn = (0..second * 5 / 4).map(|n| match n < second {
            true => ((n as f32 / SAMPLE_RATE as f32 * 220.0 * TAU).sin() * 8_000.0) as i16,
            false => 0,
        });
        let turn: Vec<u8> = turn.flat_map(i16::to_le_bytes).collect();
        Self::of(&Wav {
            sample_rate: SAMPLE_RATE,
            channels: 1,
            bits: 16,
            data: turn.repeat(turns),
        })
    }

    fn of(wav: &Wav) -> Self {
        Self {
            sample_rate: wav.sample_rate,
            frames: wav.frames(FRAME).map(Bytes::copy_from_slice).collect(),
        }
    }

    /// The share of one turn of so many. All shares together are the whole, each frame once.
    #[must_use]
    pub fn share(&self, turn: usize, of: usize) -> &[Bytes] {
        let at = |turn: usize| turn * self.frames.len() / of.max(1);
        &self.frames[at(turn)..at(turn + 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_the_whole() {
        let sounds = Sounds::tone(3);

        let shared: usize = (0..7).map(|turn| sounds.share(turn, 7).len()).sum();
        assert_eq!(shared, sounds.frames.len());
        assert_eq!(sounds.frames.concat().len(), 3 * 20_000 * 2);
    }
}
