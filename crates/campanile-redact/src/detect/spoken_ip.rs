//! IP addresses as people say them: `one ninety two dot one sixty eight dot …`.

use std::net::Ipv4Addr;

use super::Scan;
use super::ip::NUMBERED;
use crate::find::Find;
use crate::kind::Kind;
use crate::lexicon::mean;
use crate::token::{Text, is_space};

const DOTS: &[&str] = &["dot", "point"];
const HESITATIONS: &[&str] = &["um", "uh", "er", "erm", "and", "then"];
/// What has an address.
const HOSTS: &[&str] = &[
    "ip", "address", "router", "server", "host", "subnet", "gateway", "dns", "ping", "network",
    "modem", "proxy", "peer",
];
/// Words of one number at most: `one hundred and ninety two`.
const WORDS: usize = 5;
/// How far before it a word may say what it is.
const NEAR: usize = 6;

/// Four numbers up to 255 with `dot` between them, at the first `dot`.
pub(super) fn find(scan: &mut Scan<'_>, dot: usize) {
    let text = &scan.text;
    if !text.is_any(dot, DOTS) || dot == 0 || !is_part(text, dot - 1) {
        return;
    }
    let Some((first, octet)) = number_before(text, dot) else {
        return;
    };
    let (mut octets, mut last) = ([octet, 0, 0, 0], dot);
    for (place, octet) in octets.iter_mut().enumerate().skip(1) {
        let Some((end, value)) = number_behind(text, last, place < 3) else {
            return;
        };
        (*octet, last) = (value, end);
    }
    // A fifth number: the name of an object.
    let more =
        is_dot(text, first.wrapping_sub(1)) || is_dot(text, last + 1) && is_part(text, last + 2);
    if !more && is_host(text, first, last, octets) {
        let end = text.tokens[last].end;
        let find = Find::new(text.tokens[first].start, end, Kind::Ip, "spoken_ip");
        scan.add(find);
    }
}

/// Whether the numbers are somebody's address: no version, no mask, not this machine.
fn is_host(text: &Text<'_>, first: usize, last: usize, octets: [u8; 4]) -> bool {
    let address = Ipv4Addr::from(octets);
    let nobodys = address.is_loopback() || address.is_unspecified() || octets[..2] == [255, 255];
    let cue = (first.saturating_sub(NEAR)..first).rev().find_map(|near| {
        let versioned = text.is_any(near, NUMBERED) || text.bits(near) & mean::REFERENCE != 0;
        let host = text.is_any(near, HOSTS);
        (host || versioned).then_some(host)
    });
    let named = cue == Some(true) || (last + 1..last + 5).any(|near| text.is_any(near, HOSTS));
    // Four single digits may as well be a version of something.
    let long = octets.iter().any(|octet| *octet > 19);
    !nobodys && cue != Some(false) && (named || long)
}

fn is_dot(text: &Text<'_>, at: usize) -> bool {
    text.is_any(at, DOTS)
}

fn is_part(text: &Text<'_>, at: usize) -> bool {
    let Some(token) = text.tokens.get(at) else {
        return false;
    };
    token.has(mean::SPOKEN | mean::REPEAT)
        || token.is_digits() && token.len() <= 3
        || text.is(at, "hundred")
}

/// The longest number that ends before the `dot`, and its first token.
fn number_before(text: &Text<'_>, dot: usize) -> Option<(usize, u8)> {
    let least = dot.saturating_sub(WORDS);
    let joined = |at: &usize| (*at..dot).all(|at| joins(text.gap(at)));
    let mut firsts = (least..dot)
        .filter(|first| is_part(text, *first))
        .filter(joined);
    firsts.find_map(|first| Some((first, value(text, first, dot)?)))
}

/// The number behind the `dot` at or behind token `last`, and its last token; up to the next `dot` where one must follow.
fn number_behind(text: &Text<'_>, last: usize, dotted: bool) -> Option<(usize, u8)> {
    let dot = if is_dot(text, last) { last } else { last + 1 };
    if !is_dot(text, dot) {
        return None;
    }
    let hesitates = usize::from(text.is_any(dot + 1, HESITATIONS));
    let first = dot + 1 + hesitates;
    let joined = |end: &usize| (last..end - 1).all(|at| joins(text.gap(at)));
    let ends = (first + 1..=first + WORDS)
        .take_while(|end| is_part(text, end - 1) || text.is(end - 1, "and"));
    let ends = ends
        .filter(joined)
        .filter(|end| !dotted || is_dot(text, *end) && joins(text.gap(end - 1)));
    ends.filter_map(|end| Some((end - 1, value(text, first, end)?)))
        .last()
}

fn joins(gap: &[u8]) -> bool {
    is_space(gap) && !gap.contains(&b'\n') || matches!(gap, b"-" | b", ")
}

/// What the words from token `first` up to `end` say, when it is a number up to 255.
fn value(text: &Text<'_>, first: usize, end: usize) -> Option<u8> {
    let (mut sum, mut hundreds, mut open, mut times) = (0_u32, false, false, 1);
    for at in first..end {
        let token = text.tokens.get(at)?;
        let said = u32::from(token.value);
        // `twenty` waits for its unit, `hundred` for all behind it.
        let added = hundreds || open && (1..10).contains(&said);
        if token.is_digits() && token.len() <= 3 {
            let digits = text.all.get(token.start..token.end)?;
            let places = u32::try_from(digits.len()).ok()?;
            sum = sum * 10_u32.pow(places) + digits.parse::<u32>().ok()?;
        } else if text.is(at, "hundred") && (1..=2).contains(&sum) {
            (sum, hundreds) = (sum * 100, true);
            continue;
        } else if text.is(at, "and") && hundreds && at + 1 < end {
            continue;
        } else if token.has(mean::REPEAT) && at + 1 < end {
            times = said;
            continue;
        } else if token.has(mean::DIGIT) {
            for _ in 0..std::mem::replace(&mut times, 1) {
                sum = if added { sum + said } else { sum * 10 + said };
            }
        } else if token.has(mean::TEEN | mean::TENS) {
            sum = if added { sum + said } else { sum * 100 + said };
        } else {
            return None;
        }
        (hundreds, open) = (hundreds && token.has(mean::TENS), token.has(mean::TENS));
        if sum > 255 {
            return None;
        }
    }
    u8::try_from(sum).ok()
}
