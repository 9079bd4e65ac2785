//! Renames where another user has to release the name first.

use super::super::admin::find_user;
use super::super::{Error, SqliteStore};
use super::model::{ChangeKind, SyncChange};
use crate::types::{UserId, UserName};
use std::collections::HashSet;

/// A user who is to be renamed.
pub(super) struct PendingRename {
    pub(super) id: UserId,
    pub(super) directory: String,
    /// The user's original name.
    pub(super) from: UserName,
    pub(super) name: UserName,
    pub(super) to: UserName,
}

impl PendingRename {
    pub(super) fn rename_change(&self) -> SyncChange {
        SyncChange {
            user: self.from.to_string(),
            what: ChangeKind::Renamed,
            detail: format!("to {}", self.to),
        }
    }

    pub(super) fn in_vain(&self) -> SyncChange {
        let detail = format!("cannot be renamed to {}: another user has that name", self.to);
        SyncChange { user: self.from.to_string(), what: ChangeKind::Skipped, detail }
    }
}

impl SqliteStore {
    /// Renames users who wait for a name that another user releases. Where they wait for one another, one is named by
    /// the directory's identifier meanwhile.
    pub(super) fn apply_pending_renames(
        &self,
        mut waiting: Vec<PendingRename>,
        told: &mut dyn FnMut(SyncChange),
    ) -> Result<(), Error> {
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut left = Vec::new();
            for moving in waiting {
                let renamed = self.write(|tx| {
                    let is_free = find_user(tx, &moving.to)?.is_none();
                    if is_free {
                        self.rename(tx, moving.id, &moving.name, &moving.to)?;
                    }
                    Ok(is_free)
                })?;
                match renamed {
                    true => told(moving.rename_change()),
                    false => left.push(moving),
                }
            }
            if left.len() == before {
                let names: HashSet<UserName> = left.iter().map(|moving| moving.name.clone()).collect();
                let (stay, stuck): (Vec<_>, _) =
                    left.into_iter().partition(|moving| names.contains(&moving.to));
                stuck.iter().for_each(|moving| told(moving.in_vain()));
                left = stay;
                if stuck.is_empty() {
                    self.break_circle(&mut left)?;
                }
            }
            waiting = left;
        }
        Ok(())
    }

    /// Each of these waits for the name of another one.
    fn break_circle(&self, waiting: &mut [PendingRename]) -> Result<(), Error> {
        let mut at = 0;
        // From anywhere, so many steps end within a circle.
        for _ in 0..waiting.len() {
            let to = waiting.get(at).map(|moving| moving.to.clone());
            at = waiting.iter().position(|moving| Some(&moving.name) == to.as_ref()).unwrap_or_default();
        }
        let Some(moving) = waiting.get_mut(at) else { return Ok(()) };
        let aside = UserName::from_canonical(moving.directory.as_str());
        self.write(|tx| self.rename(tx, moving.id, &moving.name, &aside))?;
        moving.name = aside;
        Ok(())
    }
}
