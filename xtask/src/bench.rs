//! What watching costs. The benches are programs of their own; this runs them in order.

use crate::shell::{self, Done, say};

pub(crate) fn run(filter: &[&str]) -> Done {
    let wanted = |name: &str| filter.is_empty() || filter.contains(&name);
    if wanted("overhead") {
        shell::run(
            "cargo",
            &[
                "bench",
                "--quiet",
                "-p",
                "campanile-tests",
                "--bench",
                "overhead",
            ],
        )?;
    }
    say("done");
    Ok(())
}
