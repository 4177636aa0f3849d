//! Compressed files that can be read from the middle: frames of whole lines, and at the end where and when each is.
//!
//! A file without this is as good, and is unpacked from its begin.

use crate::read_at::read_at;
use std::{fs::File, io};

/// The begin of a zstd file, or of a skippable frame in front of one.
const FRAME_MAGIC: u32 = 0xFD2F_B528;
const SKIPPABLE_MAGIC: u32 = 0x184D_2A50;
const TABLE_MAGIC: u32 = 0x184D_2A5E;
const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;
const TIMES_MAGIC: u32 = 0x184D_2A5D;
const TIMES_MARK: &[u8] = b"camptim1";
/// The count of frames, flags, and the magic number.
const FOOTER: u64 = 9;
/// Larger frames are not unpacked in one piece.
const LARGEST: u32 = 64 << 20;
/// More frames than any file of ours has.
const MOST_FRAMES: u32 = 1 << 20;

/// Some lines of a compressed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) offset: u64,
    pub(crate) packed: u32,
    pub(crate) plain: u32,
    /// The first and the last moment in it, in microseconds; the wrong way round where there is none.
    pub(crate) first: i64,
    pub(crate) last: i64,
}

/// Whether a file is compressed, by its first bytes.
pub(crate) fn is_packed(head: &[u8]) -> bool {
    let magic = head.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    magic.is_some_and(|magic| magic == FRAME_MAGIC || magic & 0xFFFF_FFF0 == SKIPPABLE_MAGIC)
}

/// The frames of a file that says where they are, and when; `None` for any other.
pub(crate) fn frames(file: &File, size: u64) -> io::Result<Option<Vec<Frame>>> {
    let Some(table) = table(file, size)? else {
        return Ok(None);
    };
    let count = table.len() / 8;
    let times_len = TIMES_MARK.len() + 16 * count;
    let behind = table.len() as u64 + FOOTER + 8;
    let Some(begin) = size.checked_sub(behind + times_len as u64 + 8) else {
        return Ok(None);
    };
    let times = exactly(file, begin, times_len + 8)?;
    let whole = number(&times, 0) == Some(TIMES_MAGIC)
        && number(&times, 4) == u32::try_from(times_len).ok()
        && times[8..].starts_with(TIMES_MARK);
    if !whole {
        return Ok(None);
    }
    Ok(laid_out(&table, &times[8 + TIMES_MARK.len()..], begin))
}

/// The lengths of the frames: 8 bytes each.
fn table(file: &File, size: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(at) = size.checked_sub(FOOTER) else {
        return Ok(None);
    };
    let footer = exactly(file, at, FOOTER as usize)?;
    let count = number(&footer, 0).filter(|count| (1..=MOST_FRAMES).contains(count));
    let (Some(count), 0, Some(SEEKABLE_MAGIC)) = (count, footer[4], number(&footer, 5)) else {
        return Ok(None);
    };
    let len = 8 * count as usize;
    let Some(at) = at.checked_sub(len as u64 + 8) else {
        return Ok(None);
    };
    let mut table = exactly(file, at, len + 8)?;
    let content = len as u32 + FOOTER as u32;
    let whole = number(&table, 0) == Some(TABLE_MAGIC) && number(&table, 4) == Some(content);
    Ok(whole.then(|| table.split_off(8)))
}

/// Puts lengths and moments together; `None` where they do not fill the file up to `end`.
fn laid_out(table: &[u8], times: &[u8], end: u64) -> Option<Vec<Frame>> {
    let mut offset = 0;
    let mut frames = Vec::with_capacity(table.len() / 8);
    for (lengths, times) in table.chunks_exact(8).zip(times.chunks_exact(16)) {
        let moment = |at: usize| {
            times[at..]
                .first_chunk()
                .map(|bytes| i64::from_le_bytes(*bytes))
        };
        let frame = Frame {
            offset,
            packed: number(lengths, 0)?,
            plain: number(lengths, 4)?,
            first: moment(0)?,
            last: moment(8)?,
        };
        if frame.plain > LARGEST || frame.packed > LARGEST {
            return None;
        }
        offset += u64::from(frame.packed);
        frames.push(frame);
    }
    (offset == end).then_some(frames)
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*bytes))
}

fn exactly(file: &File, at: u64, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; len];
    match read_at(file, &mut bytes, at)? {
        read if read == len => Ok(bytes),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// What the packer of the log files writes around two frames of 3 and 4 bytes.
    fn file(mark: &[u8], sizes: [u32; 2]) -> (File, u64) {
        let mut bytes = b"aaabbbb".to_vec();
        bytes.extend(TIMES_MAGIC.to_le_bytes());
        bytes.extend((8 + 32_u32).to_le_bytes());
        bytes.extend(mark);
        for moment in [1_i64, 2, 3, 4] {
            bytes.extend(moment.to_le_bytes());
        }
        bytes.extend(TABLE_MAGIC.to_le_bytes());
        bytes.extend((16 + 9_u32).to_le_bytes());
        for size in sizes {
            bytes.extend(size.to_le_bytes());
            bytes.extend((10 * size).to_le_bytes());
        }
        bytes.extend(2_u32.to_le_bytes());
        bytes.push(0);
        bytes.extend(SEEKABLE_MAGIC.to_le_bytes());
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&bytes).unwrap();
        (file, bytes.len() as u64)
    }

    #[test]
    fn the_end_says_where_and_when() {
        let (file, size) = file(TIMES_MARK, [3, 4]);

        let frames = frames(&file, size).unwrap().unwrap();

        let second = Frame {
            offset: 3,
            packed: 4,
            plain: 40,
            first: 3,
            last: 4,
        };
        assert_eq!((frames.len(), frames[1]), (2, second));
    }

    #[test]
    fn what_does_not_fit_is_no_table() {
        let (fits, size) = file(TIMES_MARK, [3, 4]);
        for cut in 1..size {
            assert_eq!(frames(&fits, size - cut).unwrap(), None, "{cut}");
        }
        let (other, size) = file(b"xxxxxxxx", [3, 4]);
        assert_eq!(frames(&other, size).unwrap(), None);
        let (short, size) = file(TIMES_MARK, [3, 3]);
        assert_eq!(frames(&short, size).unwrap(), None);
        let (huge, size) = file(TIMES_MARK, [3, u32::MAX / 10]);
        assert_eq!(frames(&huge, size).unwrap(), None);
    }
}
