//! Sealing of single values: XChaCha20-Poly1305 under a key of the keyring. A sealed value is bound to its place; moved to
//! another row, column or user it does not open.
//!
//! Layout: key id (4 octets), nonce (24), ciphertext with its tag.

use super::error::{StoreFault, from_text};
use super::key_id::KeyId;
use super::keyring::{Keyring, SealingKey};
use crate::types::Secret;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};

const NONCE: usize = 24;

/// Where a sealed value stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct SealedPlace<'a> {
    /// Table and column.
    pub(super) column: &'static str,
    /// Id of the row.
    pub(super) row: i64,
    /// Canonical name of the user; empty for values that belong to no user.
    pub(super) user: &'a str,
}

impl SealedPlace<'_> {
    /// Names hold no control characters, so the parts cannot run into each other.
    fn bytes(&self) -> Vec<u8> {
        format!("{}\0{}\0{}", self.column, self.row, self.user).into_bytes()
    }
}

/// Seals a value for its place.
pub(super) fn seal(key: &SealingKey, place: SealedPlace<'_>, plain: &[u8]) -> Result<Vec<u8>, StoreFault> {
    let mut nonce = [0u8; NONCE];
    getrandom::fill(&mut nonce).map_err(|e| from_text(format!("the system gives no random octets: {e}")))?;
    let sealed = cipher(key)?
        .encrypt(&XNonce::from(nonce), Payload { msg: plain, aad: &place.bytes() })
        .map_err(|_| from_text("a secret is too long to be sealed"))?;
    Ok([&key.id.0[..], &nonce, &sealed].concat())
}

/// Opens a sealed value in its place.
pub(super) fn open(keys: &Keyring, place: SealedPlace<'_>, sealed: &[u8]) -> Result<Secret, StoreFault> {
    let bad = |why: &str| StoreFault::Row(format!("{} of row {} {why}", place.column, place.row));
    let (id, rest) = sealed.split_first_chunk::<4>().ok_or_else(|| bad("is too short"))?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or_else(|| bad("is too short"))?;
    let key = keys.get(KeyId(*id)).ok_or(StoreFault::UnknownKey(KeyId(*id)))?;
    cipher(key)?
        .decrypt(&XNonce::from(*nonce), Payload { msg: sealed, aad: &place.bytes() })
        .map(Secret::new)
        .map_err(|_| bad("does not open: it was changed, or moved here from elsewhere"))
}

/// The key under which a value is sealed.
pub(super) fn key_of(sealed: &[u8]) -> Option<KeyId> {
    sealed.first_chunk::<4>().map(|id| KeyId(*id))
}

fn cipher(key: &SealingKey) -> Result<XChaCha20Poly1305, StoreFault> {
    XChaCha20Poly1305::new_from_slice(key.secret.expose()).map_err(|_| from_text("a key is not of 32 octets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: SealedPlace<'static> = SealedPlace { column: "token.secret", row: 7, user: "alice" };

    #[test]
    fn sealed_value_opens_only_in_its_place() {
        let keys = Keyring::from(vec![SealingKey::generate_key().unwrap()]);
        let sealed = seal(keys.newest_key().unwrap(), HERE, b"12345678901234567890").unwrap();
        assert_eq!(open(&keys, HERE, &sealed).unwrap(), Secret::new("12345678901234567890"));
        for elsewhere in [
            SealedPlace { column: "token.pin", ..HERE },
            SealedPlace { row: 8, ..HERE },
            SealedPlace { user: "bob", ..HERE },
        ] {
            assert!(matches!(open(&keys, elsewhere, &sealed), Err(StoreFault::Row(_))));
        }
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(matches!(open(&keys, HERE, &changed), Err(StoreFault::Row(_))));
        assert!(matches!(open(&keys, HERE, &sealed[..20]), Err(StoreFault::Row(_))));
    }

    #[test]
    fn unknown_key_is_named() {
        let keys = Keyring::from(vec![SealingKey::generate_key().unwrap()]);
        let others = Keyring::from(vec![SealingKey::generate_key().unwrap()]);
        let sealed = seal(keys.newest_key().unwrap(), HERE, b"secret").unwrap();
        let id = keys.newest_key().unwrap().id;
        assert!(
            matches!(open(&others, HERE, &sealed), Err(StoreFault::UnknownKey(unknown)) if unknown == id)
        );
        assert_eq!(key_of(&sealed), Some(id));
    }

    proptest::proptest! {
        #[test]
        fn any_octets_are_taken_without_panic(octets: Vec<u8>) {
            let keys = Keyring::from(vec![SealingKey::generate_key().unwrap()]);
            proptest::prop_assert!(open(&keys, HERE, &octets).is_err());
        }
    }
}
