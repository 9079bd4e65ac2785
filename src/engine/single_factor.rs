//! Logins by the password alone: remembered logins, and users without a token. The password has been verified in each
//! case, and the decision is recorded as what it is.

use super::challenge::ChallengeState;
use super::evaluation::Evidence;
use super::port::{Account, AttemptFinding, RememberedLogin, RememberedLoginDigest, Unavailable};
use super::prompt::{Question, QuestionKind};
use super::{
    AttemptSource, Decision, Engine, FieldContents, LoginAttempt, Reason, RefusalReason, SubmittedPassword,
    VerifiedPassword,
};
use crate::config::policy::{EnrolmentNotice, UnenrolledRule};
use crate::types::{Factor, Mailbox, Mode, Secret, UserName};
use std::collections::BTreeSet;
use std::time::Duration;

#[cfg(test)]
mod tests;

impl Engine {
    /// By what this login is known again, where it may be remembered: its password was right, and it came from a station.
    pub(super) fn remembered_login_digest(
        &self,
        attempt: &LoginAttempt,
        name: &UserName,
    ) -> Option<VerifiedPassword> {
        let place = login_place(attempt);
        if self.remember_time().is_zero() || place.calling_station.is_empty() {
            return None;
        }
        match &attempt.proof {
            Some(VerifiedPassword::Password(password)) if !password.is_empty() => {
                self.store.remembered_login_digest(name, &place, password).map(VerifiedPassword::Mark)
            }
            Some(VerifiedPassword::Mark(mark)) => Some(VerifiedPassword::Mark(mark.clone())),
            Some(VerifiedPassword::Password(_)) | None => None,
        }
    }

    /// What a right second factor leaves behind.
    pub(super) fn remembered_login(&self, attempt: &LoginAttempt) -> Option<RememberedLogin> {
        let place = login_place(attempt);
        let mark = attempt.remembered_login_digest().filter(|_| !place.calling_station.is_empty())?.clone();
        let until = attempt.request.at.plus(self.remember_time());
        Some(RememberedLogin { mark, until, place, uses: self.is_good_once().then_some(1) })
    }

    /// For how long a login is remembered.
    fn remember_time(&self) -> Duration {
        let policy = &self.config.policy;
        if policy.remember.is_zero() { policy.remember_once } else { policy.remember }
    }

    /// Whether it is for one other login only.
    fn is_good_once(&self) -> bool {
        self.config.policy.remember.is_zero()
    }

    /// What an earlier login with the same mark means for this one, once its password was found right.
    async fn recalled_finding(
        &self,
        attempt: &LoginAttempt,
        name: &UserName,
        mark: &RememberedLoginDigest,
    ) -> Result<Option<AttemptFinding>, Unavailable> {
        if let Some(earlier) = attempt.earlier_decision() {
            return Ok(earlier.recalled_login(name, login_place(attempt), mark));
        }
        let place = login_place(attempt);
        let is_known = self.store.is_remembered(name, &place, mark, attempt.request.at).await?;
        Ok(is_known.then(|| match self.is_good_once() {
            true => AttemptFinding::RememberedOnce { place, mark: mark.clone() },
            false => AttemptFinding::Remembered,
        }))
    }

    /// Ends a login that is remembered although a passcode stands behind its password: the passcode is not looked at. The
    /// password has the digest of the earlier login, and is verified again all the same.
    pub(super) async fn recall_login(
        &self,
        login: &LoginAttempt,
        name: &UserName,
        owner: &UserName,
    ) -> Result<(), Decision> {
        let is_on = login.request.unchecked.remember && !self.remember_time().is_zero();
        if !is_on || login_place(login).calling_station.is_empty() {
            return Ok(());
        }
        let unavailable = |error| Decision::store_unavailable(Some(owner.clone()), error);
        let account = self.store.find_account(owner).await.map_err(unavailable)?;
        let mut recalled = None;
        for password in self.passwords_in(&login.password, account.as_ref()) {
            let proof = Some(VerifiedPassword::Password(password.clone()));
            let with_proof = LoginAttempt { proof, ..login.clone() };
            let Some(VerifiedPassword::Mark(mark)) = self.remembered_login_digest(&with_proof, owner) else {
                continue;
            };
            if let Some(finding) = self.recalled_finding(login, owner, &mark).await.map_err(unavailable)? {
                recalled = Some((password, mark, finding));
            }
        }
        let Some((password, mark, finding)) = recalled else { return Ok(()) };
        self.check_gate(login, name).await?;
        Err(match self.verify_password_before_passcode(login, name, owner, password).await {
            Ok(attributes) => {
                let (grants, proof) = (Some(attributes), Some(VerifiedPassword::Mark(mark)));
                let password_status = login.password_status.into_verified();
                let login = LoginAttempt { password_status, grants, proof, ..login.clone() };
                self.commit(&login, Some(owner.clone()), account, finding.into()).await
            }
            Err(refused) => self.record_auth_failure(login.clone(), name.clone(), refused).await,
        })
    }

    /// The passwords that may stand before an answer in this field: one, or one for each length of a passcode.
    fn passwords_in(&self, presented: &SubmittedPassword, known: Option<&Account>) -> Vec<Secret> {
        if let Some((password, _)) = self.split_by_field(presented) {
            return vec![password];
        }
        let tokens = known.iter().flat_map(|known| &known.tokens).filter(|token| token.enabled);
        let lengths: BTreeSet<usize> = tokens.map(|token| self.factors.passcode_length(token)).collect();
        let parts = lengths.into_iter().filter_map(|length| self.parts_by_length(presented, length));
        parts.map(|(password, _)| password).collect()
    }

    /// Ends a login that its password alone decides: remembered logins, users without a token.
    pub(super) async fn decide_without_second_factor(
        &self,
        login: &LoginAttempt,
        owner: &UserName,
        account: Option<&Account>,
        challenge: Option<&ChallengeState>,
    ) -> Result<(), Decision> {
        match challenge {
            Some(challenge) if challenge.enrolling => {
                let refused = AttemptFinding::Refused(RefusalReason::MustEnroll).into();
                return Err(self.commit(login, Some(owner.clone()), account.cloned(), refused).await);
            }
            Some(_) => return Ok(()),
            None => {}
        }
        if let Some(mark) = login.remembered_login_digest() {
            let unavailable = |error| Decision::store_unavailable(Some(owner.clone()), error);
            if let Some(finding) = self.recalled_finding(login, owner, mark).await.map_err(unavailable)? {
                return Err(self.commit(login, Some(owner.clone()), account.cloned(), finding.into()).await);
            }
        }
        match self.is_unenrolled(login, account) {
            true => Err(self.decide_unenrolled(login, owner.clone(), account.cloned()).await),
            false => Ok(()),
        }
    }

    /// Whether policy decides for this user: no token, no provider that could know the user, and a verified password.
    fn is_unenrolled(&self, attempt: &LoginAttempt, known: Option<&Account>) -> bool {
        let field = match (attempt.mode, &attempt.password) {
            (Mode::Passcode, SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. }) => true,
            (Mode::Append | Mode::Challenge | Mode::Auto, SubmittedPassword::Absent) => true,
            (Mode::Passcode | Mode::Append | Mode::Challenge | Mode::Auto, _) => false,
        };
        let has_token = known.is_some_and(Account::has_enabled);
        field && attempt.is_proven() && self.has_policy() && self.provider.is_none() && !has_token
    }

    /// Whether something else is done with users without a token than refusing them.
    pub(super) fn has_policy(&self) -> bool {
        self.config.policy.unenrolled != UnenrolledRule::Reject
    }

    /// What the field of this user holds. Only in mode `append` the store is asked; where it does not answer, it is taken to hold
    /// both.
    pub async fn field_contents(
        &self,
        user: &[u8],
        mode: Mode,
        presented: &SubmittedPassword,
    ) -> FieldContents {
        match mode {
            Mode::Passcode => FieldContents::Passcode,
            Mode::Append if self.types_password_alone(user).await => FieldContents::Password,
            Mode::Challenge | Mode::Auto if !self.has_answer(presented) => FieldContents::Password,
            Mode::Append | Mode::Challenge | Mode::Auto => FieldContents::PasswordAndPasscode,
        }
    }

    /// Whether in mode `append` the user types only a password, since they have no token and policy decides.
    async fn types_password_alone(&self, user: &[u8]) -> bool {
        if !self.has_policy() || self.provider.is_some() {
            return false;
        }
        let Ok(name) = UserName::parse(user, &self.config.names) else { return false };
        let accepts = matches!(self.config.policy.unenrolled, UnenrolledRule::Accept(_));
        self.store.find_account(&name).await.is_ok_and(|known| match known {
            Some(known) if accepts => !known.had_token,
            Some(known) => !known.has_enabled(),
            None => true,
        })
    }

    /// Whether a user may be let in without a token: a user of the store for whom none was ever enrolled, or a user
    /// unknown to the store under exactly the name that a directory has. Any other unknown name may be a spelling by
    /// which other modules know a user who has a token.
    fn never_enrolled(attempt: &LoginAttempt, known: Option<&Account>) -> bool {
        match known {
            Some(known) => !known.had_token,
            None => attempt.grants.as_ref().is_some_and(|grants| grants.is_named),
        }
    }

    /// What becomes of a user without a token, whose password was right.
    pub(super) async fn decide_unenrolled(
        &self,
        attempt: &LoginAttempt,
        name: UserName,
        known: Option<Account>,
    ) -> Decision {
        let (finding, asks) = match &self.config.policy.unenrolled {
            UnenrolledRule::Accept(_) if !Self::never_enrolled(attempt, known.as_ref()) => {
                (Self::nothing_to_offer(known.as_ref()), None)
            }
            UnenrolledRule::Accept(grace) if grace.until.is_none_or(|until| attempt.request.at < until) => {
                (self.unenrolled_finding(attempt, &name, grace.logins), None)
            }
            UnenrolledRule::Reject | UnenrolledRule::Accept(_) => {
                (AttemptFinding::Refused(RefusalReason::NotEnrolled), None)
            }
            UnenrolledRule::Enroll(enroll) => {
                let mail = known.as_ref().and_then(|known| Mailbox::parse(&known.mail).ok());
                let to = mail.filter(|_| enroll.url.is_some() && self.can_send(Factor::Email));
                let finding = if to.is_some() {
                    AttemptFinding::Invited
                } else {
                    AttemptFinding::Refused(RefusalReason::MustEnroll)
                };
                let (link, to) = (enroll.shown_link(name.as_str()), to.map(|to| to.masked()));
                (finding, Some((QuestionKind::Enroll { link, to }, enroll.shown)))
            }
        };
        let follow = match &asks {
            Some((asks, EnrolmentNotice::Challenge)) => self.follow_enrolling(attempt, asks.clone()),
            Some((_, EnrolmentNotice::Reject)) | None => None,
        };
        let decision = self.commit(attempt, Some(name), known, Evidence { follow, ..finding.into() }).await;
        match (asks, decision.reason()) {
            (Some((asks, _)), Reason::MustEnroll | Reason::Invited) => {
                decision.map_question(|_| Some(Question { because: None, left: None, asks }))
            }
            _ => decision,
        }
    }

    /// The user's registered mailbox.
    pub async fn registered_mailbox(&self, name: &UserName) -> Result<Option<Mailbox>, Unavailable> {
        let known = self.store.find_account(name).await?;
        Ok(known.and_then(|known| Mailbox::parse(&known.mail).ok()))
    }
}

/// Where an attempt comes from, as far as remembered logins go.
fn login_place(attempt: &LoginAttempt) -> AttemptSource {
    let place = attempt.request.unchecked.place.as_ref().unwrap_or(&attempt.request.source);
    AttemptSource { request: None, ..place.clone() }
}
