//! What watching costs. The benches are programs of their own; this runs them in order.

use crate::shell::{self, Done, say};

/// Names for the command line, crates, and their benches.
const BENCHES: [(&str, &str, &str); 9] = [
    ("overhead", "campanile", "overhead"),
    ("ledger", "campanile-sinks", "ledger"),
    ("disk", "campanile-sinks", "disk"),
    ("lines", "campanile-sinks", "lines"),
    ("logs", "campanile-cli", "logs"),
    ("reports", "campanile-cli", "reports"),
    ("price", "campanile-pricing", "price"),
    ("sse", "campanile-protocols", "sse"),
    ("redact", "campanile-redact", "throughput"),
];

pub(crate) fn run(filter: &[&str]) -> Done {
    let known = BENCHES.map(|(name, _, _)| name);
    if let Some(wrong) = filter.iter().find(|name| !known.contains(name)) {
        return Err(format!(
            "there is no bench `{wrong}`; there are: {}",
            known.join(", ")
        ));
    }
    for (name, package, bench) in BENCHES {
        if filter.is_empty() || filter.contains(&name) {
            say(&format!("\n{name}"));
            shell::run(
                "cargo",
                &["bench", "--quiet", "-p", package, "--bench", bench],
            )?;
        }
    }
    Ok(())
}
