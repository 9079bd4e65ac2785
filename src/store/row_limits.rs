//! What bounds the rows that a stranger can cause: names, stations and States can be invented without end, the disk has one.
//!
//! Every bound is a number of rows of bounded length. What came without a proven password goes first, and the oldest of it; what
//! is behind a proven password is counted and bounded apart, so that no flood of invented logins displaces it.

use crate::engine::AttemptSource;
use crate::engine::ProofClass;
use rusqlite::Connection;
use sha2::{Digest, Sha256};

/// Failures that are kept at most, without and with a proven password each.
pub(super) const FAILURES: i64 = 100_000;

/// Failures of a source that has been slowed down are kept longer than those of one that has not.
const SLOWED: i64 = 3;

/// Challenges that wait for an answer at most, without a proven password.
pub(super) const CHALLENGES: i64 = 50_000;

/// Those behind a proven password.
pub(super) const CHALLENGES_PROVEN: i64 = 200_000;

/// A station that is written with a refusal is cut to so many octets: addresses and telephone numbers are shorter.
const STATION: usize = 64;

/// How many octets of a source are written in clear. Longer ones are known by a digest.
const SOURCE: usize = 64;

/// What failures of a source are counted under. Those behind a proven password are counted apart.
pub(super) fn source_key(source: &AttemptSource, class: ProofClass) -> String {
    let key = source.failure_key();
    let key = match key.len() {
        0..=SOURCE => key,
        _ => format!(
            "sha256 {}",
            data_encoding::HEXLOWER.encode(Sha256::digest(&key).get(..16).unwrap_or_default())
        ),
    };
    match class {
        ProofClass::Proven => format!("proven {key}"),
        ProofClass::Unproven => key,
    }
}

/// A station as it is written with a refusal.
pub(super) fn short_station(station: &str) -> &str {
    station.get(..station.floor_char_boundary(STATION)).unwrap_or_default()
}

/// Failures beyond `most` go: those of sources that were not slowed down yet, then the oldest.
pub(super) fn cap_failures(conn: &Connection, most: i64) -> rusqlite::Result<usize> {
    let mut gone = 0usize;
    for proven in [0, 1] {
        for slowed in [SLOWED, i64::MAX] {
            let beyond = rows_beyond(conn, "SELECT count(*) FROM failure WHERE proven = ?1", proven, most)?;
            if beyond == 0 {
                break;
            }
            let deleted = conn
                .prepare_cached(
                    "DELETE FROM failure WHERE (user, source) IN
                     (SELECT user, source FROM failure WHERE proven = ?1 AND count < ?2 ORDER BY last LIMIT ?3)",
                )?
                .execute((proven, slowed, beyond))?;
            gone = gone.saturating_add(deleted);
        }
    }
    Ok(gone)
}

/// The oldest refusals beyond `most` go, of each kind; at most so many at once. Whether there may be more.
pub(super) fn cap_refusals(conn: &Connection, most: i64, bite: i64) -> rusqlite::Result<bool> {
    let mut is_more = false;
    for kind in [1, 2] {
        let beyond =
            rows_beyond(conn, "SELECT count(*) FROM attempt WHERE refusal = ?1 AND refusal > 0", kind, most)?;
        if beyond > 0 {
            // The newest attempt stays, so that ids keep rising.
            conn.prepare_cached(
                "DELETE FROM attempt WHERE id IN
                 (SELECT id FROM attempt WHERE refusal = ?1 AND refusal > 0 ORDER BY id LIMIT ?2)
                 AND id < (SELECT max(id) FROM attempt)",
            )?
            .execute((kind, beyond.min(bite)))?;
            is_more |= beyond > bite;
        }
    }
    Ok(is_more)
}

/// The challenges beyond `most` go that would end first.
pub(super) fn cap_challenges(conn: &Connection, most: [i64; 2]) -> rusqlite::Result<usize> {
    let mut gone = 0usize;
    for (proven, most) in (0i64..).zip(most) {
        let beyond = rows_beyond(conn, "SELECT count(*) FROM challenge WHERE proven = ?1", proven, most)?;
        if beyond > 0 {
            let deleted = conn
                .prepare_cached(
                    "DELETE FROM challenge WHERE state IN
                     (SELECT state FROM challenge WHERE proven = ?1 ORDER BY expires LIMIT ?2)",
                )?
                .execute((proven, beyond))?;
            gone = gone.saturating_add(deleted);
        }
    }
    Ok(gone)
}

fn rows_beyond(conn: &Connection, count: &str, kind: i64, most: i64) -> rusqlite::Result<i64> {
    let count: i64 = conn.prepare_cached(count)?.query_row([kind], |row| row.get(0))?;
    Ok(count.saturating_sub(most).max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database() -> Connection {
        let mut conn = Connection::open_in_memory().unwrap();
        super::super::schema::migrate_schema(&mut conn).unwrap();
        conn
    }

    fn fail(conn: &Connection, user: &str, count: i64, last: i64, proven: bool) {
        let sql = "INSERT INTO failure (user, source, count, last, tag, proven) VALUES (?1, 's', ?2, ?3, x'00', ?4)";
        conn.execute(sql, (user, count, last, proven)).unwrap();
    }

    fn users(conn: &Connection) -> Vec<String> {
        let mut statement = conn.prepare("SELECT user FROM failure ORDER BY user").unwrap();
        statement.query_map((), |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn invented_names_displace_neither_those_who_guess_nor_those_with_a_proven_password() {
        let conn = database();
        fail(&conn, "guesser", 7, 0, false);
        fail(&conn, "proven", 1, 0, true);
        for n in 1..=1000 {
            fail(&conn, &format!("invented{n:04}"), 1, n, false);
        }
        assert_eq!(cap_failures(&conn, 3).unwrap(), 998);
        assert_eq!(users(&conn), ["guesser", "invented0999", "invented1000", "proven"]);
        assert_eq!(cap_failures(&conn, 3).unwrap(), 0);
    }

    #[test]
    fn failures_are_bounded_whatever_they_are() {
        let conn = database();
        for n in 0..100 {
            fail(&conn, &format!("guesser{n:02}"), 9, n, false);
            fail(&conn, &format!("proven{n:02}"), 9, n, true);
        }
        assert_eq!(cap_failures(&conn, 1).unwrap(), 198);
        assert_eq!(users(&conn), ["guesser99", "proven99"]);
    }

    #[test]
    fn refusals_are_bounded_and_accepts_are_not_touched() {
        let conn = database();
        let insert = |refusal: i64| {
            conn.execute(
                "INSERT INTO attempt (at, user, client, calling_station, mode, verdict, reason, refusal)
                 VALUES (0, 'u', 'c', '', 'passcode', 'v', 'r', ?1)",
                [refusal],
            )
            .unwrap();
        };
        (0..100).for_each(|n| insert([0, 1, 1, 2][n % 4]));
        while cap_refusals(&conn, 10, 7).unwrap() {}
        let count = |refusal: i64| -> i64 {
            conn.query_row("SELECT count(*) FROM attempt WHERE refusal = ?1", [refusal], |row| row.get(0))
                .unwrap()
        };
        assert_eq!([count(0), count(1), count(2)], [25, 10, 10]);
        let oldest: i64 =
            conn.query_row("SELECT min(id) FROM attempt WHERE refusal = 1", (), |row| row.get(0)).unwrap();
        assert_eq!(oldest, 82, "the oldest went");
    }

    #[test]
    fn challenges_without_a_password_do_not_displace_those_behind_one() {
        let conn = database();
        for n in 0i64..100 {
            let state = n.to_be_bytes();
            conn.execute(
                "INSERT INTO challenge (state, user, client, calling_station, expires, turn, proven)
                 VALUES (?1, 'u', 'c', '', ?2, '', ?3)",
                (&state[..], n, n % 10 == 0),
            )
            .unwrap();
        }
        assert_eq!(cap_challenges(&conn, [5, 20]).unwrap(), 85);
        let count = |proven: i64| -> i64 {
            conn.query_row("SELECT count(*) FROM challenge WHERE proven = ?1", [proven], |row| row.get(0))
                .unwrap()
        };
        assert_eq!([count(0), count(1)], [5, 10]);
    }

    #[test]
    fn a_source_is_short_however_long_a_station_is_and_never_another_one() {
        let source = |station: &str| AttemptSource {
            calling_station: station.into(),
            client: "192.0.2.1".into(),
            request: None,
        };
        let [one, other] = ["x".repeat(250), format!("{}y", "x".repeat(249))].map(|station| source(&station));
        let keys = [&one, &other].map(|source| source_key(source, ProofClass::Unproven));
        assert!(keys[0].len() <= SOURCE && keys[0] != keys[1], "{keys:?}");
        assert_ne!(source_key(&one, ProofClass::Proven), keys[0]);
        assert_eq!(source_key(&source("203.0.113.9"), ProofClass::Unproven), "192.0.2.1 203.0.113.9");
        assert_eq!(short_station(&"\u{e9}".repeat(100)).len(), 64);
    }
}
