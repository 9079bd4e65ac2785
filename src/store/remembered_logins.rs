//! Logins by the password alone: how often users without a token were let in, when they were sent a link, and which logins are
//! remembered.

use super::error::StoreFault;
use super::keyring::Keyring;
use super::pending_passcodes;
use super::row::to_millis;
use crate::engine::port::{RememberedLogin, RememberedLoginDigest};
use crate::engine::{AttemptSource, Reason};
use crate::types::{Secret, Timestamp};
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, OptionalExtension, params};
use sha2::Sha256;
use std::time::Duration;

/// Between two links to one user.
const PAUSE: Duration = Duration::from_secs(10 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// Links to one user within an hour.
const LINKS: i64 = 3;

/// Lets a user without a token in, if the limit is not reached: one conditional write.
pub(super) fn let_in(conn: &Connection, user: &str, logins: Option<u32>) -> Result<Reason, StoreFault> {
    match find_enrolment(conn, user)? {
        // Enrolled since the user was looked up, and nothing was presented.
        Some((_, true)) => return Ok(Reason::WrongCode),
        Some((true, false)) => return Ok(Reason::NotEnrolled),
        Some((false, false)) | None => {}
    }
    let changed = conn
        .prepare_cached(
            "INSERT INTO unenrolled (user, logins) VALUES (?1, 1)
             ON CONFLICT (user) DO UPDATE SET logins = logins + 1 WHERE logins < ?2 AND logins >= 0",
        )?
        .execute((user, logins.map_or(i64::MAX, i64::from)))?;
    Ok(if changed == 1 { Reason::LetInUnenrolled } else { Reason::NotEnrolled })
}

/// Counts an enrolment link, if the user may be sent one.
pub(super) fn count_enrolment_link(
    conn: &Connection,
    user: &str,
    now: Timestamp,
) -> Result<Reason, StoreFault> {
    let found: Option<(i64, i64, i64)> = conn
        .prepare_cached("SELECT invited, hour, invitations FROM unenrolled WHERE user = ?1")?
        .query_row([user], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let (last, mut hour, mut count) = found.unwrap_or_default();
    // A clock that was set back sends nothing more, but for an hour at most.
    let is_within =
        |since: i64, length| since > to_millis(now.minus(length)) && since <= to_millis(now.plus(length));
    if !is_within(hour, HOUR) {
        (hour, count) = (to_millis(now), 0);
    }
    if is_within(last, PAUSE) || count >= LINKS {
        return Ok(Reason::MustEnroll);
    }
    conn.prepare_cached(
        "INSERT INTO unenrolled (user, invited, hour, invitations) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (user) DO UPDATE SET invited = ?2, hour = ?3, invitations = ?4",
    )?
    .execute((user, to_millis(now), hour, count.saturating_add(1)))?;
    Ok(Reason::Invited)
}

/// Whether a token was ever enrolled for this user, and whether one is enabled. None: there is no such user.
fn find_enrolment(conn: &Connection, user: &str) -> Result<Option<(bool, bool)>, StoreFault> {
    let sql = "SELECT enrolled <> 0, EXISTS (SELECT 1 FROM token WHERE user = user.id AND enabled <> 0)
        FROM user WHERE name = ?1";
    let mut statement = conn.prepare_cached(sql)?;
    Ok(statement.query_row([user], |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}

/// The mark of a login, under the newest key.
pub(super) fn remembered_login_digest(keys: &Keyring, parts: [&[u8]; 4]) -> Option<RememberedLoginDigest> {
    let hmac = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).ok();
    // A key of its own, for nothing else.
    let key = Secret::new(
        hmac(keys.newest_key()?.secret.expose())?
            .chain_update(b"mfa remembered login")
            .finalize()
            .into_bytes()
            .to_vec(),
    );
    let mut mac = hmac(key.expose())?;
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    Some(RememberedLoginDigest(mac.finalize().into_bytes().into()))
}

/// Remembers a login, in place of an earlier one from there.
pub(super) fn insert_remembered_login(
    conn: &Connection,
    user: &str,
    memory: &RememberedLogin,
) -> Result<(), StoreFault> {
    conn.prepare_cached(
        "INSERT INTO remembered (user, client, calling_station, password, until, uses)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO UPDATE SET password = ?4, until = ?5, uses = ?6",
    )?
    .execute(params![
        user,
        memory.place.client,
        memory.place.calling_station,
        memory.mark.0,
        to_millis(memory.until),
        memory.uses
    ])?;
    Ok(())
}

/// Takes one of the logins that a remembered one is good for.
pub(super) fn recall_once(
    conn: &Connection,
    user: &str,
    place: &AttemptSource,
    mark: &RememberedLoginDigest,
    now: Timestamp,
) -> Result<Reason, StoreFault> {
    let (client, station) = (place.client.as_str(), place.calling_station.as_str());
    if !is_remembered(conn, (user, client, station), mark, now)? {
        return Ok(Reason::SpentCode);
    }
    let changed = conn
        .prepare_cached(
            "UPDATE remembered SET uses = uses - 1
             WHERE user = ?1 AND client = ?2 AND calling_station = ?3 AND uses > 0",
        )?
        .execute((user, client, station))?;
    Ok(if changed == 1 { Reason::Remembered } else { Reason::SpentCode })
}

/// Whether a login from there with this mark is remembered.
pub(super) fn is_remembered(
    conn: &Connection,
    (user, client, station): (&str, &str, &str),
    mark: &RememberedLoginDigest,
    now: Timestamp,
) -> Result<bool, StoreFault> {
    let found: Option<([u8; 32], i64)> = conn
        .prepare_cached(
            "SELECT password, until FROM remembered
             WHERE user = ?1 AND client = ?2 AND calling_station = ?3 AND ifnull(uses, 1) > 0",
        )?
        .query_row((user, client, station), |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    Ok(found.is_some_and(|(stored, until)| to_millis(now) < until && RememberedLoginDigest(stored) == *mark))
}

/// Whether a login from there with this mark was remembered and has not been forgotten, however often it was used since.
pub(super) fn is_kept(
    conn: &Connection,
    user: &str,
    place: &AttemptSource,
    mark: &RememberedLoginDigest,
) -> Result<bool, StoreFault> {
    Ok(conn
        .prepare_cached(
            "SELECT 1 FROM remembered
             WHERE user = ?1 AND client = ?2 AND calling_station = ?3 AND password = ?4",
        )?
        .exists((user, &place.client, &place.calling_station, mark.0))?)
}

/// Nothing is remembered of this user any more, and no passcode of a login that is under way is confirmed.
pub(super) fn forget_remembered_logins(conn: &Connection, user: &str) -> rusqlite::Result<()> {
    pending_passcodes::forget_pending(conn, user)?;
    conn.prepare_cached("DELETE FROM remembered WHERE user = ?1")?.execute([user])?;
    Ok(())
}
