//! `mfa rekey`: all secrets under a new key, while the server runs.
//!
//! First the new key goes into the file, in front of the old; from then on everybody can read either. Then the database
//! names it as the one in use, then row after row is sealed anew, and when none is left under another key the old ones leave
//! the file. Interrupted anywhere, it is taken up again by the next call.

use super::attempts;
use super::connection::parent_folder;
use super::error::{StoreFault, from_text};
use super::key_id::KeyId;
use super::keyring::{Keyring, SealingKey};
use super::sqlite::{SqliteStore, key_in_use, use_key};
use super::{Error, ProgressCallback, admin, file_identity, seal};
use crate::config;
use crate::types::{UserId, UserName};
use rusqlite::Connection;
use std::path::Path;

/// Tokens in one transaction: short enough that no login waits for long.
const BITE: usize = 200;

impl SqliteStore {
    /// Seals everything under a new key and returns how many tokens that were. Taken up again where an earlier call was
    /// interrupted. Old backups need the old key: keep it with them.
    pub fn rekey(&self, progress: ProgressCallback<'_>) -> Result<u64, Error> {
        let config::KeySource::File(path) = &self.shared.config.key else {
            return Err(Error::Other(
                "the key is given by `key` in store { }, which cannot be changed from here: put it into a key file, set `key_file`, then run `mfa rekey`".into(),
            ));
        };
        let key = self.write(|tx| {
            let unfinished = |ring: &Keyring| -> Result<bool, StoreFault> {
                let newest = ring.newest_key().map(|key| key.id);
                Ok(newest != Some(key_in_use(tx)?)
                    || newest.map(|id| count_unsealed(tx, id)).transpose()? != Some(0))
            };
            let mut ring = Keyring::read(&self.shared.config.key)?;
            if ring.key_ids().count() == 1 || !unfinished(&ring)? {
                ring = ring.with_newest(SealingKey::generate_key()?);
                replace_keyring(path, &ring)?;
            }
            let key = ring.newest_key().cloned().ok_or_else(|| from_text("there is no key"))?;
            if key_in_use(tx)? != key.id {
                use_key(tx, &key)?;
            }
            Ok(key)
        })?;
        self.shared.keys.reload_keys()?;
        let count = |conn: &Connection| {
            conn.query_row("SELECT count(*) FROM token", (), |row| row.get::<_, u32>(0))
                .map_err(StoreFault::from)
        };
        let all = u64::from(self.read(count)?);
        let (mut done, mut after) = (0u64, 0);
        while let Some((last, sealed)) = self.write(|tx| self.reseal_batch(tx, &key, after))? {
            after = last;
            done = done.saturating_add(sealed);
            progress(done.min(all), all);
        }
        let mut after = 0;
        while let Some(last) = self.write(|tx| self.reseal_passwords(tx, &key, after))? {
            after = last;
        }
        self.write(|tx| {
            if count_unsealed(tx, key.id)? > 0 || key_in_use(tx)? != key.id {
                return Err(from_text(
                    "another `mfa rekey` runs beside this one: run it again when that has ended",
                ));
            }
            replace_keyring(path, &Keyring::read(&self.shared.config.key)?.newest_only())
        })?;
        self.shared.keys.reload_keys()?;
        Ok(done)
    }

    /// The next tokens after that id: the last of them, and how many; `None` at the end.
    fn reseal_batch(
        &self,
        tx: &Connection,
        key: &SealingKey,
        after: i64,
    ) -> Result<Option<(i64, u64)>, StoreFault> {
        let bite: Vec<(i64, String)> = tx
            .prepare_cached(
                "SELECT token.id, user.name FROM token JOIN user ON user.id = token.user
                 WHERE token.id > ?1 ORDER BY token.id LIMIT ?2",
            )?
            .query_map((after, i64::try_from(BITE).unwrap_or(i64::MAX)), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        let Some((last, _)) = bite.last() else { return Ok(None) };
        for (id, name) in &bite {
            let sealed: Vec<u8> = tx
                .prepare_cached("SELECT secret FROM token WHERE id = ?1")?
                .query_row([id], |row| row.get(0))?;
            if seal::key_of(&sealed) == Some(key.id) {
                continue;
            }
            let name = UserName::from_canonical(name);
            let known = self.shared.keys.with_current_keys(|keys| attempts::find_account(tx, keys, &name))?;
            for token in known.iter().flat_map(|known| &known.tokens).filter(|token| token.id.0 == *id) {
                admin::store_secrets(tx, key, &name, token)?;
            }
        }
        Ok(Some((*last, u64::try_from(bite.len()).unwrap_or(u64::MAX))))
    }

    /// The next passwords after the user of that id: the last of them; `None` at the end.
    fn reseal_passwords(
        &self,
        tx: &Connection,
        key: &SealingKey,
        after: i64,
    ) -> Result<Option<i64>, StoreFault> {
        let bite: Vec<(i64, String)> = tx
            .prepare_cached(
                "SELECT id, name FROM user WHERE id > ?1 AND substr(password, 1, 4) <> ?2 ORDER BY id LIMIT ?3",
            )?
            .query_map((after, key.id.0, i64::try_from(BITE).unwrap_or(i64::MAX)), |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect::<Result<_, _>>()?;
        for (id, name) in &bite {
            let name = UserName::from_canonical(name);
            let hash =
                self.shared.keys.with_current_keys(|keys| attempts::find_password_hash(tx, keys, &name))?;
            admin::store_password(tx, key, UserId(*id), &name, hash.as_deref())?;
        }
        Ok(bite.last().map(|(last, _)| *last))
    }
}

/// Tokens and passwords that are not sealed under this key.
fn count_unsealed(conn: &Connection, key: KeyId) -> Result<u32, StoreFault> {
    let sql =
        "SELECT (SELECT count(*) FROM token WHERE substr(secret, 1, 4) <> ?1 OR substr(pin, 1, 4) <> ?1)
        + (SELECT count(*) FROM user WHERE substr(password, 1, 4) <> ?1)";
    Ok(conn.query_row(sql, [key.0], |row| row.get(0))?)
}

fn replace_keyring(path: &Path, ring: &Keyring) -> Result<(), StoreFault> {
    file_identity::replace_private(path, ring.print().expose()).map_err(|e| {
        let (shown, folder) = (path.display(), parent_folder(path).display());
        from_text(format!(
            "key file {shown} cannot be replaced: {e}: its folder {folder} must belong to the server's user; or move the key file into the folder of the store and correct `key_file`"
        ))
    })
}
