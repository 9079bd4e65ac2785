//! Challenges that wait for their answers, and codes that were sent.

use super::error::StoreFault;
use super::row::{from_millis, to_millis};
use super::row_limits;
use crate::engine::challenge::{ChallengeState, ConversationId};
use crate::engine::port::{
    AuditRecord, ChallengeToWrite, CodeSending, EnrolledToken, NewCode, SentCode, StateDigest,
};
use crate::engine::{AttemptSource, ProofClass};
use crate::types::{Factor, Timestamp, UserId, UserName};
use rusqlite::{Connection, OptionalExtension};
use std::time::Duration;

/// For how long codes are counted that a user was sent.
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Remembers the challenge that follows on an attempt.
pub(super) fn insert_challenge(
    conn: &Connection,
    record: &AuditRecord,
    next: &ChallengeToWrite,
) -> Result<(), StoreFault> {
    let turn = serde_json::to_string(&next.turn)
        .map_err(|error| StoreFault::Row(format!("a challenge: {error}")))?;
    conn.prepare_cached(
        "INSERT INTO challenge (state, user, client, calling_station, expires, turn, proven)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        next.state.0,
        next.user.as_str(),
        &record.source.client,
        &record.source.calling_station,
        to_millis(next.expires),
        turn,
        next.turn.password_status.is_proven(),
    ))?;
    Ok(())
}

/// Takes a challenge away, whatever the answer. Returns its state if it belongs to this user.
pub(super) fn redeem_challenge(
    conn: &Connection,
    state: StateDigest,
    name: &UserName,
    source: &AttemptSource,
    now: Timestamp,
) -> Result<Option<ChallengeState>, StoreFault> {
    let taken = conn
        .prepare_cached(
            "DELETE FROM challenge WHERE state = ?1 RETURNING turn,
             user = ?2 AND client = ?3 AND calling_station = ?4 AND expires > ?5",
        )?
        .query_row((state.0, name.as_str(), &source.client, &source.calling_station, to_millis(now)), |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?))
        })
        .optional()?;
    let Some((turn, true)) = taken else { return Ok(None) };
    let turn = serde_json::from_str(&turn)
        .map_err(|error| StoreFault::Row(format!("a challenge of user \"{name}\": {error}")))?;
    Ok(Some(turn))
}

/// Remembers a code, if its user may be sent one.
pub(super) fn insert_code(conn: &Connection, new: &NewCode) -> Result<CodeSending, StoreFault> {
    let NewCode { token, conversation, source, hash, at, rules } = new;
    let user: Option<i64> = conn
        .prepare_cached("SELECT user FROM token WHERE id = ?1 AND enabled <> 0")?
        .query_row([token.0], |row| row.get(0))
        .optional()?;
    let Some(user) = user else { return Ok(CodeSending::NoToken) };
    let conversation = conversation.map(|conversation| conversation.0);
    let is_fresh = conn
        .prepare_cached(
            "SELECT 1 FROM code WHERE token = ?1 AND conversation IS ?2 AND tries > 0 AND sent > ?3",
        )?
        .exists((token.0, conversation, to_millis(at.minus(rules.pause))))?;
    if is_fresh {
        return Ok(CodeSending::JustSent);
    }
    let sent: i64 = conn
        .prepare_cached(
            "SELECT count(*) FROM code WHERE sent > ?2 AND token IN (SELECT id FROM token WHERE user = ?1)",
        )?
        .query_row((user, to_millis(at.minus(HOUR))), |row| row.get(0))?;
    if sent >= i64::from(rules.per_hour) {
        return Ok(CodeSending::TooMany);
    }
    conn.prepare_cached(
        "INSERT INTO code (token, conversation, hash, sent, expires, tries, source)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute((
        token.0,
        conversation,
        hash,
        to_millis(*at),
        to_millis(at.plus(rules.life)),
        rules.tries,
        row_limits::source_key(source, ProofClass::Unproven),
    ))?;
    Ok(CodeSending::Remembered)
}

/// A code that could not be sent does not keep another one from being sent; it counts among those of the hour.
pub(super) fn not_sent(conn: &Connection, new: &NewCode) -> Result<(), StoreFault> {
    let before = to_millis(new.at.minus(new.rules.pause));
    conn.prepare_cached("UPDATE code SET sent = ?3 WHERE token = ?1 AND hash = ?2")?.execute((
        new.token.0,
        new.hash,
        before,
    ))?;
    Ok(())
}

/// The token with the codes that were sent to it and may still be used.
pub(super) fn with_codes(conn: &Connection, mut token: EnrolledToken) -> Result<EnrolledToken, StoreFault> {
    if !matches!(token.factor, Factor::Sms | Factor::Email) {
        return Ok(token);
    }
    let mut statement = conn
        .prepare_cached("SELECT id, conversation, hash, expires FROM code WHERE token = ?1 AND tries > 0")?;
    let codes = statement.query_map([token.id.0], |row| {
        Ok(SentCode {
            id: row.get(0)?,
            conversation: row.get::<_, Option<[u8; 16]>>(1)?.map(ConversationId),
            hash: row.get(2)?,
            expires: from_millis(row.get(3)?),
        })
    })?;
    token.sent = codes.collect::<Result<_, _>>()?;
    Ok(token)
}

/// Uses a code up: one conditional write. How many rows it changed.
pub(super) fn use_code(
    conn: &Connection,
    token: i64,
    user: Option<i64>,
    code: i64,
    used: Option<i64>,
) -> Result<usize, StoreFault> {
    let changed = conn
        .prepare_cached(
            "UPDATE code SET tries = 0 WHERE id = ?1 AND token = ?2 AND tries > 0
             AND EXISTS (SELECT 1 FROM token WHERE id = ?2 AND user = ifnull(?3, user) AND enabled <> 0)",
        )?
        .execute((code, token, user))?;
    if changed == 1 {
        conn.prepare_cached("UPDATE token SET used = ifnull(?2, used) WHERE id = ?1")?
            .execute((token, used))?;
    }
    Ok(changed)
}

/// Which codes a wrong one may have been meant for.
pub(super) struct WornCodes {
    /// Those of this conversation; without one, those that were sent in none.
    pub(super) conversation: Option<ConversationId>,
    /// Of these, those that were asked for from here.
    pub(super) source: String,
    /// Or all of these, if the password was right.
    pub(super) is_proven: bool,
}

/// A wrong code counts against those codes that it may have been meant for. Without the password, or without having
/// requested the code, one cannot exhaust it.
pub(super) fn count_wrong_code(conn: &Connection, user: UserId, worn: &WornCodes) -> Result<(), StoreFault> {
    conn.prepare_cached(
        "UPDATE code SET tries = tries - 1 WHERE tries > 0 AND conversation IS ?2
         AND (conversation IS NOT NULL OR source = ?3 OR ?4)
         AND token IN (SELECT id FROM token WHERE user = ?1)",
    )?
    .execute((
        user.0,
        worn.conversation.map(|conversation| conversation.0),
        &worn.source,
        worn.is_proven,
    ))?;
    Ok(())
}

/// Whether this code was asked for from there.
pub(super) fn was_asked_for(conn: &Connection, code: i64, source: &str) -> Result<bool, StoreFault> {
    Ok(conn.prepare_cached("SELECT 1 FROM code WHERE id = ?1 AND source = ?2")?.exists((code, source))?)
}

/// Removes expired challenges and codes, up to a limit. Returns whether there may be more.
pub(super) fn prune_expired(conn: &Connection, now: Timestamp, bite: i64) -> rusqlite::Result<bool> {
    let challenges = conn
        .prepare_cached(
            "DELETE FROM challenge WHERE state IN (SELECT state FROM challenge WHERE expires < ?1 ORDER BY expires LIMIT ?2)",
        )?
        .execute((to_millis(now), bite))?;
    let codes = conn
        .prepare_cached("DELETE FROM code WHERE id IN (SELECT id FROM code ORDER BY id LIMIT ?3) AND sent < ?1 AND expires < ?2")?
        .execute((to_millis(now.minus(HOUR)), to_millis(now), bite))?;
    let pending = super::pending_passcodes::prune_unconfirmed(conn, now, bite)?;
    Ok(challenges > 0 || codes > 0 || pending)
}
