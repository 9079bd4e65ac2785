//! Whether a candidate passcode is the one that was presented, in clear or as the answer to a challenge.

use super::{SubmittedPassword, mschap};
use crate::types::Passcode;
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

/// What a login presents as its second factor.
#[derive(Clone, Debug)]
pub enum PresentedFactor {
    /// The passcode itself.
    Plain(Passcode),
    /// A digest over the passcode and a challenge; never a password in clear, nor [`SubmittedPassword::Absent`].
    Answer(SubmittedPassword),
}

impl PresentedFactor {
    /// From a field that holds nothing but the second factor.
    pub fn from_password(password: &SubmittedPassword) -> Option<Self> {
        match password {
            SubmittedPassword::Absent => None,
            SubmittedPassword::Plain(answer) | SubmittedPassword::Separate { answer, .. } => {
                Passcode::parse(answer.expose()).map(Self::Plain)
            }
            answer => Some(Self::Answer(answer.clone())),
        }
    }

    /// Whether `candidate`, a passcode with its PIN if it has one, is what was presented. Compares in constant time.
    pub fn equals(&self, candidate: &[u8]) -> bool {
        match self {
            Self::Plain(passcode) => passcode.expose().ct_eq(candidate).into(),
            Self::Answer(SubmittedPassword::Chap { id, challenge, response }) => {
                let digest =
                    Md5::new().chain_update([*id]).chain_update(candidate).chain_update(challenge).finalize();
                digest.as_slice().ct_eq(response).into()
            }
            Self::Answer(SubmittedPassword::MsChap { challenge, response, .. }) => {
                mschap::nt_response(challenge, candidate).ct_eq(response).into()
            }
            Self::Answer(SubmittedPassword::MsChap2 {
                challenge, peer_challenge, response, names, ..
            }) => {
                let mut same = false;
                for name in names {
                    let hash = mschap::challenge_hash(peer_challenge, challenge, name);
                    same |= bool::from(mschap::nt_response(&hash, candidate).ct_eq(response));
                }
                same
            }
            Self::Answer(
                SubmittedPassword::Plain(_) | SubmittedPassword::Separate { .. } | SubmittedPassword::Absent,
            ) => false,
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
        let chap = SubmittedPassword::Chap { id: 7, challenge: b"challenge".to_vec(), response: digest };
        let presented = PresentedFactor::from_password(&chap).unwrap();
        assert!(presented.equals(b"123456"));
        assert!(!presented.equals(b"123457"));
    }

    #[test]
    fn answers_of_the_rfcs_are_recognised() {
        let hex = |text: &str| data_encoding::HEXUPPER.decode(text.as_bytes()).unwrap();
        let mut cases = 0;
        for line in include_str!("../../tests/vectors/mschap.txt").lines().filter(|l| !l.starts_with('#')) {
            let (right, password) = match line.split(' ').collect::<Vec<_>>()[..] {
                ["v1", right, challenge, response] => (
                    right,
                    SubmittedPassword::MsChap {
                        id: 0,
                        challenge: hex(challenge).try_into().unwrap(),
                        response: hex(response).try_into().unwrap(),
                    },
                ),
                ["v2", right, name, challenge, peer, response] => (
                    right,
                    SubmittedPassword::MsChap2 {
                        id: 0,
                        challenge: hex(challenge).try_into().unwrap(),
                        peer_challenge: hex(peer).try_into().unwrap(),
                        response: hex(response).try_into().unwrap(),
                        names: vec![format!("DOMAIN\\{name}").into_bytes(), name.as_bytes().to_vec()],
                    },
                ),
                _ => panic!("{line}"),
            };
            let presented = PresentedFactor::from_password(&password).unwrap();
            assert!(presented.equals(right.as_bytes()), "{line}");
            assert!(!presented.equals(right.to_uppercase().as_bytes()), "{line}");
            cases += 1;
        }
        assert_eq!(cases, 2);
    }

    #[test]
    fn an_answer_under_no_name_is_never_right() {
        let password = SubmittedPassword::MsChap2 {
            id: 0,
            challenge: [0; 16],
            peer_challenge: [0; 16],
            response: [0; 24],
            names: vec![],
        };
        assert!(!PresentedFactor::from_password(&password).unwrap().equals(b"123456"));
    }
}
