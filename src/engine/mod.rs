//! The decision: compares what a login presents with what is known of the user. No I/O, no clock, no randomness;
//! external dependencies come in through the traits of [`port`], the time as an argument.
//!
//! A login is [`Engine::start`]: find the user, evaluate what was presented against every token, and commit the
//! finding in one durable write that alone decides. What only the user can decide, on a device, continues in
//! [`Engine::ask`].

pub mod challenge;
mod code_sending;
pub mod directory;
mod failure_budget;
mod field_reading;
mod first_factor;
mod last_challenge;
mod lockout;
mod login_request;
pub mod messenger;
mod mschap;
mod packed_field;
mod passcode_inquiry;
mod passcode_reservations;
mod password_split;
mod password_status;
mod pending;
mod policy;
pub mod port;
mod presented_factor;
pub mod prompt;
pub mod provider;
mod push;
mod push_rate_limit;
mod repeated_datagram;
mod single_factor;
mod spray_detection;
mod verdict;

#[cfg(test)]
pub(crate) mod fake;
#[cfg(test)]
mod field_tests;
#[cfg(test)]
mod tests;

pub use failure_budget::{DailyRate, FailureBudget};
pub use first_factor::{PreAuthFacts, UserAttributes};
pub use lockout::{FailureCounts, Gate, PasscodeTag, PasswordProof, SourceFailures, Strikes};
pub use login_request::{
    AttemptEntropy, AttemptSource, LoginEndpoint, LoginRequest, SubmittedPassword, VerifiedPassword,
    encode_state, is_state,
};
pub use packed_field::{is_packed, unpack_field};
#[doc(hidden)]
pub use password_split::split_field;
pub use password_split::{FieldContents, PasscodePlace};
pub use password_status::{PasswordStatus, PasswordVerifier};
pub use pending::PendingAccept;
pub use policy::{ExemptionReason, PolicyContext};
pub use presented_factor::PresentedFactor;
pub use push::{AskResult, PendingLogin, StopReason};
pub use repeated_datagram::{DatagramRecord, DecisionBasis, EarlierDecision};
pub use spray_detection::SprayAlarm;
pub use verdict::{Decision, Reason, Verdict};

use crate::config::Config;
use crate::types::{Factor, Mode, Secret, Timestamp, TokenId, UserId, UserName};
use challenge::{ChallengeState, ConversationId, NextChallenge};
use directory::{PasswordBackend, UserDirectory};
use failure_budget::PasswordBudgets;
use field_reading::FieldReading;
use hmac::{Hmac, KeyInit, Mac};
use passcode_reservations::PasscodeReservations;
use port::{
    Account, AttemptCommit, AttemptFinding, AuditRecord, EnrolledToken, PasscodeVerifier, PendingId,
    SecondCode, SpendPasscode, Store, TokenMatch,
};
use prompt::{Question, QuestionKind};
use provider::PushProvider;
use push_rate_limit::{BypassLimiter, PushRateLimiter};
use sha2::Sha256;
use spray_detection::{SprayDetector, SprayEffect};
use std::sync::Arc;
use std::time::Duration;

/// Decides on second factors. One for each module instance; shared by all threads.
pub struct Engine {
    config: Arc<Config>,
    store: Arc<dyn Store>,
    factors: Arc<dyn PasscodeVerifier>,
    tag_key: Secret,
    provider: Option<Arc<dyn PushProvider>>,
    /// Who checks passwords.
    authority: Option<Arc<dyn PasswordBackend>>,
    /// Who knows users.
    directory: Option<Arc<dyn UserDirectory>>,
    /// By which ways codes are sent here.
    sends: Vec<Factor>,
    nudges: PushRateLimiter,
    bypasses: BypassLimiter,
    held: PasscodeReservations,
    passwords: PasswordBudgets,
    sprays: SprayDetector,
}

/// How far a login came without asking anybody outside.
#[derive(Debug)]
#[must_use]
pub enum Step {
    /// To its end.
    Decided(Box<Decision>),
    /// The user or an external service must be asked.
    Ask(Box<PendingLogin>),
}

impl From<Decision> for Step {
    fn from(decision: Decision) -> Self {
        Self::Decided(Box::new(decision))
    }
}

/// What the check of all tokens came to; the store has not spoken yet.
struct Evidence {
    finding: AttemptFinding,
    factor: Option<Factor>,
    token: Option<String>,
    passcode: Option<Secret>,
    password: Option<Secret>,
    /// In which conversation it was found, and the challenge that may follow.
    conversation: Option<ConversationId>,
    follow: Option<NextChallenge>,
    /// A right code that is spent though something else stands against the login.
    spends: Option<(TokenId, SpendPasscode)>,
    /// Whether a single right code is enough.
    second_code: SecondCode,
}

/// How far a login comes before anything is written.
enum Evaluation {
    /// No further.
    Begun(Step),
    /// To what is to be settled.
    Checked { attempt: Box<LoginRequest>, known: Option<Account>, checked: Box<Evidence> },
}

impl From<AttemptFinding> for Evidence {
    fn from(finding: AttemptFinding) -> Self {
        Self {
            finding,
            factor: None,
            token: None,
            passcode: None,
            password: None,
            conversation: None,
            follow: None,
            spends: None,
            second_code: SecondCode::ByBudget,
        }
    }
}

impl Engine {
    /// `tag_key` is random and lives as long as the process: it keys the tags by which a repeated wrong code is known again.
    pub fn new(
        config: Arc<Config>,
        store: Arc<dyn Store>,
        factors: Arc<dyn PasscodeVerifier>,
        tag_key: Secret,
    ) -> Self {
        Self {
            config,
            store,
            factors,
            tag_key,
            provider: None,
            authority: None,
            directory: None,
            sends: Vec::new(),
            nudges: PushRateLimiter::default(),
            bypasses: BypassLimiter::default(),
            held: PasscodeReservations::default(),
            passwords: PasswordBudgets::default(),
            sprays: SprayDetector::default(),
        }
    }

    /// Adds the push provider.
    pub fn with_push_provider(self, provider: Option<Arc<dyn PushProvider>>) -> Self {
        Self { provider, ..self }
    }

    /// Adds the password backend and the user directory.
    pub fn with_password_backend(
        self,
        authority: Option<Arc<dyn PasswordBackend>>,
        directory: Option<Arc<dyn UserDirectory>>,
    ) -> Self {
        Self { authority, directory, ..self }
    }

    /// With codes that are sent by these ways.
    pub fn with_delivery(self, sends: Vec<Factor>) -> Self {
        Self { sends, ..self }
    }

    /// Decides one attempt, as far as that needs no external service. An accept has been written durably, its
    /// passcode spent, before this returns it; what could not be written is [`Reason::Unavailable`].
    pub async fn start(&self, mut attempt: LoginRequest) -> Step {
        let name = match UserName::parse(&attempt.user, &self.config.names) {
            Ok(name) => name,
            Err(bad) => {
                let refused = AttemptFinding::Refused(bad.into()).into();
                return self.commit(&attempt, None, None, refused).await.into();
            }
        };
        if let Some(decision) = self.repeat_answer(&attempt, &name).await {
            return decision.into();
        }
        let turn = match self.redeem_state(&mut attempt, &name).await {
            Ok(turn) => turn,
            Err(decision) => return decision.into(),
        };
        if attempt.password_status.is_ours_to_check() {
            return self.verify_first_factor(attempt, name, turn.and_then(|turn| turn.relayed)).await;
        }
        if turn.is_none() && self.is_inquiry(&attempt) {
            return self.ask_for_passcode(&attempt, &name).await.into();
        }
        // Of those who were asked for a passcode, nothing has been looked up.
        let is_looked_up =
            turn.as_ref().is_some_and(|turn| turn.password_status.is_proven() || turn.grants.is_some());
        if !is_looked_up && self.asks_who_they_are() {
            match self.grants_of(&attempt, &name).await {
                // The token owner cannot be determined. That is not the same as having no token; only a user without
                // a verified password is treated so.
                Ok(None) if attempt.is_proven() && !self.config.stored_as.needs_only_the_name() => {
                    return self
                        .record_auth_failure(attempt, name, directory::AuthFailure::Unknown)
                        .await
                        .into();
                }
                Ok(grants) => attempt.grants = grants,
                Err(refused) => return self.record_auth_failure(attempt, name, refused).await.into(),
            }
        }
        let name = self.token_owner(&attempt, &name);
        self.verify_second_factor(attempt, name, turn).await
    }

    /// Evaluates the second factor. `name` is the token owner.
    async fn verify_second_factor(
        &self,
        attempt: LoginRequest,
        name: UserName,
        turn: Option<ChallengeState>,
    ) -> Step {
        let weighed = self.evaluate(attempt, &name, turn).await;
        self.finish_evaluation(weighed, name).await
    }

    async fn finish_evaluation(&self, weighed: Evaluation, name: UserName) -> Step {
        match weighed {
            Evaluation::Begun(begun) => begun,
            Evaluation::Checked { attempt, known, checked } => {
                self.commit(&attempt, Some(name), known, *checked).await.into()
            }
        }
    }

    /// What the second factor comes to. A code that is right is not spent yet.
    async fn evaluate(
        &self,
        mut attempt: LoginRequest,
        name: &UserName,
        turn: Option<ChallengeState>,
    ) -> Evaluation {
        let ended = |decision: Decision| Evaluation::Begun(decision.into());
        let mut known = match self.store.find_account(name).await {
            Ok(known) => known,
            Err(error) => return ended(Decision::store_unavailable(Some(name.clone()), error)),
        };
        attempt.proof = self.remembered_login_digest(&attempt, name);
        match self.decide_without_second_factor(&attempt, name, known.as_ref(), turn.as_ref()).await {
            Ok(None) => {}
            Ok(Some(decision)) => return ended(decision),
            Err(error) => return ended(Decision::store_unavailable(Some(name.clone()), error)),
        }
        if let Some(known) = &mut known {
            known.keep_codes_of(turn.as_ref().map(|turn| turn.conversation));
        }
        let checked = match self.read_field(&attempt, known.as_ref(), turn.as_ref()) {
            FieldReading::Ask(asks) => {
                let undecided = self.pending_login(attempt, name.clone(), known, turn, asks);
                return Evaluation::Begun(Step::Ask(Box::new(undecided)));
            }
            FieldReading::Offer(finding, asks) => {
                let follow = self.follow_known(&attempt, known.as_ref(), turn.as_ref(), asks);
                Evidence { follow, ..finding.into() }
            }
            FieldReading::Check => {
                let follow = turn
                    .as_ref()
                    .and_then(|_| self.follow_known(&attempt, known.as_ref(), turn.as_ref(), None));
                Evidence { follow, ..self.evaluate_passcode(&attempt, known.as_ref()) }
            }
        };
        let checked = Box::new(Evidence { conversation: turn.map(|turn| turn.conversation), ..checked });
        Evaluation::Checked { attempt: Box::new(attempt), known, checked }
    }

    /// Redeems the request's State, if there is one; the request then holds only an answer. A State that is not open,
    /// or belongs to another user, is a refusal.
    async fn redeem_state(
        &self,
        attempt: &mut LoginRequest,
        name: &UserName,
    ) -> Result<Option<ChallengeState>, Decision> {
        let Some(state) = &attempt.state else { return Ok(None) };
        if self.is_last_challenge(state) {
            let refused = AttemptFinding::Refused(Reason::Ended).into();
            return Err(self.commit(attempt, Some(name.clone()), None, refused).await);
        }
        let state = challenge::state_digest(state);
        match self.store.redeem_challenge(state, name, &attempt.source, attempt.at).await {
            Ok(Some(turn)) => {
                if !turn.is_good_at(attempt) {
                    let refused = AttemptFinding::Refused(Reason::BadState).into();
                    return Err(self.commit(attempt, Some(name.clone()), None, refused).await);
                }
                // The answer is a password, which is still to be checked.
                if turn.relayed.is_some() {
                    return Ok(Some(turn));
                }
                attempt.password_status = turn.password_status;
                attempt.mode = Mode::Passcode;
                attempt.grants.clone_from(&turn.grants);
                attempt.proof = turn.mark.clone().map(VerifiedPassword::Mark);
                Ok(Some(turn))
            }
            Ok(None) => {
                let refused = AttemptFinding::Refused(Reason::BadState).into();
                Err(self.commit(attempt, Some(name.clone()), None, refused).await)
            }
            Err(error) => Err(Decision::store_unavailable(Some(name.clone()), error)),
        }
    }

    /// The challenge that may follow where no provider has to be asked for factors.
    fn follow_known(
        &self,
        attempt: &LoginRequest,
        known: Option<&Account>,
        turn: Option<&ChallengeState>,
        asks: Option<QuestionKind>,
    ) -> Option<NextChallenge> {
        let (ways, passcode) = match turn {
            Some(turn) => (turn.ways.clone(), turn.passcode),
            None => self.local_factors(known),
        };
        self.build_next_challenge(attempt, turn, ways, passcode, asks)
    }

    /// Like `start`, where no external service can be asked: what would need one is refused.
    pub async fn decide_without_waiting(&self, attempt: LoginRequest) -> Decision {
        match self.start(attempt).await {
            Step::Decided(decision) => *decision,
            Step::Ask(undecided) => self.close(*undecided, Reason::Busy).await,
        }
    }

    /// Writes an attempt that needs no check: an exception, or a refusal by the guard.
    pub async fn record_attempt(&self, attempt: LoginRequest, finding: AttemptFinding) -> Decision {
        let name = UserName::parse(&attempt.user, &self.config.names).ok();
        self.commit(&attempt, name, None, finding.into()).await
    }

    /// Writes an attempt of which policy says that it needs no second factor; `by` is what says so.
    pub async fn record_exemption(&self, attempt: LoginRequest, by: String) -> Decision {
        let name = UserName::parse(&attempt.user, &self.config.names).ok();
        self.commit_exemption(&attempt, name, Some(by)).await
    }

    async fn commit_exemption(
        &self,
        attempt: &LoginRequest,
        name: Option<UserName>,
        by: Option<String>,
    ) -> Decision {
        let checked = Evidence { token: by.clone(), ..AttemptFinding::Exempt.into() };
        let decision = self.commit(attempt, name, None, checked).await;
        Decision { detail: decision.detail.clone().or(by), ..decision }
    }

    /// Checks what was presented against every token; for unknown users against a token that does not exist, so that
    /// all refusals cost the same. Whatever can be decided without knowing the user is decided first, for all names
    /// alike.
    fn evaluate_passcode(&self, attempt: &LoginRequest, known: Option<&Account>) -> Evidence {
        match (attempt.mode, &attempt.password) {
            (_, SubmittedPassword::Absent) => return AttemptFinding::Refused(Reason::NoPassword).into(),
            // A digest over the passcode alone would pass for one over password and passcode.
            (
                Mode::Append | Mode::Challenge | Mode::Auto,
                SubmittedPassword::Chap { .. }
                | SubmittedPassword::MsChap { .. }
                | SubmittedPassword::MsChap2 { .. },
            ) => {
                return AttemptFinding::Refused(Reason::NeedsPap).into();
            }
            (Mode::Append | Mode::Passcode | Mode::Challenge | Mode::Auto, _) => {}
        }
        let tag = self.passcode_tag(&attempt.password);
        let Some(known) = known else {
            let _ = self.check_token(attempt, &nobodys_token());
            return AttemptFinding::Unknown { tag }.into();
        };
        if !known.has_enabled() {
            let _ = self.check_token(attempt, &nobodys_token());
            return AttemptFinding::NotEnrolled { tag }.into();
        }
        if let Some(checked) = self.repeated_passcode(attempt, known) {
            return checked;
        }
        let mut drifted = None;
        let mut right = None;
        let mut passwords: Vec<PasscodeTag> = Vec::new();
        for token in known.tokens.iter().filter(|token| token.enabled) {
            let (check, password) = self.check_token(attempt, token);
            // The unverified password before a passcode.
            let before = password.as_ref().map(|password| self.password_tag(known.id, password));
            if let Some(before) = before.filter(|before| !passwords.contains(before)) {
                passwords.push(before);
            }
            match (check, password) {
                // What was spent with one token does not pass with another.
                (TokenMatch::Spent, _) => return AttemptFinding::Spent.into(),
                (TokenMatch::Right { spend, passcode }, password) if right.is_none() => {
                    right = Some(Evidence {
                        factor: Some(token.factor),
                        token: Some(token.serial.clone()),
                        passcode: Some(passcode),
                        password,
                        second_code: self.second_code(before, attempt.at),
                        ..AttemptFinding::Right { token: token.id, spend, tag }.into()
                    });
                }
                (TokenMatch::Drifted { step }, _) if drifted.is_none() => drifted = Some((token.id, step)),
                (TokenMatch::Right { .. } | TokenMatch::Drifted { .. } | TokenMatch::No, _) => {}
            }
        }
        right.unwrap_or_else(|| {
            let rate = DailyRate(self.config.lockout.guesses_per_user);
            passwords
                .iter()
                .for_each(|password| self.passwords.take_for_password(*password, tag, rate, attempt.at));
            AttemptFinding::Wrong { tag, drifted }.into()
        })
    }

    /// Whether one right passcode is enough behind an unverified password. Without a password in the field, the store
    /// decides.
    fn second_code(&self, password: Option<PasscodeTag>, now: Timestamp) -> SecondCode {
        let rate = DailyRate(self.config.lockout.guesses_per_user);
        match password.map(|password| self.passwords.is_spent(password, rate, now)) {
            None => SecondCode::ByBudget,
            Some(false) => SecondCode::NotNeeded,
            Some(true) => SecondCode::Needed,
        }
    }

    /// By which the password of a user is known again that stands before a passcode.
    fn password_tag(&self, user: UserId, password: &Secret) -> PasscodeTag {
        PasscodeTag(self.keyed_digest([
            b"before a passcode".as_slice(),
            &user.0.to_be_bytes(),
            password.expose(),
        ]))
    }

    /// One token, and in append mode what is left of the field before its passcode.
    fn check_token(&self, attempt: &LoginRequest, token: &EnrolledToken) -> (TokenMatch, Option<Secret>) {
        match (attempt.mode, &attempt.password) {
            (
                Mode::Append | Mode::Challenge | Mode::Auto,
                presented @ (SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. }),
            ) => match self.parts_by_length(presented, self.factors.passcode_length(token)) {
                Some((password, passcode)) => (
                    self.factors.verify_passcode(token, &PresentedFactor::Plain(passcode), attempt.at),
                    Some(password),
                ),
                None => (TokenMatch::No, None),
            },
            (_, password) => match PresentedFactor::from_password(password) {
                Some(presented) => (self.factors.verify_passcode(token, &presented, attempt.at), None),
                None => (TokenMatch::No, None),
            },
        }
    }

    async fn commit(
        &self,
        attempt: &LoginRequest,
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
                at: attempt.at,
                user: name.as_ref().map(UserName::to_string).unwrap_or_default(),
                source: attempt.source.clone(),
                mode: attempt.mode,
                factor: checked.factor,
                token: checked.token.clone(),
            },
            remember: self.remembered_login(attempt),
            spends: checked.spends,
            pending: PendingId::for_attempt(attempt),
        });
        let decision = match settled.await {
            Ok(reason) if reason.verdict().lets_in() => Decision {
                user: name,
                reason,
                factor: checked.factor,
                token: checked.token,
                passcode: checked.passcode,
                password: checked.password,
                ..Decision::refusal(None, reason)
            },
            Ok(reason @ Reason::PasswordPending) => Decision {
                factor: checked.factor,
                password: checked.password,
                pending: self.pending_accept(
                    attempt,
                    name.as_ref(),
                    checked.factor,
                    checked.token.clone(),
                    basis.clone(),
                ),
                token: checked.token,
                ..Decision::refusal(name, reason)
            },
            Ok(reason) => {
                let refused = Decision::refusal(name, reason);
                match checked.follow.filter(|_| reason.asks_again()) {
                    None => refused,
                    Some(follow) => {
                        let says_why = !matches!(reason, Reason::Challenged | Reason::CodesSent);
                        let because = says_why.then_some(reason);
                        let left = Some(u32::from(follow.next.turn.tries).saturating_add(1));
                        let prompt = Some(Question { because, left, asks: follow.asks });
                        Decision { prompt, state: Some(follow.state), ..refused }
                    }
                }
            }
            Err(error) => Decision::store_unavailable(name, error),
        };
        let locked = if attempt.is_proven() { self.time_locked(&decision, attempt.at).await } else { None };
        let SprayEffect { hold, alarm } = self.notice_failure(attempt, &decision);
        let last_state = self.last_challenge(attempt, &decision);
        let (proven, grants) = (attempt.is_proven(), attempt.grants.clone());
        Decision { proven, locked, grants, basis, last_state, hold, alarm, ..decision }
    }

    /// For how long the user is still locked, if that is why the login is refused. None for a lock without end.
    async fn time_locked(&self, decision: &Decision, now: Timestamp) -> Option<Duration> {
        let (Some(name), Reason::Locked | Reason::LockedNow) = (&decision.user, decision.reason) else {
            return None;
        };
        let until = self.store.locked_until(name).await.ok()?;
        (until < Timestamp::FOREVER).then(|| until.since(now))
    }

    /// Whether this is one of many failures for many names. A passcode that was right is none, but if the password is wrong its refusal
    /// is held back like the others: it must not tell the passcode.
    fn notice_failure(&self, attempt: &LoginRequest, decision: &Decision) -> SprayEffect {
        let is_guess = matches!(
            decision.reason,
            Reason::WrongCode
                | Reason::SpentCode
                | Reason::UnknownUser
                | Reason::NotEnrolled
                | Reason::AnotherCode
                | Reason::Slowed
                | Reason::Locked
                | Reason::LockedNow
                | Reason::WrongPassword
                | Reason::UnknownToDirectory
        );
        let client = &attempt.source.client;
        match (&decision.user, attempt.password_proof(false), decision.reason) {
            (Some(user), PasswordProof::Unproven, _) if is_guess => {
                self.sprays.record_failure(client, user.as_str(), attempt.at)
            }
            (Some(user), PasswordProof::Unproven, Reason::PasswordPending) => {
                SprayEffect { hold: self.sprays.delay_now(client, user.as_str(), attempt.at), alarm: None }
            }
            _ => SprayEffect::default(),
        }
    }

    /// A keyed digest of what was presented, by which a retransmitted wrong code is known again.
    fn passcode_tag(&self, password: &SubmittedPassword) -> PasscodeTag {
        PasscodeTag(self.keyed_digest(password.distinguishing_parts()))
    }

    /// A digest under the key of this process.
    fn keyed_digest<'a>(&self, parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 16] {
        let mut digest = [0; 16];
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.tag_key.expose()) else { return digest };
        for part in parts {
            mac.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            mac.update(part);
        }
        for (to, from) in digest.iter_mut().zip(mac.finalize().into_bytes()) {
            *to = from;
        }
        digest
    }
}

/// The token that unknown users are checked against: same work, no owner. No step of it is spent, so that nothing is skipped.
fn nobodys_token() -> EnrolledToken {
    EnrolledToken {
        id: TokenId(0),
        serial: String::new(),
        factor: Factor::Totp,
        algorithm: Default::default(),
        digits: Default::default(),
        period: Default::default(),
        secret: Secret::new([0u8; 20]),
        pin: None,
        enabled: true,
        next: 0,
        drift: 0,
        resync: None,
        codes: Vec::new(),
        sent: Vec::new(),
        created: Timestamp::default(),
    }
}
