//! The names of the files: `campanile-2026-11-24T015029Z-4711-0.jsonl`.

use campanile_core::Timestamp;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering::Relaxed};

/// What a file is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// Lines.
    Plain,
    /// Lines, compressed.
    Compressed,
    /// A compression that is not finished, or never was.
    Partial,
}

impl Form {
    fn suffix(self) -> &'static str {
        match self {
            Form::Plain => ".jsonl",
            Form::Compressed => ".jsonl.zst",
            Form::Partial => ".jsonl.zst.part",
        }
    }
}

/// Names for one process: no two are the same, and they sort in the order in which they were given.
#[derive(Debug, Default)]
pub(crate) struct Names {
    next: AtomicU32,
    last: AtomicI64,
}

/// A clock that was put back further than this had been wrong before: names follow it.
const PUT_BACK: i64 = Timestamp::DAY_US;

impl Names {
    /// The next name, and the moment that stands in it: not before that of the last one where the clock was put back a little.
    pub(crate) fn next(&self, now: Timestamp) -> (FileName, Timestamp) {
        let last = Timestamp(self.last.load(Relaxed));
        let begun = match is_put_back(last, now) {
            true => now,
            false => now.max(last),
        };
        self.last.store(begun.micros(), Relaxed);
        let sequence = self.next.fetch_add(1, Relaxed);
        (FileName::new(begun, sequence), begun)
    }
}

/// Whether the clock that showed `before` shows a moment now that is more than a day earlier.
pub(crate) fn is_put_back(before: Timestamp, now: Timestamp) -> bool {
    before.micros().saturating_sub(now.micros()) > PUT_BACK
}

/// The name of a file of ours. Names sort by the time at which a file was begun.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct FileName {
    /// `2026-11-24T015029Z`.
    begun: String,
    process: u32,
    sequence: u32,
    pub(crate) form: Form,
}

impl FileName {
    pub(crate) fn new(begun: Timestamp, sequence: u32) -> Self {
        Self {
            begun: stamp(begun),
            process: std::process::id(),
            sequence,
            form: Form::Plain,
        }
    }

    /// Reads a whole name. Anything else in the folder is not ours.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("campanile-")?;
        let form = [Form::Partial, Form::Compressed, Form::Plain]
            .into_iter()
            .find(|form| rest.ends_with(form.suffix()))?;
        let stem = rest.strip_suffix(form.suffix())?;
        let (begun, numbers) = stem.split_at_checked(STAMP.len())?;
        let shaped = begun.bytes().zip(STAMP).all(|(byte, &pattern)| {
            if pattern == b'0' {
                byte.is_ascii_digit()
            } else {
                byte == pattern
            }
        });
        let (process, sequence) = numbers.strip_prefix('-')?.split_once('-')?;
        let parsed = Self {
            begun: begun.to_owned(),
            process: process.parse().ok()?,
            sequence: sequence.parse().ok()?,
            form,
        };
        // `007` and `+7` are numbers to `parse`, and not names that we give.
        (shaped && parsed.to_string() == name).then_some(parsed)
    }

    pub(crate) fn in_form(&self, form: Form) -> Self {
        Self {
            form,
            ..self.clone()
        }
    }

    /// Whether it is of this process.
    pub(crate) fn is_own(&self) -> bool {
        self.process == std::process::id()
    }

    /// Whether it was begun after that moment.
    pub(crate) fn is_after(&self, moment: Timestamp) -> bool {
        self.begun > stamp(moment)
    }

    /// Whether it was begun before that moment.
    pub(crate) fn is_before(&self, moment: Timestamp) -> bool {
        self.begun < stamp(moment)
    }
}

impl std::fmt::Display for FileName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let suffix = self.form.suffix();
        let Self {
            begun,
            process,
            sequence,
            ..
        } = self;
        write!(f, "campanile-{begun}-{process}-{sequence}{suffix}")
    }
}

const STAMP: &[u8] = b"0000-00-00T000000Z";

fn stamp(moment: Timestamp) -> String {
    let (year, month, day, micros) = moment.civil();
    let seconds = micros / 1_000_000;
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_as_they_were_given_whatever_the_clock_does() {
        let names = Names::default();
        let (second, day) = (1_000_000, 86_400_000_000);
        let now = 1_795_485_029_000_000;
        let jumps = [0, 5 * second, -5 * second, 1, -day / 2, 0, day, day - 1];

        let given: Vec<String> = jumps
            .iter()
            .map(|jump| names.next(Timestamp(now + jump)).0.to_string())
            .collect();

        let mut sorted = given.clone();
        sorted.sort();
        sorted.dedup();
        assert_eq!(sorted, given);
    }

    #[test]
    fn names_follow_a_clock_that_had_been_wrong() {
        let names = Names::default();
        let (wrong, right) = (4_070_908_800_000_000, 1_795_485_029_000_000);

        names.next(Timestamp(wrong));
        let (name, begun) = names.next(Timestamp(right));

        assert_eq!(begun, Timestamp(right));
        assert!(name.to_string().starts_with("campanile-2026-11-24T"));
    }

    #[test]
    fn only_whole_names_are_ours() {
        let name = FileName::new(Timestamp(1_795_485_029_000_000), 3);

        for form in [Form::Plain, Form::Compressed, Form::Partial] {
            let name = name.in_form(form);
            assert_eq!(FileName::parse(&name.to_string()), Some(name));
        }
        for foreign in [
            "campanile.db",
            "campanile-ledger.jsonl",
            "campanile-2026-11-24T015029Z-1-2.jsonl.bak",
            "campanile-2026-11-24T015029Z-01-2.jsonl",
            "campanile-2026-11-24T015029Z-1-+2.jsonl",
            "campanile-2026-11-24T01502éZ-1-2.jsonl",
            "xcampanile-2026-11-24T015029Z-1-2.jsonl",
            "campanile-2026-11-24T015029Z-1-2.jsonl/",
        ] {
            assert_eq!(FileName::parse(foreign), None, "{foreign}");
        }
    }
}
