//! The few kinds of RADIUS packets (RFC 2865, section 3) that pass between the server and our responder. Everything that comes
//! in may come from a stranger: what is not signed with the secret is not looked at.

use crate::config::profile::Echo;
use crate::types::Secret;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

const ACCESS_REQUEST: u8 = 1;
const HEADER: usize = 20;
const LONGEST: usize = 4096;
/// Longest value of an attribute.
const VALUE: usize = 253;

const REPLY_MESSAGE: u8 = 18;
const PROMPT: u8 = 76;
pub(super) const STATE: u8 = 24;
const PROXY_STATE: u8 = 33;
const MESSAGE_AUTHENTICATOR: u8 = 80;

/// An Access-Request that is signed with the secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Identifier.
    pub id: u8,
    /// Request authenticator.
    pub authenticator: [u8; 16],
    /// The one State in it.
    pub state: Option<Vec<u8>>,
    proxy_states: Vec<Vec<u8>>,
}

/// What a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// Access-Accept.
    Accept = 2,
    /// Access-Reject.
    Reject = 3,
    /// Access-Challenge.
    Challenge = 11,
}

/// What a reply carries beside its code.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// The values of Reply-Message; one that is too long for an attribute is left out.
    pub message: Vec<String>,
    /// State.
    pub state: Option<String>,
    /// Prompt.
    pub echo: Echo,
}

impl Request {
    /// The packet, if it is an Access-Request with a Message-Authenticator (RFC 3579, section 3.2) made with this secret.
    /// `None` for everything else.
    pub fn parse(datagram: &[u8], secret: &Secret) -> Option<Self> {
        let (head, _) = datagram.split_at_checked(HEADER)?;
        let [code, id, high, low, authenticator @ ..] = head else { return None };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let authenticator: [u8; 16] = authenticator.try_into().ok()?;
        if *code != ACCESS_REQUEST || !(HEADER..=LONGEST).contains(&length) {
            return None;
        }
        // What is behind the length is padding (RFC 2865, section 3).
        let packet = datagram.get(..length)?;
        let (mut state, mut states, mut proxy_states, mut signature) = (None, 0, Vec::new(), None);
        let mut at = HEADER;
        while at < length {
            let kind = *packet.get(at)?;
            let size = usize::from(*packet.get(at.checked_add(1)?)?);
            let next = at.checked_add(size)?;
            let value = packet.get(at.checked_add(2)?..next)?;
            match kind {
                STATE => {
                    states += 1;
                    state = Some(value.to_vec());
                }
                PROXY_STATE => proxy_states.push(value.to_vec()),
                MESSAGE_AUTHENTICATOR if signature.is_some() => return None,
                MESSAGE_AUTHENTICATOR => {
                    signature = Some((at.checked_add(2)?, <[u8; 16]>::try_from(value).ok()?))
                }
                _ => {}
            }
            at = next;
        }
        let (place, signature) = signature?;
        let mut unsigned = packet.to_vec();
        unsigned.get_mut(place..place.checked_add(16)?)?.fill(0);
        let right: bool = keyed(secret, &unsigned)?.ct_eq(&signature).into();
        right.then_some(Self { id: *id, authenticator, state: state.filter(|_| states == 1), proxy_states })
    }

    /// The answer to it, signed (RFC 2865, section 3; RFC 3579, section 3.2).
    pub fn answer(&self, code: Code, reply: &Reply, secret: &Secret) -> Vec<u8> {
        let mut packet = vec![code as u8, self.id, 0, 0];
        packet.extend(self.authenticator);
        let signature = packet.len().saturating_add(2);
        let mut add = |kind: u8, value: &[u8]| {
            let size = u8::try_from(value.len().saturating_add(2)).unwrap_or(u8::MAX);
            let fits = packet.len().saturating_add(value.len()).saturating_add(2) <= LONGEST;
            if value.len() <= VALUE && fits {
                packet.extend([kind, size]);
                packet.extend(value);
            }
        };
        add(MESSAGE_AUTHENTICATOR, &[0; 16]);
        for text in &reply.message {
            add(REPLY_MESSAGE, text.as_bytes());
        }
        if let Some(state) = &reply.state {
            add(STATE, state.as_bytes());
        }
        if let Some(echo) = reply.echo.value() {
            add(PROMPT, &echo.to_be_bytes());
        }
        for value in &self.proxy_states {
            add(PROXY_STATE, value);
        }
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX).to_be_bytes();
        put(&mut packet, 2, &length);
        // Both are over the request's authenticator, which stands in the header until then.
        let mac = keyed(secret, &packet).unwrap_or_default();
        put(&mut packet, signature, &mac);
        let digest = Md5::new().chain_update(&packet).chain_update(secret.expose()).finalize();
        put(&mut packet, 4, &digest);
        packet
    }
}

fn put(packet: &mut [u8], at: usize, octets: &[u8]) {
    for (to, from) in packet.iter_mut().skip(at).zip(octets) {
        *to = *from;
    }
}

fn keyed(secret: &Secret, octets: &[u8]) -> Option<[u8; 16]> {
    let mut mac = Hmac::<Md5>::new_from_slice(secret.expose()).ok()?;
    mac.update(octets);
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::new("testing123")
    }

    fn request(attributes: &[(u8, &[u8])]) -> Vec<u8> {
        signed(attributes, &secret())
    }

    /// An Access-Request with these attributes, signed.
    pub(in crate::app) fn signed(attributes: &[(u8, &[u8])], secret: &Secret) -> Vec<u8> {
        let mut packet = vec![1, 7, 0, 0];
        packet.extend([9; 16]);
        for (kind, value) in attributes {
            packet.extend([*kind, u8::try_from(value.len() + 2).unwrap()]);
            packet.extend(*value);
        }
        packet.extend([MESSAGE_AUTHENTICATOR, 18]);
        packet.extend([0; 16]);
        let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
        packet[2..4].copy_from_slice(&length);
        let mac = keyed(secret, &packet).unwrap();
        let at = packet.len() - 16;
        packet[at..].copy_from_slice(&mac);
        packet
    }

    #[test]
    fn signed_request_is_read() {
        let mut datagram = request(&[(STATE, b"token"), (PROXY_STATE, b"49")]);
        let parsed = Request::parse(&datagram, &secret()).unwrap();
        assert_eq!((parsed.id, parsed.state.as_deref()), (7, Some(&b"token"[..])));
        assert_eq!(Request::parse(&datagram, &Secret::new("other")), None);
        datagram.extend([0; 9]);
        assert!(Request::parse(&datagram, &secret()).is_some(), "padding");
        let two = request(&[(STATE, b"a"), (STATE, b"b")]);
        assert_eq!(Request::parse(&two, &secret()).unwrap().state, None);
    }

    #[test]
    fn whatever_is_changed_is_not_signed() {
        let datagram = request(&[(STATE, b"token")]);
        for at in 0..datagram.len() {
            let mut changed = datagram.clone();
            changed[at] ^= 1;
            assert_eq!(Request::parse(&changed, &secret()), None, "octet {at}");
            assert_eq!(Request::parse(&datagram[..at], &secret()), None, "{at} octets");
        }
    }

    #[test]
    fn answer_is_signed_twice() {
        let parsed = Request::parse(&request(&[(PROXY_STATE, b"49")]), &secret()).unwrap();
        let message = vec!["\u{e4}".repeat(126), "ende".to_owned(), "x".repeat(254)];
        let reply = Reply { message: message.clone(), state: Some("0123".into()), echo: Echo::Shown };
        let answer = parsed.answer(Code::Challenge, &reply, &secret());
        assert_eq!((answer[0], answer[1]), (11, 7));
        let mut unsigned = answer.clone();
        unsigned[4..20].copy_from_slice(&[9; 16]);
        let digest = Md5::new().chain_update(&unsigned).chain_update("testing123").finalize();
        assert_eq!(digest[..], answer[4..20]);
        unsigned[22..38].fill(0);
        assert_eq!(keyed(&secret(), &unsigned).unwrap(), answer[22..38]);
        let mut shown = Vec::new();
        let mut at = 38;
        while at < answer.len() {
            let size = usize::from(answer[at + 1]);
            if answer[at] == REPLY_MESSAGE {
                shown.extend(std::str::from_utf8(&answer[at + 2..at + size]).unwrap().bytes());
            }
            at += size;
        }
        assert_eq!(shown, message[..2].concat().as_bytes());
        assert!(answer.ends_with(&[24, 6, b'0', b'1', b'2', b'3', 76, 6, 0, 0, 0, 1, 33, 4, b'4', b'9']));
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_it_panic(datagram: Vec<u8>) {
            proptest::prop_assert_eq!(Request::parse(&datagram, &secret()), None);
        }

        #[test]
        fn answers_fit_a_packet(message: String, states in proptest::collection::vec(proptest::collection::vec(0u8.., 0..250), 0..20)) {
            let attributes: Vec<(u8, &[u8])> = states.iter().map(|s| (PROXY_STATE, s.as_slice())).collect();
            if let Some(parsed) = Request::parse(&request(&attributes), &secret()) {
                let reply = Reply { message: vec![message], ..Reply::default() };
                proptest::prop_assert!(parsed.answer(Code::Reject, &reply, &secret()).len() <= LONGEST);
            }
        }
    }
}
