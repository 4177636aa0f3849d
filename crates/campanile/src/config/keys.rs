//! Which keys there are.

use toml::{Table, Value};

/// Tables and their keys. `*` stands for any name.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "env", "log", "redact", "sink", "summary", "prices", "budget", "rule", "webhook",
        ],
    ),
    ("env", &["*"]),
    ("env.*", &["level", "sinks"]),
    ("log", &["targets", "fields", "backtraces"]),
    (
        "redact",
        &[
            "modes",
            "content",
            "errors",
            "logs",
            "scan_limit",
            "key",
            "words",
            "words_file",
            "rule",
        ],
    ),
    // Their keys are checked where their values are.
    ("redact.modes", &["*"]),
    ("redact.key", &["id", "env"]),
    ("redact.rule", &["name", "pattern", "anywhere"]),
    ("sink", &["jsonl", "ledger", "prometheus", "console"]),
    (
        "sink.jsonl",
        &[
            "dir",
            "max_file",
            "max_total",
            "max_age",
            "content",
            "errors",
            "logs",
            "modes",
        ],
    ),
    ("sink.ledger", &["path", "durability", "errors", "modes"]),
    ("sink.prometheus", &["listen", "port_required"]),
    ("sink.console", &["stderr", "errors", "logs", "modes"]),
    ("summary", &["turns", "every"]),
    ("prices", &["file"]),
    (
        "budget",
        &[
            "name",
            "provider",
            "model",
            "stage",
            "session",
            "label",
            "per",
            "usd",
            "window",
            "billing_day",
            "timezone",
            "warn_at",
        ],
    ),
    ("budget.label", &["*"]),
    (
        "rule",
        &[
            "name",
            "provider",
            "model",
            "stage",
            "label",
            "window",
            "at_least",
            "p95_first_item",
            "p95_elapsed",
            "p95_user_to_bot",
            "error_rate",
            "no_calls_for",
            "no_usage",
            "unpriced",
            "idle_for",
        ],
    ),
    ("rule.label", &["*"]),
    ("webhook", &["name", "url", "url_env"]),
];

/// The first key that is not known, as a message.
pub(super) fn check(table: &Table) -> Result<(), String> {
    check_table(table, "", "")
}

fn check_table(table: &Table, place: &str, pattern: &str) -> Result<(), String> {
    let Some((_, known)) = KNOWN.iter().find(|(name, _)| *name == pattern) else {
        return Ok(());
    };
    for (key, value) in table {
        let path = join(place, key);
        let any = *known == ["*"];
        if !any && !known.contains(&key.as_str()) {
            let hint = match nearest(key, known) {
                hint if hint.is_empty() => format!("; known are: {}", known.join(", ")),
                hint => hint,
            };
            return Err(format!("unknown key `{path}`{hint}"));
        }
        let below = join(pattern, if any { "*" } else { key });
        match value {
            Value::Table(table) => check_table(table, &path, &below)?,
            Value::Array(items) => {
                for table in items.iter().filter_map(Value::as_table) {
                    check_table(table, &path, &below)?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn join(place: &str, key: &str) -> String {
    if place.is_empty() {
        key.to_owned()
    } else {
        format!("{place}.{key}")
    }
}

/// `; did you mean …?`, where a known word is near enough.
pub(super) fn nearest(word: &str, known: &[&str]) -> String {
    let distance = |known: &&&str| strsim::damerau_levenshtein(word, known);
    match known
        .iter()
        .min_by_key(distance)
        .filter(|best| distance(best) <= 2.max(word.len() / 3))
    {
        Some(best) => format!("; did you mean `{best}`?"),
        None => String::new(),
    }
}
