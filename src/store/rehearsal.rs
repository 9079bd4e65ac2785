//! The store for logins that are only tried out: it decides as ever, and nothing of it stays.

use super::fault::Fault;
use super::{Sqlite, conversation, login, pending};
use crate::config::FailureLimits;
use crate::engine::converse::Turn;
use crate::engine::port::{
    Answer, Confirmation, Known, NewCode, Sending, Settlement, StateDigest, Store, Unavailable,
};
use crate::engine::{Gate, Reason, Source, Standing};
use crate::types::{Timestamp, UserName};
use rusqlite::Connection;
use std::sync::Arc;

/// A store of which every write is rolled back. All its answers are there when they are first asked for. It knows no marks and no
/// passwords: nobody learns by it whether a password is the one of a user, or of a login that is remembered.
#[derive(Debug)]
pub struct Rehearsal(Arc<Sqlite>);

impl Rehearsal {
    /// On this store.
    pub fn new(store: Arc<Sqlite>) -> Self {
        Self(store)
    }

    fn undone<T: Send + 'static>(&self, work: impl FnOnce(&Connection) -> Result<T, Fault>) -> Answer<T> {
        let done = self.0.undone(|tx| work(tx)).map_err(|error| Unavailable(error.to_string()));
        Box::pin(std::future::ready(done))
    }
}

impl Store for Rehearsal {
    fn find(&self, name: &UserName) -> Answer<Option<Known>> {
        self.0.find(name)
    }

    fn password(&self, _: &UserName) -> Answer<Option<String>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn gate(
        &self,
        name: &UserName,
        source: &Source,
        limits: FailureLimits,
        standing: Standing,
        now: Timestamp,
    ) -> Answer<Gate> {
        self.0.gate(name, source, limits, standing, now)
    }

    fn locked_until(&self, name: &UserName) -> Answer<Timestamp> {
        self.0.locked_until(name)
    }

    fn settle(&self, settlement: Settlement) -> Answer<Reason> {
        self.undone(|conn| login::settle(conn, &settlement))
    }

    fn confirm(&self, confirmation: Confirmation) -> Answer<Reason> {
        self.undone(|conn| pending::confirm(conn, &confirmation))
    }

    fn redeem(
        &self,
        state: StateDigest,
        name: &UserName,
        source: &Source,
        now: Timestamp,
    ) -> Answer<Option<Turn>> {
        self.undone(|conn| conversation::redeem(conn, state, name, source, now))
    }

    fn code_not_sent(&self, code: NewCode) -> Answer<()> {
        self.undone(|conn| conversation::not_sent(conn, &code))
    }

    fn remember_code(&self, code: NewCode) -> Answer<Sending> {
        self.undone(|conn| conversation::remember(conn, &code))
    }
}
