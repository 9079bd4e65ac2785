//! `mfa restore`: users and tokens as they were when a backup was made, and no code that was used since.
//!
//! The backup is copied beside the database, brought up to date and checked there; then one transaction replaces what the
//! database holds. A server that runs meanwhile sees all of it or nothing, and refuses logins while that transaction lasts.
//!
//! What was spent stays spent: where the database still knows a token of the backup, the higher of the two states counts.
//! Otherwise the window of codes that could have been used until now is burned. For HOTP it cannot be known how many
//! codes were used since the backup; `look_ahead + 1` of them are burned, and whoever used more has to resynchronise.
//! Recovery codes used since a backup whose database is lost are open again: they are counted in [`Restored`], to be renewed.

use super::connection::{self, Purpose, folder};
use super::fault::{Fault, other};
use super::keyring::Keys;
use super::sqlite::{Sqlite, check_key, make_database};
use super::{Error, Progress, backup, file, schema};
use crate::config;
use crate::types::Timestamp;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};
use std::path::{Path, PathBuf};

/// Which codes are acceptable, and so may have been used: the site's settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// `totp { }`.
    pub totp: config::Totp,
    /// `hotp { }`.
    pub hotp: config::Hotp,
}

/// What was restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, serde::Serialize)]
pub struct Restored {
    /// Users.
    pub users: u64,
    /// Tokens.
    pub tokens: u64,
    /// HOTP tokens of which it is unknown how many codes were used since the backup.
    pub counters: u64,
    /// Lists of recovery codes of which it is unknown which were used since the backup: they should be renewed.
    pub recovery: u64,
}

impl Sqlite {
    /// Replaces users and tokens by those of a backup; the audit trail and running slow-downs stay, and a lock lasts as long as
    /// the later of the two says. Where there is no database one is made, private to the owner of its folder.
    pub fn restore(
        store: &config::Store,
        from: &Path,
        window: Window,
        now: Timestamp,
        progress: Progress<'_>,
    ) -> Result<Restored, Error> {
        let filename = &store.filename;
        let keys = Keys::open(&store.key)?;
        let beside = Beside::copy(from, filename, progress)?;
        let mut copy = connection::open(&beside.0, Purpose::Administer)?;
        let tell = |fault: Fault| fault.tell(from);
        schema::migrate(&mut copy).map_err(tell)?;
        check(&copy, from)?;
        check_key(&copy, &keys, &store.key).map_err(tell)?;
        drop(copy);
        if std::fs::symlink_metadata(filename).is_err() {
            let owner = std::fs::metadata(folder(filename)).ok().and_then(|m| file::owner(&m));
            make_database(filename, owner, &keys.get()).map_err(|fault| fault.tell(filename))?;
        }
        let mut conn = connection::open(filename, Purpose::Administer)?;
        let mut replace = || {
            schema::migrate(&mut conn)?;
            conn.execute("ATTACH ?1 AS backup", [beside.0.to_string_lossy()])?;
            replace(&mut conn, window, now)
        };
        replace().map_err(|fault| fault.tell(filename))
    }
}

/// The backup's copy beside the database; gone when dropped.
struct Beside(PathBuf);

impl Beside {
    fn copy(from: &Path, filename: &Path, progress: Progress<'_>) -> Result<Self, Error> {
        if !from.is_file() {
            return Err(Error::Other(format!(
                "{} is not a file: give a file that `mfa backup` made",
                from.display()
            )));
        }
        let beside = Self(folder(filename).join(format!(".mfa-restore-{}", std::process::id())));
        beside.remove();
        let owner = std::fs::metadata(folder(filename)).ok().and_then(|m| file::owner(&m));
        file::create_private(&beside.0, owner).map_err(|e| {
            let shown = folder(filename).display();
            Error::Other(format!(
                "{shown} cannot be written: {e}: make the folder (`mfa init`), or run as root"
            ))
        })?;
        let mut copy = || {
            let source = Connection::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let mut target = connection::connect(&beside.0, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            backup::copy_all(&source, &mut target, progress)?;
            target.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
        };
        copy().map_err(|e: rusqlite::Error| {
            let words = Fault::Sqlite(e).tell(from);
            Error::Other(format!("the backup cannot be read: {words}"))
        })?;
        Ok(beside)
    }

    fn remove(&self) {
        for end in ["", "-wal", "-shm", "-journal"] {
            let mut path = self.0.clone().into_os_string();
            path.push(end);
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.remove();
    }
}

fn check(copy: &Connection, from: &Path) -> Result<(), Error> {
    let found: rusqlite::Result<String> = copy.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0));
    match found.as_deref() {
        Ok("ok") => Ok(()),
        _ => Err(Error::Other(format!("{} is damaged: take another backup", from.display()))),
    }
}

/// Burns what may have been used, then replaces, all in one transaction. `now` is when the call began; what running servers
/// accepted since then, the database itself knows.
fn replace(conn: &mut Connection, window: Window, now: Timestamp) -> Result<Restored, Fault> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let same = "main.token AS here WHERE here.id = token.id AND here.serial = token.serial
        AND here.created = token.created AND here.factor = token.factor";
    let number = |sql: &str| -> Result<u64, Fault> {
        Ok(u64::try_from(tx.query_row(sql, (), |row| row.get::<_, i64>(0))?).unwrap_or_default())
    };
    let unknown = |factor: &str| {
        number(&format!(
            "SELECT count(*) FROM backup.token WHERE factor = '{factor}' AND NOT EXISTS (SELECT 1 FROM {same})"
        ))
    };
    let restored = Restored {
        users: number("SELECT count(*) FROM backup.user")?,
        tokens: number("SELECT count(*) FROM backup.token")?,
        counters: unknown("hotp")?,
        recovery: unknown("recovery")?,
    };
    let seconds = i64::try_from(now.as_seconds()).map_err(|_| other("the clock is wrong: set it"))?;
    let ahead =
        i64::from(window.totp.forward).saturating_add(i64::from(window.totp.max_drift)).saturating_add(1);
    tx.execute(
        "UPDATE backup.token SET resync_step = NULL, resync_at = NULL,
             next = max(next, ?1 / period + ?2) WHERE factor = 'totp'",
        (seconds, ahead),
    )?;
    tx.execute(
        &format!(
            "UPDATE backup.token SET resync_step = NULL, resync_at = NULL, next = next + ?1
             WHERE factor = 'hotp' AND NOT EXISTS (SELECT 1 FROM {same})"
        ),
        [i64::from(window.hotp.look_ahead).saturating_add(1)],
    )?;
    tx.execute_batch(&format!(
        "UPDATE backup.token SET
             next = (SELECT CASE here.factor WHEN 'recovery' THEN token.next | here.next
                 ELSE max(token.next, here.next) END FROM {same}),
             used = (SELECT max(token.used, here.used) FROM {same})
         WHERE EXISTS (SELECT 1 FROM {same});"
    ))?;
    for column in
        ["proven", "total", "last", "locked_until", "used", "enrolled", "locks", "locked_at", "budget"]
    {
        tx.execute_batch(&format!(
            "UPDATE backup.user SET {column} = max({column}, ifnull((SELECT here.{column} FROM main.user AS here
             WHERE here.name = user.name), 0));"
        ))?;
    }
    tx.execute_batch(
        "UPDATE backup.user SET gone = ifnull(gone, (SELECT here.gone FROM main.user AS here
         WHERE here.directory = user.directory));",
    )?;
    let had_attempts = number("SELECT EXISTS (SELECT 1 FROM main.attempt)")? != 0;
    tx.execute_batch(
        "DELETE FROM main.challenge;
         DELETE FROM main.code;
         DELETE FROM main.token;
         DELETE FROM main.user;
         INSERT INTO main.user SELECT * FROM backup.user;
         INSERT INTO main.token SELECT * FROM backup.token;
         DELETE FROM main.remembered;
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
