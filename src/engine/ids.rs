//! Identifiers and digests that stand for something kept elsewhere.

use subtle::ConstantTimeEq;

/// By which a passcode is found again that was right before its password was checked: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PendingId(pub [u8; 16]);

impl std::fmt::Debug for PendingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PendingId(<<< secret >>>)")
    }
}

/// The digest of a State.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateDigest(pub [u8; 32]);

/// A digest of a right password with whose it is and where it came from, keyed with the store's own key. Compares in constant
/// time.
#[derive(Clone, Debug, Eq, serde::Serialize, serde::Deserialize)]
pub struct RememberedLoginDigest(pub [u8; 32]);

impl PartialEq for RememberedLoginDigest {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// A conversation: codes that were sent in it count only in it. 128 random bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ConversationId(pub [u8; 16]);

/// A keyed digest of what was presented. Useless without the key, which dies with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct PasscodeTag(pub [u8; 16]);
