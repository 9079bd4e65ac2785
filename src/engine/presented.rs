//! Whether a candidate passcode is the one that was presented, in clear or as the answer to a challenge.

use super::{Password, mschap};
use crate::types::Passcode;
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// What a login presents as its second factor.
#[derive(Clone, Debug)]
pub enum Presented {
    /// The passcode itself.
    Plain(Passcode),
    /// A digest over the passcode and a challenge; never [`Password::Plain`] or [`Password::Absent`].
    Answer(Password),
}

impl Presented {
    /// From a field that holds nothing but the second factor.
    pub fn from_password(password: &Password) -> Option<Self> {
        match password {
            Password::Absent => None,
            Password::Plain(field) => Passcode::parse(field.expose()).map(Self::Plain),
            answer => Some(Self::Answer(answer.clone())),
        }
    }

    /// Whether `candidate`, a passcode with its PIN if it has one, is what was presented. Compares in constant time.
    pub fn is(&self, candidate: &[u8]) -> bool {
        match self {
            Self::Plain(passcode) => passcode.expose().ct_eq(candidate).into(),
            Self::Answer(Password::Chap { id, challenge, response }) => {
                let digest =
                    Md5::new().chain_update([*id]).chain_update(candidate).chain_update(challenge).finalize();
                digest.as_slice().ct_eq(response).into()
            }
            Self::Answer(Password::MsChap { challenge, response }) => {
                mschap::nt_response(challenge, candidate).ct_eq(response).into()
            }
            Self::Answer(Password::MsChap2 { challenge, peer_challenge, response, names }) => {
                let mut same = false;
                for name in names {
                    let hash = mschap::challenge_hash(peer_challenge, challenge, name);
                    same |= bool::from(mschap::nt_response(&hash, candidate).ct_eq(response));
                }
                same
            }
            Self::Answer(Password::Plain(_) | Password::Absent) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chap_answer_is_recognised() {
        let digest: [u8; 16] =
            Md5::new().chain_update([7]).chain_update("123456").chain_update("challenge").finalize().into();
        let chap = Password::Chap { id: 7, challenge: b"challenge".to_vec(), response: digest };
        let presented = Presented::from_password(&chap).unwrap();
        assert!(presented.is(b"123456"));
        assert!(!presented.is(b"123457"));
    }

    // RFC 2759, section 9.2.
    #[test]
    fn mschap2_answer_is_recognised() {
        let hex = |text: &str| data_encoding::HEXUPPER.decode(text.as_bytes()).unwrap();
        let password = Password::MsChap2 {
            challenge: hex("5B5D7C7D7B3F2F3E3C2C602132262628").try_into().unwrap(),
            peer_challenge: hex("21402324255E262A28295F2B3A337C7E").try_into().unwrap(),
            response: hex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF").try_into().unwrap(),
            names: vec![b"User".to_vec()],
        };
        let presented = Presented::from_password(&password).unwrap();
        assert!(presented.is(b"clientPass"));
        assert!(!presented.is(b"clientpass"));
    }
}
