//! What holds for every row and every usage.

use crate::common::*;
use campanile_core::{Billed, Cost, Count, Evidence, Meter, Money, Price, Terms, Usage};
use campanile_pricing::Book;
use proptest::prelude::*;

const MODELS: [(&str, &str); 8] = [
    ("openai", "gpt-4o-mini"),
    ("openai", "gpt-realtime"),
    ("openai", "gpt-6.1-sol"),
    ("google", "gemini-2.5-pro"),
    ("anthropic", "claude-haiku-5-5"),
    ("deepgram", "nova-3"),
    ("cartesia", "sonic-3"),
    ("groq", "whisper-large-v3"),
];

const TEXTS: [&str; 3] = [
    include_str!("../../prices/cartesia.toml"),
    include_str!("../../prices/deepgram.toml"),
    include_str!("../../prices/deepseek.toml"),
];

fn counts() -> impl Strategy<Value = Usage> {
    let count = (0_u64..400_000, 0_u64..400_000, any::<bool>());
    proptest::collection::vec((0..Meter::COUNT, count), 0..8).prop_map(|counts| {
        let mut usage = Usage::new();
        for (meter, (least, more, known)) in counts {
            let at_most = known.then_some(least + more);
            let count = Count {
                at_least: least,
                at_most,
                evidence: Evidence::Estimated,
            };
            usage.set(Meter::ALL[meter], count);
        }
        usage
    })
}

fn cost(model: (&str, &str), usage: &Usage) -> Cost {
    Book::standard().price(&Billed::new(model.0, model.1, usage, &streaming(), AT))
}

fn limits((provider, model): (&str, &str)) -> (Option<u64>, Option<u64>) {
    let book = Book::standard();
    let quote = book.resolve(provider, model, &streaming(), AT);
    quote.expect("a model of the book").row().limits()
}

proptest! {
    #[test]
    fn bounds_are_in_order_and_lines_sum_to_the_lower_one(model in 0..MODELS.len(), usage in counts()) {
        let cost = cost(MODELS[model], &usage);

        prop_assert!(cost.at_least >= Money::ZERO);
        prop_assert!(cost.at_most.is_none_or(|most| most >= cost.at_least));
        let lines = cost.lines.iter().try_fold(Money::ZERO, |sum, line| sum.checked_add(line.amount));
        prop_assert_eq!(lines, Some(cost.at_least));
        prop_assert!(cost.is_exact() || !cost.why.is_empty(), "a range without a reason");
    }

    #[test]
    fn an_exact_usage_inside_the_bounds_costs_an_amount_inside_the_bounds(
        model in 0..MODELS.len(), usage in counts(), part in 0_u64..=100,
    ) {
        let range = cost(MODELS[model], &usage);
        let mut inside = Usage::new();
        // What has no bound of its own is within what the model takes.
        let (prompt, answer) = limits(MODELS[model]);
        let within = |most: u64| [prompt, answer].into_iter().flatten().all(|limit| most <= limit);
        for (meter, count) in usage.iter() {
            let twice = Some(count.at_least * 2).filter(|most| within(*most));
            let most = count.at_most.or(twice).unwrap_or(count.at_least);
            inside.set(meter, Count::exact(count.at_least + (most - count.at_least) * part / 100, Evidence::Reported));
        }

        let point = cost(MODELS[model], &inside);

        prop_assert!(point.at_least >= range.at_least);
        if let Some(most) = range.at_most {
            prop_assert!(point.at_most.is_some_and(|point| point <= most), "{point:?} is not in {range:?}");
        }
    }

    #[test]
    fn a_broken_book_is_an_error_and_never_a_panic(
        file in 0..TEXTS.len(), at in 0_usize..100_000, cut in 0_usize..6, put in "[0-9a-z\"./ ={}-]{0,6}",
    ) {
        let mut text = TEXTS[file].to_owned();
        let (from, to) = (at % text.len(), (at % text.len() + cut).min(text.len()));
        if text.is_char_boundary(from) && text.is_char_boundary(to) {
            text.replace_range(from..to, &put);
        }

        if let Err(error) = Book::parse(&text) {
            prop_assert!(error.to_string().len() > 20, "{error}");
        }
    }

    #[test]
    fn a_bill_does_not_depend_on_where_it_is_cut(
        input in 0_u64..1 << 40, output in 0_u64..1 << 40, cut in 0_u64..=100,
    ) {
        let whole = |input, output| {
            let counts = [(Meter::InputTokens, input), (Meter::OutputTokens, output)];
            price("openai gpt-4o-mini", &counts, &Terms::default()).at_least
        };
        let (first, second) = (input / 100 * cut, output / 100 * cut);

        let sum = whole(first, second).checked_add(whole(input - first, output - second));

        prop_assert_eq!(sum, Some(whole(input, output)));
    }
}
