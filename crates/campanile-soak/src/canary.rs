//! Words that must not be found in anything that was written.
//!
//! They pass through the pipeline where people's words pass: in what callers say, in what the model answers, in panics
//! and in the fields of log lines. Put together at run time, so that no scanner takes them for real.

use memchr::memmem::Finder;
use std::fs::{self, File};
use std::io;
use std::path::Path;

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

    /// Looks into every file below a folder, and into what is compressed there: what was found, each with its file, and how
    /// many bytes were searched. A file that cannot be read counts as found: nobody knows what it holds.
    pub(crate) fn search(&self, folder: &Path) -> (Vec<String>, u64) {
        let mut found = (Vec::new(), 0);
        self.search_into(folder, &mut found);
        found
    }

    fn search_into(&self, folder: &Path, found: &mut (Vec<String>, u64)) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                self.search_into(&path, found);
                continue;
            }
            let place = match contents(&path) {
                Ok(bytes) => {
                    found.1 += bytes.len() as u64;
                    self.find(&bytes)
                }
                Err(error) => Some(format!("it cannot be searched: {error}")),
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            found
                .0
                .extend(place.map(|place| format!("{name}: {place}")));
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

/// What a file holds, unpacked.
fn contents(path: &Path) -> io::Result<Vec<u8>> {
    match path.extension().is_some_and(|end| end == "zst") {
        true => zstd::decode_all(File::open(path)?),
        false => fs::read(path),
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
    fn every_file_below_a_folder_is_searched() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = folder.path().join("outbox");
        fs::create_dir(&outbox).unwrap();
        let text = format!("He said {}.", said()[0]);
        let packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
        fs::write(folder.path().join("campanile.db"), &text).unwrap();
        fs::write(folder.path().join("campanile.db-wal"), "nothing").unwrap();
        fs::write(folder.path().join("campanile-2026-08.db.zst"), &packed).unwrap();
        fs::write(folder.path().join("torn.zst"), "not packed").unwrap();
        fs::write(outbox.join("one"), &text).unwrap();

        let (mut found, bytes) = Watcher::new().search(folder.path());

        found.sort();
        let files: Vec<_> = found
            .iter()
            .map(|at| at.split(':').next().unwrap())
            .collect();
        let expected = [
            "campanile-2026-08.db.zst",
            "campanile.db",
            "one",
            "torn.zst",
        ];
        assert_eq!(files, expected, "{found:?}");
        assert_eq!(bytes, 3 * text.len() as u64 + 7);
    }

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
