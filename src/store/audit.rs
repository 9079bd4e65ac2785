//! The audit trail, read back.

use super::error::StoreFault;
use super::row::{self, from_millis, to_millis};
use super::{AuditQuery, AuditRow};
use rusqlite::{Connection, Row, params};

/// The newest rows that are asked for, oldest first.
pub(super) fn audit_rows(conn: &Connection, query: &AuditQuery) -> Result<Vec<AuditRow>, StoreFault> {
    let mut statement = conn.prepare_cached(
        "SELECT id, at, user, client, calling_station, request, mode, factor, token, verdict, reason FROM attempt
         WHERE id > ?1 AND at >= ?2 AND (?3 IS NULL OR user = ?3) AND (?4 IS NULL OR verdict = ?4)
         ORDER BY id DESC LIMIT ?5",
    )?;
    let mut found = statement.query(params![
        query.after.unwrap_or(i64::MIN),
        query.since.map(to_millis).unwrap_or(0),
        query.user.as_ref().map(|user| user.as_str()),
        query.verdict,
        query.limit
    ])?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(audit_row(row)?);
    }
    rows.reverse();
    Ok(rows)
}

fn audit_row(row: &Row<'_>) -> Result<AuditRow, StoreFault> {
    let id: i64 = row.get(0)?;
    let bad = |what: String| StoreFault::Row(format!("row {id} of attempt: {what}"));
    let mode: String = row.get(6)?;
    let factor: Option<String> = row.get(7)?;
    Ok(AuditRow {
        id,
        at: from_millis(row.get(1)?),
        user: row.get(2)?,
        client: row.get(3)?,
        calling_station: row.get(4)?,
        request: row.get::<_, Option<i64>>(5)?.and_then(|number| u64::try_from(number).ok()),
        mode: row::mode_from_word(&mode).ok_or_else(|| bad(format!("unknown mode \"{mode}\"")))?,
        factor: factor.map(|word| word.parse()).transpose().map_err(|e| bad(format!("{e}")))?,
        token: row.get(8)?,
        verdict: row.get(9)?,
        reason: row.get(10)?,
    })
}
