//! The attributes that the module reads and writes, looked up once, and the effects of writing them.

use super::attribute_values::single_value;
use super::forwarded_attributes;
use super::ticket::{self, TicketContents, TicketPurpose, TunnelQuestion};
use crate::config::Error;
use crate::config::clients;
use crate::config::name_template::NameTemplate;
use crate::config::profile::ClientProfile;
use crate::config::reply::ReplyRule;
use crate::config::tree::Section;
use crate::engine::{Decision, UserAttributes};
use crate::freeradius::{
    Attribute, AttributeKind, AttributeList, MissingAttribute, Request, code, find_attribute,
    register_attribute, register_value,
};
use std::collections::BTreeMap;
use std::iter::repeat;
use std::time::Duration;

/// `MFA-Mode := passcode`.
pub(super) const MODE_PASSCODE: u32 = 1;
/// `MFA-Mode := append`.
pub(super) const MODE_APPEND: u32 = 2;

/// `MFA-Mode := challenge`.
pub(super) const MODE_CHALLENGE: u32 = 3;

/// `MFA-Mode := auto`.
pub(super) const MODE_AUTO: u32 = 4;

/// Every attribute that the module uses, its own and the server's.
pub(super) struct ModuleAttributes {
    pub(super) user_name: Attribute,
    pub(super) user_password: Attribute,
    pub(super) chap_password: Attribute,
    pub(super) chap_challenge: Attribute,
    pub(super) ms_chap_challenge: Attribute,
    pub(super) ms_chap_response: Attribute,
    pub(super) ms_chap2_response: Attribute,
    pub(super) ms_chap_user_name: Attribute,
    ms_chap2_success: Attribute,
    pub(super) eap_message: Attribute,
    eap_type: Attribute,
    pub(super) calling_station: Attribute,
    pub(super) service_type: Attribute,
    pub(super) auth_type: Attribute,
    pub(super) mfa_mode: Attribute,
    pub(super) mfa_exempt: Attribute,
    pub(super) mfa_group: Attribute,
    pub(super) mfa_remember: Attribute,
    pub(super) mfa_user: Attribute,
    pub(super) mfa_wait_limit: Attribute,
    pub(super) mfa_dialogue: Attribute,
    mfa_profile: Attribute,
    mfa_language: Attribute,
    prompt: Attribute,
    pub(super) nas_identifier: Attribute,
    pub(super) nas_port: Attribute,
    pub(super) nas_port_type: Attribute,
    pub(super) called_station: Attribute,
    pub(super) acct_session_id: Attribute,
    pub(super) state: Attribute,
    reply_message: Attribute,
    cleartext_password: Attribute,
    nt_password: Attribute,
    lm_password: Attribute,
    use_ntlm_auth: Attribute,
    result: Attribute,
    factor: Attribute,
    token: Attribute,
    reason: Attribute,
    pub(super) message_authenticator: Attribute,
    pub(super) proxy_state: Attribute,
    response_type: Attribute,
    /// Not in the dictionary of every server.
    response_delay: Option<Attribute>,
    ticket: Attribute,
    /// Those that profiles name for the end user's address, as far as the dictionary has them.
    stations: Vec<(&'static str, Attribute)>,
}

impl ModuleAttributes {
    /// Adds the module's attributes to the dictionary, before unlang that names them is compiled.
    pub(super) fn register_attributes() -> Result<(), String> {
        for name in [
            "MFA-User",
            "MFA-Group",
            "MFA-Profile",
            "MFA-Language",
            "MFA-Result",
            "MFA-Factor",
            "MFA-Token",
            "MFA-Reason",
        ] {
            register_attribute(name, AttributeKind::String)?;
        }
        register_attribute("MFA-Ticket", AttributeKind::Octets)?;
        register_attribute("MFA-Mode", AttributeKind::Integer)?;
        register_value("MFA-Mode", "passcode", 1)?;
        register_value("MFA-Mode", "append", 2)?;
        register_value("MFA-Mode", "challenge", 3)?;
        register_value("MFA-Mode", "auto", 4)?;
        register_attribute("MFA-Wait-Limit", AttributeKind::Integer)?;
        register_attribute("MFA-Dialogue", AttributeKind::Integer)?;
        register_value("MFA-Dialogue", "no", 0)?;
        register_value("MFA-Dialogue", "yes", 1)?;
        register_attribute("MFA-Exempt", AttributeKind::Integer)?;
        register_value("MFA-Exempt", "no", 0)?;
        register_value("MFA-Exempt", "yes", 1)?;
        register_attribute("MFA-Remember", AttributeKind::Integer)?;
        register_value("MFA-Remember", "no", 0)?;
        register_value("MFA-Remember", "yes", 1)
    }

    /// Looks all of them up.
    pub(super) fn find_attributes() -> Result<Self, MissingAttribute> {
        Ok(Self {
            user_name: find_attribute("User-Name")?,
            user_password: find_attribute("User-Password")?,
            chap_password: find_attribute("CHAP-Password")?,
            chap_challenge: find_attribute("CHAP-Challenge")?,
            ms_chap_challenge: find_attribute("MS-CHAP-Challenge")?,
            ms_chap_response: find_attribute("MS-CHAP-Response")?,
            ms_chap2_response: find_attribute("MS-CHAP2-Response")?,
            ms_chap_user_name: find_attribute("MS-CHAP-User-Name")?,
            ms_chap2_success: find_attribute("MS-CHAP2-Success")?,
            eap_message: find_attribute("EAP-Message")?,
            eap_type: find_attribute("EAP-Type")?,
            calling_station: find_attribute("Calling-Station-Id")?,
            service_type: find_attribute("Service-Type")?,
            auth_type: find_attribute("Auth-Type")?,
            mfa_mode: find_attribute("MFA-Mode")?,
            mfa_exempt: find_attribute("MFA-Exempt")?,
            mfa_group: find_attribute("MFA-Group")?,
            mfa_remember: find_attribute("MFA-Remember")?,
            mfa_user: find_attribute("MFA-User")?,
            mfa_wait_limit: find_attribute("MFA-Wait-Limit")?,
            mfa_dialogue: find_attribute("MFA-Dialogue")?,
            mfa_profile: find_attribute("MFA-Profile")?,
            mfa_language: find_attribute("MFA-Language")?,
            prompt: find_attribute("Prompt")?,
            nas_identifier: find_attribute("NAS-Identifier")?,
            nas_port: find_attribute("NAS-Port")?,
            nas_port_type: find_attribute("NAS-Port-Type")?,
            called_station: find_attribute("Called-Station-Id")?,
            acct_session_id: find_attribute("Acct-Session-Id")?,
            state: find_attribute("State")?,
            reply_message: find_attribute("Reply-Message")?,
            cleartext_password: find_attribute("Cleartext-Password")?,
            nt_password: find_attribute("NT-Password")?,
            lm_password: find_attribute("LM-Password")?,
            use_ntlm_auth: find_attribute("MS-CHAP-Use-NTLM-Auth")?,
            result: find_attribute("MFA-Result")?,
            factor: find_attribute("MFA-Factor")?,
            token: find_attribute("MFA-Token")?,
            reason: find_attribute("MFA-Reason")?,
            message_authenticator: find_attribute("Message-Authenticator")?,
            proxy_state: find_attribute("Proxy-State")?,
            response_type: find_attribute("Response-Packet-Type")?,
            response_delay: find_attribute("FreeRADIUS-Response-Delay-USec").ok(),
            ticket: find_attribute("MFA-Ticket")?,
            stations: {
                let names = ClientProfile::ALL.iter().filter_map(|profile| profile.station);
                names.filter_map(|name| Some((name, find_attribute(name).ok()?))).collect()
            },
        })
    }

    /// The attribute of that name, which a profile has for the end user's address.
    pub(super) fn station_attribute(&self, name: &str) -> Option<Attribute> {
        self.stations.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
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
                    request.set(AttributeList::Control, attribute, text.as_bytes());
                }
                None => request.remove(AttributeList::Control, attribute),
            }
        }
    }

    /// Gives `chap` and `mschap` the passcode as the user's password, and nothing else to compare with.
    pub(super) fn hand_over(&self, request: &mut Request<'_>, passcode: &[u8], is_ms_chap: bool) -> bool {
        request.remove(AttributeList::Control, self.nt_password);
        request.remove(AttributeList::Control, self.lm_password);
        request.set(AttributeList::Control, self.cleartext_password, passcode)
            && (!is_ms_chap || request.set(AttributeList::Control, self.use_ntlm_auth, &0u32.to_be_bytes()))
    }

    /// Whatever `chap` or `mschap` say of a word is a reject, until we are called again and ask: they know nothing but the word.
    pub(super) fn reject_unless_asked(&self, request: &mut Request<'_>) -> bool {
        request.set(AttributeList::Control, self.response_type, &code::ACCESS_REJECT.to_be_bytes())
    }

    /// Lifts the reject of [`reject_unless_asked`](Self::reject_unless_asked): the module was called again.
    pub(super) fn will_ask(&self, request: &mut Request<'_>) {
        request.remove(AttributeList::Control, self.response_type);
    }

    /// Takes out of the reply what belongs to an accept: keys, addresses, groups. An EAP-Success becomes an EAP-Failure of
    /// the same identifier (RFC 3748, section 4.2), with the Message-Authenticator that RFC 3579 asks for.
    pub(super) fn strip_accept(&self, request: &mut Request<'_>) {
        let eap = request.values(AttributeList::Reply, self.eap_message).into_iter().next();
        request.clear_reply();
        if let Some(&[_, id, ..]) = eap.as_deref() {
            request.set(AttributeList::Reply, self.eap_message, &[4, id, 0, 4]);
            request.set(AttributeList::Reply, self.message_authenticator, &[0; 16]);
        }
    }

    /// Takes an accept back out of the reply, if a module before us has put one there: `eap` and `mschap` do.
    pub(super) fn take_back_accept(&self, request: &mut Request<'_>) {
        let has_success = !request.values(AttributeList::Reply, self.ms_chap2_success).is_empty();
        if request.reply_code() == code::ACCESS_ACCEPT || has_success {
            self.strip_accept(request);
        }
    }

    /// Has the server send the refusal this much later, whatever its own `reject_delay` is.
    pub(super) fn delay_refusal(&self, request: &mut Request<'_>, by: Duration) {
        let Some(attribute) = self.response_delay else { return };
        let by = u32::try_from(by.min(LONGEST_DELAY).as_micros()).unwrap_or(u32::MAX);
        // What is in the reply while a home server's is looked at is replaced by that one.
        for list in [AttributeList::Reply, AttributeList::ProxyReply] {
            request.set(list, attribute, &by.to_be_bytes());
        }
    }

    /// Removes the texts for the user from the reply, and everything else if they showed a password: none of it may
    /// go to a user who is refused (RFC 2865, section 5.44).
    pub(super) fn remove_reply_texts(&self, request: &mut Request<'_>) {
        let has_ms_chap = [self.ms_chap_response, self.ms_chap2_response]
            .into_iter()
            .any(|attribute| !request.values(AttributeList::Request, attribute).is_empty());
        if has_ms_chap {
            // MS-CHAP-Error is part of the protocol (RFC 2548, section 2.1.5).
            return request.remove(AttributeList::Reply, self.reply_message);
        }
        request.clear_reply();
        request.clear_proxy_reply();
    }

    /// The value of MFA-Result that this module set on the request.
    pub(super) fn told_result(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        request.values(AttributeList::Control, self.result).into_iter().next()
    }

    /// Whether it is a packet of an EAP conversation.
    pub(super) fn is_eap(&self, request: &Request<'_>) -> bool {
        !request.values(AttributeList::Request, self.eap_message).is_empty()
    }

    /// Whether `eap` is at work around us: it has called the section that we are in, and has the last word.
    pub(super) fn is_within_eap(&self, request: &Request<'_>) -> bool {
        let has_ended = request.reply_code() == code::ACCESS_ACCEPT || request.is_proxied();
        self.is_eap(request) && !has_ended
    }

    /// In an EAP conversation the accept comes with a later packet, unless `eap` has made it already: leaves a ticket for it.
    pub(super) fn keep_for_next_packet(&self, request: &mut Request<'_>) -> bool {
        let is_tunnelled = request.outer().is_some();
        if !is_tunnelled && !self.is_within_eap(request) {
            return true;
        }
        let user = self.user(request);
        self.leave_ticket(
            request,
            user,
            if is_tunnelled { TicketPurpose::Inner } else { TicketPurpose::Direct },
        )
    }

    /// Puts a ticket into the session-state of the conversation, in place of an earlier one: that of the outer request, where
    /// there is a tunnel, since a tunnelled one's does not survive it. `false`, and there is none, if the earlier one is
    /// another user's, or too old to tell; or if there is a tunnel in a tunnel, whose name in between is anybody's.
    pub(super) fn leave_ticket(
        &self,
        request: &mut Request<'_>,
        user: Vec<u8>,
        purpose: TicketPurpose,
    ) -> bool {
        if let Some(mut outer) = request.outer() {
            return outer.outer().is_none() && self.leave_ticket_here(&mut outer, user, purpose);
        }
        self.leave_ticket_here(request, user, purpose)
    }

    fn leave_ticket_here(&self, request: &mut Request<'_>, user: Vec<u8>, purpose: TicketPurpose) -> bool {
        let session = request.session();
        let earlier = request.values(AttributeList::SessionState, self.ticket);
        request.remove(AttributeList::SessionState, self.ticket);
        let is_his = |ticket: &Vec<u8>| {
            ticket::redeem_ticket(ticket, session, |_| true).is_some_and(|pass| pass.user == user)
        };
        if !earlier.iter().all(is_his) {
            return false;
        }
        ticket::issue_ticket(TicketContents { user, session, purpose })
            .is_some_and(|ticket| request.set(AttributeList::SessionState, self.ticket, &ticket.0))
    }

    /// What an earlier packet, or the tunnel, left for this request. Takes it, but for a question that is another server's to
    /// put.
    pub(super) fn redeem_ticket(&self, request: &mut Request<'_>) -> Option<RedeemedTicket> {
        let user = self.user(request);
        let Some(mut outer) = request.outer() else {
            let wanted = |pass: &TicketContents| match pass.purpose {
                TicketPurpose::Direct => pass.user == user,
                TicketPurpose::Outer | TicketPurpose::Ask(_) => true,
                TicketPurpose::Inner => false,
            };
            return match self.take_ticket(request, wanted)?.purpose {
                TicketPurpose::Ask(question) => Some(RedeemedTicket::Question(question)),
                _ => Some(RedeemedTicket::LetIn),
            };
        };
        let session = outer.session();
        let tickets = outer.values(AttributeList::SessionState, self.ticket);
        if tickets.iter().any(|ticket| ticket::is_question(ticket, session, &user)) {
            return Some(RedeemedTicket::Deferred);
        }
        let wanted =
            |pass: &TicketContents| matches!(pass.purpose, TicketPurpose::Inner) && pass.user == user;
        self.take_ticket(&mut outer, wanted).map(|_| RedeemedTicket::LetIn)
    }

    fn take_ticket(
        &self,
        request: &mut Request<'_>,
        wanted: impl Fn(&TicketContents) -> bool,
    ) -> Option<TicketContents> {
        let tickets = request.values(AttributeList::SessionState, self.ticket);
        let [ticket] = tickets.as_slice() else { return None };
        let pass = ticket::redeem_ticket(ticket, request.session(), wanted)?;
        request.remove(AttributeList::SessionState, self.ticket);
        Some(pass)
    }

    /// The answer to a challenge of ours, in EAP-GTC in a tunnel: its text becomes the password, and `eap`, which had ended the
    /// method, is told to leave it alone. Auth-Type is the caller's to set, whatever `eap` may have set.
    pub(super) fn open_answer(&self, request: &mut Request<'_>) -> bool {
        let reject = self.auth_type.value("Reject").map(|reject| reject.to_be_bytes().to_vec());
        if request
            .values(AttributeList::Control, self.auth_type)
            .into_iter()
            .any(|value| Some(value) == reject)
        {
            return true;
        }
        request.remove(AttributeList::Control, self.auth_type);
        request.set(AttributeList::Request, self.eap_type, &0u32.to_be_bytes())
            && self
                .gtc_response(request)
                .is_none_or(|(_, text)| request.set(AttributeList::Request, self.user_password, &text))
    }

    /// The challenge as the text of an EAP-Request of the type GTC (RFC 3748, sections 4.1 and 5.6). `false` if the packet was
    /// no response of that type.
    pub(super) fn set_gtc(&self, request: &mut Request<'_>, decision: &Decision) -> bool {
        let (Some((id, _)), Some(state)) = (self.gtc_response(request), &decision.state) else {
            return false;
        };
        let message = decision.message.concat();
        let text = message.get(..message.floor_char_boundary(MOST_TEXT)).unwrap_or_default();
        let Ok(length) = u16::try_from(text.len() + 5) else { return false };
        let [high, low] = length.to_be_bytes();
        let packet = [&[1, id.wrapping_add(1), high, low, 6], text.as_bytes()].concat();
        request.set(AttributeList::Reply, self.eap_message, &packet)
            && request.set(AttributeList::Reply, self.state, state.as_bytes())
    }

    /// Which profiles and languages are wanted for the client that sent it: by unlang, then by its section in clients.conf, if any
    /// of those `speak` at all.
    pub(super) fn requested_texts(&self, request: &Request<'_>, speak: bool) -> [Vec<String>; 2] {
        [(self.mfa_profile, clients::PROFILE), (self.mfa_language, clients::LANGUAGE)].map(
            |(attribute, item)| {
                let said = single_value(request.values(AttributeList::Control, attribute));
                let said = said.map(|value| String::from_utf8_lossy(&value).into_owned());
                let client = if speak { request.client_option(item) } else { None };
                said.into_iter().chain(client).collect()
            },
        )
    }

    /// The question for the user, whether the input is shown, and the State of the answer.
    pub(super) fn set_words(&self, request: &mut Request<'_>, decision: &Decision) {
        if !decision.message.is_empty() {
            request.remove(AttributeList::Reply, self.reply_message);
        }
        for text in &decision.message {
            request.add(AttributeList::Reply, self.reply_message, text.as_bytes());
        }
        if let Some(echo) = decision.echo.value() {
            request.set(AttributeList::Reply, self.prompt, &echo.to_be_bytes());
        }
        if let Some(state) = decision.challenge_state() {
            request.set(AttributeList::Reply, self.state, state.as_bytes());
        }
    }

    /// What an accept carries: the user's groups on the control list, and reply attributes. A value that is not valid
    /// for its attribute: `false`, and its name.
    pub(super) fn set_grants(
        &self,
        request: &mut Request<'_>,
        grants: &UserAttributes,
        told: &ReplyAttributes,
    ) -> Result<(), String> {
        let known = request.values(AttributeList::Control, self.mfa_group);
        for group in
            grants.groups.iter().flatten().filter(|group| !known.contains(&group.as_bytes().to_vec()))
        {
            request.add_text(AttributeList::Control, self.mfa_group, 0, group);
        }
        for (name, value) in &grants.reply {
            let Some((attribute, tag)) = told.0.get(name) else { return Err(name.clone()) };
            if !request.add_text(AttributeList::Reply, *attribute, *tag, value) {
                return Err(name.clone());
            }
        }
        forwarded_attributes::add_to_reply(request, &grants.raw);
        Ok(())
    }

    /// The packet to the responder: nothing in it but what finds the wait again, and what signs it.
    pub(super) fn address_to_responder(&self, request: &mut Request<'_>, token: &[u8]) -> bool {
        request.clear_proxy();
        request.set(AttributeList::Proxy, self.state, token)
            && request.set(AttributeList::Proxy, self.message_authenticator, &[0; 16])
    }

    /// The accept of a request that has waited: its reply is what it was before, signed once.
    pub(super) fn give_back(&self, request: &mut Request<'_>) {
        request.unpark_request();
        if !request.values(AttributeList::Reply, self.message_authenticator).is_empty() {
            request.remove(AttributeList::ProxyReply, self.message_authenticator);
        }
    }

    /// The end of an EAP conversation that is refused after it had succeeded: EAP-Failure for its last identifier (RFC 3748,
    /// section 4.2), in what becomes the reply.
    pub(super) fn fail_eap(&self, request: &mut Request<'_>) {
        let list =
            if request.proxy_code().is_some() { AttributeList::ProxyReply } else { AttributeList::Reply };
        let eap = request.values(AttributeList::Request, self.eap_message).into_iter().next();
        if let Some(&[_, id, ..]) = eap.as_deref() {
            request.set(list, self.eap_message, &[4, id, 0, 4]);
            request.set(list, self.message_authenticator, &[0; 16]);
        }
    }

    /// A request that must be refused whatever else is in it.
    pub(super) fn force_reject(&self, request: &mut Request<'_>) {
        if let Some(reject) = self.auth_type.value("Reject") {
            request.set(AttributeList::Control, self.auth_type, &reject.to_be_bytes());
        }
    }
}

/// The attributes that `reply { }` names, and the tags (RFC 2868, section 3) behind their names: `Tunnel-Type:1`.
pub(super) struct ReplyAttributes(BTreeMap<String, (Attribute, u8)>);

impl ReplyAttributes {
    /// `instance` is the section that they were read from.
    pub(super) fn find_reply_attributes(
        replies: &[ReplyRule],
        instance: &Section,
    ) -> Result<Self, Vec<String>> {
        let (mut found, mut wrong) = (BTreeMap::new(), Vec::new());
        for reply in replies {
            let section = instance.section("reply").and_then(|section| section.section(&reply.name));
            let pairs =
                section.into_iter().flat_map(Section::pairs_named).filter(|pair| pair.name == "attribute");
            let places = pairs.map(|pair| pair.at.clone()).chain(repeat(instance.at.clone()));
            for ((name, template), at) in reply.attributes.iter().zip(places) {
                match find_told(name, template) {
                    Ok(told) => _ = found.insert(name.clone(), told),
                    Err(why) => wrong.push(Error::new(&at, format!("\"attribute\" {why}")).to_string()),
                }
            }
        }
        if wrong.is_empty() { Ok(Self(found)) } else { Err(wrong) }
    }
}

/// The attribute of that name, and its tag; or why the reply cannot have it with such a value.
fn find_told(name: &str, template: &NameTemplate) -> Result<(Attribute, u8), String> {
    let (bare, tag) = name.split_once(':').unwrap_or((name, "0"));
    let attribute = find_attribute(bare).map_err(|MissingAttribute(bare)| {
        format!("{bare}: not in the server's dictionary: check its spelling, and the $INCLUDE lines of raddb/dictionary")
    })?;
    if !attribute.has_text() {
        return Err(format!("{name}: holds other attributes: name one of those"));
    }
    if OWN.contains(&bare) {
        return Err(format!("{name}: every answer has its own: remove it"));
    }
    let Ok(tag @ 0..=31) = tag.parse::<u8>() else {
        return Err(format!("{name}: the tag must be a number from 0 to 31"));
    };
    // What is known of a user only is looked at when they log in.
    let fixed = template.fill_template(&|_| None).ok();
    match fixed.filter(|value| !attribute.accepts_text(value)) {
        Some(value) => Err(format!(
            "{name}: \"{value}\" is no value of it: see its VALUE lines and its type in the dictionary"
        )),
        None => Ok((attribute, tag)),
    }
}

/// Attributes of a reply that the protocol needs.
const OWN: [&str; 4] = ["State", "Proxy-State", "Message-Authenticator", "EAP-Message"];

/// The longest delay that the server accepts.
const LONGEST_DELAY: Duration = Duration::from_secs(10);

/// Octets of a text in EAP-GTC: the packet is to fit where EAP does at least (RFC 3748, section 3.1).
const MOST_TEXT: usize = 1000;

/// The purpose of a redeemed ticket.
pub(super) enum RedeemedTicket {
    /// The request is let in.
    LetIn,
    /// Its user is to be asked first.
    Question(TunnelQuestion),
    /// The server around its tunnel is to ask first.
    Deferred,
}
