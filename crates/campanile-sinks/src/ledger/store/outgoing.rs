//! What remote sinks are to be told of a transaction.

use rusqlite::Connection;

/// Calls that a transaction has written something about, as they came, and then folds. A call may be among them more than
/// once: each time under a higher number.
#[derive(Debug)]
pub(super) struct Outgoing {
    last: i64,
    calls: Vec<[u8; 16]>,
    folds: Vec<[u8; 24]>,
}

impl Outgoing {
    /// Numbers go on after `last`.
    pub(super) fn after(last: i64) -> Self {
        Self {
            last,
            calls: Vec::new(),
            folds: Vec::new(),
        }
    }

    pub(super) fn call(&mut self, id: &[u8; 16]) {
        if self.calls.last() != Some(id) {
            self.calls.push(*id);
        }
    }

    pub(super) fn fold(&mut self, run: i64, seq: i64) {
        self.folds.push(fold_key(run, seq));
    }

    pub(super) fn write(self, conn: &Connection) -> rusqlite::Result<()> {
        let mut insert = conn.prepare_cached("INSERT INTO outbox VALUES(?1, ?2)")?;
        let calls = self.calls.iter().map(|id| &id[..]);
        let folds = self.folds.iter().map(|key| &key[..]);
        for (seq, call) in (self.last + 1..).zip(calls.chain(folds)) {
            insert.execute((seq, call))?;
        }
        Ok(())
    }
}

/// How a fold stands in the outbox: as long as no id of a call.
fn fold_key(run: i64, seq: i64) -> [u8; 24] {
    let mut key = *b"fold                    ";
    key[8..16].copy_from_slice(&run.to_be_bytes());
    key[16..].copy_from_slice(&seq.to_be_bytes());
    key
}

/// The run and the number of a fold that stands so in the outbox.
pub(crate) fn fold_of(key: &[u8]) -> Option<(i64, i64)> {
    let (run, seq) = key.get(8..24)?.split_at(8);
    let int = |bytes: &[u8]| bytes.try_into().map(i64::from_be_bytes).ok();
    Some((int(run)?, int(seq)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fold_is_found_by_what_stands_for_it() {
        for fold in [(1, 1), (7, i64::MAX), (i64::MIN, -3)] {
            assert_eq!(fold_of(&fold_key(fold.0, fold.1)), Some(fold));
        }
        assert_eq!(fold_of(b"fold"), None);
    }
}
