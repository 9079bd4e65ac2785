//! What a decision does to a request.

use super::standing::ExemptBy;
use super::{AMBIGUOUS, LoginNote, MfaModule, outcome, shown};
use crate::app::LoginProgress;
use crate::engine::port::AttemptFinding;
use crate::engine::{Decision, PendingAccept, PendingLogin, Reason, SubmittedPassword, Verdict};
use crate::freeradius::{LogLevel, Rcode, Request};

impl MfaModule {
    pub(super) fn proceed(&self, request: &mut Request<'_>, progress: LoginProgress) -> Rcode {
        match progress {
            LoginProgress::Done(decision) => self.act(request, &decision),
            LoginProgress::Waiting(seat) => self.wait(request, seat),
        }
    }

    /// Puts a challenge: `handled`. Where `eap` is in the middle of asking for the password, it first has to end that method, which
    /// knows one round only: `ok`, and the guard in `post-auth`, or `mfa` behind `eap`, puts it.
    pub(super) fn challenge(&self, request: &mut Request<'_>, decision: &Decision) -> Rcode {
        let is_answer = self.answers_challenge(request).is_some();
        if !is_answer && request.outer().is_some() && self.attributes.is_within_eap(request) {
            return outcome::done(request.note(LoginNote::Say(Box::new(decision.clone()))), Rcode::Ok);
        }
        self.say(request, decision)
    }

    /// Puts it now.
    pub(super) fn say(&self, request: &mut Request<'_>, decision: &Decision) -> Rcode {
        self.attributes.strip_accept(request);
        if self.attributes.is_eap(request) {
            if !self.attributes.set_gtc(request, decision) {
                return Rcode::Fail;
            }
        } else {
            self.attributes.set_words(request, decision);
            self.keep_challenge(request, decision);
        }
        request.challenge();
        Rcode::Handled
    }

    /// Records an attempt that needs no check, and acts on what comes of it.
    pub(super) fn note(&self, request: &mut Request<'_>, finding: AttemptFinding) -> Rcode {
        let attempt = self.made(request, SubmittedPassword::Absent);
        let decision = self.app.as_ref().map_or_else(closed, |app| app.record_attempt(attempt, finding));
        self.act(request, &decision)
    }

    /// Records that no second factor is asked for, and what says so.
    pub(super) fn exempt(&self, request: &mut Request<'_>, exempt: ExemptBy) -> Rcode {
        let ExemptBy::ByPolicy(by) = exempt else { return self.note(request, AttemptFinding::Exempt) };
        let attempt = self.made(request, SubmittedPassword::Absent);
        let decision = self.app.as_ref().map_or_else(closed, |app| app.record_exemption(attempt, by));
        self.act(request, &decision)
    }

    /// Makes an accept of a passcode that was right before the password was: written before the accept leaves, or there is none.
    pub(super) fn confirm(&self, request: &mut Request<'_>, pending: PendingAccept) -> Rcode {
        let decision = self.app.as_ref().map_or_else(closed, |app| app.confirm_passcode(pending));
        if !decision.verdict().lets_in() {
            self.attributes.strip_accept(request);
        }
        self.act(request, &decision)
    }

    /// Refuses what was about to be accepted.
    pub(super) fn turn_away(&self, request: &mut Request<'_>, reason: Reason) -> Rcode {
        self.attributes.strip_accept(request);
        self.note(request, AttemptFinding::Refused(reason))
    }

    /// The same, where somebody would have had to be asked.
    pub(super) fn turn_down(
        &self,
        request: &mut Request<'_>,
        undecided: PendingLogin,
        reason: Reason,
    ) -> Rcode {
        self.attributes.strip_accept(request);
        let decision = self.app.as_ref().map_or_else(closed, |app| app.refuse_push(undecided, reason));
        self.act(request, &decision)
    }

    /// Carries a decision out: the outputs on the control list, one line in the log, the note; and the result.
    pub(super) fn act(&self, request: &mut Request<'_>, decision: &Decision) -> Rcode {
        let said =
            (!decision.verdict().lets_in()).then(|| self.reply_voice(request).add_texts(decision.clone()));
        let decision = said.as_ref().unwrap_or(decision);
        self.attributes.set_outputs(request, decision);
        let source = self.attributes.source(request);
        let line = outcome::line(decision, &source);
        let verdict = decision.verdict();
        request.log(outcome::level(decision), &line);
        // That the server is about to be stopped is told to all alike.
        let is_told = decision.proven || verdict.lets_in() || decision.reason == Reason::Cancelled;
        if !request.keep_hold(Some(decision.hold).filter(|_| !is_told)) {
            return Rcode::Fail;
        }
        match verdict {
            Verdict::Accept | Verdict::Bypassed => {
                if let Err(name) = self.grant(request, decision) {
                    let line =
                        format!("{}: {name}: not a value of this attribute: see reply {{ }}", self.name);
                    request.log(LogLevel::Error, &line);
                    request.failure("no value for an attribute of the reply");
                    return Rcode::Fail;
                }
                if !request.note(LoginNote::LetIn) {
                    return Rcode::Fail;
                }
                self.hold_accept(request, decision);
                let left = self.attributes.keep_for_next_packet(request);
                self.left(request, left)
            }
            Verdict::Pending => match &decision.pending {
                Some(pending) => {
                    outcome::done(request.note(LoginNote::Pending(pending.clone())), Rcode::Updated)
                }
                None => Rcode::Fail,
            },
            Verdict::Challenge => self.challenge(request, decision),
            // A refusal all the same: nothing that answers it is accepted.
            _ if decision.challenge_state().is_some() => self.say(request, decision),
            refused => {
                self.attributes.take_back_accept(request);
                self.attributes.set_words(request, decision);
                self.hold_back(request, decision.hold);
                request.failure(decision.reason.as_str());
                outcome::refusal(refused)
            }
        }
    }

    /// Tells the server and the client what is said of who is let in.
    fn grant(&self, request: &mut Request<'_>, decision: &Decision) -> Result<(), String> {
        let Some(grants) = &decision.grants else { return Ok(()) };
        self.attributes.set_grants(request, grants, &self.told)
    }

    /// `ok` if there is a ticket now; there is none for a second user of a tunnel, or a tunnel in a tunnel.
    pub(super) fn left(&self, request: &mut Request<'_>, left: bool) -> Rcode {
        if left {
            return Rcode::Ok;
        }
        let (user, source) = (self.attributes.user(request), self.attributes.source(request));
        let user = String::from_utf8_lossy(&user);
        let line = format!("{}: {AMBIGUOUS}, client {}", shown(&user), source.client);
        request.log(LogLevel::Error, &line);
        request.failure(AMBIGUOUS);
        Rcode::Fail
    }
}

/// No request comes where nothing was opened; if one does, it is refused.
fn closed() -> Decision {
    Decision::refusal(None, Reason::Unavailable)
}
