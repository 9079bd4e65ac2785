//! Users who come from a directory, for `mfa sync`: first all that the directory says is put aside ([`Sqlite::stage`]), then it is
//! compared with what is here, some hundred users in a transaction ([`Sqlite::follow`]).
//!
//! A run may end anywhere: the next one begins anew, and finds done what was done. What was put aside lies in a temporary table of
//! this connection, which nobody else sees.

use super::admin::{find_user, insert_user, store_secrets};
use super::fault::{Fault, other};
use super::row::millis;
use super::sqlite::Sqlite;
use super::{Error, NewToken, schema, single};
use crate::config::sync::{EnrolmentMail, FromDirectory, Sync};
use crate::engine::port::{SENT_KEY, Token};
use crate::types::{Algorithm, Digits, Factor, Mailbox, Period, Phone, Secret, Timestamp, UserId, UserName};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use std::collections::HashSet;

/// Users in one transaction: short enough that no login waits for long.
const BITE: i64 = 250;
/// The octets of a new secret, as long as SHA-1 (RFC 4226, section 4).
const SECRET: usize = 20;

/// What stands for an address that the directory has and that is none: the one that is here stays.
const UNUSABLE: &str = "?";

/// `told`: something is known of him. `name` is null if it can be none, and `problem` says why.
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

/// Somebody whom the directory has.
#[derive(Clone, Debug)]
pub struct Staged {
    /// By which the directory knows him.
    pub id: String,
    /// What is known of him; none if he has not changed.
    pub details: Option<Details>,
}

/// What is known of somebody.
#[derive(Clone, Debug)]
pub struct Details {
    /// His canonical name, or why it is none.
    pub name: Result<UserName, String>,
    /// His mailbox, or why it is none.
    pub mail: Option<Result<Mailbox, String>>,
    /// His telephone number, or why it is none.
    pub phone: Option<Result<Phone, String>>,
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// Here, of those who come from the directory and have not left.
    pub known: u64,
    /// Of these, whom the directory does not have any more.
    pub leaving: u64,
    /// In the directory.
    pub present: u64,
}

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It is.
    Lasting,
    /// Nothing is: it is only told what would be done.
    None,
}

/// What was done with one user.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// His name; the one he had, if he has another now. His identity, where he has none.
    pub user: String,
    /// What.
    pub what: What,
    /// More about it, with addresses masked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What is done with users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// He is new.
    Added,
    /// He was here, and is the directory's from now on.
    Adopted,
    /// His addresses are others.
    Changed,
    /// He has another name.
    Renamed,
    /// He had left, and is unlocked.
    Returned,
    /// He has left, and is locked.
    Left,
    /// He had left long ago.
    Deleted,
    /// He cannot be a user here.
    Skipped,
    /// Something of him cannot be used.
    Unusable,
}

impl What {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 9] = [
        Self::Added,
        Self::Adopted,
        Self::Changed,
        Self::Renamed,
        Self::Returned,
        Self::Left,
        Self::Deleted,
        Self::Skipped,
        Self::Unusable,
    ];

    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Adopted => "adopted",
            Self::Changed => "changed",
            Self::Renamed => "renamed",
            Self::Returned => "returned",
            Self::Left => "left",
            Self::Deleted => "deleted",
            Self::Skipped => "skipped",
            Self::Unusable => "unusable",
        }
    }
}

/// What is done, one after the other: who left is locked before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Leave,
    Return,
    Delete,
    Change,
    Add,
}

/// A new user's token that is to be sent to him.
#[derive(Clone, Debug)]
pub struct Welcome {
    /// His row.
    pub id: UserId,
    /// His name.
    pub user: UserName,
    /// To which alone it may be sent.
    pub mail: Mailbox,
    /// With its secret.
    pub token: Token,
}

/// How users are followed.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// `sync { }`.
    pub sync: &'a Sync,
    /// Of codes that are sent.
    pub digits: Digits,
    /// Now.
    pub now: Timestamp,
    /// Whether anything is written.
    pub effect: Effect,
}

/// Names of settings. What the last run has left is forgotten when a backup is brought back.
const MARK: &str = "sync mark";
const LAST: &str = "sync last";

impl Sqlite {
    /// Forgets what was put aside.
    pub fn clear_stage(&self) -> Result<(), Error> {
        self.aside(|conn| Ok(conn.execute_batch(STAGED)?))
    }

    /// Puts aside whom the directory has. Of what is told of one several times, the last counts, and something more than nothing.
    pub fn stage(&self, some: &[Staged]) -> Result<(), Error> {
        self.aside(|conn| {
            let tx = conn.unchecked_transaction()?;
            for one in some {
                stage(&tx, one)?;
            }
            Ok(tx.commit()?)
        })
    }

    /// Those of whom nothing is known, and something has to be: who is new here, or has left. After that one.
    pub fn strangers(&self, after: &str) -> Result<Vec<String>, Error> {
        self.aside(|conn| {
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
    pub fn census(&self) -> Result<Census, Error> {
        self.aside(|conn| {
            let count = |sql: &str| -> Result<u64, Fault> {
                Ok(u64::try_from(conn.query_row(sql, (), |row| row.get::<_, i64>(0))?).unwrap_or_default())
            };
            let here = "SELECT count(*) FROM user WHERE directory IS NOT NULL AND gone IS NULL";
            Ok(Census {
                known: count(here)?,
                leaving: count(&format!(
                    "{here} AND NOT EXISTS (SELECT 1 FROM staged WHERE staged.id = user.directory)"
                ))?,
                present: count("SELECT count(*) FROM staged")?,
            })
        })
    }

    /// Makes of the users here what was put aside, and tells what was done once it is on disk.
    pub fn follow(&self, rules: Rules<'_>, told: &mut dyn FnMut(Change)) -> Result<(), Error> {
        let mut waiting = Vec::new();
        for phase in [Phase::Leave, Phase::Return, Phase::Delete, Phase::Change, Phase::Add] {
            let mut after = (0, String::new());
            loop {
                let bite = |tx: &Transaction<'_>| {
                    let mut bite = Bite { store: self, tx, rules, changes: Vec::new(), waiting: Vec::new() };
                    let last = bite.run(phase, &after)?;
                    Ok((last, bite.changes, bite.waiting))
                };
                let (last, changes, more) = match rules.effect {
                    Effect::Lasting => self.write(bite)?,
                    Effect::None => self.undone(bite)?,
                };
                changes.into_iter().for_each(&mut *told);
                waiting.extend(more);
                match last {
                    Some(last) => after = last,
                    None => break,
                }
            }
            if phase == Phase::Change {
                self.untangle(std::mem::take(&mut waiting), told)?;
            }
        }
        Ok(())
    }

    /// Renames those who wait for a name that somebody else is to give up. Where they wait for one another, one of them is called by
    /// his identity meanwhile.
    fn untangle(&self, mut waiting: Vec<Moving>, told: &mut dyn FnMut(Change)) -> Result<(), Error> {
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut left = Vec::new();
            for moving in waiting {
                let renamed = self.write(|tx| {
                    let is_free = find_user(tx, &moving.to)?.is_none();
                    if is_free {
                        self.rename(tx, moving.id, &moving.name, &moving.to)?;
                    }
                    Ok(is_free)
                })?;
                match renamed {
                    true => told(moving.change()),
                    false => left.push(moving),
                }
            }
            if left.len() == before {
                let names: HashSet<UserName> = left.iter().map(|moving| moving.name.clone()).collect();
                let (stay, stuck): (Vec<_>, _) =
                    left.into_iter().partition(|moving| names.contains(&moving.to));
                stuck.iter().for_each(|moving| told(moving.in_vain()));
                left = stay;
                if stuck.is_empty() {
                    self.break_circle(&mut left)?;
                }
            }
            waiting = left;
        }
        Ok(())
    }

    /// Each of these waits for the name of another one.
    fn break_circle(&self, waiting: &mut [Moving]) -> Result<(), Error> {
        let mut at = 0;
        // From anywhere, so many steps end within a circle.
        for _ in 0..waiting.len() {
            let to = waiting.get(at).map(|moving| moving.to.clone());
            at = waiting.iter().position(|moving| Some(&moving.name) == to.as_ref()).unwrap_or_default();
        }
        let Some(moving) = waiting.get_mut(at) else { return Ok(()) };
        let aside = UserName::from_canonical(moving.directory.as_str());
        self.write(|tx| self.rename(tx, moving.id, &moving.name, &aside))?;
        moving.name = aside;
        Ok(())
    }

    /// New users who are to be sent their tokens, after that one; the tokens are made now. None: there are no more.
    pub fn welcomes(&self, rules: Rules<'_>, after: UserId) -> Result<Option<(UserId, Vec<Welcome>)>, Error> {
        self.write(|tx| {
            let waiting: Vec<(i64, String, String, String)> = tx
                .prepare_cached(
                    "SELECT id, name, mail, welcome FROM user WHERE id > ?1 AND welcome IS NOT NULL AND mail <> ''
                     AND gone IS NULL AND locked_until <= ?2 ORDER BY id LIMIT ?3",
                )?
                .query_map((after.0, millis(rules.now), BITE), |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect::<Result<_, _>>()?;
            let Some(last) = waiting.last().map(|last| UserId(last.0)) else { return Ok(None) };
            let mut all = Vec::new();
            for (id, name, mail, serial) in waiting {
                let (id, user) = (UserId(id), UserName::from_canonical(name));
                let token = self.welcome(tx, rules, id, &user, &serial)?;
                match (token, Mailbox::parse(&mail)) {
                    (Some(token), Ok(mail)) => all.push(Welcome { id, user, mail, token }),
                    _ => set_welcome(tx, id, None)?,
                }
            }
            Ok(Some((last, all)))
        })
    }

    /// He was sent it.
    pub fn welcomed(&self, id: UserId) -> Result<(), Error> {
        self.write(|tx| set_welcome(tx, id, None))
    }

    /// New users who are still to be sent their tokens.
    pub fn unwelcomed(&self) -> Result<u64, Error> {
        self.aside(|conn| {
            let sql = "SELECT count(*) FROM user WHERE welcome IS NOT NULL AND gone IS NULL";
            Ok(u64::try_from(conn.query_row(sql, (), |row| row.get::<_, i64>(0))?).unwrap_or_default())
        })
    }

    /// The token he is to be sent. None if he has one already that he was given otherwise, or it was taken from him.
    fn welcome(
        &self,
        tx: &Connection,
        rules: Rules<'_>,
        id: UserId,
        user: &UserName,
        serial: &str,
    ) -> Result<Option<Token>, Fault> {
        let tokens = self.read_tokens(tx, id, user)?;
        if !serial.is_empty() {
            return Ok(tokens.into_iter().find(|token| token.serial == serial && token.enabled));
        }
        let Some(factor) = rules.sync.token else { return Ok(None) };
        let has_own = tokens
            .iter()
            .any(|token| token.enabled && (token.factor.is_oath() || token.factor == Factor::Recovery));
        if has_own {
            return Ok(None);
        }
        let token = self.insert_token(tx, id, user, oath(factor)?, rules.now)?;
        set_welcome(tx, id, Some(&token.serial))?;
        Ok(Some(token))
    }

    /// What the last run has left for the next one.
    pub fn sync_mark(&self) -> Result<Option<String>, Error> {
        self.aside(|conn| Ok(schema::setting(conn, MARK)?))
    }

    /// Leaves it.
    pub fn set_sync_mark(&self, mark: &str) -> Result<(), Error> {
        self.write(|tx| Ok(schema::set_setting(tx, MARK, mark)?))
    }

    /// What the last run came to.
    pub fn last_sync(&self) -> Result<Option<String>, Error> {
        self.aside(|conn| Ok(schema::setting(conn, LAST)?))
    }

    /// Says it.
    pub fn set_last_sync(&self, last: &str) -> Result<(), Error> {
        self.write(|tx| Ok(schema::set_setting(tx, LAST, last)?))
    }
}

fn stage(tx: &Connection, one: &Staged) -> Result<(), Fault> {
    let Some(details) = &one.details else {
        tx.prepare_cached("INSERT INTO staged (id, told) VALUES (?1, 0) ON CONFLICT DO NOTHING")?
            .execute([&one.id])?;
        return Ok(());
    };
    let mail = details.mail.as_ref().map(|mail| mail.as_ref().map_or(UNUSABLE, Mailbox::as_str));
    let phone = details.phone.as_ref().map(|phone| phone.as_ref().map_or(UNUSABLE, Phone::as_str));
    let why = |what: &str, why: Option<&String>| why.map(|why| format!("{what}: {why}"));
    let problem = match &details.name {
        Err(problem) => Some(problem.clone()),
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

/// One transaction's worth.
struct Bite<'a> {
    store: &'a Sqlite,
    tx: &'a Connection,
    rules: Rules<'a>,
    changes: Vec<Change>,
    waiting: Vec<Moving>,
}

/// Somebody who is to have another name.
struct Moving {
    id: UserId,
    directory: String,
    /// As he was called at first.
    from: UserName,
    name: UserName,
    to: UserName,
}

impl Moving {
    fn change(&self) -> Change {
        Change { user: self.from.to_string(), what: What::Renamed, detail: format!("to {}", self.to) }
    }

    fn in_vain(&self) -> Change {
        let detail = format!("cannot be renamed to {}: somebody else has that name", self.to);
        Change { user: self.from.to_string(), what: What::Skipped, detail }
    }
}

/// Somebody in the directory as he was put aside.
struct Aside {
    id: String,
    name: Option<String>,
    mail: Option<String>,
    phone: Option<String>,
    problem: Option<String>,
}

impl Aside {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            name: row.get(1)?,
            mail: row.get(2)?,
            phone: row.get(3)?,
            problem: row.get(4)?,
        })
    }
}

/// Whose a name is.
enum Holder {
    Nobody,
    /// Somebody who was added by hand.
    Local(UserId),
    /// Somebody of the directory, who is about to have another one.
    Moving,
    /// Somebody else, for this reason.
    Other(&'static str),
}

impl Bite<'_> {
    /// The next users after that one; the last of them, if there may be more.
    fn run(&mut self, phase: Phase, after: &(i64, String)) -> Result<Option<(i64, String)>, Fault> {
        match phase {
            Phase::Leave => self.leave(after.0),
            Phase::Return => self.come_back(after.0),
            Phase::Delete => self.delete(after.0),
            Phase::Change => self.change(&after.1),
            Phase::Add => self.add(&after.1),
        }
    }

    fn tell(&mut self, user: &str, what: What, detail: impl Into<String>) {
        self.changes.push(Change { user: user.to_owned(), what, detail: detail.into() });
    }

    /// Users here, by this condition.
    fn users(&self, condition: &str, after: i64, until: i64) -> Result<Vec<(i64, String)>, Fault> {
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

    fn leave(&mut self, after: i64) -> Result<Option<(i64, String)>, Fault> {
        let users = self.users("gone IS NULL AND NOT {here}", after, i64::MAX)?;
        for (id, name) in &users {
            self.tx
                .prepare_cached("UPDATE user SET gone = ?2 WHERE id = ?1")?
                .execute((id, millis(self.rules.now)))?;
            single::forget(self.tx, name)?;
            self.tell(name, What::Left, "locked");
        }
        Ok(users.into_iter().next_back())
    }

    fn come_back(&mut self, after: i64) -> Result<Option<(i64, String)>, Fault> {
        let users = self.users("gone IS NOT NULL AND {here}", after, i64::MAX)?;
        for (id, name) in &users {
            self.tx.prepare_cached("UPDATE user SET gone = NULL WHERE id = ?1")?.execute([id])?;
            self.tell(name, What::Returned, "unlocked");
        }
        Ok(users.into_iter().next_back())
    }

    fn delete(&mut self, after: i64) -> Result<Option<(i64, String)>, Fault> {
        let until = millis(self.rules.now.minus(self.rules.sync.retention));
        let users = self.users("gone IS NOT NULL AND NOT {here}", after, until)?;
        for (id, name) in &users {
            self.tx.prepare_cached("DELETE FROM user WHERE id = ?1")?.execute([id])?;
            single::forget(self.tx, name)?;
            self.tell(name, What::Deleted, "");
        }
        Ok(users.into_iter().next_back())
    }

    fn change(&mut self, after: &str) -> Result<Option<(i64, String)>, Fault> {
        let known: Vec<(Aside, i64, String, String)> = self
            .tx
            .prepare_cached(
                "SELECT s.id, s.name, s.mail, s.phone, s.problem, user.id, user.name, user.mail
                 FROM staged AS s CROSS JOIN user ON user.directory = s.id
                 WHERE s.id > ?1 AND s.told <> 0 ORDER BY s.id LIMIT ?2",
            )?
            .query_map((after, BITE), |row| Ok((Aside::of(row)?, row.get(5)?, row.get(6)?, row.get(7)?)))?
            .collect::<Result<_, _>>()?;
        let last = known.last().map(|(aside, ..)| (0, aside.id.clone()));
        for (aside, id, name, mail) in known {
            let (id, name) = (UserId(id), UserName::from_canonical(name));
            let name = self.rename(id, name, &aside)?;
            let changed = self.addresses(id, &name, &mail, &aside)?;
            if !changed.is_empty() {
                self.tell(name.as_str(), What::Changed, changed.join(", "));
            }
            if let (Some(problem), Some(_)) = (&aside.problem, &aside.name) {
                self.tell(name.as_str(), What::Unusable, problem);
            }
        }
        Ok(last)
    }

    /// Gives him the name that the directory has, if nobody else has it. What he is called then.
    fn rename(&mut self, id: UserId, name: UserName, aside: &Aside) -> Result<UserName, Fault> {
        let Some(to) = &aside.name else {
            self.tell(name.as_str(), What::Skipped, aside.problem.clone().unwrap_or_default());
            return Ok(name);
        };
        let to = UserName::from_canonical(to);
        if to == name {
            return Ok(name);
        }
        let moving = Moving { id, directory: aside.id.clone(), from: name.clone(), name, to };
        match self.holder(&moving.to)? {
            _ if self.has_twin(&moving.to, &aside.id)? => self.changes.push(moving.in_vain()),
            Holder::Nobody => {
                self.store.rename(self.tx, id, &moving.name, &moving.to)?;
                self.changes.push(moving.change());
                return Ok(moving.to);
            }
            Holder::Moving if self.rules.effect == Effect::None => self.changes.push(moving.change()),
            Holder::Moving => {
                let name = moving.name.clone();
                self.waiting.push(moving);
                return Ok(name);
            }
            Holder::Local(_) | Holder::Other(_) => self.changes.push(moving.in_vain()),
        }
        Ok(moving.name)
    }

    /// Whether another entry has the name as well: nobody could tell whose it is.
    fn has_twin(&self, name: &UserName, id: &str) -> Result<bool, Fault> {
        let mut statement = self.tx.prepare_cached("SELECT 1 FROM staged WHERE name = ?1 AND id <> ?2")?;
        Ok(statement.exists((name.as_str(), id))?)
    }

    fn holder(&self, name: &UserName) -> Result<Holder, Fault> {
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
            None => Holder::Nobody,
            Some((id, None, ..)) => Holder::Local(id),
            Some((_, _, Some(_), _)) => Holder::Other(
                "somebody who left had this name: `mfa user delete` him, or wait until he is deleted",
            ),
            Some((_, _, None, Some(to))) if to != name.as_str() => Holder::Moving,
            Some(_) => Holder::Other("somebody else of the directory has this name"),
        })
    }

    /// Follows mailbox and telephone number; what is another now.
    fn addresses(
        &mut self,
        id: UserId,
        name: &UserName,
        has: &str,
        aside: &Aside,
    ) -> Result<Vec<String>, Fault> {
        let Sync { mailbox, phone, .. } = self.rules.sync;
        let mut changed = Vec::new();
        let mail = aside.mail.as_deref();
        if *mailbox != FromDirectory::No && mail != Some(UNUSABLE) && mail.unwrap_or_default() != has {
            self.tx
                .prepare_cached("UPDATE user SET mail = ?2 WHERE id = ?1")?
                .execute((id.0, mail.unwrap_or_default()))?;
            let masked = mail.and_then(|mail| Mailbox::parse(mail).ok()).map(|mail| mail.masked());
            changed.push(format!("mailbox {}", masked.unwrap_or_else(|| "none".to_owned())));
        }
        let tokens = [(Factor::Email, mailbox, &aside.mail), (Factor::Sms, phone, &aside.phone)];
        for (factor, from, address) in tokens {
            if *from == FromDirectory::Token && address.as_deref() != Some(UNUSABLE) {
                changed.extend(self.token(id, name, factor, address.as_deref())?);
            }
        }
        Ok(changed)
    }

    /// Has him have a token for codes to this address; what was done, if anything was.
    fn token(
        &mut self,
        id: UserId,
        name: &UserName,
        factor: Factor,
        address: Option<&str>,
    ) -> Result<Option<String>, Fault> {
        let (tx, store) = (self.tx, self.store);
        let tokens = store.read_tokens(tx, id, name)?;
        let own: Option<i64> = tx
            .prepare_cached("SELECT id FROM token WHERE user = ?1 AND factor = ?2 AND directory <> 0")?
            .query_row((id.0, factor.as_str()), |row| row.get(0))
            .optional()?;
        let own = own.and_then(|own| tokens.iter().find(|token| token.id.0 == own));
        let told =
            |token: &Token| format!("{} {}", factor.as_str(), token.masked_address().unwrap_or_default());
        match (own, address) {
            (None, None) => Ok(None),
            (Some(own), Some(address)) if own.address() == Some(address) => Ok(None),
            (None, Some(address)) if tokens.iter().any(|token| token.address() == Some(address)) => Ok(None),
            (Some(own), None) => {
                let used =
                    "UPDATE user SET used = max(used, (SELECT used FROM token WHERE id = ?2)) WHERE id = ?1";
                tx.prepare_cached(used)?.execute((id.0, own.id.0))?;
                tx.prepare_cached("DELETE FROM token WHERE id = ?1")?.execute([own.id.0])?;
                single::forget(tx, name.as_str())?;
                Ok(Some(format!("{} none", factor.as_str())))
            }
            (Some(own), Some(address)) => {
                let other = Token { secret: sent_secret(address)?, ..own.clone() };
                store.with_key(tx, |key| store_secrets(tx, key, name, &other))?;
                tx.prepare_cached("DELETE FROM code WHERE token = ?1")?.execute([own.id.0])?;
                single::forget(tx, name.as_str())?;
                Ok(Some(told(&other)))
            }
            (None, Some(address)) => {
                let new = NewToken {
                    factor,
                    digits: self.rules.digits,
                    secret: sent_secret(address)?,
                    ..oath(factor)?
                };
                let token = store.insert_token(tx, id, name, new, self.rules.now)?;
                tx.prepare_cached("UPDATE token SET directory = 1 WHERE id = ?1")?.execute([token.id.0])?;
                Ok(Some(told(&token)))
            }
        }
    }

    fn add(&mut self, after: &str) -> Result<Option<(i64, String)>, Fault> {
        let new: Vec<Aside> = self
            .tx
            .prepare_cached(
                "SELECT s.id, s.name, s.mail, s.phone, s.problem FROM staged AS s
                 WHERE s.id > ?1 AND s.told <> 0 AND NOT EXISTS (SELECT 1 FROM user WHERE directory = s.id)
                 ORDER BY s.id LIMIT ?2",
            )?
            .query_map((after, BITE), Aside::of)?
            .collect::<Result<_, _>>()?;
        let last = new.last().map(|aside| (0, aside.id.clone()));
        for aside in new {
            self.add_one(&aside)?;
        }
        Ok(last)
    }

    fn add_one(&mut self, aside: &Aside) -> Result<(), Fault> {
        let Some(name) = &aside.name else {
            self.tell(&aside.id, What::Skipped, aside.problem.clone().unwrap_or_default());
            return Ok(());
        };
        let name = UserName::from_canonical(name);
        let has_twin = self.has_twin(&name, &aside.id)?;
        let (id, what, mail) = match self.holder(&name)? {
            Holder::Other(why) => {
                self.tell(name.as_str(), What::Skipped, why);
                return Ok(());
            }
            _ if has_twin => {
                self.tell(name.as_str(), What::Skipped, "several entries of the directory have this name");
                return Ok(());
            }
            Holder::Moving => {
                // Only where nothing is written is he still called so.
                match self.rules.effect {
                    Effect::None => self.tell(name.as_str(), What::Added, ""),
                    Effect::Lasting => {
                        self.tell(
                            name.as_str(),
                            What::Skipped,
                            "somebody else of the directory has this name",
                        );
                    }
                }
                return Ok(());
            }
            Holder::Local(id) => {
                let mail = "SELECT mail FROM user WHERE id = ?1";
                let mail = self.tx.prepare_cached(mail)?.query_row([id.0], |row| row.get(0))?;
                (id, What::Adopted, mail)
            }
            Holder::Nobody => (insert_user(self.tx, &name, "", self.rules.now)?, What::Added, String::new()),
        };
        self.tx
            .prepare_cached("UPDATE user SET directory = ?2, gone = NULL WHERE id = ?1")?
            .execute((id.0, &aside.id))?;
        let mut done = self.addresses(id, &name, &mail, aside)?;
        if let (What::Added, Some(factor)) = (what, self.rules.sync.token) {
            if self.rules.sync.mail == EnrolmentMail::Yes {
                set_welcome(self.tx, id, Some(""))?;
            } else {
                let token = self.store.insert_token(self.tx, id, &name, oath(factor)?, self.rules.now)?;
                done.push(token.serial);
            }
        }
        self.tell(name.as_str(), what, done.join(", "));
        if let Some(problem) = &aside.problem {
            self.tell(name.as_str(), What::Unusable, problem);
        }
        Ok(())
    }
}

fn set_welcome(tx: &Connection, id: UserId, serial: Option<&str>) -> Result<(), Fault> {
    tx.prepare_cached("UPDATE user SET welcome = ?2 WHERE id = ?1")?.execute((id.0, serial))?;
    Ok(())
}

/// A token with a secret of its own.
fn oath(factor: Factor) -> Result<NewToken, Fault> {
    Ok(NewToken {
        factor,
        serial: None,
        algorithm: Algorithm::default(),
        digits: Digits::default(),
        period: Period::default(),
        secret: Secret::new(random::<SECRET>()?),
        pin: None,
        next: 0,
        codes: Vec::new(),
    })
}

fn sent_secret(address: &str) -> Result<Secret, Fault> {
    Ok(Secret::new([&random::<SENT_KEY>()?[..], address.as_bytes()].concat()))
}

fn random<const N: usize>() -> Result<[u8; N], Fault> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|e| other(format!("the system gives no random octets: {e}")))?;
    Ok(octets)
}
