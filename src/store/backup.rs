//! `mfa backup`: a copy of the database as it stands at one moment, while the server runs. The key is not in it.

use super::connection::parent_folder;
use super::error::from_text;
use super::sqlite::SqliteStore;
use super::{Error, ProgressCallback, connection, file_identity};
use crate::files;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{OpenFlags, ffi};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long another process may hold one of the two databases.
const PATIENCE: Duration = Duration::from_secs(30);

/// Pages in one step.
const STEP: i32 = 250;

impl SqliteStore {
    /// Copies the database into a new file that only its owner may read. What a login writes meanwhile is not in it.
    pub fn backup_to(&self, to: &Path, progress: ProgressCallback<'_>) -> Result<(), Error> {
        let shown = to.display();
        file_identity::create_private(to).map_err(|e| {
            Error::Other(match e.kind() {
                std::io::ErrorKind::AlreadyExists => format!("{shown} exists already: choose another name"),
                _ => format!("{shown} cannot be made: {e}"),
            })
        })?;
        let copied = self.read(|conn| {
            // Without this every commit of the server would begin the copy anew.
            let moment = conn.unchecked_transaction()?;
            moment.query_row("SELECT count(*) FROM setting", (), |_| Ok(()))?;
            let mut copy = || {
                let mut target = connection::open_connection(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
                copy_all(conn, &mut target, progress)?;
                target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            };
            copy().map_err(|e| from_text(super::error::StoreFault::Sqlite(e).into_error(to).to_string()))?;
            Ok(moment.commit()?)
        });
        copied.inspect_err(|_| {
            let _ = std::fs::remove_file(to);
        })
    }

    /// The same into a file that is open already, and that the user who runs this may not be able to open: by a copy beside the
    /// database, which is removed. `shown` is what the file is called.
    pub fn backup_into(
        &self,
        to: &mut File,
        shown: &Path,
        progress: ProgressCallback<'_>,
    ) -> Result<(), Error> {
        let beside = TemporaryDatabase::new(&self.shared.config.filename, "backup");
        self.backup_to(&beside.0, progress)?;
        let mut copy = || {
            std::io::copy(&mut files::open(&beside.0)?, to)?;
            to.sync_all()
        };
        copy().map_err(|e| Error::Other(format!("{} cannot be written: {e}: make room", shown.display())))
    }
}

/// A file of this process beside the database; gone, with what SQLite puts beside it, when dropped.
pub(super) struct TemporaryDatabase(pub(super) PathBuf);

impl TemporaryDatabase {
    /// Its name. What another process of that number has left is removed.
    pub(super) fn new(filename: &Path, what: &str) -> Self {
        let beside = Self(parent_folder(filename).join(format!(".mfa-{what}-{}", std::process::id())));
        beside.remove();
        beside
    }

    fn remove(&self) {
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.0.clone().into_os_string();
            path.push(end);
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for TemporaryDatabase {
    fn drop(&mut self) {
        self.remove();
    }
}

/// Copies one database into another, all of it.
pub(super) fn copy_all(
    from: &rusqlite::Connection,
    to: &mut rusqlite::Connection,
    progress: ProgressCallback<'_>,
) -> rusqlite::Result<()> {
    let copy = Backup::new(from, to)?;
    let mut busy = None;
    loop {
        let step = copy.step(STEP)?;
        let pages = copy.progress();
        let number = |n: i32| u64::try_from(n).unwrap_or_default();
        progress(number(pages.pagecount.saturating_sub(pages.remaining)), number(pages.pagecount));
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => busy = None,
            // Another process may hold the lock for good.
            _ if busy.get_or_insert_with(Instant::now).elapsed() > PATIENCE => {
                return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None));
            }
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
