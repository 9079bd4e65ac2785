//! New users' tokens, which are still to be sent to them.

use super::super::error::{StoreFault, from_text};
use super::super::row::to_millis;
use super::super::{Error, NewToken, SqliteStore};
use super::model::BITE;
use super::model::SyncRules;
use crate::engine::port::EnrolledToken;
use crate::types::{Algorithm, Digits, Factor, Mailbox, Period, Secret, UserId, UserName};
use rusqlite::Connection;

/// The octets of a new secret, as long as SHA-1 (RFC 4226, section 4).
const SECRET: usize = 20;

/// A new user's token that is to be mailed.
#[derive(Clone, Debug)]
pub struct WelcomeMail {
    /// Row of the user.
    pub id: UserId,
    /// Name of the user.
    pub user: UserName,
    /// To which alone it may be sent.
    pub mail: Mailbox,
    /// The token, with its secret.
    pub token: EnrolledToken,
}

impl SqliteStore {
    /// New users who are to be sent their tokens, after that one; the tokens are made now. None: there are no more.
    pub fn next_welcome_mails(
        &self,
        rules: SyncRules<'_>,
        after: UserId,
    ) -> Result<Option<(UserId, Vec<WelcomeMail>)>, Error> {
        self.write(|tx| {
            let waiting: Vec<(i64, String, String, String)> = tx
                .prepare_cached(
                    "SELECT id, name, mail, welcome FROM user WHERE id > ?1 AND welcome IS NOT NULL AND mail <> ''
                     AND gone IS NULL AND locked_until <= ?2 ORDER BY id LIMIT ?3",
                )?
                .query_map((after.0, to_millis(rules.now), BITE), |row| {
                    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
                })?
                .collect::<Result<_, _>>()?;
            let Some(last) = waiting.last().map(|last| UserId(last.0)) else { return Ok(None) };
            let mut all = Vec::new();
            for (id, name, mail, serial) in waiting {
                let (id, user) = (UserId(id), UserName::from_canonical(name));
                let token = self.create_welcome_token(tx, rules, id, &user, &serial)?;
                match (token, Mailbox::parse(&mail)) {
                    (Some(token), Ok(mail)) => all.push(WelcomeMail { id, user, mail, token }),
                    _ => set_welcome(tx, id, None)?,
                }
            }
            Ok(Some((last, all)))
        })
    }

    /// Records that the mail was sent.
    pub fn mark_welcomed(&self, id: UserId) -> Result<(), Error> {
        self.write(|tx| set_welcome(tx, id, None))
    }

    /// New users who are still to be sent their tokens.
    pub fn count_unwelcomed(&self) -> Result<u64, Error> {
        self.run_aside(|conn| {
            let sql = "SELECT count(*) FROM user WHERE welcome IS NOT NULL AND gone IS NULL";
            Ok(u64::try_from(conn.query_row(sql, (), |row| row.get::<_, i64>(0))?).unwrap_or_default())
        })
    }

    /// The token to be mailed. `None` if the user already has one from elsewhere, or it was removed.
    fn create_welcome_token(
        &self,
        tx: &Connection,
        rules: SyncRules<'_>,
        id: UserId,
        user: &UserName,
        serial: &str,
    ) -> Result<Option<EnrolledToken>, StoreFault> {
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
        let token = self.insert_token(tx, id, user, new_oath_parameters(factor)?, rules.now)?;
        set_welcome(tx, id, Some(&token.serial))?;
        Ok(Some(token))
    }
}

pub(super) fn set_welcome(tx: &Connection, id: UserId, serial: Option<&str>) -> Result<(), StoreFault> {
    tx.prepare_cached("UPDATE user SET welcome = ?2 WHERE id = ?1")?.execute((id.0, serial))?;
    Ok(())
}

/// A token with a secret of its own.
pub(super) fn new_oath_parameters(factor: Factor) -> Result<NewToken, StoreFault> {
    Ok(NewToken {
        factor,
        serial: None,
        algorithm: Algorithm::default(),
        digits: Digits::default(),
        period: Period::default(),
        secret: Secret::new(random_octets::<SECRET>()?),
        pin: None,
        next: 0,
        codes: Vec::new(),
    })
}

pub(super) fn random_octets<const N: usize>() -> Result<[u8; N], StoreFault> {
    let mut octets = [0; N];
    getrandom::fill(&mut octets).map_err(|e| from_text(format!("the system gives no random octets: {e}")))?;
    Ok(octets)
}
