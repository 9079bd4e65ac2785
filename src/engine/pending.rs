//! Passcodes that were right before the password was checked, where the server's own modules check it.
//!
//! The write that spends the passcode counts a failure and records that the password is pending. An attacker who
//! guesses passwords with right passcodes is thus counted before the server has answered, and a login that is lost on
//! the way stays a failure. Once the server has found the password right, the guard has the failure taken back and
//! the accept recorded; without that there is none.

use super::pending_accept::PendingAccept;
use super::port::{AuditRecord, PasswordConfirmation, PendingId};
use super::reason::ReasonClass;
use super::{
    AcceptedLogin, Decision, DecisionBasis, Engine, LoginAttempt, Outcome, PasswordStatus, PasswordVerifier,
    PendingPassword, RefusalReason,
};
use crate::types::{Factor, Secret, Timestamp, UserName};

impl PendingId {
    /// The one of this attempt, if the server checks its password later; none without randomness.
    pub(super) fn for_attempt(attempt: &LoginAttempt) -> Option<Self> {
        let is_pending =
            attempt.password_status == PasswordStatus::Unverified { by: PasswordVerifier::Server };
        attempt.request.dice.as_ref().filter(|_| is_pending).map(|dice| Self(dice.conversation))
    }
}

impl Engine {
    /// The outcome of an attempt whose passcode was right: what [`confirm_passcode`](Self::confirm_passcode) needs of
    /// it. Without that it could never be confirmed, and is refused.
    pub(super) fn pending_password(
        &self,
        attempt: &LoginAttempt,
        user: Option<&UserName>,
        presented: (Option<Factor>, Option<String>, Option<Secret>),
        basis: Option<DecisionBasis>,
    ) -> Outcome {
        let (factor, token, password) = presented;
        let (Some(id), Some(user)) = (PendingId::for_attempt(attempt), user.cloned()) else {
            return Outcome::Refuse(RefusalReason::Unavailable.into());
        };
        let (source, mode, grants) = (attempt.request.source.clone(), attempt.mode, attempt.grants.clone());
        let accept = PendingAccept { id, user, source, mode, factor, token: token.clone(), grants, basis };
        Outcome::Pending(PendingPassword { factor, token, password, accept: Box::new(accept) })
    }

    /// The server has found the password right: the failure that was counted becomes an accept, in one durable write and once.
    pub async fn confirm_passcode(&self, pending: PendingAccept, now: Timestamp) -> Decision {
        let PendingAccept { id, user, source, mode, factor, token, grants, basis } = pending;
        let record =
            AuditRecord { at: now, user: user.to_string(), source, mode, factor, token: token.clone() };
        let decision = match self.store.confirm_passcode(PasswordConfirmation { pending: id, record }).await {
            Ok(reason) => match reason.class() {
                ReasonClass::Accepts(reason) => {
                    let accepted = AcceptedLogin { reason, factor, token, passcode: None };
                    Decision { grants, basis, ..Decision::new(Some(user), Outcome::Accept(accepted)) }
                }
                ReasonClass::PasswordPending | ReasonClass::Refuses(_) => {
                    Decision::for_reason(Some(user), reason)
                }
            },
            Err(error) => Decision::store_unavailable(Some(user), error),
        };
        let locked = self.time_locked(&decision, now).await;
        Decision { proven: true, ..decision }.map_refusal(|refused| refused.locked = locked)
    }
}
