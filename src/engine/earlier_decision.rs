//! What was decided on a datagram, kept for when it comes again.

use super::account::SpendPasscode;
use super::ids::RememberedLoginDigest;
use super::password_status::PasswordStatus;
use super::reason::AcceptReason;
use super::user_attributes::UserAttributes;
use crate::config::profile::PromptEcho;
use crate::types::{Factor, Mode, Timestamp, TokenId, UserId, UserName};
use std::sync::Arc;

/// What is known of the datagram that an attempt came in.
#[derive(Clone, Debug, Default)]
pub enum DatagramRecord {
    /// Nothing: it came through a tunnel, or not from the network. No decision on it is kept.
    #[default]
    Unknown,
    /// It was not answered before, as far as is remembered.
    New,
    /// It was answered with this decision.
    Again(Arc<EarlierDecision>),
}

/// What an accept or a challenge was based on. A decision without it must not be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionBasis {
    pub(super) at: Timestamp,
    pub(super) mode: Mode,
    pub(super) password_status: PasswordStatus,
    pub(super) user: Option<UserId>,
    pub(super) spent: Option<(TokenId, SpendPasscode)>,
    /// Of a login that was remembered by it.
    pub(super) mark: Option<RememberedLoginDigest>,
}

/// An accept or a challenge that was sent. No password, passcode or key is in it.
pub struct EarlierDecision {
    pub(super) user: UserName,
    pub(super) basis: DecisionBasis,
    /// For the answer to a challenge: the challenge itself is gone, and with it what it kept.
    pub(super) answer: Option<Option<UserAttributes>>,
    pub(super) outcome: EarlierOutcome,
}

pub(super) enum EarlierOutcome {
    Accepted { reason: AcceptReason, factor: Option<Factor>, token: Option<String> },
    Challenged { state: String, message: Vec<String>, echo: PromptEcho },
}

impl std::fmt::Debug for EarlierDecision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("EarlierDecision")
    }
}
