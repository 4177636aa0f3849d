//! Durations, usage and costs as people read them.

use campanile_core::{Cost, Count, Evidence, Meter, Money, Span, Usage};

/// `0.4ms`, `412ms`, `1.31s`, `2m05s`.
pub(super) fn span(span: Span) -> String {
    let us = span.us();
    match us {
        0..1_000 => format!("0.{}ms", us / 100),
        1_000..1_000_000 => format!("{}ms", us / 1_000),
        1_000_000..100_000_000 => format!("{}.{:02}s", us / 1_000_000, us / 10_000 % 100),
        _ => format!("{}m{:02}s", us / 60_000_000, us / 1_000_000 % 60),
    }
}

const INPUT: [Meter; 8] = [
    Meter::InputTokens,
    Meter::CachedInputTokens,
    Meter::CacheWriteTokens,
    Meter::LongCacheWriteTokens,
    Meter::AudioInputTokens,
    Meter::CachedAudioTokens,
    Meter::ImageInputTokens,
    Meter::CachedImageTokens,
];
const OUTPUT: [Meter; 4] = [
    Meter::OutputTokens,
    Meter::ReasoningTokens,
    Meter::AudioOutputTokens,
    Meter::ImageOutputTokens,
];

/// `118→15 tok`, `3.2 s audio`, `42 chars`; `~` before what is not sure.
pub(super) fn usage(usage: &Usage) -> String {
    let mut parts = Vec::new();
    let (input, output) = (tokens(usage, &INPUT), tokens(usage, &OUTPUT));
    if input.is_some() || output.is_some() {
        let side = |tokens: Option<String>| tokens.unwrap_or_else(|| "?".to_owned());
        parts.push(format!("{}→{} tok", side(input), side(output)));
    }
    // Three clocks of one thing: the first that is there. How long a connection was open is told only where nothing else is.
    let has_more = [Meter::Characters, Meter::SpeechUs].map(|meter| usage.get(meter).is_some());
    let connected = usage
        .get(Meter::SocketUs)
        .filter(|_| has_more == [false; 2]);
    let audio = usage
        .get(Meter::AudioUs)
        .or(usage.get(Meter::ServerAudioUs));
    match (audio, connected) {
        (Some(count), _) => parts.push(format!("{} audio", seconds(count))),
        (None, Some(count)) => parts.push(format!("{} connected", seconds(count))),
        (None, None) => {}
    }
    if let Some(count) = usage.get(Meter::Characters) {
        parts.push(format!("{}{} chars", doubt(count), count.at_least));
    }
    if let Some(count) = usage.get(Meter::SpeechUs) {
        parts.push(format!("{} speech", seconds(count)));
    }
    parts.join(" ")
}

fn tokens(usage: &Usage, meters: &[Meter]) -> Option<String> {
    let counts: Vec<Count> = meters
        .iter()
        .filter_map(|meter| usage.get(*meter))
        .collect();
    let sum = counts
        .iter()
        .fold(0_u64, |sum, count| sum.saturating_add(count.at_least));
    let doubt = counts.iter().map(|count| doubt(*count)).max()?;
    Some(format!("{doubt}{sum}"))
}

fn seconds(count: Count) -> String {
    let tenths = count.at_least / 100_000;
    format!("{}{}.{} s", doubt(count), tenths / 10, tenths % 10)
}

fn doubt(count: Count) -> &'static str {
    match count.evidence {
        Evidence::Measured | Evidence::Reported => "",
        _ => "~",
    }
}

/// `$0.0003`, `$0.0002–0.0009`, `≥ $0.0001`, `$?`. A lower bound is rounded down, an upper one up.
pub(super) fn cost(cost: &Cost) -> String {
    if cost.is_exact() {
        return format!("${}", exact(cost.at_least));
    }
    let known = cost.at_least > Money::ZERO;
    match cost.at_most {
        None if known => format!(
            "≥ ${}",
            rounded(cost.at_least, places(cost.at_least), false)
        ),
        None => "$?".to_owned(),
        Some(most) => {
            let places = places(if known { cost.at_least } else { most });
            let least = match known {
                true => rounded(cost.at_least, places, false),
                false => "0".to_owned(),
            };
            format!("${least}–{}", rounded(most, places, true))
        }
    }
}

pub(super) fn exact(amount: Money) -> String {
    match amount == Money::ZERO {
        true => "0".to_owned(),
        false => amount.to_usd(places(amount)),
    }
}

/// Four places; two from a hundred dollars on; for tiny amounts, so many that two digits show.
fn places(amount: Money) -> u32 {
    let size = amount.grains().unsigned_abs();
    let dollar = Money::GRAINS_PER_USD.unsigned_abs();
    if size >= dollar * 100 {
        return 2;
    }
    let mut places = 4;
    while places < 18 && size.saturating_mul(10_u128.pow(places)) < dollar {
        places += 1;
        if size.saturating_mul(10_u128.pow(places)) >= dollar {
            return (places + 1).min(18);
        }
    }
    places
}

fn rounded(amount: Money, places: u32, up: bool) -> String {
    let unit = Money::GRAINS_PER_USD / 10_i128.pow(places);
    let down = amount.grains().div_euclid(unit) * unit;
    let rest = up && down != amount.grains();
    let bound = if rest {
        down.saturating_add(unit)
    } else {
        down
    };
    Money::from_grains(bound).to_usd(places)
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::Reason;

    fn usd(text: &str) -> Money {
        Money::from_usd(text).unwrap()
    }

    fn range(least: &str, most: Option<&str>) -> String {
        let mut range = Cost::unknown(Reason::UnknownUsage);
        range.at_least = usd(least);
        range.at_most = most.map(usd);
        cost(&range)
    }

    #[test]
    fn a_cost_says_what_is_not_known() {
        assert_eq!(cost(&Cost::exact(usd("0.00031"))), "$0.0003");
        assert_eq!(cost(&Cost::exact(usd("0.0000118"))), "$0.000012");
        assert_eq!(cost(&Cost::exact(usd("1234.5"))), "$1234.50");
        assert_eq!(cost(&Cost::nothing()), "$0");
        assert_eq!(range("0.00029", Some("0.00081")), "$0.0002–0.0009");
        assert_eq!(range("0", Some("0.0009")), "$0–0.0009");
        assert_eq!(range("0.00019", None), "≥ $0.0001");
        assert_eq!(range("0", None), "$?");
    }

    #[test]
    fn usage_marks_what_is_not_sure() {
        let exact = Usage::new()
            .with(Meter::InputTokens, 100, Evidence::Reported)
            .with(Meter::CachedInputTokens, 18, Evidence::Reported)
            .with(Meter::OutputTokens, 15, Evidence::Estimated);
        let spoken = Usage::new()
            .with(Meter::Characters, 42, Evidence::Measured)
            .with(Meter::SpeechUs, 2_150_000, Evidence::Measured);
        let heard = Usage::new()
            .with(Meter::AudioUs, 3_250_000, Evidence::Measured)
            .with(Meter::SocketUs, 9_000_000, Evidence::Measured);

        assert_eq!(usage(&exact), "118→~15 tok");
        assert_eq!(usage(&spoken), "42 chars 2.1 s speech");
        assert_eq!(usage(&heard), "3.2 s audio");
        let open = |usage: Usage| usage.with(Meter::SocketUs, 9_000_000, Evidence::Measured);
        assert_eq!(usage(&open(Usage::new())), "9.0 s connected");
        assert_eq!(usage(&open(spoken)), "42 chars 2.1 s speech");
    }

    #[test]
    fn spans_stay_short() {
        let text = |us: u64| span(Span(us * 1_000));
        assert_eq!(text(432), "0.4ms");
        assert_eq!(text(412_900), "412ms");
        assert_eq!(text(1_319_000), "1.31s");
        assert_eq!(text(125_000_000), "2m05s");
    }
}
