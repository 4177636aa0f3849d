//! Which files there are.

use std::{
    ffi::OsStr,
    fs, io,
    path::{Path, PathBuf},
};

/// A file that may hold lines.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Listed {
    /// Its path without `.zst`: the same before and after it is compressed.
    pub(crate) stem: PathBuf,
    pub(crate) path: PathBuf,
}

impl Listed {
    fn new(path: PathBuf) -> Self {
        let stem = match path.extension() {
            Some(ending) if ending == "zst" => path.with_extension(""),
            _ => path.clone(),
        };
        Self { stem, path }
    }

    /// Where its lines are once it has been compressed.
    pub(crate) fn compressed(&self) -> PathBuf {
        let mut name = self.stem.clone().into_os_string();
        name.push(".zst");
        name.into()
    }
}

/// The files of a folder whose name ends in `.jsonl` or `.jsonl.zst`, in the order of their names; a file itself. Links in a
/// folder are passed over, as is the plain form of a file that was just compressed.
pub(crate) fn list(place: &Path) -> io::Result<Vec<Listed>> {
    if !fs::metadata(place)?.is_dir() {
        return Ok(vec![Listed::new(place.to_owned())]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(place)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && holds_lines(&name) {
            found.push(Listed::new(entry.path()));
        }
    }
    // Of two forms of one file the compressed one is whole: it got its name after its last byte.
    found.sort_by(|one, other| (&one.stem, &other.path).cmp(&(&other.stem, &one.path)));
    found.dedup_by(|next, kept| next.stem == kept.stem);
    Ok(found)
}

fn holds_lines(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.ends_with(b".jsonl") || name.ends_with(b".jsonl.zst")
}

/// The process that wrote a file, by its name: `campanile-<begun>-<process>-<number>.jsonl`.
pub(crate) fn process(path: &Path) -> Option<u32> {
    let name = path.file_name()?.to_str()?;
    let stem = name.split(".jsonl").next()?;
    let mut parts = stem.rsplit('-');
    let _number: u32 = parts.next()?.parse().ok()?;
    let process = parts.next()?.parse().ok()?;
    name.starts_with("campanile-").then_some(process)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_lines_are_listed_and_each_once() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [
            "b.jsonl",
            "a.jsonl",
            "a.jsonl.zst",
            "c.jsonl.zst",
            "c.jsonl.zst.part",
            "ledger.db",
        ] {
            fs::write(at(name), "").unwrap();
        }
        fs::create_dir(at("d.jsonl")).unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(at("ledger.db"), at("e.jsonl")).unwrap();

        let found = list(folder.path()).unwrap();

        let paths: Vec<PathBuf> = found.iter().map(|listed| listed.path.clone()).collect();
        assert_eq!(paths, [at("a.jsonl.zst"), at("b.jsonl"), at("c.jsonl.zst")]);
        assert_eq!(found[0].stem, at("a.jsonl"));
        assert_eq!(found[1].compressed(), at("b.jsonl.zst"));
        assert!(list(&at("none")).is_err());
    }

    #[test]
    fn a_name_says_which_process_wrote() {
        let of = |name: &str| process(Path::new(name));
        assert_eq!(
            of("x/campanile-2026-11-24T015029Z-4711-0.jsonl.zst"),
            Some(4711)
        );
        assert_eq!(of("my-4711-0.jsonl"), None);
        assert_eq!(of("campanile.jsonl"), None);
    }
}
