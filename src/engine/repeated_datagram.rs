//! A datagram that comes again after the server has forgotten it gets the same decision again.
//!
//! Clients resend a packet for up to a minute, the server keeps its answers for `cleanup_delay` (5 s). What was
//! decided on a datagram stands in for one thing only: that its passcode can be spent, or that its user has been
//! asked. Everything else is checked again: the password is verified again, the store refuses users who are locked or
//! deleted and tokens that are disabled, and a passcode has to be the one that was spent. What does not hold any more
//! is decided like any other attempt.

use super::earlier_decision::{DatagramRecord, DecisionBasis, EarlierDecision, EarlierOutcome};
use super::evaluation::Evidence;
use super::pending_login::{PendingLogin, known_by};
use super::port::{Account, AttemptFinding, EnrolledToken, RememberedLoginDigest, SpendPasscode, TokenMatch};
use super::{
    AcceptReason, AttemptSource, ChallengedLogin, Decision, Engine, LoginAttempt, Outcome, PacketRole,
    PasscodeTag, ProofClass, RefusalReason, UserAttributes,
};
use crate::types::{Mode, Timestamp, TokenId, UserId, UserName};
use std::sync::Arc;

impl DecisionBasis {
    /// The basis of a decision on this attempt. None if it must not be repeated.
    pub(super) fn for_attempt(
        attempt: &LoginAttempt,
        user: Option<UserId>,
        finding: Option<&AttemptFinding>,
    ) -> Option<Self> {
        let spent = match finding {
            Some(
                AttemptFinding::Repeated { .. } | AttemptFinding::Refused(RefusalReason::ChallengeRepeated),
            ) => {
                return None;
            }
            // A repeated question is asked again.
            Some(AttemptFinding::Asked) => return None,
            Some(AttemptFinding::Right { token, spend, .. }) => Some((*token, *spend)),
            Some(_) | None => None,
        };
        match attempt.datagram {
            DatagramRecord::Unknown => None,
            DatagramRecord::New | DatagramRecord::Again(_) => {
                let (at, mode, password_status) = (attempt.request.at, attempt.mode, attempt.password_status);
                let is_remembered = matches!(
                    finding,
                    Some(AttemptFinding::Remembered | AttemptFinding::RememberedOnce { .. })
                );
                let mark = attempt.remembered_login_digest().filter(|_| is_remembered).cloned();
                Some(Self { at, mode, password_status, user, spent, mark })
            }
        }
    }
}

impl EarlierDecision {
    /// What to keep of a decision that is being sent, already in words, on a datagram of this role.
    pub fn new(decision: &Decision, role: PacketRole) -> Option<Self> {
        let (user, basis) = (decision.user.clone()?, decision.basis.clone()?);
        let outcome = match &decision.outcome {
            Outcome::Accept(accepted) => match accepted.reason {
                AcceptReason::Right
                | AcceptReason::Resynchronised
                | AcceptReason::Approved
                | AcceptReason::Remembered
                | AcceptReason::LetInUnenrolled => {
                    let (reason, factor, token) = (accepted.reason, accepted.factor, accepted.token.clone());
                    EarlierOutcome::Accepted { reason, factor, token }
                }
                AcceptReason::Exempt
                | AcceptReason::Repeated
                | AcceptReason::Bypassed
                | AcceptReason::BypassedByProvider => return None,
            },
            Outcome::Challenge(challenge) => {
                let (state, message) = (challenge.state.clone(), decision.message.clone());
                EarlierOutcome::Challenged { state, message, echo: decision.echo }
            }
            Outcome::Pending(_) | Outcome::Refuse(_) => return None,
        };
        let answer =
            (role == PacketRole::Answer).then(|| decision.grants.as_ref().map(UserAttributes::without_keys));
        Some(Self { user, basis, answer, outcome })
    }

    #[cfg(test)]
    pub(crate) fn sample_for(user: &str) -> Self {
        let (at, mode) = (Timestamp::default(), Mode::Passcode);
        Self {
            user: UserName::from_canonical(user),
            basis: DecisionBasis {
                at,
                mode,
                password_status: super::PasswordStatus::NotRequired,
                user: None,
                spent: None,
                mark: None,
            },
            answer: None,
            outcome: EarlierOutcome::Accepted { reason: AcceptReason::Approved, factor: None, token: None },
        }
    }

    #[cfg(test)]
    pub(crate) fn sample_challenge(user: &str) -> Self {
        let outcome = EarlierOutcome::Challenged {
            state: String::new(),
            message: Vec::new(),
            echo: crate::config::profile::PromptEcho::default(),
        };
        Self { outcome, ..Self::sample_for(user) }
    }

    /// Unproven if no password, passcode or device is behind it: a challenge that anyone can cause.
    pub const fn proof_class(&self) -> ProofClass {
        match &self.outcome {
            EarlierOutcome::Challenged { .. } if !self.basis.password_status.is_proven() => {
                ProofClass::Unproven
            }
            EarlierOutcome::Challenged { .. } | EarlierOutcome::Accepted { .. } => ProofClass::Proven,
        }
    }

    /// Octets that it holds beside itself.
    pub fn heap_size(&self) -> usize {
        let outcome = match &self.outcome {
            EarlierOutcome::Accepted { token, .. } => token.as_ref().map_or(0, String::len),
            EarlierOutcome::Challenged { state, message, .. } => {
                state.len() + message.iter().map(|text| text.len() + size_of::<String>()).sum::<usize>()
            }
        };
        let grants = self.answer.as_ref().and_then(Option::as_ref).map_or(0, UserAttributes::heap_size);
        self.user.as_str().len() + outcome + grants
    }

    /// What it means for a login with this mark from this place: only one that was remembered by it is again.
    pub(super) fn recalled_login(
        &self,
        name: &UserName,
        place: AttemptSource,
        mark: &RememberedLoginDigest,
    ) -> Option<AttemptFinding> {
        let is_remembered =
            matches!(self.outcome, EarlierOutcome::Accepted { reason: AcceptReason::Remembered, .. });
        let is_same = self.user == *name && self.basis.mark.as_ref() == Some(mark);
        // The password was verified again: nothing is left to count.
        let (since, tag) = (self.basis.at, PasscodeTag::default());
        let remembered = Some((place, mark.clone()));
        (is_remembered && is_same).then_some(AttemptFinding::Repeated { token: None, since, remembered, tag })
    }

    /// The same challenge again.
    fn ask_again(&self, decision: Decision) -> Decision {
        let reason = RefusalReason::ChallengeRepeated;
        match &self.outcome {
            EarlierOutcome::Challenged { state, message, echo } if decision.reason() == reason.into() => {
                let challenge = ChallengedLogin { reason, question: None, state: state.clone() };
                let outcome = Outcome::Challenge(challenge);
                Decision { outcome, message: message.clone(), echo: *echo, ..decision }
            }
            EarlierOutcome::Challenged { .. } | EarlierOutcome::Accepted { .. } => decision,
        }
    }
}

impl LoginAttempt {
    /// The decision on the same datagram, if it was not the answer to a challenge.
    pub(super) fn earlier_decision(&self) -> Option<Arc<EarlierDecision>> {
        match &self.datagram {
            DatagramRecord::Again(earlier) if earlier.answer.is_none() => Some(Arc::clone(earlier)),
            DatagramRecord::Again(_) | DatagramRecord::New | DatagramRecord::Unknown => None,
        }
    }

    /// Whether it is the answer to a challenge, in a datagram that was answered before.
    pub fn repeats_answer(&self) -> bool {
        matches!(&self.datagram, DatagramRecord::Again(earlier) if earlier.answer.is_some() && self.request.state.is_some())
    }
}

impl Engine {
    /// The passcode that this very datagram has spent. It is checked again, at the time at which it was right.
    pub(super) fn repeated_passcode(&self, attempt: &LoginAttempt, known: &Account) -> Option<Evidence> {
        let earlier = attempt.earlier_decision().filter(|earlier| earlier.basis.mode == attempt.mode)?;
        self.spent_passcode(attempt, &earlier, known)
    }

    fn spent_passcode(
        &self,
        attempt: &LoginAttempt,
        earlier: &EarlierDecision,
        known: &Account,
    ) -> Option<Evidence> {
        let DecisionBasis { at, user, spent, .. } = earlier.basis;
        let (EarlierOutcome::Accepted { .. }, Some((id, spent))) = (&earlier.outcome, spent) else {
            return None;
        };
        let token = known.enabled_token(id).filter(|_| user == Some(known.id))?;
        let (check, password) = self.check_token(attempt, &before_spending(token, spent), at);
        let passcode = match (check, spent) {
            (TokenMatch::Right { spend, passcode }, _) if is_same(spend, spent) => Some(passcode),
            // Its hash is gone. The datagram is the same to the last octet, so the passcode is.
            (_, SpendPasscode::Sent { .. }) => None,
            (
                TokenMatch::Right { .. } | TokenMatch::Spent | TokenMatch::Drifted { .. } | TokenMatch::No,
                _,
            ) => return None,
        };
        Some(Evidence {
            factor: Some(token.factor),
            token: Some(token.serial.clone()),
            passcode,
            password,
            ..repeated_accept(Some(id), at, self.passcode_tag(&attempt.password)).into()
        })
    }

    /// Replaces a second push, or a second question to a provider, for the same datagram: the backend has verified
    /// the password again.
    ///
    /// # Errors
    ///
    /// The undecided login itself, if there is no earlier decision that would hold.
    pub async fn repeat_push(&self, it: PendingLogin) -> Result<Decision, Box<PendingLogin>> {
        let fits = |earlier: &Arc<EarlierDecision>| {
            earlier.user == it.name && earlier.basis.mode == it.attempt.mode && earlier.basis.user == it.user
        };
        let Some(earlier) = it.attempt.earlier_decision().filter(fits) else { return Err(Box::new(it)) };
        let checked = match &earlier.outcome {
            EarlierOutcome::Accepted { reason: AcceptReason::Approved, factor, token } => Evidence {
                factor: *factor,
                token: token.clone(),
                ..repeated_accept(None, earlier.basis.at, it.tag).into()
            },
            EarlierOutcome::Accepted { .. } => return Err(Box::new(it)),
            EarlierOutcome::Challenged { .. } => {
                AttemptFinding::Refused(RefusalReason::ChallengeRepeated).into()
            }
        };
        let known = it.user.map(|id| known_by(id, it.enrolled));
        let decision = self.commit(&it.attempt, Some(it.name), known, checked).await;
        Ok(earlier.ask_again(decision))
    }

    /// Ends a login whose datagram answered a challenge before and comes again: its State is redeemed already. If the
    /// earlier decision does not hold, the login goes on as an answer to no challenge.
    pub(super) async fn repeat_answer(&self, login: &LoginAttempt, name: &UserName) -> Result<(), Decision> {
        let DatagramRecord::Again(earlier) = &login.datagram else { return Ok(()) };
        let Some(grants) = earlier.answer.clone().filter(|_| login.request.state.is_some()) else {
            return Ok(());
        };
        let password_status = earlier.basis.password_status;
        if !password_status.is_good_at(login.password_status) {
            return Ok(());
        }
        let login = LoginAttempt { mode: Mode::Passcode, password_status, grants, ..login.clone() };
        let owner = self.token_owner(&login, name);
        let unavailable = |error| Decision::store_unavailable(Some(owner.clone()), error);
        let account = self.store.find_account(&owner).await.map_err(unavailable)?;
        if earlier.user != owner || earlier.basis.user != account.as_ref().map(|account| account.id) {
            return Ok(());
        }
        let evidence = match (&earlier.outcome, earlier.basis.spent) {
            (EarlierOutcome::Challenged { .. }, _) => {
                AttemptFinding::Refused(RefusalReason::ChallengeRepeated).into()
            }
            (EarlierOutcome::Accepted { .. }, Some(_)) => {
                let spent =
                    account.as_ref().and_then(|account| self.spent_passcode(&login, earlier, account));
                let Some(evidence) = spent else { return Ok(()) };
                evidence
            }
            (EarlierOutcome::Accepted { factor, token, .. }, None) => Evidence {
                factor: *factor,
                token: token.clone(),
                ..repeated_accept(None, earlier.basis.at, self.passcode_tag(&login.password)).into()
            },
        };
        let decision = self.commit(&login, Some(owner), account, evidence).await;
        Err(earlier.ask_again(decision))
    }

    /// What lets a user without a token in: the same login counts once.
    pub(super) fn unenrolled_finding(
        &self,
        attempt: &LoginAttempt,
        name: &UserName,
        logins: Option<u32>,
    ) -> AttemptFinding {
        let earlier = attempt.earlier_decision().filter(|earlier| earlier.user == *name);
        match earlier.as_deref() {
            Some(EarlierDecision {
                outcome: EarlierOutcome::Accepted { reason: AcceptReason::LetInUnenrolled, .. },
                basis,
                ..
            }) => repeated_accept(None, basis.at, self.passcode_tag(&attempt.password)),
            _ => AttemptFinding::Unenrolled { logins },
        }
    }
}

/// An accept of this token at this time, or of none, of the same datagram.
fn repeated_accept(token: Option<TokenId>, since: Timestamp, tag: PasscodeTag) -> AttemptFinding {
    AttemptFinding::Repeated { token, since, remembered: None, tag }
}

/// The token as it was before this was spent.
fn before_spending(token: &EnrolledToken, spent: SpendPasscode) -> EnrolledToken {
    let next = match spent {
        SpendPasscode::Step { step, .. } => step,
        SpendPasscode::Code { index } => token.next & !1i64.checked_shl(index).unwrap_or_default(),
        SpendPasscode::Sent { .. } => token.next,
    };
    EnrolledToken { next, resync: None, ..token.clone() }
}

/// Whether both spend the same passcode.
fn is_same(one: SpendPasscode, other: SpendPasscode) -> bool {
    match (one, other) {
        (SpendPasscode::Step { step, .. }, SpendPasscode::Step { step: other, .. }) => step == other,
        (one, other) => one == other,
    }
}
