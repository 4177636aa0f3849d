//! Opening files in a folder where others may have put things.

use std::{
    fs::{File, Metadata, OpenOptions, TryLockError},
    io,
    path::Path,
};

/// Makes a file that was not there. Only its owner may read it.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)
}

/// Opens a regular file for reading; never what a link points to.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let listed = std::fs::symlink_metadata(path)?;
    if !listed.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let file = File::open(path)?;
    // A link that was put there in between leads to another file than the one that was listed.
    match is_same(&listed, &file.metadata()?) {
        true => Ok(file),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Opens the regular file that `claimed` is, to write to it.
pub(crate) fn open_to_mend(path: &Path, claimed: &File) -> io::Result<File> {
    let file = OpenOptions::new().read(true).write(true).open(path)?;
    match is_same(&claimed.metadata()?, &file.metadata()?) {
        true => Ok(file),
        false => Err(io::ErrorKind::InvalidInput.into()),
    }
}

/// Locks a file for as long as it is open. `false` when somebody else has done so, or has removed it meanwhile.
pub(crate) fn claim(path: &Path, file: &File) -> bool {
    // A file system without locks still takes lines.
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && is_still_there(path, file)
}

/// Whether a path still leads to that open file.
pub(crate) fn is_still_there(path: &Path, file: &File) -> bool {
    match (std::fs::symlink_metadata(path), file.metadata()) {
        (Ok(listed), Ok(open)) => is_same(&listed, &open),
        _ => false,
    }
}

#[cfg(unix)]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Elsewhere an open file cannot be moved or removed.
#[cfg(not(unix))]
fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.is_file() && other.is_file()
}
