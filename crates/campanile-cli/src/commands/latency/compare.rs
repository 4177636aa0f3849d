//! The same measures at two times.

use super::{Measured, Moment, What, title};
use crate::{
    Io,
    commands::by::{By, key_cell},
    fault::Fault,
    moment,
    table::{Cell, Table, Tone, grouped},
};
use campanile_core::Timestamp;
use campanile_sinks::ledger::Sketch;
use std::io::Write;

/// Smaller changes may be the error of both, in thousandths.
const NOISE: i128 = 16;

/// The time that is compared with.
#[derive(Clone, Copy, Debug)]
pub(super) enum Other {
    /// As long, and directly before.
    Before,
    /// As long, from then on.
    At(Moment),
}

impl Other {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "before" => Ok(Self::Before),
            text => Moment::parse(text).map(Self::At),
        }
    }

    /// From when to when it goes.
    pub(super) fn range(
        self,
        since: Option<Timestamp>,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(Timestamp, Timestamp), Fault> {
        let since = since.ok_or_else(|| {
            Fault::Usage("--compare wants a time of some length: give --since".to_owned())
        })?;
        let length = until.0 - since.0;
        let begin = match self {
            Self::Before => since.0 - length,
            Self::At(at) => at.resolve(now).0,
        };
        Ok((Timestamp(begin), Timestamp(begin.saturating_add(length))))
    }
}

pub(super) fn table(
    now: &Measured,
    then: &Measured,
    by: &[By],
    io: &mut Io<'_>,
) -> Result<(), Fault> {
    let (from, to) = (then.since.unwrap_or_default(), then.until);
    let head = format!(
        "compared with {} to {}, UTC",
        moment::short(from),
        moment::short(to)
    );
    writeln!(io.out, "{}", Tone::Dim.paint(&head, io.terminal.colours))?;
    let turns = [&then.turns.user_to_bot, &now.turns.user_to_bot];
    if turns.iter().any(|sketch| sketch.count() > 0) {
        title("user to bot", io)?;
        let mut table = Table::new(&heads(&["turns".to_owned()]));
        table.row(cells(vec![Cell::new("all")], turns[0], turns[1]));
        table.draw(&mut io.out, io.terminal.colours)?;
    }
    let names: Vec<String> = by.iter().map(|by| by.name().into_owned()).collect();
    for what in What::ALL {
        let nothing = Sketch::default();
        let mut keys: Vec<_> = now.groups.keys().chain(then.groups.keys()).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut table = Table::new(&heads(&names));
        let mut any = false;
        for key in keys {
            let of = |measured: &Measured| {
                let group = measured.groups.get(key);
                group.map_or(&nothing, |group| group.all.of(what)).clone()
            };
            let (before, after) = (of(then), of(now));
            if before.count() + after.count() > 0 {
                any = true;
                table.row(cells(
                    key.iter().map(|key| key_cell(key)).collect(),
                    &before,
                    &after,
                ));
            }
        }
        if any {
            title(what.title(), io)?;
            table.draw(&mut io.out, io.terminal.colours)?;
        }
    }
    Ok(())
}

fn heads(names: &[String]) -> Vec<String> {
    let columns = [
        ">n then",
        ">n",
        ">p50 then",
        ">p50",
        ">change",
        ">p95 then",
        ">p95",
        ">change",
    ];
    names
        .iter()
        .cloned()
        .chain(columns.map(str::to_owned))
        .collect()
}

fn cells(mut keys: Vec<Cell>, then: &Sketch, now: &Sketch) -> Vec<Cell> {
    keys.extend([then, now].map(|sketch| Cell::new(grouped(sketch.count()))));
    for per_mille in [500, 950] {
        let values = [then, now].map(|sketch| sketch.quantile(per_mille));
        let shown = |us: Option<u64>| us.map_or_else(|| "–".to_owned(), moment::span);
        keys.extend(values.map(|us| Cell::new(shown(us))));
        keys.push(change(values[0], values[1]));
    }
    keys
}

/// By how much it grew or shrank; `≈` where that is less than what both may be off.
fn change(then: Option<u64>, now: Option<u64>) -> Cell {
    let (Some(then), Some(now)) = (then, now) else {
        return Cell::default();
    };
    if then == 0 {
        return Cell::default();
    }
    let thousandths = (i128::from(now) - i128::from(then)) * 1_000 / i128::from(then);
    if thousandths.abs() <= NOISE {
        return Cell::new("≈").tone(Tone::Dim);
    }
    let percent = (thousandths.abs() + 5) / 10;
    match thousandths > 0 {
        true => Cell::new(format!("+{percent} %")).tone(Tone::Bad),
        false => Cell::new(format!("−{percent} %")).tone(Tone::Good),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_where_it_is_one() {
        let text = |then, now| format!("{:?}", change(then, now));
        assert!(text(Some(1_000), Some(1_100)).contains("+10 %"));
        assert!(text(Some(1_000), Some(500)).contains("−50 %"));
        assert!(text(Some(1_000), Some(1_010)).contains("≈"));
        assert!(!text(None, Some(1)).contains('%'));
        assert!(!text(Some(0), Some(1)).contains('%'));
    }
}
