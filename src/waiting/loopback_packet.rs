//! The few kinds of RADIUS packets (RFC 2865, section 3) that pass between the server and our responder. Any local
//! process can send to it: a packet that is not signed with the secret is dropped without being parsed further.

use crate::config::profile::PromptEcho;
use crate::types::Secret;
use crate::wire::{PacketDraft, PacketSignature, RadiusPacket, code, kind};

/// An Access-Request that is signed with the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct LoopbackRequest {
    /// Identifier.
    pub id: u8,
    /// Request authenticator.
    pub authenticator: [u8; 16],
    /// Its only State.
    pub state: Option<Vec<u8>>,
    proxy_states: Vec<Vec<u8>>,
}

impl std::fmt::Debug for LoopbackRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoopbackRequest(<<< secret >>>)")
    }
}

/// Code of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplyCode {
    /// Access-Accept.
    Accept = 2,
    /// Access-Reject.
    Reject = 3,
    /// Access-Challenge.
    Challenge = 11,
}

/// What a reply carries beside its code.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LoopbackReply {
    /// The values of Reply-Message; one that is too long for an attribute is left out.
    pub message: Vec<String>,
    /// State.
    pub state: Option<String>,
    /// Prompt.
    pub echo: PromptEcho,
}

impl std::fmt::Debug for LoopbackReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LoopbackReply(<<< secret >>>)")
    }
}

impl LoopbackRequest {
    /// The packet, if it is an Access-Request with a Message-Authenticator (RFC 3579, section 3.2) made with this secret.
    /// `None` for everything else.
    pub fn parse(datagram: &[u8], secret: &Secret) -> Option<Self> {
        let packet = RadiusPacket::parse(datagram)?;
        let authenticator = packet.packet_authenticator();
        if packet.code() != code::ACCESS_REQUEST
            || packet.verify_signature(&authenticator, secret) != PacketSignature::Right
        {
            return None;
        }
        let is_proxy_state = |(kind, value): (u8, &[u8])| (kind == kind::PROXY_STATE).then(|| value.to_vec());
        Some(Self {
            id: packet.id(),
            authenticator,
            state: packet.single_value(kind::STATE).map(<[u8]>::to_vec),
            proxy_states: packet.attributes().filter_map(is_proxy_state).collect(),
        })
    }

    /// The answer to it, signed (RFC 2865, section 3; RFC 3579, section 3.2). What does not fit is left out.
    pub fn build_reply(&self, code: ReplyCode, reply: &LoopbackReply, secret: &Secret) -> Vec<u8> {
        let mut draft = PacketDraft::new(code as u8, self.id, &self.authenticator);
        for text in &reply.message {
            let _ = draft.add(kind::REPLY_MESSAGE, text.as_bytes());
        }
        // In the order in which the module has them where nothing waits, so that an answer does not tell whether the login waited.
        if let Some(echo) = reply.echo.value() {
            let _ = draft.add(kind::PROMPT, &echo.to_be_bytes());
        }
        if let Some(state) = &reply.state {
            let _ = draft.add(kind::STATE, state.as_bytes());
        }
        for value in &self.proxy_states {
            let _ = draft.add(kind::PROXY_STATE, value);
        }
        draft.sign_answer(secret)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn test_secret() -> Secret {
        Secret::new("testing123")
    }

    fn build_request(attributes: &[(u8, &[u8])]) -> Vec<u8> {
        signed_request(attributes, &test_secret())
    }

    /// An Access-Request with these attributes, signed.
    pub(crate) fn signed_request(attributes: &[(u8, &[u8])], secret: &Secret) -> Vec<u8> {
        let mut draft = PacketDraft::new(code::ACCESS_REQUEST, 7, &[9; 16]);
        for (kind, value) in attributes {
            assert!(draft.add(*kind, value));
        }
        draft.sign_request(secret)
    }

    #[test]
    fn signed_request_is_read() {
        let mut datagram = build_request(&[(kind::STATE, b"token"), (kind::PROXY_STATE, b"49")]);
        let parsed = LoopbackRequest::parse(&datagram, &test_secret()).unwrap();
        assert_eq!((parsed.id, parsed.state.as_deref()), (7, Some(&b"token"[..])));
        assert_eq!(LoopbackRequest::parse(&datagram, &Secret::new("other")), None);
        datagram.extend([0; 9]);
        assert!(LoopbackRequest::parse(&datagram, &test_secret()).is_some(), "padding");
        let two = build_request(&[(kind::STATE, b"a"), (kind::STATE, b"b")]);
        assert_eq!(LoopbackRequest::parse(&two, &test_secret()).unwrap().state, None);
    }

    #[test]
    fn whatever_is_changed_is_not_signed() {
        let datagram = build_request(&[(kind::STATE, b"token")]);
        for at in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[at] ^= 1;
            assert_eq!(LoopbackRequest::parse(&changed, &test_secret()), None, "octet {at}");
            assert_eq!(LoopbackRequest::parse(&datagram[..at], &test_secret()), None, "{at} octets");
        }
    }

    #[test]
    fn answer_is_signed_twice() {
        let parsed =
            LoopbackRequest::parse(&build_request(&[(kind::PROXY_STATE, b"49")]), &test_secret()).unwrap();
        let message = vec!["\u{e4}".repeat(126), "ende".to_owned(), "x".repeat(254)];
        let reply =
            LoopbackReply { message: message.clone(), state: Some("0123".into()), echo: PromptEcho::Shown };
        let answer = parsed.build_reply(ReplyCode::Challenge, &reply, &test_secret());
        assert_eq!((answer[0], answer[1]), (11, 7));
        let read = RadiusPacket::parse(&answer).unwrap();
        assert!(read.is_answer_to(&[9; 16], &test_secret()));
        assert_eq!(read.verify_signature(&[9; 16], &test_secret()), PacketSignature::Right);
        let mut shown = Vec::new();
        let mut at = 38;
        while at < answer.len() {
            let size = usize::from(answer[at + 1]);
            if answer[at] == kind::REPLY_MESSAGE {
                shown.extend(std::str::from_utf8(&answer[at + 2..at + size]).unwrap().bytes());
            }
            at += size;
        }
        assert_eq!(shown, message[..2].concat().as_bytes());
        assert!(answer.ends_with(&[76, 6, 0, 0, 0, 1, 24, 6, b'0', b'1', b'2', b'3', 33, 4, b'4', b'9']));
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_it_panic(datagram: Vec<u8>) {
            proptest::prop_assert_eq!(LoopbackRequest::parse(&datagram, &test_secret()), None);
        }

        #[test]
        fn answers_fit_a_packet(message: String, states in proptest::collection::vec(proptest::collection::vec(0u8.., 0..250), 0..20)) {
            let attributes: Vec<(u8, &[u8])> = states.iter().map(|s| (kind::PROXY_STATE, s.as_slice())).collect();
            if let Some(parsed) = LoopbackRequest::parse(&build_request(&attributes), &test_secret()) {
                let reply = LoopbackReply { message: vec![message], ..LoopbackReply::default() };
                proptest::prop_assert!(parsed.build_reply(ReplyCode::Reject, &reply, &test_secret()).len() <= crate::wire::LONGEST);
            }
        }
    }
}
