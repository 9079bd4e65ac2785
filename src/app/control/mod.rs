//! The control socket, by which `mfa status` and `mfa drain` reach an instance of a running server.
//!
//! It is in the folder of the database and has the same access rights. A client sends one line ([`ControlRequest`])
//! and reads lines ([`AnswerLine`]) up to [`AnswerLine::End`], all of them JSON. Anything else that is sent costs the
//! client its connection.

mod client;
mod server;
mod socket;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "unsupported.rs")]
mod system;

#[cfg(test)]
mod tests;

pub use client::{ControlError, DrainReport, InstanceReport, request_drain, request_status};
pub(super) use server::ControlServer;
pub use socket::{ControlSocket, list_sockets, path};
pub(super) use socket::{ListeningSocket, listen_in};

use super::metrics::{AttemptLabels, LatencyTotals};
use super::waits::{WaitCounts, WaitStatus};
use serde::{Deserialize, Serialize};

/// The longest line that is read, in octets.
const LONGEST_LINE: u64 = 64 * 1024;

/// What a client asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase", deny_unknown_fields)]
enum ControlRequest {
    /// An overview, then the waits.
    Status,
    /// That no more logins wait, and those that do are answered, after so many seconds at most.
    Drain {
        /// Seconds.
        wait: u64,
    },
}

/// A line of an answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum AnswerLine {
    Overview(Box<InstanceOverview>),
    Wait(WaitStatus),
    /// So many logins are not answered yet.
    Left(usize),
    /// What was asked for cannot be done.
    Error(String),
    /// That was all.
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
    /// Whom it asks by.
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
