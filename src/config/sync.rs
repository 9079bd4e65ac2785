//! `sync { }`: whom `mfa sync` takes from the directory into the store.

use crate::types::{DistinguishedName, Factor};
use std::time::Duration;

/// `sync { }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncOptions {
    /// `group_dn`: whose members. None: all whom `search_dn` and `filter` of `ldap { }` find.
    pub groups: Vec<DistinguishedName>,
    /// `token`: what a new user gets, [`Factor::Totp`] or [`Factor::Hotp`].
    pub token: Option<Factor>,
    /// `enrolment_mail`.
    pub mail: EnrolmentMail,
    /// `mail_from_directory`.
    pub mailbox: FromDirectory,
    /// `sms_from_directory`: [`FromDirectory::Token`] or [`FromDirectory::No`].
    pub phone: FromDirectory,
    /// `max_removals`.
    pub max_removals: DeletionLimit,
    /// `retention`: how long after removal from the directory a user is deleted.
    pub retention: Duration,
    /// `interval`, of `mfa sync --watch`.
    pub interval: Duration,
}

/// Whether new users are mailed their tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum EnrolmentMail {
    /// To the user's mailbox.
    Yes,
    /// Not by mail.
    #[default]
    No,
}

/// What becomes of an address that the directory has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum FromDirectory {
    /// No token is created.
    #[default]
    No,
    /// It is the user's mailbox, to which links and tokens to enrol are sent.
    Mailbox,
    /// Also a token: codes are sent to it.
    Token,
}

/// How many users one run may find gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletionLimit {
    /// A number of users.
    Users(u64),
    /// So many of a hundred; of few users, [`Self::FEW`].
    Percent(u64),
}

impl DeletionLimit {
    /// At small sites a percentage would be less than one user.
    pub const FEW: u64 = 5;

    /// Of so many who are known.
    pub fn of(self, known: u64) -> u64 {
        match self {
            Self::Users(users) => users,
            Self::Percent(percent) => (known.saturating_mul(percent) / 100).max(Self::FEW),
        }
    }
}

impl Default for SyncOptions {
    fn default() -> Self {
        Self {
            groups: Vec::new(),
            token: None,
            mail: EnrolmentMail::default(),
            mailbox: FromDirectory::default(),
            phone: FromDirectory::default(),
            max_removals: DeletionLimit::Percent(10),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            interval: Duration::from_secs(60 * 60),
        }
    }
}
