//! Which files of ours may go.

use super::{
    files,
    name::{FileName, Form},
};
use campanile_core::Timestamp;
use std::{
    fs::{self, File},
    path::Path,
    time::Duration,
};

/// A regular file whose whole name is one of ours.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) name: FileName,
    size: u64,
}

/// Our files in a folder, oldest first. Links, folders and everything else are not in it.
pub(crate) fn list(folder: &Path) -> Vec<Found> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut found: Vec<Found> = entries
        .flatten()
        .filter_map(|entry| {
            let name = FileName::parse(entry.file_name().to_str()?)?;
            // Of the entry itself: a link is a link here.
            let metadata = entry.metadata().ok()?;
            metadata.is_file().then_some(Found {
                name,
                size: metadata.len(),
            })
        })
        .collect();
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

/// Whoever else's name is further ahead of now was not given by a clock that goes right.
const AHEAD: i64 = Timestamp::DAY_US;

/// What the files of a folder take, and what of them would be deleted now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Kept {
    /// Files of ours.
    pub files: u64,
    /// What they take together.
    pub bytes: u64,
    /// Of these, files that are too old.
    pub old_files: u64,
    /// Files that have to go so that the others keep within the total.
    pub surplus_files: u64,
    /// What both would set free.
    pub freed_bytes: u64,
}

/// The files that count, oldest first, each with whether it is too old. Files of other processes from the future neither
/// count nor go.
fn judged(folder: &Path, now: Timestamp, max_age: Duration) -> Vec<(Found, bool)> {
    let tomorrow = Timestamp(now.micros().saturating_add(AHEAD));
    let age = i64::try_from(max_age.as_micros()).unwrap_or(i64::MAX);
    let oldest = Timestamp(now.micros().saturating_sub(age));
    let mut files = list(folder);
    files.retain(|file| file.name.is_own() || !file.name.is_after(tomorrow));
    let judge = |file: Found| {
        let too_old = file.name.is_before(oldest);
        (file, too_old)
    };
    files.into_iter().map(judge).collect()
}

/// What [`retain`] would do, if no process held a file open.
pub(crate) fn forecast(folder: &Path, now: Timestamp, max_age: Duration, max_total: u64) -> Kept {
    let files = judged(folder, now, max_age);
    let bytes = files.iter().map(|(file, _)| file.size).sum();
    let mut kept = Kept {
        files: files.len() as u64,
        bytes,
        ..Kept::default()
    };
    for (file, too_old) in files {
        let surplus = !too_old && bytes - kept.freed_bytes > max_total;
        kept.old_files += u64::from(too_old);
        kept.surplus_files += u64::from(surplus);
        if too_old || surplus {
            kept.freed_bytes += file.size;
        }
    }
    kept
}

/// Deletes what is older than `max_age`, then the oldest while all together are larger than `max_total`. Files that a
/// process holds open count, and stay.
pub(crate) fn retain(folder: &Path, now: Timestamp, max_age: Duration, max_total: u64) {
    let files = judged(folder, now, max_age);
    let mut total: u64 = files.iter().map(|(file, _)| file.size).sum();
    for (file, too_old) in files {
        if !too_old && total <= max_total {
            continue;
        }
        // Held until it is gone: nobody begins to write it in between.
        if let Some(_claim) = claim(folder, &file.name)
            && fs::remove_file(folder.join(file.name.to_string())).is_ok()
        {
            total -= file.size;
        }
    }
}

/// The lock that lets a file be removed: `None` while a process writes or compresses it. Both lock the plain file; where
/// there is none, nobody is at work.
pub(crate) fn claim(folder: &Path, name: &FileName) -> Option<Option<File>> {
    let plain = folder.join(name.in_form(Form::Plain).to_string());
    match files::open_regular(&plain) {
        Ok(file) => files::claim(&plain, &file).then_some(Some(file)),
        Err(_) => Some(None),
    }
}
