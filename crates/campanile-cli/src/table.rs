//! Tables: aligned for people, CSV for spreadsheets.

use crate::text;
use std::io::{self, Write};

/// Which form a command prints.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns, for people.
    #[default]
    Table,
    /// JSON, for programs.
    Json,
    /// Comma-separated, for spreadsheets.
    Csv,
}

/// Which form a command prints that has no use for a spreadsheet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// How a cell is drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Plain,
    Bold,
    Dim,
    Bad,
    Warn,
    Good,
}

impl Tone {
    /// The text in this tone; `colours` says whether there are any.
    pub(crate) fn paint(self, text: &str, colours: bool) -> String {
        let code = match self {
            Tone::Bold => "1",
            Tone::Dim => "2",
            Tone::Bad => "31",
            Tone::Good => "32",
            Tone::Warn => "33",
            Tone::Plain => return text.to_owned(),
        };
        match colours && !text.is_empty() {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}

/// One cell: its text, unsafe to print until it is drawn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            tone: Tone::Plain,
        }
    }

    pub(crate) fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// A count; nothing where there is none.
    pub(crate) fn count(count: u64) -> Self {
        Self::new(if count == 0 {
            String::new()
        } else {
            grouped(count)
        })
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text)
    }
}

/// `1 234 567` as `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 call`, `1,234 calls`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{} {what}s", grouped(count)),
    }
}

/// Columns with a head, rows, and a line of totals below.
#[derive(Debug)]
pub(crate) struct Table {
    heads: Vec<(String, bool)>,
    rows: Vec<Vec<Cell>>,
    totals: Option<Vec<Cell>>,
}

impl Table {
    /// Names of columns; those that begin with `>` are aligned to the right.
    pub(crate) fn new(heads: &[impl AsRef<str>]) -> Self {
        let clean = |name: &str| text::clean(name).into_owned();
        let head = |name: &str| match name.strip_prefix('>') {
            Some(name) => (clean(name), true),
            None => (clean(name), false),
        };
        Self {
            heads: heads.iter().map(|name| head(name.as_ref())).collect(),
            rows: Vec::new(),
            totals: None,
        }
    }

    pub(crate) fn row(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.heads.len());
        self.rows.push(row);
    }

    pub(crate) fn totals(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.heads.len());
        self.totals = Some(row);
    }

    /// Aligned columns; a column of which each row is empty is left out.
    pub(crate) fn draw(&self, out: &mut dyn Write, colours: bool) -> io::Result<()> {
        let cleaned = |row: &Vec<Cell>| -> Vec<Cell> {
            row.iter()
                .map(|cell| Cell {
                    text: text::clean(&cell.text).into_owned(),
                    tone: cell.tone,
                })
                .collect()
        };
        let rows: Vec<_> = self.rows.iter().map(cleaned).collect();
        let totals = self.totals.as_ref().map(cleaned);
        let all = || rows.iter().chain(&totals);
        let shown: Vec<usize> = (0..self.heads.len())
            .filter(|&i| rows.is_empty() || all().any(|row| !row[i].text.is_empty()))
            .collect();
        let head: Vec<Cell> = self
            .heads
            .iter()
            .map(|(name, _)| Cell::new(name.as_str()).tone(Tone::Bold))
            .collect();
        let widths: Vec<usize> = shown
            .iter()
            .map(|&i| {
                all()
                    .chain([&head])
                    .map(|row| width(&row[i].text))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut draw = |row: &[Cell]| self.draw_row(out, row, &shown, &widths, colours);
        draw(&head)?;
        for row in &rows {
            draw(row)?;
        }
        if let Some(totals) = &totals {
            let rule = widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
            writeln!(out, "{}", Tone::Dim.paint(&"─".repeat(rule), colours))?;
            self.draw_row(out, totals, &shown, &widths, colours)?;
        }
        Ok(())
    }

    fn draw_row(
        &self,
        out: &mut dyn Write,
        row: &[Cell],
        shown: &[usize],
        widths: &[usize],
        colours: bool,
    ) -> io::Result<()> {
        let mut line = String::new();
        for (&i, &wide) in shown.iter().zip(widths) {
            let cell = &row[i];
            let blanks = " ".repeat(wide.saturating_sub(width(&cell.text)));
            let painted = cell.tone.paint(&cell.text, colours);
            if i != shown[0] {
                line.push_str("  ");
            }
            match self.heads[i].1 {
                true => line.extend([blanks.as_str(), &painted]),
                false => line.extend([painted.as_str(), &blanks]),
            }
        }
        writeln!(out, "{}", line.trim_end())
    }
}

/// Characters, which is what a terminal shows of ids and numbers.
fn width(text: &str) -> usize {
    text.chars().count()
}

/// Lines of a CSV, the first with the names of the columns.
pub(crate) fn csv_line<'a>(
    out: &mut dyn Write,
    cells: impl IntoIterator<Item = &'a str>,
) -> io::Result<()> {
    let cells: Vec<_> = cells.into_iter().map(text::csv_cell).collect();
    write!(out, "{}\r\n", cells.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_are_left_out() {
        let mut table = Table::new(&["model", ">calls", ">failed", ">cost"]);
        table.row(vec![
            "a\u{1b}[2J".into(),
            Cell::count(1_234_567),
            Cell::count(0),
            "$1".into(),
        ]);
        table.row(vec![
            "much-longer".into(),
            Cell::count(2),
            Cell::count(0),
            "$0.5".into(),
        ]);
        table.totals(vec![
            "total".into(),
            Cell::count(1_234_569),
            Cell::count(0),
            "$1.5".into(),
        ]);
        let mut out = Vec::new();

        table.draw(&mut out, false).unwrap();

        insta::assert_snapshot!(String::from_utf8(out).unwrap(), @r"
        model            calls  cost
        a\u{1b}[2J   1,234,567    $1
        much-longer          2  $0.5
        ────────────────────────────
        total        1,234,569  $1.5
        ");
    }

    #[test]
    fn colours_come_only_when_asked_for() {
        let mut table = Table::new(&["a"]);
        table.row(vec![Cell::new("x").tone(Tone::Bad)]);
        let draw = |colours| {
            let mut out = Vec::new();
            table.draw(&mut out, colours).unwrap();
            String::from_utf8(out).unwrap()
        };

        assert!(!draw(false).contains('\u{1b}'));
        assert!(draw(true).contains("\u{1b}[31mx\u{1b}[0m"));
    }
}
