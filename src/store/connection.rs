//! Connections to the database file, each set up for its purpose. All errors name the file and the remedy.

use super::Error;
use super::error::StoreFault;
use super::schema;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long another process may hold the database before we give up.
const BUSY: Duration = Duration::from_secs(2);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ConnectionPurpose {
    /// Reads of logins. Its cache is void after each commit of another connection, so it is kept small.
    Read,
    /// Settling of logins. Checkpoints are made by the writer when it suits.
    Settle,
    /// Administration.
    Administer,
}

/// Opens a database that is there and ours.
pub(super) fn open(file: &Path, purpose: ConnectionPurpose) -> Result<Connection, Error> {
    check_path(file)?;
    let set_up = || {
        let conn = open_connection(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        schema::check_schema(&conn, file)?;
        if purpose != ConnectionPurpose::Read && conn.is_readonly("main")? {
            return Err(StoreFault::Sqlite(read_only()));
        }
        let (cache, checkpoint) = match purpose {
            ConnectionPurpose::Read => (-256, 0),
            ConnectionPurpose::Settle => (-4096, 0),
            ConnectionPurpose::Administer => (-4096, 1000),
        };
        conn.pragma_update(None, "cache_size", cache)?;
        conn.pragma_update(None, "wal_autocheckpoint", checkpoint)?;
        conn.pragma_update(None, "query_only", purpose == ConnectionPurpose::Read)?;
        conn.set_prepared_statement_cache_capacity(64);
        Ok(conn)
    };
    set_up().map_err(|fault: StoreFault| fault.into_error(file))
}

/// Opens or fills an empty file, in which nothing of ours needs to be yet.
pub(super) fn open_or_create(file: &Path) -> Result<Connection, StoreFault> {
    let mut conn = open_connection(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // A login changes one row among very many: half of SQLite's page is half as much to log and to write back.
    conn.pragma_update(None, "page_size", 2048)?;
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    schema::migrate_schema(&mut conn)?;
    Ok(conn)
}

/// A connection with the settings that all have in common: every commit is synced before it returns.
pub(super) fn open_connection(file: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let mut conn = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let mut since = Instant::now();
    conn.busy_handler(Some(move |tries: i32| {
        if tries == 0 {
            since = Instant::now();
        }
        // SQLite's own handler sleeps up to 100 ms; what holds us up is another group commit, over in well under one.
        std::thread::sleep(Duration::from_micros(if tries < 50 { 100 } else { 2000 }));
        since.elapsed() < BUSY
    }))?;
    // Otherwise a statement is planned anew whenever its parameters change, which costs more than running it.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.pragma_update(None, "synchronous", "FULL")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    Ok(conn)
}

/// Says what is wrong with a path before SQLite does, which knows only "unable to open".
fn check_path(file: &Path) -> Result<(), Error> {
    let shown = file.display();
    let words = match std::fs::metadata(file) {
        Ok(metadata) if metadata.is_dir() => {
            format!("{shown} is a directory: `filename` in store {{ }} must name a file")
        }
        Ok(metadata) if !metadata.is_file() => {
            format!("{shown} is not a file: `filename` in store {{ }} must name one")
        }
        Ok(_) => match BESIDE.iter().map(|end| path_beside(file, end)).find(|beside| is_other(beside)) {
            None => return Ok(()),
            Some(other) => {
                let other = other.display();
                format!("{other} is not a file: remove it, and find out who has put it there")
            }
        },
        Err(error) => match error.kind() {
            std::io::ErrorKind::NotFound if !parent_folder(file).is_dir() => {
                format!("folder {} does not exist: run `mfa init`", parent_folder(file).display())
            }
            std::io::ErrorKind::NotFound => {
                format!("{shown} does not exist: run `mfa init`, or `mfa restore` if there was one")
            }
            std::io::ErrorKind::PermissionDenied => {
                format!(
                    "{shown} cannot be opened: run as root or as the server's user, to whom it must belong"
                )
            }
            _ => format!("{shown} cannot be opened: {error}"),
        },
    };
    Err(Error::Other(words))
}

/// What SQLite puts beside a database, and opens if it is there.
pub(super) const BESIDE: [&str; 3] = ["-journal", "-wal", "-shm"];

/// A file beside a database.
pub(super) fn path_beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Whether there is something there that is no file. SQLite would wait for the other end of a FIFO.
fn is_other(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| !found.is_file())
}

/// The folder that a file is in.
pub(super) fn parent_folder(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn read_only() -> rusqlite::Error {
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
    rusqlite::Error::SqliteFailure(code, None)
}
