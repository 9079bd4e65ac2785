//! What is asked, and what an answer says: attributes and what is hidden in them.

use super::host::RadiusAnswer;
use crate::engine::SubmittedPassword;
use crate::engine::directory::{
    AuthFailure, BackendUnavailable, Credentials, DirectoryUser, PasswordResponse, RawAttribute,
};
use crate::types::radius_attribute::{carried_secret, microsoft, microsoft_attributes};
use crate::types::{Printable, Secret};
use crate::wire::{self, PacketDraft, RadiusPacket, code, kind};

/// In a response of MS-CHAP: look at the NT-Response (RFC 2548, section 2.1.3).
const NT_RESPONSE: u8 = 1;
/// Octets of a key for each of LAN Manager and NT (RFC 2548, section 2.4.1).
const BOTH_KEYS: usize = 24;

/// A request before it has an identifier.
pub(super) struct RequestDraft {
    attributes: Vec<(u8, Vec<u8>)>,
    /// Hidden anew for each host.
    password: Option<Secret>,
    passed: Vec<RawAttribute>,
}

impl RequestDraft {
    /// Builds the request from the credentials. `state` is the server's own, whose question this answers.
    pub(super) fn new(
        claim: Credentials,
        state: Option<&[u8]>,
        nas_identifier: &str,
        secret: &Secret,
    ) -> Result<Self, AuthFailure> {
        if claim.typed.is_empty() || claim.typed.len() > wire::VALUE {
            return Err(AuthFailure::Unknown);
        }
        let mut attributes = vec![(kind::USER_NAME, claim.typed)];
        let mut hidden = None;
        match claim.password {
            // A password that would arrive changed is refused.
            SubmittedPassword::Plain(password)
                if wire::hide_password(&password, secret, &[0; 16]).is_none() =>
            {
                return Err(AuthFailure::Wrong);
            }
            SubmittedPassword::Plain(password) => hidden = Some(password),
            SubmittedPassword::Absent | SubmittedPassword::Separate { .. } => return Err(AuthFailure::Wrong),
            SubmittedPassword::Chap { id, challenge, response } => {
                attributes.push((kind::CHAP_PASSWORD, [&[id], &response[..]].concat()));
                attributes.push((kind::CHAP_CHALLENGE, challenge));
            }
            SubmittedPassword::MsChap { id, challenge, response } => {
                let response = [&[id, NT_RESPONSE], &[0; 24][..], &response].concat();
                attributes.push((
                    kind::VENDOR_SPECIFIC,
                    microsoft_attribute(microsoft::CHAP_CHALLENGE, &challenge),
                ));
                attributes
                    .push((kind::VENDOR_SPECIFIC, microsoft_attribute(microsoft::CHAP_RESPONSE, &response)));
            }
            SubmittedPassword::MsChap2 { id, challenge, peer_challenge, response, .. } => {
                let response = [&[id, 0], &peer_challenge[..], &[0; 8], &response].concat();
                attributes.push((
                    kind::VENDOR_SPECIFIC,
                    microsoft_attribute(microsoft::CHAP_CHALLENGE, &challenge),
                ));
                attributes
                    .push((kind::VENDOR_SPECIFIC, microsoft_attribute(microsoft::CHAP2_RESPONSE, &response)));
            }
        }
        if let Some(state) = state {
            attributes.push((kind::STATE, state.to_vec()));
        }
        let passed: Vec<RawAttribute> = claim.packet.into_iter().filter(may_pass).collect();
        let names = [kind::NAS_IDENTIFIER, kind::NAS_IP_ADDRESS, kind::NAS_IPV6_ADDRESS];
        if !passed.iter().any(|raw| names.contains(&raw.kind)) {
            attributes.push((kind::NAS_IDENTIFIER, nas_identifier.into()));
        }
        Ok(Self { attributes, password: hidden, passed })
    }

    /// The packet, signed. What is passed on and does not fit into it any more is left out.
    pub(super) fn signed_octets(&self, id: u8, authenticator: &[u8; 16], secret: &Secret) -> Vec<u8> {
        let mut draft = PacketDraft::new(code::ACCESS_REQUEST, id, authenticator);
        for (kind, value) in &self.attributes {
            let _ = draft.add(*kind, value);
        }
        let hidden =
            self.password.as_ref().and_then(|password| wire::hide_password(password, secret, authenticator));
        if let Some(hidden) = hidden {
            let _ = draft.add(kind::USER_PASSWORD, &hidden);
        }
        for RawAttribute { kind, value } in &self.passed {
            let _ = draft.add(*kind, value);
        }
        draft.sign_request(secret)
    }
}

/// Asks for a sign of life (RFC 5997).
pub(super) fn status_request(
    id: u8,
    authenticator: &[u8; 16],
    nas_identifier: &str,
    secret: &Secret,
) -> Vec<u8> {
    let mut draft = PacketDraft::new(code::STATUS_SERVER, id, authenticator);
    let _ = draft.add(kind::NAS_IDENTIFIER, nas_identifier.as_bytes());
    draft.sign_request(secret)
}

/// One attribute of Microsoft's (RFC 2548, section 2).
fn microsoft_attribute(kind: u8, value: &[u8]) -> Vec<u8> {
    let size = u8::try_from(value.len().saturating_add(2)).unwrap_or(u8::MAX);
    [&microsoft::VENDOR.to_be_bytes()[..], &[kind, size], value].concat()
}

/// Whether it may be passed on: not what makes the request ours, what belongs to one conversation, or what carries a secret.
fn may_pass(raw: &RawAttribute) -> bool {
    use microsoft::{CHAP_CHALLENGE, CHAP_ERROR, CHAP2_SUCCESS};
    match raw.kind {
        kind::USER_NAME | kind::CHAP_CHALLENGE => false,
        kind::STATE | kind::PROXY_STATE | kind::EAP_MESSAGE | kind::MESSAGE_AUTHENTICATOR => false,
        _ if carried_secret(raw.kind, &raw.value).is_some() => false,
        kind::VENDOR_SPECIFIC => microsoft_attributes(&raw.value).is_none_or(|all| {
            let mut numbers = all.map(|(number, _)| number).peekable();
            let is_empty = numbers.peek().is_none();
            !is_empty && !numbers.any(|number| [CHAP_CHALLENGE, CHAP_ERROR, CHAP2_SUCCESS].contains(&number))
        }),
        _ => true,
    }
}

/// What an answer says whose signature is right. `host` stands before its State in ours, since no other one knows it.
pub(super) fn read(
    answer: &RadiusAnswer,
    user: &str,
    host: u8,
    secret: &Secret,
) -> Result<PasswordResponse, AuthFailure> {
    let garbage = || AuthFailure::from(BackendUnavailable("an answer that no server gives".to_owned()));
    let packet = RadiusPacket::parse(&answer.octets).ok_or_else(garbage)?;
    match packet.code() {
        code::ACCESS_ACCEPT => {
            let reply = packet
                .attributes()
                .flat_map(|(kind, value)| reply_attribute(kind, value, secret, &answer.authenticator))
                .collect();
            Ok(DirectoryUser { name: user.to_owned(), reply, ..DirectoryUser::default() }.into())
        }
        code::ACCESS_REJECT => Err(AuthFailure::Wrong),
        code::ACCESS_CHALLENGE => {
            let state = packet.single_value(kind::STATE).unwrap_or_default();
            if state.is_empty() && packet.attributes().any(|(kind, _)| kind == kind::STATE) {
                return Err(garbage());
            }
            let texts = packet.attributes().filter(|(kind, _)| *kind == kind::REPLY_MESSAGE);
            let text = texts.map(|(_, text)| Printable::new(text).to_string()).collect();
            Ok(PasswordResponse::Asks { text, state: [&[host], state].concat() })
        }
        _ => Err(garbage()),
    }
}

/// An attribute of an accept as the client is to get it, keys in the clear; several if it held several.
fn reply_attribute(kind: u8, value: &[u8], secret: &Secret, authenticator: &[u8; 16]) -> Vec<RawAttribute> {
    let raw = |value: Vec<u8>| RawAttribute { kind, value };
    match kind {
        kind::STATE | kind::PROXY_STATE | kind::EAP_MESSAGE | kind::MESSAGE_AUTHENTICATOR => Vec::new(),
        // No server says these.
        kind::USER_PASSWORD | kind::CHAP_PASSWORD | kind::CHAP_CHALLENGE => Vec::new(),
        kind::TUNNEL_PASSWORD => {
            let plain = value.split_first().and_then(|(tag, hidden)| {
                Some((tag, wire::reveal_salted_key(hidden, secret, authenticator)?))
            });
            plain.map(|(tag, plain)| raw([&[*tag], plain.as_slice()].concat())).into_iter().collect()
        }
        kind::VENDOR_SPECIFIC => match microsoft_attributes(value) {
            None => vec![raw(value.to_vec())],
            Some(all) => all
                .filter_map(|(kind, value)| {
                    Some(raw(microsoft_attribute(kind, &in_clear(kind, value, secret, authenticator)?)))
                })
                .collect(),
        },
        _ => vec![raw(value.to_vec())],
    }
}

fn in_clear(kind: u8, value: &[u8], secret: &Secret, authenticator: &[u8; 16]) -> Option<Vec<u8>> {
    match kind {
        microsoft::MPPE_SEND_KEY | microsoft::MPPE_RECV_KEY => {
            wire::reveal_salted_key(value, secret, authenticator)
        }
        microsoft::CHAP_MPPE_KEYS => {
            let plain = wire::reveal_password(value, secret, authenticator)?;
            plain.get(..BOTH_KEYS).map(<[u8]>::to_vec)
        }
        _ => Some(value.to_vec()),
    }
}
