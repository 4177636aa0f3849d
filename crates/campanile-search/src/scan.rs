//! Walks over a piece and hands over the lines that were asked for, and those around them.

use crate::{
    block::Block,
    filter::{Bounds, Clock, Filter, is_blank},
    line,
    plan::Piece,
    source::{Bytes, More, Unpacker},
};
use memchr::{memchr, memrchr};
use std::io;

/// After so many bytes, or so many bytes of lines, others have their turn.
const STEP: usize = 4 << 20;
const STEP_LINES: usize = 256 << 10;
/// A longer line is taken in parts.
const LONGEST: usize = 16 << 20;
/// So much of what was seen is kept for lines before the next one.
const KEPT: usize = 8 << 20;

/// Whether a line was asked for, or stands near one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is what was looked for.
    Match,
    /// It stands before or after.
    Context,
}

/// Lines in a row, with their bytes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: Vec<Entry>,
    pub(crate) counts: Counts,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// In microseconds.
    pub(crate) at: Option<i64>,
    pub(crate) role: Role,
    /// It follows the line before it in the file.
    pub(crate) joined: bool,
}

/// How many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) bytes: u64,
    pub(crate) matched: u64,
    /// Of the lines that matched, those that are torn or of others.
    pub(crate) foreign: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Counts) {
        self.bytes += other.bytes;
        self.matched += other.matched;
        self.foreign += other.foreign;
    }
}

/// What a thread works with.
#[derive(Debug)]
pub(crate) struct Desk {
    block: Block,
    unpacker: Unpacker,
}

impl Desk {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self {
            block: Block::default(),
            unpacker: Unpacker::new()?,
        })
    }
}

/// A piece and how far it is read.
#[derive(Debug)]
pub(crate) struct Scan {
    bytes: Bytes,
    /// What was read and is not done: lines that may be wanted before the next one, and a line without its end.
    rest: Vec<u8>,
    /// Where in the rest new lines begin.
    fresh: usize,
    /// Where in the rest the last line ends that was handed over, if that is still there.
    given: Option<usize>,
    /// So many lines after the last one are still wanted.
    after: usize,
    clock: Clock,
    only_count: bool,
}

impl Scan {
    pub(crate) fn new(piece: &Piece, only_count: bool) -> io::Result<Self> {
        Ok(Self {
            bytes: Bytes::of(piece)?,
            rest: Vec::new(),
            fresh: 0,
            given: None,
            after: 0,
            clock: Clock::default(),
            only_count,
        })
    }

    /// Reads on for a while. After a trouble it can be stepped on where it says so.
    pub(crate) fn step(
        &mut self,
        filter: &Filter,
        desk: &mut Desk,
        batch: &mut Batch,
    ) -> (More, Option<io::Error>) {
        let block = &mut desk.block;
        block.truncate(0);
        block.append(&std::mem::take(&mut self.rest));
        let mut read = 0;
        let done = loop {
            let before = block.len();
            let (more, trouble) = match self.bytes.read(block, &mut desk.unpacker) {
                Ok(more) => (more, None),
                Err(error) => (self.bytes.rest(), Some(error)),
            };
            read += block.len() - before;
            // What has no end yet is left for later, unless this is the end.
            let end = match more {
                More::No => Some(block.len()),
                More::Yes => memrchr(b'\n', &block.bytes()[before..])
                    .map(|last| before + last + 1)
                    .or_else(|| (block.len() - self.fresh > LONGEST).then_some(block.len())),
            };
            if let Some(end) = end {
                self.lines(filter, &block.bytes()[..end], batch);
                self.forget(filter.context, block, end);
            }
            let enough = read >= STEP || batch.bytes.len() >= STEP_LINES;
            if trouble.is_some() || more == More::No || (enough && end.is_some()) {
                break (more, trouble);
            }
        };
        batch.counts.bytes += read as u64;
        self.rest.extend_from_slice(block.bytes());
        block.shrink(KEPT);
        done
    }

    /// Hands over what is wanted of the lines from `fresh` on.
    fn lines(&mut self, filter: &Filter, block: &[u8], batch: &mut Batch) {
        let mut from = self.fresh;
        self.clock.turn(from);
        loop {
            let found = filter.next(block, from, &mut self.clock);
            if filter.context > 0 {
                let until = found.map_or(block.len(), |found| found.start);
                self.lines_after(block, until, batch);
            }
            let Some(found) = found else { return };
            if filter.context > 0 {
                self.lines_before(block, found.start, filter.context, batch);
                self.after = filter.context;
            }
            self.matched(block, found, batch);
            from = (found.end + 1).min(block.len());
        }
    }

    fn matched(&mut self, block: &[u8], found: Bounds, batch: &mut Batch) {
        let text = &block[found.start..found.end];
        batch.counts.matched += 1;
        if !line::looks_whole(text) {
            batch.counts.foreign += 1;
        }
        self.give(block, found, Role::Match, batch);
    }

    /// Lines that are wanted because of the one before.
    fn lines_after(&mut self, block: &[u8], until: usize, batch: &mut Batch) {
        while let Some(start) = self.given
            && self.after > 0
            && start < until
        {
            self.after -= 1;
            self.give_context(block, start, batch);
        }
    }

    /// Lines that are wanted because of the one at `until`.
    fn lines_before(&mut self, block: &[u8], until: usize, count: usize, batch: &mut Batch) {
        let least = self.given.unwrap_or(0);
        let mut start = until;
        for _ in 0..count {
            if start <= least {
                break;
            }
            start = memrchr(b'\n', &block[..start - 1]).map_or(0, |end| end + 1);
        }
        // A part of a long line may begin where no line does.
        start = start.max(least);
        while start < until {
            start = self.give_context(block, start, batch);
        }
    }

    /// Hands over the line that begins there; where the next one begins.
    fn give_context(&mut self, block: &[u8], start: usize, batch: &mut Batch) -> usize {
        let end = memchr(b'\n', &block[start..]).map_or(block.len(), |len| start + len);
        let at = None;
        if is_blank(&block[start..end]) {
            self.given = Some((end + 1).min(block.len()));
        } else {
            self.give(block, Bounds { start, end, at }, Role::Context, batch);
        }
        end + 1
    }

    fn give(&mut self, block: &[u8], bounds: Bounds, role: Role, batch: &mut Batch) {
        let joined = self.given == Some(bounds.start);
        self.given = Some((bounds.end + 1).min(block.len()));
        if self.only_count {
            return;
        }
        let text = &block[bounds.start..bounds.end];
        let at = bounds.at.or_else(|| line::moment(text).map(|at| at.0));
        let start = batch.bytes.len();
        batch.bytes.extend_from_slice(text);
        batch.lines.push(Entry {
            start,
            end: batch.bytes.len(),
            at,
            role,
            joined,
        });
    }

    /// Drops what is done with: all but the lines that may be wanted before the next one.
    fn forget(&mut self, context: usize, block: &mut Block, end: usize) {
        let mut keep = end;
        for _ in 0..context {
            if keep == 0 || end - keep > KEPT {
                break;
            }
            keep = memrchr(b'\n', &block.bytes()[..keep - 1]).map_or(0, |end| end + 1);
        }
        block.remove(0, keep);
        self.fresh = end - keep;
        self.given = self.given.and_then(|given| given.checked_sub(keep));
    }
}
