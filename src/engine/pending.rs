//! Passcodes that were right before the password was checked, where the server's own modules check it.
//!
//! The write that spends the passcode counts a failure and records that the password is pending. An attacker who
//! guesses passwords with right passcodes is thus counted before the server has answered, and a login that is lost on
//! the way stays a failure. Once the server has found the password right, the guard has the failure taken back and
//! the accept recorded; without that there is none.

use super::pending_accept::PendingAccept;
use super::port::{AuditRecord, PasswordConfirmation, PendingId};
use super::{Decision, DecisionBasis, Engine, LoginAttempt, PasswordStatus, PasswordVerifier};
use crate::types::{Factor, Timestamp, UserName};

impl PendingId {
    /// The one of this attempt, if the server checks its password later; none without randomness.
    pub(super) fn for_attempt(attempt: &LoginAttempt) -> Option<Self> {
        let is_pending =
            attempt.password_status == PasswordStatus::Unverified { by: PasswordVerifier::Server };
        attempt.dice.as_ref().filter(|_| is_pending).map(|dice| Self(dice.conversation))
    }
}

impl Engine {
    /// What [`confirm_passcode`](Self::confirm_passcode) needs of an attempt whose passcode was right.
    pub(super) fn pending_accept(
        &self,
        attempt: &LoginAttempt,
        user: Option<&UserName>,
        factor: Option<Factor>,
        token: Option<String>,
        basis: Option<DecisionBasis>,
    ) -> Option<Box<PendingAccept>> {
        let (id, user) = (PendingId::for_attempt(attempt)?, user?.clone());
        let (source, mode, grants) = (attempt.source.clone(), attempt.mode, attempt.grants.clone());
        Some(Box::new(PendingAccept { id, user, source, mode, factor, token, grants, basis }))
    }

    /// The server has found the password right: the failure that was counted becomes an accept, in one durable write and once.
    pub async fn confirm_passcode(&self, pending: PendingAccept, now: Timestamp) -> Decision {
        let PendingAccept { id, user, source, mode, factor, token, grants, basis } = pending;
        let record =
            AuditRecord { at: now, user: user.to_string(), source, mode, factor, token: token.clone() };
        let decision = match self.store.confirm_passcode(PasswordConfirmation { pending: id, record }).await {
            Ok(reason) if reason.verdict().lets_in() => {
                Decision { factor, token, grants, basis, ..Decision::refusal(Some(user), reason) }
            }
            Ok(reason) => Decision::refusal(Some(user), reason),
            Err(error) => Decision::store_unavailable(Some(user), error),
        };
        let locked = self.time_locked(&decision, now).await;
        Decision { proven: true, locked, ..decision }
    }
}
