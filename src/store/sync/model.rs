//! What a run of `mfa sync` stages, follows and reports.

use crate::config::sync::SyncOptions;
use crate::types::{Digits, Mailbox, PhoneNumber, Timestamp, UnusableValue, UserName};

/// A user whom the directory has.
#[derive(Clone, Debug)]
pub struct StagedUser {
    /// Identifier in the directory (objectGUID, entryUUID).
    pub id: String,
    /// Details of the user; `None` if unchanged.
    pub details: Option<StagedDetails>,
}

/// Details of a directory user.
#[derive(Clone, Debug)]
pub struct StagedDetails {
    /// Canonical name, or why it is not valid.
    pub name: Result<UserName, UnusableValue>,
    /// Mailbox, or why it is not valid.
    pub mail: Option<Result<Mailbox, UnusableValue>>,
    /// Telephone number, or why it is not valid.
    pub phone: Option<Result<PhoneNumber, UnusableValue>>,
}

/// How many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserCounts {
    /// Here, of those who come from the directory and have not left.
    pub known: u64,
    /// Of these, whom the directory does not have any more.
    pub leaving: u64,
    /// In the directory.
    pub present: u64,
}

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncEffect {
    /// Changes are written.
    Lasting,
    /// Nothing is: it is only told what would be done.
    None,
}

/// What was done with one user.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct SyncChange {
    /// The user's name; the old one if renamed. The identifier, if there is no name.
    pub user: String,
    /// What was done.
    pub what: ChangeKind,
    /// More about it, with addresses masked.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

/// What is done with users.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// A new user.
    Added,
    /// The user existed, and now belongs to the directory.
    Adopted,
    /// The user's addresses changed.
    Changed,
    /// The user was renamed.
    Renamed,
    /// The user is back, and is unlocked.
    Returned,
    /// The user was removed from the directory, and is locked.
    Left,
    /// The user was removed long ago.
    Deleted,
    /// The entry cannot become a user here.
    Skipped,
    /// A value of the entry cannot be used.
    Unusable,
}

impl ChangeKind {
    /// All of them, in the order in which they are reported.
    pub const ALL: [Self; 9] = [
        Self::Added,
        Self::Adopted,
        Self::Changed,
        Self::Renamed,
        Self::Returned,
        Self::Left,
        Self::Deleted,
        Self::Skipped,
        Self::Unusable,
    ];

    /// The word in output and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Adopted => "adopted",
            Self::Changed => "changed",
            Self::Renamed => "renamed",
            Self::Returned => "returned",
            Self::Left => "left",
            Self::Deleted => "deleted",
            Self::Skipped => "skipped",
            Self::Unusable => "unusable",
        }
    }
}

/// What is done, one after the other: who left is locked before anything else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SyncPhase {
    Leave,
    Return,
    Delete,
    Change,
    Add,
}

/// How users are followed.
#[derive(Clone, Copy, Debug)]
pub struct SyncRules<'a> {
    /// `sync { }`.
    pub sync: &'a SyncOptions,
    /// Of codes that are sent.
    pub digits: Digits,
    /// Time of the run.
    pub now: Timestamp,
    /// Whether anything is written.
    pub effect: SyncEffect,
}

/// What stands for an address that the directory has and that is none: the one that is here stays.
pub(super) const UNUSABLE: &str = "?";

/// Users in one transaction: short enough that no login waits for long.
pub(super) const BITE: i64 = 250;
