//! Plain data about one wait.

use crate::engine::ProofClass;
use crate::types::{Timestamp, UserName};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Identifies a parked packet: 128 random bits, a bearer secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct WaitToken(pub(crate) [u8; 16]);

impl WaitToken {
    /// The octets, for the packet that is parked.
    pub const fn expose(&self) -> &[u8; 16] {
        &self.0
    }
}

impl TryFrom<&[u8]> for WaitToken {
    type Error = std::array::TryFromSliceError;

    fn try_from(octets: &[u8]) -> Result<Self, Self::Error> {
        octets.try_into().map(Self)
    }
}

impl std::fmt::Debug for WaitToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WaitToken(<<< secret >>>)")
    }
}

/// Identifies a wait in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct WaitId(pub(super) u64);

/// Identifies packets of the same attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptFingerprint {
    /// A keyed digest of client, user, station, port, session, service and password.
    pub digest: [u8; 32],
    /// A keyed digest of the client's address and the whole datagram, if it is one of its own.
    pub datagram: Option<[u8; 32]>,
    /// Whether station or session are in it; then packets from any port may be of one attempt.
    pub roams: bool,
    /// The client's UDP port.
    pub port: u16,
}

impl AttemptFingerprint {
    /// Whether both packets are of one attempt. An identical datagram is of the same attempt from any port, if its digest is the same:
    /// its client has resent it from another socket.
    pub(super) fn is_same_datagram(&self, other: &Self) -> bool {
        let is_same = self.datagram.is_some() && self.datagram == other.datagram;
        self.digest == other.digest && (is_same || self.roams || self.port == other.port)
    }
}

/// A wait as `mfa status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WaitStatus {
    /// Canonical name; empty while it is not known.
    pub user: String,
    /// The client's address.
    pub client: String,
    /// When the wait began, in milliseconds since the epoch.
    pub since: u64,
    /// Time to its deadline, in seconds.
    pub left: u64,
    /// `parked`, `blocking`, or `unattended`: no packet waits at the moment.
    pub how: String,
}

/// Number of waiting logins, by how they wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WaitCounts {
    /// Without a thread.
    pub parked: usize,
    /// On a thread of the server.
    pub blocking: usize,
    /// No packet waits at the moment.
    pub unattended: usize,
}

/// A new wait, for the task that runs its future.
pub(crate) struct OpenedWait {
    pub(crate) id: WaitId,
    /// Becomes true when no packet waits any longer.
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) deadline: Instant,
    /// The number that the user has to find on the device; empty if the user only has to answer there before
    /// answering here.
    pub(crate) number: Option<String>,
}

/// The user who receives the push. A login without the right password can neither join nor block a login with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct AskedUser {
    pub(crate) name: UserName,
    /// Whether the password is verified.
    pub(crate) proof: ProofClass,
}

/// Parameters of a new wait.
pub(crate) struct NewWait {
    /// The user who receives the push, if there is one.
    pub(crate) user: Option<AskedUser>,
    pub(crate) client: String,
    pub(crate) fingerprint: AttemptFingerprint,
    /// If it is not known yet whether a push follows: the digest that a retransmission has in common with this packet.
    pub(crate) begun: Option<[u8; 32]>,
    pub(crate) since: Timestamp,
    pub(crate) limit: Duration,
    /// As in [`OpenedWait`]; with it no packet waits yet.
    pub(crate) number: Option<String>,
}
