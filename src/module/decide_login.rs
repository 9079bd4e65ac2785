//! Hands a login to the engine, and starts what its decision needs: a challenge, a push, a wait.

use super::instance::{LoginNote, MfaModule, shown_user};
use super::login::DigestProtocol;
use super::outcome;
use super::ticket::{TicketPurpose, TunnelQuestion};
use crate::app;
use crate::config::push::NumberMatch;
use crate::engine::{
    LoginAttempt, LoginEndpoint, LoginRequest, Outcome, PasswordStatus, PasswordVerifier, PendingLogin,
    RefusalReason, Step, SubmittedPassword, VerifiedPassword,
};
use crate::freeradius::{AttributeList, LogLevel, Rcode, Request};
use crate::types::Mode;
use std::cell::Cell;

/// What the log says of a login that mode `challenge` cannot ask.
const UNABLE: &str = "cannot be challenged, so a push is sent if there is a provider";

impl MfaModule {
    /// Asks the server to call this module in `authenticate`, if no other Auth-Type is set.
    pub(super) fn claim_authenticate(&self, request: &mut Request<'_>) -> Rcode {
        let auth_type =
            self.auth_type.get_or_try_init(|| self.attributes.auth_type.value(&self.name).ok_or(()));
        match auth_type {
            Ok(value) if request.values(AttributeList::Control, self.attributes.auth_type).is_empty() => {
                let value = value.to_be_bytes();
                let is_set = request.set(AttributeList::Control, self.attributes.auth_type, &value);
                outcome::checked_rcode(is_set && request.keep_claim(), Rcode::Ok)
            }
            _ => Rcode::Noop,
        }
    }

    /// Append mode: verifies and spends the passcode, which counts as a failure until the password is verified, or
    /// remembers which push to send; and leaves the password to the module that verifies it.
    pub(super) fn verify_appended_passcode(
        &self,
        request: &mut Request<'_>,
        password: SubmittedPassword,
    ) -> Rcode {
        let attempt = self.build_attempt(request, password);
        let Some(app) = &self.app else { return Rcode::Fail };
        let first = match app.start_here(attempt) {
            // No accept before the password was verified.
            Step::Decided(decision) if decision.lets_in() => {
                return self.refuse_accept(request, RefusalReason::Undecided);
            }
            Step::Decided(decision) => match (self.apply(request, &decision), decision.outcome) {
                (Rcode::Updated, Outcome::Pending(pending)) => pending.password,
                (refused, _) => return refused,
            },
            Step::Ask(mut undecided) => {
                let first = undecided.password.take();
                if !request.note(LoginNote::Ask(Cell::new(Some(undecided)))) {
                    return Rcode::Fail;
                }
                first
            }
        };
        match first {
            Some(first) => outcome::checked_rcode(
                request.replace(AttributeList::Request, self.attributes.user_password, first.expose()),
                Rcode::Updated,
            ),
            None => Rcode::Fail,
        }
    }

    /// CHAP and MS-CHAP: hands what answers the challenge, a code or a word, to the server's own module, which makes the
    /// response.
    pub(super) fn answer_digest(&self, request: &mut Request<'_>, password: SubmittedPassword) -> Rcode {
        let protocol = DigestProtocol::of(&password);
        let attempt = self.build_attempt(request, password);
        let Some(app) = &self.app else { return Rcode::Fail };
        let secret = match app.start_here(attempt) {
            Step::Decided(decision) => match (self.apply(request, &decision), decision.outcome) {
                (Rcode::Ok, Outcome::Accept(accepted)) => accepted.passcode,
                (refused, _) => return refused,
            },
            Step::Ask(mut undecided) => {
                let word = undecided.word.take();
                let noted = before_password_check(request, Some(undecided)) != Rcode::Fail;
                if !noted || !self.attributes.reject_unless_asked(request) {
                    return Rcode::Fail;
                }
                word
            }
        };
        let secret = secret.as_ref().map(|secret| secret.expose()).unwrap_or_default();
        outcome::checked_rcode(self.attributes.hand_over(request, secret, protocol), Rcode::Updated)
    }

    /// Decides on the submitted password.
    pub(super) fn decide_presented(&self, request: &mut Request<'_>, password: SubmittedPassword) -> Rcode {
        let attempt = self.build_attempt(request, password);
        self.decide_or_park(request, attempt)
    }

    /// Decides on a login whose password the server's own modules have found right, and which presents nothing else.
    pub(super) fn attempt_verified(&self, request: &mut Request<'_>) -> Rcode {
        let asks_later = matches!(self.login_mode(request), Mode::Challenge | Mode::Auto);
        let remembers =
            asks_later && self.attributes.says_yes(request, self.attributes.mfa_remember) != Some(false);
        let proof = match self.presented_password(request) {
            Ok(SubmittedPassword::Plain(password)) if remembers => Some(VerifiedPassword::Password(password)),
            _ => None,
        };
        let attempt = self
            .build_attempt(request, SubmittedPassword::Absent)
            .with_verified_password(PasswordVerifier::Server);
        self.decide_or_park(request, LoginAttempt { proof, ..attempt })
    }

    /// Decides; parks the request if that takes long.
    pub(super) fn decide_or_park(&self, request: &mut Request<'_>, attempt: LoginAttempt) -> Rcode {
        if attempt.mode == Mode::Challenge && !attempt.request.dialogue {
            let (user, protocol) =
                (String::from_utf8_lossy(&attempt.request.user), self.attributes.password_protocol(request));
            let line = format!(
                "{}: {protocol}: {UNABLE}, client {}",
                shown_user(&user),
                attempt.request.source.client
            );
            request.log(LogLevel::Info, &line);
        }
        if self.is_within(request) {
            return self.attempt_within(request, attempt);
        }
        let login = self.login_packet(request);
        let Some(app) = &self.app else { return Rcode::Fail };
        let progress = app.decide_or_wait(attempt, login);
        self.act_on_progress(request, progress)
    }

    /// The same inside `eap`, where the request cannot leave its thread.
    pub(super) fn attempt_within(&self, request: &mut Request<'_>, attempt: LoginAttempt) -> Rcode {
        let Some(app) = &self.app else { return Rcode::Fail };
        match app.start_here(attempt) {
            Step::Decided(decision) => {
                app.send_enrolment_link(&decision, &self.client_voice(request));
                self.apply(request, &decision)
            }
            Step::Ask(undecided) => self.ask_or_defer(request, *undecided),
        }
    }

    /// Sends the push, or leaves that to `mfa` behind `eap`. In a conversation only a push takes long enough to be
    /// left: the provider and the gateways, which the next challenge depends on, keep the thread.
    pub(super) fn ask_or_defer(&self, request: &mut Request<'_>, undecided: PendingLogin) -> Rcode {
        self.attributes.lift_reject(request);
        let shows_number = self.config.push.number_match == NumberMatch::Required;
        let goes_on = undecided.attempt.request.dialogue && (shows_number || !undecided.asks_device());
        if goes_on || !self.is_within(request) {
            return self.put_challenge(request, undecided);
        }
        // The server around the tunnel can show nothing.
        self.leave_question(request, TunnelQuestion::New(Box::new(undecided.without_dialogue())))
    }

    pub(super) fn leave_question(&self, request: &mut Request<'_>, question: TunnelQuestion) -> Rcode {
        let user = match &question {
            TunnelQuestion::New(undecided) => undecided.attempt.request.user.clone(),
            TunnelQuestion::Shown(attempt) => attempt.request.user.clone(),
        };
        let left = self.attributes.leave_ticket(request, user, TicketPurpose::Ask(question));
        self.ticket_result(request, left)
    }

    /// Sends the challenge.
    pub(super) fn put_challenge(&self, request: &mut Request<'_>, undecided: PendingLogin) -> Rcode {
        let login = self.login_packet(request);
        let Some(app) = &self.app else { return Rcode::Fail };
        let progress = app.wait_for_provider(undecided, login);
        self.act_on_progress(request, progress)
    }

    /// Handles the answer to a challenge of this module.
    pub(super) fn answer_challenge(
        &self,
        request: &mut Request<'_>,
        state: &[u8],
        password: SubmittedPassword,
    ) -> Rcode {
        let attempt = self.build_answer(request, password, Some(state));
        let Some(app) = &self.app else { return Rcode::Fail };
        if !self.is_within(request) {
            let progress = app.answer_challenge(attempt, self.login_packet(request));
            return self.act_on_progress(request, progress);
        }
        if app.is_shown(&attempt) {
            let shown = attempt.without_dialogue();
            return self.leave_question(request, TunnelQuestion::Shown(Box::new(shown)));
        }
        self.attempt_within(request, attempt)
    }

    /// Asks the question that the tunnel left, or waits for its answer.
    pub(super) fn put_question(&self, request: &mut Request<'_>, question: TunnelQuestion) -> Rcode {
        match question {
            TunnelQuestion::New(undecided) => self.put_challenge(request, *undecided),
            TunnelQuestion::Shown(attempt) => {
                let login = self.login_packet(request);
                let Some(app) = &self.app else { return Rcode::Fail };
                let progress = app.answer_challenge(*attempt, login);
                self.act_on_progress(request, progress)
            }
        }
    }

    /// The login attempt of this request.
    pub(super) fn build_attempt(
        &self,
        request: &mut Request<'_>,
        password: SubmittedPassword,
    ) -> LoginAttempt {
        self.build_answer(request, password, None)
    }

    /// The login attempt of this request; with a State, it answers a challenge of this module.
    fn build_answer(
        &self,
        request: &mut Request<'_>,
        password: SubmittedPassword,
        state: Option<&[u8]>,
    ) -> LoginAttempt {
        let mode = self.login_mode(request);
        let login = LoginRequest {
            at: app::now(),
            user: self.attributes.user(request),
            source: self.attributes.attempt_source(request),
            endpoint: LoginEndpoint { instance: self.name.clone(), virtual_server: request.entry() },
            state: state.map(<[u8]>::to_vec),
            dialogue: self.can_answer(request),
            dice: app::draw_entropy(),
            unchecked: self.pre_auth_facts(request, mode),
        };
        let status = PasswordStatus::initial_for(&self.config, mode);
        LoginAttempt {
            datagram: self.earlier_decision(request),
            ..LoginAttempt::new(login, mode, status, password)
        }
    }
}

/// Called before the module that verifies the password: this module is called again behind it, and asks then.
pub(super) fn before_password_check(
    request: &mut Request<'_>,
    undecided: Option<Box<PendingLogin>>,
) -> Rcode {
    outcome::checked_rcode(request.note(LoginNote::Again(Cell::new(undecided))), Rcode::Updated)
}
