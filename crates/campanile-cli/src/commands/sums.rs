//! Sums of calls, as tables and programs show them: what `report` and `sessions` have in common.

use crate::{
    moment,
    money::{Amount, Range},
    table::{Cell, Tone, grouped},
};
use campanile_core::{Cost, Evidence, Meter, Money, Usage, Waste};
use campanile_sinks::ledger::ReportRow;
use serde::Serialize;
use std::collections::BTreeMap;

/// Counts and amounts of a row, for programs.
#[derive(Serialize)]
pub(super) struct Sums<'a> {
    calls: u64,
    failed: u64,
    cancelled: u64,
    crashed: u64,
    open: u64,
    attempts: u64,
    usage: &'a Usage,
    cost: Amount,
    wasted: Amount,
    /// Kinds of which there is nothing are left out.
    wasted_by: BTreeMap<&'static str, Amount>,
    unpriced: u64,
    inexact: u64,
}

impl<'a> Sums<'a> {
    pub(super) fn of(row: &'a ReportRow) -> Self {
        Self {
            calls: row.calls,
            failed: row.failed,
            cancelled: row.cancelled,
            crashed: row.crashed,
            open: row.open,
            attempts: row.parts,
            usage: &row.usage,
            cost: Range::of(&row.cost).into(),
            wasted: Range::of(&row.wasted).into(),
            wasted_by: by_kind(row),
            unpriced: row.unpriced,
            inexact: row.inexact,
        }
    }
}

/// Names of the columns of [`cells`].
pub(super) const HEADS: [&str; 22] = [
    ">calls",
    ">failed",
    ">cut",
    ">crashed",
    ">open",
    ">tokens in",
    ">cached",
    ">tokens out",
    ">audio",
    ">speech",
    ">characters",
    ">cost",
    ">wasted",
    ">interrupted",
    ">unplayed",
    ">retries",
    ">speculation",
    ">keep-alive",
    ">failed cost",
    ">unpriced",
    ">inexact",
    "known as",
];

/// The columns of a sum, for people; zeros are left out, so that columns of nothing are not drawn.
pub(super) fn cells(row: &ReportRow) -> Vec<Cell> {
    let bad = |count: u64| Cell::count(count).tone(Tone::Bad);
    let mut cells = vec![
        Cell::new(grouped(row.calls)),
        bad(row.failed),
        Cell::count(row.cancelled),
        bad(row.crashed),
        Cell::count(row.open),
    ];
    cells.extend(used(&row.usage).map(Cell::new));
    cells.push(Cell::new(Range::of(&row.cost).shown()).tone(Tone::Bold));
    let wasted = Range::of(&row.wasted);
    cells.push(match wasted.is_nothing() {
        true => Cell::default(),
        false => Cell::new(wasted.shown()),
    });
    let kinds = Waste::ALL.map(|kind| row.wasted_by.get(kind));
    cells.extend(kinds.map(|cost| match cost {
        Some(cost) => Cell::new(Range::of(cost).shown()).tone(Tone::Dim),
        None => Cell::default(),
    }));
    cells.push(bad(row.unpriced));
    cells.push(Cell::count(row.inexact));
    let evidence = row.usage.evidence().map(Evidence::name);
    cells.push(Cell::new(evidence.unwrap_or_default()).tone(Tone::Dim));
    cells
}

/// Attempts that used nothing and cost nothing, of calls that count in other rows.
pub(super) fn is_nothing(row: &ReportRow) -> bool {
    let calls = row.calls + row.open;
    let unsure = row.unpriced + row.inexact;
    calls + unsure == 0 && row.usage.is_empty() && row.cost.at_most == Some(Money::ZERO)
}

/// Tokens in, cached and out, audio and speech as minutes, characters; empty where nothing was counted, `≥` where there
/// may be more.
pub(super) fn used(usage: &Usage) -> [String; 6] {
    use Meter::{
        AudioInputTokens, AudioOutputTokens, AudioUs, CacheWriteTokens, CachedAudioTokens,
        CachedImageTokens, CachedInputTokens, Characters, ImageInputTokens, ImageOutputTokens,
        InputTokens, LongCacheWriteTokens, OutputTokens, ReasoningTokens, ServerAudioUs, SocketUs,
        SpeechUs,
    };
    // Views of one thing; the longer one has seen all of it. How long a connection was open says how much was heard only where
    // nothing else does: those of a speaker are open, too.
    let audio = usage.at_least(AudioUs).max(usage.at_least(ServerAudioUs));
    let spoken = usage.at_least(SpeechUs).max(usage.at_least(Characters));
    let clock = match (audio, spoken) {
        (0, 0) => SocketUs,
        _ if usage.at_least(ServerAudioUs) == audio => ServerAudioUs,
        _ => AudioUs,
    };
    let fresh = [
        InputTokens,
        CacheWriteTokens,
        LongCacheWriteTokens,
        AudioInputTokens,
        ImageInputTokens,
    ];
    let cached = [CachedInputTokens, CachedAudioTokens, CachedImageTokens];
    let answer = [
        OutputTokens,
        ReasoningTokens,
        AudioOutputTokens,
        ImageOutputTokens,
    ];
    [
        counted(usage, &fresh, grouped),
        counted(usage, &cached, grouped),
        counted(usage, &answer, grouped),
        counted(usage, &[clock], moment::minutes),
        counted(usage, &[SpeechUs], moment::minutes),
        counted(usage, &[Characters], grouped),
    ]
}

fn counted(usage: &Usage, meters: &[Meter], show: impl Fn(u64) -> String) -> String {
    let counts = || meters.iter().filter_map(|meter| usage.get(*meter));
    let sum = counts().fold(0_u64, |sum, count| sum.saturating_add(count.at_least));
    let exact = counts().all(|count| count.is_exact());
    match (sum, exact) {
        (0, true) => String::new(),
        (sum, true) => show(sum),
        (sum, false) => format!("≥{}", show(sum)),
    }
}

/// Names of the columns of [`csv`].
pub(super) fn csv_heads() -> impl Iterator<Item = String> {
    let counts = [
        "calls",
        "failed",
        "cancelled",
        "crashed",
        "open",
        "attempts",
    ];
    let amounts = [
        "cost_usd_at_least",
        "cost_usd_at_most",
        "wasted_usd_at_least",
        "wasted_usd_at_most",
    ];
    let kinds = Waste::ALL
        .into_iter()
        .flat_map(|kind| ["least", "most"].map(|bound| format!("{}_usd_at_{bound}", kind.name())));
    let names = counts.into_iter().chain(Meter::ALL.map(Meter::name));
    let sure = ["unpriced", "inexact", "evidence"].map(str::to_owned);
    let names = names.chain(amounts).map(str::to_owned);
    names.chain(kinds).chain(sure)
}

/// The columns of a sum, for spreadsheets: lower bounds of counts, both bounds of amounts (empty: no upper bound).
pub(super) fn csv(row: &ReportRow) -> impl Iterator<Item = String> {
    let counts = [
        row.calls,
        row.failed,
        row.cancelled,
        row.crashed,
        row.open,
        row.parts,
    ];
    let meters = Meter::ALL.map(|meter| row.usage.at_least(meter));
    let nothing = Cost::nothing();
    let kinds = Waste::ALL.map(|kind| row.wasted_by.get(kind).unwrap_or(&nothing));
    let costs = [&row.cost, &row.wasted].into_iter().chain(kinds);
    let amounts = costs.flat_map(|cost| {
        let most = cost.at_most.map_or(String::new(), |most| most.to_string());
        [cost.at_least.to_string(), most]
    });
    let numbers = |numbers: Vec<u64>| numbers.into_iter().map(|number| number.to_string());
    numbers(counts.into_iter().chain(meters).collect())
        .chain(amounts)
        .chain(numbers(vec![row.unpriced, row.inexact]))
        .chain([row.usage.evidence().map_or("", Evidence::name).to_owned()])
        .collect::<Vec<_>>()
        .into_iter()
}

/// `interrupted $0.0020–0.0106, retries $0.1000`
pub(super) fn wasted_by(row: &ReportRow) -> String {
    let kinds = Waste::ALL.into_iter().filter_map(|kind| {
        let cost = Range::of(row.wasted_by.get(kind)?).shown();
        Some(format!("{} {cost}", kind.name().replace('_', "-")))
    });
    kinds.collect::<Vec<_>>().join(", ")
}

fn by_kind(row: &ReportRow) -> BTreeMap<&'static str, Amount> {
    let kinds = Waste::ALL.into_iter();
    kinds
        .filter_map(|kind| Some((kind.name(), Range::of(row.wasted_by.get(kind)?).into())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_connection_is_audio_only_where_nothing_else_says_what_was_heard() {
        let minute = 60_000_000;
        let with = |meters: &[(Meter, u64)]| {
            meters.iter().fold(Usage::new(), |usage, (meter, count)| {
                usage.with(*meter, *count, Evidence::Measured)
            })
        };
        let audio = |meters: &[(Meter, u64)]| used(&with(meters))[3].clone();

        assert_eq!(audio(&[(Meter::SocketUs, 3 * minute)]), "3:00");
        assert_eq!(
            audio(&[(Meter::AudioUs, minute), (Meter::SocketUs, 3 * minute)]),
            "1:00"
        );
        assert_eq!(
            audio(&[(Meter::AudioUs, minute), (Meter::ServerAudioUs, 2 * minute)]),
            "2:00"
        );
        assert_eq!(
            audio(&[(Meter::Characters, 12), (Meter::SocketUs, 3 * minute)]),
            ""
        );
        assert_eq!(
            audio(&[(Meter::SpeechUs, minute), (Meter::SocketUs, 3 * minute)]),
            ""
        );
    }
}
