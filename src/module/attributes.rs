//! The attributes we read and write, looked up once, and what writing them means.

use super::ticket::{self, Purpose};
use crate::engine::Decision;
use crate::freeradius::{Attr, Kind, List, MissingAttribute, Request, attr, register, register_value};

/// `MFA-Mode := passcode`.
pub(super) const MODE_PASSCODE: u32 = 1;
/// `MFA-Mode := append`.
pub(super) const MODE_APPEND: u32 = 2;

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
    cleartext_password: Attr,
    nt_password: Attr,
    lm_password: Attr,
    use_ntlm_auth: Attr,
    result: Attr,
    factor: Attr,
    token: Attr,
    reason: Attr,
    message_authenticator: Attr,
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
            cleartext_password: attr("Cleartext-Password")?,
            nt_password: attr("NT-Password")?,
            lm_password: attr("LM-Password")?,
            use_ntlm_auth: attr("MS-CHAP-Use-NTLM-Auth")?,
            result: attr("MFA-Result")?,
            factor: attr("MFA-Factor")?,
            token: attr("MFA-Token")?,
            reason: attr("MFA-Reason")?,
            message_authenticator: attr("Message-Authenticator")?,
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

    /// Whether an earlier packet, or the tunnel, left a ticket for this request. Takes it.
    pub(super) fn redeem_ticket(&self, request: &mut Request<'_>) -> bool {
        let purpose = self.own_purpose(request);
        match request.outer() {
            Some(mut outer) => self.take_ticket(&mut outer, &[purpose]),
            None => self.take_ticket(request, &[purpose, Purpose::Outer]),
        }
    }

    fn take_ticket(&self, request: &mut Request<'_>, purposes: &[Purpose]) -> bool {
        let tickets = request.values(List::SessionState, self.ticket);
        request.remove(List::SessionState, self.ticket);
        match tickets.as_slice() {
            [ticket] => ticket::redeem(ticket, purposes),
            _ => false,
        }
    }

    fn own_purpose(&self, request: &mut Request<'_>) -> Purpose {
        let user = self.user(request);
        if request.outer().is_some() { Purpose::Inner(user) } else { Purpose::Direct(user) }
    }
}
