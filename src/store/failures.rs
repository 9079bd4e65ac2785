//! Failures, locks and the audit trail: the rows that every decision reads and writes.

use super::error::StoreFault;
use super::row::{locked_until, to_millis};
use super::row_limits;
use crate::engine::port::AuditRecord;
use crate::engine::{
    FailureBudget, FailureCounts, PasscodeTag, PasswordProof, ProofClass, Reason, SourceFailures, Strikes,
    Verdict,
};
use crate::types::{Factor, Timestamp, TokenId, UserId};
use rusqlite::{Connection, OptionalExtension, params};

/// What is known of a user from one source.
#[derive(Clone, Copy, Default)]
pub(super) struct FailureRow {
    pub(super) guesses: SourceFailures,
    pub(super) first: Option<FirstOfTwoCodes>,
}

/// A right code that waits for a second one.
#[derive(Clone, Copy)]
pub(super) struct FirstOfTwoCodes {
    pub(super) token: TokenId,
    pub(super) at: Timestamp,
}

pub(super) fn find_failure(
    conn: &Connection,
    user: &str,
    source: &str,
) -> Result<Option<FailureRow>, StoreFault> {
    let mut statement = conn.prepare_cached(
        "SELECT count, last, tag, first_token, first_at FROM failure WHERE user = ?1 AND source = ?2",
    )?;
    let read = |row: &rusqlite::Row<'_>| {
        let guesses = SourceFailures {
            count: stored_count(row.get(0)?),
            last: stored_time(row.get(1)?),
            tag: PasscodeTag(row.get(2)?),
        };
        let first = match (row.get::<_, Option<i64>>(3)?, row.get::<_, Option<i64>>(4)?) {
            (Some(token), Some(at)) => Some(FirstOfTwoCodes { token: TokenId(token), at: stored_time(at) }),
            _ => None,
        };
        Ok(FailureRow { guesses, first })
    };
    let named = |e| StoreFault::in_row(e, || format!("failure of user \"{user}\" from \"{source}\""));
    statement.query_row((user, source), read).optional().map_err(named)
}

pub(super) fn client_budget(conn: &Connection, client: &str) -> Result<FailureBudget, StoreFault> {
    let found: Option<i64> = conn
        .prepare_cached("SELECT budget FROM client_budget WHERE client = ?1")?
        .query_row([client], |row| row.get(0))
        .optional()
        .map_err(|e| StoreFault::in_row(e, || format!("client_budget of \"{client}\"")))?;
    Ok(found.map(|until| FailureBudget { full_at: stored_time(until) }).unwrap_or_default())
}

pub(super) fn find_strikes(conn: &Connection, user: UserId) -> Result<Option<Strikes>, StoreFault> {
    let mut statement = conn.prepare_cached(concat!(
        "SELECT proven, total, last, ",
        locked_until!(),
        ", locks, locked_at, budget FROM user WHERE id = ?1"
    ))?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Strikes {
            proven: stored_count(row.get(0)?),
            total: stored_count(row.get(1)?),
            last: stored_time(row.get(2)?),
            locked_until: stored_time(row.get(3)?),
            locks: stored_count(row.get(4)?),
            locked_at: stored_time(row.get(5)?),
            budget: FailureBudget { full_at: stored_time(row.get(6)?) },
        })
    };
    let named = |e| StoreFault::in_row(e, || format!("row {} of user", user.0));
    statement.query_row([user.0], read).optional().map_err(named)
}

/// Forgets failures after an accept: those of its source, with and without a proven password, and those of its user.
pub(super) fn clear_failures(
    conn: &Connection,
    user: UserId,
    strikes: Strikes,
    record: &AuditRecord,
) -> Result<(), StoreFault> {
    let [unproven, proven] = ProofClass::ALL.map(|class| row_limits::source_key(&record.source, class));
    conn.prepare_cached("DELETE FROM failure WHERE user = ?1 AND source IN (?2, ?3)")?.execute((
        &record.user,
        unproven,
        proven,
    ))?;
    if strikes != strikes.after_accept() {
        write_strikes(conn, user, strikes.after_accept())?;
    }
    Ok(())
}

/// Writes the counts after a failure, for unknown users too.
pub(super) fn write_failure(
    conn: &Connection,
    user: UserId,
    record: &AuditRecord,
    source: &str,
    (standing, failures): (PasswordProof, &FailureCounts),
) -> Result<(), StoreFault> {
    let FailureCounts { source: guesses, user: strikes, client } = failures;
    let is_proven = standing.is_proven();
    conn.prepare_cached(
        "INSERT INTO failure (user, source, count, last, tag, proven) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET count = ?3, last = ?4, tag = ?5",
    )?
    .execute((
        &record.user,
        source,
        guesses.count,
        to_millis(guesses.last),
        guesses.tag.0,
        is_proven,
    ))?;
    if !is_proven {
        conn.prepare_cached(
            "INSERT INTO client_budget VALUES (?1, ?2) ON CONFLICT DO UPDATE SET budget = ?2",
        )?
        .execute((&record.source.client, to_millis(client.full_at)))?;
    }
    write_strikes(conn, user, *strikes)
}

pub(super) fn write_strikes(conn: &Connection, user: UserId, strikes: Strikes) -> Result<(), StoreFault> {
    conn.prepare_cached(
        "UPDATE user SET proven = ?2, total = ?3, last = ?4, locked_until = ?5, locks = ?6, locked_at = ?7, budget = ?8
         WHERE id = ?1",
    )?
    .execute((
        user.0,
        strikes.proven,
        strikes.total,
        to_millis(strikes.last),
        to_millis(strikes.locked_until),
        strikes.locks,
        to_millis(strikes.locked_at),
        to_millis(strikes.budget.full_at),
    ))?;
    Ok(())
}

/// Writes the row of the audit trail; `verdict` is the one of the log.
pub(super) fn insert_audit_row(
    conn: &Connection,
    record: &AuditRecord,
    reason: Reason,
    verdict: Verdict,
    class: ProofClass,
) -> Result<(), StoreFault> {
    let refusal = match (reason.verdict().lets_in(), class) {
        (true, _) => 0,
        (false, ProofClass::Unproven) => 1,
        (false, ProofClass::Proven) => 2,
    };
    let station = match refusal {
        1 => row_limits::short_station(&record.source.calling_station),
        _ => &record.source.calling_station,
    };
    conn.prepare_cached(
        "INSERT INTO attempt (at, user, client, calling_station, request, mode, factor, token, verdict, reason, refusal)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        to_millis(record.at),
        record.user,
        record.source.client,
        station,
        record.source.request.map(|number| i64::try_from(number).unwrap_or(i64::MAX)),
        record.mode.as_str(),
        record.factor.map(Factor::as_str),
        record.token,
        verdict.as_str(),
        reason.as_str(),
        refusal,
    ])?;
    Ok(())
}

/// A count or time that was edited to a negative value counts as the largest one: it must not let a user in.
pub(super) fn stored_count(stored: i64) -> u32 {
    u32::try_from(stored).unwrap_or(u32::MAX)
}

pub(super) fn stored_time(stored: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(stored).unwrap_or(u64::MAX))
}
