//! The state of a request when a section calls the module: what was decided before, what is still to be asked, and which
//! module verifies the password.
//!
//! Two things carry the state from one call to the next. A [`LoginNote`] is attached to the request and ends with it. A ticket
//! ([`TicketPurpose`](super::ticket::TicketPurpose)) lies in the session-state of an EAP conversation, and goes from packet to
//! packet, or from the tunnel to the outer server. [`MfaModule::request_state`] reads both, the note first, and returns a
//! [`RequestState`].
//!
//! ```text
//!                                   New (no note, no ticket)
//!                                    |
//!        .---------------------------+--------------------------.
//!        | authorize, append         | authenticate:            | decided here: authenticate; post-auth in a tunnel or
//!        |                           | another module           | after a proxied password; post-proxy after the accept
//!   .----+--------.                  | verifies the             | of a home server
//!   | passcode    | push to be       | password                 |
//!   | is right    | sent later       v                          |
//!   v             v                Again                        |
//! Pending        Ask                 | authenticate, called     |
//!   |             |                  | again behind that module |
//!   |             '--------+---------+                          |
//!   |                      |         '------------------------->+
//!   |    a login is pending|           no login is pending      |
//!   |                      v                                    v
//!   |              ask for the factor ------------------> outcome of the engine
//!   |                      |                                accept ------------------------> LetIn
//!   |   inside EAP, and no |                                waiting for a provider --------> Parked
//!   |   dialogue possible  v                                challenge, inside EAP's method -> ChallengeDue
//!   |       ticket Ask(New): Deferred                       challenge ---------------------> sent, `handled`
//!   |                                                       refusal -----------------------> sent
//!   '-- post-auth, post-proxy: the accept is written -----------------------------------> LetIn
//!
//!   Parked        post-proxy: accept -> LetIn; reject or challenge -> sent; post-auth: refused
//!   ChallengeDue  authenticate, post-auth: the challenge is sent
//!   Deferred      authenticate, post-auth of the inner server: `ok`; the outer server asks
//!   Question      authenticate behind `eap`: asks, with an outcome as above; post-auth: refused
//!   LetIn         authenticate, post-auth, post-proxy: `ok`; post-auth in a tunnel leaves a ticket Outer
//!
//!   ticket      redeemed by                                                     state of that request
//!   Direct      a later packet of the conversation, same user, no tunnel        LetIn
//!   Inner       a later packet in the tunnel, same user                         LetIn
//!   Outer       the outer request, after the inner guard has accepted           LetIn
//!   Ask(New)    the outer request: the push is still to be sent                 Question
//!   Ask(Shown)  the outer request: the push was sent, its answer is awaited     Question
//!   Ask(any)    read, not redeemed, by an inner request of the same user        Deferred
//! ```
//!
//! - `Ask` in authenticate before the password is verified becomes `Again`.
//! - `Ask` and `Again` hold their pending login once. After it was taken they are read as if there was no note.
//! - `Parked` is read as `New`. post-auth checks for the note and refuses, since the accept has to come through post-proxy.
//! - `Pending` is refused in post-auth where `Auth-Type := Accept` has skipped the password.
//! - In post-auth, `Ask` and `New` are refused where the password was verified neither in a tunnel nor by a home server.
//!   An exempt request is accepted from `New`.

use super::attributes;
use super::instance::{LoginNote, MfaModule};
use super::login::TrafficKind;
use super::outcome;
use super::session_state::RedeemedTicket;
use super::ticket::TunnelQuestion;
use crate::app;
use crate::config::clients;
use crate::config::profile::{ChallengeSupport, StaticChallenge};
use crate::engine::port::AttemptFinding;
use crate::engine::{
    Decision, FieldContents, PasswordStatus, PendingAccept, PendingLogin, PreAuthFacts, RefusalReason,
    SubmittedPassword, is_packed, unpack_field,
};
use crate::freeradius::{AttributeList, Rcode, Request};
use crate::text::ClientVoice;
use crate::types::Mode;

/// The source of an exemption from the second factor.
pub(super) enum ExemptBy {
    /// `MFA-Exempt := yes`.
    ByUnlang,
    /// An exception of `policy { }`, by its name.
    ByPolicy(String),
}

/// The state of a request when a section calls the module.
pub(super) enum RequestState {
    /// Accepted, either itself or through the tunnel in it.
    LetIn,
    /// The passcode was right; the server's own modules verify the password.
    Pending(Box<PendingAccept>),
    /// The outer server of the tunnel asks.
    Deferred,
    /// The server's own modules verify the password; the user is asked next.
    Ask(Box<PendingLogin>),
    /// The tunnel of this EAP conversation has left a question for its user.
    Question(TunnelQuestion),
    /// The password was right; the challenge is sent once `eap` has ended its method.
    ChallengeDue(Box<Decision>),
    /// No earlier call has left anything.
    New,
}

impl MfaModule {
    /// The kind of traffic that the request is.
    pub(super) fn traffic_kind(&self, request: &Request<'_>) -> TrafficKind {
        self.attributes.traffic_kind(request)
    }

    /// The exemption of this request from the second factor. MFA-Exempt, set in unlang, overrides `policy { }` both ways.
    pub(super) fn find_exemption(&self, request: &mut Request<'_>) -> Option<ExemptBy> {
        match self.attributes.says_yes(request, self.attributes.mfa_exempt) {
            Some(false) => None,
            Some(true) => Some(ExemptBy::ByUnlang),
            None if self.config.policy.asks_everybody() => None,
            None => {
                let who = self.attributes.policy_context(request, &self.config.names);
                let exemption = self.config.policy.find_exemption(&who, app::now())?;
                Some(ExemptBy::ByPolicy(exemption.as_str().to_owned()))
            }
        }
    }

    /// Whether this module verifies the password, and not another one of the server.
    pub(super) fn verifies_password(&self, request: &Request<'_>) -> bool {
        PasswordStatus::initial_for(&self.config, self.login_mode(request)).is_ours_to_check()
    }

    /// What is known of the login before the password is verified.
    pub(super) fn pre_auth_facts(&self, request: &mut Request<'_>, mode: Mode) -> PreAuthFacts {
        let place = self.remembered_place(request);
        if !PasswordStatus::initial_for(&self.config, mode).is_ours_to_check() {
            return PreAuthFacts { place, ..PreAuthFacts::default() };
        }
        PreAuthFacts {
            place,
            who: self.attributes.policy_context(request, &self.config.names),
            exempt: self.attributes.says_yes(request, self.attributes.mfa_exempt),
            remember: self.attributes.says_yes(request, self.attributes.mfa_remember) != Some(false),
            packet: self.forwarded.read_forwarded(request),
        }
    }

    /// MFA-Mode, set in unlang, or else the configured mode. Of several values, one with which a passcode alone is not enough counts
    /// first.
    pub(super) fn login_mode(&self, request: &Request<'_>) -> Mode {
        let values = request.values(AttributeList::Control, self.attributes.mfa_mode);
        let read_mode = |octets: &Vec<u8>| {
            let value = u32::from_be_bytes(octets.as_slice().try_into().ok()?);
            match u16::try_from(value).ok()? {
                attributes::MODE_PASSCODE => Some(Mode::Passcode),
                attributes::MODE_APPEND => Some(Mode::Append),
                attributes::MODE_CHALLENGE => Some(Mode::Challenge),
                attributes::MODE_AUTO => Some(Mode::Auto),
                _ => None,
            }
        };
        let modes = values.iter().filter_map(read_mode);
        modes.min_by_key(|mode| *mode == Mode::Passcode).unwrap_or(self.config.mode)
    }

    /// The texts and abilities of the client that sent the request: as unlang says, or else its section in clients.conf.
    pub(super) fn client_voice(&self, request: &Request<'_>) -> ClientVoice {
        let [profile, language] = self.attributes.profile_and_language(request);
        let profiles = [profile, self.client_option(request, clients::PROFILE)];
        let languages = [language, self.client_option(request, clients::LANGUAGE)];
        self.texts.voice_for(
            profiles.iter().flatten().map(String::as_str),
            languages.iter().flatten().map(String::as_str),
        )
    }

    /// An option of this module in the client's section of clients.conf.
    pub(super) fn client_option(&self, request: &Request<'_>, name: &str) -> Option<String> {
        if self.has_client_options { request.client_option(name) } else { None }
    }

    /// As [`client_voice`](Self::client_voice), for the reply to a decision: a reject that has to end an EAP conversation is not replaced
    /// by a challenge.
    pub(super) fn reply_voice(&self, request: &mut Request<'_>) -> ClientVoice {
        let is_conversation = self.attributes.is_eap(request) || request.outer().is_some();
        let voice = self.client_voice(request);
        if is_conversation { voice.without_last_challenge() } else { voice }
    }

    /// Whether the user can be asked for more and answer: by a password in clear, if the client shows challenges, or by EAP-GTC in a
    /// tunnel, where the virtual server can go on with that. MFA-Dialogue overrides this, also for PAP in a tunnel.
    pub(super) fn can_answer(&self, request: &mut Request<'_>) -> bool {
        let attributes = &self.attributes;
        if request.value_count(AttributeList::Request, attributes.user_password) != 1 {
            return false;
        }
        let shows_challenges = self.client_voice(request).shows_challenges() == ChallengeSupport::Shown;
        let policy = attributes.says_yes(request, attributes.mfa_dialogue);
        match (attributes.tunnel_depth(request), attributes.is_eap(request)) {
            (0, false) => policy.unwrap_or(shows_challenges),
            (1, false) => policy.unwrap_or(false),
            (1, true) => {
                self.conversation_servers.contains(&request.server())
                    && attributes.gtc_response(request).is_some()
                    && policy.unwrap_or(shows_challenges)
            }
            _ => false,
        }
    }

    /// The submitted password, its field decoded as the configuration or the client's profile demands.
    ///
    /// # Errors
    ///
    /// The field does not decode: see [`unpack_field`].
    pub(super) fn presented_password(
        &self,
        request: &Request<'_>,
    ) -> Result<SubmittedPassword, RefusalReason> {
        let field = match self.attributes.submitted_password(request) {
            SubmittedPassword::Plain(field) => field,
            other => return Ok(other),
        };
        let mut how = self.config.unpacking;
        if !how.static_challenge && is_packed(&field) {
            how.static_challenge =
                self.client_voice(request).profile_name().static_challenge == StaticChallenge::Packed;
        }
        unpack_field(field, how)
    }

    /// Leaves only the password in User-Password, for the module that verifies it: `updated`, or `noop` if nothing else is there.
    pub(super) fn leave_password(&self, request: &mut Request<'_>, presented: SubmittedPassword) -> Rcode {
        let SubmittedPassword::Plain(password) = presented.without_answer() else { return Rcode::Noop };
        match self.attributes.submitted_password(request) {
            SubmittedPassword::Plain(field) if field == password => Rcode::Noop,
            // An empty password must not reach a directory.
            _ if password.is_empty() => {
                self.note_accept(request, AttemptFinding::Refused(RefusalReason::NoPassword))
            }
            _ => {
                let replaced =
                    request.replace(AttributeList::Request, self.attributes.user_password, password.expose());
                outcome::checked_rcode(replaced, Rcode::Updated)
            }
        }
    }

    /// The state of the request, from its note or else a ticket. A pending login is taken out of the note, and a ticket is redeemed.
    pub(super) fn request_state(&self, request: &mut Request<'_>) -> RequestState {
        match request.noted::<LoginNote>() {
            Some(LoginNote::LetIn) => return RequestState::LetIn,
            Some(LoginNote::Pending(pending)) => return RequestState::Pending(pending.clone()),
            Some(LoginNote::Parked(_)) => return RequestState::New,
            Some(LoginNote::ChallengeDue(decision)) => return RequestState::ChallengeDue(decision.clone()),
            Some(LoginNote::Ask(undecided) | LoginNote::Again(undecided)) => {
                if let Some(undecided) = undecided.take() {
                    return RequestState::Ask(undecided);
                }
            }
            None => {}
        }
        match self.attributes.redeem_ticket(request) {
            Some(RedeemedTicket::LetIn) if request.note(LoginNote::LetIn) => RequestState::LetIn,
            Some(RedeemedTicket::Question(question)) => RequestState::Question(question),
            Some(RedeemedTicket::Deferred) => RequestState::Deferred,
            Some(RedeemedTicket::LetIn) | None => RequestState::New,
        }
    }

    /// Whether a module before this one in the section has verified the password. A module behind this one cannot be relied on:
    /// after a wait, no other module of the section runs.
    ///
    /// The server keeps the result of the last module, but not its section: that may have been `authorize`. So where this module
    /// may be the first in the section, as the configuration shows, it has to be called twice.
    pub(super) fn is_password_verified(&self, request: &Request<'_>) -> bool {
        let is_again = matches!(request.noted::<LoginNote>(), Some(LoginNote::Again(_)));
        request.follows_ok() && (is_again || !self.may_be_first(request))
    }

    /// Whether the server accepts without verifying the password: `Auth-Type := Accept`, unless it stands for a home server's accept.
    pub(super) fn skips_password(&self, request: &Request<'_>) -> bool {
        let types = request.values(AttributeList::Control, self.attributes.auth_type);
        let accept = self.attributes.auth_type.value("Accept").map(u32::to_be_bytes);
        let is_accept = types.last().zip(accept).is_some_and(|(last, accept)| *last == accept);
        is_accept && !request.is_proxied()
    }

    /// Whether this module may be the first in the section that runs. Which section `eap` has called is not known, so that with EAP
    /// any section of the virtual server counts.
    pub(super) fn may_be_first(&self, request: &Request<'_>) -> bool {
        let types = request.values(AttributeList::Control, self.attributes.auth_type);
        let number =
            types.last().and_then(|octets| Some(u32::from_be_bytes(octets.as_slice().try_into().ok()?)));
        let (server, is_eap) = (request.server(), self.attributes.is_eap(request));
        self.first_in_sections.iter().any(|(of, name)| {
            *of == server && (is_eap || number.is_none() || self.attributes.auth_type.value(name) == number)
        })
    }

    /// Whether the section that runs is that of this instance's Auth-Type.
    pub(super) fn is_own_auth_type(&self, request: &Request<'_>) -> bool {
        let types = request.values(AttributeList::Control, self.attributes.auth_type);
        let own = self.attributes.auth_type.value(&self.name).map(|value| value.to_be_bytes().to_vec());
        own.is_some() && types.last() == own.as_ref()
    }

    /// The State of the module's own challenge that this packet answers.
    pub(super) fn answers_challenge(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        self.attributes.state_of_ours(request)
    }

    /// Whether `eap` called the section, in this server or in the outer one: the module's result is then not the final one.
    pub(super) fn is_within(&self, request: &mut Request<'_>) -> bool {
        request.outer().is_some() || self.attributes.is_within_eap(request)
    }

    /// What the password field holds. `None` with `radiusd -XC`, where no store is open.
    pub(super) fn field_contents(
        &self,
        request: &Request<'_>,
        mode: Mode,
        presented: &SubmittedPassword,
    ) -> Option<FieldContents> {
        let user = self.attributes.user(request);
        self.app.as_ref().map(|app| app.field_contents(&user, mode, presented))
    }

    /// Whether the field holds the password and nothing else, in mode `append`: the user has no token, and policy decides.
    pub(super) fn is_password_alone(&self, request: &Request<'_>, presented: &SubmittedPassword) -> bool {
        self.field_contents(request, Mode::Append, presented) == Some(FieldContents::Password)
    }

    /// Whether the login is in mode `append`, and its field holds the password and nothing else.
    pub(super) fn is_append_without_passcode(&self, request: &Request<'_>) -> bool {
        match self.presented_password(request) {
            Ok(presented @ (SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. })) => {
                self.login_mode(request) == Mode::Append && self.is_password_alone(request, &presented)
            }
            Ok(_) | Err(_) => false,
        }
    }
}
