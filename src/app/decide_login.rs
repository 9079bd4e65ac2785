//! Decides logins: on the caller's thread where that is quick, else as a wait.

use super::block_on;
use super::login_packet::{LoginPacket, LoginProgress, WaitMode};
use super::services::{App, GRACE, asked_user, time_out_error};
use super::wait_task::WaitTask;
use crate::clock::now;
use crate::config::Config;
use crate::engine::port::AttemptFinding;
use crate::engine::{
    Decision, FieldContents, LoginAttempt, PendingAccept, PendingLogin, Reason, RefusalReason, SlowSource,
    Step, SubmittedPassword,
};
use crate::operations::WarningSink;
use crate::text::ClientVoice;
use crate::types::{Mode, Secret, UserName, keyed_digest};
use crate::waiting::open_challenges::ChallengeOwner;
use crate::waiting::{JoinOutcome, NewWait, ParkedHandle, WaitStatus};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use tokio::runtime::Runtime;

impl App {
    /// The configuration that the instance was opened with.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Sets where failures to send messages, and unavailable backends, are reported.
    pub fn complain_to(&self, complain: WarningSink) {
        if let Some(authorities) = &self.shared.authorities {
            authorities.complain_to(Arc::clone(&complain));
        }
        let _ = self.shared.complain.set(complain);
    }

    /// The address that parked requests are proxied to, and the secret that signs them.
    pub fn responder_address(&self) -> (SocketAddr, &Secret) {
        (self.address, &self.secret)
    }

    /// A keyed digest of the parts that identify an attempt. The key exists in this process only.
    pub fn attempt_digest(&self, parts: &[&[u8]]) -> [u8; 32] {
        keyed_digest(&self.tag_key, parts.iter().copied()).unwrap_or_default()
    }

    /// [`Engine::start`](crate::engine::Engine::start), on this thread: for sections in which nothing can wait. A store that does not answer in time is
    /// [`Reason::Unavailable`]; the attempt may then still be written, and its code be spent.
    pub fn start_here(&self, attempt: LoginAttempt) -> Step {
        let (user, source) = (attempt.request.user.clone(), self.shared.engine.slow_source(&attempt));
        let begun = self.drive_here(source, self.shared.engine.start(attempt));
        let begun = begun.unwrap_or_else(|reason| self.given_up(&user, reason).into());
        if let Step::Decided(decision) = &begun {
            self.shared.count_login(decision);
        }
        begun
    }

    /// Drives a login on this thread. If an external service is slow, the login keeps the thread; the number of threads that may be
    /// kept is limited.
    fn drive_here<T>(&self, source: SlowSource, future: impl Future<Output = T>) -> Result<T, RefusalReason> {
        let _context = self.runtime.as_ref().map(Runtime::enter);
        if source == SlowSource::Store {
            return block_on::for_at_most(self.patience, future).ok_or(RefusalReason::Unavailable);
        }
        let mut future = pin!(future);
        if let Some(done) = block_on::for_at_most(GRACE, future.as_mut()) {
            return Ok(done);
        }
        let _thread = self.threads.try_acquire().map_err(|_all_taken| RefusalReason::Busy)?;
        block_on::for_at_most(self.shared.config.push.limit, future)
            .ok_or(RefusalReason::DirectoryUnavailable)
    }

    /// Runs the engine's function of the same purpose on this thread.
    pub fn field_contents(&self, user: &[u8], mode: Mode, presented: &SubmittedPassword) -> FieldContents {
        let holds = self.shared.engine.field_contents(user, mode, presented);
        block_on::for_at_most(self.patience, holds).unwrap_or(FieldContents::PasswordAndPasscode)
    }

    /// Whether a gateway or relay for codes is configured.
    pub fn sends_codes(&self) -> bool {
        self.shared.messages.is_some()
    }

    /// Sends the enrolment link if the decision is an invitation, in the client's language.
    pub fn send_enrolment_link(&self, decision: &Decision, voice: &ClientVoice) {
        if let (Some(runtime), Reason::Invited, Some(user)) =
            (&self.runtime, decision.reason(), &decision.user)
        {
            let (shared, user, voice) = (Arc::clone(&self.shared), user.clone(), voice.clone());
            runtime.spawn(async move { shared.send_enrolment_link(user, voice).await });
        }
    }

    /// Runs the engine's function of the same purpose on this thread.
    pub fn record_attempt(&self, attempt: LoginAttempt, finding: AttemptFinding) -> Decision {
        let user = attempt.request.user.clone();
        let decision =
            block_on::for_at_most(self.patience, self.shared.engine.record_attempt(attempt, finding));
        self.count_decision(decision.unwrap_or_else(|| self.time_out_decision(&user)))
    }

    /// Confirms a passcode on this thread. What is not written in time is not an accept, even if it is written later.
    pub fn confirm_passcode(&self, pending: PendingAccept) -> Decision {
        let user = pending.user().clone();
        let decision =
            block_on::for_at_most(self.patience, self.shared.engine.confirm_passcode(pending, now()));
        self.count_decision(decision.unwrap_or_else(|| self.time_out_decision(user.as_str().as_bytes())))
    }

    /// Runs the engine's function of the same purpose on this thread.
    pub fn record_exemption(&self, attempt: LoginAttempt, by: String) -> Decision {
        let user = attempt.request.user.clone();
        let decision = block_on::for_at_most(self.patience, self.shared.engine.record_exemption(attempt, by));
        self.count_decision(decision.unwrap_or_else(|| self.time_out_decision(&user)))
    }

    /// Decides an attempt that may wait. If the store answers at once, the decision is made on this thread; otherwise the login
    /// waits.
    pub fn decide_or_wait(&self, attempt: LoginAttempt, login: LoginPacket) -> LoginProgress {
        let user = attempt.request.user.clone();
        let (at, client) = (attempt.request.at, attempt.request.source.client.clone());
        let shared = Arc::clone(&self.shared);
        let source = self.shared.engine.slow_source(&attempt);
        let asks = source == SlowSource::Backend;
        let parks = login.patience == WaitMode::Park;
        // The State is part of the digest: the same word without it does not answer the question.
        let answers = attempt.request.state.as_deref().unwrap_or_default();
        let same = (asks && parks).then(|| self.attempt_digest(&[&login.fingerprint.digest, answers]));
        if let Some(same) = &same
            && let Some(seat) = self.shared.waits.join_unresolved(same, &login.fingerprint)
        {
            return LoginProgress::Waiting(seat);
        }
        if attempt.request.state.is_some() {
            match self.shared.waits.rejoin_datagram(&login.fingerprint) {
                Some(JoinOutcome::Decided(decision)) => return self.count_decision(*decision).into(),
                Some(JoinOutcome::Seated(seat)) => return LoginProgress::Waiting(seat),
                _ => {}
            }
        }
        let mut begun: Pin<Box<dyn Future<Output = Step> + Send>> =
            Box::pin(async move { shared.engine.start(attempt).await });
        if !parks {
            return self.go_on(self.drive_here(source, begun), login, &user);
        }
        let context = self.runtime.as_ref().map(Runtime::enter);
        let grace = if asks { self.shared.pace.grace_period() } else { GRACE };
        let done = block_on::for_at_most(grace.min(self.patience), begun.as_mut());
        drop(context);
        match done {
            None => {
                if asks {
                    self.shared.pace.record_timeout();
                }
                let opening = NewWait {
                    user: None,
                    client,
                    fingerprint: login.fingerprint,
                    begun: same,
                    since: at,
                    limit: self.shared.wait_limit(&login),
                    number: None,
                };
                match self.shared.waits.join_or_open(opening) {
                    JoinOutcome::Opened(opened, Some(seat)) => {
                        self.run(opened, WaitTask::Begin(begun, source), login);
                        LoginProgress::Waiting(seat)
                    }
                    // No more waits are opened: the login continues on this thread.
                    _ => self.go_on(self.drive_here(source, begun), login, &user),
                }
            }
            Some(begun) => self.go_on(Ok(begun), login, &user),
        }
    }

    /// Continues with the engine's step, if it was completed in time.
    fn go_on(&self, begun: Result<Step, RefusalReason>, login: LoginPacket, user: &[u8]) -> LoginProgress {
        match begun {
            Ok(Step::Decided(decision)) => {
                self.send_enrolment_link(&decision, &login.voice);
                self.count_decision(*decision).into()
            }
            Ok(Step::Ask(undecided)) => self.wait_for_provider(*undecided, login),
            Err(reason) => self.count_decision(self.given_up(user, reason)).into(),
        }
    }

    /// Sends a push to the user, or has the provider check the passcode, unless a push to the user is open. A packet
    /// of the same attempt then joins its wait, and any other is refused.
    pub fn wait_for_provider(&self, undecided: PendingLogin, login: LoginPacket) -> LoginProgress {
        let undecided = match self.repeat_decision(undecided) {
            Ok(decision) => return self.count_decision(decision).into(),
            Err(undecided) => *undecided,
        };
        let number = match self.shared.match_number(&undecided, &login) {
            Ok(number) => number,
            Err(reason) => return self.refuse_push(undecided, reason).into(),
        };
        // No push is sent for a login that could not wait for the answer.
        let thread = match (login.patience, &number) {
            (WaitMode::Block, None) => match Arc::clone(&self.threads).try_acquire_owned() {
                Ok(thread) => Some(thread),
                Err(_) => return self.refuse_push(undecided, RefusalReason::Busy).into(),
            },
            _ => None,
        };
        let opening = NewWait {
            user: undecided.asks_device().then(|| asked_user(&undecided)),
            client: undecided.attempt.request.source.client.clone(),
            fingerprint: login.fingerprint,
            begun: None,
            since: undecided.attempt.request.at,
            limit: self.shared.wait_limit(&login),
            number,
        };
        match self.shared.waits.join_or_open(opening) {
            JoinOutcome::Decided(decision) => self.count_decision(*decision).into(),
            JoinOutcome::Seated(mut seat) => {
                seat.thread = thread;
                LoginProgress::Waiting(seat)
            }
            JoinOutcome::Number(id, number) => {
                self.count_decision(self.shared.number_challenge(&undecided, id, &number)).into()
            }
            JoinOutcome::Refused => self.refuse_push(undecided, RefusalReason::AlreadyWaiting).into(),
            JoinOutcome::Nothing => self.refuse_push(undecided, RefusalReason::Cancelled).into(),
            JoinOutcome::Opened(opened, Some(mut seat)) => {
                self.run(opened, WaitTask::Ask(Box::new(undecided)), login);
                seat.thread = thread;
                LoginProgress::Waiting(seat)
            }
            JoinOutcome::Opened(opened, None) => {
                let number = opened.number.as_deref().unwrap_or_default();
                let shown = self.count_decision(self.shared.number_challenge(&undecided, opened.id, number));
                self.run(opened, WaitTask::Ask(Box::new(undecided)), login);
                shown.into()
            }
        }
    }

    /// Decides the answer to the challenge that the attempt's State names: about a push that is open here, or a step of a
    /// conversation.
    pub fn answer_challenge(&self, attempt: LoginAttempt, login: LoginPacket) -> LoginProgress {
        let state = attempt.request.state.clone().unwrap_or_default();
        let refuse = |attempt, reason| self.record_attempt(attempt, AttemptFinding::Refused(reason)).into();
        if attempt.repeats_answer() {
            return self.decide_or_wait(attempt, login);
        }
        let Some(owner) = ChallengeOwner::owner_of(&attempt, &self.shared.config.names) else {
            return refuse(attempt, RefusalReason::BadState);
        };
        let Some(id) = self.shared.challenges.find_question(&state, &owner) else {
            return self.decide_or_wait(attempt, login);
        };
        match self.shared.waits.join_by_state(id, &login.fingerprint) {
            JoinOutcome::Decided(decision) => self.count_decision(*decision).into(),
            JoinOutcome::Seated(seat) => LoginProgress::Waiting(seat),
            JoinOutcome::Refused => refuse(attempt, RefusalReason::AlreadyWaiting),
            JoinOutcome::Nothing | JoinOutcome::Number(..) | JoinOutcome::Opened(..) => {
                refuse(attempt, RefusalReason::TimedOut)
            }
        }
    }

    /// Whether the attempt answers a challenge about a push that is open here.
    pub fn is_shown(&self, attempt: &LoginAttempt) -> bool {
        let state = attempt.request.state.as_deref().unwrap_or_default();
        ChallengeOwner::owner_of(attempt, &self.shared.config.names)
            .is_some_and(|owner| self.shared.challenges.find_question(state, &owner).is_some())
    }

    /// Takes the decision on a parked packet. It can be taken once.
    pub fn take_decision(&self, seat: &ParkedHandle) -> Option<Decision> {
        self.shared.waits.take_decision(&seat.token).map(|decision| self.count_decision(decision))
    }

    /// Blocks this thread until the decision is made, as a last resort. At most a quarter of the server's threads may block, so that
    /// the server never stalls.
    pub fn block_for_decision(&self, mut seat: ParkedHandle, stopped: &dyn Fn() -> bool) -> Decision {
        let thread = seat.thread.take().or_else(|| Arc::clone(&self.threads).try_acquire_owned().ok());
        if thread.is_none() {
            return self.count_decision(Decision::refusal(None, RefusalReason::Busy));
        }
        let decision = self.shared.waits.block_for_decision(&seat, stopped);
        self.count_decision(decision.unwrap_or_else(|| Decision::refusal(None, RefusalReason::Cancelled)))
    }

    /// The open waits, for `mfa status`.
    pub fn wait_statuses(&self) -> Vec<WaitStatus> {
        self.shared.waits.wait_statuses()
    }

    /// Closes the instance. Pending work is finished, in bounded time.
    pub fn close(self) {}

    /// Records on this thread that no push is sent, and why.
    pub fn refuse_push(&self, undecided: PendingLogin, reason: RefusalReason) -> Decision {
        let name = undecided.name.clone();
        let decision = block_on::for_at_most(self.patience, self.shared.engine.close(undecided, reason));
        let decision = decision.unwrap_or_else(|| self.time_out_decision(name.as_str().as_bytes()));
        self.count_decision(decision)
    }

    pub(super) fn count_decision(&self, decision: Decision) -> Decision {
        self.shared.count_login(&decision);
        decision
    }

    fn given_up(&self, user: &[u8], reason: RefusalReason) -> Decision {
        match reason {
            RefusalReason::Unavailable => self.time_out_decision(user),
            reason => Decision::refusal(UserName::parse(user, &self.shared.config.names).ok(), reason),
        }
    }

    pub(super) fn time_out_decision(&self, user: &[u8]) -> Decision {
        Decision::store_unavailable(UserName::parse(user, &self.shared.config.names).ok(), time_out_error())
    }
}
