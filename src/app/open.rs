//! Opens an instance, and ends it.

use super::services::{App, Dependencies, LoginServices, PATIENCE};
use crate::config::Config;
use crate::directory;
use crate::engine::Engine;
use crate::engine::directory::PasswordBackend;
use crate::engine::messenger::Messenger;
use crate::engine::port::{PasscodeVerifier, Store};
use crate::engine::provider::PushProvider;
use crate::factor::{Factors, message, push};
use crate::operations::metered::MeteredClient;
use crate::operations::metrics::InstanceMetrics;
use crate::passwords::backend_router::BackendRouter;
use crate::store::{self, SqliteStore};
use crate::types::{Factor, Secret, SetupError};
use crate::waiting::OpenWaits;
use crate::waiting::open_challenges::OpenChallenges;
use crate::waiting::responder::{self, BoundSocket, Responder};
use once_cell::sync::OnceCell;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Why an instance cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// Something else that the configuration asks for cannot be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
}

impl App {
    /// Checks whether an instance could be opened, without opening the store. Files that the provider needs are read.
    ///
    /// # Errors
    ///
    /// A sentence that names the option and the file.
    pub fn check_startable(config: &Config) -> Result<(), SetupError> {
        push::open(&config.push)?;
        message::open(config)?;
        directory::open(config)?;
        directory::entra_backend(config).map(drop)
    }

    /// Opens the store, which starts its writer, the runtime and the responder. `threads` is the number of the
    /// server's threads. `lost` is called with the users of requests that were parked and never reached the responder.
    ///
    /// # Errors
    ///
    /// Sentences that name the file or the option.
    pub fn open(
        config: Arc<Config>,
        threads: usize,
        lost: responder::LostHandler,
    ) -> Result<Self, OpenError> {
        let provider = push::open(&config.push)?;
        let messages = message::open(&config)?;
        let messages = messages.map(|messages| -> Arc<dyn Messenger> { messages });
        let store: Arc<dyn Store> = Arc::new(SqliteStore::open(&config.store)?);
        let authorities = BackendRouter::open(&config, Arc::clone(&store))?;
        let outside = Dependencies { store, verify: verify(&config), provider, messages, authorities };
        let mut app = Self::build_with(config, outside, PATIENCE)?;
        app.threads = Arc::new(Semaphore::new((threads / 4).max(1)));
        app.start_responder(lost)?;
        Ok(app)
    }

    pub(super) fn build_with(
        config: Arc<Config>,
        outside: Dependencies,
        patience: Duration,
    ) -> Result<Self, SetupError> {
        let Dependencies { store, verify, provider, messages, authorities } = outside;
        let failed = |what: &str, why: &dyn std::fmt::Display| SetupError::System(format!("{what}: {why}"));
        let mut tag_key = [0; 32];
        getrandom::fill(&mut tag_key).map_err(SetupError::no_random_numbers)?;
        let tag_key = Secret::new(tag_key);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("mfa-wait")
            .enable_all()
            .build()
            .map_err(|why| failed("no threads to wait with", &why))?;
        let BoundSocket { socket, address, secret } = BoundSocket::open()
            .map_err(|why| failed("no UDP port of 127.0.0.1 for requests that wait", &why))?;
        let waits = OpenWaits::new(socket, secret.clone(), config.push.result_cache);
        let waits = waits.with_limit(config.push.waits_per_user);
        let metrics = Arc::new(InstanceMetrics::new(provider.as_ref().map(|provider| provider.name())));
        let store = Arc::new(MeteredClient { inner: store, metrics: Arc::clone(&metrics) });
        let provider = provider.map(|inner| -> Arc<dyn PushProvider> {
            Arc::new(MeteredClient { inner, metrics: Arc::clone(&metrics) })
        });
        let sends = |factor: &Factor| messages.as_ref().is_some_and(|messages| messages.can_send(*factor));
        let sends = [Factor::Sms, Factor::Email].into_iter().filter(sends).collect();
        let engine = Engine::new(Arc::clone(&config), store, verify, tag_key.clone());
        let engine = engine.with_push_provider(provider).with_delivery(sends);
        let authority = authorities.clone().map(|all| -> Arc<dyn PasswordBackend> { all });
        let engine =
            engine.with_password_backend(authority, authorities.as_ref().and_then(|all| all.directory()));
        if let Some(authorities) = &authorities {
            authorities.measure_with(&metrics);
        }
        let pace = authorities.as_ref().map(|all| all.latency()).unwrap_or_default();
        let shared = Arc::new(LoginServices {
            config,
            engine,
            waits: Arc::new(waits),
            challenges: OpenChallenges::default(),
            messages,
            authorities,
            pace,
            metrics,
            complain: OnceCell::new(),
        });
        Ok(Self {
            shared,
            runtime: Some(runtime),
            responder: None,
            control: None,
            address,
            secret,
            patience,
            tag_key,
            threads: Arc::new(Semaphore::new(1)),
            at_work: Arc::default(),
        })
    }

    pub(super) fn start_responder(&mut self, lost: responder::LostHandler) -> Result<(), SetupError> {
        let failed = |why: std::io::Error| SetupError::System(format!("the responder does not start: {why}"));
        let socket = self.shared.waits.responder_socket().map_err(failed)?;
        let (waits, metrics) = (Arc::clone(&self.shared.waits), Arc::clone(&self.shared.metrics));
        let refused = Box::new(move |kind| metrics.count_refused_datagram(kind));
        self.responder = Some(Responder::start(socket, waits, refused, lost).map_err(failed)?);
        Ok(())
    }
}

pub(super) fn verify(config: &Config) -> Arc<dyn PasscodeVerifier> {
    Arc::new(Factors::new(config.totp, config.hotp))
}

impl Drop for App {
    /// Withdraws open pushes, for at most two seconds.
    fn drop(&mut self) {
        self.shared.waits.close();
        let since = Instant::now();
        while Arc::strong_count(&self.at_work) > 1 && since.elapsed() < Duration::from_secs(2) {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.responder = None;
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_millis(200));
        }
    }
}
