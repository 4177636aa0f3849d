//! Words that must not be found in anything that was written.
//!
//! They pass through the pipeline where people's words pass: in what callers say, in what the model answers, in panics
//! and in the fields of log lines. Put together at run time, so that no scanner takes them for real.

use memchr::memmem::Finder;

/// What is said: never written, masked or not, unless a file asks for it.
pub(crate) fn said() -> [String; 3] {
    [
        ["heliotrope", "walrus", "umbrella"].join(" "),
        ["my pin is", "seven seven", "four one"].join(" "),
        ["Grüße", "an", "Käthe"].join(" "),
    ]
}

/// What is masked wherever text is written at all.
pub(crate) fn secrets() -> [String; 2] {
    [
        ["4111", "1111", "1111", "1111"].join(" "),
        ["quentin.canary", "example.org"].join("@"),
    ]
}

/// Looks for all of them in what passes by.
#[derive(Debug)]
pub(crate) struct Watcher {
    finders: Vec<(String, Finder<'static>)>,
}

impl Watcher {
    pub(crate) fn new() -> Self {
        let all = said().into_iter().chain(secrets());
        let finders = all.flat_map(|canary| {
            forms(&canary).map(|form| (canary.clone(), Finder::new(&form).into_owned()))
        });
        Self {
            finders: finders.collect(),
        }
    }

    /// The first canary in these bytes, and what stands around it.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<String> {
        self.finders.iter().find_map(|(canary, finder)| {
            let at = finder.find(bytes)?;
            let from = at.saturating_sub(60);
            let until = bytes.len().min(at + 60);
            let place = String::from_utf8_lossy(&bytes[from..until]);
            Some(format!(
                "`{canary}` in `{}`",
                place.replace(['\n', '\r'], " ")
            ))
        })
    }
}

/// How a text may look in bytes.
fn forms(text: &str) -> [Vec<u8>; 4] {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    let escaped = text.encode_utf16().map(|unit| match unit {
        0..128 => char::from(unit as u8).to_string(),
        _ => format!("\\u{unit:04x}"),
    });
    [
        text.as_bytes().to_vec(),
        text.to_uppercase().into_bytes(),
        hex.into_bytes(),
        escaped.collect::<String>().into_bytes(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canaries_are_found_as_they_are_and_escaped() {
        let watcher = Watcher::new();

        assert!(watcher.find(b"nothing to see").is_none());
        for text in [
            "a heliotrope walrus umbrella!",
            r"Gr\u00fc\u00dfe an K\u00e4the",
            "card 4111 1111 1111 1111.",
        ] {
            assert!(watcher.find(text.as_bytes()).is_some(), "{text}");
        }
    }
}
