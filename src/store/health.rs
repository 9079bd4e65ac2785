//! The store's state, for `mfa doctor`.

use super::connection::parent_folder;
use super::sqlite::SqliteStore;
use super::{Error, file_identity, schema};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// What there is to know about an open store.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct StoreHealth {
    /// Version of the tables.
    pub schema: i64,
    /// Number of users.
    pub users: u64,
    /// Users whose password is kept here.
    pub passwords: u64,
    /// Tokens, enabled or not.
    pub tokens: u64,
    /// Recorded attempts, about: what the newest id is above the oldest.
    pub attempts: u64,
    /// Ids of the keys, newest first; several while a `mfa rekey` is unfinished.
    pub keys: Vec<String>,
    /// Octets of the database.
    pub database: u64,
    /// Octets of its log.
    pub log: u64,
    /// SQLite's version.
    pub sqlite: String,
    /// What SQLite finds wrong with the tables of users and tokens; empty if nothing.
    pub damage: Vec<String>,
    /// How long the disk takes to make a commit last: the median of some. Logins a second are at most the number of those
    /// waiting at once divided by this.
    pub sync: Duration,
}

impl SqliteStore {
    /// Looks at everything; reads all users and tokens once.
    pub fn read_health(&self) -> Result<StoreHealth, Error> {
        let filename = &self.shared.config.filename;
        let size = |path: &Path| std::fs::metadata(path).map(|m| m.len()).unwrap_or_default();
        let mut log = filename.as_os_str().to_owned();
        log.push("-wal");
        self.read(|conn| {
            let number = |sql: &str| -> rusqlite::Result<u64> {
                Ok(u64::try_from(conn.query_row(sql, (), |row| row.get::<_, i64>(0))?).unwrap_or_default())
            };
            // Not the audit trail, which may be larger than anybody wants to wait for.
            let mut damage = Vec::new();
            for table in ["setting", "user", "token"] {
                let mut statement = conn.prepare(&format!("PRAGMA quick_check({table})"))?;
                let lines = statement.query_map((), |row| row.get(0))?;
                damage.extend(lines.collect::<Result<Vec<String>, _>>()?);
            }
            damage.retain(|line| line != "ok");
            Ok(StoreHealth {
                schema: schema::schema_version(conn)?,
                users: number("SELECT count(*) FROM user")?,
                passwords: number("SELECT count(*) FROM user WHERE password IS NOT NULL")?,
                tokens: number("SELECT count(*) FROM token")?,
                attempts: number("SELECT ifnull(max(id) - min(id) + 1, 0) FROM attempt")?,
                keys: self.shared.keys.get().key_ids().map(|id| id.to_string()).collect(),
                database: size(filename),
                log: size(Path::new(&log)),
                sqlite: rusqlite::version().to_owned(),
                damage,
                sync: sync_time(filename)?,
            })
        })
    }
}

/// Writes and syncs a file beside the database some times, as a commit does with its log.
fn sync_time(filename: &Path) -> Result<Duration, Error> {
    let beside = parent_folder(filename).join(format!(".mfa-sync-{}", std::process::id()));
    let measure = || {
        let mut probe = file_identity::create_private(&beside)?;
        probe.write_all(&[0; 8192])?;
        probe.sync_data()?;
        let mut times = Vec::new();
        for _ in 0..21 {
            let since = Instant::now();
            probe.seek(SeekFrom::Start(0))?;
            probe.write_all(&[1; 8192])?;
            probe.sync_data()?;
            times.push(since.elapsed());
        }
        times.sort();
        Ok(times.get(10).copied().unwrap_or_default())
    };
    let measured = measure().map_err(|e: std::io::Error| {
        Error::Other(format!(
            "{} cannot be written: {e}: make room, or run as root",
            parent_folder(filename).display()
        ))
    });
    let _ = std::fs::remove_file(&beside);
    measured
}
