//! A store in memory that keeps the promises of [`port`], a provider and an authority that do as they are told, for unit
//! tests.

use super::challenge::ChallengeState;
use super::directory::{
    self, AuthFailure, Credentials, DirectoryUser, PasswordBackend, PasswordResponse, UserDirectory,
};
use super::port::PasscodeVerifier;
use super::port::{
    Account, AttemptCommit, AttemptFinding, CodeSending, EnrolledToken, NewCode, PasswordConfirmation,
    PendingId, RememberedLoginDigest, ResyncPosition, SecondCode, SentCode, SpendPasscode, StateDigest,
    Store, StoreFuture, TokenMatch, Unavailable,
};
use super::provider::{
    AskOutcome, ProviderError, ProviderFactors, ProviderFuture, PushOutcome, PushProvider, PushQuestion,
    PushRequest, PushResponse,
};
use super::{
    AttemptSource, FailureCounts, Gate, PasscodeTag, PasswordProof, PresentedFactor, Reason, SourceFailures,
    Strikes,
};
use crate::config::FailureLimits;
use crate::types::{Factor, Printable, Secret, Timestamp, TokenId, UserId, UserName};
use std::collections::{HashMap, HashSet};
use std::future::{pending, poll_fn, ready};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

/// What the store does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Mood {
    #[default]
    Well,
    CannotFind,
    CannotSettle,
    /// Never answers, although it accepts.
    Hangs,
}

/// Users with their tokens, and what became of attempts.
#[derive(Default)]
pub(crate) struct Memory(Mutex<Rows>);

#[derive(Default)]
struct Rows {
    mood: Mood,
    users: HashMap<UserName, Account>,
    passwords: HashMap<UserName, String>,
    guesses: HashMap<(String, String), SourceFailures>,
    first_codes: HashSet<(String, String)>,
    strikes: HashMap<UserId, Strikes>,
    unenrolled: HashMap<String, u32>,
    remembered: HashMap<(String, String), super::port::RememberedLogin>,
    audit: Vec<(String, Reason)>,
    challenges: HashMap<StateDigest, (ChallengeState, UserName, AttemptSource, Timestamp)>,
    sent: Vec<(TokenId, SentCode, Timestamp)>,
    pending: HashMap<PendingId, (UserId, (String, String), Strikes)>,
}

impl Memory {
    pub(crate) fn with(user: &str, tokens: impl IntoIterator<Item = EnrolledToken>) -> Self {
        let mut rows = Rows::default();
        let tokens: Vec<EnrolledToken> = tokens.into_iter().collect();
        let had_token = !tokens.is_empty();
        let known = Account { id: UserId(1), tokens, mail: String::new(), had_token };
        rows.users.insert(UserName::from_canonical(user), known);
        Self(Mutex::new(rows))
    }

    fn rows<T>(&self, act: impl FnOnce(&mut Rows) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn be(&self, mood: Mood) {
        self.rows(|rows| rows.mood = mood);
    }

    /// Adds a token to the user.
    pub(crate) fn enrol(&self, user: &str, token: EnrolledToken) {
        self.rows(|rows| {
            if let Some(known) = rows.users.get_mut(&UserName::from_canonical(user)) {
                known.tokens.push(token);
                known.had_token = true;
            }
        });
    }

    /// The administrator locks this user.
    pub(crate) fn lock(&self, user: i64, until: Timestamp) {
        self.rows(|rows| rows.strikes.entry(UserId(user)).or_default().locked_until = until);
    }

    /// Registers the user's mailbox.
    pub(crate) fn register(&self, user: &str, mail: &str) {
        self.rows(|rows| {
            if let Some(known) = rows.users.get_mut(&UserName::from_canonical(user)) {
                known.mail = mail.to_owned();
            }
        });
    }

    /// Sets the user's password hash.
    pub(crate) fn set_password(&self, user: &str, hash: &str) {
        self.rows(|rows| rows.passwords.insert(UserName::from_canonical(user), hash.to_owned()));
    }

    pub(crate) fn token(&self, serial: &str) -> EnrolledToken {
        let found = |rows: &mut Rows| {
            rows.users.values().flat_map(|u| &u.tokens).find(|t| t.serial == serial).cloned()
        };
        self.rows(found).unwrap()
    }

    /// User and reason of every attempt that was recorded.
    pub(crate) fn audit(&self) -> Vec<(String, Reason)> {
        self.rows(|rows| rows.audit.clone())
    }

    /// How many failures this user has.
    pub(crate) fn strikes(&self, user: i64) -> u32 {
        self.rows(|rows| rows.strikes.get(&UserId(user)).map_or(0, |s| s.total))
    }
}

impl Store for Memory {
    fn find_account(&self, name: &UserName) -> StoreFuture<Option<Account>> {
        let (mood, known) = self.rows(|rows| {
            let mut known = rows.users.get(name).cloned();
            for token in known.iter_mut().flat_map(|known| &mut known.tokens) {
                let sent = rows.sent.iter().filter(|(id, ..)| *id == token.id);
                token.sent = sent.map(|(_, code, _)| code.clone()).collect();
            }
            (rows.mood, known)
        });
        answer(mood, mood == Mood::CannotFind, known)
    }

    fn find_password_hash(&self, name: &UserName) -> StoreFuture<Option<String>> {
        let (mood, hash) = self.rows(|rows| (rows.mood, rows.passwords.get(name).cloned()));
        answer(mood, mood == Mood::CannotFind, hash)
    }

    fn check_gate(
        &self,
        name: &UserName,
        source: &AttemptSource,
        limits: FailureLimits,
        standing: PasswordProof,
        now: Timestamp,
    ) -> StoreFuture<Gate> {
        let (mood, gate) = self.rows(|rows| {
            let id = rows.users.get(name).map(|known| known.id);
            let failures = rows.failures(id, &counted(name.as_str(), source, standing));
            (rows.mood, limits.gate_at(&failures, standing, now))
        });
        answer(mood, mood == Mood::CannotFind, gate)
    }

    fn locked_until(&self, name: &UserName) -> StoreFuture<Timestamp> {
        let (mood, until) = self.rows(|rows| {
            let id = rows.users.get(name).map(|known| known.id);
            let strikes = id.and_then(|id| rows.strikes.get(&id).copied()).unwrap_or_default();
            (rows.mood, strikes.locked_until)
        });
        answer(mood, mood == Mood::CannotFind, until)
    }

    fn commit_attempt(&self, settlement: AttemptCommit) -> StoreFuture<Reason> {
        self.rows(|rows| {
            if rows.mood == Mood::CannotSettle {
                return answer(rows.mood, true, Reason::Unavailable);
            }
            let reason = rows.settle(&settlement);
            settlement.spends.and_then(|(token, spend)| rows.spend(token, spend));
            if let (Some(memory), Reason::Right | Reason::Approved) = (settlement.remember, reason) {
                let key = (settlement.record.user.clone(), memory.place.failure_key());
                rows.remembered.insert(key, memory);
            }
            if let Some(next) = settlement.next.filter(|_| reason.asks_again()) {
                let source = settlement.record.source.clone();
                rows.challenges.insert(next.state, (next.turn, next.user, source, next.expires));
            }
            rows.audit.push((settlement.record.user, reason));
            answer(rows.mood, false, reason)
        })
    }

    fn confirm_passcode(&self, confirmation: PasswordConfirmation) -> StoreFuture<Reason> {
        self.rows(|rows| {
            if rows.mood == Mood::CannotSettle {
                return answer(rows.mood, true, Reason::Unavailable);
            }
            let reason = rows.confirm(&confirmation);
            rows.audit.push((confirmation.record.user, reason));
            answer(rows.mood, false, reason)
        })
    }

    fn remembered_login_digest(
        &self,
        name: &UserName,
        source: &AttemptSource,
        password: &Secret,
    ) -> Option<RememberedLoginDigest> {
        Some(mark(name, source, password))
    }

    fn is_remembered(
        &self,
        name: &UserName,
        source: &AttemptSource,
        mark: &RememberedLoginDigest,
        now: Timestamp,
    ) -> StoreFuture<bool> {
        self.rows(|rows| {
            let found = rows.remembered.get(&(name.to_string(), source.failure_key()));
            let is_known =
                found.is_some_and(|known| known.mark == *mark && now < known.until && known.uses != Some(0));
            answer(rows.mood, rows.mood == Mood::CannotFind, is_known)
        })
    }

    fn redeem_challenge(
        &self,
        state: StateDigest,
        name: &UserName,
        source: &AttemptSource,
        now: Timestamp,
    ) -> StoreFuture<Option<ChallengeState>> {
        self.rows(|rows| {
            let taken = rows.challenges.remove(&state);
            let is_his = |(_, user, from, expires): &(ChallengeState, UserName, AttemptSource, Timestamp)| {
                user == name && from.failure_key() == source.failure_key() && now < *expires
            };
            answer(rows.mood, false, taken.filter(is_his).map(|(turn, ..)| turn))
        })
    }

    fn code_not_sent(&self, code: NewCode) -> StoreFuture<()> {
        self.rows(|rows| {
            for (_, sent, at) in &mut rows.sent {
                if sent.hash == code.hash {
                    *at = at.minus(code.rules.pause);
                }
            }
            answer(rows.mood, false, ())
        })
    }

    fn remember_code(&self, code: NewCode) -> StoreFuture<CodeSending> {
        self.rows(|rows| {
            let is_fresh = |(token, sent, at): &(TokenId, SentCode, Timestamp)| {
                *token == code.token
                    && sent.conversation == code.conversation
                    && code.at.since(*at) < code.rules.pause
            };
            if rows.sent.iter().any(is_fresh) {
                return answer(rows.mood, false, CodeSending::JustSent);
            }
            if rows.sent.len() >= usize::try_from(code.rules.per_hour).unwrap() {
                return answer(rows.mood, false, CodeSending::TooMany);
            }
            let NewCode { token, conversation, hash, at, rules, .. } = code;
            let id = i64::try_from(rows.sent.len()).unwrap();
            rows.sent.push((token, SentCode { id, conversation, hash, expires: at.plus(rules.life) }, at));
            answer(rows.mood, false, CodeSending::Remembered)
        })
    }
}

/// A mark is the password with whose it is.
fn mark(name: &UserName, source: &AttemptSource, password: &Secret) -> RememberedLoginDigest {
    use sha2::Digest;
    let key = source.failure_key();
    let parts = [name.as_str().as_bytes(), key.as_bytes(), password.expose()];
    RememberedLoginDigest(sha2::Sha256::digest(parts.join(&0)).into())
}

fn answer<T: Send + 'static>(mood: Mood, fails: bool, value: T) -> StoreFuture<T> {
    Box::pin(async move {
        if mood == Mood::Hangs {
            std::future::pending::<()>().await;
        }
        if fails { Err(Unavailable("disk is full".into())) } else { Ok(value) }
    })
}

/// Under what failures are counted.
fn counted(user: &str, source: &AttemptSource, standing: PasswordProof) -> (String, String) {
    let kind = if standing.is_proven() { "proven " } else { "" };
    (user.to_owned(), format!("{kind}{}", source.failure_key()))
}

impl Rows {
    fn confirm(&mut self, c: &PasswordConfirmation) -> Reason {
        let Some((user, source, after)) = self.pending.remove(&c.pending) else {
            return Reason::NotConfirmed;
        };
        let strikes = self.strikes.get(&user).copied().unwrap_or_default();
        if c.record.at < strikes.locked_until && strikes.locked_until != after.locked_until {
            return Reason::Locked;
        }
        self.guesses.remove(&source);
        self.strikes.remove(&user);
        Reason::Right
    }

    fn failures(&self, id: Option<UserId>, source: &(String, String)) -> FailureCounts {
        FailureCounts {
            source: self.guesses.get(source).copied().unwrap_or_default(),
            user: id.and_then(|id| self.strikes.get(&id).copied()).unwrap_or_default(),
            ..FailureCounts::default()
        }
    }

    fn settle(&mut self, s: &AttemptCommit) -> Reason {
        let (now, limits) = (s.record.at, s.limits);
        let standing = s.password_proof();
        let source = counted(&s.record.user, &s.record.source, standing);
        let failures = self.failures(s.user, &source);
        let strikes = failures.user;
        match s.finding {
            AttemptFinding::Exempt => return Reason::Exempt,
            AttemptFinding::Refused(reason) => return reason.into(),
            AttemptFinding::Asked => return Reason::Challenged,
            AttemptFinding::Fraud => {
                if let Some(id) = s.user {
                    let locked = Strikes { locked_until: now.plus(limits.lock_time), ..strikes };
                    self.strikes.insert(id, locked);
                }
                return Reason::Fraud;
            }
            AttemptFinding::Approved | AttemptFinding::Bypassed | AttemptFinding::BypassedByProvider => {
                return match limits.gate_at(
                    &FailureCounts { source: SourceFailures::default(), ..failures },
                    standing,
                    now,
                ) {
                    Gate::Locked => Reason::Locked,
                    _ if matches!(s.finding, AttemptFinding::Bypassed) => Reason::Bypassed,
                    _ if matches!(s.finding, AttemptFinding::BypassedByProvider) => {
                        Reason::BypassedByProvider
                    }
                    _ => Reason::Approved,
                };
            }
            _ => {}
        }
        match limits.gate_at(&failures, standing, now) {
            Gate::Locked => return Reason::Locked,
            Gate::Slowed if !matches!(s.finding, AttemptFinding::Repeated { .. }) => return Reason::Slowed,
            Gate::Slowed | Gate::Open => {}
        }
        match s.finding {
            AttemptFinding::Repeated { token, since, ref remembered, tag } => {
                let is_there = |id: TokenId| {
                    self.users.values().flat_map(|u| &u.tokens).any(|t| t.id == id && t.enabled)
                };
                return match token {
                    _ if strikes.locked_until > since => Reason::Locked,
                    Some(id) if !is_there(id) => Reason::SpentCode,
                    None if remembered.as_ref().is_some_and(|(place, mark)| {
                        let key = (s.record.user.clone(), place.failure_key());
                        self.remembered.get(&key).is_none_or(|memory| memory.mark != *mark)
                    }) =>
                    {
                        Reason::SpentCode
                    }
                    Some(_) if s.password_status.is_pending() => {
                        let after = limits.after_failure(&failures, tag, PasswordProof::Pending, now);
                        self.guesses.insert(source.clone(), after.source);
                        let user = s.user.unwrap();
                        self.strikes.insert(user, after.user);
                        self.pending.insert(s.pending.unwrap(), (user, source, after.user));
                        Reason::PasswordPending
                    }
                    Some(_) | None => Reason::Repeated,
                };
            }
            AttemptFinding::Remembered => return Reason::Remembered,
            AttemptFinding::RememberedOnce { ref place, ref mark } => {
                let key = (s.record.user.clone(), place.failure_key());
                let memory = self.remembered.get_mut(&key).filter(|memory| memory.mark == *mark);
                return match memory.and_then(|memory| memory.uses.as_mut()) {
                    Some(uses @ 1..) => {
                        *uses -= 1;
                        Reason::Remembered
                    }
                    _ => Reason::SpentCode,
                };
            }
            AttemptFinding::Invited => return Reason::Invited,
            AttemptFinding::Unenrolled { logins } => {
                let count = self.unenrolled.entry(s.record.user.clone()).or_default();
                let lets_in = logins.is_none_or(|most| *count < most);
                *count += u32::from(lets_in);
                return if lets_in { Reason::LetInUnenrolled } else { Reason::NotEnrolled };
            }
            _ => {}
        }
        let mut strike = |tag: PasscodeTag, reason| {
            let after = limits.after_failure(&failures, tag, standing, now);
            self.guesses.insert(source.clone(), after.source);
            if let Some(id) = s.user {
                self.strikes.insert(id, after.user);
            }
            let is_locked_now = s.user.is_some() && after.user.locked_until != strikes.locked_until;
            if is_locked_now { Reason::LockedNow } else { reason }
        };
        match s.finding {
            AttemptFinding::Right { token, spend, .. } if s.second_code == SecondCode::Needed => {
                match (self.spend(token, spend), self.first_codes.insert(source)) {
                    (None, _) => Reason::SpentCode,
                    (Some(_), true) => Reason::AnotherCode,
                    (Some(reason), false) => reason,
                }
            }
            AttemptFinding::Right { token, spend, tag } => match self.spend(token, spend) {
                None => Reason::SpentCode,
                Some(_) if s.password_status.is_pending() => {
                    let after = limits.after_failure(&failures, tag, PasswordProof::Pending, now);
                    self.guesses.insert(source.clone(), after.source);
                    let user = s.user.unwrap();
                    self.strikes.insert(user, after.user);
                    self.pending.insert(s.pending.unwrap(), (user, source, after.user));
                    Reason::PasswordPending
                }
                Some(reason) => {
                    let key = s.record.source.failure_key();
                    self.guesses
                        .retain(|(user, source), _| *user != s.record.user || !source.ends_with(&key));
                    s.user.and_then(|id| self.strikes.remove(&id));
                    reason
                }
            },
            AttemptFinding::Wrong { tag, drifted } => {
                let reason = strike(tag, Reason::WrongCode);
                if let Some((token, step)) = drifted {
                    self.with_token(token, |token| token.resync = Some(ResyncPosition { step, at: now }));
                }
                reason
            }
            AttemptFinding::WrongPassword { tag, reason } => strike(tag, reason.into()),
            AttemptFinding::Unknown { tag } => strike(tag, Reason::UnknownUser),
            AttemptFinding::NotEnrolled { tag } => strike(tag, Reason::NotEnrolled),
            AttemptFinding::Spent => Reason::SpentCode,
            AttemptFinding::WrongAtProvider { tag } => strike(tag, Reason::WrongCode),
            AttemptFinding::Exempt
            | AttemptFinding::Repeated { .. }
            | AttemptFinding::Refused(_)
            | AttemptFinding::Asked
            | AttemptFinding::Approved
            | AttemptFinding::Bypassed
            | AttemptFinding::BypassedByProvider
            | AttemptFinding::Remembered
            | AttemptFinding::RememberedOnce { .. }
            | AttemptFinding::Unenrolled { .. }
            | AttemptFinding::Invited
            | AttemptFinding::Fraud => {
                unreachable!("answered above")
            }
        }
    }

    fn with_token<T>(&mut self, id: TokenId, act: impl FnOnce(&mut EnrolledToken) -> T) -> Option<T> {
        self.users.values_mut().flat_map(|u| &mut u.tokens).find(|t| t.id == id).map(act)
    }

    fn spend(&mut self, token: TokenId, spend: SpendPasscode) -> Option<Reason> {
        if let SpendPasscode::Sent { code } = spend {
            let before = self.sent.len();
            self.sent.retain(|(_, sent, _)| sent.id != code);
            return (self.sent.len() < before).then_some(Reason::Right);
        }
        self.with_token(token, |token| match spend {
            SpendPasscode::Step { step, .. } if step < token.next => None,
            SpendPasscode::Step { step, drift, resynchronised } => {
                (token.next, token.drift, token.resync) = (step + 1, drift, None);
                Some(if resynchronised { Reason::Resynchronised } else { Reason::Right })
            }
            SpendPasscode::Sent { .. } => None,
            SpendPasscode::Code { index } if token.next >> index & 1 == 1 => None,
            SpendPasscode::Code { index } => {
                token.next |= 1 << index;
                Some(Reason::Right)
            }
        })?
    }
}

/// What the provider says.
#[derive(Clone, Debug)]
pub(crate) enum Says {
    /// To the question itself.
    AtOnce(Result<PushResponse, ProviderError>),
    /// When it is polled.
    Later(Result<PushResponse, ProviderError>),
    /// The user has the question, and does not answer.
    Nothing,
    /// Accepts the connection and never answers.
    Hangs,
}

/// A provider that does as it is told.
pub(crate) struct Told {
    passcodes: bool,
    /// Why it does not tell what users may choose from.
    lost: Option<ProviderError>,
    says: Mutex<Says>,
    /// When the user has the question, if the provider hangs.
    late: Mutex<Option<tokio::sync::oneshot::Receiver<()>>>,
    asked: Mutex<Vec<PushRequest>>,
    cancelled: Arc<Mutex<usize>>,
}

impl Told {
    pub(crate) fn to(says: Says) -> Self {
        let (late, asked) = (Mutex::default(), Mutex::default());
        Self { passcodes: false, lost: None, says: Mutex::new(says), late, asked, cancelled: Arc::default() }
    }

    /// The same, for passcodes too.
    pub(crate) fn with_passcodes(says: Says) -> Self {
        Self { passcodes: true, ..Self::to(says) }
    }

    /// Takes passcodes, and does not tell what users may choose from.
    pub(crate) fn without_ways(trouble: ProviderError) -> Self {
        Self { lost: Some(trouble), ..Self::with_passcodes(Says::Hangs) }
    }

    /// The next question hangs until then.
    pub(crate) fn answer_to_asking(&self, when: tokio::sync::oneshot::Receiver<()>) {
        *self.late.lock().unwrap() = Some(when);
    }

    pub(crate) fn say(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    /// All questions so far.
    pub(crate) fn asked(&self) -> Vec<PushRequest> {
        self.asked.lock().unwrap().clone()
    }

    /// How many of them were taken back.
    pub(crate) fn cancelled(&self) -> usize {
        *self.cancelled.lock().unwrap()
    }
}

/// Yes, on a telephone.
pub(crate) fn yes() -> PushResponse {
    PushOutcome::Approved { factor: Factor::Push, device: Printable::new("telephone") }.into()
}

impl PushProvider for Told {
    fn name(&self) -> &'static str {
        "told"
    }

    fn takes_passcodes(&self) -> bool {
        self.passcodes
    }

    fn list_factors(&self, _: &PushRequest) -> ProviderFuture<Result<ProviderFactors, ProviderError>> {
        let ways = ProviderFactors::Ways(vec![(Factor::Push, String::new())]);
        Box::pin(ready(self.lost.clone().map_or(Ok(ways), Err)))
    }

    fn start_push(&self, ask: PushRequest) -> ProviderFuture<Result<AskOutcome, ProviderError>> {
        let subject = ask.user.clone();
        self.asked.lock().unwrap().push(ask);
        let question = PushQuestion {
            id: Secret::new("question"),
            subject,
            factor: Factor::Push,
            device: Printable::new("telephone"),
            interval: std::time::Duration::ZERO,
        };
        match self.says.lock().unwrap().clone() {
            Says::AtOnce(said) => Box::pin(ready(said.map(AskOutcome::Decided))),
            Says::Later(_) | Says::Nothing => Box::pin(ready(Ok(AskOutcome::Waiting(question)))),
            Says::Hangs => match self.late.lock().unwrap().take() {
                None => Box::pin(pending()),
                Some(when) => Box::pin(async move {
                    let _ = when.await;
                    Ok(AskOutcome::Waiting(question))
                }),
            },
        }
    }

    fn await_answer(&self, _: &PushQuestion) -> ProviderFuture<Result<PushResponse, ProviderError>> {
        match self.says.lock().unwrap().clone() {
            Says::AtOnce(said) | Says::Later(said) => Box::pin(ready(said)),
            Says::Nothing | Says::Hangs => Box::pin(pending()),
        }
    }

    fn cancel_push(&self, _: &PushQuestion) -> ProviderFuture<()> {
        let cancelled = Arc::clone(&self.cancelled);
        Box::pin(async move { *cancelled.lock().unwrap() += 1 })
    }
}

/// No passcode is right here.
pub(crate) struct Nothing;

impl PasscodeVerifier for Nothing {
    fn verify_passcode(&self, _: &EnrolledToken, _: &PresentedFactor, _: Timestamp) -> TokenMatch {
        TokenMatch::No
    }

    fn passcode_length(&self, _: &EnrolledToken) -> usize {
        6
    }
}

/// Knows passwords and users, and says what it is told to.
pub(crate) struct Knows {
    /// None: it is still being asked.
    says: Arc<Mutex<Option<Result<PasswordResponse, AuthFailure>>>>,
    finds: Mutex<Result<Option<DirectoryUser>, directory::BackendUnavailable>>,
    asked: Mutex<Vec<Credentials>>,
}

impl Knows {
    /// Takes every password for that of this person.
    pub(crate) fn person(person: DirectoryUser) -> Self {
        let says = Arc::new(Mutex::new(Some(Ok(person.clone().into()))));
        Self { says, finds: Mutex::new(Ok(Some(person))), asked: Mutex::default() }
    }

    pub(crate) fn say(&self, says: Result<PasswordResponse, AuthFailure>) {
        *self.says.lock().unwrap() = Some(says);
    }

    /// Until it is told what to say. Who asks has to look again.
    pub(crate) fn say_nothing(&self) {
        *self.says.lock().unwrap() = None;
    }

    /// Without a password.
    pub(crate) fn find(&self, finds: Result<Option<DirectoryUser>, directory::BackendUnavailable>) {
        *self.finds.lock().unwrap() = finds;
    }

    /// All questions about passwords so far.
    pub(crate) fn asked(&self) -> Vec<Credentials> {
        self.asked.lock().unwrap().clone()
    }
}

impl PasswordBackend for Knows {
    fn name(&self) -> &'static str {
        "knows"
    }

    fn verify_password(&self, claim: Credentials) -> ProviderFuture<Result<PasswordResponse, AuthFailure>> {
        self.asked.lock().unwrap().push(claim);
        let says = Arc::clone(&self.says);
        Box::pin(poll_fn(move |_| says.lock().unwrap().clone().map_or(Poll::Pending, Poll::Ready)))
    }
}

impl UserDirectory for Knows {
    fn find_user(
        &self,
        _: &UserName,
        _: &[u8],
    ) -> ProviderFuture<Result<Option<DirectoryUser>, directory::BackendUnavailable>> {
        Box::pin(ready(self.finds.lock().unwrap().clone()))
    }
}
