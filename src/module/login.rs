//! Reads the login out of a request: kind of traffic, user, source, and submitted password.

use super::attributes::ModuleAttributes;
use crate::engine::{AttemptSource, PolicyContext, SubmittedPassword, is_state};
use crate::freeradius::{Attribute, AttributeList, Request, code};
use crate::types::{NameRules, Printable, Secret, UserName};

/// The kind of traffic that a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TrafficKind {
    /// A person logs in.
    Login,
    /// A device is known by its hardware address: Service-Type = Call-Check, and the name is the Calling-Station-Id.
    MacAuthentication,
    /// Accounting, CoA, Status-Server.
    Other,
}

/// The server's own module that verifies a response to a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DigestProtocol {
    /// `chap`.
    Chap,
    /// `mschap`, for both versions.
    MsChap,
}

impl DigestProtocol {
    /// The protocol of a password that is not in clear.
    pub(super) fn of(password: &SubmittedPassword) -> Self {
        match password {
            SubmittedPassword::Chap { .. } => Self::Chap,
            _ => Self::MsChap,
        }
    }
}

/// The EAP type of EAP-MSCHAPv2 (draft-kamath-pppext-eap-mschapv2).
const EAP_MS_CHAP2: u8 = 26;

/// Service-Type = Call-Check (RFC 2865, section 5.6).
const CALL_CHECK: u32 = 10;

impl ModuleAttributes {
    /// Classifies traffic by rule: a user whose name looks like their own hardware address is still asked, unless the
    /// client says that no person is present.
    pub(super) fn traffic_kind(&self, request: &Request<'_>) -> TrafficKind {
        if request.code() != code::ACCESS_REQUEST {
            return TrafficKind::Other;
        }
        if request.integer(AttributeList::Request, self.service_type) == Some(CALL_CHECK) {
            let name = hardware_address(&request.values(AttributeList::Request, self.user_name));
            if name.is_some()
                && name == hardware_address(&request.values(AttributeList::Request, self.calling_station))
            {
                return TrafficKind::MacAuthentication;
            }
        }
        TrafficKind::Login
    }

    /// The user's name as it was typed, or as policy says (MFA-User). Empty if there is none, or several. If there are several MFA-User,
    /// User-Name does not count either.
    pub(super) fn user(&self, request: &Request<'_>) -> Vec<u8> {
        let (list, name) = match request.has_value(AttributeList::Control, self.mfa_user) {
            true => (AttributeList::Control, self.mfa_user),
            false => (AttributeList::Request, self.user_name),
        };
        request.single_value(list, name).unwrap_or_default()
    }

    /// The value of a yes/no attribute of policy. Of several values, a no counts; `None` if there is no value.
    pub(super) fn says_yes(&self, request: &Request<'_>, attribute: Attribute) -> Option<bool> {
        let values = request.values(AttributeList::Control, attribute);
        (!values.is_empty()).then(|| values.iter().all(|value| value.iter().any(|octet| *octet != 0)))
    }

    /// The source: the client that sent the outermost packet, and the station behind it. Several Calling-Station-Ids
    /// count as none, so that a trusted one cannot be added.
    pub(super) fn attempt_source(&self, request: &mut Request<'_>) -> AttemptSource {
        if let Some(mut outer) = request.outer() {
            return self.attempt_source(&mut outer);
        }
        let station = request.single_value(AttributeList::Request, self.calling_station).unwrap_or_default();
        AttemptSource {
            client: request.client().map(|address| address.to_string()).unwrap_or_default(),
            calling_station: Printable::new(station).to_string(),
            request: Some(request.number()),
        }
    }

    /// The facts that policy may use. The name outside an EAP tunnel is not verified, and nothing that depends on it counts; unless an
    /// EAP method without a tunnel presents the password with it.
    pub(super) fn policy_context(&self, request: &mut Request<'_>, names: &NameRules) -> PolicyContext {
        let is_method = self.is_within_eap(request)
            && !matches!(self.submitted_password(request), SubmittedPassword::Absent);
        let is_unverified = self.is_eap(request) && request.outer().is_none() && !is_method;
        let source = self.attempt_source(request);
        let groups = request.values(AttributeList::Control, self.mfa_group);
        let groups = groups.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect::<Vec<_>>();
        PolicyContext {
            user: UserName::parse(&self.user(request), names).ok().filter(|_| !is_unverified),
            client: source.client,
            client_name: self.client_name(request),
            calling_station: source.calling_station,
            groups: Some(groups).filter(|groups| !groups.is_empty() && !is_unverified),
        }
    }

    fn client_name(&self, request: &mut Request<'_>) -> String {
        match request.outer() {
            Some(mut outer) => self.client_name(&mut outer),
            None => request.client_name().unwrap_or_default(),
        }
    }

    /// The State that the client sent, if it has the form of this module's. If there are several, one of which has, they are joined to
    /// one that is not known.
    pub(super) fn state_of_ours(&self, request: &Request<'_>) -> Option<Vec<u8>> {
        let states = request.values(AttributeList::Request, self.state);
        states.iter().any(|state| is_state(state)).then(|| states.concat())
    }

    /// What distinguishes this attempt from others, as far as the packet tells: user, client, virtual server, session, password, and what
    /// policy has set, so that a login that needs a second factor is never joined to one that needs none. Two packets with the same
    /// traits are of one attempt. Also returns whether the packet names a session or a station.
    pub(super) fn distinguishing_traits(&self, request: &Request<'_>) -> (Vec<Secret>, bool) {
        let of = |attribute| request.secrets(AttributeList::Request, attribute);
        let sessions = [of(self.calling_station), of(self.acct_session_id)];
        let names_session = sessions.iter().flatten().any(|value| !value.is_empty());
        let mut parts = vec![
            Secret::new(request.client().map(|address| address.to_string()).unwrap_or_default()),
            Secret::new(self.user(request)),
            Secret::new(request.entry()),
        ];
        let more = [
            self.nas_identifier,
            self.nas_port,
            self.nas_port_type,
            self.called_station,
            self.service_type,
            self.user_password,
            self.chap_password,
            self.chap_challenge,
            self.ms_chap_challenge,
            self.ms_chap_response,
            self.ms_chap2_response,
        ];
        let policy = [self.mfa_mode, self.mfa_exempt, self.mfa_remember, self.mfa_dialogue, self.mfa_group];
        let policy = policy.map(|attribute| request.secrets(AttributeList::Control, attribute));
        for values in sessions.into_iter().chain(more.map(of)).chain(policy) {
            parts.push(Secret::new(values.len().to_be_bytes()));
            parts.extend(values);
        }
        (parts, names_session)
    }

    /// The number of tunnels around the request.
    pub(super) fn tunnel_depth(&self, request: &mut Request<'_>) -> u8 {
        match request.outer() {
            Some(mut outer) => self.tunnel_depth(&mut outer).saturating_add(1),
            None => 0,
        }
    }

    /// The protocol that carries the password, as it is logged.
    pub(super) fn password_protocol(&self, request: &mut Request<'_>) -> &'static str {
        let has = |attribute| request.has_value(AttributeList::Request, attribute);
        let packet = request.joined_secret(AttributeList::Request, self.eap_message);
        let method = packet.expose().get(4).copied();
        let [plain, tunnelled] = match () {
            () if method == Some(EAP_MS_CHAP2) => ["EAP-MSCHAPv2", "EAP-MSCHAPv2 in a tunnel"],
            () if has(self.chap_password) => ["CHAP", "CHAP in a tunnel"],
            () if has(self.ms_chap_response) => ["MS-CHAP", "MS-CHAP in a tunnel"],
            () if has(self.ms_chap2_response) => ["MS-CHAPv2", "MS-CHAPv2 in a tunnel"],
            () if self.gtc_response(request).is_some() => ["EAP-GTC without a tunnel", "EAP-GTC in a tunnel"],
            () if has(self.eap_message) => ["EAP", "EAP in a tunnel"],
            () => ["PAP", "PAP in a tunnel"],
        };
        if request.outer().is_some() { tunnelled } else { plain }
    }

    /// The submitted password. [`SubmittedPassword::Absent`] if there is none, or more than one.
    pub(super) fn submitted_password(&self, request: &Request<'_>) -> SubmittedPassword {
        let fields = [self.user_password, self.chap_password, self.ms_chap_response, self.ms_chap2_response];
        let counts = fields.map(|attribute| request.value_count(AttributeList::Request, attribute));
        if counts.iter().sum::<usize>() != 1 {
            return SubmittedPassword::Absent;
        }
        let ms_challenge = || request.single_value(AttributeList::Request, self.ms_chap_challenge);
        let only = |attribute| request.secrets(AttributeList::Request, attribute).pop();
        let password = if let Some(field) = only(self.user_password) {
            Some(SubmittedPassword::Plain(field))
        } else if let Some(answer) = only(self.chap_password) {
            let challenge = match request.has_value(AttributeList::Request, self.chap_challenge) {
                true => request.single_value(AttributeList::Request, self.chap_challenge),
                false => Some(request.authenticator().to_vec()),
            };
            challenge.and_then(|challenge| chap_answer(answer.expose(), challenge))
        } else if let Some(answer) = only(self.ms_chap_response) {
            ms_challenge().and_then(|challenge| ms_chap_answer(answer.expose(), &challenge))
        } else {
            let mut names = request.values(AttributeList::Request, self.ms_chap_user_name);
            names.extend(request.values(AttributeList::Request, self.user_name));
            only(self.ms_chap2_response)
                .and_then(|answer| ms_chap2_answer(answer.expose(), &ms_challenge()?, &names))
        };
        password.unwrap_or(SubmittedPassword::Absent)
    }
}

/// The twelve hexadecimal digits of a single hardware address, in lower case.
fn hardware_address(values: &[Vec<u8>]) -> Option<Vec<u8>> {
    let [value] = values else { return None };
    let digits: Vec<u8> = value.iter().filter(|c| !b"-:. ".contains(c)).map(u8::to_ascii_lowercase).collect();
    (digits.len() == 12 && digits.iter().all(u8::is_ascii_hexdigit)).then_some(digits)
}

/// CHAP-Password: identifier, then 16 octets (RFC 2865, section 5.3).
fn chap_answer(octets: &[u8], challenge: Vec<u8>) -> Option<SubmittedPassword> {
    let (id, response) = octets.split_first()?;
    Some(SubmittedPassword::Chap { id: *id, challenge, response: response.try_into().ok()? })
}

/// MS-CHAP-Response: identifier, flags, LM-Response of 24 octets, NT-Response of 24 (RFC 2548, section 2.1.3).
fn ms_chap_answer(octets: &[u8], challenge: &[u8]) -> Option<SubmittedPassword> {
    let (head, response) = octets.split_at_checked(26)?;
    let id = *head.first()?;
    Some(SubmittedPassword::MsChap {
        id,
        challenge: challenge.try_into().ok()?,
        response: response.try_into().ok()?,
    })
}

/// MS-CHAP2-Response: identifier, flags, peer challenge of 16 octets, 8 reserved, NT-Response of 24 (RFC 2548, section
/// 2.3.2). The peer hashes its name without the domain (RFC 2759, section 8.2); some leave it on.
fn ms_chap2_answer(octets: &[u8], challenge: &[u8], names: &[Vec<u8>]) -> Option<SubmittedPassword> {
    let (head, response) = octets.split_at_checked(26)?;
    let mut variants: Vec<Vec<u8>> = Vec::new();
    for name in names.iter().take(4) {
        let bare = name.rsplit(|octet| *octet == b'\\').next().unwrap_or(name).to_vec();
        for variant in [bare, name.clone()] {
            if !variants.contains(&variant) {
                variants.push(variant);
            }
        }
    }
    Some(SubmittedPassword::MsChap2 {
        id: *head.first()?,
        challenge: challenge.try_into().ok()?,
        peer_challenge: head.get(2..18)?.try_into().ok()?,
        response: response.try_into().ok()?,
        names: variants,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hardware_address_is_known_in_every_spelling() {
        let address = |text: &str| hardware_address(&[text.as_bytes().to_vec()]);
        assert_eq!(address("00-11-22-AA-bb-cc"), address("001122aabbcc"));
        assert_eq!(address("0011.22aa.bbcc"), address("00:11:22:aa:bb:cc"));
        assert_eq!(address("alice"), None);
        assert_eq!(address("00-11-22-AA-bb-cc-dd"), None);
    }

    proptest::proptest! {
        #[test]
        fn answers_of_any_length_are_taken_without_panic(octets: Vec<u8>, challenge: Vec<u8>, names: Vec<Vec<u8>>) {
            let _ = (chap_answer(&octets, challenge.clone()), ms_chap_answer(&octets, &challenge), ms_chap2_answer(&octets, &challenge, &names));
        }
    }
}
