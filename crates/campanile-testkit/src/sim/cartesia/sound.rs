//! What speech sounds like here: a quiet, even tone, as long as its text.

use super::super::bill::AudioFormat;

/// How much sound one piece holds.
const PIECE_MS: u64 = 100;

/// The sound of one text.
#[derive(Clone, Debug)]
pub(super) struct Sound {
    format: AudioFormat,
    samples: u64,
    made: u64,
}

impl Sound {
    pub(super) fn new(format: AudioFormat, characters: u64, character_us: u64) -> Self {
        let micros = characters.saturating_mul(character_us);
        Self {
            format,
            samples: micros.saturating_mul(u64::from(format.sample_rate)) / 1_000_000,
            made: 0,
        }
    }

    /// How many bytes it is from its beginning to its end.
    pub(super) fn bytes(&self) -> u64 {
        self.samples * u64::from(self.format.width)
    }

    /// Whether all of it was made.
    pub(super) fn is_over(&self) -> bool {
        self.made == self.samples
    }

    /// The next tenth of a second, or what is left; nothing at the end.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        let piece = u64::from(self.format.sample_rate) * PIECE_MS / 1_000;
        let end = self.samples.min(self.made + piece);
        let mut bytes = Vec::with_capacity((end - self.made) as usize * 4);
        for at in self.made..end {
            self.sample(at, &mut bytes);
        }
        self.made = end;
        (!bytes.is_empty()).then_some(bytes)
    }

    fn sample(&self, at: u64, out: &mut Vec<u8>) {
        // A square wave of about 200 Hz.
        let up = (at * 400 / u64::from(self.format.sample_rate)).is_multiple_of(2);
        match self.format.width {
            1 => out.push(if up { 0xCF } else { 0x4F }),
            4 => out.extend((if up { 0.03_f32 } else { -0.03 }).to_le_bytes()),
            _ => out.extend((if up { 1_000_i16 } else { -1_000 }).to_le_bytes()),
        }
    }
}
