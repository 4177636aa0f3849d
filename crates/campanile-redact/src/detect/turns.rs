//! Numbers that are said over several turns, each group repeated by who listens.
//!
//! ```text
//! caller: four two one one      agent: okay four two one one      caller: nine nine oh two   …
//! ```

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::run::Run;
use crate::speech::skip_fillers;
use crate::token::Text;

/// Who speaks, and what stands around it in a list of messages.
const SPEAKERS: &[&str] = &[
    "caller",
    "agent",
    "customer",
    "user",
    "bot",
    "assistant",
    "client",
    "operator",
    "rep",
    "human",
    "ai",
    "speaker",
    "guest",
    "host",
    "patient",
    "me",
    "you",
    "role",
    "content",
    "text",
];
/// What they say beside digits.
const POLITE: &[&str] = &[
    "thank", "thanks", "please", "sure", "go", "ahead", "great", "perfect", "correct", "sir",
    "uhhuh",
];
/// Digits of one turn.
const DIGITS: std::ops::RangeInclusive<usize> = 2..=10;
/// Tokens between two groups at most.
const BETWEEN: usize = 8;
/// Groups of one number at least, those that are repeated included.
const LEAST: usize = 3;
/// Groups of one number at most, those that are repeated included.
const GROUPS: usize = 40;

/// The groups of the number that is being said.
#[derive(Default)]
pub(super) struct Turns {
    groups: Vec<Group>,
}

struct Group {
    start: usize,
    end: usize,
    last: usize,
    digits: [u8; *DIGITS.end()],
    count: usize,
}

/// Takes the next run. One that does not go on ends the number before.
pub(super) fn note(scan: &mut Scan<'_>, run: &Run) {
    let last = scan.turns.groups.last().map(|group| group.last);
    let goes_on = last.is_some_and(|last| is_next_turn(&scan.text, last, run.tokens.0));
    if !goes_on || scan.turns.groups.len() >= GROUPS {
        finish(scan);
    }
    if DIGITS.contains(&run.count) {
        let mut digits = [0; *DIGITS.end()];
        digits[..run.count].copy_from_slice(run.digits());
        scan.turns.groups.push(Group {
            start: run.start,
            end: run.end,
            last: run.tokens.1,
            digits,
            count: run.count,
        });
    }
}

/// The number is over: all its groups are found, when they are enough for one.
pub(super) fn finish(scan: &mut Scan<'_>) {
    if scan.turns.groups.len() < LEAST {
        return scan.turns.groups.clear();
    }
    let mut groups = std::mem::take(&mut scan.turns.groups);
    let mut count = 0;
    for (at, group) in groups.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &groups[before]);
        let repeated = before
            .is_some_and(|before| (before.count, before.digits) == (group.count, group.digits));
        count += if repeated { 0 } else { group.count };
    }
    let kind = match count {
        10 | 11 => Kind::Phone,
        13..=19 => Kind::Card,
        _ => Kind::Number,
    };
    if count >= 7 {
        for group in &groups {
            scan.add(Find::new(group.start, group.end, kind, "said_in_turns"));
        }
    }
    groups.clear();
    scan.turns.groups = groups;
}

/// Whether nothing but another speaker and what people say between digits stands between two tokens.
fn is_next_turn(text: &Text<'_>, last: usize, first: usize) -> bool {
    if first <= last + 1 || first - last > BETWEEN {
        return false;
    }
    let (mut next, mut spoken) = (last + 1, false);
    while next < first {
        let (behind, _) = skip_fillers(text, next);
        if behind > next {
            next = behind;
        } else if text.is_any(next, SPEAKERS) {
            (next, spoken) = (next + 1, true);
        } else if text.is_any(next, POLITE) || text.bits(next) & mean::FILLER != 0 {
            next += 1;
        } else {
            return false;
        }
    }
    spoken
}
