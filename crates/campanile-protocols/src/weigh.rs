//! How many tokens a text likely is, without a tokenizer: for replies that are cut off before they report.
//!
//! Tokenizers in use cut a text into words first, and most words are one token. Long words, numbers, rows of
//! punctuation and other scripts are more. The bounds hold what models of 20 makers have reported for recorded answers.

use campanile_core::Made;

/// What a text weighs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Words, numbers, rows of marks, breaks.
    pub(crate) words: u32,
    /// Thousandths of a token, at least and at most.
    pub(crate) least: u32,
    pub(crate) most: u32,
}

/// What a run of one class weighs, in thousandths of a token: at least and at most, of its first characters and of
/// each one beyond them.
struct Run {
    first: (u32, u32),
    short: u32,
    beyond: (u32, u32),
}

/// Common words are one token; names and what is made up are not.
const LETTERS: Run = Run {
    first: (960, 1_250),
    short: 7,
    beyond: (60, 280),
};
/// Some tokenizers take digits one by one, others three at once.
const DIGITS: Run = Run {
    first: (300, 1_400),
    short: 1,
    beyond: (300, 1_000),
};
/// A mark may be one token with the break behind it; a row of them is few.
const MARKS: Run = Run {
    first: (620, 1_250),
    short: 2,
    beyond: (60, 700),
};
const BREAKS: Run = Run {
    first: (250, 1_000),
    short: 1,
    beyond: (0, 300),
};
const BLANKS: Run = Run {
    first: (200, 1_060),
    short: 2,
    beyond: (0, 60),
};
/// Bytes of other scripts.
const FOREIGN: Run = Run {
    first: (150, 700),
    short: 1,
    beyond: (150, 700),
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Digit,
    Blank,
    Break,
    Mark,
    Foreign,
}

/// The class of each byte: looked up, for a text's bytes follow no order that a processor could guess.
const CLASSES: [Class; 256] = {
    let mut classes = [Class::Mark; 256];
    let mut byte = 0;
    while byte < 256 {
        classes[byte] = class_of(byte as u8);
        byte += 1;
    }
    classes
};

fn class(byte: u8) -> Class {
    CLASSES[usize::from(byte)]
}

const fn class_of(byte: u8) -> Class {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' => Class::Letter,
        b'0'..=b'9' => Class::Digit,
        b' ' => Class::Blank,
        b'\n' | b'\r' | b'\t' => Class::Break,
        0x80.. => Class::Foreign,
        _ => Class::Mark,
    }
}

/// Walks over a text, class by class.
#[derive(Default)]
struct Scale {
    weight: Weight,
    run: Option<(Class, u32)>,
}

impl Scale {
    fn take(&mut self, class: Class) {
        match &mut self.run {
            Some((same, length)) if *same == class => *length = length.saturating_add(1),
            _ => {
                self.over();
                self.run = Some((class, 1));
            }
        }
    }

    /// The run is over.
    fn over(&mut self) {
        let Some((class, length)) = self.run.take() else {
            return;
        };
        let (words, run) = match class {
            Class::Letter => (1, LETTERS),
            Class::Digit => (1, DIGITS),
            Class::Mark => (1, MARKS),
            Class::Break => (1, BREAKS),
            // One blank is part of the word after it.
            Class::Blank if length == 1 => return,
            Class::Blank => (1, BLANKS),
            Class::Foreign => (length.div_ceil(4), FOREIGN),
        };
        let beyond = length.saturating_sub(run.short);
        let weigh = |first: u32, each: u32| first.saturating_add(beyond.saturating_mul(each));
        self.weight = self.weight.and(Weight {
            words,
            least: weigh(run.first.0, run.beyond.0),
            most: weigh(run.first.1, run.beyond.1),
        });
    }
}

/// Weighs a text.
pub(crate) fn text(text: &str) -> Weight {
    let mut scale = Scale::default();
    for byte in text.bytes() {
        scale.take(class(byte));
    }
    scale.over();
    scale.weight
}

/// The tokens of a text where a word is cut after each fourth letter, and each mark stands by itself.
pub(crate) fn in_fours(text: &str) -> u64 {
    let (mut tokens, mut letters, mut blank) = (0, 0_u32, false);
    for char in text.chars() {
        if char.is_alphanumeric() {
            tokens += u64::from(letters.is_multiple_of(4));
            letters += 1;
        } else {
            // A blank goes with what is behind it.
            tokens += u64::from(char != ' ' || blank);
            letters = 0;
        }
        blank = char == ' ';
    }
    tokens + u64::from(blank)
}

/// Weighs a raw JSON string: what its escapes stand for counts, not how they are written.
pub(crate) fn json(raw: &str) -> Weight {
    let mut scale = Scale::default();
    let inner = raw.strip_prefix('"').unwrap_or(raw);
    let mut bytes = inner.strip_suffix('"').unwrap_or(inner).bytes();
    while let Some(byte) = bytes.next() {
        match (byte, byte == b'\\') {
            (_, false) => scale.take(class(byte)),
            (_, true) => match bytes.next() {
                Some(b'n' | b'r' | b't') => scale.take(Class::Break),
                Some(b'u') => {
                    bytes.by_ref().take(4).for_each(drop);
                    scale.take(Class::Foreign);
                    scale.take(Class::Foreign);
                }
                _ => scale.take(Class::Mark),
            },
        }
    }
    scale.over();
    scale.weight
}

const TOKEN: u32 = 1_000;

impl Weight {
    pub(crate) fn and(self, other: Weight) -> Weight {
        Weight {
            words: self.words.saturating_add(other.words),
            least: self.least.saturating_add(other.least),
            most: self.most.saturating_add(other.most),
        }
    }

    /// A delta on a wire that sends each token by itself, or else a piece of any size.
    pub(crate) fn delta(self, one_token: bool) -> Made {
        // A word, or a mark with a break behind it. Some tokens have no text.
        if one_token && self.words <= 2 {
            return Made {
                least: TOKEN,
                most: Some(TOKEN + TOKEN / 16),
            };
        }
        Made {
            least: self.least.max(TOKEN),
            most: Some(self.most.max(TOKEN)),
        }
    }

    /// Arguments of calls, thoughts: a piece costs a few tokens beside its text.
    pub(crate) fn unspoken(self) -> Made {
        const AROUND: u32 = 8 * TOKEN;
        Made {
            least: (self.least / 2).max(TOKEN),
            most: Some(self.most.saturating_add(AROUND)),
        }
    }
}

/// A tenth more at most, for a tokenizer that cuts fine.
pub(crate) fn finer(made: Made) -> Made {
    Made {
        most: made.most.map(|most| most.saturating_add(most / 10)),
        ..made
    }
}

/// A piece of which nobody can say how much stands behind it.
pub(crate) const HIDDEN: Made = Made {
    least: TOKEN,
    most: None,
};

/// Providers whose streams send each token by itself.
const ONE_TOKEN: [&str; 17] = [
    "openai",
    "azure",
    "azure_openai",
    "azure-openai",
    "github-copilot",
    "groq",
    "deepseek",
    "perplexity",
    "writer",
    "ollama",
    "lmstudio",
    "llamacpp",
    "mistralrs",
    "crusoe",
    "vllm",
    "openai-compatible-local",
    "chatgpt-codex",
];

pub(crate) fn sends_tokens(provider: &str) -> bool {
    ONE_TOKEN.contains(&provider)
}

/// What the name of a model says of how its tokens compare with what is seen of them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Habits {
    /// It may think what no stream shows, and bill it.
    pub(crate) thinks_in_secret: bool,
    /// Of its thoughts a summary is shown.
    pub(crate) sums_up_thoughts: bool,
    /// Its tokenizer cuts finer than others': see [`finer`].
    pub(crate) cuts_fine: bool,
}

impl Habits {
    pub(crate) fn of(model: &str) -> Self {
        let claude = model.contains("claude");
        Self {
            thinks_in_secret: thinks_in_secret(model),
            sums_up_thoughts: claude,
            cuts_fine: claude,
        }
    }
}

/// Whether a model of that name may think what no stream shows, and bill it.
fn thinks_in_secret(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let major = |family: &str| {
        let rest = name.strip_prefix(family)?;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    let from = |family: &str, first: u32| major(family).is_some_and(|major| major >= first);
    let is_o = name
        .strip_prefix('o')
        .is_some_and(|rest| rest.starts_with(|char: char| char.is_ascii_digit()));
    is_o || name.starts_with("codex")
        || name.contains("reason")
        || name.contains("deep-research")
        || (from("gpt-", 5) && !name.contains("-chat"))
        || from("gemini-", 3)
        || name.starts_with("gemini-2.5")
        || from("grok-", 4)
        || name.starts_with("grok-3-mini")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_numbers_and_marks_have_their_weight() {
        for (said, words) in [
            ("Hello", 1),
            (" there", 1),
            ("Hello there, how are you?", 7),
            ("12345", 1),
            ("a\n\nb", 3),
            ("", 0),
            ("日本語", 3),
        ] {
            assert_eq!(text(said).words, words, "{said}");
        }
        // What OpenAI's tokenizer makes of it: 10 tokens.
        let fox = text("The quick brown fox jumps over the lazy dog.");
        assert!((8_000..10_001).contains(&fox.least), "{fox:?}");
        assert!((10_000..13_000).contains(&fox.most), "{fox:?}");
    }

    #[test]
    fn a_word_in_fours_is_a_token_for_each_begun_four() {
        for (text, tokens) in [
            (" capital of.", 4),
            ("12345678!", 3),
            ("a\nb", 3),
            ("", 0),
            ("  two", 2),
        ] {
            assert_eq!(in_fours(text), tokens, "{text}");
        }
    }

    #[test]
    fn escapes_weigh_what_they_stand_for() {
        let said = "He said \"no\":\n\tyes \\ maybe";
        let raw = serde_json::to_string(said).unwrap();

        assert_eq!(json(&raw), text(said));
        assert_eq!(json("\"\\u00e9\""), text("é"));
    }

    #[test]
    fn secretive_models_are_known_by_name() {
        for name in [
            "o3",
            "o4-mini",
            "gpt-5.2-2025-12-11",
            "openai/gpt-6-luna",
            "gemini-3-flash",
            "google/gemini-2.5-pro",
            "grok-4.5",
            "sonar-reasoning-pro",
        ] {
            assert!(thinks_in_secret(name), "{name}");
        }
        for name in [
            "gpt-4o",
            "gpt-4.1-mini",
            "gpt-5-chat-latest",
            "claude-sonnet-4-5",
            "llama-3.3-70b",
            "gemini-2.0-flash",
            "grok-3",
            "olmo-2",
            "sonar",
        ] {
            assert!(!thinks_in_secret(name), "{name}");
        }
    }
}
