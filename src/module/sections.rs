//! The sections of the server that call the module, each with the table of its results.

use super::attributes::ModuleAttributes;
use super::decide_login::before_password_check;
use super::instance::{LoginNote, MfaModule};
use super::login::TrafficKind;
use super::outcome;
use super::request_state::{ExemptBy, RequestState};
use super::ticket::{TicketPurpose, TunnelQuestion};
use crate::engine::port::AttemptFinding;
use crate::engine::{FieldContents, RefusalReason, SubmittedPassword};
use crate::freeradius::{InstanceSetup, Module, Rcode, Request, SectionMethod, code};
use crate::types::Mode;
use std::ffi::CStr;

impl Module for MfaModule {
    const NAME: &'static CStr = c"mfa";

    fn bootstrap(_: &InstanceSetup) -> Result<(), Vec<String>> {
        ModuleAttributes::register_attributes().map_err(|error| vec![error.to_string()])
    }

    fn instantiate(setup: &InstanceSetup) -> Result<Self, Vec<String>> {
        Self::start(setup)
    }

    /// Signs every answer, and refuses a request that could serve to forge one
    /// ([`message_authenticator`](super::message_authenticator)).
    fn before(&self, method: SectionMethod, request: &mut Request<'_>) -> Option<Rcode> {
        self.sign_reply(request);
        let is_open = match method {
            SectionMethod::Authorize | SectionMethod::Authenticate => true,
            SectionMethod::PostAuth => {
                !matches!(request.reply_code(), code::ACCESS_REJECT | code::ACCESS_CHALLENGE)
            }
            SectionMethod::PreProxy | SectionMethod::PostProxy => false,
        };
        (is_open && self.is_forgeable(request)).then(|| {
            if matches!(method, SectionMethod::PostAuth) {
                self.attributes.strip_accept(request);
            }
            self.refuse_forgeable(request)
        })
    }

    fn after(&self, request: &mut Request<'_>) {
        self.sign_reply(request);
    }

    /// | what | result |
    /// |---|---|
    /// | not for this module (MAC authentication, other packets), exempt, EAP | `noop` |
    /// | a packed field that does not decode | `invalid` |
    /// | a packed field, and nothing else to be done | `updated`, the password alone in User-Password |
    /// | the answer to a challenge of this module, without Auth-Type | `ok`, and `Auth-Type := mfa` |
    /// | a password that this module verifies, without Auth-Type | `ok`, and `Auth-Type := mfa` |
    /// | passcode: PAP without Auth-Type | `ok`, and `Auth-Type := mfa` |
    /// | passcode: anything else | `noop` |
    /// | append: the field was split by an earlier call | `noop` |
    /// | append over PAP, and a user without a token whom policy does not simply refuse | `noop`: all of it is the password |
    /// | append over PAP | a right passcode, or a push to be sent later: `updated`, the password alone in User-Password; otherwise as [`outcome::refusal_rcode`] |
    /// | append over CHAP, MS-CHAP | `noop`; `authenticate` refuses |
    /// | challenge, auto: an answer behind the password | as append |
    /// | challenge, auto: anything else | `noop` |
    fn authorize(&self, request: &mut Request<'_>) -> Rcode {
        // An exempt login is not claimed either: this module would accept it without a check, whichever module else
        // verifies the password.
        if self.traffic_kind(request) != TrafficKind::Login {
            return Rcode::Noop;
        }
        if !request.keep_entry() {
            return Rcode::Fail;
        }
        // A field that does not decode is no password for the modules behind this one either.
        let presented = match self.presented_password(request) {
            Ok(presented) => presented,
            Err(reason) => return self.note_accept(request, AttemptFinding::Refused(reason)),
        };
        // This module verifies the password, whether the user is exempt or not.
        let is_own = self.verifies_password(request);
        if !is_own && self.find_exemption(request).is_some() {
            return self.leave_password(request, presented);
        }
        if self.answers_challenge(request).is_some() {
            let is_round = self.attributes.is_eap(request) && request.outer().is_some();
            if is_round && !self.attributes.open_answer(request) {
                return Rcode::Fail;
            }
            return self.claim_authenticate(request);
        }
        let mode = self.login_mode(request);
        if is_own {
            return if matches!(presented, SubmittedPassword::Absent) {
                Rcode::Noop
            } else {
                self.claim_authenticate(request)
            };
        }
        if presented.typed_answer().is_none()
            || (mode != Mode::Passcode && request.noted::<LoginNote>().is_some())
        {
            return Rcode::Noop;
        }
        match self.field_contents(request, mode, &presented) {
            Some(FieldContents::Passcode) => self.claim_authenticate(request),
            Some(FieldContents::PasswordAndPasscode) => self.verify_appended_passcode(request, presented),
            Some(FieldContents::Password) => self.leave_password(request, presented),
            None => Rcode::Fail,
        }
    }

    /// | what | result |
    /// |---|---|
    /// | accepted by an earlier call (in the section, or inside the tunnel) | `ok` |
    /// | passcode found right in `authorize` | `updated`: the module that checks the password decides, and the guard accepts; alone it is a reject |
    /// | accept, PAP | `ok` |
    /// | accept, CHAP or MS-CHAP: the code is in Cleartext-Password | `updated`: `chap` or `mschap` decides next |
    /// | a push is sent, and the request waits | `handled`, the reply's code 0: the server parks it |
    /// | a push is to be sent, inside a tunnel or an EAP method | `ok`: `mfa` behind `eap` in the outer server asks |
    /// | a challenge | `handled`, with State and Reply-Message |
    /// | a password that this module verifies | accept, park, challenge, or refused, whatever the modules before this one returned |
    /// | exempt | `ok` |
    /// | exempt, before the module that checks the password | `updated`, as with auto |
    /// | append, and a user without a token: as policy says | accept `ok`, otherwise as [`outcome::refusal_rcode`] |
    /// | challenge, auto, or an answer that asks, before the module that checks the password | `updated`: behind it, `mfa` once more; alone it is a reject |
    /// | behind `eap`, and nothing was decided or left to be asked in the tunnel | `reject`: the user of the login is not known here |
    /// | not for this module (MAC authentication) | `updated`: a module before this one has decided; alone it is a reject |
    /// | refused | as [`outcome::refusal_rcode`] |
    fn authenticate(&self, request: &mut Request<'_>) -> Rcode {
        match self.traffic_kind(request) {
            TrafficKind::Login => {}
            TrafficKind::MacAuthentication | TrafficKind::Other => return Rcode::Updated,
        }
        let is_password_verified = self.is_password_verified(request);
        match self.request_state(request) {
            RequestState::LetIn | RequestState::Deferred => return Rcode::Ok,
            RequestState::Pending(_) => return Rcode::Updated,
            RequestState::Ask(undecided) if is_password_verified => {
                return self.ask_or_defer(request, undecided.verified_by_server());
            }
            RequestState::Ask(undecided) => return before_password_check(request, Some(undecided)),
            RequestState::Question(question) => return self.put_question(request, question),
            RequestState::ChallengeDue(decision) => return self.send_challenge(request, &decision),
            RequestState::New => {}
        }
        let is_own = self.verifies_password(request);
        match self.find_exemption(request).filter(|_| !is_own) {
            // Unlang that has set the Auth-Type of this instance as well wants no other module to decide. If this module has set it,
            // any State would do for an accept.
            Some(exempt @ ExemptBy::ByUnlang) if self.is_own_auth_type(request) && !request.is_claimed() => {
                return self.accept_exempt(request, exempt);
            }
            // An exception only replaces the second factor: it becomes an accept once another module has found the
            // password right.
            Some(_) if !is_password_verified => return before_password_check(request, None),
            Some(exempt) => return self.accept_exempt(request, exempt),
            None => {}
        }
        let password = match self.presented_password(request) {
            Ok(presented) => presented,
            Err(reason) => return self.note_accept(request, AttemptFinding::Refused(reason)),
        };
        if let Some(state) = self.answers_challenge(request) {
            return self.answer_challenge(request, &state, password.without_password());
        }
        let is_outside = self.attributes.is_eap(request) && request.outer().is_none();
        let is_method =
            self.attributes.is_within_eap(request) && !matches!(password, SubmittedPassword::Absent);
        match (self.login_mode(request), &password) {
            // The name outside a tunnel is not verified.
            _ if is_outside && !is_method => self.refuse_accept(request, RefusalReason::Undecided),
            _ if is_own => self.decide_presented(request, password),
            (Mode::Append, SubmittedPassword::Plain(_)) if self.is_password_alone(request, &password) => {
                if is_password_verified {
                    self.attempt_verified(request)
                } else {
                    before_password_check(request, None)
                }
            }
            (Mode::Append, SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. }) => {
                self.note_accept(request, AttemptFinding::Refused(RefusalReason::NotSplit))
            }
            (
                Mode::Append,
                SubmittedPassword::Chap { .. }
                | SubmittedPassword::MsChap { .. }
                | SubmittedPassword::MsChap2 { .. },
            ) => self.note_accept(request, AttemptFinding::Refused(RefusalReason::NeedsPap)),
            (Mode::Challenge | Mode::Auto, _) if !is_password_verified => {
                before_password_check(request, None)
            }
            (Mode::Challenge | Mode::Auto, _) => self.attempt_verified(request),
            (_, SubmittedPassword::Absent) => {
                self.note_accept(request, AttemptFinding::Refused(RefusalReason::NoPassword))
            }
            (Mode::Passcode, SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. }) => {
                self.decide_presented(request, password.without_password())
            }
            (Mode::Passcode, _) => self.answer_digest(request, password),
        }
    }

    /// | request | result |
    /// |---|---|
    /// | parked | `ok`: it goes to the responder |
    /// | anything else that is proxied to the pool of this instance | `fail` |
    fn pre_proxy(&self, request: &mut Request<'_>) -> Rcode {
        match request.noted::<LoginNote>() {
            Some(LoginNote::Parked(handle)) => {
                handle.send();
                let token = handle.token;
                outcome::checked_rcode(
                    self.attributes.address_to_responder(request, token.expose()),
                    Rcode::Ok,
                )
            }
            _ => Rcode::Fail,
        }
    }

    /// | what came of the wait | result |
    /// |---|---|
    /// | accept, and it is this packet's | `ok`, with the reply that was there before |
    /// | reject, challenge | `updated` |
    /// | anything else: no datagram came, or an accept that is not this packet's | `fail`, and `Auth-Type := Reject` |
    ///
    /// | what came from a home server of the site | result |
    /// |---|---|
    /// | no accept, or not for this module | `noop` |
    /// | accept, and accepted by this module, or exempt | `ok` |
    /// | accept, and the passcode was found right in `authorize` | `ok`, once that is written |
    /// | accept, and the user is to be asked | a challenge: `handled`; nothing of the accept is left |
    /// | an accept that this module does not let pass | `fail`, and `Auth-Type := Reject` |
    fn post_proxy(&self, request: &mut Request<'_>) -> Rcode {
        let is_own_pool = self.pool.as_ref().is_some_and(|pool| pool.name() == request.server());
        match request.noted::<LoginNote>() {
            Some(LoginNote::Parked(_)) => self.take_decision(request),
            _ if is_own_pool => self.take_decision(request),
            _ => self.verify_home_server_answer(request),
        }
    }

    /// The guard: no accept passes that this module has not decided on.
    ///
    /// | what | result |
    /// |---|---|
    /// | not for this module, or no accept | `noop` |
    /// | a reject of the server's own modules, which check the password | `noop`; it is made to look like one of this module |
    /// | accepted by this module | `ok` |
    /// | passcode found right in `authorize`, and `Auth-Type := Accept`: the password was not checked | `reject`, as below |
    /// | passcode found right in `authorize`, and now the password | `ok`, once that is written; otherwise as [`outcome::refusal_rcode`] |
    /// | exempt | `ok` |
    /// | inside a tunnel: to be asked by the outer server | `ok` |
    /// | to be asked, or challenge or auto: and the server has proxied the password | the user is asked: a challenge, or this thread waits |
    /// | an accept that this module did not decide on | `reject`, and nothing of the accept is left in the reply |
    fn post_auth(&self, request: &mut Request<'_>) -> Rcode {
        if self.traffic_kind(request) != TrafficKind::Login {
            return Rcode::Noop;
        }
        match request.reply_code() {
            code::ACCESS_REJECT => {
                self.equalise_reject(request);
                return Rcode::Noop;
            }
            code::ACCESS_CHALLENGE => return Rcode::Noop,
            _ => {}
        }
        let is_tunnelled = request.outer().is_some();
        let is_parked = matches!(request.noted::<LoginNote>(), Some(LoginNote::Parked(_)));
        // A user is asked only behind a verified password: in the tunnel, or by a home server. The name outside a tunnel is not
        // verified.
        let can_ask =
            is_tunnelled || (request.is_proxied() && !is_parked && !self.attributes.is_eap(request));
        let result = match self.request_state(request) {
            RequestState::LetIn => {
                self.keep_accept(request);
                Rcode::Ok
            }
            RequestState::Pending(_) if self.skips_password(request) => {
                self.refuse_accept(request, RefusalReason::Undecided)
            }
            RequestState::Pending(pending) => {
                let result = self.confirm_accept(request, *pending);
                if result == Rcode::Ok {
                    self.keep_accept(request);
                }
                result
            }
            RequestState::Deferred => return Rcode::Ok,
            RequestState::Question(TunnelQuestion::New(undecided)) => {
                self.refuse_pending(request, *undecided, RefusalReason::NotBehindEap)
            }
            RequestState::Question(TunnelQuestion::Shown(_)) => {
                self.refuse_accept(request, RefusalReason::NotBehindEap)
            }
            RequestState::ChallengeDue(decision) => return self.add_reply_messages(request, &decision),
            RequestState::Ask(undecided) if can_ask => {
                let result = self.ask_or_defer(request, undecided.verified_by_server());
                return self.keep_decision(request, result);
            }
            RequestState::Ask(undecided) => {
                self.refuse_pending(request, *undecided, RefusalReason::Undecided)
            }
            RequestState::New if is_parked => self.refuse_accept(request, RefusalReason::Undecided),
            RequestState::New => match self.find_exemption(request) {
                Some(exempt) => self.accept_exempt(request, exempt),
                None if can_ask && self.asks_later(request) => {
                    let result = self.attempt_verified(request);
                    return self.keep_decision(request, result);
                }
                None => self.refuse_accept(request, RefusalReason::Undecided),
            },
        };
        // The guard of the outer server asks for this ticket.
        if result == Rcode::Ok && is_tunnelled {
            let user = self.attributes.user(request);
            let left = self.attributes.leave_ticket(request, user, TicketPurpose::Outer);
            return self.ticket_result(request, left);
        }
        result
    }
}
