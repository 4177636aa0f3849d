//! Lines of several pieces as one stream, by time. Lines of one file stay in their order.

use crate::{
    crew::Board,
    plan::Piece,
    scan::{Batch, Entry, Role},
};
use campanile_core::Timestamp;
use std::{ops::ControlFlow, path::Path};

/// A piece is opened so long before its first line is due: lines are only nearly in order.
const AHEAD: i64 = 1_000_000;

/// A line that was found.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Line<'a> {
    /// Its bytes, without its end.
    pub bytes: &'a [u8],
    /// When it happened; of a line that does not say, the moment of the line before it.
    pub at: Option<Timestamp>,
    /// The file that it stands in.
    pub file: &'a Path,
    /// The process that wrote it, where the file's name says.
    pub process: Option<u32>,
    /// Whether it was asked for.
    pub role: Role,
    /// Whether it follows the line that was handed over before it, in the same file.
    pub joined: bool,
}

/// A piece whose lines are due.
struct Lane {
    piece: usize,
    batch: Batch,
    next: usize,
    /// The last moment, so that time never runs backwards in one file.
    clock: i64,
}

impl Lane {
    /// `None` where the piece has no line.
    fn open(piece: usize, clock: i64, board: &Board<'_>) -> Option<Self> {
        let batch = board.lines(piece)?;
        let mut lane = Self {
            piece,
            batch,
            next: 0,
            clock,
        };
        lane.tick();
        Some(lane)
    }

    fn head(&self) -> &Entry {
        &self.batch.lines[self.next]
    }

    fn tick(&mut self) {
        if let Some(at) = self.head().at {
            self.clock = self.clock.max(at);
        }
    }

    /// Goes on to the next line; `false` at the end.
    fn advance(&mut self, board: &Board<'_>) -> bool {
        self.next += 1;
        if self.next == self.batch.lines.len() {
            let Some(batch) = board.lines(self.piece) else {
                return false;
            };
            (self.batch, self.next) = (batch, 0);
        }
        self.tick();
        true
    }

    fn line<'a>(&'a self, piece: &'a Piece) -> Line<'a> {
        let entry = self.head();
        let at = entry.at.unwrap_or(self.clock);
        Line {
            bytes: &self.batch.bytes[entry.start..entry.end],
            at: (at > i64::MIN).then_some(Timestamp(at)),
            file: &piece.file.path,
            process: piece.file.process,
            role: entry.role,
            joined: entry.joined,
        }
    }
}

/// Takes lines from the board and hands them over by time.
pub(crate) struct Merge<'a, 'b> {
    board: &'b Board<'a>,
    pieces: &'a [Piece],
    /// Pieces that are not open yet, in order.
    pending: Vec<usize>,
    lanes: Vec<Lane>,
    /// The last moment of each piece that is done.
    ends: Vec<Option<i64>>,
    context: bool,
}

impl<'a, 'b> Merge<'a, 'b> {
    pub(crate) fn new(board: &'b Board<'a>, pieces: &'a [Piece], context: bool) -> Self {
        Self {
            board,
            pieces,
            pending: (0..pieces.len()).collect(),
            lanes: Vec::new(),
            ends: vec![None; pieces.len()],
            context,
        }
    }

    pub(crate) fn run(mut self, mut each: impl FnMut(&Line<'_>) -> ControlFlow<()>) {
        loop {
            self.open_what_is_due();
            let Some(first) = self.earliest() else { return };
            if self.hand_over(first, &mut each).is_break() {
                return;
            }
        }
    }

    /// The lane with the earliest line; of equals, the one of the piece that began first.
    fn earliest(&self) -> Option<usize> {
        let key = |lane: &Lane| (lane.clock, lane.piece);
        (0..self.lanes.len()).min_by_key(|&n| key(&self.lanes[n]))
    }

    fn open_what_is_due(&mut self) {
        loop {
            let now = self.earliest().map_or(i64::MAX, |n| self.lanes[n].clock);
            let due = |piece: &Piece| piece.first.saturating_sub(AHEAD) <= now;
            let free = |piece: &Piece| piece.after.is_none_or(|before| self.ends[before].is_some());
            let next = self
                .pending
                .iter()
                .take_while(|&&n| due(&self.pieces[n]))
                .position(|&n| free(&self.pieces[n]));
            let Some(at) = next else { return };
            let n = self.pending.remove(at);
            let clock = self.pieces[n].after.and_then(|before| self.ends[before]);
            let clock = clock.unwrap_or(i64::MIN);
            match Lane::open(n, clock, self.board) {
                Some(lane) => self.lanes.push(lane),
                None => self.ends[n] = Some(clock),
            }
        }
    }

    /// Hands over the lines of one lane for as long as no other is due.
    fn hand_over(
        &mut self,
        first: usize,
        each: &mut impl FnMut(&Line<'_>) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let others = self.lanes.iter().enumerate().filter(|(n, _)| *n != first);
        let other = others.map(|(_, lane)| (lane.clock, lane.piece)).min();
        let pending = self
            .pending
            .first()
            .map(|&n| self.pieces[n].first.saturating_sub(AHEAD));
        let lane = &mut self.lanes[first];
        let piece = &self.pieces[lane.piece];
        loop {
            each(&lane.line(piece))?;
            if !lane.advance(self.board) {
                break;
            }
            let group = self.context && lane.head().joined;
            let is_first = other.is_none_or(|other| (lane.clock, lane.piece) < other)
                && pending.is_none_or(|pending| lane.clock < pending);
            if !group && !is_first {
                return ControlFlow::Continue(());
            }
        }
        self.ends[lane.piece] = Some(lane.clock);
        self.lanes.swap_remove(first);
        ControlFlow::Continue(())
    }
}
