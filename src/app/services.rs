//! What an open instance consists of.

use crate::config::Config;
use crate::engine::messenger::Messenger;
use crate::engine::port::{PasscodeVerifier, Store, Unavailable};
use crate::engine::provider::PushProvider;
use crate::engine::{Decision, Engine, PendingLogin};
use crate::operations::backend_latency::BackendLatency;
use crate::operations::metrics::InstanceMetrics;
use crate::operations::{WarningSink, control};
use crate::passwords::backend_router::BackendRouter;
use crate::types::Secret;
use crate::waiting::open_challenges::OpenChallenges;
use crate::waiting::responder::Responder;
use crate::waiting::{AskedUser, OpenWaits};
use once_cell::sync::OnceCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// The longest time that a login waits for the store on a thread of the server.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);
/// The same for a login that can be parked or wait on the runtime instead.
pub(super) const GRACE: Duration = Duration::from_millis(20);
/// Time beyond the end of a wait in which its decision may still be written.
pub(super) const AFTERMATH: Duration = Duration::from_secs(2);

/// An open instance: everything that decides on logins. Dropping it finishes pending work, in bounded time.
pub struct App {
    pub(super) shared: Arc<LoginServices>,
    pub(super) runtime: Option<Runtime>,
    pub(super) responder: Option<Responder>,
    pub(super) control: Option<control::ListeningSocket>,
    pub(super) address: SocketAddr,
    pub(super) secret: Secret,
    pub(super) patience: Duration,
    pub(super) tag_key: Secret,
    /// Permits for the threads of the server that waits may keep.
    pub(super) threads: Arc<Semaphore>,
    /// Each wait holds a clone until its work is done.
    pub(super) at_work: Arc<()>,
}

/// External dependencies, injected.
pub(super) struct Dependencies {
    pub(super) store: Arc<dyn Store>,
    pub(super) verify: Arc<dyn PasscodeVerifier>,
    pub(super) provider: Option<Arc<dyn PushProvider>>,
    pub(super) messages: Option<Arc<dyn Messenger>>,
    pub(super) authorities: Option<Arc<BackendRouter>>,
}

/// What the futures of logins share.
pub(super) struct LoginServices {
    pub(super) config: Arc<Config>,
    pub(super) engine: Engine,
    pub(super) waits: Arc<OpenWaits>,
    pub(super) challenges: OpenChallenges,
    pub(super) messages: Option<Arc<dyn Messenger>>,
    pub(super) authorities: Option<Arc<BackendRouter>>,
    pub(super) pace: Arc<BackendLatency>,
    pub(super) metrics: Arc<InstanceMetrics>,
    pub(super) complain: OnceCell<WarningSink>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl LoginServices {
    /// Counts a decided login, and logs its alarm if it has one.
    pub(super) fn count_login(&self, decision: &Decision) {
        self.metrics.count_login(decision);
        if let (Some(alarm), Some(complain)) = (&decision.alarm, self.complain.get()) {
            complain(&alarm.to_string());
        }
    }
}

/// The longest wait of a login: the value set for it, if any, but not more than `limit` in `push { }`.
pub(super) fn wait_limit(config: &Config, set: Option<Duration>) -> Duration {
    let most = config.push.limit;
    set.map_or(most, |limit| limit.min(most))
}

pub(super) fn time_out_error() -> Unavailable {
    Unavailable(format!("store did not answer within {} s", PATIENCE.as_secs()))
}

pub(super) fn asked_user(undecided: &PendingLogin) -> AskedUser {
    AskedUser { name: undecided.name.clone(), proof: undecided.proof_class() }
}
