//! What can go wrong with a ledger, told so that a person can act on it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Why a ledger cannot be opened, read or written.
#[derive(Debug)]
pub struct LedgerError {
    kind: LedgerErrorKind,
    path: PathBuf,
    reason: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Kinds of trouble with a ledger, by what a person does about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LedgerErrorKind {
    /// The folder cannot be created or entered.
    Folder,
    /// There is no ledger at this path.
    Missing,
    /// The file is something else.
    NotADatabase,
    /// A newer campanile has written it.
    Newer,
    /// The file or its folder cannot be written.
    ReadOnly,
    /// The disk is full.
    Full,
    /// Another program holds it.
    Locked,
    /// Its pages contradict one another.
    Damaged,
    /// The ledger was closed before this was written.
    Closed,
    /// Reading or writing failed.
    Io,
}

impl LedgerErrorKind {
    /// The name in JSON and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Folder => "folder",
            Self::Missing => "missing",
            Self::NotADatabase => "not_a_database",
            Self::Newer => "newer",
            Self::ReadOnly => "read_only",
            Self::Full => "full",
            Self::Locked => "locked",
            Self::Damaged => "damaged",
            Self::Closed => "closed",
            Self::Io => "io",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::Folder => "create the folder, or name another one as `path` of `[sink.ledger]`",
            Self::Missing => {
                "check the path; a ledger appears with the first event that is recorded"
            }
            Self::NotADatabase => "name another `path` in `[sink.ledger]`, or move that file away",
            Self::Newer => "read it with the campanile that wrote it, or a newer one",
            Self::ReadOnly => "give this user the right to write the file and its folder",
            Self::Full => "free some space; what is waiting will be written then",
            Self::Locked => "end the program that holds it; writing is tried again",
            Self::Damaged => {
                "run `campanile ledger verify`, keep a copy of the file, and restore a backup"
            }
            Self::Closed => "open it again",
            Self::Io => "check the disk; writing is tried again",
        }
    }
}

impl LedgerError {
    pub(super) fn new(kind: LedgerErrorKind, path: &Path, reason: impl Into<String>) -> Self {
        Self {
            kind,
            path: path.to_owned(),
            reason: reason.into(),
            source: None,
        }
    }

    pub(super) fn io(kind: LedgerErrorKind, path: &Path, error: std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                LedgerErrorKind::Full
            }
            _ => kind,
        };
        Self {
            kind,
            path: path.to_owned(),
            reason: error.to_string(),
            source: Some(Box::new(error)),
        }
    }

    pub(super) fn sql(path: &Path, error: rusqlite::Error) -> Self {
        let kind = match kind_of(&error) {
            // The file is there: it is its neighbours, the log and its index, that cannot be made.
            LedgerErrorKind::Folder if path.exists() => LedgerErrorKind::ReadOnly,
            kind => kind,
        };
        Self {
            kind,
            path: path.to_owned(),
            reason: error.to_string(),
            source: Some(Box::new(error)),
        }
    }

    /// What kind of trouble it is.
    #[must_use]
    pub fn kind(&self) -> LedgerErrorKind {
        self.kind
    }

    /// The file or folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// What SQLite's code means for a person.
pub(super) fn kind_of(error: &rusqlite::Error) -> LedgerErrorKind {
    use rusqlite::ErrorCode;
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => LedgerErrorKind::NotADatabase,
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => LedgerErrorKind::ReadOnly,
        Some(ErrorCode::DiskFull) => LedgerErrorKind::Full,
        Some(
            ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::FileLockingProtocolFailed,
        ) => LedgerErrorKind::Locked,
        Some(ErrorCode::DatabaseCorrupt) => LedgerErrorKind::Damaged,
        Some(ErrorCode::CannotOpen) => LedgerErrorKind::Folder,
        _ => LedgerErrorKind::Io,
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            LedgerErrorKind::Folder => "its folder cannot be used",
            LedgerErrorKind::Missing => "there is no ledger",
            LedgerErrorKind::NotADatabase => "this file is no ledger",
            LedgerErrorKind::Newer => "a newer version has written this ledger",
            LedgerErrorKind::ReadOnly => "the ledger cannot be written",
            LedgerErrorKind::Full => "the disk is full",
            LedgerErrorKind::Locked => "another program holds the ledger",
            LedgerErrorKind::Damaged => "the ledger is damaged",
            LedgerErrorKind::Closed => "the ledger was closed",
            LedgerErrorKind::Io => "the ledger cannot be reached",
        };
        write!(
            f,
            "{}: {what} ({}): {}",
            self.path.display(),
            self.reason,
            self.kind.advice()
        )
    }
}

impl std::error::Error for LedgerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
