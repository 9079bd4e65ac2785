//! RADIUS packets (RFC 2865, section 3) as octets: of the responder in [`crate::app`], and of the server that is asked for passwords
//! in [`crate::directory`]. What comes in may come from a stranger: nothing in it is believed before its signature was looked at.

mod hidden;

pub use crate::types::radius_attribute::kind;
pub use hidden::{hide_password, reveal_password, reveal_salted_key};

use crate::types::Secret;
use crate::types::radius_attribute::{split_attribute, walk_attributes};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

const HEADER: usize = 20;
/// The longest packet.
pub const LONGEST: usize = 4096;
/// The longest value of an attribute.
pub const VALUE: usize = 253;
/// Code, identifier, length, authenticator: then comes Message-Authenticator, with type and length before its value.
const SIGNATURE: usize = HEADER + 2;

/// Codes of packets.
pub mod code {
    /// Access-Request.
    pub const ACCESS_REQUEST: u8 = 1;
    /// Access-Accept.
    pub const ACCESS_ACCEPT: u8 = 2;
    /// Access-Reject.
    pub const ACCESS_REJECT: u8 = 3;
    /// Access-Challenge.
    pub const ACCESS_CHALLENGE: u8 = 11;
    /// Status-Server (RFC 5997).
    pub const STATUS_SERVER: u8 = 12;
}

/// Whether a packet was made with the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketSignature {
    /// Its Message-Authenticator is right.
    Right,
    /// It is not, or there are several.
    Wrong,
    /// The packet has no signature.
    Absent,
}

/// A packet that is well formed; no more is known of it.
#[derive(Clone, Copy, Debug)]
pub struct RadiusPacket<'a>(&'a [u8]);

impl<'a> RadiusPacket<'a> {
    /// The packet in a datagram. What is behind its length is padding (RFC 2865, section 3).
    pub fn parse(datagram: &'a [u8]) -> Option<Self> {
        let length = datagram.get(2..4).and_then(|octets| <[u8; 2]>::try_from(octets).ok())?;
        let length = usize::from(u16::from_be_bytes(length));
        if !(HEADER..=LONGEST).contains(&length) {
            return None;
        }
        let packet = datagram.get(..length)?;
        let mut rest = packet.get(HEADER..)?;
        while !rest.is_empty() {
            rest = split_attribute(rest)?.2;
        }
        Some(Self(packet))
    }

    /// Code of the packet (RFC 2865, section 4).
    pub fn code(&self) -> u8 {
        self.0.first().copied().unwrap_or_default()
    }

    /// Identifier of the packet.
    pub fn id(&self) -> u8 {
        self.0.get(1).copied().unwrap_or_default()
    }

    /// The authenticator in it: of a request the request's, of an answer the answer's.
    pub fn packet_authenticator(&self) -> [u8; 16] {
        self.0.get(4..HEADER).and_then(|octets| octets.try_into().ok()).unwrap_or_default()
    }

    /// Its attributes in order: number and value.
    pub fn attributes(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        walk_attributes(self.0.get(HEADER..).unwrap_or_default())
    }

    /// The only value of an attribute. None if there is none, or more than one.
    pub fn single_value(&self, wanted: u8) -> Option<&'a [u8]> {
        let mut values = self.attributes().filter(|(kind, _)| *kind == wanted).map(|(_, value)| value);
        values.next().filter(|_| values.next().is_none())
    }

    /// Its Message-Authenticator (RFC 3579, section 3.2). `over` is the authenticator of the request, also where this is the answer.
    pub fn verify_signature(&self, over: &[u8; 16], secret: &Secret) -> PacketSignature {
        let (mut place, mut at, mut seen) = (None, HEADER, 0u8);
        for (kind, value) in self.attributes() {
            if kind == kind::MESSAGE_AUTHENTICATOR {
                seen = seen.saturating_add(1);
                place = <[u8; 16]>::try_from(value).ok().map(|value| (at.saturating_add(2), value));
            }
            at = at.saturating_add(value.len()).saturating_add(2);
        }
        let (place, value) = match (seen, place) {
            (0, _) => return PacketSignature::Absent,
            (1, Some(found)) => found,
            _ => return PacketSignature::Wrong,
        };
        let mut unsigned = self.0.to_vec();
        write_octets(&mut unsigned, 4, over);
        write_octets(&mut unsigned, place, &[0; 16]);
        match keyed_digest(secret, &unsigned).is_some_and(|right| right.ct_eq(&value).into()) {
            true => PacketSignature::Right,
            false => PacketSignature::Wrong,
        }
    }

    /// Whether its authenticator is that of an answer (RFC 2865, section 3) to the request with this one.
    pub fn is_answer_to(&self, request: &[u8; 16], secret: &Secret) -> bool {
        let mut unsigned = self.0.to_vec();
        write_octets(&mut unsigned, 4, request);
        let right: [u8; 16] =
            Md5::new().chain_update(&unsigned).chain_update(secret.expose()).finalize().into();
        right.ct_eq(&self.packet_authenticator()).into()
    }
}

/// A packet in the making. It is always signed.
pub struct PacketDraft(Vec<u8>);

impl PacketDraft {
    /// With nothing in it but the room for its Message-Authenticator, which is the first of the attributes. `authenticator` is the
    /// request's, also where this becomes the answer.
    pub fn new(code: u8, id: u8, authenticator: &[u8; 16]) -> Self {
        let mut draft = Self(vec![code, id, 0, 0]);
        draft.0.extend(authenticator);
        let _ = draft.add(kind::MESSAGE_AUTHENTICATOR, &[0; 16]);
        draft
    }

    /// One more attribute. `false`, and nothing is added, if it is too long or does not fit into the packet any more.
    pub fn add(&mut self, kind: u8, value: &[u8]) -> bool {
        let size = value.len().saturating_add(2);
        let fits = value.len() <= VALUE && self.0.len().saturating_add(size) <= LONGEST;
        match u8::try_from(size) {
            Ok(size) if fits => {
                self.0.extend([kind, size]);
                self.0.extend(value);
                true
            }
            _ => false,
        }
    }

    /// A request, signed (RFC 3579, section 3.2).
    pub fn sign_request(mut self, secret: &Secret) -> Vec<u8> {
        let length = u16::try_from(self.0.len()).unwrap_or(u16::MAX).to_be_bytes();
        write_octets(&mut self.0, 2, &length);
        let mac = keyed_digest(secret, &self.0).unwrap_or_default();
        write_octets(&mut self.0, SIGNATURE, &mac);
        self.0
    }

    /// An answer, signed twice: both are over the request's authenticator, which stands in the header until then.
    pub fn sign_answer(self, secret: &Secret) -> Vec<u8> {
        let mut packet = self.sign_request(secret);
        let digest = Md5::new().chain_update(&packet).chain_update(secret.expose()).finalize();
        write_octets(&mut packet, 4, &digest);
        packet
    }
}

fn write_octets(packet: &mut [u8], at: usize, octets: &[u8]) {
    for (to, from) in packet.iter_mut().skip(at).zip(octets) {
        *to = *from;
    }
}

fn keyed_digest(secret: &Secret, octets: &[u8]) -> Option<[u8; 16]> {
    let mut mac = Hmac::<Md5>::new_from_slice(secret.expose()).ok()?;
    mac.update(octets);
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret() -> Secret {
        Secret::new("testing123")
    }

    #[test]
    fn answer_is_signed_twice_and_whatever_is_changed_is_not() {
        let mut draft = PacketDraft::new(code::ACCESS_ACCEPT, 7, &[9; 16]);
        assert!(draft.add(kind::REPLY_MESSAGE, b"hello") && !draft.add(1, &[0; 254]));
        let octets = draft.sign_answer(&secret());
        let is_right = |octets: &[u8], secret: &Secret| {
            RadiusPacket::parse(octets).is_some_and(|packet| {
                packet.is_answer_to(&[9; 16], secret)
                    && packet.verify_signature(&[9; 16], secret) == PacketSignature::Right
                    && packet.id() == 7
            })
        };
        assert!(is_right(&octets, &secret()) && !is_right(&octets, &Secret::new("other")));
        for at in 0..octets.len() {
            let mut changed = octets.clone();
            changed[at] ^= 1;
            assert!(!is_right(&changed, &secret()), "octet {at}");
            assert!(!is_right(&octets[..at], &secret()), "{at} octets");
        }
        let packet = RadiusPacket::parse(&octets).unwrap();
        assert_eq!(packet.single_value(kind::REPLY_MESSAGE), Some(&b"hello"[..]));
        assert_eq!(packet.attributes().count(), 2);
    }

    #[test]
    fn second_signature_makes_the_first_worthless() {
        let mut draft = PacketDraft::new(code::ACCESS_REQUEST, 1, &[9; 16]);
        assert!(draft.add(kind::MESSAGE_AUTHENTICATOR, &[0; 16]));
        let octets = draft.sign_request(&secret());
        assert_eq!(
            RadiusPacket::parse(&octets).unwrap().verify_signature(&[9; 16], &secret()),
            PacketSignature::Wrong
        );
    }

    proptest::proptest! {
        #[test]
        fn no_octets_make_it_panic(datagram: Vec<u8>, length: u8) {
            let mut datagram = datagram;
            write_octets(&mut datagram, 2, &[0, length]);
            if let Some(packet) = RadiusPacket::parse(&datagram) {
                let size: usize = packet.attributes().map(|(_, value)| value.len() + 2).sum();
                proptest::prop_assert_eq!(size + HEADER, usize::from(length));
                proptest::prop_assert!(packet.verify_signature(&[0; 16], &secret()) != PacketSignature::Right);
                proptest::prop_assert!(!packet.is_answer_to(&[0; 16], &secret()));
            }
        }
    }
}
