//! Logins that wait for an answer, and the packets attached to them. One wait is one question to a user. Any number of packets may
//! join it one after the other, and the newest replaces the older: one approval gives one accept.
//!
//! The rules are in [`joining`]; [`table`] holds the state, [`datagrams`] exchanges packets with the server.
//!
//! A packet has a [`ParkedHandle`]. The decision reaches it by a datagram of the responder (parked), or by a condition variable (a
//! thread that waits). Nothing here decides; the engine's future runs in [`crate::app::App`] and ends in [`OpenWaits::resolve_wait`].

mod datagrams;
mod joining;
pub(crate) mod loopback_packet;
pub(crate) mod open_challenges;
mod open_waits;
pub(crate) mod responder;
mod table;
mod wait;

#[cfg(test)]
mod tests;

pub(crate) use joining::{AdoptOutcome, JoinOutcome};
#[doc(hidden)]
pub use loopback_packet::{LoopbackReply, LoopbackRequest, ReplyCode};
pub(crate) use open_waits::OpenWaits;
pub use open_waits::ParkedHandle;
pub(crate) use wait::{AskedUser, NewWait, OpenedWait, WaitId};
pub use wait::{AttemptFingerprint, WaitCounts, WaitStatus, WaitToken};
