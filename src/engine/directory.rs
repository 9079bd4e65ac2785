//! What the engine asks of whoever knows the users and their passwords: an LDAP server, Active Directory, Entra ID, another
//! RADIUS server, the store. The engine owns these traits; `directory` and `app` implement them.

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

    /// Whether this is the user's password, and who he is.
    ///
    /// An empty password is wrong, without asking. [`PasswordResponse::DirectoryUser`] is a proven password of exactly one person.
    fn verify_password(&self, claim: Credentials) -> ProviderFuture<Result<PasswordResponse, AuthFailure>>;
}

/// Knows users, also without their passwords.
pub trait UserDirectory: PasswordBackend {
    /// Who that is. `typed` is the name as it was typed, of which `user` is the canonical form: the directory itself says what is
    /// equal to it, and what it finds is that person only if its name there has the same canonical form. None: there is nobody of
    /// that name, or more than one.
    fn find_user(
        &self,
        user: &UserName,
        typed: &[u8],
    ) -> ProviderFuture<Result<Option<DirectoryUser>, BackendUnavailable>>;
}

/// What somebody says of himself.
#[derive(Clone, Debug)]
pub struct Credentials {
    /// His canonical name.
    pub user: UserName,
    /// The name as it was typed.
    pub typed: Vec<u8>,
    /// The address of the client that the login came from.
    pub client: String,
    /// The password, in the form in which the client sent it; or the answer to what the authority has asked.
    pub password: SubmittedPassword,
    /// What else the client said, for whoever is told that.
    pub packet: Vec<RawAttribute>,
    /// What the authority has given with its question, if this is the answer to one.
    pub state: Option<Vec<u8>>,
}

/// What an authority says that has nothing against him.
#[derive(Clone, Debug)]
pub enum PasswordResponse {
    /// That is he.
    Person(Box<DirectoryUser>),
    /// It asks him something first. His answer comes with `state`.
    Asks {
        /// What he reads.
        text: Vec<String>,
        /// By which it knows its question again.
        state: Vec<u8>,
    },
}

impl From<DirectoryUser> for PasswordResponse {
    fn from(person: DirectoryUser) -> Self {
        Self::Person(Box::new(person))
    }
}

/// A RADIUS attribute as it is on the wire (RFC 2865, section 5), what is encrypted in it being in the clear.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RawAttribute {
    /// Its number; 26 for those of a vendor.
    pub kind: u8,
    /// At most 253 octets.
    pub value: Vec<u8>,
}

/// A user as the directory describes him.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DirectoryUser {
    /// Where his entry is; none where there is no such thing.
    pub dn: Option<DistinguishedName>,
    /// What the directory calls him.
    pub name: String,
    /// `userPrincipalName`, if he has one.
    pub upn: Option<String>,
    /// The first mailbox of `mail_attribute`.
    pub mail: Option<Mailbox>,
    /// The first telephone number of `phone_attribute` that is one; with `country_code` of `sms { }` where it names none.
    pub phone: Option<PhoneNumber>,
    /// What else was asked for and is text, by the attribute's name in lower case.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// The groups he is in, each once. None if they are not read.
    pub groups: Option<Vec<DistinguishedName>>,
    /// What the authority wants the client to be told if he is let in.
    pub reply: Vec<RawAttribute>,
    /// Whether the canonical name that was asked about is the one that a directory has for this person, and no second name of the
    /// same person, such as an address, or another value of the attribute.
    pub is_named: bool,
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthFailure {
    /// The password is wrong; or there is nobody of that name, where the directory does not tell.
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
    /// The password was right, and he is in none of the groups of `security_group_dn`.
    #[error("not a member of \"security_group_dn\"")]
    NotMember,
    /// There is nobody of that name.
    #[error("unknown user")]
    Unknown,
    /// There are several of that name: nobody can tell whose password it is.
    #[error("the directory has several entries for this name")]
    Ambiguous,
    /// It refuses him for a reason of its own, which is for the log only and names no secret. Not counted as a guess.
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
    /// Whether whoever was refused has shown that he knows the password, and so may read why.
    pub const fn proves_password(&self) -> bool {
        matches!(self, Self::Expired | Self::MustChange | Self::Disabled | Self::Restricted | Self::NotMember)
    }
}

/// The directory did not answer as it should. The text is for the log: it names the hosts, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BackendUnavailable(pub String);
