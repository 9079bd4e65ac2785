//! What the engine asks of whoever knows the users: an LDAP server, Active Directory. The engine owns this trait; `directory`
//! implements it.

use super::provider::Pending;
use crate::types::{Dn, Mailbox, Phone, Secret};
use std::collections::BTreeMap;

/// Knows users, their passwords and their groups.
///
/// None of these ever panics or waits without end: each answer of a server is waited for up to `timeout`, and all of them
/// together for four times that. Nothing is ever let in by a failure: what was not understood is [`Unavailable`].
pub trait Directory: Send + Sync {
    /// Its word in logs and metrics: `ldap`.
    fn name(&self) -> &'static str;

    /// Whether this is the user's password, and who he is.
    ///
    /// `user` is the canonical name. An empty password is wrong, without asking. `Ok` is a proven password of exactly one
    /// entry, whose own name is that name, and whose groups have been read as the configuration says.
    fn authenticate(&self, user: &str, password: &Secret) -> Pending<Result<Person, Denied>>;

    /// Who that is, without his password. None: there is nobody of that name, or more than one.
    fn find(&self, user: &str) -> Pending<Result<Option<Person>, Unavailable>>;
}

/// A user as the directory describes him.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Where his entry is.
    pub dn: Dn,
    /// What the directory calls him.
    pub name: String,
    /// `userPrincipalName`, if he has one.
    pub upn: Option<String>,
    /// The first mailbox of `mail_attribute`.
    pub mail: Option<Mailbox>,
    /// The first telephone number of `phone_attribute` that is one; with `country_code` of `sms { }` where it names none.
    pub phone: Option<Phone>,
    /// What else was asked for and is text, by the attribute's name in lower case.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// The groups he is in, each once. Empty if they are not read.
    pub groups: Vec<Dn>,
}

/// Why somebody is not let in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
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
    /// No answer that could be understood: neither yes nor no.
    #[error("{0}")]
    Unavailable(#[from] Unavailable),
}

impl Denied {
    /// Whether whoever was refused has shown that he knows the password, and so may read why.
    pub const fn proves_password(&self) -> bool {
        matches!(self, Self::Expired | Self::MustChange | Self::Disabled | Self::Restricted | Self::NotMember)
    }
}

/// The directory did not answer as it should. The text is for the log: it names the hosts, and no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);
