//! How much was masked, by type: how operators see that redaction works.

use crate::fault::Fault;
use campanile_sinks::ledger::{Query, Reader};
use std::{collections::BTreeMap, ops::ControlFlow};

/// Counting reads each call; of more than these it is done only when it is asked for.
const QUICK: u64 = 50_000;

/// Finds that were masked in texts of calls, by type.
#[derive(Default)]
pub(super) struct Masked(pub(super) BTreeMap<String, u64>);

impl Masked {
    /// `None`: there are too many calls to count by the way.
    pub(super) fn of(
        reader: &Reader,
        query: &Query,
        calls: u64,
        asked: bool,
    ) -> Result<Option<Self>, Fault> {
        if calls > QUICK && !asked {
            return Ok(None);
        }
        let mut sums: BTreeMap<String, u64> = BTreeMap::new();
        let each = |call: campanile_sinks::ledger::LedgerCall| {
            for (kind, count) in call.redactions {
                *sums.entry(kind).or_default() += u64::from(count);
            }
            ControlFlow::Continue(())
        };
        reader.calls(query, each).map_err(Fault::usage)?;
        Ok(Some(Self(sums)))
    }

    /// `masked: CARD 3, EMAIL 1`
    pub(super) fn line(&self) -> String {
        let counts = self.0.iter().map(|(kind, count)| format!("{kind} {count}"));
        match self.0.is_empty() {
            true => "masked: nothing".to_owned(),
            false => format!("masked: {}", counts.collect::<Vec<_>>().join(", ")),
        }
    }
}
