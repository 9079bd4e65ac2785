//! The options, progress and results of a run.

use crate::store::{ChangeKind, SyncChange, SyncEffect};
use crate::types::Timestamp;
use serde::{Deserialize, Serialize};

/// Options of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncRun {
    /// Time of the run.
    pub now: Timestamp,
    /// Whether changes are written, or only reported.
    pub effect: SyncEffect,
    /// How much is read.
    pub reach: SyncExtent,
}

/// How much is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncExtent {
    /// Changes only, if the directory can list them.
    Changes,
    /// All users.
    Full,
}

/// Progress of a run.
#[derive(Debug)]
pub enum SyncProgress {
    /// Done and total, approximately.
    Done(u64, u64),
    /// A change to one user.
    Change(SyncChange),
    /// A message about something that the next run will retry.
    Note(String),
}

/// Totals of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncTotals {
    /// Users in the directory.
    pub found: u64,
    /// Whether all users were read.
    pub full: bool,
    /// Number of users by change, in the order of [`ChangeKind::ALL`].
    pub counts: [u64; ChangeKind::ALL.len()],
    /// Number of tokens that were mailed.
    pub sent: u64,
    /// Number of users whose token is still to be mailed.
    pub unsent: u64,
}

impl SyncTotals {
    /// The counts, each with its kind of change.
    pub fn named_totals(&self) -> impl Iterator<Item = (ChangeKind, u64)> {
        ChangeKind::ALL.into_iter().zip(self.counts)
    }
}

/// The last run, for `mfa doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSync {
    /// When it began, in milliseconds since the epoch.
    pub at: u64,
    /// When the last successful run began, in milliseconds since the epoch.
    pub well_at: Option<u64>,
    /// Its totals, or why it failed.
    pub result: Result<SyncTotals, String>,
}

/// Why a run failed. No user has been locked, deleted or changed by it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// More users would be removed than is plausible.
    #[error("{0}")]
    Doubtful(String),
    /// Directory, store or configuration cannot be used.
    #[error("{0}")]
    Failed(String),
}

impl SyncError {
    /// Directory, store or configuration cannot be used, in the words of this error.
    pub(super) fn failed(why: impl std::fmt::Display) -> Self {
        Self::Failed(why.to_string())
    }
}
