//! Whether the price book can be right: each file alone, all of them together, and against a list of prices that others
//! have published.

use crate::shell::{self, Done, say};
use campanile_core::{Money, Timestamp};
use campanile_pricing::Book;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

mod published;

use published::{Published, Verdict};

const FILES: &str = "crates/campanile-pricing/prices";

/// `cargo xtask prices [--against FILE.csv]`.
pub(crate) fn run(arguments: &[&str]) -> Done {
    let against = match arguments {
        [] => None,
        ["--against", file] => Some(Path::new(file)),
        _ => return Err("prices takes nothing, or `--against FILE.csv`".to_owned()),
    };
    let book = read()?;
    judge(&book)?;
    match against {
        Some(file) => compare(&book, file),
        None => Ok(()),
    }
}

/// The files as they are now: each is read alone, so that all errors are told, then all together, where a name of one
/// vendor may be another's.
fn read() -> Result<Book, String> {
    let files = files()?;
    let listed = shell::root().join("crates/campanile-pricing/src/standard.in");
    let listed = text(&listed)?;
    let mut errors = 0;
    let mut together = String::new();
    for file in &files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let price_file = text(file)?;
        if let Err(error) = Book::parse(&price_file) {
            say(&format!("error: {}: {error}", file.display()));
            errors += 1;
        }
        if !listed.contains(&format!("prices/{name}.toml")) {
            say(&format!("error: {name}.toml is not in standard.in"));
            errors += 1;
        }
        together.push_str(&price_file);
        together.push('\n');
    }
    match errors {
        0 => Book::parse(&together).map_err(|error| format!("all files together: {error}")),
        _ => Err(format!("{errors} errors in {FILES}")),
    }
}

fn files() -> Result<Vec<PathBuf>, String> {
    let folder = shell::root().join(FILES);
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{FILES}: {error}"))?;
    let mut files: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    match files.is_empty() {
        true => Err(format!("no price file in {FILES}")),
        false => Ok(files),
    }
}

fn text(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Whether a source is old is a question of the calendar's.
fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

/// Orders that prices keep, and the age of their sources.
fn judge(book: &Book) -> Done {
    let problems = book.check(now());
    for problem in &problems {
        say(&problem.to_string());
    }
    let errors = problems.iter().filter(|problem| problem.is_error).count();
    let names: usize = book.rows().map(|row| row.models().len()).sum();
    say(&format!(
        "{} rows of {} vendors, {names} names, each resolved once; every rate is whole: {errors} errors, {} warnings",
        book.rows().count(),
        book.vendors().count(),
        problems.len() - errors,
    ));
    match errors {
        0 => Ok(()),
        _ => Err("prices are likely wrong".to_owned()),
    }
}

/// Asks the book for each price that others have published.
fn compare(book: &Book, file: &Path) -> Done {
    let published = Published::read(&text(file)?)?;
    let at = now();
    let mut counts: BTreeMap<Verdict, usize> = BTreeMap::new();
    for price in published.prices() {
        let verdict = price.judge(book, at);
        *counts.entry(verdict).or_default() += 1;
        if verdict.is_worth_a_look() {
            let said: Vec<String> = price.rates.iter().map(Money::to_string).collect();
            let ours = price
                .ours(book, at)
                .map_or("none".to_owned(), |ours| ours.to_string());
            say(&format!(
                "{}: {} {} {}: ours {ours}, published {}",
                verdict.name(),
                price.vendor,
                price.model,
                price.dimension,
                said.join(" and "),
            ));
        }
    }
    for (verdict, count) in &counts {
        say(&format!("{count:>6} {}", verdict.name()));
    }
    say(&format!(
        "{:>6} of other dimensions, not compared",
        published.left_out()
    ));
    match counts.get(&Verdict::Unexplained) {
        None => Ok(()),
        Some(count) => Err(format!(
            "{count} prices differ from every source, and their rows do not say why"
        )),
    }
}
