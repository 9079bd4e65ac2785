//! Logins by the password alone: those that are remembered, and those of users without a token. Each is behind a password that
//! somebody has found right, and recorded as what it is.

use super::messenger::Message;
use super::port::{Finding, Known, Mark, Unavailable};
use super::provider::Trouble;
use super::{Attempt, Decision, Engine, Password, Reason};
use crate::config::FirstFactor;
use crate::config::policy::Unenrolled;
use crate::types::{Factor, Mode, Secret, UserName};

#[cfg(test)]
mod tests;

impl Engine {
    /// By what this login is known again, where it may be remembered: its password was right, and it came from a station.
    pub(super) fn mark(&self, attempt: &Attempt, name: &UserName) -> Option<Mark> {
        let password = attempt.proof.as_ref().filter(|password| !password.is_empty())?;
        if self.config.policy.remember.is_zero() || attempt.source.calling_station.is_empty() {
            return None;
        }
        self.store.mark(name, &attempt.source, password)
    }

    /// The accept of a login that is remembered.
    pub(super) async fn remembered(
        &self,
        attempt: &Attempt,
        name: &UserName,
        known: Option<&Known>,
        mark: Option<&Mark>,
    ) -> Result<Option<Decision>, Unavailable> {
        let Some(mark) = mark else { return Ok(None) };
        if !self.store.remembers(name, &attempt.source, mark, attempt.at).await? {
            return Ok(None);
        }
        let decision = self.settle(attempt, Some(name.clone()), known.cloned(), Finding::Remembered.into());
        Ok(Some(decision.await))
    }

    /// Whether policy says what becomes of this user: he has no token, nobody else could know him, and his password was right.
    pub(super) fn is_unenrolled(&self, attempt: &Attempt, known: Option<&Known>) -> bool {
        let field = match (attempt.mode, &attempt.password) {
            (Mode::Passcode, Password::Plain(_)) | (Mode::Append | Mode::Auto, Password::Absent) => true,
            (Mode::Passcode | Mode::Append | Mode::Auto, _) => false,
        };
        let is_proven = attempt.first_factor == FirstFactor::Client;
        field
            && is_proven
            && self.has_policy()
            && self.provider.is_none()
            && !known.is_some_and(Known::has_token)
    }

    /// Whether something else is done with users without a token than refusing them.
    pub(super) fn has_policy(&self) -> bool {
        self.config.policy.unenrolled != Unenrolled::Reject
    }

    /// Whether in mode `append` the field of this user holds nothing but his password, since he has no token and policy has a
    /// say. Where the store does not answer, it is taken to hold both.
    pub async fn types_password_alone(&self, user: &[u8]) -> bool {
        if !self.has_policy() || self.provider.is_some() {
            return false;
        }
        let Ok(name) = UserName::parse(user, &self.config.names) else { return false };
        self.store.find(&name).await.is_ok_and(|known| !known.as_ref().is_some_and(Known::has_token))
    }

    /// What becomes of a user without a token, whose password was right.
    pub(super) async fn unenrolled(
        &self,
        attempt: &Attempt,
        name: UserName,
        known: Option<Known>,
    ) -> Decision {
        let finding = match &self.config.policy.unenrolled {
            Unenrolled::Accept(grace) if grace.until.is_none_or(|until| attempt.at < until) => {
                Finding::Unenrolled { logins: grace.logins }
            }
            Unenrolled::Reject | Unenrolled::Accept(_) => Finding::Refused(Reason::NotEnrolled),
            Unenrolled::Enroll(enroll) => {
                let is_sent = enroll.url.is_some()
                    && known.as_ref().is_some_and(|known| !known.mail.is_empty())
                    && self.messenger.as_ref().is_some_and(|messenger| messenger.sends(Factor::Email));
                if is_sent { Finding::Invited } else { Finding::Refused(Reason::MustEnroll) }
            }
        };
        self.settle(attempt, Some(name), known, finding.into()).await
    }

    /// Sends a user the link to enrol, after [`Reason::Invited`]; to his mailbox and nowhere else.
    pub async fn invite(&self, name: &UserName, subject: String, text: Secret) -> Result<(), Trouble> {
        let nowhere = || Trouble::Failed("no mailbox is registered, or nobody sends mail".into());
        let known = self.store.find(name).await.map_err(|error| Trouble::Failed(error.to_string()))?;
        let to = known.map(|known| known.mail).filter(|mail| !mail.is_empty()).ok_or_else(nowhere)?;
        let messenger = self.messenger.as_ref().ok_or_else(nowhere)?;
        messenger.send(Message { factor: Factor::Email, to, subject, text }).await
    }
}
