//! What client and server of the control socket say to each other.

use crate::operations::metrics::{AttemptLabels, LatencyTotals};
use crate::waiting::{WaitCounts, WaitStatus};
use serde::{Deserialize, Serialize};

/// The longest line that is read, in octets.
pub(super) const LONGEST_LINE: u64 = 64 * 1024;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum ControlRequest {
    /// An overview, then the waits.
    Status,
    /// That no more logins wait, and those that do are answered, after so many seconds at most.
    Drain {
        /// Time limit in seconds.
        wait: u64,
    },
}

/// A line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum AnswerLine {
    Overview(Box<InstanceOverview>),
    Wait(WaitStatus),
    /// So many logins are not answered yet.
    Left(usize),
    /// What was asked for cannot be done.
    Error(String),
    /// End of the answer.
    End,
}

/// An instance in a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceOverview {
    /// Process id, as the server itself sees it.
    pub process: u32,
    /// The instance's name.
    pub instance: String,
    /// The module's version.
    pub version: String,
    /// Since when it runs, in milliseconds since the epoch.
    pub since: u64,
    /// The push provider, if any.
    pub provider: Option<String>,
    /// Whether no more logins may wait, since the server is about to be stopped.
    pub draining: bool,
    /// Logins that were answered.
    pub attempts: Vec<AttemptLabels>,
    /// Logins that wait.
    pub waits: WaitCounts,
    /// Logins that `failmode = safe` let in.
    pub bypassed: u64,
    /// How long the provider took to take a question.
    pub asking: LatencyTotals,
    /// How long users took to answer, where they did.
    pub answering: LatencyTotals,
    /// How often the provider failed.
    pub provider_errors: u64,
    /// How long the store took.
    pub store: LatencyTotals,
}
