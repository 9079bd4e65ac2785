//! Serials of tokens. One that is given, such as the number on a hardware token, is unique among all users. One that is made is a
//! number of its user's own, such as `totp1`: in the database, whose serials are unique, the id of the user and a control
//! character stand before it, which no given serial holds. Those that earlier versions made have neither.

use super::error::{StoreFault, from_text};
use super::schema;
use super::{Error, NewToken};
use crate::types::{Factor, TokenId, UserId};
use rusqlite::{Connection, OptionalExtension};

/// Stands between the id of the user and the serial: the unit separator of ASCII.
const BETWEEN: char = '\u{1f}';

/// The kinds of tokens.
const FACTORS: [Factor; 5] = [Factor::Totp, Factor::Hotp, Factor::Recovery, Factor::Sms, Factor::Email];

/// The serial of a row, as people know it.
pub(super) fn shown_serial(stored: &str) -> &str {
    stored.split_once(BETWEEN).map_or(stored, |(_, serial)| serial)
}

/// The token of that serial, if the user has one.
pub(super) fn find_by_serial(
    conn: &Connection,
    user: UserId,
    serial: &str,
) -> rusqlite::Result<Option<TokenId>> {
    conn.prepare_cached("SELECT id FROM token WHERE user = ?1 AND serial IN (?2, ?3)")?
        .query_row((user.0, serial, default_serial(user, serial)), |row| row.get(0).map(TokenId))
        .optional()
}

/// The serial of a new token as it is stored: the one that is given, unless it is taken, or the next one of the user.
pub(super) fn choose_serial(conn: &Connection, user: UserId, new: &NewToken) -> Result<String, StoreFault> {
    let Some(given) = &new.serial else { return next(conn, user, new.factor.as_str()) };
    let mut taken = conn.prepare_cached("SELECT 1 FROM token WHERE serial IN (?1, ?2)")?;
    match taken.exists((given, default_serial(user, given)))? {
        true => Err(Error::TokenExists(given.clone()).into()),
        false => Ok(given.clone()),
    }
}

/// A number is not given twice to one user, so that the audit trail stays unambiguous.
fn next(conn: &Connection, user: UserId, factor: &str) -> Result<String, StoreFault> {
    let mut number: i64 = schema::read_setting(conn, &serial_setting(user, factor))?.unwrap_or(0);
    let mut statement = conn.prepare_cached("SELECT serial FROM token WHERE user = ?1")?;
    let mut rows = statement.query([user.0])?;
    while let Some(row) = rows.next()? {
        number = number.max(number_of(row.get_ref(0)?.as_str().unwrap_or_default(), factor).unwrap_or(0));
    }
    let next = number.checked_add(1);
    let next = next.ok_or_else(|| from_text("all serials are taken: give one with --serial"))?;
    Ok(default_serial(user, &format!("{factor}{next}")))
}

/// Before a token is deleted: its number is not given again.
pub(super) fn retire_serial(conn: &Connection, token: TokenId) -> Result<(), StoreFault> {
    let (user, factor, serial): (i64, String, String) = conn
        .prepare_cached("SELECT user, factor, serial FROM token WHERE id = ?1")?
        .query_row([token.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let name = serial_setting(UserId(user), &factor);
    if let Some(number) = number_of(&serial, &factor)
        && schema::read_setting::<i64>(conn, &name)?.is_none_or(|before| before < number)
    {
        schema::set_setting(conn, &name, number)?;
    }
    Ok(())
}

/// Before all tokens are replaced by those of a backup: the same for each that is not in it.
pub(super) fn retire_all(conn: &Connection) -> Result<(), StoreFault> {
    let mut statement =
        conn.prepare("SELECT id FROM main.token WHERE id NOT IN (SELECT id FROM backup.token)")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        retire_serial(conn, TokenId(row.get(0)?))?;
    }
    Ok(())
}

/// When a user is deleted: ids of users are not given again, so nothing has to be known of theirs.
pub(super) fn forget_serials(conn: &Connection, user: UserId) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached("DELETE FROM setting WHERE name = ?1")?;
    for factor in FACTORS {
        statement.execute([serial_setting(user, factor.as_str())])?;
    }
    Ok(())
}

fn default_serial(user: UserId, serial: &str) -> String {
    format!("{}{BETWEEN}{serial}", user.0)
}

/// Name of the setting that holds the highest number of a token that the user does not have any more.
fn serial_setting(user: UserId, factor: &str) -> String {
    format!("serial {factor} {}", user.0)
}

/// The number in a serial of this factor.
fn number_of(stored: &str, factor: &str) -> Option<i64> {
    shown_serial(stored).strip_prefix(factor)?.parse().ok().filter(|number| *number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_read_as_they_are_stored() {
        assert_eq!(
            (shown_serial("12\u{1f}totp1"), shown_serial("totp1"), shown_serial("FT 1")),
            ("totp1", "totp1", "FT 1")
        );
        assert_eq!(number_of("12\u{1f}totp7", "totp"), Some(7));
        assert_eq!(number_of("totp7", "totp"), Some(7));
        for none in ["hotp7", "totp", "totp-7", "totp0", "totpx", ""] {
            assert_eq!(number_of(none, "totp"), None, "{none}");
        }
    }
}
