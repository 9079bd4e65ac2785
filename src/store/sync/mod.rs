//! Users from a directory, for `mfa sync`: first everything that the directory says is staged
//! ([`SqliteStore::stage_users`]), then it is compared with the store, some hundred users in a transaction
//! ([`SqliteStore::apply_staged`]).
//!
//! A run may end anywhere: the next one begins anew, and finds done what was done. Staged rows are in a temporary
//! table of this connection, which no other connection sees.

mod address;
mod batch;
mod model;
mod rename;
mod welcome;

pub use welcome::WelcomeMail;

pub use model::{ChangeKind, StagedDetails, StagedUser, SyncChange, SyncEffect, SyncRules, UserCounts};

use super::error::StoreFault;
use super::sqlite::SqliteStore;
use super::{Error, schema};
use crate::types::{Mailbox, PhoneNumber, UnusableValue, UserName};
use batch::SyncBatch;
use model::BITE;
use model::{SyncPhase, UNUSABLE};
use rusqlite::{Connection, Transaction};

/// `told`: details are known. `name` is null if it is not valid, and `problem` says why.
const STAGED: &str = "
CREATE TEMP TABLE IF NOT EXISTS staged (
	id TEXT PRIMARY KEY NOT NULL,
	told INTEGER NOT NULL,
	name TEXT,
	mail TEXT,
	phone TEXT,
	problem TEXT
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS temp.staged_name ON staged (name);
DELETE FROM staged;
";

/// Names of settings. What the last run has left is forgotten when a backup is brought back.
const MARK: &str = "sync mark";
const LAST: &str = "sync last";

impl SqliteStore {
    /// Forgets what was put aside.
    pub fn clear_stage(&self) -> Result<(), Error> {
        self.run_aside(|conn| Ok(conn.execute_batch(STAGED)?))
    }

    /// Puts aside whom the directory has. Of what is told of one several times, the last counts, and something more than nothing.
    pub fn stage_users(&self, some: &[StagedUser]) -> Result<(), Error> {
        self.run_aside(|conn| {
            let tx = conn.unchecked_transaction()?;
            for one in some {
                insert_staged(&tx, one)?;
            }
            Ok(tx.commit()?)
        })
    }

    /// Those of whom nothing is known, and something has to be: who is new here, or has left. After that one.
    pub fn unknown_users(&self, after: &str) -> Result<Vec<String>, Error> {
        self.run_aside(|conn| {
            let mut statement = conn.prepare_cached(
                "SELECT id FROM staged WHERE id > ?1 AND told = 0
                 AND NOT EXISTS (SELECT 1 FROM user WHERE directory = staged.id AND gone IS NULL)
                 ORDER BY id LIMIT ?2",
            )?;
            let ids = statement.query_map((after, BITE), |row| row.get(0))?;
            Ok(ids.collect::<Result<_, _>>()?)
        })
    }

    /// How many there are.
    pub fn count_users(&self) -> Result<UserCounts, Error> {
        self.run_aside(|conn| {
            let count = |sql: &str| -> Result<u64, StoreFault> {
                Ok(u64::try_from(conn.query_row(sql, (), |row| row.get::<_, i64>(0))?).unwrap_or_default())
            };
            let here = "SELECT count(*) FROM user WHERE directory IS NOT NULL AND gone IS NULL";
            Ok(UserCounts {
                known: count(here)?,
                leaving: count(&format!(
                    "{here} AND NOT EXISTS (SELECT 1 FROM staged WHERE staged.id = user.directory)"
                ))?,
                present: count("SELECT count(*) FROM staged")?,
            })
        })
    }

    /// Makes of the users here what was put aside, and tells what was done once it is on disk.
    pub fn apply_staged(&self, rules: SyncRules<'_>, told: &mut dyn FnMut(SyncChange)) -> Result<(), Error> {
        if rules.effect == SyncEffect::Lasting {
            self.add_digests()?;
        }
        let mut waiting = Vec::new();
        for phase in
            [SyncPhase::Leave, SyncPhase::Return, SyncPhase::Delete, SyncPhase::Change, SyncPhase::Add]
        {
            let mut after = (0, String::new());
            loop {
                let bite = |tx: &Transaction<'_>| {
                    let mut bite = SyncBatch::new(self, tx, rules);
                    let last = bite.run(phase, &after)?;
                    Ok((last, bite.changes, bite.waiting))
                };
                let (last, changes, more) = match rules.effect {
                    SyncEffect::Lasting => self.write(bite)?,
                    SyncEffect::None => self.run_undone(bite)?,
                };
                changes.into_iter().for_each(&mut *told);
                waiting.extend(more);
                match last {
                    Some(last) => after = last,
                    None => break,
                }
            }
            if phase == SyncPhase::Change {
                self.apply_pending_renames(std::mem::take(&mut waiting), told)?;
            }
        }
        Ok(())
    }

    /// What the last run has left for the next one.
    pub fn sync_mark(&self) -> Result<Option<String>, Error> {
        self.run_aside(|conn| Ok(schema::read_setting(conn, MARK)?))
    }

    /// Stores the checkpoint of the next run.
    pub fn set_sync_mark(&self, mark: &str) -> Result<(), Error> {
        self.write(|tx| Ok(schema::set_setting(tx, MARK, mark)?))
    }

    /// What the last run came to.
    pub fn last_sync(&self) -> Result<Option<String>, Error> {
        self.run_aside(|conn| Ok(schema::read_setting(conn, LAST)?))
    }

    /// Stores the report of the last run.
    pub fn set_last_sync(&self, last: &str) -> Result<(), Error> {
        self.write(|tx| Ok(schema::set_setting(tx, LAST, last)?))
    }
}

fn insert_staged(tx: &Connection, one: &StagedUser) -> Result<(), StoreFault> {
    let Some(details) = &one.details else {
        tx.prepare_cached("INSERT INTO staged (id, told) VALUES (?1, 0) ON CONFLICT DO NOTHING")?
            .execute([&one.id])?;
        return Ok(());
    };
    let mail = details.mail.as_ref().map(|mail| mail.as_ref().map_or(UNUSABLE, Mailbox::as_str));
    let phone = details.phone.as_ref().map(|phone| phone.as_ref().map_or(UNUSABLE, PhoneNumber::as_str));
    let why = |what: &str, why: Option<&UnusableValue>| why.map(|why| format!("{what}: {why}"));
    let problem = match &details.name {
        Err(problem) => Some(problem.to_string()),
        Ok(_) => why("mailbox", details.mail.as_ref().and_then(|mail| mail.as_ref().err())).or_else(|| {
            why("telephone number", details.phone.as_ref().and_then(|phone| phone.as_ref().err()))
        }),
    };
    tx.prepare_cached(
        "INSERT INTO staged VALUES (?1, 1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET told = 1, name = ?2, mail = ?3, phone = ?4, problem = ?5",
    )?
    .execute((&one.id, details.name.as_ref().ok().map(UserName::as_str), mail, phone, problem))?;
    Ok(())
}
