//! Right passcodes whose password is still to be found right by the server: each is a counted failure until it is confirmed.

use super::error::StoreFault;
use super::failures::{clear_failures, find_strikes, insert_audit_row};
use super::row::{from_millis, to_millis};
use crate::engine::port::{AuditRecord, PasswordConfirmation, PendingId};
use crate::engine::{ProofClass, Reason};
use crate::types::{Timestamp, TokenId, UserId};
use rusqlite::{Connection, OptionalExtension, params};
use std::time::Duration;

/// No server works longer on a request.
const LIFE: Duration = Duration::from_secs(10 * 60);

/// Why a passcode is accepted once its password was right.
const ACCEPTS: [Reason; 3] = [Reason::Right, Reason::Resynchronised, Reason::Repeated];

/// What is remembered of one.
pub(super) struct PendingRow {
    pub(super) id: PendingId,
    pub(super) user: UserId,
    pub(super) token: TokenId,
    /// The lock that its failure has led to; the epoch if to none.
    pub(super) locked_until: Timestamp,
    /// Why it is accepted then: one of [`ACCEPTS`].
    pub(super) accepts: Reason,
}

/// The reason with this name; anything other than [`ACCEPTS`] is not an accept.
fn accepting_reason(name: &str) -> Reason {
    ACCEPTS.into_iter().find(|reason| reason.as_str() == name).unwrap_or(Reason::NotConfirmed)
}

/// Remembers one, whose failure was counted for this source.
pub(super) fn insert_pending(
    conn: &Connection,
    record: &AuditRecord,
    held: &PendingRow,
) -> Result<(), StoreFault> {
    conn.prepare_cached(
        "INSERT INTO pending (id, user, token, at, locked_until, accepts)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute(params![
        held.id.0,
        held.user.0,
        held.token.0,
        to_millis(record.at),
        to_millis(held.locked_until),
        held.accepts.as_str()
    ])?;
    Ok(())
}

/// The password was right: takes the failure back and records the accept. Of all who ask, the first one gets it.
pub(super) fn confirm_pending(
    conn: &Connection,
    confirmation: &PasswordConfirmation,
) -> Result<Reason, StoreFault> {
    let reason = decide_confirmation(conn, confirmation)?;
    insert_audit_row(
        conn,
        &confirmation.record,
        reason,
        reason.verdict_without_challenge(),
        ProofClass::Proven,
    )?;
    Ok(reason)
}

fn decide_confirmation(
    conn: &Connection,
    PasswordConfirmation { pending, record }: &PasswordConfirmation,
) -> Result<Reason, StoreFault> {
    let taken = conn
        .prepare_cached(
            "DELETE FROM pending WHERE id = ?1 RETURNING token, locked_until, accepts, user,
             at > ?3 AND user = (SELECT id FROM user WHERE name = ?2)",
        )?
        .query_row((pending.0, &record.user, to_millis(record.at.minus(LIFE))), |row| {
            let held = PendingRow {
                id: *pending,
                user: UserId(row.get(3)?),
                token: TokenId(row.get(0)?),
                locked_until: from_millis(row.get(1)?),
                accepts: accepting_reason(&row.get::<_, String>(2)?),
            };
            Ok((held, row.get::<_, bool>(4)?))
        })
        .optional()?;
    let Some((held, true)) = taken else { return Ok(Reason::NotConfirmed) };
    if held.accepts == Reason::NotConfirmed {
        return Ok(Reason::NotConfirmed);
    }
    let Some(strikes) = find_strikes(conn, held.user)? else { return Ok(Reason::UnknownUser) };
    // A lock with another cause stays; the lock that this failure caused is removed with it.
    if record.at < strikes.locked_until && strikes.locked_until != held.locked_until {
        return Ok(Reason::Locked);
    }
    let changed = conn
        .prepare_cached("UPDATE token SET used = ?3 WHERE id = ?1 AND user = ?2 AND enabled <> 0")?
        .execute((held.token.0, held.user.0, to_millis(record.at)))?;
    if changed != 1 {
        return Ok(Reason::NotEnrolled);
    }
    clear_failures(conn, held.user, strikes, record)?;
    Ok(held.accepts)
}

/// No passcode of this user is confirmed any more.
pub(super) fn forget_pending(conn: &Connection, user: &str) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM pending WHERE user = (SELECT id FROM user WHERE name = ?1)")?
        .execute([user])?;
    Ok(())
}

/// Rows that were not confirmed in time stay failures and are removed, up to a limit. Returns whether there may be
/// more.
pub(super) fn prune_unconfirmed(conn: &Connection, now: Timestamp, bite: i64) -> rusqlite::Result<bool> {
    let gone = conn
        .prepare_cached(
            "DELETE FROM pending WHERE id IN (SELECT id FROM pending WHERE at < ?1 ORDER BY at LIMIT ?2)",
        )?
        .execute((to_millis(now.minus(LIFE)), bite))?;
    Ok(gone > 0)
}
