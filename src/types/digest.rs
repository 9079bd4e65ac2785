//! Digests under a key of this process, for what must be recognised and not be read.

use super::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA-256 (RFC 2104) over `parts`, each preceded by its length, so that no two lists of parts are the same text.
/// `None` only if the key is not usable.
pub fn keyed_digest<'a>(key: &Secret, parts: impl IntoIterator<Item = &'a [u8]>) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    for part in parts {
        mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        mac.update(part);
    }
    Some(mac.finalize().into_bytes().into())
}
