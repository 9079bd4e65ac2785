//! `mfa restore`: users and tokens as of the backup, without the passcodes used since.
//!
//! The backup is copied beside the database, brought up to date and checked there; then one transaction replaces what
//! the database holds. A server that runs meanwhile sees all of it or nothing, and refuses logins while that
//! transaction lasts.
//!
//! What was spent stays spent: where the database still knows a token of the backup, the higher of the two states
//! counts, and it is enabled only if it is so in both. A user who was enrolled since then is not let in without a
//! token now. Otherwise the window of codes that could have been used until now is burned. For HOTP it cannot be
//! known how many codes were used since the backup; `look_ahead + 1` of them are burned, and a user who used more has
//! to resynchronise. Recovery codes used since a backup whose database is lost are open again: they are counted in
//! [`RestoreReport`], to be renewed.

use super::backup::TemporaryDatabase;
use super::connection::{self, ConnectionPurpose, parent_folder};
use super::error::{StoreFault, from_text};
use super::keyring::LiveKeyring;
use super::sqlite::{SqliteStore, check_key, make_database};
use super::{Error, ProgressCallback, file_identity, schema, token_serials};
use crate::types::Timestamp;
use crate::{config, files};
use rusqlite::{Connection, TransactionBehavior, params};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// Which codes are acceptable, and so may have been used: the site's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AcceptanceWindow {
    /// `totp { }`.
    pub totp: config::TotpRules,
    /// `hotp { }`.
    pub hotp: config::HotpRules,
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize)]
pub struct RestoreReport {
    /// Number of users.
    pub users: u64,
    /// Number of tokens.
    pub tokens: u64,
    /// HOTP tokens of which it is unknown how many codes were used since the backup.
    pub counters: u64,
    /// Lists of recovery codes of which it is unknown which were used since the backup: they should be renewed.
    pub recovery: u64,
}

impl SqliteStore {
    /// [`restore_from`](Self::restore_from) the file of that name.
    pub fn restore(
        store: &config::StoreOptions,
        from: &Path,
        window: AcceptanceWindow,
        now: Timestamp,
        progress: ProgressCallback<'_>,
    ) -> Result<RestoreReport, Error> {
        Self::restore_from(store, BackupFile::open(from)?, window, now, progress)
    }

    /// Replaces users and tokens by those of a backup; the audit trail and running slow-downs stay, and a lock lasts as long as
    /// the later of the two says. Where there is no database one is made.
    pub fn restore_from(
        store: &config::StoreOptions,
        mut backup: BackupFile,
        window: AcceptanceWindow,
        now: Timestamp,
        progress: ProgressCallback<'_>,
    ) -> Result<RestoreReport, Error> {
        let filename = &store.filename;
        let keys = LiveKeyring::open(&store.key)?;
        let beside = TemporaryDatabase::new(filename, "restore");
        backup.copy_database(&beside, filename, progress)?;
        let from = backup.path.as_path();
        let mut copy = connection::open(&beside.0, ConnectionPurpose::Administer)?;
        let tell = |fault: StoreFault| fault.into_error(from);
        schema::migrate_schema(&mut copy).map_err(tell)?;
        check_copy(&copy, from)?;
        check_key(&copy, &keys, &store.key).map_err(tell)?;
        drop(copy);
        if std::fs::symlink_metadata(filename).is_err() {
            make_database(filename, &keys.get()).map_err(|fault| fault.into_error(filename))?;
        }
        let mut conn = connection::open(filename, ConnectionPurpose::Administer)?;
        let mut replace = || {
            schema::migrate_schema(&mut conn)?;
            conn.execute("ATTACH ?1 AS backup", [beside.0.to_string_lossy()])?;
            replace_database(&mut conn, window, now)
        };
        replace().map_err(|fault| fault.into_error(filename))
    }
}

/// A file that `mfa backup` made, open. Another user than the one who restores it may have opened it, so nothing of it is copied
/// to where others can read it before it is known to be one of our databases.
#[derive(Debug)]
pub struct BackupFile {
    file: File,
    path: PathBuf,
}

/// How a database of SQLite begins (its file format, section 1.3).
const MAGIC: &[u8] = b"SQLite format 3\0";
/// Where `PRAGMA application_id` stands in it.
const APPLICATION_AT: usize = 68;
/// Octets that are copied at a time.
const BITE: usize = 256 * 1024;

impl BackupFile {
    /// Opens it, and looks at how it begins.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let shown = path.display();
        let told = |why: &str| Error::Other(format!("{shown} {why}: give a file that `mfa backup` made"));
        if !path.is_file() {
            return Err(told("is not a file"));
        }
        let failed =
            |error: std::io::Error| Error::Other(format!("the backup {shown} cannot be read: {error}"));
        let mut file = files::open(path).map_err(failed)?;
        let mut head = Vec::new();
        Read::by_ref(&mut file).take(100).read_to_end(&mut head).map_err(failed)?;
        file.rewind().map_err(failed)?;
        if !head.starts_with(MAGIC) {
            return Err(told("is not a database"));
        }
        if head.get(APPLICATION_AT..).and_then(|rest| rest.first_chunk()) != Some(&schema::MARK) {
            return Err(told("is a database of another program"));
        }
        let mut log = path.as_os_str().to_owned();
        log.push("-wal");
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            return Err(told(
                "is not whole: the database was in use, and what it was to hold lies in its -wal",
            ));
        }
        Ok(Self { file, path: path.to_owned() })
    }

    fn copy_database(
        &mut self,
        beside: &TemporaryDatabase,
        filename: &Path,
        progress: ProgressCallback<'_>,
    ) -> Result<(), Error> {
        let mut to = file_identity::create_private(&beside.0).map_err(|e| {
            let shown = parent_folder(filename).display();
            Error::Other(format!(
                "{shown} cannot be written: {e}: make the folder (`mfa init`), or run as root"
            ))
        })?;
        let failed =
            |error| Error::Other(format!("the backup {} cannot be copied: {error}", self.path.display()));
        let all = self.file.metadata().map_err(failed)?.len();
        let (mut octets, mut done) = (vec![0; BITE], 0u64);
        loop {
            let length = self.file.read(&mut octets).map_err(failed)?;
            let Some(read) = octets.get(..length).filter(|read| !read.is_empty()) else { return Ok(()) };
            to.write_all(read).map_err(failed)?;
            done = done.saturating_add(u64::try_from(length).unwrap_or_default());
            progress(done, all.max(done));
        }
    }
}

fn check_copy(copy: &Connection, from: &Path) -> Result<(), Error> {
    let found: rusqlite::Result<String> = copy.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0));
    match found.as_deref() {
        Ok("ok") => Ok(()),
        _ => Err(Error::Other(format!("{} is damaged: take another backup", from.display()))),
    }
}

/// Burns what may have been used, then replaces, all in one transaction. `now` is when the call began; what running servers
/// accepted since then, the database itself knows.
fn replace_database(
    conn: &mut Connection,
    window: AcceptanceWindow,
    now: Timestamp,
) -> Result<RestoreReport, StoreFault> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let same = "main.token AS here WHERE here.id = token.id AND here.serial = token.serial
        AND here.created = token.created AND here.factor = token.factor";
    let number = |sql: &str| -> Result<u64, StoreFault> {
        Ok(u64::try_from(tx.query_row(sql, (), |row| row.get::<_, i64>(0))?).unwrap_or_default())
    };
    let unknown = |factor: &str| {
        number(&format!(
            "SELECT count(*) FROM backup.token WHERE factor = '{factor}' AND NOT EXISTS (SELECT 1 FROM {same})"
        ))
    };
    let restored = RestoreReport {
        users: number("SELECT count(*) FROM backup.user")?,
        tokens: number("SELECT count(*) FROM backup.token")?,
        counters: unknown("hotp")?,
        recovery: unknown("recovery")?,
    };
    let seconds = i64::try_from(now.as_seconds()).map_err(|_| from_text("the clock is wrong: set it"))?;
    let ahead =
        i64::from(window.totp.forward).saturating_add(i64::from(window.totp.max_drift)).saturating_add(1);
    tx.execute(
        "UPDATE backup.token SET next = max(next, ?1 / period + ?2) WHERE factor = 'totp'",
        (seconds, ahead),
    )?;
    tx.execute(
        &format!(
            "UPDATE backup.token SET next = next + ?1
             WHERE factor = 'hotp' AND NOT EXISTS (SELECT 1 FROM {same})"
        ),
        [i64::from(window.hotp.look_ahead).saturating_add(1)],
    )?;
    tx.execute_batch(&format!(
        "UPDATE backup.token SET resync_step = NULL, resync_at = NULL;
         UPDATE backup.token SET
             next = (SELECT CASE here.factor WHEN 'recovery' THEN token.next | here.next
                 ELSE max(token.next, here.next) END FROM {same}),
             used = (SELECT max(token.used, here.used) FROM {same}),
             enabled = (SELECT min(token.enabled, here.enabled) FROM {same})
         WHERE EXISTS (SELECT 1 FROM {same});"
    ))?;
    for column in
        ["proven", "total", "last", "locked_until", "used", "enrolled", "locks", "locked_at", "budget"]
    {
        tx.execute_batch(&format!(
            "UPDATE backup.user SET {column} = max({column}, ifnull((SELECT max(here.{column}) FROM main.user AS here
             WHERE here.name = user.name OR (here.id = user.id AND here.created = user.created)), 0));"
        ))?;
    }
    tx.execute_batch(
        "UPDATE backup.user SET gone = ifnull(gone, (SELECT here.gone FROM main.user AS here
         WHERE here.directory = user.directory));",
    )?;
    token_serials::retire_all(&tx)?;
    let had_attempts = number("SELECT EXISTS (SELECT 1 FROM main.attempt)")? != 0;
    tx.execute_batch(
        // Who was enrolled since the backup, or has another name by then, is not let in as one who never was.
        "INSERT INTO main.unenrolled (user, logins) SELECT name, 9223372036854775807 FROM main.user AS here
             WHERE enrolled <> 0 AND NOT EXISTS (SELECT 1 FROM backup.user WHERE name = here.name)
             ON CONFLICT DO UPDATE SET logins = excluded.logins;
         DELETE FROM main.challenge;
         DELETE FROM main.code;
         DELETE FROM main.token;
         DELETE FROM main.user;
         INSERT INTO main.user SELECT * FROM backup.user;
         INSERT INTO main.token SELECT * FROM backup.token;
         DELETE FROM main.remembered;
         UPDATE main.sqlite_sequence SET seq = max(seq, ifnull(
             (SELECT before.seq FROM backup.sqlite_sequence AS before WHERE before.name = sqlite_sequence.name), 0));
         INSERT INTO main.failure SELECT * FROM backup.failure WHERE true ON CONFLICT DO NOTHING;
         UPDATE main.failure SET first_token = NULL, first_at = NULL WHERE first_token IS NOT NULL;
         INSERT INTO main.client_budget SELECT * FROM backup.client_budget WHERE true ON CONFLICT DO UPDATE
             SET budget = max(budget, excluded.budget);
         INSERT INTO main.unenrolled SELECT * FROM backup.unenrolled WHERE true ON CONFLICT DO UPDATE
             SET logins = max(logins, excluded.logins);
         INSERT INTO main.setting SELECT * FROM backup.setting WHERE true ON CONFLICT DO UPDATE
             SET value = CASE WHEN name LIKE 'serial %' THEN max(value, excluded.value) ELSE excluded.value END;
         DELETE FROM main.setting WHERE name = 'sync mark';",
    )?;
    if !had_attempts {
        tx.execute("INSERT INTO main.attempt SELECT * FROM backup.attempt", params![])?;
    }
    tx.commit()?;
    Ok(restored)
}
