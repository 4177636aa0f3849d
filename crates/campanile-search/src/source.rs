//! The bytes of a piece, block by block.

use crate::{
    block::Block,
    file::LogFile,
    packed::Frame,
    plan::{Part, Piece},
    read_at::read_at,
};
use memchr::memchr;
use std::{
    collections::VecDeque,
    fmt,
    fs::File,
    io::{self, BufReader, Read},
    sync::Arc,
};
use zstd::bulk::Decompressor;

/// So much is read at once: it should stay in a core's cache while it is searched.
pub(crate) const BLOCK: usize = 256 << 10;

/// What a thread unpacks frames with.
pub(crate) struct Unpacker {
    zstd: Decompressor<'static>,
    packed: Vec<u8>,
}

impl fmt::Debug for Unpacker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Unpacker")
    }
}

impl Unpacker {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            zstd: Decompressor::new()?,
            packed: Vec::new(),
        })
    }

    fn append(&mut self, file: &File, frame: &Frame, block: &mut Block) -> io::Result<()> {
        self.packed.resize(frame.packed as usize, 0);
        if read_at(file, &mut self.packed, frame.offset)? < self.packed.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let room = block.room(frame.plain as usize);
        let bytes = self.zstd.decompress_to_buffer(&self.packed, room)?;
        block.grow(bytes);
        Ok(())
    }
}

/// Where the bytes come from.
pub(crate) enum Bytes {
    Plain {
        file: Arc<File>,
        at: u64,
        end: u64,
        /// The begin of the piece may stand inside of a line, which is not ours.
        cut: bool,
    },
    Frames {
        file: Arc<File>,
        frames: VecDeque<Frame>,
    },
    Stream(Box<dyn Read + Send>),
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Bytes::Plain { .. } => "Plain",
            Bytes::Frames { .. } => "Frames",
            Bytes::Stream(_) => "Stream",
        })
    }
}

/// What a read came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum More {
    Yes,
    /// These were the last bytes.
    No,
}

impl Bytes {
    pub(crate) fn of(piece: &Piece) -> io::Result<Self> {
        let file: &LogFile = &piece.file;
        Ok(match &piece.part {
            Part::Bytes(range) => Self::Plain {
                file: file.handle()?,
                // The byte before says whether a line begins here.
                at: range.start.saturating_sub(1),
                end: range.end,
                cut: range.start > 0,
            },
            Part::Frames(frames) => Self::Frames {
                file: file.handle()?,
                frames: frames.iter().copied().collect(),
            },
            Part::All => {
                let file = BufReader::new(File::open(&file.path)?);
                Self::Stream(Box::new(zstd::Decoder::with_buffer(file)?))
            }
        })
    }

    /// Appends the next bytes to a block: what there was before a bad place, too.
    pub(crate) fn read(&mut self, block: &mut Block, unpacker: &mut Unpacker) -> io::Result<More> {
        match self {
            Self::Plain { file, at, end, cut } => {
                let before = block.len();
                let more = plain(file, at, *end, block)?;
                if !*cut {
                    return Ok(more);
                }
                let Some(line) = memchr(b'\n', &block.bytes()[before..]) else {
                    block.truncate(before);
                    // A line that goes on behind the end belongs to nobody here.
                    return Ok(if *at < *end { more } else { More::No });
                };
                *cut = false;
                block.remove(before, line + 1);
                let begin = *at - (block.len() - before) as u64;
                if begin >= *end {
                    block.truncate(before);
                    return Ok(More::No);
                }
                Ok(more)
            }
            Self::Frames { file, frames } => {
                let Some(frame) = frames.pop_front() else {
                    return Ok(More::No);
                };
                unpacker.append(file, &frame, block)?;
                Ok(self.rest())
            }
            Self::Stream(stream) => read_some(stream, block),
        }
    }

    /// Whether there is more behind a bad place.
    pub(crate) fn rest(&self) -> More {
        match self {
            Self::Frames { frames, .. } if !frames.is_empty() => More::Yes,
            _ => More::No,
        }
    }
}

/// Reads on to `end`, and from there to the end of the line.
fn plain(file: &File, at: &mut u64, end: u64, block: &mut Block) -> io::Result<More> {
    let before = block.len();
    let inside = end.saturating_sub(*at);
    let want = match inside {
        0 => BLOCK,
        inside => BLOCK.min(usize::try_from(inside).unwrap_or(BLOCK)),
    };
    let read = read_at(file, block.room(want), *at)?;
    block.grow(read);
    *at += read as u64;
    if inside == 0 {
        // Behind the end: the rest of the last line, and no more.
        if let Some(line) = memchr(b'\n', &block.bytes()[before..]) {
            block.truncate(before + line + 1);
            return Ok(More::No);
        }
    }
    let is_over = read < want || (inside > 0 && *at >= end && block.bytes().ends_with(b"\n"));
    Ok(if is_over { More::No } else { More::Yes })
}

fn read_some(stream: &mut impl Read, block: &mut Block) -> io::Result<More> {
    let mut left = BLOCK;
    while left > 0 {
        match stream.read(block.room(left)) {
            Ok(0) => return Ok(More::No),
            Ok(read) => {
                block.grow(read);
                left -= read;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(More::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn all(file: &Arc<File>, start: u64, end: u64) -> Vec<u8> {
        let mut bytes = Bytes::Plain {
            file: file.clone(),
            at: start.saturating_sub(1),
            end,
            cut: start > 0,
        };
        let (mut block, mut unpacker) = (Block::default(), Unpacker::new().unwrap());
        while bytes.read(&mut block, &mut unpacker).unwrap() == More::Yes {}
        block.bytes().to_vec()
    }

    proptest! {
        #[test]
        fn pieces_together_are_the_file_whatever_the_cuts(
            lines in prop::collection::vec("[a-z]{0,6}", 1..12),
            ends in any::<bool>(),
            mut cuts in prop::collection::vec(0..60_u64, 0..5),
        ) {
            let text = lines.join("\n") + if ends { "\n" } else { "" };
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            let (file, size) = (Arc::new(file), text.len() as u64);
            cuts.retain(|cut| *cut < size);
            cuts.extend([0, size]);
            cuts.sort_unstable();
            cuts.dedup();

            let pieces = cuts.windows(2).map(|ends| all(&file, ends[0], ends[1]));

            prop_assert_eq!(pieces.collect::<Vec<_>>().concat(), text.as_bytes());
        }
    }

    #[test]
    fn a_line_that_is_longer_than_pieces_belongs_to_the_first() {
        let text = [b"a\n".to_vec(), vec![b'x'; 3 * BLOCK], b"\nb\n".to_vec()].concat();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&text).unwrap();
        let (file, size, cut) = (Arc::new(file), text.len() as u64, BLOCK as u64);

        assert_eq!(all(&file, 0, cut), text[..text.len() - 2]);
        assert_eq!(all(&file, cut, 2 * cut), b"");
        assert_eq!(all(&file, 2 * cut, size), b"b\n");
    }
}
