//! `campanile ledger`: everything that is counted, whether it is intact, how large it is.

use super::export;
use crate::{
    Io,
    fault::Fault,
    moment::Moment,
    settings::Settings,
    table::{Form, Table, grouped},
    text,
};
use campanile_core::{Clock, SCHEMA_VERSION, Timestamp};
use campanile_sinks::ledger::{self, LedgerErrorKind, LedgerOptions, LedgerStats, Reader};
use serde_json::json;
use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

/// How long the sums of what is in the ledger may take.
const PATIENCE: Duration = Duration::from_secs(600);

const EXAMPLES: &str = "\
Examples:
  campanile ledger dump | jq -r '[.id, .qty] | @tsv'
  campanile ledger verify && echo intact
  campanile ledger export --format csv > calls.csv
  campanile ledger archive --before 90d
  campanile ledger stats --format json";

/// Dumps, verifies, exports, archives and measures the ledger. It may be written meanwhile.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Ledger {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Every event that is counted, one JSON object a line, with `id` and `qty`.
    Dump,
    /// Looks at each row, each day's sums and each page; exit 1 where something is not as it was written.
    Verify,
    /// Everything that is counted, for a spreadsheet or another database.
    Export {
        /// How it is written.
        #[arg(long, value_enum)]
        format: export::Form,
    },
    /// Moves months that ended 35 days ago or earlier into compressed files beside it, which everything still reads. What is
    /// older than that is refused from then on. It may be written meanwhile.
    Archive {
        /// Only months that ended before this moment: RFC 3339, a date (UTC), or 90d, 52w ago.
        #[arg(long, value_parser = Moment::parse, value_name = "MOMENT")]
        before: Option<Moment>,
    },
    /// How much is in it.
    Stats {
        /// How to print it.
        #[arg(long, value_enum, default_value_t)]
        format: Form,
    },
}

impl Ledger {
    pub(crate) fn run(self, settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
        match self.what {
            What::Dump => dump(&settings.reader()?, io),
            What::Verify => verify(settings, io),
            What::Archive { before } => archive(settings, before, io),
            What::Export { format } => export::run(&settings.reader()?, format, io),
            What::Stats { format } => {
                let stats = settings.reader()?.stats().map_err(Fault::usage)?;
                match format {
                    Form::Json => {
                        let mut document = json!(stats);
                        if let Some(fields) = document.as_object_mut() {
                            fields.insert("v".to_owned(), SCHEMA_VERSION.into());
                        }
                        Ok(writeln!(io.out, "{}", text::json(&document))?)
                    }
                    Form::Table => table(&stats, io),
                }
            }
        }
    }
}

fn dump(reader: &Reader, io: &mut Io<'_>) -> Result<(), Fault> {
    let mut written = Ok(());
    let read = reader.dump(|event| {
        written = writeln!(io.out, "{}", text::json(event));
        match written {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    written?;
    Fault::damaged(read.map_err(|error| Fault::Failed(error.to_string()))?)
}

fn archive(settings: &Settings, before: Option<Moment>, io: &mut Io<'_>) -> Result<(), Fault> {
    let path = settings.ledger_path()?;
    let now = Timestamp::now();
    let before = before.map_or(now, |before| before.resolve(now));
    // Its sums first: reports of whole hours need no archive then.
    let open = ledger::Ledger::open;
    let options = LedgerOptions::new(&path).prices(settings.book()?);
    let ledger = open(options, Clock::system()).map_err(Fault::usage)?;
    if !ledger.close(PATIENCE) {
        return Err(Fault::Failed(format!(
            "{}: it cannot be written",
            path.display()
        )));
    }
    let done =
        ledger::archive(&path, before, now).map_err(|error| Fault::Failed(error.to_string()))?;
    for month in &done {
        let each = month.bytes as f64 / month.calls.max(1) as f64;
        let line = format!(
            "{}: {} calls, {} attempts, {} bytes ({each:.0} a call): {}",
            month.month,
            grouped(month.calls),
            grouped(month.parts),
            grouped(month.bytes),
            month.file.display()
        );
        writeln!(io.out, "{}", text::clean(&line))?;
    }
    match done.len() {
        0 => Ok(writeln!(io.out, "no month is old enough")?),
        _ => Ok(()),
    }
}

fn verify(settings: &Settings, io: &mut Io<'_>) -> Result<(), Fault> {
    let path = settings.ledger_path()?;
    let failed = |error: campanile_sinks::ledger::LedgerError| match error.kind() {
        LedgerErrorKind::Missing => Fault::usage(error),
        _ => Fault::Failed(error.to_string()),
    };
    let reader = Reader::open(&path).map_err(failed)?;
    let problems = reader.verify().map_err(failed)?;
    for problem in &problems {
        let row = match problem.row.is_empty() {
            true => String::new(),
            false => format!(" {}", problem.row),
        };
        let line = format!("{}{row}: {}", problem.table, problem.what);
        writeln!(io.out, "{}", text::clean(&line))?;
    }
    let path = path.display();
    match problems.len() {
        0 => {
            let stats = reader.stats().map_err(failed)?;
            let line = format!(
                "{path}: intact ({} calls, {} attempts)",
                stats.calls, stats.parts
            );
            Ok(writeln!(io.out, "{}", text::clean(&line))?)
        }
        n => Err(Fault::Failed(format!(
            "{path}: {n} problems; keep a copy of the file, and restore a backup"
        ))),
    }
}

fn table(stats: &LedgerStats, io: &mut Io<'_>) -> Result<(), Fault> {
    let mut table = Table::new(&["what", ">how many"]);
    for (name, count) in [
        ("calls", stats.calls),
        ("attempts", stats.parts),
        ("open calls", stats.open),
        ("folded sums", stats.folds),
        ("sessions", stats.sessions),
        ("turns", stats.turns),
        ("alerts", stats.alerts),
        ("runs", stats.runs),
        ("crashed runs", stats.crashed_runs),
        ("calls in sums of hours", stats.summed_calls),
        ("archives", stats.archives),
        ("archived calls", stats.archived_calls),
        ("bytes of archives", stats.archive_bytes),
        ("bytes", stats.file_bytes),
        ("bytes of the log", stats.wal_bytes),
    ] {
        table.row(vec![name.into(), grouped(count).into()]);
    }
    table.row(vec![
        "version of the tables".into(),
        stats.version.to_string().into(),
    ]);
    Ok(table.draw(&mut io.out, io.terminal.colours)?)
}
