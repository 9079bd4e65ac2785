//! The attributes we read and write, looked up once, and what writing them means.

use super::ticket::{self, Purpose};
use crate::engine::{Decision, Undecided};
use crate::freeradius::{Attr, Kind, List, MissingAttribute, Request, attr, code, register, register_value};

/// `MFA-Mode := passcode`.
pub(super) const MODE_PASSCODE: u32 = 1;
/// `MFA-Mode := append`.
pub(super) const MODE_APPEND: u32 = 2;

/// `MFA-Mode := auto`.
pub(super) const MODE_AUTO: u32 = 4;

/// Every attribute of ours and of the server that the module touches.
pub(super) struct Attributes {
    pub(super) user_name: Attr,
    pub(super) user_password: Attr,
    pub(super) chap_password: Attr,
    pub(super) chap_challenge: Attr,
    pub(super) ms_chap_challenge: Attr,
    pub(super) ms_chap_response: Attr,
    pub(super) ms_chap2_response: Attr,
    pub(super) ms_chap_user_name: Attr,
    pub(super) eap_message: Attr,
    pub(super) calling_station: Attr,
    pub(super) service_type: Attr,
    pub(super) auth_type: Attr,
    pub(super) mfa_mode: Attr,
    pub(super) mfa_exempt: Attr,
    pub(super) mfa_user: Attr,
    pub(super) mfa_wait_limit: Attr,
    pub(super) nas_identifier: Attr,
    pub(super) nas_port: Attr,
    pub(super) acct_session_id: Attr,
    pub(super) state: Attr,
    reply_message: Attr,
    cleartext_password: Attr,
    nt_password: Attr,
    lm_password: Attr,
    use_ntlm_auth: Attr,
    result: Attr,
    factor: Attr,
    token: Attr,
    reason: Attr,
    message_authenticator: Attr,
    response_type: Attr,
    ticket: Attr,
}

impl Attributes {
    /// Adds ours to the dictionary, before unlang that names them is compiled.
    pub(super) fn register() -> Result<(), String> {
        for name in ["MFA-User", "MFA-Result", "MFA-Factor", "MFA-Token", "MFA-Reason"] {
            register(name, Kind::String)?;
        }
        register("MFA-Ticket", Kind::Octets)?;
        register("MFA-Mode", Kind::Integer)?;
        register_value("MFA-Mode", "passcode", 1)?;
        register_value("MFA-Mode", "append", 2)?;
        register_value("MFA-Mode", "auto", 4)?;
        register("MFA-Wait-Limit", Kind::Integer)?;
        register("MFA-Exempt", Kind::Integer)?;
        register_value("MFA-Exempt", "no", 0)?;
        register_value("MFA-Exempt", "yes", 1)
    }

    /// Looks all of them up.
    pub(super) fn find() -> Result<Self, MissingAttribute> {
        Ok(Self {
            user_name: attr("User-Name")?,
            user_password: attr("User-Password")?,
            chap_password: attr("CHAP-Password")?,
            chap_challenge: attr("CHAP-Challenge")?,
            ms_chap_challenge: attr("MS-CHAP-Challenge")?,
            ms_chap_response: attr("MS-CHAP-Response")?,
            ms_chap2_response: attr("MS-CHAP2-Response")?,
            ms_chap_user_name: attr("MS-CHAP-User-Name")?,
            eap_message: attr("EAP-Message")?,
            calling_station: attr("Calling-Station-Id")?,
            service_type: attr("Service-Type")?,
            auth_type: attr("Auth-Type")?,
            mfa_mode: attr("MFA-Mode")?,
            mfa_exempt: attr("MFA-Exempt")?,
            mfa_user: attr("MFA-User")?,
            mfa_wait_limit: attr("MFA-Wait-Limit")?,
            nas_identifier: attr("NAS-Identifier")?,
            nas_port: attr("NAS-Port")?,
            acct_session_id: attr("Acct-Session-Id")?,
            state: attr("State")?,
            reply_message: attr("Reply-Message")?,
            cleartext_password: attr("Cleartext-Password")?,
            nt_password: attr("NT-Password")?,
            lm_password: attr("LM-Password")?,
            use_ntlm_auth: attr("MS-CHAP-Use-NTLM-Auth")?,
            result: attr("MFA-Result")?,
            factor: attr("MFA-Factor")?,
            token: attr("MFA-Token")?,
            reason: attr("MFA-Reason")?,
            message_authenticator: attr("Message-Authenticator")?,
            response_type: attr("Response-Packet-Type")?,
            ticket: attr("MFA-Ticket")?,
        })
    }

    /// Tells unlang what was decided: MFA-Result, MFA-Reason, MFA-Factor and MFA-Token on the control list.
    pub(super) fn set_outputs(&self, request: &mut Request<'_>, decision: &Decision) {
        let outputs = [
            (self.result, Some(decision.verdict().as_str())),
            (self.reason, Some(decision.reason.as_str())),
            (self.factor, decision.factor.map(|factor| factor.as_str())),
            (self.token, decision.token.as_deref()),
        ];
        for (attribute, value) in outputs {
            match value {
                Some(text) => {
                    request.set(List::Control, attribute, text.as_bytes());
                }
                None => request.remove(List::Control, attribute),
            }
        }
    }

    /// Gives `chap` and `mschap` the passcode as the user's password, and nothing else to compare with.
    pub(super) fn hand_over(&self, request: &mut Request<'_>, passcode: &[u8], is_ms_chap: bool) -> bool {
        request.remove(List::Control, self.nt_password);
        request.remove(List::Control, self.lm_password);
        request.set(List::Control, self.cleartext_password, passcode)
            && (!is_ms_chap || request.set(List::Control, self.use_ntlm_auth, &0u32.to_be_bytes()))
    }

    /// Whatever `chap` or `mschap` say of a word is a reject, until we are called again and ask: they know nothing but the word.
    pub(super) fn reject_unless_asked(&self, request: &mut Request<'_>) -> bool {
        request.set(List::Control, self.response_type, &code::ACCESS_REJECT.to_be_bytes())
    }

    /// We have been called again.
    pub(super) fn will_ask(&self, request: &mut Request<'_>) {
        request.remove(List::Control, self.response_type);
    }

    /// Takes out of the reply what belongs to an accept: keys, addresses, groups. An EAP-Success becomes an EAP-Failure of
    /// the same identifier (RFC 3748, section 4.2), with the Message-Authenticator that RFC 3579 asks for.
    pub(super) fn strip_accept(&self, request: &mut Request<'_>) {
        let eap = request.values(List::Reply, self.eap_message).into_iter().next();
        request.clear_reply();
        if let Some(&[_, id, ..]) = eap.as_deref() {
            request.set(List::Reply, self.eap_message, &[4, id, 0, 4]);
            request.set(List::Reply, self.message_authenticator, &[0; 16]);
        }
    }

    /// In an EAP conversation the accept comes with a later packet: leaves a ticket for it. The session-state of a tunnelled
    /// request does not survive it, so its ticket goes to the outer one.
    pub(super) fn keep_for_next_packet(&self, request: &mut Request<'_>) -> bool {
        if request.values(List::Request, self.eap_message).is_empty() {
            return true;
        }
        let purpose = self.own_purpose(request);
        match request.outer() {
            Some(mut outer) => self.leave_ticket(&mut outer, purpose),
            None => self.leave_ticket(request, purpose),
        }
    }

    /// Puts a ticket into session-state.
    pub(super) fn leave_ticket(&self, request: &mut Request<'_>, purpose: Purpose) -> bool {
        ticket::issue(purpose).is_some_and(|ticket| request.set(List::SessionState, self.ticket, &ticket))
    }

    /// Whether an earlier packet, or the tunnel, left a ticket that lets this request in, or one with a question for it. Takes it.
    pub(super) fn redeem_ticket(&self, request: &mut Request<'_>) -> Option<Redeemed> {
        let user = self.user(request);
        match request.outer() {
            Some(mut outer) => match self.take_ticket(&mut outer)? {
                Purpose::Inner(whose) if whose == user => Some(Redeemed::LetIn),
                _ => None,
            },
            None => match self.take_ticket(request)? {
                Purpose::Direct(whose) if whose == user => Some(Redeemed::LetIn),
                Purpose::Outer => Some(Redeemed::LetIn),
                Purpose::Ask(undecided) => Some(Redeemed::Ask(undecided)),
                Purpose::Direct(_) | Purpose::Inner(_) => None,
            },
        }
    }

    /// Whether a question was left for the server around this request's tunnel.
    pub(super) fn has_question(&self, request: &mut Request<'_>) -> bool {
        let Some(outer) = request.outer() else { return false };
        outer.values(List::SessionState, self.ticket).iter().any(|ticket| ticket::is_question(ticket))
    }

    fn take_ticket(&self, request: &mut Request<'_>) -> Option<Purpose> {
        let tickets = request.values(List::SessionState, self.ticket);
        request.remove(List::SessionState, self.ticket);
        match tickets.as_slice() {
            [ticket] => ticket::redeem(ticket),
            _ => None,
        }
    }

    fn own_purpose(&self, request: &mut Request<'_>) -> Purpose {
        let user = self.user(request);
        if request.outer().is_some() { Purpose::Inner(user) } else { Purpose::Direct(user) }
    }

    /// What the user is told, and the State of his answer.
    pub(super) fn set_words(&self, request: &mut Request<'_>, decision: &Decision) {
        if let Some(message) = &decision.message {
            let end = message.floor_char_boundary(253);
            request.set(List::Reply, self.reply_message, message.get(..end).unwrap_or_default().as_bytes());
        }
        if let Some(state) = &decision.state {
            request.set(List::Reply, self.state, state.as_bytes());
        }
    }

    /// The packet to the responder: nothing in it but what finds the wait again, and what signs it.
    pub(super) fn address(&self, request: &mut Request<'_>, token: &[u8]) -> bool {
        request.clear_proxy();
        request.set(List::Proxy, self.state, token)
            && request.set(List::Proxy, self.message_authenticator, &[0; 16])
    }

    /// The accept of a request that has waited: its reply is what it was before, signed once.
    pub(super) fn give_back(&self, request: &mut Request<'_>) {
        request.unpark();
        if !request.values(List::Reply, self.message_authenticator).is_empty() {
            request.remove(List::ProxyReply, self.message_authenticator);
        }
    }

    /// The end of an EAP conversation that is refused after it had succeeded: EAP-Failure for its last identifier (RFC 3748,
    /// section 4.2).
    pub(super) fn fail_eap(&self, request: &mut Request<'_>) {
        let eap = request.values(List::Request, self.eap_message).into_iter().next();
        if let Some(&[_, id, ..]) = eap.as_deref() {
            request.set(List::ProxyReply, self.eap_message, &[4, id, 0, 4]);
        }
    }

    /// A request that must be refused whatever else is in it.
    pub(super) fn condemn(&self, request: &mut Request<'_>) {
        if let Some(reject) = self.auth_type.value("Reject") {
            request.set(List::Control, self.auth_type, &reject.to_be_bytes());
        }
    }
}

/// What a ticket was good for.
pub(super) enum Redeemed {
    /// The request is let in.
    LetIn,
    /// Its user is to be asked first.
    Ask(Box<Undecided>),
}
