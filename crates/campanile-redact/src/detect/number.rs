//! Runs of digits: who of the number detectors gets them.

use super::{Scan, account, card, code, phone, social, told, turns};
use crate::cue::{self, Cue};
use crate::find::Find;
use crate::kind::Kind;
use crate::run::{Group, Run};
use crate::token::{Text, is_space};

/// A run with what stands around it.
pub(super) struct Candidate<'r> {
    pub(super) run: &'r Run,
    pub(super) cue: Option<Cue>,
    /// The byte before the run and, over `(`, before that.
    pub(super) plus: bool,
}

impl Candidate<'_> {
    pub(super) fn is(&self, cue: Cue) -> bool {
        self.cue == Some(cue)
    }

    pub(super) fn find(&self, kind: Kind, rule: &'static str) -> Find {
        Find::new(self.run.start, self.run.end, kind, rule)
    }
}

/// Reads the run at token `at`; returns the first token behind it.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) -> usize {
    let Some(run) = Run::parse(&scan.text, at) else {
        return at + 1;
    };
    let behind = run.tokens.1 + 1;
    turns::note(scan, &run);
    if let Some(behind) = card::listed(scan, &run) {
        return behind;
    }
    if run.count < 3 {
        return behind;
    }
    if is_array(&scan.text, &run) {
        return behind;
    }
    let plus = is_plus(&scan.text, &run);
    // What a `+` begins is no card, whatever its check digit says.
    let card = match plus && run.count <= 15 {
        true => None,
        false => card::written(scan, &run),
    };
    if let Some(end) = card {
        let next = scan.text.token_from(end);
        code::behind_card(scan, next);
        return behind;
    }
    if run.spoken == 0 && run.count > LONGEST && run.groups.len() > 2 {
        tight(scan, &run);
        return behind;
    }
    if run.spoken == 0 && !plus && is_glued(&scan.text, &run) {
        if let Some(find) = code::told(&scan.text, &run) {
            scan.add(find);
        }
        return behind;
    }
    name(scan, &run, plus);
    behind
}

/// `[1, 0, 0, …]`, `…, 0, 0, 88`: numbers of a program.
fn is_array(text: &Text<'_>, run: &Run) -> bool {
    let listed = |group: &Group| group.length == 1 && matches!(group.gap, b',' | 0);
    let opened = matches!(text.byte_before(run.start), b'[' | b'{' | b'(')
        || text.gap_before(run.tokens.0).starts_with(b",");
    run.spoken == 0
        && run.groups.len() > 2
        && run.groups.iter().all(listed)
        && (opened || matches!(text.byte(run.end), b',' | b']' | b'}'))
}

/// No written number is longer, but for cards: more digits are several numbers.
const LONGEST: usize = 19;

/// Reads the numbers of a list one by one.
fn tight(scan: &mut Scan<'_>, list: &Run) {
    let mut at = list.tokens.0;
    while at <= list.tokens.1 {
        let Some(run) = Run::parse_tight(&scan.text, at) else {
            break;
        };
        let plus = is_plus(&scan.text, &run);
        if (7..=LONGEST).contains(&run.count) && (plus || !is_glued(&scan.text, &run)) {
            name(scan, &run, plus);
        }
        at = run.tokens.1 + 1;
    }
}

/// Asks the number detectors, the surest first.
fn name(scan: &mut Scan<'_>, run: &Run, plus: bool) {
    let cue = cue::before(&scan.text, run.tokens.0).or_else(|| scan.after_phone(run));
    let candidate = Candidate { run, cue, plus };
    let found = if run.spoken == 0 {
        written(&scan.text, &candidate)
    } else {
        spoken(&scan.text, &candidate)
    };
    if let Some(mut find) = found {
        if let Some(start) = said_plus(&scan.text, run) {
            find.start = start;
        }
        if find.kind == Kind::Phone {
            scan.phone_until = run.tokens.1 + 1;
        }
        scan.add(find);
    }
}

impl Scan<'_> {
    /// Behind a phone number and a few words comes another one: `… or at …`.
    fn after_phone(&self, run: &Run) -> Option<Cue> {
        let between = self.phone_until..run.tokens.0;
        let or = between.len() <= 4
            && self.phone_until > 0
            && between
                .clone()
                .any(|at| self.text.is_any(at, &["or", "and", "otherwise", "else"]));
        or.then_some(Cue::Phone)
    }
}

/// Where the `plus` before a run starts: `plus four four …`.
fn said_plus(text: &Text<'_>, run: &Run) -> Option<usize> {
    let before = run.tokens.0.checked_sub(1)?;
    let said = text.is(before, "plus") && is_space(text.gap(before));
    said.then(|| text.tokens[before].start)
}

fn written(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    if is_date(candidate.run) {
        return None;
    }
    card::misheard(text, candidate)
        .or_else(|| social::find(candidate))
        .or_else(|| account::find(candidate))
        .or_else(|| code::find(text, candidate))
        .or_else(|| phone::written(text, candidate))
        .or_else(|| told::find(text, candidate))
}

/// `2024-12-26`, `26.12.2024`, `0.0.9 (2020-04-03`
fn is_date(run: &Run) -> bool {
    let lengths: Vec<usize> = run.groups.iter().map(|group| group.length).collect();
    if lengths.len() > 3 && lengths.ends_with(&[4, 2, 2]) {
        let dashes = run.groups[lengths.len() - 3..][..2]
            .iter()
            .all(|group| group.gap == b'-');
        let before = run.count.saturating_sub(8);
        let century = run.digits().get(before..before + 2);
        return dashes && matches!(century, Some([1, 9] | [2, 0]));
    }
    let shaped = matches!(lengths[..], [4, 1..=2, 1..=2] | [1..=2, 1..=2, 4]);
    let sign = run.groups[0].gap;
    let year = match lengths[..] {
        [4, ..] => &run.digits()[..2],
        _ => &run.digits()[run.digits().len().saturating_sub(4)..][..2],
    };
    shaped && matches!(sign, b'-' | b'.' | b'/') && matches!(year, [1, 9] | [2, 0])
}

fn spoken(text: &Text<'_>, candidate: &Candidate<'_>) -> Option<Find> {
    if candidate.run.counted && candidate.run.count < 8 {
        return None;
    }
    if candidate.cue.is_none() && is_counting(candidate.run) {
        return None;
    }
    social::find(candidate)
        .or_else(|| account::find(candidate))
        .or_else(|| code::find(text, candidate))
        .or_else(|| card::spoken(text, candidate))
        .or_else(|| phone::spoken(candidate))
        .or_else(|| any(candidate))
}

/// Seven digits that somebody says are somebody's number, whatever it is.
fn any(candidate: &Candidate<'_>) -> Option<Find> {
    let least = if candidate.is(Cue::Reference) { 12 } else { 7 };
    (candidate.run.count >= least).then(|| candidate.find(Kind::Number, "spoken_number"))
}

/// `4 1 1 1 …`: a recogniser has written what was said.
pub(super) fn is_digit_by_digit(run: &Run) -> bool {
    let alone = |group: &Group| group.length == 1 && group.gap != b'.';
    run.groups.iter().all(alone) && run.digits().iter().any(|digit| *digit > 1) && !is_counting(run)
}

/// `one two three …`, `ten nine eight …`.
pub(super) fn is_counting(run: &Run) -> bool {
    let mut digits = run.digits().iter();
    let mut value = |length: usize| {
        digits.by_ref().take(length).fold(0_u64, |sum, &digit| {
            (sum * 10).saturating_add(u64::from(digit))
        })
    };
    let values: Vec<u64> = run
        .groups
        .iter()
        .take(20)
        .map(|group| value(group.length))
        .collect();
    let steps = |step: i64| {
        values
            .windows(2)
            .all(|pair| pair[1].wrapping_sub(pair[0]) as i64 == step)
    };
    values.len() > 4 && (steps(1) || steps(-1))
}

fn is_plus(text: &Text<'_>, run: &Run) -> bool {
    if said_plus(text, run).is_some() {
        return true;
    }
    match text.byte_before(run.start) {
        b'+' => true,
        b'(' => text.byte_before(run.start - 1) == b'+',
        _ => false,
    }
}

/// Part of a longer name: a UUID, a version with letters, a hash, a decimal.
fn is_glued(text: &Text<'_>, run: &Run) -> bool {
    let (first, last) = run.tokens;
    let before = first > 0 && matches!(text.gap_before(first), b"-" | b"_" | b".");
    let behind = matches!(text.gap(last), b"-" | b"_" | b".")
        && text.tokens.get(last + 1).is_some()
        && !cue::line_behind(text, last);
    before || behind
}
