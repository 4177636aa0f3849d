//! From a query to the lines of a block: one thing is looked for in all bytes at once, the rest where that was found.

use crate::{line, pattern::Pattern, query::Query, want::Want};
use aho_corasick::{AhoCorasick, MatchKind, packed::Searcher};
use grep_matcher::{LineMatchKind, Matcher};
use grep_regex::RegexMatcher;
use memchr::{memchr, memmem::Finder, memrchr};

/// A query, ready to be run.
#[derive(Debug)]
pub(crate) struct Filter {
    since: i64,
    until: i64,
    timed: bool,
    patterns: Vec<Pattern>,
    wants: Vec<Want>,
    pub(crate) context: usize,
    lead: Lead,
}

/// What is looked for first, in all bytes.
#[derive(Clone, Debug)]
enum Lead {
    /// Nothing: each line is looked at.
    Lines,
    One(Finder<'static>),
    /// Few short words, looked for at once in many bytes.
    Few(Searcher),
    Any(AhoCorasick),
    Regex(RegexMatcher),
}

/// A line of a block, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// When it happened, in microseconds, where that was asked for.
    pub(crate) at: Option<i64>,
}

impl Filter {
    /// Looks first for what is rarest in `sample`.
    pub(crate) fn new(query: &Query, sample: &[u8]) -> Self {
        let leads = query
            .patterns
            .iter()
            .map(Lead::of_pattern)
            .chain(query.wants.iter().filter_map(Lead::of_want));
        let rarest = leads.min_by_key(|lead| lead.count(sample));
        Self {
            since: query.since.map_or(i64::MIN, |at| at.0),
            until: query.until.map_or(i64::MAX, |at| at.0),
            timed: query.since.is_some() || query.until.is_some(),
            patterns: query.patterns.clone(),
            wants: query.wants.clone(),
            context: query.context,
            lead: rarest.unwrap_or(Lead::Lines),
        }
    }

    /// The first line at `from` or behind it for which everything holds. `from` is the begin of a line. The clock is moved
    /// on to that line, or to the end of all.
    pub(crate) fn next(&self, lines: &[u8], mut from: usize, clock: &mut Clock) -> Option<Bounds> {
        while from < lines.len() {
            let (start, end) = match self.lead.find(&lines[from..]) {
                Found::Nowhere => break,
                Found::At(at) => around(lines, from, from + at),
            };
            let at = self.timed.then(|| clock.at(lines, end)).flatten();
            let bounds = Bounds { start, end, at };
            if self.holds(&lines[start..end], bounds.at) {
                return Some(bounds);
            }
            from = end + 1;
        }
        if self.timed {
            clock.at(lines, lines.len());
        }
        None
    }

    fn holds(&self, line: &[u8], at: Option<i64>) -> bool {
        if is_blank(line) {
            return false;
        }
        let in_time = || at.is_some_and(|at| (self.since..self.until).contains(&at));
        (!self.timed || in_time())
            && self.patterns.iter().all(|pattern| pattern.holds(line))
            && self.wants.iter().all(|want| want.holds(line))
    }
}

/// Nothing, or what was blanked because somebody asked for it to be forgotten.
pub(crate) fn is_blank(line: &[u8]) -> bool {
    line.first().is_none_or(u8::is_ascii_whitespace) && line.trim_ascii().is_empty()
}

/// The line that holds a byte.
fn around(lines: &[u8], from: usize, at: usize) -> (usize, usize) {
    let start = memrchr(b'\n', &lines[from..at]).map_or(from, |before| from + before + 1);
    let end = memchr(b'\n', &lines[at..]).map_or(lines.len(), |behind| at + behind);
    (start, end)
}

/// The last moment that was seen. A line without a moment has that of the nearest one before it, however far that is.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    last: Option<i64>,
    /// Where in the lines the next one begins: nothing before it is looked at again.
    from: usize,
}

impl Clock {
    /// Goes on with other bytes, of which new lines begin at `from`.
    pub(crate) fn turn(&mut self, from: usize) {
        self.from = from;
    }

    /// The last moment up to the end of a line.
    fn at(&mut self, lines: &[u8], end: usize) -> Option<i64> {
        let mut before = end;
        while before > self.from {
            let start = memrchr(b'\n', &lines[self.from..before])
                .map_or(self.from, |at| self.from + at + 1);
            if let Some(at) = line::moment(&lines[start..before]) {
                self.last = Some(at.0);
                break;
            }
            before = start.saturating_sub(1);
        }
        self.from = self.from.max((end + 1).min(lines.len()));
        self.last
    }
}

enum Found {
    Nowhere,
    At(usize),
}

impl From<Option<usize>> for Found {
    fn from(at: Option<usize>) -> Self {
        at.map_or(Found::Nowhere, Found::At)
    }
}

impl Lead {
    fn of_pattern(pattern: &Pattern) -> Self {
        match pattern {
            Pattern::Text(finders) => match finders.as_slice() {
                [one] => Self::One(one.clone()),
                all => Self::any(all.iter().map(|finder| finder.needle())),
            },
            Pattern::Regex(regex) => Self::Regex(regex.clone()),
        }
    }

    fn of_want(want: &Want) -> Option<Self> {
        match want.needles().as_slice() {
            [] => None,
            [one] => Some(Self::One(Finder::new(one).into_owned())),
            all => Some(Self::any(all)),
        }
    }

    fn any(needles: impl IntoIterator<Item = impl AsRef<[u8]>>) -> Self {
        let needles: Vec<_> = needles.into_iter().collect();
        // Left to choose, the automaton below waits for the rarest letter by its own book: a quote, of which our lines are full.
        if let Some(few) = Searcher::new(&needles) {
            return Self::Few(few);
        }
        AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .build(needles)
            .map_or(Self::Lines, Self::Any)
    }

    /// Where a line that will do may be, in lines whose first byte begins one.
    fn find(&self, lines: &[u8]) -> Found {
        match self {
            Self::Lines => Found::At(0),
            Self::One(finder) => finder.find(lines).into(),
            Self::Few(words) => words.find(lines).map(|found| found.start()).into(),
            Self::Any(words) => words.find(lines).map(|found| found.start()).into(),
            Self::Regex(regex) => match regex.find_candidate_line(lines) {
                Ok(Some(LineMatchKind::Confirmed(at) | LineMatchKind::Candidate(at))) => {
                    Found::At(at)
                }
                _ => Found::Nowhere,
            },
        }
    }

    /// How often it is there. One text is found faster than one of many, and these faster than a pattern.
    fn count(&self, sample: &[u8]) -> usize {
        match self {
            Self::Lines => usize::MAX,
            Self::One(finder) => finder.find_iter(sample).count() * 4,
            Self::Few(words) => words.find_iter(sample).count() * 4 + 1,
            Self::Any(words) => words.find_iter(sample).count() * 4 + 1,
            Self::Regex(regex) => {
                let mut count = 0;
                let each = |_| {
                    count += 1;
                    true
                };
                match regex.find_iter(sample, each) {
                    Ok(()) => count * 4 + 2,
                    Err(_) => usize::MAX,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use campanile_core::{Level, Timestamp};

    const LINES: &[u8] =
        b"{\"ts\":\"1970-01-01T00:00:01Z\",\"level\":\"error\",\"stage\":\"llm\"}\n\
        torn\n\
        {\"ts\":\"1970-01-01T00:00:02Z\",\"level\":\"info\",\"stage\":\"llm\",\"a\":1}\n\
        {\"ts\":\"1970-01-01T00:00:03Z\",\"level\":\"error\",\"stage\":\"tts\",\"a\":12}";

    fn found(query: &Query, sample: &[u8]) -> Vec<&'static [u8]> {
        let filter = Filter::new(query, sample);
        let (mut from, mut clock, mut found) = (0, Clock::default(), Vec::new());
        while let Some(bounds) = filter.next(LINES, from, &mut clock) {
            found.push(&LINES[bounds.start..bounds.end]);
            from = bounds.end + 1;
        }
        found
    }

    #[test]
    fn whatever_leads_the_same_lines_are_found() {
        let query = Query::default();
        let queries = [
            query.clone().text("\"a\":1"),
            query.clone().regex("a.:1", false).unwrap(),
            query.clone().text_in_any_case("\"A\":1").unwrap(),
        ];
        for query in queries {
            for sample in [b"".as_slice(), LINES, b"\"stage\":\"tts\""] {
                assert_eq!(found(&query, sample).len(), 2, "{query:?}");
                assert_eq!(found(&query.clone().stage("tts"), sample).len(), 1);
                assert_eq!(found(&query.clone().level(Level::Error), sample).len(), 1);
            }
        }
        assert_eq!(found(&query, LINES).len(), 4);
    }

    #[test]
    fn a_line_without_a_moment_belongs_to_the_one_before() {
        let since = Query::default().since(Timestamp(2_000_000));
        assert_eq!(found(&since, b"").len(), 2);
        let until = Query::default().until(Timestamp(2_000_000));
        assert_eq!(found(&until, b"")[1], b"torn");
        assert_eq!(found(&until.text("torn"), b"").len(), 1);
    }
}
