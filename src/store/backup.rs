//! `mfa backup`: a copy of the database as it stands at one moment, while the server runs. The key is not in it.

use super::fault::other;
use super::sqlite::Sqlite;
use super::{Error, Progress, connection, file};
use rusqlite::OpenFlags;
use rusqlite::backup::{Backup, StepResult};
use std::path::Path;
use std::time::Duration;

/// Pages in one step.
const STEP: i32 = 250;

impl Sqlite {
    /// Copies the database into a new file that only its owner may read. What a login writes meanwhile is not in it.
    pub fn backup(&self, to: &Path, progress: Progress<'_>) -> Result<(), Error> {
        let shown = to.display();
        file::create_private(to, None).map_err(|e| {
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
                let mut target = connection::connect(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
                copy_all(conn, &mut target, progress)?;
                target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            };
            copy().map_err(|e| other(super::fault::Fault::Sqlite(e).tell(to).to_string()))?;
            Ok(moment.commit()?)
        });
        copied.inspect_err(|_| {
            let _ = std::fs::remove_file(to);
        })
    }
}

/// Copies one database into another, all of it.
pub(super) fn copy_all(
    from: &rusqlite::Connection,
    to: &mut rusqlite::Connection,
    progress: Progress<'_>,
) -> rusqlite::Result<()> {
    let copy = Backup::new(from, to)?;
    loop {
        let step = copy.step(STEP)?;
        let pages = copy.progress();
        let number = |n: i32| u64::try_from(n).unwrap_or_default();
        progress(number(pages.pagecount.saturating_sub(pages.remaining)), number(pages.pagecount));
        match step {
            StepResult::Done => return Ok(()),
            StepResult::More => {}
            _ => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}
