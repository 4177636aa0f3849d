//! The verdict, for people.

use super::{held, totals};
use crate::judge::evidence::Evidence;
use crate::judge::verdict::{Held, Line};
use crate::options::{Options, Preset};
use std::fmt::Write as _;
use std::io::{IsTerminal as _, Write as _};

/// Prints the verdict. Whether everything held.
pub(crate) fn verdict(options: &Options, evidence: &Evidence, lines: &[Line]) -> bool {
    let colors = std::io::stdout().is_terminal();
    let paint = |code: &str, text: &str| match colors {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text.to_owned(),
    };
    let mut text = String::from("\n");
    for line in lines {
        let words = match options.preset {
            Some(Preset::Mission) => ["PASS", "FAIL", "  ? "],
            None => ["held  ", "BROKEN", "  ?   "],
        };
        let mark = match line.held {
            Held::Yes => paint("32", words[0]),
            Held::No => paint("1;31", words[1]),
            Held::Unknown => paint("2", words[2]),
        };
        let _ = writeln!(text, "{mark} {}: {}", line.name, line.numbers);
        for broken in &line.broken {
            let _ = writeln!(text, "       {}", paint("31", broken));
        }
    }
    let _ = writeln!(text, "\nledger totals {:016x}", digest(evidence));
    let good = held(lines);
    let broken: Vec<_> = lines.iter().filter(|line| line.held == Held::No).collect();
    let _ = match good {
        true if evidence.ended_early => writeln!(text, "everything held until it was ended early"),
        true => writeln!(text, "everything held"),
        false => writeln!(
            text,
            "{} of {} did not hold; repeat it with\n  {}",
            broken.len(),
            lines.len(),
            options.command()
        ),
    };
    let _ = writeln!(
        text,
        "report: {}",
        options.report.join("REPORT.html").display()
    );
    let _ = std::io::stdout().write_all(text.as_bytes());
    good
}

/// A number for the ledger's totals: the same for the same totals.
fn digest(evidence: &Evidence) -> u64 {
    let text = serde_json::to_string(&totals(evidence)).unwrap_or_default();
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
