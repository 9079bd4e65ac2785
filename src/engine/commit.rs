//! The one write that decides an attempt, and what is said of it afterwards.

use super::challenge::NextChallenge;
use super::evaluation::{EvaluatedLogin, Evidence};
use super::port::{Account, AttemptCommit, AttemptFinding, AuditRecord, PendingId};
use super::prompt::Question;
use super::reason::ReasonClass;
use super::spray_detection::SprayEffect;
use super::{
    AcceptedLogin, ChallengedLogin, Decision, DecisionBasis, Engine, LoginAttempt, Outcome, PacketRole,
    PasscodeTag, PasswordProof, Reason, RefusalReason, SubmittedPassword,
};
use crate::types::{Timestamp, UserName, keyed_digest};
use std::time::Duration;

impl Engine {
    /// Writes an attempt that needs no check: an exception, or a refusal by the guard.
    pub async fn record_attempt(&self, attempt: LoginAttempt, finding: AttemptFinding) -> Decision {
        let name = UserName::parse(&attempt.request.user, &self.config.names).ok();
        self.commit(&attempt, name, None, finding.into()).await
    }

    /// Writes an attempt of which policy says that it needs no second factor; `by` is what says so.
    pub async fn record_exemption(&self, attempt: LoginAttempt, by: String) -> Decision {
        let name = UserName::parse(&attempt.request.user, &self.config.names).ok();
        self.commit_exemption(&attempt, name, Some(by)).await
    }

    pub(super) async fn commit_exemption(
        &self,
        attempt: &LoginAttempt,
        name: Option<UserName>,
        by: Option<String>,
    ) -> Decision {
        let checked = Evidence { token: by.clone(), ..AttemptFinding::Exempt.into() };
        let decision = self.commit(attempt, name, None, checked).await;
        Decision { detail: decision.detail.clone().or(by), ..decision }
    }

    /// Commits an evaluated login. Its passcode stays reserved until that is done.
    pub(super) async fn commit_evaluated(&self, evaluated: EvaluatedLogin) -> Decision {
        let EvaluatedLogin { login, owner, account, evidence, reservation } = evaluated;
        let decision = self.commit(&login, Some(owner), account, evidence).await;
        drop(reservation);
        decision
    }

    /// Decides and records an attempt in one durable, serialised write.
    pub(super) async fn commit(
        &self,
        attempt: &LoginAttempt,
        name: Option<UserName>,
        known: Option<Account>,
        checked: Evidence,
    ) -> Decision {
        let user = known.map(|known| known.id);
        let basis = DecisionBasis::for_attempt(attempt, user, Some(&checked.finding));
        let settled = self.store.commit_attempt(AttemptCommit {
            user,
            password_status: attempt.password_status,
            second_code: checked.second_code,
            limits: self.config.lockout,
            finding: checked.finding,
            conversation: checked.conversation,
            next: checked.follow.as_ref().map(|follow| follow.next.clone()),
            record: AuditRecord {
                at: attempt.request.at,
                user: name.as_ref().map(UserName::to_string).unwrap_or_default(),
                source: attempt.request.source.clone(),
                mode: attempt.mode,
                factor: checked.factor,
                token: checked.token.clone(),
            },
            remember: self.remembered_login(attempt),
            spends: checked.spends,
            pending: PendingId::for_attempt(attempt),
        });
        let decision = match settled.await {
            Ok(reason) => {
                let outcome = match reason.class() {
                    ReasonClass::Accepts(reason) => Outcome::Accept(AcceptedLogin {
                        reason,
                        factor: checked.factor,
                        token: checked.token,
                        passcode: checked.passcode,
                    }),
                    ReasonClass::PasswordPending => {
                        let presented = (checked.factor, checked.token, checked.password);
                        self.pending_password(attempt, name.as_ref(), presented, basis.clone())
                    }
                    ReasonClass::Refuses(reason) => match checked.follow.filter(|_| reason.asks_again()) {
                        Some(follow) => Outcome::Challenge(challenge_because(reason, follow)),
                        None => Outcome::Refuse(reason.into()),
                    },
                };
                Decision::new(name, outcome)
            }
            Err(error) => Decision::store_unavailable(name, error),
        };
        let locked =
            if attempt.is_proven() { self.time_locked(&decision, attempt.request.at).await } else { None };
        let SprayEffect { hold, alarm } = self.notice_failure(attempt, &decision);
        let last_state = self.last_challenge(attempt, &decision);
        let (proven, grants) = (attempt.is_proven(), attempt.grants.clone());
        Decision { proven, grants, basis, hold, alarm, ..decision }.map_refusal(|refused| {
            refused.locked = locked;
            refused.last_state = last_state;
        })
    }

    /// For how long the user is still locked, if that is why the login is refused. None for a lock without end.
    pub(super) async fn time_locked(&self, decision: &Decision, now: Timestamp) -> Option<Duration> {
        let (Some(name), Reason::Locked | Reason::LockedNow) = (&decision.user, decision.reason()) else {
            return None;
        };
        let until = self.store.locked_until(name).await.ok()?;
        (until < Timestamp::FOREVER).then(|| until.since(now))
    }

    /// Whether this is one of many failures for many names. A passcode that was right is none, but if the password is wrong its refusal
    /// is held back like the others: it must not tell the passcode.
    fn notice_failure(&self, attempt: &LoginAttempt, decision: &Decision) -> SprayEffect {
        let is_guess = decision.reason().is_guess();
        let client = &attempt.request.source.client;
        match (&decision.user, attempt.password_proof(PacketRole::First), decision.reason()) {
            (Some(user), PasswordProof::Unproven, _) if is_guess => {
                self.sprays.record_failure(client, user.as_str(), attempt.request.at)
            }
            (Some(user), PasswordProof::Unproven, Reason::PasswordPending) => SprayEffect {
                hold: self.sprays.delay_now(client, user.as_str(), attempt.request.at),
                alarm: None,
            },
            _ => SprayEffect::default(),
        }
    }

    /// A keyed digest of what was presented, by which a retransmitted wrong code is known again.
    pub(super) fn passcode_tag(&self, password: &SubmittedPassword) -> PasscodeTag {
        PasscodeTag(self.keyed_digest(password.distinguishing_parts()))
    }

    /// A digest under the key of this process.
    pub(super) fn keyed_digest<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 16] {
        let mut digest = [0; 16];
        for (to, from) in digest.iter_mut().zip(keyed_digest(&self.tag_key, parts).unwrap_or_default()) {
            *to = from;
        }
        digest
    }
}

/// The challenge that asks again, and says why unless that is plain.
fn challenge_because(reason: RefusalReason, follow: NextChallenge) -> ChallengedLogin {
    let says_why = !matches!(reason, RefusalReason::Challenged | RefusalReason::CodesSent);
    let because = says_why.then_some(reason);
    let left = Some(u32::from(follow.next.turn.tries).saturating_add(1));
    ChallengedLogin {
        reason,
        question: Some(Question { because, left, asks: follow.asks }),
        state: follow.state,
    }
}
