//! The store for logins that are only tried out: it decides as ever, and nothing of it stays.

use super::error::StoreFault;
use super::{SqliteStore, attempts, challenges, pending_passcodes};
use crate::config::FailureLimits;
use crate::engine::challenge::ChallengeState;
use crate::engine::port::{
    Account, AttemptCommit, CodeSending, NewCode, PasswordConfirmation, StateDigest, Store, StoreFuture,
    Unavailable,
};
use crate::engine::{AttemptSource, Gate, PasswordProof, Reason};
use crate::types::{Timestamp, UserName};
use rusqlite::Connection;
use std::sync::Arc;

/// A store that rolls back every write. All answers are complete when they are first polled. It has neither
/// remembered logins nor passwords: a dry run cannot tell whether a password is right.
#[derive(Debug)]
pub struct DryRunStore(Arc<SqliteStore>);

impl DryRunStore {
    /// A dry run on this store.
    pub fn new(store: Arc<SqliteStore>) -> Self {
        Self(store)
    }

    fn run_undone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreFault>,
    ) -> StoreFuture<T> {
        let done = self.0.run_undone(|tx| work(tx)).map_err(|error| Unavailable(error.to_string()));
        Box::pin(std::future::ready(done))
    }
}

impl Store for DryRunStore {
    fn find_account(&self, name: &UserName) -> StoreFuture<Option<Account>> {
        self.0.find_account(name)
    }

    fn find_password_hash(&self, _: &UserName) -> StoreFuture<Option<String>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn check_gate(
        &self,
        name: &UserName,
        source: &AttemptSource,
        limits: FailureLimits,
        standing: PasswordProof,
        now: Timestamp,
    ) -> StoreFuture<Gate> {
        self.0.check_gate(name, source, limits, standing, now)
    }

    fn locked_until(&self, name: &UserName) -> StoreFuture<Timestamp> {
        self.0.locked_until(name)
    }

    fn commit_attempt(&self, settlement: AttemptCommit) -> StoreFuture<Reason> {
        self.run_undone(|conn| attempts::commit_attempt(conn, &settlement))
    }

    fn confirm_passcode(&self, confirmation: PasswordConfirmation) -> StoreFuture<Reason> {
        self.run_undone(|conn| pending_passcodes::confirm_pending(conn, &confirmation))
    }

    fn redeem_challenge(
        &self,
        state: StateDigest,
        name: &UserName,
        source: &AttemptSource,
        now: Timestamp,
    ) -> StoreFuture<Option<ChallengeState>> {
        self.run_undone(|conn| challenges::redeem_challenge(conn, state, name, source, now))
    }

    fn code_not_sent(&self, code: NewCode) -> StoreFuture<()> {
        self.run_undone(|conn| challenges::not_sent(conn, &code))
    }

    fn remember_code(&self, code: NewCode) -> StoreFuture<CodeSending> {
        self.run_undone(|conn| challenges::insert_code(conn, &code))
    }
}
