//! SQLite's log: whether it can be read to its end. SQLite itself stops at the first frame that is damaged, says
//! nothing, and forgets what comes after it.

use std::{io::Read, path::Path};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// What is wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Torn {
    /// The first frame that cannot be read; zero: not even the head of the file.
    pub(super) frame: u64,
    /// Frames that belong to this log and come after it.
    pub(super) lost: u64,
}

/// Looks at the log of a ledger that nobody writes. `None`: it is whole, or there is none.
///
/// A power cut may leave a torn frame, too; nothing that was acknowledged is in it then.
pub(super) fn check(wal: &Path) -> std::io::Result<Option<Torn>> {
    let mut bytes = Vec::new();
    match std::fs::File::open(wal) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(torn(&bytes))
}

fn torn(bytes: &[u8]) -> Option<Torn> {
    if bytes.is_empty() {
        return None;
    }
    let Some((head, frames)) = bytes.split_at_checked(HEADER) else {
        return Some(Torn { frame: 0, lost: 0 });
    };
    let word = |bytes: &[u8], at: usize| {
        let word = bytes
            .get(4 * at..4 * at + 4)
            .and_then(|word| word.try_into().ok());
        u32::from_be_bytes(word.unwrap_or_default())
    };
    let (magic, page) = (word(head, 0), word(head, 2) as usize);
    let known = magic & !1 == 0x377f_0682 && page.is_power_of_two() && page >= 512;
    let mut sum = Sum::new(magic & 1 == 1);
    sum.add(&head[..24]);
    if !known || sum.pair != (word(head, 6), word(head, 7)) {
        let lost = frames.len() as u64 / (FRAME_HEADER as u64 + 4096);
        return Some(Torn { frame: 0, lost });
    }
    let salts = &head[16..24];
    let frames: Vec<&[u8]> = frames.chunks(FRAME_HEADER + page).collect();
    let ours = |frame: &&[u8]| frame.get(8..16) == Some(salts);
    let behind = |at: usize| frames[at + 1..].iter().filter(|frame| ours(frame)).count() as u64;
    for (at, frame) in frames.iter().enumerate() {
        // Frames of an earlier round lie behind the end.
        if !ours(frame) && behind(at) == 0 {
            return None;
        }
        sum.add(&frame[..8.min(frame.len())]);
        sum.add(frame.get(FRAME_HEADER..).unwrap_or_default());
        let whole = frame.len() == FRAME_HEADER + page;
        if !whole || !ours(frame) || sum.pair != (word(frame, 4), word(frame, 5)) {
            let frame = at as u64 + 1;
            let lost = behind(at);
            return Some(Torn { frame, lost });
        }
    }
    None
}

/// SQLite's checksum over pairs of words.
struct Sum {
    big: bool,
    pair: (u32, u32),
}

impl Sum {
    fn new(big: bool) -> Self {
        Self { big, pair: (0, 0) }
    }

    fn add(&mut self, bytes: &[u8]) {
        let word = |bytes: &[u8; 4]| match self.big {
            true => u32::from_be_bytes(*bytes),
            false => u32::from_le_bytes(*bytes),
        };
        let (mut a, mut b) = self.pair;
        for [first, second] in bytes.as_chunks::<4>().0.as_chunks::<2>().0 {
            a = a.wrapping_add(word(first)).wrapping_add(b);
            b = b.wrapping_add(word(second)).wrapping_add(a);
        }
        self.pair = (a, b);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// A log with some transactions in it.
    fn log() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("some.db");
        let conn = Connection::open(&path).unwrap();
        let round = "CREATE TABLE IF NOT EXISTS t(x); INSERT INTO t VALUES(zeroblob(3000));";
        conn.execute_batch("PRAGMA journal_mode = WAL").unwrap();
        // A longer round before, whose frames lie behind those of the last one.
        (0..9).for_each(|_| conn.execute_batch(round).unwrap());
        conn.execute_batch("PRAGMA wal_checkpoint(RESTART)")
            .unwrap();
        (0..4).for_each(|_| conn.execute_batch(round).unwrap());
        std::fs::read(dir.path().join("some.db-wal")).unwrap()
    }

    #[test]
    fn a_log_of_two_rounds_is_whole() {
        assert_eq!(torn(&log()), None);
        assert_eq!(torn(&[]), None);
    }

    #[test]
    fn any_bit_of_what_is_not_read_yet_counts() {
        let log = log();
        let frames = 8;
        for at in (0..HEADER + frames * (FRAME_HEADER + 4096)).step_by(37) {
            let mut flipped = log.clone();
            flipped[at] ^= 1 << (at % 8);
            let in_frame = at.checked_sub(HEADER).map(|at| at % (FRAME_HEADER + 4096));

            let found = torn(&flipped);

            // A salt that flipped makes its frame look like one of another round.
            let salt = in_frame.is_some_and(|at| (8..16).contains(&at));
            assert!(found.is_some() || salt, "{at}");
        }
    }

    #[test]
    fn a_frame_that_was_cut_is_torn() {
        let log = log();
        let torn = torn(&log[..HEADER + 3 * (FRAME_HEADER + 4096) + 100]);

        assert_eq!(torn, Some(Torn { frame: 4, lost: 0 }));
    }
}
