//! Puts configuration, engine, factors and store together, and drives a decision on the caller's thread.
//!
//! The module in the server opens one [`App`] for each instance and calls it from all of the server's threads; the `mfa`
//! command opens one to tell what a login would be answered. This is the only place that reads the clock.

use crate::config::Config;
use crate::engine::port::{Finding, Store, Unavailable};
use crate::engine::{Attempt, Decision, Engine};
use crate::factor::Factors;
use crate::store::{self, Sqlite};
use crate::types::{Secret, Timestamp, UserName};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

mod wait;

#[cfg(test)]
mod tests;

/// How long a login waits for the store.
const PATIENCE: Duration = Duration::from_secs(2);

/// Everything that decides on logins. Dropped, it finishes what was begun, in bounded time.
pub struct App {
    config: Arc<Config>,
    engine: Engine,
    patience: Duration,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What time it is.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

impl App {
    /// Opens the store, which starts its writer.
    pub fn open(config: Arc<Config>) -> Result<Self, store::Error> {
        let store = Sqlite::open(&config.store)?;
        Self::over(config, Arc::new(store), PATIENCE)
    }

    fn over(config: Arc<Config>, store: Arc<dyn Store>, patience: Duration) -> Result<Self, store::Error> {
        let mut tag_key = [0; 32];
        getrandom::fill(&mut tag_key)
            .map_err(|why| store::Error::Other(format!("the system gives no random numbers: {why}")))?;
        let factors = Arc::new(Factors::new(config.totp, config.hotp));
        let engine = Engine::new(Arc::clone(&config), store, factors, Secret::new(tag_key));
        Ok(Self { config, engine, patience })
    }

    /// The configuration it was opened with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// [`Engine::decide`], on this thread. A store that does not answer in time is [`Reason::Unavailable`]; the attempt may
    /// then still be written, and its code be spent.
    ///
    /// [`Reason::Unavailable`]: crate::engine::Reason::Unavailable
    pub fn decide(&self, attempt: Attempt) -> Decision {
        let user = attempt.user.clone();
        self.wait(&user, self.engine.decide(attempt))
    }

    /// [`Engine::note`], likewise.
    pub fn note(&self, attempt: Attempt, finding: Finding) -> Decision {
        let user = attempt.user.clone();
        self.wait(&user, self.engine.note(attempt, finding))
    }

    fn wait(&self, user: &[u8], decision: impl Future<Output = Decision>) -> Decision {
        wait::for_at_most(self.patience, decision).unwrap_or_else(|| {
            let text = format!("store did not answer within {} s", self.patience.as_secs());
            Decision::unavailable(UserName::parse(user, &self.config.names).ok(), Unavailable(text))
        })
    }

    /// Ends it: what was begun is finished, in bounded time.
    pub fn close(self) {}
}
