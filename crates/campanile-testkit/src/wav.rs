//! Reads WAV files of plain PCM, wherever in the file the samples stand.
//!
//! Many files hold other chunks before their samples (`LIST`, `bext`, padding of some kilobytes), so the `data`
//! chunk is looked up, never assumed at byte 44.

use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// Sound as it stood in a file.
#[derive(Clone, PartialEq, Eq)]
pub struct Wav {
    /// Samples a second, of each channel.
    pub sample_rate: u32,
    /// Interleaved channels.
    pub channels: u16,
    /// Bits of one sample of one channel.
    pub bits: u16,
    /// The samples, little-endian, without any header.
    pub data: Vec<u8>,
}

/// Reads a file.
///
/// # Errors
///
/// When the file cannot be read, is no RIFF/WAVE file, lacks its `fmt ` or `data` chunk, ends before its samples do,
/// or holds something else than integer PCM.
pub fn read(path: impl AsRef<Path>) -> Result<Wav, Error> {
    parse(&fs::read(path)?)
}

/// Reads a whole file that is in memory already.
///
/// # Errors
///
/// As [`read`].
pub fn parse(file: &[u8]) -> Result<Wav, Error> {
    if file.len() < 12 || &file[..4] != b"RIFF" || &file[8..12] != b"WAVE" {
        return Err(Error::NotWave);
    }
    let format = chunk(file, *b"fmt ")?;
    if format.len() < 16 {
        return Err(Error::Truncated {
            chunk: "fmt ",
            says: 16,
            has: format.len() as u64,
        });
    }
    let word = |at: usize| u16::from_le_bytes([format[at], format[at + 1]]);
    let tag = match word(0) {
        // "Extensible": the true tag opens the sub-format at the end of the chunk.
        0xFFFE if format.len() >= 26 => word(24),
        tag => tag,
    };
    let (channels, bits) = (word(2), word(14));
    if tag != 1 || channels == 0 || bits == 0 || !bits.is_multiple_of(8) {
        return Err(Error::NotPcm {
            tag,
            channels,
            bits,
        });
    }
    Ok(Wav {
        sample_rate: u32::from_le_bytes([format[4], format[5], format[6], format[7]]),
        channels,
        bits,
        data: chunk(file, *b"data")?.to_vec(),
    })
}

/// The content of the first chunk of that name.
fn chunk(file: &[u8], name: [u8; 4]) -> Result<&[u8], Error> {
    let shown = if name == *b"data" { "data" } else { "fmt " };
    let mut rest = &file[12..];
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let says = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let content = tail.get(..says as usize);
        if head[..4] == name {
            return content.ok_or(Error::Truncated {
                chunk: shown,
                says: u64::from(says),
                has: tail.len() as u64,
            });
        }
        // A chunk of an odd size is followed by one byte of padding.
        let next = (says as usize).saturating_add(says as usize % 2);
        rest = tail.get(next..).unwrap_or_default();
    }
    Err(Error::Missing(shown))
}

impl Wav {
    /// Bytes of one sample of all channels.
    #[must_use]
    pub fn block(&self) -> usize {
        usize::from(self.channels) * usize::from(self.bits / 8)
    }

    /// How long it sounds, in whole microseconds.
    #[must_use]
    pub fn duration(&self) -> Duration {
        let samples = (self.data.len() / self.block()) as u64;
        match u64::from(self.sample_rate) {
            0 => Duration::ZERO,
            rate => Duration::from_micros(samples * 1_000_000 / rate),
        }
    }

    /// The samples in pieces as long as `each`, as a microphone hands them over; the last one may be shorter.
    ///
    /// A piece holds whole samples, and one at least. 20 ms at 16 kHz, mono, 16 bits are 640 bytes.
    pub fn frames(&self, each: Duration) -> impl Iterator<Item = &[u8]> {
        let samples = each.as_micros() * u128::from(self.sample_rate) / 1_000_000;
        let samples = usize::try_from(samples)
            .unwrap_or(usize::MAX)
            .clamp(1, self.data.len().max(1));
        self.data.chunks(samples * self.block())
    }
}

impl fmt::Debug for Wav {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wav")
            .field("sample_rate", &self.sample_rate)
            .field("channels", &self.channels)
            .field("bits", &self.bits)
            .field("bytes", &self.data.len())
            .finish()
    }
}

/// Why a file is not sound that we can send.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be read.
    Read(io::Error),
    /// It does not start as a RIFF/WAVE file does.
    NotWave,
    /// It has no chunk of that name.
    Missing(&'static str),
    /// A chunk says more bytes than follow.
    Truncated {
        /// Its name.
        chunk: &'static str,
        /// The bytes it should have.
        says: u64,
        /// The bytes that are there.
        has: u64,
    },
    /// The samples are not integer PCM of whole bytes.
    NotPcm {
        /// The format's number: 1 is PCM, 3 float, 6 A-law, 7 mu-law.
        tag: u16,
        /// Channels, as the file says.
        channels: u16,
        /// Bits of a sample, as the file says.
        bits: u16,
    },
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self::Read(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(_) => f.write_str("the file cannot be read"),
            Self::NotWave => f.write_str("not a RIFF/WAVE file"),
            Self::Missing(name) => write!(f, "no `{name}` chunk in the file"),
            Self::Truncated { chunk, says, has } => {
                write!(
                    f,
                    "the `{chunk}` chunk says {says} bytes, {has} are in the file"
                )
            }
            Self::NotPcm {
                tag,
                channels,
                bits,
            } => write!(
                f,
                "not integer PCM: format {tag}, {channels} channels, {bits} bits"
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
        let mut out = name.to_vec();
        out.extend((content.len() as u32).to_le_bytes());
        out.extend(content);
        out.resize(out.len() + content.len() % 2, 0);
        out
    }

    fn format(tag: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
        let block = channels * bits / 8;
        let mut out = Vec::new();
        out.extend(tag.to_le_bytes());
        out.extend(channels.to_le_bytes());
        out.extend(rate.to_le_bytes());
        out.extend((rate * u32::from(block)).to_le_bytes());
        out.extend(block.to_le_bytes());
        out.extend(bits.to_le_bytes());
        part(b"fmt ", &out)
    }

    fn file(parts: &[Vec<u8>]) -> Vec<u8> {
        let body = parts.concat();
        let mut out = b"RIFF".to_vec();
        out.extend((body.len() as u32 + 4).to_le_bytes());
        out.extend(b"WAVE");
        out.extend(body);
        out
    }

    #[test]
    fn samples_are_found_behind_other_chunks() {
        let samples: Vec<u8> = (0..=255).collect();
        let plain = file(&[format(1, 1, 16_000, 16), part(b"data", &samples)]);
        let padded = file(&[
            part(b"LIST", &[b'x'; 4_043]),
            format(1, 1, 16_000, 16),
            part(b"data", &samples),
            part(b"id3 ", b"after"),
        ]);

        let wav = parse(&padded).unwrap();

        assert_eq!(wav, parse(&plain).unwrap());
        assert_eq!(wav.data, samples);
        assert_eq!(wav.duration(), Duration::from_micros(8_000));
    }

    #[test]
    fn a_frame_is_20_ms_of_whole_samples() {
        let wav = Wav {
            sample_rate: 16_000,
            channels: 2,
            bits: 16,
            data: vec![1; 3_000],
        };

        let sizes: Vec<usize> = wav
            .frames(Duration::from_millis(20))
            .map(<[u8]>::len)
            .collect();

        assert_eq!(sizes, [1_280, 1_280, 440]);
        assert_eq!(wav.frames(Duration::ZERO).next().unwrap().len(), 4);
        assert_eq!(wav.frames(Duration::MAX).count(), 1);
    }

    #[test]
    fn bad_files_say_what_is_wrong() {
        let said = |bytes: &[u8]| parse(bytes).unwrap_err().to_string();
        let mut cut = file(&[format(1, 1, 8_000, 16), part(b"data", &[0; 64])]);
        cut.truncate(cut.len() - 10);

        assert_eq!(said(b"OggS"), "not a RIFF/WAVE file");
        assert_eq!(
            said(&file(&[part(b"data", &[0; 4])])),
            "no `fmt ` chunk in the file"
        );
        assert_eq!(
            said(&file(&[format(1, 1, 8_000, 16)])),
            "no `data` chunk in the file"
        );
        assert_eq!(
            said(&cut),
            "the `data` chunk says 64 bytes, 54 are in the file"
        );
        assert_eq!(
            said(&file(&[format(7, 1, 8_000, 8), part(b"data", &[0; 4])])),
            "not integer PCM: format 7, 1 channels, 8 bits"
        );
        assert!(matches!(
            read("/no/such/file.wav").unwrap_err(),
            Error::Read(_)
        ));
    }

    #[test]
    fn no_prefix_of_a_file_panics() {
        let whole = file(&[
            part(b"LIST", b"odd"),
            format(1, 1, 8_000, 16),
            part(b"data", &[7; 9]),
        ]);

        for end in 0..whole.len() - 1 {
            assert!(parse(&whole[..end]).is_err(), "{end} bytes");
        }
        assert!(parse(&whole).is_ok());
    }
}
