//! A decision: what becomes of a login, and everything that is needed to act on it.

use super::port::Unavailable;
use super::prompt::Question;
use super::reason::ReasonClass;
use super::{
    AcceptReason, DecisionBasis, PendingAccept, Reason, RefusalReason, SprayAlarm, UserAttributes, Verdict,
};
use crate::config::profile::PromptEcho;
use crate::types::{Factor, Secret, UserName};
use std::time::Duration;

/// A decision on a login.
#[derive(Clone)]
#[must_use]
pub struct Decision {
    /// The canonical name, if there is one.
    pub user: Option<UserName>,
    /// What becomes of the login.
    pub outcome: Outcome,
    /// The backend's words when it could not answer; for the log only.
    pub detail: Option<String>,
    /// Whether the password is verified: only then is the user told more.
    pub proven: bool,
    /// What the user reads: the values of Reply-Message. Empty until the texts are added.
    pub message: Vec<String>,
    /// Whether the client shows the answer while it is typed.
    pub echo: PromptEcho,
    /// What the backend or directory says of the user.
    pub grants: Option<UserAttributes>,
    /// What it was based on, if it may be repeated for the same datagram.
    pub basis: Option<DecisionBasis>,
    /// How much longer the answer is held back than every refusal is.
    pub hold: Duration,
    /// A warning for the administrator that goes with it.
    pub alarm: Option<SprayAlarm>,
}

/// What becomes of a login.
#[derive(Clone)]
pub enum Outcome {
    /// The user is let in. It is written durably.
    Accept(AcceptedLogin),
    /// The passcode was right and is spent; the server still has to verify the password. Not an accept.
    Pending(PendingPassword),
    /// The user is asked for more.
    Challenge(ChallengedLogin),
    /// The user is refused.
    Refuse(RefusedLogin),
}

/// A login that is let in.
#[derive(Clone)]
pub struct AcceptedLogin {
    /// Why.
    pub reason: AcceptReason,
    /// The factor that was used.
    pub factor: Option<Factor>,
    /// The serial of the token that was used; without a factor, the exception that asks for none.
    pub token: Option<String>,
    /// The passcode that answers the client's CHAP or MS-CHAP challenge.
    pub passcode: Option<Secret>,
}

/// A login whose passcode is spent and whose password the server verifies next.
#[derive(Clone)]
pub struct PendingPassword {
    /// The factor that was used.
    pub factor: Option<Factor>,
    /// The serial of the token that was used.
    pub token: Option<String>,
    /// What stood before the passcode: the password to verify.
    pub password: Option<Secret>,
    /// What makes it an accept once the password was found right.
    pub accept: Box<PendingAccept>,
}

/// An Access-Challenge.
#[derive(Clone)]
pub struct ChallengedLogin {
    /// Why the user is asked.
    pub reason: RefusalReason,
    /// What is asked; none if the texts of an earlier challenge are repeated.
    pub question: Option<Question>,
    /// The State that the answer comes with.
    pub state: String,
}

/// A login that is refused.
#[derive(Clone)]
pub struct RefusedLogin {
    /// Why.
    pub reason: RefusalReason,
    /// How much longer the user is locked, if that is why and it is known.
    pub locked: Option<Duration>,
    /// What the user would be asked, where the text of the refusal says so.
    pub question: Option<Question>,
    /// A provider's text for the user.
    pub quote: Option<String>,
    /// The State of the Access-Challenge that tells this refusal, where the client shows no text of a reject. Nothing answers it.
    pub last_state: Option<String>,
}

impl From<RefusalReason> for RefusedLogin {
    fn from(reason: RefusalReason) -> Self {
        Self { reason, locked: None, question: None, quote: None, last_state: None }
    }
}

impl From<AcceptReason> for AcceptedLogin {
    fn from(reason: AcceptReason) -> Self {
        Self { reason, factor: None, token: None, passcode: None }
    }
}

impl std::fmt::Debug for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Decision")
            .field("user", &self.user)
            .field("reason", &self.reason())
            .field("verdict", &self.verdict())
            .field("factor", &self.factor())
            .field("token", &self.token())
            .field("detail", &self.detail)
            .field("proven", &self.proven)
            .field("question", &self.question())
            .field("message", &self.message)
            .field("hold", &self.hold)
            .field("alarm", &self.alarm)
            .finish_non_exhaustive()
    }
}

impl Decision {
    /// A decision that holds nothing but its outcome.
    pub const fn new(user: Option<UserName>, outcome: Outcome) -> Self {
        Self {
            user,
            outcome,
            detail: None,
            proven: false,
            message: Vec::new(),
            echo: PromptEcho::Unsaid,
            grants: None,
            basis: None,
            hold: Duration::ZERO,
            alarm: None,
        }
    }

    /// A refusal: nothing in it but the reason.
    pub fn refusal(user: Option<UserName>, reason: RefusalReason) -> Self {
        Self::new(user, Outcome::Refuse(reason.into()))
    }

    /// An accept or a refusal, whichever the reason is for. A pending password is none of both: it needs
    /// [`PendingPassword`], and is refused here.
    pub fn for_reason(user: Option<UserName>, reason: Reason) -> Self {
        match reason.class() {
            ReasonClass::Accepts(reason) => Self::new(user, Outcome::Accept(reason.into())),
            ReasonClass::Refuses(reason) => Self::refusal(user, reason),
            ReasonClass::PasswordPending => Self::refusal(user, RefusalReason::Unavailable),
        }
    }

    /// The store could not answer.
    pub fn store_unavailable(user: Option<UserName>, error: Unavailable) -> Self {
        Self { detail: Some(error.to_string()), ..Self::refusal(user, RefusalReason::Unavailable) }
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        match &self.outcome {
            Outcome::Accept(accepted) => accepted.reason.into(),
            Outcome::Pending(_) => Reason::PasswordPending,
            Outcome::Challenge(challenge) => challenge.reason.into(),
            Outcome::Refuse(refused) => refused.reason.into(),
        }
    }

    /// What is done. Log, audit trail and metrics all call a login by this.
    pub fn verdict(&self) -> Verdict {
        match &self.outcome {
            Outcome::Challenge(_) => Verdict::Challenge,
            Outcome::Accept(_) | Outcome::Pending(_) | Outcome::Refuse(_) => {
                self.reason().verdict_without_challenge()
            }
        }
    }

    /// Whether the user is let in.
    pub const fn lets_in(&self) -> bool {
        matches!(self.outcome, Outcome::Accept(_))
    }

    /// The refusal, if it is one.
    pub const fn refused(&self) -> Option<&RefusedLogin> {
        match &self.outcome {
            Outcome::Refuse(refused) => Some(refused),
            Outcome::Accept(_) | Outcome::Pending(_) | Outcome::Challenge(_) => None,
        }
    }

    /// The factor that was used, if a passcode or a device was right.
    pub const fn factor(&self) -> Option<Factor> {
        match &self.outcome {
            Outcome::Accept(accepted) => accepted.factor,
            Outcome::Pending(pending) => pending.factor,
            Outcome::Challenge(_) | Outcome::Refuse(_) => None,
        }
    }

    /// The serial of the token that was used; without a factor, the exception that asks for none.
    pub fn token(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Accept(accepted) => accepted.token.as_deref(),
            Outcome::Pending(pending) => pending.token.as_deref(),
            Outcome::Challenge(_) | Outcome::Refuse(_) => None,
        }
    }

    /// What the user is asked.
    pub const fn question(&self) -> Option<&Question> {
        match &self.outcome {
            Outcome::Challenge(challenge) => challenge.question.as_ref(),
            Outcome::Refuse(refused) => refused.question.as_ref(),
            Outcome::Accept(_) | Outcome::Pending(_) => None,
        }
    }

    /// Replaces what the user is asked by what `change` makes of it; an accept asks nothing.
    pub fn map_question(mut self, change: impl FnOnce(Option<Question>) -> Option<Question>) -> Self {
        match &mut self.outcome {
            Outcome::Challenge(ChallengedLogin { question, .. })
            | Outcome::Refuse(RefusedLogin { question, .. }) => *question = change(question.take()),
            Outcome::Accept(_) | Outcome::Pending(_) => {}
        }
        self
    }

    /// Changes a refusal; anything else stays as it is.
    pub fn map_refusal(mut self, change: impl FnOnce(&mut RefusedLogin)) -> Self {
        if let Outcome::Refuse(refused) = &mut self.outcome {
            change(refused);
        }
        self
    }

    /// The State that the user's answer comes with.
    pub fn state(&self) -> Option<&str> {
        match &self.outcome {
            Outcome::Challenge(challenge) => Some(&challenge.state),
            Outcome::Accept(_) | Outcome::Pending(_) | Outcome::Refuse(_) => None,
        }
    }

    /// The State of the challenge that tells a refusal, if one does: see [`RefusedLogin::last_state`]. A login that could
    /// not be decided is never told so.
    pub fn last_state(&self) -> Option<&str> {
        match (&self.outcome, self.verdict()) {
            (Outcome::Refuse(refused), Verdict::Reject | Verdict::Locked) => refused.last_state.as_deref(),
            _ => None,
        }
    }

    /// The State of the Access-Challenge that carries it to the client, if one does.
    pub fn challenge_state(&self) -> Option<&str> {
        self.state().or_else(|| self.last_state())
    }
}

#[cfg(test)]
impl Decision {
    pub(crate) fn quote(&self) -> Option<&str> {
        self.refused()?.quote.as_deref()
    }

    pub(crate) fn locked(&self) -> Option<Duration> {
        self.refused()?.locked
    }

    pub(crate) fn passcode(&self) -> Option<&Secret> {
        match &self.outcome {
            Outcome::Accept(accepted) => accepted.passcode.as_ref(),
            Outcome::Pending(_) | Outcome::Challenge(_) | Outcome::Refuse(_) => None,
        }
    }

    pub(crate) fn password(&self) -> Option<&Secret> {
        self.pending()?.password.as_ref()
    }

    pub(crate) fn pending(&self) -> Option<&PendingPassword> {
        match &self.outcome {
            Outcome::Pending(pending) => Some(pending),
            Outcome::Accept(_) | Outcome::Challenge(_) | Outcome::Refuse(_) => None,
        }
    }
}
