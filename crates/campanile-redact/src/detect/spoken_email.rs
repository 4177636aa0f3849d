//! Spoken e-mail addresses: `jo dot doe at example dot com`.

use super::Scan;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::token::{Text, is_space};

/// Looks around the word `at`.
pub(super) fn find(scan: &mut Scan<'_>, at: usize) {
    let text = &scan.text;
    if at == 0 || !is_space(text.gap(at)) || !is_space(text.gap(at - 1)) {
        return;
    }
    let Some((last, sure)) = host(text, at + 1) else {
        return;
    };
    let Some(first) = local(text, at - 1).map(|first| told(text, first)) else {
        return;
    };
    let odd = first < at - 1 || text.tokens[first].is_mixed() || text.tokens[first].len() == 1;
    if sure || odd || near(text, first) {
        let find = Find::new(
            text.tokens[first].start,
            text.tokens[last].end,
            Kind::Email,
            "spoken_email",
        );
        scan.add(find);
    }
}

/// The last token of the host that starts here, and whether its words can be nothing else.
fn host(text: &Text<'_>, first: usize) -> Option<(usize, bool)> {
    if !is_label(text, first) {
        return None;
    }
    let mut last = first;
    let mut spoken = 0;
    loop {
        let next = if text.gap(last) == b"." {
            last + 1
        } else if is_space(text.gap(last))
            && text.is_any(last + 1, &["dot", "period", "point"])
            && is_space(text.gap(last + 1))
        {
            spoken += 1;
            last + 2
        } else {
            break;
        };
        if text.tokens.get(next).is_none_or(|token| !token.is_word()) && !is_label(text, next) {
            break;
        }
        last = next;
        // `dot com dot uk` goes on; `dot com my` does not.
        if last > first + 10 {
            break;
        }
    }
    let known = text.bits(last) & mean::TLD != 0;
    (last > first && (known || text.bits(first) & mean::MAIL != 0))
        .then_some((last, spoken > 0 && known))
}

fn is_label(text: &Text<'_>, at: usize) -> bool {
    let Some(token) = text.tokens.get(at) else {
        return false;
    };
    !token.has(mean::PLAIN) || token.has(mean::MAIL | mean::TLD)
}

/// Words before an address, never in it.
const SENTENCE: &[&str] = &[
    "is", "to", "at", "my", "email", "mail", "address", "its", "the", "on",
];

/// The first token of the local part that ends here.
fn local(text: &Text<'_>, end: usize) -> Option<usize> {
    let mut first = end + 1;
    loop {
        let before = part(text, first)?;
        first = before;
        let Some(link) = first.checked_sub(1) else {
            break;
        };
        if link == 0 || !is_link(text, link) {
            break;
        }
        // What a sign follows is a part, even a word like `will`.
        let linked = |at: usize| text.tokens[at].is_word() && !text.is_any(at, SENTENCE);
        match part(text, link) {
            Some(_) => first = link,
            None if linked(link - 1) => return Some(link - 1),
            None => break,
        }
        if end - first > 60 {
            break;
        }
    }
    Some(first)
}

/// `email is jo doe at …`: nothing but the address stands behind `is`.
fn told(text: &Text<'_>, first: usize) -> usize {
    let word =
        |at: usize| text.tokens[at].is_word() && !text.tokens[at].has(mean::PLAIN | mean::AT);
    let reach = first.saturating_sub(2);
    let start = (reach..first)
        .find(|at| (*at..first).all(word))
        .unwrap_or(first);
    if start > 0 && text.is(start - 1, "is") {
        start
    } else {
        first
    }
}

/// One part of a local part, read backwards from before token `behind`: spelled letters or one word, then numbers.
fn part(text: &Text<'_>, behind: usize) -> Option<usize> {
    let mut first = behind;
    let joined = |at: usize| {
        at + 1 == text.tokens.len() || text.gap(at).len() <= 2 && !text.gap(at).contains(&b'\n')
    };
    while first > 0 && is_figure(text, first - 1) && joined(first - 1) {
        first -= 1;
    }
    let figures = behind - first;
    let mut letters = first;
    while letters > 0 && is_letter(text, letters - 1) && joined(letters - 1) {
        letters -= 1;
    }
    if letters < first {
        return Some(letters);
    }
    let word = first.checked_sub(1).filter(|at| joined(*at))?;
    let token = &text.tokens[word];
    let plain = token.has(mean::PLAIN) && !is_link(text, word.wrapping_sub(1))
        || token.has(mean::AT)
        || is_link(text, word);
    match (plain, figures) {
        // `o'neil`
        (false, _)
            if word > 0 && text.gap(word - 1) == b"'" && text.tokens[word - 1].len() == 1 =>
        {
            Some(word - 1)
        }
        (false, _) => Some(word),
        (true, 0) => None,
        (true, _) => Some(first),
    }
}

fn is_figure(text: &Text<'_>, at: usize) -> bool {
    text.tokens[at].is_number() || text.tokens[at].has(mean::REPEAT)
}

fn is_letter(text: &Text<'_>, at: usize) -> bool {
    text.tokens[at].is_word() && text.tokens[at].len() == 1 && text.gap_before(at) != b"'"
        || text.tokens[at].has(mean::NATO) && !text.tokens[at].has(mean::GIVEN)
}

fn is_link(text: &Text<'_>, at: usize) -> bool {
    text.bits(at) & mean::LINK != 0
}

/// Whether the words before speak of mail.
fn near(text: &Text<'_>, first: usize) -> bool {
    (first.saturating_sub(10)..first).any(|at| {
        text.is_any(
            at,
            &[
                "email", "mail", "receipt", "reach", "address", "send", "write",
            ],
        )
    })
}
