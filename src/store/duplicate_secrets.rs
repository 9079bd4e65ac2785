//! Secrets that two tokens would share: one code would then let two users in. Sealed values cannot be compared, so each token has a
//! digest of its secret, keyed with the store's key, beside it. It tells nothing without the key, but that two are equal.

use super::Error;
use super::error::{StoreFault, from_text};
use super::keyring::{Keyring, SealingKey};
use super::row::SECRET;
use super::seal::{self, SealedPlace};
use super::sqlite::{SqliteStore, key_in_use};
use super::token_serials;
use crate::types::{Secret, UserName};
use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, OptionalExtension};
use sha2::Sha256;

/// Rows in one transaction: short enough that no login waits for long.
const BATCH: i64 = 1000;

/// The digest of a token's secret under this key.
pub(super) fn secret_digest(key: &SealingKey, secret: &Secret) -> Result<[u8; 32], StoreFault> {
    let mac = Hmac::<Sha256>::new_from_slice(key.digests.expose());
    let mac = mac.map_err(|_| from_text("a key is of no length for HMAC"))?;
    Ok(mac.chain_update(secret.expose()).finalize().into_bytes().into())
}

impl SqliteStore {
    /// Refuses a secret that another token has, whichever user it belongs to, in the transaction that writes it.
    pub(super) fn check_duplicate(&self, tx: &Connection, secret: &Secret) -> Result<(), StoreFault> {
        while self.digest_some(tx)? {}
        let in_use = key_in_use(tx)?;
        let found = self.shared.keys.with_current_keys(|keys| match keys.get(in_use) {
            // While `mfa rekey` runs, rows have digests under the old keys or the new one. All of these have to be known here.
            Some(_) => find_duplicate(tx, keys, secret),
            None => Err(StoreFault::UnknownKey(in_use)),
        })?;
        match found {
            Some((user, serial)) => Err(Error::SecretTaken { user, serial }.into()),
            None => Ok(()),
        }
    }

    /// Adds the digests that rows of an earlier version lack.
    pub(super) fn add_digests(&self) -> Result<(), Error> {
        let lacks = |conn: &Connection| {
            Ok(conn.prepare_cached("SELECT 1 FROM token WHERE digest IS NULL")?.exists(())?)
        };
        while self.run_aside(lacks)? {
            self.write(|tx| self.digest_some(tx))?;
        }
        Ok(())
    }

    /// The same for some rows. Whether there were any.
    fn digest_some(&self, tx: &Connection) -> Result<bool, StoreFault> {
        let rows: Vec<(i64, String, Vec<u8>)> = tx
            .prepare_cached(
                "SELECT token.id, user.name, secret FROM token CROSS JOIN user ON user.id = token.user
                 WHERE digest IS NULL ORDER BY token.id LIMIT ?1",
            )?
            .query_map([BATCH], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
            .collect::<Result<_, _>>()?;
        for (id, name, sealed) in &rows {
            let place = SealedPlace { column: SECRET, row: *id, user: name };
            let digest = match self.shared.keys.with_current_keys(|keys| seal::open(keys, place, sealed)) {
                Ok(secret) => self.with_key(tx, |key| secret_digest(key, &secret))?.to_vec(),
                // An unusable row does not block others.
                Err(StoreFault::Row(_) | StoreFault::UnknownKey(_)) => Vec::new(),
                Err(fault) => return Err(fault),
            };
            tx.prepare_cached("UPDATE token SET digest = ?2 WHERE id = ?1")?.execute((id, digest))?;
        }
        Ok(!rows.is_empty())
    }
}

/// Whose token has this secret, and its serial.
fn find_duplicate(
    conn: &Connection,
    keys: &Keyring,
    secret: &Secret,
) -> Result<Option<(UserName, String)>, StoreFault> {
    for key in keys.key_ids().filter_map(|id| keys.get(id)) {
        let found = conn
            .prepare_cached(
                "SELECT user.name, token.serial FROM token JOIN user ON user.id = token.user WHERE token.digest = ?1",
            )?
            .query_row([secret_digest(key, secret)?], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))
            .optional()?;
        if let Some((name, serial)) = found {
            return Ok(Some((
                UserName::from_canonical(name),
                token_serials::shown_serial(&serial).to_owned(),
            )));
        }
    }
    Ok(None)
}
