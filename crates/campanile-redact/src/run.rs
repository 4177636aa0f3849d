//! Runs of digits, written (`4111-1111 …`), spoken (`four one double one …`) or both in turn.

use crate::check;
use crate::lexicon::mean;
use crate::speech::{homophone, is_explained, pauses, skip_fillers, takes_back};
use crate::token::{Text, Token, is_space};

/// Digits kept of a run; more are counted only.
const KEPT: usize = 40;

/// One piece of a run: a group of numerals or a spoken number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    /// How many digits.
    pub(crate) length: usize,
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The byte that ends the gap behind it: `b'-'`, `b' '`, …
    pub(crate) gap: u8,
}

/// Digits that belong together.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// First and last token.
    pub(crate) tokens: (usize, usize),
    /// Digits, also those that were not kept.
    pub(crate) count: usize,
    digits: [u8; KEPT],
    pub(crate) groups: Vec<Group>,
    /// Number words in it.
    pub(crate) spoken: usize,
    /// `hundred`, `thousand`: a count, not a number to call.
    pub(crate) counted: bool,
    /// The length of its longest group.
    longest: usize,
    /// A written extension follows: `x123`, `ext. 123`.
    pub(crate) extended: bool,
    /// Somebody took back a digit in it: it has more than it should.
    pub(crate) corrected: bool,
}

impl Run {
    /// The run that starts at token `at`; `None` when no number starts there.
    pub(crate) fn parse(text: &Text<'_>, at: usize) -> Option<Self> {
        Self::parse_joined(text, at, joins)
    }

    /// The run that starts at token `at`, without numbers behind a space: `212-555-0123 415-555-0199` are two.
    pub(crate) fn parse_tight(text: &Text<'_>, at: usize) -> Option<Self> {
        Self::parse_joined(text, at, |gap| gap != b" " && joins(gap))
    }

    fn parse_joined(text: &Text<'_>, at: usize, joins: fn(&[u8]) -> bool) -> Option<Self> {
        let first = text.tokens.get(at)?;
        if !starts(text, at) {
            return None;
        }
        let mut run = Self {
            start: first.start,
            end: first.end,
            tokens: (at, at),
            count: 0,
            digits: [0; KEPT],
            groups: Vec::new(),
            spoken: 0,
            counted: false,
            longest: 0,
            extended: false,
            corrected: false,
        };
        let mut next = run.take(text, at);
        while let Some(number) = run.step(text, next, joins) {
            next = run.take(text, number);
            if run.extended {
                break;
            }
        }
        Some(run)
    }

    /// The digits that were kept.
    pub(crate) fn digits(&self) -> &[u8] {
        &self.digits[..self.count.min(KEPT)]
    }

    /// Whether its digits are a whole card.
    fn is_card(&self) -> bool {
        (13..=19).contains(&self.count)
            && check::luhn(self.digits())
            && check::issuer(self.digits())
    }

    /// The lengths of the groups are these.
    pub(crate) fn is_shaped(&self, lengths: &[usize]) -> bool {
        self.groups.len() == lengths.len()
            && self
                .groups
                .iter()
                .zip(lengths)
                .all(|(group, length)| group.length == *length)
    }

    /// Takes the number at token `at`; returns the token behind it.
    fn take(&mut self, text: &Text<'_>, at: usize) -> usize {
        let token = &text.tokens[at];
        let mut last = at;
        let from = self.count;
        if token.has(mean::REPEAT) {
            last = at + 1;
            let value = repeated(text, last);
            (0..token.value).for_each(|_| self.push(value));
            self.spoken += 1;
        } else if token.is_digits() {
            text.word(at).iter().for_each(|byte| self.push(byte - b'0'));
        } else if token.is_mixed() {
            let plain = text
                .word(at)
                .iter()
                .take_while(|byte| byte.is_ascii_digit());
            plain.for_each(|byte| self.push(byte - b'0'));
            self.extended = true;
        } else if token.has(mean::SPOKEN | mean::MAGNITUDE) {
            last = self.take_word(text, at);
        } else if let Some(value) = homophone(text, at) {
            self.push(value);
            self.spoken += 1;
        }
        let end = text.tokens[last].end;
        self.longest = self.longest.max(self.count - from);
        self.groups.push(Group {
            length: self.count - from,
            start: token.start,
            end,
            gap: 0,
        });
        (self.end, self.tokens.1) = (end, last);
        last + 1
    }

    fn take_word(&mut self, text: &Text<'_>, at: usize) -> usize {
        let token = &text.tokens[at];
        self.spoken += 1;
        if token.has(mean::MAGNITUDE) {
            self.take_magnitude(text, at);
        } else if token.has(mean::DIGIT) && is_plural(text, at + 1) {
            // `three fives`
            let value = text.tokens[at + 1].value;
            (0..token.value).for_each(|_| self.push(value));
            return at + 1;
        } else if token.has(mean::DIGIT) {
            self.push(token.value);
        } else if token.has(mean::TENS) {
            let unit = text
                .tokens
                .get(at + 1)
                .filter(|unit| unit.has(mean::DIGIT) && unit.value > 0);
            let joined = is_space(text.gap(at)) || text.gap(at) == b"-";
            if let (Some(unit), true) = (unit, joined) {
                self.push(token.value / 10);
                self.push(unit.value);
                self.spoken += 1;
                return at + 1;
            }
            self.push(token.value / 10);
            self.push(0);
        } else {
            self.push(1);
            self.push(token.value % 10);
        }
        at
    }

    /// `eight hundred five five five`: two zeros among digits, elsewhere a count.
    fn take_magnitude(&mut self, text: &Text<'_>, at: usize) {
        let digit = |at: usize| text.bits(at) & (mean::DIGIT | mean::REPEAT) != 0;
        let among = self.count >= 5 || digit(at + 1) && digit(at + 2);
        // `… five five five two thousand`, behind digits that were said one by one.
        let thousand = self.count >= 6 && !self.counted && text.is(at, "thousand");
        if among && text.is(at, "hundred") || thousand {
            (0..2 + usize::from(thousand)).for_each(|_| self.push(0));
        } else {
            self.counted = true;
        }
    }

    fn push(&mut self, digit: u8) {
        if let Some(place) = self.digits.get_mut(self.count) {
            *place = digit;
        }
        self.count += 1;
    }

    /// The token of the next number, when it belongs to this run.
    fn step(&mut self, text: &Text<'_>, next: usize, joins: fn(&[u8]) -> bool) -> Option<usize> {
        let (at, aside) = skip_fillers(text, next);
        let token = text.tokens.get(at)?;
        let gap = text.gap(at - 1);
        let number = token.is_number() && !is_explained(text, at)
            || token.has(mean::MAGNITUDE)
            || token.has(mean::REPEAT) && starts(text, at);
        let written = token.is_digits() && text.tokens[next - 1].is_digits() && at == next;
        let belongs = match () {
            () if number && written => {
                joins(gap)
                    || self.is_listed(text, next)
                    || self.is_dialled(text, next)
                    || self.is_dictated(text, next)
            }
            () if number && aside => self.goes_on(text, next, at),
            // `08685, and 51415` are two.
            () if number && self.is_another(text, next, at) => false,
            () if number => (next - 1..at).all(|at| speaks(text.gap(at))),
            () if at == next && self.is_heard(text, at) => true,
            () => at == next && joins(gap) && is_extended(text, at, token),
        };
        if !belongs {
            return None;
        }
        self.corrected |= aside && takes_back(text, next, at);
        if let Some(group) = self.groups.last_mut() {
            group.gap = text
                .gap(next - 1)
                .iter()
                .copied()
                .find(|byte| *byte != b' ')
                .unwrap_or(b' ');
        }
        Some(at)
    }
}

impl Run {
    /// `4111, 1111, 1111, 1111`: groups of one length that a recogniser has listed, but for the last of an odd card.
    fn is_listed(&self, text: &Text<'_>, next: usize) -> bool {
        let length = text.tokens[next].len();
        let alike = text.tokens[next - 1].len() == length && self.spoken == 0;
        let rest =
            length == 3 && self.count == 12 && self.groups.iter().all(|group| group.length == 4);
        text.gap(next - 1) == b", " && (alike && matches!(length, 1 | 4) || rest)
    }

    /// `0 7 5 4. 22 8, 304`: digits that were said one by one, or as words, go on behind the signs of a sentence.
    fn is_dictated(&self, text: &Text<'_>, next: usize) -> bool {
        let single = |group: &Group| group.length == 1 && group.gap != b',';
        let alone = self.groups.len() > 2 && self.groups.iter().take(3).all(single);
        matches!(text.gap(next - 1), b", " | b". " | b"... ")
            && text.tokens[next].len() <= 6
            && (self.spoken > 2 || alone)
    }

    /// Whether what comes behind an aside is the number again, from its start.
    fn is_repeated(&self, text: &Text<'_>, at: usize) -> bool {
        let digits = self.digits().iter().take(4);
        let again = |(place, digit): (usize, &u8)| {
            text.tokens
                .get(at + place)
                .is_some_and(|token| token.has(mean::DIGIT) && token.value == *digit)
        };
        self.count > 8 && digits.enumerate().all(again)
    }

    /// `08685, and 51415`: two numbers. Digits that were said one by one go on behind `and`.
    fn is_another(&self, text: &Text<'_>, next: usize, at: usize) -> bool {
        let dictated = self.groups.len() > 2
            && self.longest < 5
            && text.gap(next - 1) == b" "
            && text.tokens[at].len() < 5;
        // `919 and 555 oh one …`: an area and an exchange.
        let area = self.count <= 4 && text.bits(at + 1) & mean::SPOKEN != 0;
        let alone = text.tokens[at].is_digits() && self.spoken == 0;
        alone && text.is(next, "and") && !dictated && !area
    }

    /// `030/81883530`: an area and a number.
    fn is_dialled(&self, text: &Text<'_>, next: usize) -> bool {
        let area = self.groups.len() == 1 && (3..=5).contains(&self.count) && self.digits[0] == 0;
        area && text.gap(next - 1) == b"/" && (5..=9).contains(&text.tokens[next].len())
    }

    /// Whether digits go on behind an aside: `four one okay one one`. One alone may begin something else.
    fn goes_on(&self, text: &Text<'_>, next: usize, at: usize) -> bool {
        let near = |at: usize| text.gap(at).len() <= 4 && !text.gap(at).contains(&b'\n');
        // A recogniser has written the digits that it heard.
        let goes_on = |at: usize| text.tokens.get(at).is_some_and(Token::is_digits);
        let dictated = self.longest < 5
            && (self.groups.len() > 3
                || self.groups.len() > 1 && goes_on(at + 1)
                || goes_on(at + 1) && goes_on(at + 2));
        // `… so four one one one …`: the whole card again.
        let again = self.is_card() && (next..at).any(|at| text.is(at, "so"));
        if again || self.is_repeated(text, at) {
            return false;
        }
        let said = pauses(text, next, at)
            || self.spoken > 0
            || dictated
            || text.bits(at) & (mean::SPOKEN | mean::REPEAT) != 0;
        let (behind, _) = skip_fillers(text, at + 1);
        let number = |token: &Token| token.is_number() || token.has(mean::REPEAT | mean::MAGNITUDE);
        let added = if text.tokens[at].is_digits() {
            text.tokens[at].len()
        } else {
            1
        };
        let more = text.tokens.get(behind).is_none_or(number)
            || self.count >= 7 && takes_back(text, next, at) && !text.is(at + 1, "more")
            || text.bits(at) & mean::REPEAT != 0
            || matches!(self.count + added, 9 | 10 | 14..=16 | 19)
            || self.count == 10 && self.digits[0] == 1;
        said && more && (next - 1..at).all(near)
    }

    /// A word among spoken digits that sounds like one, with more behind it.
    fn is_heard(&self, text: &Text<'_>, at: usize) -> bool {
        let digit = |at: usize| text.bits(at) & (mean::SPOKEN | mean::REPEAT) != 0;
        // Nobody says these two in a sentence with numbers around.
        let odd = text.is_any(at, &["won", "ate"]);
        let more = digit(at + 1) && (digit(at + 2) || self.count > 5)
            || digit(at + 2) && homophone(text, at + 1).is_some();
        let many = digit(at + 1) && digit(at + 2) && digit(at + 3);
        self.spoken > 0
            && (self.count > 1 || odd || many)
            && homophone(text, at).is_some()
            && (more || homophone(text, at + 2).is_some())
    }
}

/// `1235x843`: the last group of a phone number with its extension.
fn is_extended(text: &Text<'_>, at: usize, token: &Token) -> bool {
    let word = text.word(at);
    let head = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    token.is_mixed() && head > 0 && matches!(word.get(head), Some(b'x' | b'X')) && {
        let tail = &word[head + 1..];
        !tail.is_empty() && tail.iter().all(u8::is_ascii_digit)
    }
}

fn starts(text: &Text<'_>, at: usize) -> bool {
    let Some(token) = text.tokens.get(at) else {
        return false;
    };
    token.is_number()
        || token.has(mean::REPEAT) && is_space(text.gap(at)) && is_repeatable(text, at + 1)
}

/// `fives`, right behind the number before: no digit alone ends with an s.
fn is_plural(text: &Text<'_>, at: usize) -> bool {
    let several = text.bits(at) & mean::DIGIT != 0 && text.word(at).ends_with(b"s");
    several && is_space(text.gap(at - 1))
}

fn is_repeatable(text: &Text<'_>, at: usize) -> bool {
    text.tokens
        .get(at)
        .is_some_and(|token| token.has(mean::DIGIT) || token.is_digits() && token.len() == 1)
}

fn repeated(text: &Text<'_>, at: usize) -> u8 {
    match text.tokens.get(at) {
        Some(token) if token.is_digits() => text.byte(token.start) - b'0',
        Some(token) => token.value,
        None => 0,
    }
}

/// Gaps inside a written number.
fn joins(gap: &[u8]) -> bool {
    matches!(
        gap,
        b" " | b"-" | b"." | b" - " | b") " | b")" | b" (" | b"-(" | b"(" | b")-" | b"  " | b" (0)"
    ) || matches!(
        gap,
        [0xc2, 0xa0] | [0xe2, 0x80, 0xaf] | [0xe2, 0x80, 0x89..=0x95]
    )
}

/// Gaps between spoken numbers.
fn speaks(gap: &[u8]) -> bool {
    gap.len() <= 4
        && !gap.is_empty()
        && gap
            .iter()
            .all(|byte| matches!(byte, b' ' | b'-' | b',' | b'.' | b'\t' | 0xc2 | 0xa0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digits(text: &str) -> String {
        let text = Text::new(text);
        let run = Run::parse(&text, 0).expect("starts with a number");
        run.digits()
            .iter()
            .map(|digit| char::from(digit + b'0'))
            .collect()
    }

    #[test]
    fn spoken_numbers_become_digits() {
        assert_eq!(
            digits("four oh four triple five oh double one three"),
            "4045550113"
        );
        assert_eq!(digits("twenty one fifty five nineteen oh five"), "21551905");
        assert_eq!(
            digits("one two um three and four then 5 6 stop 7"),
            "123456"
        );
        assert_eq!(digits("one eight hundred five five five two"), "18005552");
    }

    #[test]
    fn asides_and_words_that_sound_like_digits_join_too() {
        assert_eq!(digits("four one okay one two no wait three four"), "411234");
        assert_eq!(digits("four one one to three four"), "411234");
        assert_eq!(digits("two okay one more thing"), "2");
        assert_eq!(digits("nine to five"), "9");
    }

    #[test]
    fn written_groups_join_over_their_separators_only() {
        assert_eq!(digits("4746 - 6746-86.99 (12)"), "47466746869912");
        assert_eq!(digits("3661\u{a0}2232"), "36612232");
        assert_eq!(digits("12, 13"), "12");
        assert_eq!(digits("4111, 1111, 1111, 1111"), "4111111111111111");
        assert_eq!(digits("1-936-032-1235x843"), "19360321235");
    }
}
