//! Administration of users and tokens.

use super::attempts::{self, SpendResult};
use super::error::StoreFault;
use super::keyring::{Keyring, SealingKey};
use super::remembered_logins;
use super::row::{self, PASSWORD, PIN, SECRET, from_millis, to_millis, token_columns};
use super::seal::{self, SealedPlace};
use super::sqlite::{SqliteStore, key_in_use};
use super::token_serials;
use super::{
    Administration, AuditQuery, AuditRow, Error, NewToken, ProgressCallback, UserRow, audit,
    duplicate_secrets,
};
use crate::engine::port::{EnrolledToken, SpendPasscode};
use crate::store::TokenState;
use crate::types::{Timestamp, TokenId, UserId, UserName};
use rusqlite::{Connection, OptionalExtension, Row, params};

const USER: &str = "SELECT name, note, (SELECT count(*) FROM token WHERE user = user.id AND enabled <> 0),
    locked_until, total, created, max(used, ifnull((SELECT max(used) FROM token WHERE user = user.id), 0)),
    mail, ifnull((SELECT max(until) FROM remembered WHERE remembered.user = user.name), 0),
    password IS NOT NULL, gone, enrolled <> 0
    FROM user";

const TOKENS: &str = concat!("SELECT ", token_columns!(), " FROM token WHERE user = ?1 ORDER BY token.id");

impl Administration for SqliteStore {
    fn add_user(&self, name: &UserName, note: &str, now: Timestamp) -> Result<UserId, Error> {
        self.write(|tx| insert_user(tx, name, note, now))
    }

    fn user(&self, name: &UserName) -> Result<UserRow, Error> {
        self.read(|conn| {
            let found =
                conn.query_row(&format!("{USER} WHERE name = ?1"), [name.as_str()], user_row).optional()?;
            found.ok_or_else(|| Error::NoUser(name.clone()).into())
        })
    }

    fn users(&self, each: &mut dyn FnMut(UserRow) -> Result<(), Error>) -> Result<(), Error> {
        self.read(|conn| {
            let mut statement = conn.prepare(&format!("{USER} ORDER BY name"))?;
            let mut rows = statement.query(())?;
            while let Some(row) = rows.next()? {
                each(user_row(row)?)?;
            }
            Ok(())
        })
    }

    fn set_note(&self, name: &UserName, note: &str) -> Result<(), Error> {
        self.write(|tx| {
            let id = get_user(tx, name)?;
            tx.execute("UPDATE user SET note = ?2 WHERE id = ?1", (id.0, note))?;
            Ok(())
        })
    }

    fn set_mail(&self, name: &UserName, mail: &str) -> Result<(), Error> {
        self.write(|tx| {
            let id = get_user(tx, name)?;
            tx.execute("UPDATE user SET mail = ?2 WHERE id = ?1", (id.0, mail))?;
            Ok(())
        })
    }

    fn set_password(&self, name: &UserName, hash: Option<&str>) -> Result<(), Error> {
        self.write(|tx| {
            let id = get_user(tx, name)?;
            self.with_key(tx, |key| store_password(tx, key, id, name, hash))?;
            Ok(remembered_logins::forget_remembered_logins(tx, name.as_str())?)
        })
    }

    fn rename_user(&self, name: &UserName, to: &UserName) -> Result<(), Error> {
        self.write(|tx| {
            let id = get_user(tx, name)?;
            if name == to {
                return Ok(());
            }
            if find_user(tx, to)?.is_some() {
                return Err(Error::UserExists(to.clone()).into());
            }
            self.rename(tx, id, name, to)
        })
    }

    fn lock_user(&self, name: &UserName, until: Timestamp) -> Result<(), Error> {
        self.write(|tx| {
            let id = get_user(tx, name)?;
            remembered_logins::forget_remembered_logins(tx, name.as_str())?;
            if until > Timestamp::default() {
                tx.execute("UPDATE user SET locked_until = ?2 WHERE id = ?1", (id.0, to_millis(until)))?;
                return Ok(());
            }
            tx.execute(
                "UPDATE user SET proven = 0, total = 0, last = 0, locked_until = 0, locks = 0, locked_at = 0, budget = 0
                 WHERE id = ?1",
                [id.0],
            )?;
            tx.execute("DELETE FROM failure WHERE user = ?1", [name.as_str()])?;
            tx.execute(
                "UPDATE user SET gone = NULL, directory = NULL, welcome = NULL WHERE id = ?1 AND gone IS NOT NULL",
                [id.0],
            )?;
            Ok(())
        })
    }

    fn delete_user(&self, name: &UserName) -> Result<(), Error> {
        self.write(|tx| {
            let id = get_user(tx, name)?;
            tx.execute("DELETE FROM user WHERE id = ?1", [id.0])?;
            token_serials::forget_serials(tx, id)?;
            remembered_logins::forget_remembered_logins(tx, name.as_str())?;
            Ok(())
        })
    }

    fn add_token(&self, user: &UserName, new: NewToken, now: Timestamp) -> Result<EnrolledToken, Error> {
        self.add_digests()?;
        self.write(|tx| self.insert_token(tx, get_user(tx, user)?, user, new, now))
    }

    fn tokens(&self, user: &UserName) -> Result<Vec<EnrolledToken>, Error> {
        self.read(|conn| {
            let id = get_user(conn, user)?;
            self.read_tokens(conn, id, user)
        })
    }

    fn set_token_state(&self, user: &UserName, serial: &str, state: TokenState) -> Result<(), Error> {
        self.write(|tx| {
            let id = get_user(tx, user)?;
            if state == TokenState::Disabled {
                remembered_logins::forget_remembered_logins(tx, user.as_str())?;
            }
            let token = get_token(tx, id, user, serial)?;
            tx.execute(
                "UPDATE token SET enabled = ?2 WHERE id = ?1",
                (token.0, state == TokenState::Enabled),
            )?;
            Ok(())
        })
    }

    fn delete_token(&self, user: &UserName, serial: &str) -> Result<(), Error> {
        self.write(|tx| {
            let id = get_user(tx, user)?;
            let token = get_token(tx, id, user, serial)?;
            tx.execute(
                "UPDATE user SET used = max(used, (SELECT used FROM token WHERE id = ?2)) WHERE id = ?1",
                (id.0, token.0),
            )?;
            remembered_logins::forget_remembered_logins(tx, user.as_str())?;
            token_serials::retire_serial(tx, token)?;
            tx.execute("DELETE FROM token WHERE id = ?1", [token.0])?;
            Ok(())
        })
    }

    fn spend(&self, token: TokenId, spend: SpendPasscode) -> Result<bool, Error> {
        self.write(|tx| Ok(attempts::spend_passcode(tx, None, token, spend, None)? == SpendResult::Done))
    }

    fn audit(&self, query: &AuditQuery) -> Result<Vec<AuditRow>, Error> {
        self.read(|conn| audit::audit_rows(conn, query))
    }
}

impl SqliteStore {
    /// Adds many users with their tokens, a thousand in one transaction, and returns how many. Stops at the first that cannot
    /// be added; those before it may have been.
    pub fn import(
        &self,
        users: impl Iterator<Item = (UserName, Vec<NewToken>)>,
        now: Timestamp,
        progress: ProgressCallback<'_>,
    ) -> Result<u64, Error> {
        self.add_digests()?;
        let all = u64::try_from(users.size_hint().0).unwrap_or_default();
        let (mut users, mut done) = (users.peekable(), 0u64);
        while users.peek().is_some() {
            done = done.saturating_add(self.write(|tx| {
                let mut added = 0u64;
                for (name, tokens) in users.by_ref().take(1000) {
                    let id = insert_user(tx, &name, "", now)?;
                    for token in tokens {
                        self.insert_token(tx, id, &name, token, now)?;
                    }
                    added = added.saturating_add(1);
                }
                Ok(added)
            })?);
            progress(done, all.max(done));
        }
        Ok(done)
    }

    /// Renames a user to a name that is free.
    pub(super) fn rename(
        &self,
        tx: &Connection,
        id: UserId,
        name: &UserName,
        to: &UserName,
    ) -> Result<(), StoreFault> {
        for token in self.read_tokens(tx, id, name)? {
            self.with_key(tx, |key| store_secrets(tx, key, to, &token))?;
        }
        let hash = self.shared.keys.with_current_keys(|keys| attempts::find_password_hash(tx, keys, name))?;
        self.with_key(tx, |key| store_password(tx, key, id, to, hash.as_deref()))?;
        tx.prepare_cached("UPDATE user SET name = ?2 WHERE id = ?1")?.execute((id.0, to.as_str()))?;
        remembered_logins::forget_remembered_logins(tx, name.as_str())?;
        Ok(remembered_logins::forget_remembered_logins(tx, to.as_str())?)
    }

    pub(super) fn insert_token(
        &self,
        tx: &Connection,
        id: UserId,
        user: &UserName,
        new: NewToken,
        now: Timestamp,
    ) -> Result<EnrolledToken, StoreFault> {
        let serial = token_serials::choose_serial(tx, id, &new)?;
        self.check_duplicate(tx, &new.secret)?;
        tx.prepare_cached("UPDATE user SET enrolled = 1 WHERE id = ?1")?.execute([id.0])?;
        let codes = (!new.codes.is_empty()).then(|| new.codes.concat());
        tx.prepare_cached(
            "INSERT INTO token (user, serial, factor, algorithm, digits, period, secret, next, codes, created)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, x'', ?7, ?8, ?9)",
        )?
        .execute(params![
                id.0,
                serial,
                new.factor.as_str(),
                new.algorithm.as_str(),
                new.digits.get(),
                i64::try_from(new.period.get()).unwrap_or(i64::MAX),
                new.next,
                codes,
                to_millis(now)
            ])?;
        let token = EnrolledToken {
            id: TokenId(tx.last_insert_rowid()),
            serial: token_serials::shown_serial(&serial).to_owned(),
            factor: new.factor,
            algorithm: new.algorithm,
            digits: new.digits,
            period: new.period,
            secret: new.secret,
            pin: new.pin,
            enabled: true,
            next: new.next,
            drift: 0,
            resync: None,
            codes: new.codes,
            sent: Vec::new(),
            created: now,
        };
        self.with_key(tx, |key| store_secrets(tx, key, user, &token))?;
        Ok(token)
    }

    pub(super) fn read_tokens(
        &self,
        conn: &Connection,
        id: UserId,
        user: &UserName,
    ) -> Result<Vec<EnrolledToken>, StoreFault> {
        self.shared.keys.with_current_keys(|keys| {
            let mut statement = conn.prepare_cached(TOKENS)?;
            let mut rows = statement.query([id.0])?;
            let mut tokens = Vec::new();
            while let Some(row) = rows.next()? {
                tokens.push(row::token(row, 0, user.as_str(), keys)?);
            }
            Ok(tokens)
        })
    }

    /// With the key that the database says is in use, as it stands in this transaction: while `mfa rekey` runs elsewhere,
    /// nothing may be sealed under a key that is about to go.
    pub(super) fn with_key<T>(
        &self,
        conn: &Connection,
        work: impl Fn(&SealingKey) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        let id = key_in_use(conn)?;
        self.shared
            .keys
            .with_current_keys(|keys: &Keyring| work(keys.get(id).ok_or(StoreFault::UnknownKey(id))?))
    }
}

/// Seals a token's secrets into its row, and writes the digest by which its secret is known again.
pub(super) fn store_secrets(
    conn: &Connection,
    key: &SealingKey,
    user: &UserName,
    token: &EnrolledToken,
) -> Result<(), StoreFault> {
    let place = |column| SealedPlace { column, row: token.id.0, user: user.as_str() };
    let secret = seal::seal(key, place(SECRET), token.secret.expose())?;
    let pin = token.pin.as_ref().map(|pin| seal::seal(key, place(PIN), pin.expose())).transpose()?;
    let digest = duplicate_secrets::secret_digest(key, &token.secret)?;
    conn.prepare_cached("UPDATE token SET secret = ?2, pin = ?3, digest = ?4 WHERE id = ?1")?
        .execute((token.id.0, secret, pin, digest))?;
    Ok(())
}

/// Seals the password hash into the user's row, or removes it.
pub(super) fn store_password(
    conn: &Connection,
    key: &SealingKey,
    id: UserId,
    user: &UserName,
    hash: Option<&str>,
) -> Result<(), StoreFault> {
    let place = SealedPlace { column: PASSWORD, row: id.0, user: user.as_str() };
    let sealed = hash.map(|hash| seal::seal(key, place, hash.as_bytes())).transpose()?;
    conn.prepare_cached("UPDATE user SET password = ?2 WHERE id = ?1")?.execute((id.0, sealed))?;
    Ok(())
}

pub(super) fn insert_user(
    tx: &Connection,
    name: &UserName,
    note: &str,
    now: Timestamp,
) -> Result<UserId, StoreFault> {
    if find_user(tx, name)?.is_some() {
        return Err(Error::UserExists(name.clone()).into());
    }
    tx.prepare_cached("INSERT INTO user (name, note, created) VALUES (?1, ?2, ?3)")?.execute((
        name.as_str(),
        note,
        to_millis(now),
    ))?;
    Ok(UserId(tx.last_insert_rowid()))
}

pub(super) fn find_user(conn: &Connection, name: &UserName) -> Result<Option<UserId>, StoreFault> {
    let mut statement = conn.prepare_cached("SELECT id FROM user WHERE name = ?1")?;
    Ok(statement.query_row([name.as_str()], |row| row.get(0).map(UserId)).optional()?)
}

fn get_user(conn: &Connection, name: &UserName) -> Result<UserId, StoreFault> {
    find_user(conn, name)?.ok_or_else(|| Error::NoUser(name.clone()).into())
}

/// The token of a user by its serial.
fn get_token(conn: &Connection, id: UserId, user: &UserName, serial: &str) -> Result<TokenId, StoreFault> {
    token_serials::find_by_serial(conn, id, serial)?
        .ok_or_else(|| Error::NoToken { user: user.clone(), serial: serial.to_owned() }.into())
}

fn user_row(row: &Row<'_>) -> rusqlite::Result<UserRow> {
    let used: i64 = row.get(6)?;
    Ok(UserRow {
        name: UserName::from_canonical(row.get::<_, String>(0)?),
        note: row.get(1)?,
        tokens: row.get(2)?,
        locked_until: from_millis(row.get(3)?),
        failures: row.get(4)?,
        created: from_millis(row.get(5)?),
        last_accept: (used > 0).then(|| from_millis(used)),
        mail: row.get(7)?,
        remembered_until: from_millis(row.get(8)?),
        has_password: row.get(9)?,
        gone: row.get::<_, Option<i64>>(10)?.map(from_millis),
        had_token: row.get(11)?,
    })
}
