//! The keys that seal the secrets in the store, from the key file or from the configuration. A line holds a key's id and the
//! key in base64, the newest first; the id is a digest of the key, so that a damaged line is noticed.

use super::error::{StoreFault, from_text};
use super::key_id::KeyId;
use super::{Error, file_identity};
use crate::types::{QuotedText, Secret};
use crate::{config, files};
use data_encoding::BASE64;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

const HEAD: &str = "\
# Keys that seal the secrets in the database of mfa, newest first. Keep a copy of
# this file, apart from the backups: without it they cannot be read.
";

/// Octets that a key file may have: some thousand keys.
const MOST: u64 = 256 * 1024;

/// One key with its id.
#[derive(Clone, Debug)]
pub(super) struct SealingKey {
    pub(super) id: KeyId,
    pub(super) secret: Secret,
    /// What digests of secrets are keyed with, and nothing else.
    pub(super) digests: Secret,
}

impl SealingKey {
    /// Generates a random key.
    pub(super) fn generate_key() -> Result<Self, StoreFault> {
        let mut octets = [0u8; 32];
        getrandom::fill(&mut octets)
            .map_err(|e| from_text(format!("the system gives no random octets: {e}")))?;
        let key = Self::new(&octets);
        zeroize::Zeroize::zeroize(&mut octets);
        Ok(key)
    }

    fn new(octets: &[u8; 32]) -> Self {
        let digest = Sha256::new().chain_update(b"mfa key id").chain_update(octets).finalize();
        let mut id = [0u8; 4];
        id.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
        // A key of its own, derived as the id is; the length of both inputs is fixed.
        let digests = Sha256::new().chain_update(b"mfa token secret").chain_update(octets).finalize();
        Self { id: KeyId(id), secret: Secret::new(*octets), digests: Secret::new(digests.to_vec()) }
    }

    /// `id base64`, or base64 alone.
    fn parse(line: &str) -> Result<Self, KeyLineFault> {
        let (id, text) = match line.split_once(char::is_whitespace) {
            Some((id, text)) => (Some(id), text.trim()),
            None => (None, line),
        };
        let octets = BASE64.decode(text.as_bytes()).ok().and_then(|o| <[u8; 32]>::try_from(o).ok());
        let key = octets.map(|octets| Self::new(&octets)).ok_or(KeyLineFault::NotAKey)?;
        match id {
            Some(id) if id != key.id.to_string() => Err(KeyLineFault::Damaged(id.to_owned())),
            _ => Ok(key),
        }
    }
}

/// What is wrong with the line of a key.
#[derive(Debug, thiserror::Error)]
enum KeyLineFault {
    #[error("is not 32 octets in base64")]
    NotAKey,
    #[error("is damaged: its key does not belong to id {0}")]
    Damaged(String),
}

/// All keys, newest first.
#[derive(Clone, Debug)]
pub(super) struct Keyring(Vec<SealingKey>);

impl From<Vec<SealingKey>> for Keyring {
    fn from(keys: Vec<SealingKey>) -> Self {
        Self(keys)
    }
}

impl Keyring {
    /// From where the configuration says. A file that others may read is refused.
    pub(super) fn read(from: &config::KeySource) -> Result<Self, Error> {
        match from {
            config::KeySource::Text(text) => Self::parse(text.expose(), "`key` in store { }"),
            config::KeySource::File(path) => {
                let shown = path.display();
                let opened = files::open(path).map_err(|e| unreadable(path, &e))?;
                let metadata = opened.metadata().map_err(|e| unreadable(path, &e))?;
                if file_identity::is_exposed(&metadata) {
                    return Err(Error::Other(format!(
                        "key file {shown} can be read by others than its owner: as the server's user, chmod 600 {}",
                        QuotedText(&path.to_string_lossy())
                    )));
                }
                let mut text = Vec::with_capacity(usize::try_from(metadata.len().min(MOST)).unwrap_or(0) + 1);
                let read = opened.take(MOST + 1).read_to_end(&mut text);
                let text = Secret::new(read.map(|_| text).map_err(|e| unreadable(path, &e))?);
                if text.len() as u64 > MOST {
                    return Err(Error::Other(format!(
                        "key file {shown} is larger than {MOST} octets: put the right one back from your copy"
                    )));
                }
                Self::parse(text.expose(), &format!("key file {shown}"))
            }
        }
    }

    fn parse(text: &[u8], origin: &str) -> Result<Self, Error> {
        let remedy = "put the right key back from your copy";
        let text =
            std::str::from_utf8(text).map_err(|_| Error::Other(format!("{origin} is not text: {remedy}")))?;
        let mut keys = Vec::new();
        for (number, line) in (1u32..).zip(text.lines().map(str::trim)) {
            if !line.is_empty() && !line.starts_with('#') {
                let key = SealingKey::parse(line)
                    .map_err(|why| Error::Other(format!("{origin}, line {number}, {why}: {remedy}")))?;
                keys.push(key);
            }
        }
        if keys.is_empty() {
            return Err(Error::Other(format!("{origin} holds no key: {remedy}")));
        }
        Ok(Self(keys))
    }

    /// The content of a key file.
    pub(super) fn print(&self) -> Secret {
        let lines = self.0.iter().map(|k| format!("{} {}\n", k.id, BASE64.encode(k.secret.expose())));
        Secret::new(std::iter::once(HEAD.to_owned()).chain(lines).collect::<String>())
    }

    /// The key of that id.
    pub(super) fn get(&self, id: KeyId) -> Option<&SealingKey> {
        self.0.iter().find(|key| key.id == id)
    }

    /// The key that new values are sealed under, unless the database says otherwise.
    pub(super) fn newest_key(&self) -> Option<&SealingKey> {
        self.0.first()
    }

    /// Their ids, newest first.
    pub(super) fn key_ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(|key| key.id)
    }

    /// With a new key before the others.
    pub(super) fn with_newest(&self, key: SealingKey) -> Self {
        Self(std::iter::once(key).chain(self.0.iter().cloned()).collect())
    }

    /// With the newest alone.
    pub(super) fn newest_only(&self) -> Self {
        Self(self.0.first().cloned().into_iter().collect())
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let shown = path.display();
    Error::Other(match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!(
                "key file {shown} is missing: put it back from your copy, or run `mfa init` for a new store"
            )
        }
        std::io::ErrorKind::PermissionDenied => {
            format!(
                "key file {shown} cannot be read: run as root or as the server's user, to whom it must belong"
            )
        }
        _ => format!("key file {shown} cannot be read: {error}"),
    })
}

/// The keyring of a running process, read anew when a key turns up that it does not know: `mfa rekey` runs beside it.
#[derive(Debug)]
pub(super) struct LiveKeyring {
    from: config::KeySource,
    now: RwLock<Arc<Keyring>>,
}

impl LiveKeyring {
    /// Reads them for the first time.
    pub(super) fn open(from: &config::KeySource) -> Result<Self, Error> {
        Ok(Self { from: from.clone(), now: RwLock::new(Arc::new(Keyring::read(from)?)) })
    }

    /// As they are known.
    pub(super) fn get(&self) -> Arc<Keyring> {
        Arc::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// As they stand now in the file.
    pub(super) fn reload_keys(&self) -> Result<Arc<Keyring>, Error> {
        let keys = Arc::new(Keyring::read(&self.from)?);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&keys);
        Ok(keys)
    }

    /// Runs `work`; once more with a keyring read anew if it meets an unknown key.
    pub(super) fn with_current_keys<T>(
        &self,
        mut work: impl FnMut(&Keyring) -> Result<T, StoreFault>,
    ) -> Result<T, StoreFault> {
        match work(&self.get()) {
            Err(StoreFault::UnknownKey(_)) => work(&*self.reload_keys().map_err(StoreFault::Told)?),
            done => done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printed_keys_are_read_back() {
        let ring = Keyring::from(vec![SealingKey::generate_key().unwrap()])
            .with_newest(SealingKey::generate_key().unwrap());
        let read = Keyring::parse(ring.print().expose(), "x").unwrap();
        assert_eq!(read.key_ids().collect::<Vec<_>>(), ring.key_ids().collect::<Vec<_>>());
        assert_eq!(read.newest_key().unwrap().secret, ring.newest_key().unwrap().secret);
        assert_eq!(read.newest_only().key_ids().count(), 1);
    }

    #[test]
    fn bare_key_will_do() {
        let key = SealingKey::generate_key().unwrap();
        let bare = BASE64.encode(key.secret.expose());
        assert_eq!(Keyring::parse(bare.as_bytes(), "x").unwrap().newest_key().unwrap().id, key.id);
    }

    #[test]
    fn damaged_key_is_named_with_its_line() {
        let (one, two) = (SealingKey::generate_key().unwrap(), SealingKey::generate_key().unwrap());
        let mixed = format!("# keys\n{} {}\n", one.id, BASE64.encode(two.secret.expose()));
        let error = Keyring::parse(mixed.as_bytes(), "key file k").unwrap_err().to_string();
        assert!(error.contains("key file k, line 2") && error.contains(&one.id.to_string()), "{error}");
        assert!(!error.contains(&BASE64.encode(two.secret.expose())), "the key itself is not told");
        for bad in ["", "# nothing\n", "hello\n", "\u{fffd}", "00000000 aGVsbG8=\n"] {
            assert!(Keyring::parse(bad.as_bytes(), "k").is_err(), "{bad:?}");
        }
    }
}
