//! How a request stands with us when it comes to a section: what was decided before, what is asked of it, what checks it.

use super::attributes::{self, RedeemedTicket};
use super::instance::{LoginNote, MfaModule};
use super::login::TrafficKind;
use super::outcome;
use super::ticket::TunnelQuestion;

use crate::app;
use crate::config::profile::StaticChallenge;
use crate::engine::port::AttemptFinding;
use crate::engine::{
    Decision, FieldContents, PasswordStatus, PendingAccept, PendingLogin, PreAuthFacts, RefusalReason,
    SubmittedPassword, is_packed, unpack_field,
};
use crate::freeradius::{AttributeList, Rcode, Request};
use crate::text::ClientVoice;
use crate::types::Mode;

/// What says that a request needs no second factor.
pub(super) enum ExemptBy {
    /// `MFA-ExemptBy := yes`.
    ByUnlang,
    /// `policy { }`; the exception's name.
    ByPolicy(String),
}

/// How a request stands with us when it comes to a section.
pub(super) enum RequestState {
    /// It was let in, itself or through the tunnel in it.
    LetIn,
    /// Its passcode was right; its password was being checked.
    Pending(Box<PendingAccept>),
    /// The server around its tunnel asks.
    Deferred,
    /// Its password was being checked; its user is to be asked next.
    Ask(Box<PendingLogin>),
    /// The EAP conversation that it ends has left a question to a user.
    Question(TunnelQuestion),
    /// Its password was right; its user is asked for more once `eap` has said so.
    Say(Box<Decision>),
    /// We have not seen it.
    New,
}

impl MfaModule {
    pub(super) fn traffic_kind(&self, request: &Request<'_>) -> TrafficKind {
        self.attributes.traffic_kind(request)
    }

    /// What says that this request needs no second factor: unlang, whose word counts either way, or else policy.
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

    /// Whether its password is ours to have checked.
    pub(super) fn checks_password(&self, request: &Request<'_>) -> bool {
        PasswordStatus::initial_for(&self.config, self.login_mode(request)).is_ours_to_check()
    }

    /// What is known of it before that.
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
            packet: self.passing.packet_to_forward(request),
        }
    }

    /// As unlang says, or else the configuration. Of several values, one counts by which a passcode alone does not do.
    pub(super) fn login_mode(&self, request: &Request<'_>) -> Mode {
        let values = request.values(AttributeList::Control, self.attributes.mfa_mode);
        let modes =
            values.iter().filter_map(|octets| match u32::from_be_bytes(octets.as_slice().try_into().ok()?) {
                attributes::MODE_PASSCODE => Some(Mode::Passcode),
                attributes::MODE_APPEND => Some(Mode::Append),
                attributes::MODE_CHALLENGE => Some(Mode::Challenge),
                attributes::MODE_AUTO => Some(Mode::Auto),
                _ => None,
            });
        modes.min_by_key(|mode| *mode == Mode::Passcode).unwrap_or(self.config.mode)
    }

    /// How its client is spoken to.
    pub(super) fn client_voice(&self, request: &Request<'_>) -> ClientVoice {
        let [profiles, languages] = self.attributes.requested_texts(request, self.clients_speak);
        self.words.voice_for(profiles.iter().map(String::as_str), languages.iter().map(String::as_str))
    }

    /// The same for what is decided: no challenge takes the place of a reject that has to end an EAP conversation.
    pub(super) fn reply_voice(&self, request: &mut Request<'_>) -> ClientVoice {
        let is_conversation = self.attributes.is_eap(request) || request.outer().is_some();
        let voice = self.client_voice(request);
        if is_conversation { voice.without_last_challenge() } else { voice }
    }

    /// What it presents, its field taken apart as the configuration, or its client's profile, says.
    ///
    /// # Errors
    ///
    /// The field is none of what it may be: see [`unpack_field`].
    pub(super) fn presented_password(
        &self,
        request: &Request<'_>,
    ) -> Result<SubmittedPassword, RefusalReason> {
        let SubmittedPassword::Plain(field) = self.attributes.submitted_password(request) else {
            return Ok(self.attributes.submitted_password(request));
        };
        let mut how = self.config.unpacking;
        if !how.static_challenge && is_packed(&field) {
            how.static_challenge =
                self.client_voice(request).profile_name().static_challenge == StaticChallenge::Packed;
        }
        unpack_field(field, how)
    }

    /// Leaves the password alone in User-Password, for what checks it: `updated`, or `noop` if it is alone there.
    pub(super) fn leave_password(&self, request: &mut Request<'_>, presented: SubmittedPassword) -> Rcode {
        let SubmittedPassword::Plain(password) = presented.without_answer() else { return Rcode::Noop };
        match self.attributes.submitted_password(request) {
            SubmittedPassword::Plain(field) if field == password => Rcode::Noop,
            // None must reach a directory.
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

    pub(super) fn request_state(&self, request: &mut Request<'_>) -> RequestState {
        match request.noted::<LoginNote>() {
            Some(LoginNote::LetIn) => return RequestState::LetIn,
            Some(LoginNote::Pending(pending)) => return RequestState::Pending(pending.clone()),
            Some(LoginNote::Parked(_)) => return RequestState::New,
            Some(LoginNote::Say(decision)) => return RequestState::Say(decision.clone()),
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

    /// Whether whatever stands before us in the section has said yes to the password. After the wait nothing in the section runs
    /// any more, so a check behind us would be no check.
    ///
    /// The server tells what the last module said, but not in which section: that may have been in `authorize`. So where we are
    /// the first in the section, which its configuration tells, we have to come by twice.
    pub(super) fn is_checked(&self, request: &Request<'_>) -> bool {
        let is_again = matches!(request.noted::<LoginNote>(), Some(LoginNote::Again(_)));
        request.follows_ok() && (is_again || !self.is_first(request))
    }

    /// Whether the server accepts without a look at the password: `Auth-Type := Accept`, unless it stands for a home server's accept.
    pub(super) fn is_unchecked(&self, request: &Request<'_>) -> bool {
        let types = request.values(AttributeList::Control, self.attributes.auth_type);
        let accept = self.attributes.auth_type.value("Accept").map(u32::to_be_bytes);
        let is_accept = types.last().zip(accept).is_some_and(|(last, accept)| *last == accept);
        is_accept && !request.is_proxied()
    }

    /// Whether we may be the first in the section. Which one `eap` has called is not known.
    pub(super) fn is_first(&self, request: &Request<'_>) -> bool {
        let types = request.values(AttributeList::Control, self.attributes.auth_type);
        let number =
            types.last().and_then(|octets| Some(u32::from_be_bytes(octets.as_slice().try_into().ok()?)));
        let (server, is_eap) = (request.server(), self.attributes.is_eap(request));
        self.first_in.iter().any(|(of, name)| {
            *of == server && (is_eap || number.is_none() || self.attributes.auth_type.value(name) == number)
        })
    }

    /// Whether the section that runs is that of our own Auth-Type.
    pub(super) fn is_ours_alone(&self, request: &Request<'_>) -> bool {
        let types = request.values(AttributeList::Control, self.attributes.auth_type);
        let ours = self.attributes.auth_type.value(&self.name).map(|value| value.to_be_bytes().to_vec());
        ours.is_some() && types.last() == ours.as_ref()
    }

    /// The State of a challenge of ours that this packet answers.
    pub(super) fn answers_challenge(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        self.attributes.state_of_ours(request)
    }

    /// Whether `eap` is at work around us, in this server or in the one around the tunnel: it would have the last word.
    pub(super) fn is_within(&self, request: &mut Request<'_>) -> bool {
        request.outer().is_some() || self.attributes.is_within_eap(request)
    }

    /// What the field holds. None where nothing was opened.
    pub(super) fn field_contents(
        &self,
        request: &Request<'_>,
        mode: Mode,
        presented: &SubmittedPassword,
    ) -> Option<FieldContents> {
        let user = self.attributes.user(request);
        self.app.as_ref().map(|app| app.field_contents(&user, mode, presented))
    }

    /// Whether it is nothing but the password, in mode `append`: the user has no token, and policy has a say.
    pub(super) fn is_password(&self, request: &Request<'_>, presented: &SubmittedPassword) -> bool {
        self.field_contents(request, Mode::Append, presented) == Some(FieldContents::Password)
    }

    pub(super) fn is_append_alone(&self, request: &Request<'_>) -> bool {
        match self.presented_password(request) {
            Ok(presented @ (SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. })) => {
                self.login_mode(request) == Mode::Append && self.is_password(request, &presented)
            }
            Ok(_) | Err(_) => false,
        }
    }
}
