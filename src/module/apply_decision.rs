//! Applies a decision to a request.

use super::error::Error;
use super::instance::{LoginNote, MfaModule, shown_user};
use super::outcome;
use super::request_state::ExemptBy;
use super::session_state::TicketOutcome;
use crate::app::LoginProgress;
use crate::engine::port::AttemptFinding;
use crate::engine::{
    Decision, Outcome, PendingAccept, PendingLogin, Reason, RefusalReason, SubmittedPassword,
};
use crate::freeradius::{LogLevel, Rcode, Request};

/// The reason for refusing a conversation whose user is ambiguous.
const AMBIGUOUS: &str = "more than one user or tunnel in an EAP conversation";

impl MfaModule {
    pub(super) fn act_on_progress(&self, request: &mut Request<'_>, progress: LoginProgress) -> Rcode {
        match progress {
            LoginProgress::Done(decision) => self.apply(request, &decision),
            LoginProgress::Waiting(handle) => self.wait_for_decision(request, handle),
        }
    }

    /// Sends a challenge: `handled`. Where `eap` is in the middle of asking for the password, it first has to end that method, which
    /// knows one round only: `ok`, and the guard in `post-auth`, or `mfa` behind `eap`, puts it.
    pub(super) fn send_challenge(&self, request: &mut Request<'_>, decision: &Decision) -> Rcode {
        let is_answer = self.answers_challenge(request).is_some();
        if !is_answer && request.outer().is_some() && self.attributes.is_within_eap(request) {
            return outcome::checked_rcode(
                request.note(LoginNote::ChallengeDue(Box::new(decision.clone()))),
                Rcode::Ok,
            );
        }
        self.add_reply_messages(request, decision)
    }

    /// Adds the texts of a question to the reply.
    pub(super) fn add_reply_messages(&self, request: &mut Request<'_>, decision: &Decision) -> Rcode {
        self.attributes.strip_accept(request);
        if self.attributes.is_eap(request) {
            if !self.attributes.set_gtc(request, decision) {
                return Rcode::Fail;
            }
        } else {
            self.attributes.set_reply_texts(request, decision);
            self.keep_challenge(request, decision);
        }
        request.challenge();
        Rcode::Handled
    }

    /// Records an attempt that needs no verification, and applies the decision.
    pub(super) fn note_accept(&self, request: &mut Request<'_>, finding: AttemptFinding) -> Rcode {
        let attempt = self.build_attempt(request, SubmittedPassword::Absent);
        let decision =
            self.app.as_ref().map_or_else(refuse_unopened, |app| app.record_attempt(attempt, finding));
        self.apply(request, &decision)
    }

    /// Records an exemption from the second factor and its source, and accepts.
    pub(super) fn accept_exempt(&self, request: &mut Request<'_>, exempt: ExemptBy) -> Rcode {
        let ExemptBy::ByPolicy(by) = exempt else { return self.note_accept(request, AttemptFinding::Exempt) };
        let attempt = self.build_attempt(request, SubmittedPassword::Absent);
        let decision =
            self.app.as_ref().map_or_else(refuse_unopened, |app| app.record_exemption(attempt, by));
        self.apply(request, &decision)
    }

    /// Makes an accept of a passcode that was right before the password was: written before the accept leaves, or there is none.
    pub(super) fn confirm_accept(&self, request: &mut Request<'_>, pending: PendingAccept) -> Rcode {
        let decision = self.app.as_ref().map_or_else(refuse_unopened, |app| app.confirm_passcode(pending));
        if !decision.lets_in() {
            self.attributes.strip_accept(request);
        }
        self.apply(request, &decision)
    }

    /// Refuses what was about to be accepted.
    pub(super) fn refuse_accept(&self, request: &mut Request<'_>, reason: RefusalReason) -> Rcode {
        self.attributes.strip_accept(request);
        self.note_accept(request, AttemptFinding::Refused(reason))
    }

    /// The same, where a push or a code was still to be sent.
    pub(super) fn refuse_pending(
        &self,
        request: &mut Request<'_>,
        undecided: PendingLogin,
        reason: RefusalReason,
    ) -> Rcode {
        self.attributes.strip_accept(request);
        let decision =
            self.app.as_ref().map_or_else(refuse_unopened, |app| app.refuse_push(undecided, reason));
        self.apply(request, &decision)
    }

    /// Carries a decision out: the outputs on the control list, one line in the log, the note; and the result.
    pub(super) fn apply(&self, request: &mut Request<'_>, decision: &Decision) -> Rcode {
        let said = (!decision.lets_in()).then(|| self.reply_voice(request).add_texts(decision.clone()));
        let decision = said.as_ref().unwrap_or(decision);
        self.attributes.set_outputs(request, decision);
        let source = self.attributes.attempt_source(request);
        let line = outcome::line(decision, &source);
        request.log(outcome::log_level(decision), &line);
        // A stop of the server is reported to every user alike.
        let is_told = decision.proven || decision.lets_in() || decision.reason() == Reason::Cancelled;
        if !request.keep_hold(Some(decision.hold).filter(|_| !is_told)) {
            return Rcode::Fail;
        }
        match &decision.outcome {
            Outcome::Accept(_) => {
                if let Err(unfit) = self.add_user_attributes(request, decision) {
                    let line = format!("{}: {unfit}", self.name);
                    request.log(LogLevel::Error, &line);
                    request.failure("no value for an attribute of the reply");
                    return Rcode::Fail;
                }
                if !request.note(LoginNote::LetIn) {
                    return Rcode::Fail;
                }
                self.hold_accept(request, decision);
                let left = self.attributes.keep_for_next_packet(request);
                self.ticket_result(request, left)
            }
            Outcome::Pending(pending) => outcome::checked_rcode(
                request.note(LoginNote::Pending(pending.accept.clone())),
                Rcode::Updated,
            ),
            Outcome::Challenge(_) => self.send_challenge(request, decision),
            // A refusal all the same: nothing that answers it is accepted.
            Outcome::Refuse(_) if decision.last_state().is_some() => {
                self.add_reply_messages(request, decision)
            }
            Outcome::Refuse(refused) => {
                self.attributes.take_back_accept(request);
                self.attributes.set_reply_texts(request, decision);
                self.hold_back(request, decision.hold);
                request.failure(Reason::from(refused.reason).as_str());
                outcome::refusal_rcode(decision.verdict())
            }
        }
    }

    /// Adds the groups and reply attributes of an accepted user.
    fn add_user_attributes(&self, request: &mut Request<'_>, decision: &Decision) -> Result<(), Error> {
        let Some(grants) = &decision.grants else { return Ok(()) };
        self.attributes.set_user_attributes(request, grants, &self.reply_attributes)
    }

    /// `ok` if there is a ticket now; there is none for a second user of a tunnel, or a tunnel in a tunnel.
    pub(super) fn ticket_result(&self, request: &mut Request<'_>, left: TicketOutcome) -> Rcode {
        if left == TicketOutcome::Kept {
            return Rcode::Ok;
        }
        let (user, source) = (self.attributes.user(request), self.attributes.attempt_source(request));
        let user = String::from_utf8_lossy(&user);
        let line = format!("{}: {AMBIGUOUS}, client {}", shown_user(&user), source.client);
        request.log(LogLevel::Error, &line);
        request.failure(AMBIGUOUS);
        Rcode::Fail
    }
}

/// Refuses a request of an instance without a store: none should come.
fn refuse_unopened() -> Decision {
    Decision::refusal(None, RefusalReason::Unavailable)
}
