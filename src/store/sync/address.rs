//! Mailboxes and telephone numbers, and the tokens for codes that are sent to them.

use super::super::admin::store_secrets;
use super::super::error::StoreFault;
use super::super::{NewToken, remembered_logins, token_serials};
use super::batch::{StagedRow, SyncBatch};
use super::model::UNUSABLE;
use super::welcome::{new_oath_parameters, random_octets};
use crate::config::sync::{FromDirectory, SyncOptions};
use crate::engine::port::{EnrolledToken, SENT_KEY};
use crate::types::{Factor, Mailbox, Secret, UserId, UserName};
use rusqlite::OptionalExtension;

impl SyncBatch<'_> {
    /// Follows mailbox and telephone number; what is another now.
    pub(super) fn update_addresses(
        &mut self,
        id: UserId,
        name: &UserName,
        has: &str,
        aside: &StagedRow,
    ) -> Result<Vec<String>, StoreFault> {
        let SyncOptions { mailbox, phone, .. } = self.rules.sync;
        let mut changed = Vec::new();
        let mail = aside.mail.as_deref();
        if *mailbox != FromDirectory::No && mail != Some(UNUSABLE) && mail.unwrap_or_default() != has {
            self.tx
                .prepare_cached("UPDATE user SET mail = ?2 WHERE id = ?1")?
                .execute((id.0, mail.unwrap_or_default()))?;
            let masked = mail.and_then(|mail| Mailbox::parse(mail).ok()).map(|mail| mail.masked());
            changed.push(format!("mailbox {}", masked.unwrap_or_else(|| "none".to_owned())));
        }
        let tokens = [(Factor::Email, mailbox, &aside.mail), (Factor::Sms, phone, &aside.phone)];
        for (factor, from, address) in tokens {
            if *from == FromDirectory::Token && address.as_deref() != Some(UNUSABLE) {
                changed.extend(self.token(id, name, factor, address.as_deref())?);
            }
        }
        Ok(changed)
    }

    /// Adds or changes the user's token for codes to this address; returns what was done.
    fn token(
        &mut self,
        id: UserId,
        name: &UserName,
        factor: Factor,
        address: Option<&str>,
    ) -> Result<Option<String>, StoreFault> {
        let (tx, store) = (self.tx, self.store);
        let tokens = store.read_tokens(tx, id, name)?;
        let own: Option<i64> = tx
            .prepare_cached("SELECT id FROM token WHERE user = ?1 AND factor = ?2 AND directory <> 0")?
            .query_row((id.0, factor.as_str()), |row| row.get(0))
            .optional()?;
        let own = own.and_then(|own| tokens.iter().find(|token| token.id.0 == own));
        let told = |token: &EnrolledToken| {
            format!("{} {}", factor.as_str(), token.masked_address().unwrap_or_default())
        };
        match (own, address) {
            (None, None) => Ok(None),
            (Some(own), Some(address)) if own.delivery_address() == Some(address) => Ok(None),
            (None, Some(address)) if tokens.iter().any(|token| token.delivery_address() == Some(address)) => {
                Ok(None)
            }
            (Some(own), None) => {
                let used =
                    "UPDATE user SET used = max(used, (SELECT used FROM token WHERE id = ?2)) WHERE id = ?1";
                tx.prepare_cached(used)?.execute((id.0, own.id.0))?;
                token_serials::retire_serial(tx, own.id)?;
                tx.prepare_cached("DELETE FROM token WHERE id = ?1")?.execute([own.id.0])?;
                remembered_logins::forget_remembered_logins(tx, name.as_str())?;
                Ok(Some(format!("{} none", factor.as_str())))
            }
            (Some(own), Some(address)) => {
                let other = EnrolledToken { secret: sent_secret(address)?, ..own.clone() };
                store.with_key(tx, |key| store_secrets(tx, key, name, &other))?;
                tx.prepare_cached("DELETE FROM code WHERE token = ?1")?.execute([own.id.0])?;
                remembered_logins::forget_remembered_logins(tx, name.as_str())?;
                Ok(Some(told(&other)))
            }
            (None, Some(address)) => {
                let new = NewToken {
                    factor,
                    digits: self.rules.digits,
                    secret: sent_secret(address)?,
                    ..new_oath_parameters(factor)?
                };
                let token = store.insert_token(tx, id, name, new, self.rules.now)?;
                tx.prepare_cached("UPDATE token SET directory = 1 WHERE id = ?1")?.execute([token.id.0])?;
                Ok(Some(told(&token)))
            }
        }
    }
}

fn sent_secret(address: &str) -> Result<Secret, StoreFault> {
    Ok(Secret::new([&random_octets::<SENT_KEY>()?[..], address.as_bytes()].concat()))
}
