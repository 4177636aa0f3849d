//! Numbers that are said over several turns, each group repeated by who listens.
//!
//! ```text
//! caller: four two one one      agent: okay four two one one      caller: nine nine oh two   …
//! ```

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
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
    /// In words, or behind some: `okay four two`, `okay 42`.
    is_spoken: bool,
}

impl Group {
    fn repeats(&self, before: &Self) -> bool {
        (before.count, before.digits) == (self.count, self.digits)
    }
}

/// Takes the next run. One that does not go on ends the number before.
pub(super) fn note(scan: &mut Scan<'_>, run: &Run) {
    let last = scan.turns.groups.last().map(|group| group.last);
    let turn = last.and_then(|last| next_turn(&scan.text, last, run.tokens.0));
    if turn.is_none() || scan.turns.groups.len() >= GROUPS {
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
            is_spoken: run.spoken > 0 || turn == Some(Turn::Worded),
        });
    }
}

/// The number is over: all its groups are found, when they are enough for one.
pub(super) fn finish(scan: &mut Scan<'_>) {
    if scan.turns.groups.len() < LEAST {
        return scan.turns.groups.clear();
    }
    let mut groups = std::mem::take(&mut scan.turns.groups);
    let repeats = |at: usize| at > 0 && groups[at].repeats(&groups[at - 1]);
    let count: usize = (0..groups.len())
        .filter(|at| !repeats(*at))
        .map(|at| groups[at].count)
        .sum();
    // `user 12345 user 12346 …` is a log: nobody says a word, nobody listens.
    let heard = groups.iter().any(|group| group.is_spoken) || (0..groups.len()).any(repeats);
    let kind = match count {
        10 | 11 => Kind::Phone,
        13..=19 => Kind::Card,
        _ => Kind::Number,
    };
    if count >= 7 && heard {
        for group in &groups {
            scan.add(Find::new(group.start, group.end, kind, "said_in_turns"));
        }
    }
    groups.clear();
    scan.turns.groups = groups;
}

/// What stands between the digits of two turns.
#[derive(PartialEq, Eq)]
enum Turn {
    /// Another speaker.
    Bare,
    /// Another speaker, and what people say between digits.
    Worded,
}

/// What stands between two tokens; `None` when it is anything but a turn.
fn next_turn(text: &Text<'_>, last: usize, first: usize) -> Option<Turn> {
    if first <= last + 1 || first - last > BETWEEN {
        return None;
    }
    let (mut next, mut speaker, mut turn) = (last + 1, false, Turn::Bare);
    while next < first {
        let (behind, aside) = skip_fillers(text, next);
        let polite = behind == next && text.is_any(next, POLITE);
        if aside || polite {
            turn = Turn::Worded;
        }
        if behind > next || polite {
            next = behind.max(next + 1);
        } else if text.is_any(next, SPEAKERS) {
            (next, speaker) = (next + 1, true);
        } else {
            return None;
        }
    }
    speaker.then_some(turn)
}
