//! What is done with some hundred users in one transaction.

use super::super::admin::insert_user;
use super::super::error::StoreFault;
use super::super::row::to_millis;
use super::super::{SqliteStore, remembered_logins, token_serials};
use super::model::{BITE, ChangeKind, SyncChange, SyncEffect, SyncPhase, SyncRules};
use super::rename::PendingRename;
use super::welcome::{new_oath_parameters, set_welcome};
use crate::config::sync::EnrolmentMail;
use crate::types::{UserId, UserName};
use rusqlite::{Connection, OptionalExtension, Row};

/// One transaction's worth.
pub(super) struct SyncBatch<'a> {
    pub(super) store: &'a SqliteStore,
    pub(super) tx: &'a Connection,
    pub(super) rules: SyncRules<'a>,
    pub(super) changes: Vec<SyncChange>,
    pub(super) waiting: Vec<PendingRename>,
}

/// A user of the directory, as staged.
pub(super) struct StagedRow {
    id: String,
    name: Option<String>,
    pub(super) mail: Option<String>,
    pub(super) phone: Option<String>,
    problem: Option<String>,
}

impl StagedRow {
    fn from_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            mail: row.get(2)?,
            phone: row.get(3)?,
            problem: row.get(4)?,
        })
    }
}

/// The user who holds a name.
enum NameHolder {
    Nobody,
    /// A user who was added by hand.
    Local(UserId),
    /// A user of the directory who is about to be renamed.
    Moving,
    /// Another user, for this reason.
    Other(&'static str),
}

impl<'a> SyncBatch<'a> {
    pub(super) fn new(store: &'a SqliteStore, tx: &'a Connection, rules: SyncRules<'a>) -> Self {
        Self { store, tx, rules, changes: Vec::new(), waiting: Vec::new() }
    }

    /// The next users after that one; the last of them, if there may be more.
    pub(super) fn run(
        &mut self,
        phase: SyncPhase,
        after: &(i64, String),
    ) -> Result<Option<(i64, String)>, StoreFault> {
        match phase {
            SyncPhase::Leave => self.lock_next_leaver(after.0),
            SyncPhase::Return => self.come_back(after.0),
            SyncPhase::Delete => self.delete(after.0),
            SyncPhase::Change => self.apply_next_change(&after.1),
            SyncPhase::Add => self.add(&after.1),
        }
    }

    fn report_change(&mut self, user: &str, what: ChangeKind, detail: impl Into<String>) {
        self.changes.push(SyncChange { user: user.to_owned(), what, detail: detail.into() });
    }

    /// Users here, by this condition.
    fn users(&self, condition: &str, after: i64, until: i64) -> Result<Vec<(i64, String)>, StoreFault> {
        let here = "EXISTS (SELECT 1 FROM staged WHERE staged.id = user.directory)";
        let condition = condition.replace("{here}", here);
        let sql = format!(
            "SELECT id, name FROM user WHERE id > ?1 AND directory IS NOT NULL AND ifnull(gone, 0) <= ?2 AND {condition}
             ORDER BY id LIMIT {BITE}"
        );
        let mut statement = self.tx.prepare_cached(&sql)?;
        let users = statement.query_map((after, until), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok(users.collect::<Result<_, _>>()?)
    }

    fn lock_next_leaver(&mut self, after: i64) -> Result<Option<(i64, String)>, StoreFault> {
        let users = self.users("gone IS NULL AND NOT {here}", after, i64::MAX)?;
        for (id, name) in &users {
            self.tx
                .prepare_cached("UPDATE user SET gone = ?2 WHERE id = ?1")?
                .execute((id, to_millis(self.rules.now)))?;
            remembered_logins::forget_remembered_logins(self.tx, name)?;
            self.report_change(name, ChangeKind::Left, "locked");
        }
        Ok(users.into_iter().next_back())
    }

    fn come_back(&mut self, after: i64) -> Result<Option<(i64, String)>, StoreFault> {
        let users = self.users("gone IS NOT NULL AND {here}", after, i64::MAX)?;
        for (id, name) in &users {
            self.tx.prepare_cached("UPDATE user SET gone = NULL WHERE id = ?1")?.execute([id])?;
            self.report_change(name, ChangeKind::Returned, "unlocked");
        }
        Ok(users.into_iter().next_back())
    }

    fn delete(&mut self, after: i64) -> Result<Option<(i64, String)>, StoreFault> {
        let until = to_millis(self.rules.now.minus(self.rules.sync.retention));
        let users = self.users("gone IS NOT NULL AND NOT {here}", after, until)?;
        for (id, name) in &users {
            self.tx.prepare_cached("DELETE FROM user WHERE id = ?1")?.execute([id])?;
            token_serials::forget_serials(self.tx, UserId(*id))?;
            remembered_logins::forget_remembered_logins(self.tx, name)?;
            self.report_change(name, ChangeKind::Deleted, "");
        }
        Ok(users.into_iter().next_back())
    }

    fn apply_next_change(&mut self, after: &str) -> Result<Option<(i64, String)>, StoreFault> {
        let known: Vec<(StagedRow, i64, String, String)> = self
            .tx
            .prepare_cached(
                "SELECT s.id, s.name, s.mail, s.phone, s.problem, user.id, user.name, user.mail
                 FROM staged AS s CROSS JOIN user ON user.directory = s.id
                 WHERE s.id > ?1 AND s.told <> 0 ORDER BY s.id LIMIT ?2",
            )?
            .query_map((after, BITE), |row| {
                Ok((StagedRow::from_row(row)?, row.get(5)?, row.get(6)?, row.get(7)?))
            })?
            .collect::<Result<_, _>>()?;
        let last = known.last().map(|(aside, ..)| (0, aside.id.clone()));
        for (aside, id, name, mail) in known {
            let (id, name) = (UserId(id), UserName::from_canonical(name));
            let name = self.rename_user(id, name, &aside)?;
            let changed = self.update_addresses(id, &name, &mail, &aside)?;
            if !changed.is_empty() {
                self.report_change(name.as_str(), ChangeKind::Changed, changed.join(", "));
            }
            if let (Some(problem), Some(_)) = (&aside.problem, &aside.name) {
                self.report_change(name.as_str(), ChangeKind::Unusable, problem);
            }
        }
        Ok(last)
    }

    /// Renames the user to the directory's name, if that is free. Returns the resulting name.
    fn rename_user(&mut self, id: UserId, name: UserName, aside: &StagedRow) -> Result<UserName, StoreFault> {
        let Some(to) = &aside.name else {
            self.report_change(name.as_str(), ChangeKind::Skipped, aside.problem.clone().unwrap_or_default());
            return Ok(name);
        };
        let to = UserName::from_canonical(to);
        if to == name {
            return Ok(name);
        }
        let moving = PendingRename { id, directory: aside.id.clone(), from: name.clone(), name, to };
        match self.name_holder(&moving.to)? {
            _ if self.has_twin(&moving.to, &aside.id)? => self.changes.push(moving.in_vain()),
            NameHolder::Nobody => {
                self.store.rename(self.tx, id, &moving.name, &moving.to)?;
                self.changes.push(moving.rename_change());
                return Ok(moving.to);
            }
            NameHolder::Moving if self.rules.effect == SyncEffect::None => {
                self.changes.push(moving.rename_change())
            }
            NameHolder::Moving => {
                let name = moving.name.clone();
                self.waiting.push(moving);
                return Ok(name);
            }
            NameHolder::Local(_) | NameHolder::Other(_) => self.changes.push(moving.in_vain()),
        }
        Ok(moving.name)
    }

    /// Whether another entry has the name as well: it could not be assigned to one of them.
    fn has_twin(&self, name: &UserName, id: &str) -> Result<bool, StoreFault> {
        let mut statement = self.tx.prepare_cached("SELECT 1 FROM staged WHERE name = ?1 AND id <> ?2")?;
        Ok(statement.exists((name.as_str(), id))?)
    }

    fn name_holder(&self, name: &UserName) -> Result<NameHolder, StoreFault> {
        let found = self
            .tx
            .prepare_cached(
                "SELECT user.id, user.directory, user.gone, staged.name FROM user
                 LEFT JOIN staged ON staged.id = user.directory WHERE user.name = ?1",
            )?
            .query_row([name.as_str()], |row| {
                Ok((
                    UserId(row.get(0)?),
                    row.get::<_, Option<String>>(1)?,
                    row.get::<_, Option<i64>>(2)?,
                    row.get::<_, Option<String>>(3)?,
                ))
            })
            .optional()?;
        Ok(match found {
            None => NameHolder::Nobody,
            Some((id, None, ..)) => NameHolder::Local(id),
            Some((_, _, Some(_), _)) => NameHolder::Other(
                "a removed user had this name: `mfa user delete` it, or wait until it is deleted",
            ),
            Some((_, _, None, Some(to))) if to != name.as_str() => NameHolder::Moving,
            Some(_) => NameHolder::Other("another user of the directory has this name"),
        })
    }

    fn add(&mut self, after: &str) -> Result<Option<(i64, String)>, StoreFault> {
        let new: Vec<StagedRow> = self
            .tx
            .prepare_cached(
                "SELECT s.id, s.name, s.mail, s.phone, s.problem FROM staged AS s
                 WHERE s.id > ?1 AND s.told <> 0 AND NOT EXISTS (SELECT 1 FROM user WHERE directory = s.id)
                 ORDER BY s.id LIMIT ?2",
            )?
            .query_map((after, BITE), StagedRow::from_row)?
            .collect::<Result<_, _>>()?;
        let last = new.last().map(|aside| (0, aside.id.clone()));
        for aside in new {
            self.add_one(&aside)?;
        }
        Ok(last)
    }

    fn add_one(&mut self, aside: &StagedRow) -> Result<(), StoreFault> {
        let Some(name) = &aside.name else {
            self.report_change(&aside.id, ChangeKind::Skipped, aside.problem.clone().unwrap_or_default());
            return Ok(());
        };
        let name = UserName::from_canonical(name);
        let has_twin = self.has_twin(&name, &aside.id)?;
        let (id, what, mail) = match self.name_holder(&name)? {
            NameHolder::Other(why) => {
                self.report_change(name.as_str(), ChangeKind::Skipped, why);
                return Ok(());
            }
            _ if has_twin => {
                self.report_change(
                    name.as_str(),
                    ChangeKind::Skipped,
                    "several entries of the directory have this name",
                );
                return Ok(());
            }
            NameHolder::Moving => {
                // The old name remains only in a dry run.
                match self.rules.effect {
                    SyncEffect::None => self.report_change(name.as_str(), ChangeKind::Added, ""),
                    SyncEffect::Lasting => {
                        self.report_change(
                            name.as_str(),
                            ChangeKind::Skipped,
                            "another user of the directory has this name",
                        );
                    }
                }
                return Ok(());
            }
            NameHolder::Local(id) => {
                let mail = "SELECT mail FROM user WHERE id = ?1";
                let mail = self.tx.prepare_cached(mail)?.query_row([id.0], |row| row.get(0))?;
                (id, ChangeKind::Adopted, mail)
            }
            NameHolder::Nobody => {
                (insert_user(self.tx, &name, "", self.rules.now)?, ChangeKind::Added, String::new())
            }
        };
        self.tx
            .prepare_cached("UPDATE user SET directory = ?2, gone = NULL WHERE id = ?1")?
            .execute((id.0, &aside.id))?;
        let mut done = self.update_addresses(id, &name, &mail, aside)?;
        if let (ChangeKind::Added, Some(factor)) = (what, self.rules.sync.token) {
            if self.rules.sync.mail == EnrolmentMail::Yes {
                set_welcome(self.tx, id, Some(""))?;
            } else {
                let token = self.store.insert_token(
                    self.tx,
                    id,
                    &name,
                    new_oath_parameters(factor)?,
                    self.rules.now,
                )?;
                done.push(token.serial);
            }
        }
        self.report_change(name.as_str(), what, done.join(", "));
        if let Some(problem) = &aside.problem {
            self.report_change(name.as_str(), ChangeKind::Unusable, problem);
        }
        Ok(())
    }
}
