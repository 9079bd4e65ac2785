//! A decision, with everything that is needed to act on it.

use super::port::Unavailable;
use super::prompt::Question;
use super::{DecisionBasis, PendingAccept, Reason, SprayAlarm, UserAttributes, Verdict};
use crate::config::profile::PromptEcho;
use crate::types::{Factor, Secret, UserName};
use std::time::Duration;

/// A decision with all that the module needs to act on it.
#[derive(Clone)]
#[must_use]
pub struct Decision {
    /// The canonical name, if there is one.
    pub user: Option<UserName>,
    /// Why; the verdict follows from it.
    pub reason: Reason,
    /// The factor that was used, on an accept.
    pub factor: Option<Factor>,
    /// The serial of the token that was used, on an accept; without a factor, the exception that asks for none.
    pub token: Option<String>,
    /// The passcode that answered a challenge, on an accept.
    pub passcode: Option<Secret>,
    /// What stood before the passcode (mode `append`), if that was right.
    pub password: Option<Secret>,
    /// What makes an accept of it, once the server has found that right ([`Verdict::Pending`]).
    pub pending: Option<Box<PendingAccept>>,
    /// The backend's words when it could not answer; for the log only.
    pub detail: Option<String>,
    /// Whether the password is verified: only then is the user told more.
    pub proven: bool,
    /// How much longer the user is locked, if that is why, and it is known.
    pub locked: Option<Duration>,
    /// The question for the user.
    pub prompt: Option<Question>,
    /// A provider's text for the user.
    pub quote: Option<String>,
    /// The same in words: the values of Reply-Message.
    pub message: Vec<String>,
    /// Whether the client shows the answer while it is typed.
    pub echo: PromptEcho,
    /// What the backend or directory says of the user.
    pub grants: Option<UserAttributes>,
    /// The State of the challenge that follows, if one does.
    pub state: Option<String>,
    /// What it was based on, if it may be repeated for the same datagram.
    pub basis: Option<DecisionBasis>,
    /// The State of the Access-Challenge that tells this refusal, where the client shows no text of a reject. Nothing answers it.
    pub last_state: Option<String>,
    /// By how much the answer is held back beyond what every refusal is.
    pub hold: Duration,
    /// What the administrator is told besides.
    pub alarm: Option<SprayAlarm>,
}

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decision")
            .field("user", &self.user)
            .field("reason", &self.reason)
            .field("factor", &self.factor)
            .field("token", &self.token)
            .field("detail", &self.detail)
            .field("proven", &self.proven)
            .field("locked", &self.locked)
            .field("prompt", &self.prompt)
            .field("message", &self.message)
            .field("hold", &self.hold)
            .field("alarm", &self.alarm)
            .finish_non_exhaustive()
    }
}

impl Decision {
    /// A refusal: nothing in it but the reason.
    pub fn refusal(user: Option<UserName>, reason: Reason) -> Self {
        Self {
            user,
            reason,
            factor: None,
            token: None,
            passcode: None,
            password: None,
            pending: None,
            detail: None,
            proven: false,
            locked: None,
            prompt: None,
            quote: None,
            message: Vec::new(),
            echo: PromptEcho::Unsaid,
            grants: None,
            state: None,
            basis: None,
            last_state: None,
            hold: Duration::ZERO,
            alarm: None,
        }
    }

    /// The store could not answer.
    pub fn store_unavailable(user: Option<UserName>, error: Unavailable) -> Self {
        Self { detail: Some(error.to_string()), ..Self::refusal(user, Reason::Unavailable) }
    }

    /// The State of the Access-Challenge that carries it to the client, if one does.
    pub fn challenge_state(&self) -> Option<&str> {
        match self.verdict() {
            Verdict::Challenge => self.state.as_deref(),
            Verdict::Reject | Verdict::Locked => self.last_state.as_deref(),
            Verdict::Accept
            | Verdict::Bypassed
            | Verdict::Pending
            | Verdict::Malformed
            | Verdict::Unavailable => None,
        }
    }

    /// What is done: see [`Reason::verdict_if`].
    pub fn verdict(&self) -> Verdict {
        self.reason.verdict_if(self.state.is_some())
    }
}
