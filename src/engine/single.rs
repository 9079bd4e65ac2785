//! Logins by the password alone: those that are remembered, and those of users without a token. Each is behind a password that
//! somebody has found right, and recorded as what it is.

use super::converse::Turn;
use super::port::{Finding, Known, Memory, Unavailable};
use super::prompt::{Asks, Prompt};
use super::{Attempt, Checked, Decision, Engine, Holds, Password, Proof, Reason};
use crate::config::policy::{Shown, Unenrolled};
use crate::types::{Factor, Mailbox, Mode, UserName};

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
            (Mode::Passcode, Password::Plain(_) | Password::Separate { .. }) => true,
            (Mode::Append | Mode::Challenge | Mode::Auto, Password::Absent) => true,
            (Mode::Passcode | Mode::Append | Mode::Challenge | Mode::Auto, _) => false,
        };
        let has_token = known.is_some_and(Known::has_enabled);
        field && attempt.is_proven() && self.has_policy() && self.provider.is_none() && !has_token
    }

    /// Whether something else is done with users without a token than refusing them.
    pub(super) fn has_policy(&self) -> bool {
        self.config.policy.unenrolled != Unenrolled::Reject
    }

    /// What the field of this user holds. Only in mode `append` the store is asked; where it does not answer, it is taken to hold
    /// both.
    pub async fn holds(&self, user: &[u8], mode: Mode, presented: &Password) -> Holds {
        match mode {
            Mode::Passcode => Holds::Answer,
            Mode::Append if self.types_password_alone(user).await => Holds::Password,
            Mode::Challenge | Mode::Auto if !self.has_answer(presented) => Holds::Password,
            Mode::Append | Mode::Challenge | Mode::Auto => Holds::Both,
        }
    }

    /// Whether in mode `append` he types nothing but his password, since he has no token and policy has a say.
    async fn types_password_alone(&self, user: &[u8]) -> bool {
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
        let (finding, asks) = match &self.config.policy.unenrolled {
            Unenrolled::Accept(grace) if grace.until.is_none_or(|until| attempt.at < until) => {
                (self.unenrolled_finding(attempt, &name, grace.logins), None)
            }
            Unenrolled::Reject | Unenrolled::Accept(_) => (Finding::Refused(Reason::NotEnrolled), None),
            Unenrolled::Enroll(enroll) => {
                let mail = known.as_ref().and_then(|known| Mailbox::parse(&known.mail).ok());
                let to = mail.filter(|_| enroll.url.is_some() && self.sends(Factor::Email));
                let finding =
                    if to.is_some() { Finding::Invited } else { Finding::Refused(Reason::MustEnroll) };
                let (link, to) = (enroll.shown_link(name.as_str()), to.map(|to| to.masked()));
                (finding, Some((Asks::Enroll { link, to }, enroll.shown)))
            }
        };
        let follow = match &asks {
            Some((asks, Shown::Challenge)) => self.follow_enrolling(attempt, asks.clone()),
            Some((_, Shown::Reject)) | None => None,
        };
        let decision = self.settle(attempt, Some(name), known, Checked { follow, ..finding.into() }).await;
        match (asks, decision.reason) {
            (Some((asks, _)), Reason::MustEnroll | Reason::Invited) => {
                Decision { prompt: Some(Prompt { because: None, left: None, asks }), ..decision }
            }
            _ => decision,
        }
    }

    /// His registered mailbox.
    pub async fn mailbox(&self, name: &UserName) -> Result<Option<Mailbox>, Unavailable> {
        let known = self.store.find(name).await?;
        Ok(known.and_then(|known| Mailbox::parse(&known.mail).ok()))
    }
}
