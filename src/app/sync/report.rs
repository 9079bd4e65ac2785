//! The options, progress and results of a run.

use crate::store::{ChangeKind, SyncChange, SyncEffect};
use crate::types::Timestamp;
use serde::{Deserialize, Serialize};

/// How a run goes about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncRun {
    /// Time of the run.
    pub now: Timestamp,
    /// Whether anything is written.
    pub effect: SyncEffect,
    /// How much is read.
    pub reach: SyncExtent,
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncExtent {
    /// What has changed, if that can be told.
    Changes,
    /// All of everybody.
    Full,
}

/// What a run tells on its way.
#[derive(Debug)]
pub enum SyncProgress {
    /// So many of so many, about.
    Done(u64, u64),
    /// A change to one user.
    Change(SyncChange),
    /// Something that was left for the next run.
    Note(String),
}

/// What a run came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncTotals {
    /// Users in the directory.
    pub found: u64,
    /// Whether all of everybody was read.
    pub full: bool,
    /// How many users something was done with, in the order of [`ChangeKind::ALL`].
    pub counts: [u64; ChangeKind::ALL.len()],
    /// Tokens that were sent.
    pub sent: u64,
    /// Users who are still to be sent theirs.
    pub unsent: u64,
}

impl SyncTotals {
    /// Each with its word.
    pub fn named_totals(&self) -> impl Iterator<Item = (ChangeKind, u64)> {
        ChangeKind::ALL.into_iter().zip(self.counts)
    }
}

/// The last run, for `mfa doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSync {
    /// When it began, in milliseconds since 1970.
    pub at: u64,
    /// When the last one that went through did.
    pub well_at: Option<u64>,
    /// What it came to, or why it was stopped.
    pub result: Result<SyncTotals, String>,
}

/// Why a run failed. No user has been locked, deleted or changed by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// Too many would have left: it may be a mistake.
    #[error("{0}")]
    Doubtful(String),
    /// Directory, store or configuration cannot be used.
    #[error("{0}")]
    Failed(String),
}
