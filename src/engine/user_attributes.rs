//! What a directory or password backend says of a user.

use crate::types::UserName;
use crate::types::radius_attribute::{AttributeSecret, carried_secret};

/// A RADIUS attribute as it is on the wire (RFC 2865, section 5), what is encrypted in it being in the clear.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RawAttribute {
    /// Its number; 26 for those of a vendor.
    pub kind: u8,
    /// At most 253 octets.
    pub value: Vec<u8>,
}

impl std::fmt::Debug for RawAttribute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawAttribute").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// What the backend or directory says of a user, kept until the login ends.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct UserAttributes {
    /// Names of the user's groups. `None`: groups are not read.
    pub groups: Option<Vec<String>>,
    /// Reply attributes for the client, sent with an accept.
    pub reply: Vec<(String, String)>,
    /// The same from another RADIUS server.
    pub raw: Vec<RawAttribute>,
    /// The user's name at the push provider. `None`: a variable in the template is missing for this user.
    pub sent_as: Option<String>,
    /// The name under which the user's tokens are stored, if it differs from the login name.
    pub stored_as: Option<UserName>,
    /// Whether a directory says that the person's tokens are under no other name: neither a spelling nor a second name of theirs.
    #[serde(default)]
    pub is_named: bool,
}

impl UserAttributes {
    /// What may be written to disk: no keys.
    pub(super) fn without_keys(&self) -> Self {
        Self { raw: self.raw.iter().filter(|raw| !raw.is_secret()).cloned().collect(), ..self.clone() }
    }

    /// Octets that they hold beside themselves.
    pub(super) fn heap_size(&self) -> usize {
        let names = [self.sent_as.as_deref(), self.stored_as.as_ref().map(UserName::as_str)];
        let groups = self.groups.iter().flatten().map(|name| name.len() + size_of::<String>());
        let reply = self.reply.iter().map(|(name, value)| name.len() + value.len() + 2 * size_of::<String>());
        let raw = self.raw.iter().map(|raw| raw.value.len() + size_of::<RawAttribute>());
        let names = names.into_iter().flatten().map(str::len);
        groups.chain(reply).chain(raw).chain(names).sum()
    }
}

impl RawAttribute {
    /// Whether it is a key of the session, or the password of a tunnel.
    pub fn is_secret(&self) -> bool {
        carried_secret(self.kind, &self.value) == Some(AttributeSecret::SessionKey)
    }
}
