//! What goes wrong inside, before it is told to anybody: SQLite's own errors, rows that make no sense, unknown keys. Here they
//! get their words.

use super::Error;
use super::key_id::KeyId;
use rusqlite::ErrorCode;
use std::path::Path;

/// Something went wrong on the way.
#[derive(Debug)]
pub(super) enum StoreFault {
    /// An error of SQLite.
    Sqlite(rusqlite::Error),
    /// A value is sealed under a key that we do not have.
    UnknownKey(KeyId),
    /// A row that makes no sense: which, and why.
    Row(String),
    /// Has its words already.
    Told(Error),
}

/// An error in words.
pub(super) fn from_text(words: impl Into<String>) -> StoreFault {
    StoreFault::Told(Error::Other(words.into()))
}

impl From<rusqlite::Error> for StoreFault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl StoreFault {
    /// An error of reading a row: which one, if the row is to blame.
    pub(super) fn in_row(error: rusqlite::Error, row: impl FnOnce() -> String) -> Self {
        use rusqlite::Error::{FromSqlConversionFailure, IntegralValueOutOfRange, InvalidColumnType};
        match error {
            FromSqlConversionFailure(..) | IntegralValueOutOfRange(..) | InvalidColumnType(..) => {
                Self::Row(format!("{}: {error}", row()))
            }
            error => Self::Sqlite(error),
        }
    }

    /// Whether a single operation is at fault, so that the others may succeed without it. A disk error is not.
    pub(super) fn is_of_one_operation(&self) -> bool {
        match self {
            Self::Sqlite(error) => !matches!(
                error.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::ReadOnly
                        | ErrorCode::DatabaseBusy
                        | ErrorCode::DatabaseLocked
                        | ErrorCode::CannotOpen
                        | ErrorCode::NotADatabase
                        | ErrorCode::PermissionDenied
                        | ErrorCode::OutOfMemory
                        | ErrorCode::FileLockingProtocolFailed
                )
            ),
            _ => true,
        }
    }

    /// The error with the file and the remedy.
    pub(super) fn into_error(self, file: &Path) -> Error {
        let shown = file.display();
        match self {
            Self::Told(error) => error,
            Self::Row(words) => {
                Error::Other(format!("{shown}: {words}: restore a backup with `mfa restore`"))
            }
            Self::UnknownKey(id) => Error::Other(format!(
                "{shown} is sealed under key {id}, which is not in the key file: put the right key file back, or add that key to it as its last line"
            )),
            Self::Sqlite(error) => Error::Other(words_of(&error, file)),
        }
    }
}

fn words_of(error: &rusqlite::Error, file: &Path) -> String {
    let folder = file.parent().unwrap_or(file).display();
    let shown = file.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => format!("{shown}: the disk is full: make room in {folder}"),
        Some(ErrorCode::ReadOnly) => {
            format!(
                "{shown} is read-only: check the mount, and that file and folder belong to the server's user"
            )
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => format!(
            "{shown} cannot be opened: {folder} and what is in it must belong to the server's user; run `mfa` as root or as that user"
        ),
        Some(ErrorCode::NotADatabase) => format!(
            "{shown} is not a database: correct `filename` in store {{ }}, or move the file away and run `mfa restore`"
        ),
        Some(ErrorCode::DatabaseCorrupt) => format!(
            "{shown} is damaged: stop the server, move it away together with its -wal and -shm, and run `mfa restore`"
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => format!(
            "{shown} is held by another process for over 2 s: wait for `mfa restore`, or end the program that has it open"
        ),
        Some(ErrorCode::SystemIoFailure) => {
            format!("{shown} cannot be read or written ({error}): check the disk and the system's log")
        }
        _ => format!("{shown}: {error}: run `mfa doctor`"),
    }
}
