//! The decision: compares what a login presents with what is known of the user. No I/O, no clock, no randomness;
//! external dependencies come in through the traits of [`port`], the time as an argument.
//!
//! A login is [`Engine::start`]; `pipeline.rs` reads from top to bottom. The user is found, what was presented is evaluated
//! against every token, and the finding is committed in one durable write that alone decides. What only the user can decide,
//! on a device, continues in [`Engine::ask_user`].

pub mod challenge;
mod code_sending;
mod commit;
mod decision;
pub mod directory;
mod evaluation;
mod failure_budget;
mod field_reading;
mod first_factor;
mod last_challenge;
mod lockout;
mod login_attempt;
pub mod messenger;
mod mschap;
mod packed_field;
mod passcode_inquiry;
mod passcode_reservations;
mod password_split;
mod password_status;
mod pending;
mod pipeline;
mod policy;
pub mod port;
mod presented_factor;
pub mod prompt;
pub mod provider;
mod push;
mod push_rate_limit;
mod reason;
mod repeated_datagram;
mod single_factor;
mod spray_detection;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod field_tests;
#[cfg(test)]
mod tests;

pub use decision::Decision;
pub use failure_budget::{DailyRate, FailureBudget};
pub use first_factor::{PreAuthFacts, UserAttributes};
pub use lockout::{FailureCounts, Gate, PasscodeTag, PasswordProof, SourceFailures, Strikes};
pub use login_attempt::{
    AttemptEntropy, AttemptSource, LoginAttempt, LoginEndpoint, SubmittedPassword, VerifiedPassword,
    encode_state, is_state,
};
pub use packed_field::{is_packed, unpack_field};
#[doc(hidden)]
pub use password_split::split_field;
pub use password_split::{FieldContents, PasscodePlace};
pub use password_status::{PasswordStatus, PasswordVerifier};
pub use pending::PendingAccept;
pub use pipeline::Step;
pub use policy::{ExemptionReason, PolicyContext};
pub use presented_factor::PresentedFactor;
pub use push::{AskResult, PendingLogin, StopReason};
pub use reason::{AcceptReason, Reason, RefusalReason, Verdict};
pub use repeated_datagram::{DatagramRecord, DecisionBasis, EarlierDecision};
pub use spray_detection::SprayAlarm;

use crate::config::Config;
use crate::types::{Factor, Secret};
use directory::{PasswordBackend, UserDirectory};
use failure_budget::PasswordBudgets;
use passcode_reservations::PasscodeReservations;
use port::{PasscodeVerifier, Store};
use provider::PushProvider;
use push_rate_limit::{BypassLimiter, PushRateLimiter};
use spray_detection::SprayDetector;
use std::sync::Arc;

/// Decides on second factors. One for each module instance; shared by all threads.
pub struct Engine {
    config: Arc<Config>,
    store: Arc<dyn Store>,
    factors: Arc<dyn PasscodeVerifier>,
    tag_key: Secret,
    provider: Option<Arc<dyn PushProvider>>,
    /// Who checks passwords.
    authority: Option<Arc<dyn PasswordBackend>>,
    /// Looks users up without a password.
    directory: Option<Arc<dyn UserDirectory>>,
    /// By which ways codes are sent here.
    sends: Vec<Factor>,
    nudges: PushRateLimiter,
    bypasses: BypassLimiter,
    held: PasscodeReservations,
    passwords: PasswordBudgets,
    sprays: SprayDetector,
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
