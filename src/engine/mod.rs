//! The decision: compares what a login presents with what is known of the user. No I/O, no clock, no randomness;
//! external dependencies come in through the traits of [`port`], the time as an argument.
//!
//! A login is [`Engine::start`]; `pipeline.rs` reads from top to bottom. The user is found, what was presented is evaluated
//! against every token, and the finding is committed in one durable write that alone decides. What only the user can decide,
//! on a device, continues in [`Engine::ask_user`].

mod account;
pub mod challenge;
mod challenge_state;
mod code_sending;
mod commit;
mod decision;
pub mod directory;
mod earlier_decision;
mod evaluation;
mod failure_budget;
mod field_reading;
mod first_factor;
mod ids;
mod intent;
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
mod pending_accept;
mod pending_login;
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
mod service;
mod single_factor;
mod source;
mod spray_detection;
mod user_attributes;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod field_tests;
#[cfg(test)]
mod tests;

pub use decision::{AcceptedLogin, ChallengedLogin, Decision, Outcome, PendingPassword, RefusedLogin};
pub use earlier_decision::{DatagramRecord, DecisionBasis, EarlierDecision};
pub use failure_budget::{DailyRate, FailureBudget};
pub use first_factor::SlowSource;
pub use lockout::{
    FailureCounts, Gate, PacketRole, PasscodeTag, PasswordProof, ProofClass, SourceFailures, Strikes,
};
pub use login_attempt::{
    AttemptEntropy, LoginAttempt, LoginRequest, PreAuthFacts, SubmittedPassword, VerifiedPassword,
    encode_state, is_state,
};
pub use packed_field::{is_packed, unpack_field};
#[doc(hidden)]
pub use password_split::split_field;
pub use password_split::{FieldContents, PasscodePlace};
pub use password_status::{PasswordStatus, PasswordVerifier};
pub use pending_accept::PendingAccept;
pub use pending_login::PendingLogin;
pub use pipeline::Step;
pub use policy::{ExemptionReason, PolicyContext};
pub use presented_factor::PresentedFactor;
pub use push::{AskResult, StopReason};
pub use reason::{AcceptReason, Reason, ReasonClass, RefusalReason, Verdict};
pub use service::Engine;
pub use source::{AttemptSource, LoginEndpoint};
pub use spray_detection::SprayAlarm;
pub use user_attributes::UserAttributes;
