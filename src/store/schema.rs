//! The tables, version by version. Called when a database is made or opened; afterwards it is of the version of this module.

use super::Error;
use super::error::{StoreFault, from_text};
use crate::types::Printable;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use std::path::Path;

/// `PRAGMA application_id` of our databases: "mfa1".
const APPLICATION: i64 = 0x6d66_6131;
/// The same, as it stands in the file.
pub(super) const MARK: [u8; 4] = *b"mfa1";

/// What leads from each version to the next; `PRAGMA user_version` counts them. Never changed, only added to.
const STEPS: [&str; 7] = [V1, V2, V3, PENDING_PASSCODES, REMEMBERED_ONCE, ENROLMENT, BOUNDS];

/// Times are milliseconds since 1970, words are those of raddb, `secret` and `pin` are sealed.
///
/// Identities are never given twice (AUTOINCREMENT): a code found right for a token that was deleted since cannot be
/// spent on its successor. `token.used` is the time of its last accept; in the row that an accept writes anyway, it
/// costs nothing.
const V1: &str = "
CREATE TABLE setting (
	name TEXT PRIMARY KEY NOT NULL,
	value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE user (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	name TEXT NOT NULL UNIQUE,
	note TEXT NOT NULL,
	created INTEGER NOT NULL,
	proven INTEGER NOT NULL DEFAULT 0,
	total INTEGER NOT NULL DEFAULT 0,
	last INTEGER NOT NULL DEFAULT 0,
	locked_until INTEGER NOT NULL DEFAULT 0,
	used INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE token (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	user INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
	serial TEXT NOT NULL UNIQUE,
	factor TEXT NOT NULL,
	algorithm TEXT NOT NULL,
	digits INTEGER NOT NULL,
	period INTEGER NOT NULL,
	secret BLOB NOT NULL,
	pin BLOB,
	enabled INTEGER NOT NULL DEFAULT 1,
	next INTEGER NOT NULL DEFAULT 0,
	drift INTEGER NOT NULL DEFAULT 0,
	resync_step INTEGER,
	resync_at INTEGER,
	codes BLOB,
	created INTEGER NOT NULL,
	used INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX token_user ON token (user);

CREATE TABLE failure (
	user TEXT NOT NULL,
	source TEXT NOT NULL,
	count INTEGER NOT NULL,
	last INTEGER NOT NULL,
	tag BLOB NOT NULL,
	PRIMARY KEY (user, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX failure_last ON failure (last);

CREATE TABLE attempt (
	id INTEGER PRIMARY KEY,
	at INTEGER NOT NULL,
	user TEXT NOT NULL,
	client TEXT NOT NULL,
	calling_station TEXT NOT NULL,
	request INTEGER,
	mode TEXT NOT NULL,
	factor TEXT,
	token TEXT,
	verdict TEXT NOT NULL,
	reason TEXT NOT NULL
) STRICT;
";

/// Conversations. `challenge.state` is a digest of the State, `turn` what was asked (JSON); `code.hash` is keyed with the
/// token's secret, and `conversation` the one in which alone the code counts.
///
/// Logins by the password alone. `unenrolled` is by name, since some are in no row of user: how often they were let in without a
/// token, when a link was last sent to them, and how many within the hour since `hour`. `remembered.password` is a digest keyed
/// with the store's key.
const V2: &str = "
CREATE TABLE challenge (
	state BLOB PRIMARY KEY NOT NULL,
	user TEXT NOT NULL,
	client TEXT NOT NULL,
	calling_station TEXT NOT NULL,
	expires INTEGER NOT NULL,
	turn TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX challenge_expires ON challenge (expires);

CREATE TABLE code (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	token INTEGER NOT NULL REFERENCES token (id) ON DELETE CASCADE,
	conversation BLOB,
	hash BLOB NOT NULL,
	sent INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	tries INTEGER NOT NULL
) STRICT;
CREATE INDEX code_token ON code (token);

ALTER TABLE user ADD COLUMN mail TEXT NOT NULL DEFAULT '';

CREATE TABLE unenrolled (
	user TEXT PRIMARY KEY NOT NULL,
	logins INTEGER NOT NULL DEFAULT 0,
	invited INTEGER NOT NULL DEFAULT 0,
	hour INTEGER NOT NULL DEFAULT 0,
	invitations INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE remembered (
	user TEXT NOT NULL,
	client TEXT NOT NULL,
	calling_station TEXT NOT NULL,
	password BLOB NOT NULL,
	until INTEGER NOT NULL,
	PRIMARY KEY (user, client, calling_station)
) STRICT, WITHOUT ROWID;
CREATE INDEX remembered_until ON remembered (until);
";

/// Users who come from a directory. `user.password` is a sealed hash (PHC string format) where the password is kept
/// here; `directory` is the permanent identifier there (objectGUID, entryUUID), and `gone` since when the directory
/// no longer has the user, who is locked meanwhile. `welcome` is there while the user is to be sent a token, and is
/// its serial once it is made. `token.directory` marks tokens whose address follows the directory.
const V3: &str = "
ALTER TABLE user ADD COLUMN password BLOB;
ALTER TABLE user ADD COLUMN directory TEXT;
ALTER TABLE user ADD COLUMN gone INTEGER;
ALTER TABLE user ADD COLUMN welcome TEXT;
ALTER TABLE token ADD COLUMN directory INTEGER NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX user_directory ON user (directory) WHERE directory IS NOT NULL;
";

/// Right passcodes whose password the server is still to find right. `id` is known to the process that has the login,
/// `locked_until` is the lock that its failure led to, or 0, and `accepts` the reason of the accept.
const PENDING_PASSCODES: &str = "
CREATE TABLE pending (
	id BLOB PRIMARY KEY NOT NULL,
	user INTEGER NOT NULL REFERENCES user (id) ON DELETE CASCADE,
	token INTEGER NOT NULL REFERENCES token (id) ON DELETE CASCADE,
	at INTEGER NOT NULL,
	locked_until INTEGER NOT NULL,
	accepts TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX pending_at ON pending (at);
";

/// For how many other logins a remembered one is good; NULL for any number.
const REMEMBERED_ONCE: &str = "
ALTER TABLE remembered ADD COLUMN uses INTEGER;
";

/// `user.enrolled` tells whether a token was ever enrolled for the user, whatever has become of it since: `used` is set in their
/// rows when a token is deleted that let them in. `token.digest` is a digest of the secret, keyed with the store's key, by which a
/// secret is found that another token has already; none in rows of an earlier version.
const ENROLMENT: &str = "
ALTER TABLE user ADD COLUMN enrolled INTEGER NOT NULL DEFAULT 0;
UPDATE user SET enrolled = 1 WHERE used > 0 OR EXISTS (SELECT 1 FROM token WHERE token.user = user.id);
ALTER TABLE token ADD COLUMN digest BLOB;
CREATE INDEX token_digest ON token (digest) WHERE digest IS NOT NULL;
CREATE INDEX token_undigested ON token (id) WHERE digest IS NULL;
";

/// What bounds guesses, and what a stranger can grow.
///
/// `user.locks` and `locked_at` are how many locks there were in a row behind a right password, and when the last began; `budget` is
/// when the user's failures of a day without a proven password are used up no more, `client_budget` the same of a client over all
/// users. `failure.first_token` and `first_at` are a right code that came beyond such a budget, and waits for a second one. Rows
/// with `proven` are behind a proven password: what is not proven can be invented, and goes first. `attempt.refusal` is 1 for a
/// refusal without a proven password, 2 for one behind it, 0 for everything else. `code.source` is where a code was asked for.
const BOUNDS: &str = "
ALTER TABLE user ADD COLUMN locks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN locked_at INTEGER NOT NULL DEFAULT 0;
ALTER TABLE user ADD COLUMN budget INTEGER NOT NULL DEFAULT 0;

ALTER TABLE failure ADD COLUMN proven INTEGER NOT NULL DEFAULT 0;
ALTER TABLE failure ADD COLUMN first_token INTEGER;
ALTER TABLE failure ADD COLUMN first_at INTEGER;

CREATE TABLE client_budget (
	client TEXT PRIMARY KEY NOT NULL,
	budget INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

ALTER TABLE attempt ADD COLUMN refusal INTEGER NOT NULL DEFAULT 0;
CREATE INDEX attempt_refusal ON attempt (refusal, id) WHERE refusal > 0;

ALTER TABLE challenge ADD COLUMN proven INTEGER NOT NULL DEFAULT 0;
CREATE INDEX challenge_proven ON challenge (proven, expires);

ALTER TABLE code ADD COLUMN source TEXT;
";

/// Whatever is neither a table nor an index.
const FOREIGN: &str = "SELECT ifnull(name, type) FROM sqlite_schema
    WHERE type NOT IN ('table', 'index') OR sql LIKE 'CREATE VIRTUAL%' LIMIT 1";

/// The version this module reads and writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// The version of a database that is ours. Zero for an empty one.
pub(super) fn schema_version(conn: &Connection) -> rusqlite::Result<i64> {
    conn.query_row("PRAGMA user_version", (), |row| row.get(0))
}

/// Whether there is anything in it, and if so whether it is ours and not from the future.
pub(super) fn check_schema(conn: &Connection, file: &Path) -> Result<(), StoreFault> {
    let application: i64 = conn.query_row("PRAGMA application_id", (), |row| row.get(0))?;
    let version = schema_version(conn)?;
    let file = file.display();
    if application == 0 && version == 0 {
        return Err(from_text(format!("{file} is empty: remove it and run `mfa init`, or `mfa restore`")));
    }
    if application != APPLICATION {
        return Err(from_text(format!(
            "{file} is a database of another program: correct `filename` in store {{ }}"
        )));
    }
    // A view can be endless, and a trigger undo what is written. The server would wait for the one, and believe the other.
    let foreign: Option<String> = conn.query_row(FOREIGN, (), |row| row.get(0)).optional()?;
    if let Some(name) = foreign {
        let name = Printable::new(&name);
        return Err(from_text(format!(
            "{file} holds \"{name}\", which mfa has not made: another program has changed it: `mfa restore` a backup"
        )));
    }
    if version > VERSION {
        return Err(from_text(format!(
            "{file} has schema version {version}, this module knows up to {VERSION}: install the newer module, or `mfa restore` an older backup"
        )));
    }
    Ok(())
}

/// Brings a database to [`VERSION`], each step in a transaction of its own. Several processes may do so at once.
pub(super) fn migrate_schema(conn: &mut Connection) -> Result<(), StoreFault> {
    while schema_version(conn)? < VERSION {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let from = schema_version(&tx)?;
        if let Some(step) = usize::try_from(from).ok().and_then(|from| STEPS.get(from)) {
            tx.execute_batch(step)?;
            tx.pragma_update(None, "application_id", APPLICATION)?;
            tx.pragma_update(None, "user_version", from.saturating_add(1))?;
        }
        tx.commit()?;
    }
    Ok(())
}

/// A value of `setting`.
pub(super) fn read_setting<T: rusqlite::types::FromSql>(
    conn: &Connection,
    name: &str,
) -> rusqlite::Result<Option<T>> {
    conn.prepare_cached("SELECT value FROM setting WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()
}

/// Writes a value of `setting`.
pub(super) fn set_setting(
    conn: &Connection,
    name: &str,
    value: impl rusqlite::ToSql,
) -> rusqlite::Result<()> {
    conn.prepare_cached("INSERT INTO setting VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = ?2")?
        .execute(rusqlite::params![name, value])?;
    Ok(())
}

impl From<Error> for StoreFault {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_had_a_token_is_marked() {
        let conn = Connection::open_in_memory().unwrap();
        for step in [V1, V2, V3] {
            conn.execute_batch(step).unwrap();
        }
        conn.execute_batch(
            "INSERT INTO user (id, name, note, created) VALUES (1, 'has', '', 0), (2, 'never', '', 0);
             INSERT INTO user (id, name, note, created, used) VALUES (3, 'used', '', 0, 7);
             INSERT INTO token (user, serial, factor, algorithm, digits, period, secret, enabled, created)
             VALUES (1, 'totp1', 'totp', 'SHA1', 6, 30, x'00', 0, 0);",
        )
        .unwrap();
        conn.execute_batch(ENROLMENT).unwrap();
        let marked = "SELECT group_concat(name) FROM (SELECT name FROM user WHERE enrolled <> 0 ORDER BY id)";
        assert_eq!(conn.query_row(marked, (), |row| row.get::<_, String>(0)).unwrap(), "has,used");
    }

    #[test]
    fn steps_lead_to_the_present_version() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert!(check_schema(&conn, Path::new("x")).is_err(), "an empty file is no database of ours");
        migrate_schema(&mut conn).unwrap();
        migrate_schema(&mut conn).unwrap();
        assert_eq!(schema_version(&conn).unwrap(), VERSION);
        assert!(check_schema(&conn, Path::new("x")).is_ok());
        conn.pragma_update(None, "user_version", VERSION + 1).unwrap();
        assert!(
            matches!(check_schema(&conn, Path::new("x")), Err(StoreFault::Told(e)) if e.to_string().contains("newer module"))
        );
    }
}
