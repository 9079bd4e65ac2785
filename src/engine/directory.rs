//! Traits for what knows users and their passwords: an LDAP server, Active Directory, Entra ID, another RADIUS
//! server, the store. The engine owns these traits; `directory` and `app` implement them.

pub use super::user_attributes::RawAttribute;

use super::SubmittedPassword;
use super::provider::ProviderFuture;
use crate::types::{DistinguishedName, Mailbox, PhoneNumber, UserName};
use std::collections::BTreeMap;

/// Says whether a password is right.
///
/// It never panics and never waits without end: its own time-outs bound what it does. Nothing is ever let in by a failure: what
/// was not understood is [`BackendUnavailable`].
pub trait PasswordBackend: Send + Sync {
    /// Its word in the configuration, in logs and metrics: `ldap`.
    fn name(&self) -> &'static str;

    /// Verifies the user's password and returns the user.
    ///
    /// An empty password is wrong, without asking. [`PasswordResponse::Person`] is a proven password of
    /// exactly one person.
    fn verify_password(&self, claim: Credentials) -> ProviderFuture<Result<PasswordResponse, AuthFailure>>;
}

/// Knows users, also without their passwords.
pub trait UserDirectory: PasswordBackend {
    /// Looks up a user. `typed` is the name as typed, `user` its canonical form. The directory decides what is equal
    /// to `typed`; an entry counts only if its name there has the same canonical form. `None`: no such entry, or more
    /// than one.
    fn find_user(
        &self,
        user: &UserName,
        typed: &[u8],
    ) -> ProviderFuture<Result<Option<DirectoryUser>, BackendUnavailable>>;
}

/// Credentials to verify.
#[derive(Clone)]
pub struct Credentials {
    /// Canonical user name.
    pub user: UserName,
    /// The name as it was typed.
    pub typed: Vec<u8>,
    /// The address of the client that the login came from.
    pub client: String,
    /// The password, in the form in which the client sent it; or the answer to what the authority has asked.
    pub password: SubmittedPassword,
    /// Request attributes for backends that need them.
    pub packet: Vec<RawAttribute>,
    /// What the authority has given with its question, if this is the answer to one.
    pub state: Option<Vec<u8>>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("user", &self.user)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

/// A backend's answer that does not refuse the user.
#[derive(Clone)]
pub enum PasswordResponse {
    /// The password is right; this is the user.
    Person(Box<DirectoryUser>),
    /// The backend asks a question first. The answer is sent back with `state`.
    Asks {
        /// Text shown to the user.
        text: Vec<String>,
        /// By which it knows its question again.
        state: Vec<u8>,
    },
}

impl std::fmt::Debug for PasswordResponse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Person(_) => "Person",
            Self::Asks { .. } => "Asks",
        })
    }
}

impl From<DirectoryUser> for PasswordResponse {
    fn from(person: DirectoryUser) -> Self {
        Self::Person(Box::new(person))
    }
}

/// A user as described by the directory.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DirectoryUser {
    /// DN of the entry; `None` for backends without entries.
    pub dn: Option<DistinguishedName>,
    /// Display name in the directory.
    pub name: String,
    /// `userPrincipalName`, if present.
    pub upn: Option<String>,
    /// The first mailbox of `mail_attribute`.
    pub mail: Option<Mailbox>,
    /// The first telephone number of `phone_attribute` that is one; with `country_code` of `sms { }` where it names none.
    pub phone: Option<PhoneNumber>,
    /// What else was asked for and is text, by the attribute's name in lower case.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Groups of the user, each once. `None` if groups are not read.
    pub groups: Option<Vec<DistinguishedName>>,
    /// Reply attributes that the backend wants the client to receive with an accept.
    pub reply: Vec<RawAttribute>,
    /// Whether the canonical name that was asked about is the one that a directory has for this person, and no second name of the
    /// same person, such as an address, or another value of the attribute.
    pub is_named: bool,
}

/// Why a backend refuses a user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthFailure {
    /// The password is wrong, or, where the directory does not distinguish, the user does not exist.
    #[error("wrong password")]
    Wrong,
    /// The password was right, and has expired.
    #[error("the password has expired")]
    Expired,
    /// The password was right, and has to be changed first.
    #[error("the password has to be changed first")]
    MustChange,
    /// The password was right; the account is disabled, or has expired.
    #[error("the account is disabled or has expired")]
    Disabled,
    /// The password was right; not at this hour, or not from here.
    #[error("not at this hour, or not from here")]
    Restricted,
    /// The directory has locked the account, whatever the password.
    #[error("the directory has locked the account")]
    Locked,
    /// The password is right, and the user is in none of the groups of `security_group_dn`.
    #[error("not a member of \"security_group_dn\"")]
    NotMember,
    /// No such user.
    #[error("unknown user")]
    Unknown,
    /// Several users have this name: the password cannot be assigned to one.
    #[error("the directory has several entries for this name")]
    Ambiguous,
    /// A refusal for a reason of the backend's own, for the log only; it contains no secret. Does not count as a
    /// guess.
    #[error("{0}")]
    Blocked(String),
    /// It needs the password itself, and the client sent a digest of it.
    #[error("the password has to come by PAP")]
    NeedsPap,
    /// No answer that could be understood: neither yes nor no.
    #[error("{0}")]
    Unavailable(#[from] BackendUnavailable),
}

impl AuthFailure {
    /// Whether the refusal implies that the user knows the password, and so may read the reason.
    pub const fn proves_password(&self) -> bool {
        matches!(self, Self::Expired | Self::MustChange | Self::Disabled | Self::Restricted | Self::NotMember)
    }
}

/// The directory did not answer as it should. The text is for the log: it names the hosts, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BackendUnavailable(pub String);
