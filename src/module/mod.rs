//! RADIUS in, verdict out: what the server's sections mean for a second factor.
//!
//! A login comes through `authorize` (append mode is split, verified and spent here), `authenticate` (a passcode is
//! verified and spent here, and a device is asked) and `post-auth`, where the guard refuses every accept without a
//! decision of this module. What was decided hangs on the request as a [`LoginNote`], out of reach of every
//! attribute; through EAP tunnels it travels as a [`ticket`]. A login that waits leaves its thread and comes back by
//! [`parking`].

mod apply_decision;
mod attributes;
mod datagrams;
mod forwarded_attributes;
mod home_server_answer;
mod login;
mod message_authenticator;
mod outcome;
mod parking;
mod refusal_delay;
mod request_state;
mod station;
mod ticket;

use crate::app::{self, App};
use crate::config::profile::ChallengeSupport;
use crate::config::push::NumberMatch;
use crate::config::{Config, FileSystem, ServerTimers, StartSettings, clients, coverage};
use crate::engine::port::AttemptFinding;
use crate::engine::{
    Decision, FieldContents, LoginAttempt, LoginEndpoint, PasswordStatus, PasswordVerifier, PendingAccept,
    PendingLogin, RefusalReason, Step, SubmittedPassword, Verdict, VerifiedPassword,
};
use crate::freeradius::{
    AttributeList, BUILD, HomePool, InstanceSetup, LogLevel, Module, Rcode, Request, SectionMethod, code,
    write_log,
};
use crate::text::ClientTexts;
use crate::types::{Mode, Printable};
use crate::waiting::ParkedHandle;
use attributes::{ModuleAttributes, ReplyAttributes};
use forwarded_attributes::PassedAttributes;
use login::TrafficKind;
use once_cell::sync::OnceCell;
use request_state::{ExemptBy, RequestState};
use std::cell::Cell;
use std::ffi::CStr;
use std::sync::Arc;
use std::time::Duration;
use ticket::{TicketPurpose, TunnelQuestion};

/// One instance of the module.
pub struct MfaModule {
    name: String,
    config: Arc<Config>,
    attributes: ModuleAttributes,
    /// What `reply { }` names.
    told: ReplyAttributes,
    /// Request attributes for the password backend.
    passing: PassedAttributes,
    /// None with `radiusd -XC`, where no request ever comes.
    app: Option<App>,
    words: ClientTexts,
    /// Whether any client may say how it is spoken to.
    clients_speak: bool,
    /// Where requests wait; none if the server does not proxy.
    pool: Option<HomePool>,
    /// The server's: for how long rejects are held back.
    reject_delay: Duration,
    /// Virtual servers, and the sections of their `authenticate` in which we are called before anybody else.
    first_in: Vec<(String, String)>,
    /// Virtual servers in tunnels that can ask in several rounds of EAP-GTC.
    conversing: Vec<String>,
    /// The value of Auth-Type that runs this instance, once the server has made it.
    auth_type: OnceCell<u32>,
}

/// How far a request has come with us.
enum LoginNote {
    /// Accepted.
    LetIn,
    /// Its passcode was right. Its password is checked by the server's own modules now; the guard makes an accept of it.
    Pending(Box<PendingAccept>),
    /// Another module verifies the password now; then the user is asked.
    Ask(Cell<Option<Box<PendingLogin>>>),
    /// Called in `authenticate` before the module that verifies the password; then the user is asked, if that is
    /// known already.
    Again(Cell<Option<Box<PendingLogin>>>),
    /// The request waits.
    Parked(ParkedHandle),
    /// `eap` is about to end the method that asked for the password; then its user is asked this instead.
    Say(Box<Decision>),
}

impl Module for MfaModule {
    const NAME: &'static CStr = c"mfa";

    fn bootstrap(_: &InstanceSetup) -> Result<(), Vec<String>> {
        ModuleAttributes::register_attributes().map_err(|error| vec![error])
    }

    fn instantiate(setup: &InstanceSetup) -> Result<Self, Vec<String>> {
        let name = setup.section.section_label().to_owned();
        let StartSettings { config, texts, timers } =
            StartSettings::read(&setup.server, &setup.section, &FileSystem)?;
        let words = ClientTexts::new(&config, texts);
        parking::check_parkable(setup, &name, &timers).map_err(|line| with_client_name(&name, vec![line]))?;
        let config = Arc::new(config);
        let attributes = ModuleAttributes::find_attributes().map_err(|error| vec![error.to_string()])?;
        let told = ReplyAttributes::find_reply_attributes(&config.replies, &setup.section)?;
        let passing =
            PassedAttributes::find_backend(&config).map_err(|lines| with_client_name(&name, lines))?;
        for finding in coverage::unconfirmed(&setup.server) {
            write_log(LogLevel::Error, &format!("{name}: {}: {}", finding.at, finding.text));
        }
        for finding in coverage::check(&setup.server).into_iter().filter(coverage::CoverageFinding::is_loud) {
            write_log(LogLevel::Warn, &format!("{name}: {}: {}", finding.at, finding.text));
        }
        write_log(LogLevel::Info, &format!("{name}: second factors by {BUILD}"));
        let (app, pool) = match setup.check_only {
            true => {
                App::check_startable(&config).map_err(|error| with_client_name(&name, vec![error]))?;
                (None, None)
            }
            false => {
                let app =
                    open(&name, &config, &timers).map_err(|error| with_client_name(&name, vec![error]))?;
                let pool = parking::home_pool(setup, &name, &app, &timers)
                    .map_err(|error| with_client_name(&name, vec![error]))?;
                (Some(app), pool)
            }
        };
        let first_in = coverage::first_in(&setup.server);
        let conversing = coverage::lacks_conversation(&setup.server, &name);
        let clients_speak = clients::client_texts(&setup.server);
        Ok(Self {
            clients_speak,
            name,
            config,
            attributes,
            told,
            passing,
            app,
            words,
            pool,
            reject_delay: timers.reject_delay,
            first_in,
            conversing,
            auth_type: OnceCell::new(),
        })
    }

    /// Every answer is signed ([`message_authenticator`]), and a request that could make the server answer for another user is
    /// refused.
    fn before(&self, method: SectionMethod, request: &mut Request<'_>) -> Option<Rcode> {
        self.sign(request);
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
        self.sign(request);
    }

    /// | what | result |
    /// |---|---|
    /// | not ours (MAC authentication, other packets), exempt, EAP | `noop` |
    /// | a packed field that does not decode | `invalid` |
    /// | a packed field, and nothing else to be done | `updated`, the password alone in User-Password |
    /// | the answer to a challenge of ours, without Auth-Type | `ok`, and `Auth-Type := mfa` |
    /// | a password that this module verifies, without Auth-Type | `ok`, and `Auth-Type := mfa` |
    /// | passcode: PAP without Auth-Type | `ok`, and `Auth-Type := mfa` |
    /// | passcode: anything else | `noop` |
    /// | append: split before | `noop` |
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
        // What is no password is none for those behind us either.
        let presented = match self.presented_password(request) {
            Ok(presented) => presented,
            Err(reason) => return self.note_accept(request, AttemptFinding::Refused(reason)),
        };
        // This module verifies the password, whether the user is exempt or not.
        let is_own = self.checks_password(request);
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
    /// | let in by us before (in the section, or inside the tunnel) | `ok` |
    /// | passcode found right in `authorize` | `updated`: the module that checks the password decides, and the guard accepts; alone it is a reject |
    /// | accept, PAP | `ok` |
    /// | accept, CHAP or MS-CHAP: the code is in Cleartext-Password | `updated`: behind us `chap` or `mschap` decides |
    /// | a push is sent, and the request waits | `handled`, the reply's code 0: the server parks it |
    /// | a push is to be sent, inside a tunnel or an EAP method | `ok`: `mfa` behind `eap` in the outer server asks |
    /// | a challenge | `handled`, with State and Reply-Message |
    /// | a password that this module verifies | accept, park, challenge, or refused, whatever stood before us |
    /// | exempt | `ok` |
    /// | exempt, before the module that checks the password | `updated`, as with auto |
    /// | append, and a user without a token: as policy says | accept `ok`, otherwise as [`outcome::refusal_rcode`] |
    /// | challenge, auto, or an answer that asks, before the module that checks the password | `updated`: behind it, `mfa` once more; alone it is a reject |
    /// | behind `eap`, and nothing was decided or left to be asked in the tunnel | `reject`: whose login it is is not known here |
    /// | not ours (MAC authentication) | `updated`: what stands before us has decided, alone it is a reject |
    /// | refused | as [`outcome::refusal_rcode`] |
    fn authenticate(&self, request: &mut Request<'_>) -> Rcode {
        match self.traffic_kind(request) {
            TrafficKind::Login => {}
            TrafficKind::MacAuthentication | TrafficKind::Other => return Rcode::Updated,
        }
        let is_checked = self.is_checked(request);
        match self.request_state(request) {
            RequestState::LetIn | RequestState::Deferred => return Rcode::Ok,
            RequestState::Pending(_) => return Rcode::Updated,
            RequestState::Ask(undecided) if is_checked => {
                return self.ask_or_defer(request, undecided.verified_by_server());
            }
            RequestState::Ask(undecided) => return before_password_check(request, Some(undecided)),
            RequestState::Question(question) => return self.put_question(request, question),
            RequestState::Say(decision) => return self.send_challenge(request, &decision),
            RequestState::New => {}
        }
        let is_own = self.checks_password(request);
        match self.find_exemption(request).filter(|_| !is_own) {
            // Unlang that has set our Auth-Type as well has no one else asked. If we have set it, any State would do for an accept.
            Some(exempt @ ExemptBy::ByUnlang) if self.is_ours_alone(request) && !request.is_claimed() => {
                return self.accept_exempt(request, exempt);
            }
            // An exception only replaces the second factor: it becomes an accept once another module has found the
            // password right.
            Some(_) if !is_checked => return before_password_check(request, None),
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
            // The name outside of a tunnel is anybody's.
            _ if is_outside && !is_method => self.turn_away(request, RefusalReason::Undecided),
            _ if is_own => self.decide_presented(request, password),
            (Mode::Append, SubmittedPassword::Plain(_)) if self.is_password(request, &password) => {
                if is_checked {
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
            (Mode::Challenge | Mode::Auto, _) if !is_checked => before_password_check(request, None),
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

    /// `ok`: the request goes to the responder. Anything else that is proxied to our pool is refused.
    fn pre_proxy(&self, request: &mut Request<'_>) -> Rcode {
        match request.noted::<LoginNote>() {
            Some(LoginNote::Parked(seat)) => {
                seat.send();
                let token = seat.token;
                outcome::checked_rcode(self.attributes.address_to_responder(request, &token), Rcode::Ok)
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
    /// | what came from a home server of the site's | result |
    /// |---|---|
    /// | no accept, or not ours | `noop` |
    /// | accept, and let in by us, or exempt | `ok` |
    /// | accept, and the passcode was found right in `authorize` | `ok`, once that is written |
    /// | accept, and the user is to be asked | a challenge: `handled`; nothing of the accept is left |
    /// | an accept that we do not let in | `fail`, and `Auth-Type := Reject` |
    fn post_proxy(&self, request: &mut Request<'_>) -> Rcode {
        let is_ours = self.pool.as_ref().is_some_and(|pool| pool.name() == request.server());
        match request.noted::<LoginNote>() {
            Some(LoginNote::Parked(_)) => self.take_decision(request),
            _ if is_ours => self.take_decision(request),
            _ => self.verify_home_server_answer(request),
        }
    }

    /// The guard.
    ///
    /// | what | result |
    /// |---|---|
    /// | not ours, or no accept | `noop` |
    /// | a reject of the server's own modules, which check the password | `noop`; it becomes like one of ours |
    /// | let in by us | `ok` |
    /// | passcode found right in `authorize`, and `Auth-Type := Accept`: the password was not checked | `reject`, as below |
    /// | passcode found right in `authorize`, and now the password | `ok`, once that is written; otherwise as [`outcome::refusal_rcode`] |
    /// | exempt | `ok` |
    /// | inside a tunnel: to be asked by the outer server | `ok` |
    /// | to be asked, or challenge or auto: and the server has proxied the password | the user is asked: a challenge, or this thread waits |
    /// | an accept that we did not decide | `reject`, and nothing of the accept is left in the reply |
    fn post_auth(&self, request: &mut Request<'_>) -> Rcode {
        let refused = matches!(request.reply_code(), code::ACCESS_REJECT | code::ACCESS_CHALLENGE);
        if refused || self.traffic_kind(request) != TrafficKind::Login {
            if request.reply_code() == code::ACCESS_REJECT && self.traffic_kind(request) == TrafficKind::Login
            {
                self.even_out(request);
            }
            return Rcode::Noop;
        }
        let is_tunnelled = request.outer().is_some();
        let is_parked = matches!(request.noted::<LoginNote>(), Some(LoginNote::Parked(_)));
        // The password was right, in the tunnel or where the server asked for it. The name outside of a tunnel is anybody's.
        let can_ask =
            is_tunnelled || (request.is_proxied() && !is_parked && !self.attributes.is_eap(request));
        let result = match self.request_state(request) {
            RequestState::LetIn => {
                self.keep_accept(request);
                Rcode::Ok
            }
            RequestState::Pending(_) if self.is_unchecked(request) => {
                self.turn_away(request, RefusalReason::Undecided)
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
                self.turn_down(request, *undecided, RefusalReason::NotBehindEap)
            }
            RequestState::Question(TunnelQuestion::Shown(_)) => {
                self.turn_away(request, RefusalReason::NotBehindEap)
            }
            RequestState::Say(decision) => return self.add_reply_messages(request, &decision),
            RequestState::Ask(undecided) if can_ask => {
                let result = self.ask_or_defer(request, undecided.verified_by_server());
                return self.keep_decision(request, result);
            }
            RequestState::Ask(undecided) => self.turn_down(request, *undecided, RefusalReason::Undecided),
            RequestState::New if is_parked => self.turn_away(request, RefusalReason::Undecided),
            RequestState::New => match self.find_exemption(request) {
                Some(exempt) => self.accept_exempt(request, exempt),
                None if can_ask && self.asks_later(request) => {
                    let result = self.attempt_verified(request);
                    return self.keep_decision(request, result);
                }
                None => self.turn_away(request, RefusalReason::Undecided),
            },
        };
        // The accept of a tunnel is the inner server's; the outer guard asks for it.
        if result == Rcode::Ok && is_tunnelled {
            let user = self.attributes.user(request);
            let left = self.attributes.leave_ticket(request, user, TicketPurpose::Outer);
            return self.ticket_result(request, left);
        }
        result
    }
}

impl MfaModule {
    /// Asks the server to call this module in `authenticate`, if no other Auth-Type is set.
    fn claim_authenticate(&self, request: &mut Request<'_>) -> Rcode {
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
    fn verify_appended_passcode(&self, request: &mut Request<'_>, password: SubmittedPassword) -> Rcode {
        let attempt = self.build_attempt(request, password);
        let Some(app) = &self.app else { return Rcode::Fail };
        let first = match app.start_here(attempt) {
            // No accept before the password was verified.
            Step::Decided(decision) if decision.verdict().lets_in() => {
                return self.turn_away(request, RefusalReason::Undecided);
            }
            Step::Decided(decision) => match (self.apply(request, &decision), decision.verdict()) {
                (Rcode::Updated, Verdict::Pending) => decision.password,
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
    fn answer_digest(&self, request: &mut Request<'_>, password: SubmittedPassword) -> Rcode {
        let is_ms_chap = !matches!(password, SubmittedPassword::Chap { .. });
        let attempt = self.build_attempt(request, password);
        let Some(app) = &self.app else { return Rcode::Fail };
        let secret = match app.start_here(attempt) {
            Step::Decided(decision) => match self.apply(request, &decision) {
                Rcode::Ok => decision.passcode,
                refused => return refused,
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
        outcome::checked_rcode(self.attributes.hand_over(request, secret, is_ms_chap), Rcode::Updated)
    }

    /// Decides on what was presented.
    fn decide_presented(&self, request: &mut Request<'_>, password: SubmittedPassword) -> Rcode {
        let attempt = self.build_attempt(request, password);
        self.decide_or_park(request, attempt)
    }

    /// Decides on a login whose password the server's own modules have found right, and which presents nothing else.
    fn attempt_verified(&self, request: &mut Request<'_>) -> Rcode {
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

    /// Decides, waiting elsewhere if that takes long.
    fn decide_or_park(&self, request: &mut Request<'_>, attempt: LoginAttempt) -> Rcode {
        if attempt.mode == Mode::Challenge && !attempt.dialogue {
            let (user, protocol) =
                (String::from_utf8_lossy(&attempt.user), self.attributes.password_protocol(request));
            let line =
                format!("{}: {protocol}: {UNABLE}, client {}", shown_user(&user), attempt.source.client);
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

    /// The same where `eap` has the last word: nothing can leave its thread.
    fn attempt_within(&self, request: &mut Request<'_>, attempt: LoginAttempt) -> Rcode {
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
    fn ask_or_defer(&self, request: &mut Request<'_>, mut undecided: PendingLogin) -> Rcode {
        self.attributes.will_ask(request);
        let shows_number = self.config.push.number_match == NumberMatch::Required;
        let goes_on = undecided.attempt.dialogue && (shows_number || !undecided.asks_device());
        if goes_on || !self.is_within(request) {
            return self.put_challenge(request, undecided);
        }
        // The server around the tunnel can show nothing.
        undecided.attempt.dialogue = false;
        self.leave_question(request, TunnelQuestion::New(Box::new(undecided)))
    }

    fn leave_question(&self, request: &mut Request<'_>, question: TunnelQuestion) -> Rcode {
        let user = match &question {
            TunnelQuestion::New(undecided) => undecided.attempt.user.clone(),
            TunnelQuestion::Shown(attempt) => attempt.user.clone(),
        };
        let left = self.attributes.leave_ticket(request, user, TicketPurpose::Ask(question));
        self.ticket_result(request, left)
    }

    /// Sends the challenge.
    fn put_challenge(&self, request: &mut Request<'_>, undecided: PendingLogin) -> Rcode {
        let login = self.login_packet(request);
        let Some(app) = &self.app else { return Rcode::Fail };
        let progress = app.wait_for_provider(undecided, login);
        self.act_on_progress(request, progress)
    }

    /// The answer to a challenge of ours.
    fn answer_challenge(
        &self,
        request: &mut Request<'_>,
        state: &[u8],
        password: SubmittedPassword,
    ) -> Rcode {
        let attempt = LoginAttempt { state: Some(state.to_vec()), ..self.build_attempt(request, password) };
        let Some(app) = &self.app else { return Rcode::Fail };
        if !self.is_within(request) {
            let progress = app.answer_challenge(attempt, self.login_packet(request));
            return self.act_on_progress(request, progress);
        }
        if app.is_shown(&attempt) {
            let shown = LoginAttempt { dialogue: false, ..attempt };
            return self.leave_question(request, TunnelQuestion::Shown(Box::new(shown)));
        }
        self.attempt_within(request, attempt)
    }

    /// What the tunnel has left to be asked, or to be waited for.
    fn put_question(&self, request: &mut Request<'_>, question: TunnelQuestion) -> Rcode {
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

    /// The attempt that this request is.
    fn build_attempt(&self, request: &mut Request<'_>, password: SubmittedPassword) -> LoginAttempt {
        let mode = self.login_mode(request);
        LoginAttempt {
            at: app::now(),
            user: self.attributes.user(request),
            source: self.attributes.attempt_source(request),
            mode,
            endpoint: LoginEndpoint { instance: self.name.clone(), virtual_server: request.entry() },
            password_status: PasswordStatus::initial_for(&self.config, mode),
            password,
            proof: None,
            state: None,
            dialogue: {
                let rounds = self.conversing.contains(&request.server());
                let shows = self.client_voice(request).shows_challenges() == ChallengeSupport::Shown;
                self.attributes.can_answer(request, shows, rounds)
            },
            dice: app::draw_entropy(),
            unchecked: self.pre_auth_facts(request, mode),
            grants: None,
            datagram: self.earlier_decision(request),
        }
    }
}

/// What the log says of a login that mode `challenge` cannot ask.
const UNABLE: &str = "shows no challenges, so a push is sent if there is a provider";

/// Why a conversation is refused that could be anybody's.
const AMBIGUOUS: &str = "more than one user or tunnel in an EAP conversation";

/// Called before the module that verifies the password: this module is called again behind it, and asks then.
fn before_password_check(request: &mut Request<'_>, undecided: Option<Box<PendingLogin>>) -> Rcode {
    outcome::checked_rcode(request.note(LoginNote::Again(Cell::new(undecided))), Rcode::Updated)
}

/// Opens what decides. Packets that were parked and got lost on the way are told to the log.
fn open(name: &str, config: &Arc<Config>, timers: &ServerTimers) -> Result<App, String> {
    let threads = usize::try_from(timers.max_servers).unwrap_or(1);
    let who = name.to_owned();
    let lost = move |user: &str| {
        write_log(
            LogLevel::Error,
            &format!(
                "{who}: {}: parked, but its packet never came: cancelled (does its listener say \"synchronous = yes\"?)",
                shown_user(user)
            ),
        );
    };
    let mut app =
        App::open(Arc::clone(config), threads, Box::new(lost)).map_err(|error| error.to_string())?;
    let who = name.to_owned();
    app.complain_to(Arc::new(move |line| write_log(LogLevel::Error, &format!("{who}: {line}"))));
    app.start_services(name, &|line| write_log(LogLevel::Warn, &format!("{name}: {line}")))?;
    Ok(app)
}

fn with_client_name(name: &str, lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| format!("{name}: {line}")).collect()
}

/// User names as they stand in our lines.
fn shown_user(name: &str) -> Printable {
    Printable::new(name)
}
