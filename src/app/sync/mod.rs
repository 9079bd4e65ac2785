//! `mfa sync`: imports users from the directory into the store. The directory is read to its end first, then the store is changed: a
//! failure before that changes nothing, and the next run continues after a later one.

mod mail;
mod report;
mod run;

pub use crate::store::{ChangeKind as SyncWhat, SyncChange, SyncEffect};
pub use report::{LastSync, SyncError, SyncExtent, SyncProgress, SyncRun, SyncTotals};
pub use run::{last_sync, run_sync};
