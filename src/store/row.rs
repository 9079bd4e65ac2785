//! From rows to values and back. What makes no sense is an error that names the row.

use super::error::StoreFault;
use super::keyring::Keyring;
use super::seal::{self, SealedPlace};
use super::token_serials;
use crate::engine::port::{EnrolledToken, ResyncPosition};
use crate::types::{Digits, Mode, Period, Timestamp, TokenId};
use rusqlite::Row;

/// Until when a user is locked: forever, if their directory no longer has them.
macro_rules! locked_until {
    () => {
        "iif(gone IS NULL, locked_until, 9223372036854775807)"
    };
}

/// The columns of a token, in the order in which [`token`] reads them.
macro_rules! token_columns {
    () => {
        "token.id, serial, factor, algorithm, digits, period, secret, pin, enabled, next, drift, \
         resync_step, resync_at, codes, token.created"
    };
}
pub(super) use {locked_until, token_columns};

/// A token of `user` from a row of these columns, the first of them at `at`.
pub(super) fn token(
    row: &Row<'_>,
    at: usize,
    user: &str,
    keys: &Keyring,
) -> Result<EnrolledToken, StoreFault> {
    let column = |n: usize| at.saturating_add(n);
    let id: i64 = row.get(column(0))?;
    let bad = |what: String| StoreFault::Row(format!("row {id} of token (user \"{user}\"): {what}"));
    let word = |n: usize| {
        row.get_ref(column(n))?.as_str().map_err(|e| StoreFault::Row(format!("row {id} of token: {e}")))
    };
    let number = |n: usize| -> Result<u64, StoreFault> {
        u64::try_from(row.get::<_, i64>(column(n))?).map_err(|_| bad("a number is negative".into()))
    };
    let place = |column| SealedPlace { column, row: id, user };
    let pin = row.get_ref(column(7))?.as_blob_or_null().map_err(|e| bad(format!("pin: {e}")))?;
    let resync = match (row.get::<_, Option<i64>>(column(11))?, row.get::<_, Option<i64>>(column(12))?) {
        (Some(step), Some(at)) => Some(ResyncPosition { step, at: from_millis(at) }),
        _ => None,
    };
    Ok(EnrolledToken {
        id: TokenId(id),
        serial: token_serials::shown_serial(word(1)?).to_owned(),
        factor: word(2)?.parse().map_err(|e| bad(format!("{e}")))?,
        algorithm: word(3)?.parse().map_err(|e| bad(format!("{e}")))?,
        digits: Digits::new(number(4)?).map_err(|e| bad(format!("{e}")))?,
        period: Period::new(number(5)?).map_err(|e| bad(format!("{e}")))?,
        secret: seal::open(
            keys,
            place(SECRET),
            row.get_ref(column(6))?.as_blob().map_err(|e| bad(format!("secret: {e}")))?,
        )?,
        pin: pin.map(|sealed| seal::open(keys, place(PIN), sealed)).transpose()?,
        enabled: number(8)? != 0,
        next: row.get(column(9))?,
        drift: row.get(column(10))?,
        resync,
        codes: match row.get_ref(column(13))?.as_blob_or_null().map_err(|e| bad(format!("codes: {e}")))? {
            None => Vec::new(),
            Some(blob) => match blob.as_chunks() {
                (codes, []) => codes.to_vec(),
                _ => return Err(bad("codes are not 32 octets each".into())),
            },
        },
        sent: Vec::new(),
        created: from_millis(row.get(column(14))?),
    })
}

/// Column under whose name secrets are sealed.
pub(super) const SECRET: &str = "token.secret";
/// Column under whose name hashes of passwords are sealed.
pub(super) const PASSWORD: &str = "user.password";
/// Column under whose name PINs are sealed.
pub(super) const PIN: &str = "token.pin";

/// A time as it is stored.
pub(super) fn to_millis(time: Timestamp) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A time from how it is stored.
pub(super) fn from_millis(millis: i64) -> Timestamp {
    Timestamp::from_millis(u64::try_from(millis).unwrap_or_default())
}

/// The mode of a word.
pub(super) fn mode_from_word(word: &str) -> Option<Mode> {
    Mode::ALL.into_iter().find(|mode| mode.as_str() == word)
}
