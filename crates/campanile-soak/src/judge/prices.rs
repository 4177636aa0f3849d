//! What the providers of the soak ask for, written down apart from the price book: the other side of a comparison.
//!
//! A published price that changes is changed here as well, by hand: that is the point.

use crate::journal::BillLine;
use campanile::Money;

/// Grains in a millionth of a dollar.
const MICRO_USD: i128 = Money::GRAINS_PER_USD / 1_000_000;

/// What a line of a bill costs, to the grain.
pub(crate) fn cost(line: &BillLine) -> Money {
    let count = |n: u64| i128::from(n);
    Money::from_grains(match line.provider.as_str() {
        // gpt-4o-mini: $0.15, $0.075 and $0.60 a million tokens.
        "openai" => {
            let fresh = count(line.prompt - line.cached);
            let thousandths = fresh * 150 + count(line.cached) * 75 + count(line.completion) * 600;
            thousandths * MICRO_USD / 1_000
        }
        // nova-3, streamed: $0.0048 a minute.
        "deepgram" => count(line.audio_us) * (4_800 * MICRO_USD / 60_000_000),
        // sonic-2: $50 a million characters.
        "cartesia" => count(line.characters) * 50 * MICRO_USD,
        _ => 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_a_million_tokens_and_a_million_characters() {
        let line = |provider: &str| BillLine {
            provider: provider.into(),
            ..BillLine::default()
        };
        let usd = |text| Money::from_usd(text).unwrap();

        let tokens = BillLine {
            prompt: 1_000_000,
            completion: 1_000_000,
            ..line("openai")
        };
        assert_eq!(cost(&tokens), usd("0.75"));
        assert_eq!(
            cost(&BillLine {
                audio_us: 60_000_000,
                ..line("deepgram")
            }),
            usd("0.0048")
        );
        assert_eq!(
            cost(&BillLine {
                characters: 1_000_000,
                ..line("cartesia")
            }),
            usd("50")
        );
        // Nothing is lost to rounding: a microsecond and a token are whole grains.
        assert_eq!(4_800 * MICRO_USD % 60_000_000, 0);
        assert_eq!(75 * MICRO_USD % 1_000, 0);
    }
}
