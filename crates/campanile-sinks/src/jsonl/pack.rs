//! Compressed files that are read from the middle: frames of whole lines, and behind them where each begins and when.
//!
//! ```text
//! frame  frame  …  frame   [times]                     [seek table]
//! about 1 MiB of lines     first and last moment       packed and plain length
//! each, with a checksum    of each frame               of each frame
//! ```
//!
//! The last two are skippable frames: `zstdcat` passes over them. The seek table is that of zstd's seekable format; the
//! times are ours, and are there only where each frame begins with a line.

use campanile_core::Timestamp;
use memchr::{memchr_iter, memmem, memrchr};
use std::io::{self, Write};
use zstd::bulk::Compressor;

/// Lines are packed once there are so many bytes of them. A frame is what a reader must unpack for one line.
pub(crate) const FRAME: usize = 1 << 20;
/// A line that is longer is packed in pieces.
const LONGEST: usize = 64 << 20;

const LEVEL: i32 = 3;
const TIMES_MAGIC: u32 = 0x184D_2A5D;
const TIMES_MARK: &[u8; 8] = b"camptim1";
const TABLE_MAGIC: u32 = 0x184D_2A5E;
const SEEKABLE_MAGIC: u32 = 0x8F92_EAB1;

/// Packs lines into a file.
pub(crate) struct Packer<W> {
    out: W,
    compressor: Compressor<'static>,
    /// Not packed yet.
    lines: Vec<u8>,
    packed: Vec<u8>,
    frames: u32,
    table: Vec<u8>,
    times: Vec<u8>,
    /// The last frame ends inside of a line.
    cut: bool,
    /// No frame begins inside of one.
    whole: bool,
}

impl<W: Write> Packer<W> {
    pub(crate) fn new(out: W) -> io::Result<Self> {
        let mut compressor = Compressor::new(LEVEL)?;
        compressor.include_checksum(true)?;
        Ok(Self {
            out,
            compressor,
            lines: Vec::with_capacity(2 * FRAME),
            packed: Vec::new(),
            frames: 0,
            table: Vec::new(),
            times: TIMES_MARK.to_vec(),
            cut: false,
            whole: true,
        })
    }

    /// Takes the next bytes; a line may be cut anywhere.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.lines.extend_from_slice(bytes);
        if self.lines.len() < FRAME {
            return Ok(());
        }
        let whole = match memrchr(b'\n', &self.lines) {
            Some(end) => end + 1,
            None if self.lines.len() > LONGEST => self.lines.len(),
            None => return Ok(()),
        };
        let rest = self.lines.split_off(whole);
        self.frame()?;
        self.lines.extend_from_slice(&rest);
        Ok(())
    }

    /// Packs what waits as one frame.
    fn frame(&mut self) -> io::Result<()> {
        let lines = &self.lines;
        self.packed.clear();
        self.packed
            .reserve(zstd::zstd_safe::compress_bound(lines.len()));
        let bytes = self
            .compressor
            .compress_to_buffer(lines, &mut self.packed)?;
        self.out.write_all(&self.packed)?;
        self.table.extend(length(bytes)?.to_le_bytes());
        self.table.extend(length(lines.len())?.to_le_bytes());
        self.frames += 1;
        self.whole &= !self.cut;
        self.cut = !lines.ends_with(b"\n");
        let (first, last) = moments(lines);
        self.times.extend(first.to_le_bytes());
        self.times.extend(last.to_le_bytes());
        self.lines.clear();
        Ok(())
    }

    /// Writes what tells where the frames are.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        if !self.lines.is_empty() {
            self.frame()?;
        }
        if self.whole {
            skippable(&mut self.out, TIMES_MAGIC, &self.times)?;
        }
        self.table.extend(self.frames.to_le_bytes());
        self.table.push(0); // Each frame has a checksum of its own.
        self.table.extend(SEEKABLE_MAGIC.to_le_bytes());
        skippable(&mut self.out, TABLE_MAGIC, &self.table)?;
        Ok(self.out)
    }
}

fn skippable(out: &mut impl Write, magic: u32, content: &[u8]) -> io::Result<()> {
    out.write_all(&magic.to_le_bytes())?;
    out.write_all(&length(content.len())?.to_le_bytes())?;
    out.write_all(content)
}

fn length(bytes: usize) -> io::Result<u32> {
    u32::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge.into())
}

/// The earliest and the latest moment of some lines, in microseconds; the wrong way round where no line says any.
fn moments(lines: &[u8]) -> (i64, i64) {
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    let mut begin = 0;
    for end in memchr_iter(b'\n', lines) {
        if let Some(Timestamp(at)) = moment(&lines[begin..end]) {
            (first, last) = (first.min(at), last.max(at));
        }
        begin = end + 1;
    }
    (first, last)
}

/// When a line of ours happened: its `ts` stands near its begin.
fn moment(line: &[u8]) -> Option<Timestamp> {
    let head = &line[..line.len().min(128)];
    let at = memmem::find(head, b"\"ts\":\"")? + 6;
    let text = &line[at..];
    Timestamp::read(&text[..memchr::memchr(b'"', text)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(frames: &[&[u8]]) -> Vec<u8> {
        let mut packer = Packer::new(Vec::new()).unwrap();
        for frame in frames {
            packer.write(frame).unwrap();
            packer.frame().unwrap();
        }
        packer.finish().unwrap()
    }

    #[test]
    fn lines_become_frames_of_whole_lines() {
        let line = [vec![b'x'; 300_000], vec![b'\n']].concat();
        let text = line.repeat(10);
        let mut packer = Packer::new(Vec::new()).unwrap();

        for part in text.chunks(70_000) {
            packer.write(part).unwrap();
        }

        assert_eq!(packer.frames, 3);
        let file = packer.finish().unwrap();
        assert_eq!(zstd::decode_all(&*file).unwrap(), text);
        assert!(memmem::find(&file, TIMES_MARK).is_some());
    }

    #[test]
    fn what_follows_the_frames_is_passed_over() {
        let (one, two) = (&b"{\"ts\":\"1970-01-01T00:00:01Z\"}\n"[..], &b"torn\n"[..]);

        let file = packed(&[one, two]);

        assert_eq!(zstd::decode_all(&*file).unwrap(), [one, two].concat());
    }

    #[test]
    fn the_end_of_the_file_says_where_and_when() {
        let one = b"{\"ts\":\"1970-01-01T00:00:02Z\"}\n{\"ts\":\"1970-01-01T00:00:01Z\"}\n";

        let file = packed(&[one, b"torn\n"]);

        let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
        let end = file.len();
        assert_eq!((number(end - 4), number(end - 9)), (SEEKABLE_MAGIC, 2));
        let table = end - 9 - 16;
        assert_eq!((number(table - 8), number(table - 4)), (TABLE_MAGIC, 25));
        let (first, second) = (number(table) as usize, number(table + 8) as usize);
        assert_eq!(
            (number(table + 4), number(table + 12)),
            (one.len() as u32, 5)
        );
        let times = first + second;
        assert_eq!((number(times), number(times + 4)), (TIMES_MAGIC, 8 + 32));
        let moment = |at: usize| i64::from_le_bytes(file[at..at + 8].try_into().unwrap());
        let moments: Vec<i64> = (0..4).map(|n| moment(times + 16 + 8 * n)).collect();
        assert_eq!(moments, [1_000_000, 2_000_000, i64::MAX, i64::MIN]);
    }

    #[test]
    fn frames_that_cut_a_line_have_no_times() {
        let file = packed(&[b"half a ", b"line\n"]);

        assert!(memmem::find(&file, TIMES_MARK).is_none());
        assert_eq!(zstd::decode_all(&*file).unwrap(), b"half a line\n");
    }
}
