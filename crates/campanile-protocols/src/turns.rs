//! Reports of several turns on one connection: each counts once, whoever repeats it.

use crate::report::Report;

/// Sums the reports of turns. A turn that reports again (a poll, a repeated event) replaces itself.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    done: Report,
    current: Report,
    id: Option<String>,
}

impl Turns {
    /// Takes the report of a turn, by its id where it has one; the sum of all turns.
    pub(crate) fn report(&mut self, id: Option<&str>, report: Report) -> Report {
        if id.is_none() || self.id.as_deref() != id {
            self.done.add(&std::mem::take(&mut self.current));
            self.id = id.map(str::to_owned);
        }
        self.current = report;
        let mut sum = self.done.clone();
        sum.add(&self.current);
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(input: u64) -> Report {
        let mut report = Report::default();
        report.totals.input_tokens = Some(input);
        report
    }

    #[test]
    fn turns_add_up_and_a_repeated_one_does_not() {
        let mut turns = Turns::default();

        turns.report(Some("a"), turn(63));
        turns.report(Some("a"), turn(63));
        let sum = turns.report(Some("b"), turn(103));

        assert_eq!(sum.totals.input_tokens, Some(166));
        assert_eq!(turns.report(None, turn(1)).totals.input_tokens, Some(167));
        assert_eq!(turns.report(None, turn(1)).totals.input_tokens, Some(168));
    }
}
