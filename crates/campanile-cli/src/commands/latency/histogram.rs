//! How times are distributed.

use super::{Measured, What, title};
use crate::{
    Io,
    fault::Fault,
    moment,
    table::{Cell, Table, Tone, grouped},
    text,
};
use campanile_sinks::ledger::Sketch;

/// Rows at most.
const ROWS: usize = 16;
const BAR: u64 = 40;

/// Of turns, and of the first item of each group.
pub(super) fn draw(measured: &Measured, io: &mut Io<'_>) -> Result<(), Fault> {
    one("user to bot", &measured.turns.user_to_bot, io)?;
    for (keys, group) in &measured.groups {
        let keys: Vec<&str> = keys
            .iter()
            .filter(|key| !key.is_empty())
            .map(String::as_str)
            .collect();
        let name = format!("{}: {}", What::FirstItem.title(), keys.join(" "));
        one(&text::clean(&name), group.all.of(What::FirstItem), io)?;
    }
    Ok(())
}

fn one(name: &str, sketch: &Sketch, io: &mut Io<'_>) -> Result<(), Fault> {
    if sketch.count() == 0 {
        return Ok(());
    }
    title(name, io)?;
    let bins = bins(sketch, ROWS);
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1);
    let mut table = Table::new(&[">from", ">to", "", ">n", ">share"]);
    for bin in bins {
        let tenths = bin.count * 1_000 / sketch.count();
        table.row(vec![
            Cell::new(moment::span(bin.low)),
            Cell::new(moment::span(bin.high)),
            Cell::new(bar(bin.count, most)),
            Cell::new(grouped(bin.count)),
            Cell::new(format!("{}.{} %", tenths / 10, tenths % 10)).tone(Tone::Dim),
        ]);
    }
    Ok(table.draw(&mut io.out, io.terminal.colours)?)
}

/// Times from `low` to below `high`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bin {
    pub(crate) low: u64,
    pub(crate) high: u64,
    pub(crate) count: u64,
}

/// At most `most` bins of the same ratio, from the shortest to the longest time.
pub(crate) fn bins(sketch: &Sketch, most: usize) -> Vec<Bin> {
    // So many parts of a power of two are one bin.
    for parts in [8_u32, 4, 2, 1] {
        let bins = binned(sketch, parts);
        if bins.len() <= most || parts == 1 {
            return bins;
        }
    }
    Vec::new()
}

fn binned(sketch: &Sketch, parts: u32) -> Vec<Bin> {
    let mut bins: Vec<Bin> = Vec::new();
    for (low, _, count) in sketch.buckets() {
        let (begin, end) = bounds(low, parts);
        while bins.last().is_some_and(|last| last.high < begin) {
            let low = bins.last().map_or(begin, |last| last.high);
            let (low, high) = bounds(low, parts);
            bins.push(Bin {
                low,
                high,
                count: 0,
            });
        }
        match bins.last_mut() {
            Some(last) if last.low == begin => last.count += count,
            _ => bins.push(Bin {
                low: begin,
                high: end,
                count,
            }),
        }
    }
    bins
}

/// The bin that a time is in: `parts` to a power of two.
fn bounds(us: u64, parts: u32) -> (u64, u64) {
    let power = us.max(1).ilog2();
    let width = (1_u64 << power) / u64::from(parts);
    if width == 0 {
        return (us, us + 1);
    }
    let begin = us / width * width;
    (begin, begin.saturating_add(width))
}

/// Blocks, to an eighth.
fn bar(count: u64, most: u64) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = (count * BAR * 8).div_ceil(most);
    let (whole, part) = (eighths / 8, eighths % 8);
    "█".repeat(whole as usize) + EIGHTHS[part as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_hold_every_time_and_have_no_holes() {
        let mut sketch = Sketch::default();
        for us in [0, 1, 700, 900, 1_000, 1_024, 5_000_000] {
            sketch.add(us);
        }

        let bins = bins(&sketch, 40);

        assert_eq!(bins.iter().map(|bin| bin.count).sum::<u64>(), 7);
        assert!(
            bins.windows(2).all(|pair| pair[0].high == pair[1].low),
            "{bins:?}"
        );
        assert!(bins.len() <= 40);
    }

    #[test]
    fn bars_are_as_long_as_counts() {
        assert_eq!(bar(0, 10), "");
        assert_eq!(bar(10, 10), "█".repeat(40));
        assert_eq!(bar(1, 320), "▏");
    }
}
