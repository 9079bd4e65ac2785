//! What an administrator sees of a running instance: counters and times, and the control socket that `mfa status` and
//! `mfa drain` use.

pub(crate) mod backend_latency;
pub mod control;
pub(crate) mod metered;
pub(crate) mod metrics;

pub use metrics::{AttemptLabels, LatencyTotals};

/// Where warnings for the administrator go: the server's log.
pub type WarningSink = std::sync::Arc<dyn Fn(&str) + Send + Sync>;
