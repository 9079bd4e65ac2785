//! What the writer does between logins: old rows go in small bites, the log is written back into the database.
//!
//! Nothing here may fail a login; what did not work is tried again later.

use super::challenges;
use super::checkpoint::{Checkpointer, checkpoint_once};
use super::row::to_millis;
use super::row_limits;
use crate::types::Timestamp;
use rusqlite::Connection;
use std::time::Duration;

/// Failures are without meaning after this long.
const FAILURES_KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// For so long a remembered login stays after its time is over: a packet that it let in may come again (`resend_time`).
const REMEMBERED_KEEP: Duration = Duration::from_secs(120);

/// After so many writes the rows are counted that have a bound.
const COUNT: usize = 4096;

/// Rows that go at once.
const BITE: i64 = 500;

/// Settlements after which a bite is due though logins wait: fewer than it takes.
const BITE_WRITES: usize = 400;

/// Settlements after which the log is written back though logins wait; before that it waits for a pause.
const LOG_LONG: usize = 8192;

/// The least pause between two rounds.
const PAUSE: Duration = Duration::from_millis(200);

/// How long the writer sleeps when there is nothing to tend.
const REST: Duration = Duration::from_secs(60);

/// Keeps the database and its log small.
pub(super) struct Maintenance {
    audit_keep: Duration,
    audit_refusals: i64,
    checkpointer: Checkpointer,
    now: Option<Timestamp>,
    logged: usize,
    unpruned: usize,
    uncounted: usize,
    refusals_left: bool,
    more: bool,
}

impl Maintenance {
    pub(super) fn new(audit_keep: Duration, audit_refusals: u32, checkpointer: Checkpointer) -> Self {
        Self {
            audit_keep,
            audit_refusals: audit_refusals.into(),
            checkpointer,
            now: None,
            logged: 0,
            unpruned: 0,
            uncounted: COUNT,
            refusals_left: false,
            more: true,
        }
    }

    /// How long until [`run_idle`](Self::run_idle) is due.
    pub(super) fn time_until_idle(&self) -> Duration {
        if self.more || self.logged > 0 { PAUSE } else { REST }
    }

    /// After a commit: only what cannot wait.
    pub(super) fn after_commit(&mut self, conn: &Connection, now: Option<Timestamp>, writes: usize) {
        self.now = now.or(self.now);
        self.more = true;
        self.logged = self.logged.saturating_add(writes);
        self.uncounted = self.uncounted.saturating_add(writes);
        if self.logged >= LOG_LONG {
            self.checkpointer.request_checkpoint();
        }
        // The log starts again from its beginning only when all of it is written back: the rest is done in between.
        if self.checkpointer.has_caught_up() && self.logged >= LOG_LONG {
            self.logged = 0;
            checkpoint_once(conn);
        }
        // As much goes as comes, where there is never a pause.
        self.unpruned = self.unpruned.saturating_add(writes);
        if self.unpruned >= BITE_WRITES {
            self.unpruned = 0;
            self.prune_tables(conn);
        }
        if self.uncounted >= COUNT {
            self.uncounted = 0;
            self.prune_bounded(conn);
        }
    }

    /// In a pause: a bite of everything.
    pub(super) fn run_idle(&mut self, conn: &Connection) {
        self.more = self.prune_tables(conn);
        if self.refusals_left {
            self.cap_refusals(conn, BITE);
            self.more |= self.refusals_left;
        }
        if self.logged > 0 || self.more {
            self.checkpointer.request_checkpoint();
        }
        self.logged = 0;
    }

    /// Rows beyond their bounds go. Of refusals as many as have come since, so that no login waits for a great many at once; where
    /// there is a pause, the rest.
    fn prune_bounded(&mut self, conn: &Connection) {
        let _ = row_limits::cap_failures(conn, row_limits::FAILURES);
        let _ = row_limits::cap_challenges(conn, [row_limits::CHALLENGES, row_limits::CHALLENGES_PROVEN]);
        self.cap_refusals(conn, i64::try_from(COUNT.saturating_mul(2)).unwrap_or(i64::MAX));
    }

    fn cap_refusals(&mut self, conn: &Connection, bite: i64) {
        self.refusals_left = row_limits::cap_refusals(conn, self.audit_refusals, bite).unwrap_or(false);
    }

    fn prune_tables(&self, conn: &Connection) -> bool {
        self.now.is_some_and(|now| prune_expired_rows(conn, now, self.audit_keep).unwrap_or(false))
    }
}

/// A bite of the attempts, failures and remembered logins that are too old. The newest attempt stays, so that ids keep rising. Whether there
/// may be more.
fn prune_expired_rows(conn: &Connection, now: Timestamp, audit_keep: Duration) -> rusqlite::Result<bool> {
    let old = |keep| to_millis(now.minus(keep));
    let attempts = conn
        .prepare_cached(
            "DELETE FROM attempt WHERE id IN (SELECT id FROM attempt ORDER BY id LIMIT ?2)
             AND at < ?1 AND id < (SELECT max(id) FROM attempt)",
        )?
        .execute((old(audit_keep), BITE))?;
    let failures = conn
        .prepare_cached(
            "DELETE FROM failure WHERE (user, source) IN
             (SELECT user, source FROM failure WHERE last < ?1 ORDER BY last LIMIT ?2)",
        )?
        .execute((old(FAILURES_KEEP), BITE))?;
    let remembered = conn
        .prepare_cached(
            "DELETE FROM remembered WHERE (user, client, calling_station) IN
             (SELECT user, client, calling_station FROM remembered WHERE until < ?1 ORDER BY until LIMIT ?2)",
        )?
        .execute((old(REMEMBERED_KEEP), BITE))?;
    let conversations = challenges::prune_expired(conn, now, BITE)?;
    Ok(attempts > 0 || failures > 0 || remembered > 0 || conversations)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(conn: &Connection, table: &str) -> i64 {
        conn.query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap()
    }

    fn filled() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        super::super::schema::migrate_schema(&mut conn).unwrap();
        fill(&conn);
        conn
    }

    fn fill(conn: &Connection) {
        for n in 0..2000 {
            conn.execute(
                "INSERT INTO failure (user, source, count, last, tag) VALUES ('u' || ?1, 's', 1, ?1, x'00')",
                [n],
            )
            .unwrap();
            conn.execute(
                "INSERT INTO attempt (at, user, client, calling_station, mode, verdict, reason)
                 VALUES (?1, 'u', 'c', '', 'passcode', 'reject', 'wrong code')",
                [n],
            )
            .unwrap();
        }
    }

    #[test]
    fn old_rows_go_where_there_is_never_a_pause() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mfa.db");
        std::fs::write(&file, "").unwrap();
        let conn = super::super::connection::open_or_create(&file).unwrap();
        fill(&conn);
        let mut tender =
            Maintenance::new(Duration::from_secs(60), 500_000, Checkpointer::start(&file).unwrap());
        for _ in 0..16 {
            tender.after_commit(&conn, Some(Timestamp::from_seconds(1_000_000_000)), 256);
        }
        assert_eq!((count(&conn, "attempt"), count(&conn, "failure")), (1, 0));
    }

    #[test]
    fn old_rows_go_in_bites_and_the_newest_attempt_stays() {
        let conn = filled();
        let now = Timestamp::from_seconds(1_000_000_000);
        let mut bites = 0;
        while prune_expired_rows(&conn, now, Duration::from_secs(60)).unwrap() {
            bites += 1;
            assert!(bites < 10);
        }
        assert_eq!((bites, count(&conn, "attempt"), count(&conn, "failure")), (4, 1, 0));
    }

    #[test]
    fn rows_in_their_time_stay() {
        let conn = filled();
        assert!(!prune_expired_rows(&conn, Timestamp::from_millis(2000), Duration::from_secs(60)).unwrap());
        assert_eq!((count(&conn, "attempt"), count(&conn, "failure")), (2000, 2000));
    }
}
