//! What is known of a packet beside the login attempt in it, and what became of it.

use crate::engine::Decision;
use crate::text::ClientVoice;
use crate::waiting::{AttemptFingerprint, ParkedHandle};
use std::time::Duration;

/// What is known of a packet beside the login attempt in it.
#[derive(Clone, Debug)]
pub struct LoginPacket {
    /// Identifies packets of the same attempt.
    pub fingerprint: AttemptFingerprint,
    /// The longest wait set for this login, if any.
    pub limit: Option<Duration>,
    /// How the packet waits if its decision takes longer.
    pub patience: WaitMode,
    /// Language and format of the texts for its client.
    pub voice: ClientVoice,
}

/// How a packet waits for its decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitMode {
    /// The request is parked and leaves its thread.
    Park,
    /// The request cannot be parked and keeps its thread.
    Block,
}

/// The result of a call that may have to wait.
#[derive(Debug)]
#[must_use]
pub enum LoginProgress {
    /// It is decided.
    Done(Box<Decision>),
    /// The decision comes later: park the request with the handle's token, or wait with [`App::block_for_decision`](super::App::block_for_decision).
    Waiting(ParkedHandle),
}

impl From<Decision> for LoginProgress {
    fn from(decision: Decision) -> Self {
        Self::Done(Box::new(decision))
    }
}
