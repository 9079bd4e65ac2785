//! The engine: what it needs, injected.

use super::directory::{PasswordBackend, UserDirectory};
use super::failure_budget::PasswordBudgets;
use super::passcode_reservations::PasscodeReservations;
use super::port::{PasscodeVerifier, Store};
use super::provider::PushProvider;
use super::push_rate_limit::{BypassLimiter, PushRateLimiter};
use super::spray_detection::SprayDetector;
use crate::config::Config;
use crate::types::{Factor, Secret};
use std::sync::Arc;

/// Decides on second factors. One for each module instance; shared by all threads.
pub struct Engine {
    pub(super) config: Arc<Config>,
    pub(super) store: Arc<dyn Store>,
    pub(super) factors: Arc<dyn PasscodeVerifier>,
    pub(super) tag_key: Secret,
    pub(super) provider: Option<Arc<dyn PushProvider>>,
    /// Who checks passwords.
    pub(super) authority: Option<Arc<dyn PasswordBackend>>,
    /// Looks users up without a password.
    pub(super) directory: Option<Arc<dyn UserDirectory>>,
    /// By which ways codes are sent here.
    pub(super) sends: Vec<Factor>,
    pub(super) nudges: PushRateLimiter,
    pub(super) bypasses: BypassLimiter,
    pub(super) held: PasscodeReservations,
    pub(super) passwords: PasswordBudgets,
    pub(super) sprays: SprayDetector,
}

impl Engine {
    /// `tag_key` is random and lives as long as the process: it keys the tags by which a repeated wrong code is known again.
    pub fn new(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        factors: Arc<dyn PasscodeVerifier>,
        tag_key: Secret,
    ) -> Self {
        Self {
            config,
            store,
            factors,
            tag_key,
            provider: None,
            authority: None,
            directory: None,
            sends: Vec::new(),
            nudges: PushRateLimiter::default(),
            bypasses: BypassLimiter::default(),
            held: PasscodeReservations::default(),
            passwords: PasswordBudgets::default(),
            sprays: SprayDetector::default(),
        }
    }

    /// Adds the push provider.
    pub fn with_push_provider(self, provider: Option<Arc<dyn PushProvider>>) -> Self {
        Self { provider, ..self }
    }

    /// Adds the password backend and the user directory.
    pub fn with_password_backend(
        self,
        authority: Option<Arc<dyn PasswordBackend>>,
        directory: Option<Arc<dyn UserDirectory>>,
    ) -> Self {
        Self { authority, directory, ..self }
    }

    /// With codes that are sent by these ways.
    pub fn with_delivery(self, sends: Vec<Factor>) -> Self {
        Self { sends, ..self }
    }
}
