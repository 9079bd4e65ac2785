//! EAP around a login: whether `eap` is at work, the one method of which this module reads and writes packets (EAP-GTC), and how
//! a conversation ends that is refused.

use super::attributes::ModuleAttributes;
use crate::engine::Decision;
use crate::freeradius::{AttributeList, Request, code};
use crate::types::Secret;

/// Octets of a text in EAP-GTC: its packet has to fit into the smallest MTU that EAP allows (RFC 3748, section 3.1).
const MOST_TEXT: usize = 1000;

impl ModuleAttributes {
    /// Whether the request is a packet of an EAP conversation.
    pub(super) fn is_eap(&self, request: &Request<'_>) -> bool {
        request.has_value(AttributeList::Request, self.eap_message)
    }

    /// Whether `eap` has called the section that runs, and decides after it.
    pub(super) fn is_within_eap(&self, request: &Request<'_>) -> bool {
        let has_ended = request.reply_code() == code::ACCESS_ACCEPT || request.is_proxied();
        self.is_eap(request) && !has_ended
    }

    /// Opens the answer to a challenge of this module that comes as EAP-GTC in a tunnel: its text becomes the password, and `eap`, for
    /// which the method has ended, leaves the packet alone. What `eap` has set as Auth-Type is removed; the caller sets it.
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
            && self.gtc_response(request).is_none_or(|(_, text)| {
                request.set(AttributeList::Request, self.user_password, text.expose())
            })
    }

    /// Puts a challenge into the reply: the text of an EAP-Request of the type GTC (RFC 3748, sections 4.1 and 5.6), and its State.
    /// `false` if the packet was no response of that type.
    pub(super) fn set_gtc(&self, request: &mut Request<'_>, decision: &Decision) -> bool {
        let (Some((id, _)), Some(state)) = (self.gtc_response(request), decision.state()) else {
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

    /// Ends an EAP conversation that is refused after it had succeeded: with an EAP-Failure of its last identifier (RFC 3748, section
    /// 4.2), in the list that becomes the reply.
    pub(super) fn fail_eap(&self, request: &mut Request<'_>) {
        let list =
            if request.proxy_code().is_some() { AttributeList::ProxyReply } else { AttributeList::Reply };
        let eap = request.values(AttributeList::Request, self.eap_message).into_iter().next();
        if let Some(&[_, id, ..]) = eap.as_deref() {
            request.set(list, self.eap_message, &[4, id, 0, 4]);
            request.set(list, self.message_authenticator, &[0; 16]);
        }
    }

    /// Identifier and text of an EAP-Response of the type GTC (RFC 3748, sections 4.1 and 5.6). None if it is something else, or
    /// longer than a password can be.
    pub(super) fn gtc_response(&self, request: &Request<'_>) -> Option<(u8, Secret)> {
        gtc_response(request.joined_secret(AttributeList::Request, self.eap_message).expose())
    }
}

/// Reads a packet: code 2 (response), identifier, length in two octets, type 6 (GTC), text.
fn gtc_response(octets: &[u8]) -> Option<(u8, Secret)> {
    let [2, id, high, low, 6, text @ ..] = octets else { return None };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    (length == octets.len() && text.len() <= 253).then(|| (*id, Secret::new(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_of_the_type_gtc_is_read_and_nothing_else_is() {
        assert_eq!(gtc_response(b"\x02\x07\0\x09\x06push"), Some((7, Secret::new("push"))));
        assert_eq!(gtc_response(b"\x02\x07\0\x05\x06"), Some((7, Secret::new(""))));
        for other in [
            &b""[..],
            b"\x02\x07\0\x05",
            b"\x01\x07\0\x09\x06push",
            b"\x02\x07\0\x09\x03push",
            b"\x02\x07\0\x0a\x06push",
            b"\x02\x07\0\x08\x06push",
        ] {
            assert_eq!(gtc_response(other), None, "{other:?}");
        }
        let long =
            |length: u8| [&[2, 7, 1, length, 6][..], &[b'x'; 254][..usize::from(length) + 251]].concat();
        assert!(gtc_response(&long(2)).is_some() && gtc_response(&long(3)).is_none());
    }

    proptest::proptest! {
        #[test]
        fn packets_of_any_length_are_read_without_panic(octets: Vec<u8>) {
            let _ = gtc_response(&octets);
        }
    }
}
