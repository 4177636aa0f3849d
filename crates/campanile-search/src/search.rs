//! A search from its begin to its end.

use crate::{
    crew::Board,
    filter::Filter,
    merge::{Line, Merge},
    plan::{Plan, Trouble},
    query::Query,
};
use std::{num::NonZero, ops::ControlFlow, path::PathBuf, thread};

/// More threads than this only wait for the disk.
const MOST_THREADS: usize = 8;

/// What a search came to.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Tally {
    /// Files that were there.
    pub files: usize,
    /// Of these, files that could not have a line of the time that was asked for.
    pub passed_over: usize,
    /// Bytes that were read, unpacked.
    pub bytes: u64,
    /// Lines for which everything held.
    pub matched: u64,
    /// Of these, lines that are torn or no events of ours.
    pub foreign: u64,
    /// Files that could not be read, or not to their end.
    pub troubles: Vec<Trouble>,
}

/// Hands over the lines of files and folders that `query` asks for, the newest last; lines of one file in their order.
///
/// What cannot be read is told in the [`Tally`], and stops nothing.
///
/// # Errors
///
/// When a place is not there, or a folder cannot be listed.
pub fn search(
    places: &[PathBuf],
    query: &Query,
    each: impl FnMut(&Line<'_>) -> ControlFlow<()>,
) -> Result<Tally, Trouble> {
    let plan = Plan::new(places, query)?;
    Ok(run(plan, query, Some(each)))
}

/// Counts the lines that `query` asks for.
///
/// # Errors
///
/// When a place is not there, or a folder cannot be listed.
pub fn count(places: &[PathBuf], query: &Query) -> Result<Tally, Trouble> {
    let plan = Plan::new(places, query)?;
    let nobody: Option<fn(&Line<'_>) -> ControlFlow<()>> = None;
    Ok(run(plan, query, nobody))
}

/// Sends the threads home, also where who reads their lines panics.
struct End<'a, 'b>(&'a Board<'b>);

impl Drop for End<'_, '_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}

pub(crate) fn run(
    plan: Plan,
    query: &Query,
    each: Option<impl FnMut(&Line<'_>) -> ControlFlow<()>>,
) -> Tally {
    let filter = Filter::new(query, &plan.sample);
    let board = Board::new(&plan.pieces, &filter, each.is_none());
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = threads.min(MOST_THREADS).min(plan.pieces.len());
    thread::scope(|scope| {
        let _end = End(&board);
        for _ in 0..threads {
            scope.spawn(|| board.work());
        }
        match each {
            Some(each) => Merge::new(&board, &plan.pieces, query.context > 0).run(each),
            None => board.wait(),
        }
    });
    let (counts, troubles) = board.into_counts();
    let mut tally = Tally {
        files: plan.files,
        passed_over: plan.passed_over,
        bytes: counts.bytes,
        matched: counts.matched,
        foreign: counts.foreign,
        troubles: plan.troubles,
    };
    tally.troubles.extend(troubles);
    tally
}
