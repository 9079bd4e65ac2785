//! Logins by the password alone: those that are remembered, and those of users without a token. Each is behind a password that
//! somebody has found right, and recorded as what it is.

use super::converse::Turn;
use super::port::{Finding, Known, Memory, Unavailable};
use super::provider::Trouble;
use super::{Attempt, Checked, Decision, Engine, Password, Proof, Reason};
use crate::config::FirstFactor;
use crate::config::policy::{Shown, Unenrolled};
use crate::types::{Factor, Mode, Secret, UserName};

#[cfg(test)]
mod tests;

impl Engine {
    /// By what this login is known again, where it may be remembered: its password was right, and it came from a station.
    pub(super) fn mark(&self, attempt: &Attempt, name: &UserName) -> Option<Proof> {
        if self.config.policy.remember.is_zero() || attempt.source.calling_station.is_empty() {
            return None;
        }
        match &attempt.proof {
            Some(Proof::Password(password)) if !password.is_empty() => {
                self.store.mark(name, &attempt.source, password).map(Proof::Mark)
            }
            Some(Proof::Mark(mark)) => Some(Proof::Mark(mark.clone())),
            Some(Proof::Password(_)) | None => None,
        }
    }

    /// What a right second factor leaves behind.
    pub(super) fn memory(&self, attempt: &Attempt) -> Option<Memory> {
        let until = attempt.at.plus(self.config.policy.remember);
        attempt.mark().map(|mark| Memory { mark: mark.clone(), until })
    }

    /// What is decided by the password alone; none if a second factor is asked for.
    pub(super) async fn alone(
        &self,
        attempt: &Attempt,
        name: &UserName,
        known: Option<&Known>,
        turn: Option<&Turn>,
    ) -> Result<Option<Decision>, Unavailable> {
        match turn {
            Some(turn) if turn.enrolling => {
                let refused = Finding::Refused(Reason::MustEnroll).into();
                return Ok(Some(self.settle(attempt, Some(name.clone()), known.cloned(), refused).await));
            }
            Some(_) => return Ok(None),
            None => {}
        }
        if let Some(mark) = attempt.mark()
            && self.store.remembers(name, &attempt.source, mark, attempt.at).await?
        {
            let attempt = Attempt { proof: None, ..attempt.clone() };
            let remembered = Finding::Remembered.into();
            return Ok(Some(self.settle(&attempt, Some(name.clone()), known.cloned(), remembered).await));
        }
        if self.is_unenrolled(attempt, known) {
            return Ok(Some(self.unenrolled(attempt, name.clone(), known.cloned()).await));
        }
        Ok(None)
    }

    /// Whether policy says what becomes of this user: he has no token, nobody else could know him, and his password was right.
    fn is_unenrolled(&self, attempt: &Attempt, known: Option<&Known>) -> bool {
        let field = match (attempt.mode, &attempt.password) {
            (Mode::Passcode, Password::Plain(_)) => true,
            (Mode::Append | Mode::Challenge | Mode::Auto, Password::Absent) => true,
            (Mode::Passcode | Mode::Append | Mode::Challenge | Mode::Auto, _) => false,
        };
        let is_proven = attempt.first_factor == FirstFactor::Client;
        let has_token = known.is_some_and(Known::has_enabled);
        field && is_proven && self.has_policy() && self.provider.is_none() && !has_token
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
        self.store.find(&name).await.is_ok_and(|known| !known.as_ref().is_some_and(Known::has_enabled))
    }

    /// What becomes of a user without a token, whose password was right.
    pub(super) async fn unenrolled(
        &self,
        attempt: &Attempt,
        name: UserName,
        known: Option<Known>,
    ) -> Decision {
        let checked: Checked = match &self.config.policy.unenrolled {
            Unenrolled::Accept(grace) if grace.until.is_none_or(|until| attempt.at < until) => {
                Finding::Unenrolled { logins: grace.logins }.into()
            }
            Unenrolled::Reject | Unenrolled::Accept(_) => Finding::Refused(Reason::NotEnrolled).into(),
            Unenrolled::Enroll(enroll) => {
                let is_sent = enroll.url.is_some()
                    && known.as_ref().is_some_and(|known| !known.mail.is_empty())
                    && self.courier.as_ref().is_some_and(|courier| courier.sends(Factor::Email));
                let finding = if is_sent { Finding::Invited } else { Finding::Refused(Reason::MustEnroll) };
                let follow = match enroll.shown {
                    Shown::Challenge => self.follow_enrolling(attempt, enroll.shown_link(name.as_str())),
                    Shown::Reject => None,
                };
                Checked { follow, ..finding.into() }
            }
        };
        self.settle(attempt, Some(name), known, checked).await
    }

    /// Sends a user the link to enrol, after [`Reason::Invited`]; to his mailbox and nowhere else.
    pub async fn invite(&self, name: &UserName) -> Result<(), Trouble> {
        let nowhere = || Trouble::Failed("no mailbox is registered, or nobody sends mail".into());
        let Unenrolled::Enroll(enroll) = &self.config.policy.unenrolled else { return Err(nowhere()) };
        let link = enroll.link(name.as_str()).ok_or_else(nowhere)?;
        let known = self.store.find(name).await.map_err(|error| Trouble::Failed(error.to_string()))?;
        let mail = known.map(|known| known.mail).filter(|mail| !mail.is_empty()).ok_or_else(nowhere)?;
        let courier = self.courier.as_ref().ok_or_else(nowhere)?;
        courier.invite(mail, Secret::new(link)).await
    }
}
