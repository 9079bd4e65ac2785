//! One try to log in, as the engine sees it.

use crate::config::FirstFactor;
use crate::types::{Mode, Secret, Timestamp};

/// One try to log in. Owned, so that it may travel to another thread.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// When.
    pub at: Timestamp,
    /// The user's name as it was typed.
    pub user: Vec<u8>,
    /// Where it came from.
    pub source: Source,
    /// How the password field is read.
    pub mode: Mode,
    /// Whether somebody vouches for the password before us.
    pub first_factor: FirstFactor,
    /// What was presented.
    pub password: Password,
    /// The password in clear that somebody has found right, where the login may be remembered by it.
    pub proof: Option<Secret>,
}

/// Where an attempt came from. Guesses are counted per user and source.
#[derive(Clone, Debug, PartialEq, Eq, Default, serde::Serialize)]
pub struct Source {
    /// The client's address (NAS).
    pub client: String,
    /// Calling-Station-Id, printable; empty if there is none.
    pub calling_station: String,
    /// The server's number of the request, as in its log; none outside it.
    pub request: Option<u64>,
}

impl Source {
    /// What the guesses of this source are counted under.
    pub fn key(&self) -> String {
        format!("{} {}", self.client, self.calling_station)
    }
}

/// The password field in the form in which the client sent it.
#[derive(Clone, Debug)]
pub enum Password {
    /// Nothing that could be checked.
    Absent,
    /// User-Password (PAP), any octets.
    Plain(Secret),
    /// CHAP (RFC 2865, section 5.3).
    Chap {
        /// CHAP identifier.
        id: u8,
        /// CHAP-Challenge, or else the request authenticator.
        challenge: Vec<u8>,
        /// The 16 octets of the response.
        response: [u8; 16],
    },
    /// MS-CHAP (RFC 2433).
    MsChap {
        /// MS-CHAP-Challenge.
        challenge: [u8; 8],
        /// NT-Response.
        response: [u8; 24],
    },
    /// MS-CHAPv2 (RFC 2759).
    MsChap2 {
        /// MS-CHAP-Challenge: the authenticator's.
        challenge: [u8; 16],
        /// The peer's challenge.
        peer_challenge: [u8; 16],
        /// NT-Response.
        response: [u8; 24],
        /// The names under which the peer may have computed it, without domain and with.
        names: Vec<Vec<u8>>,
    },
}

impl Password {
    /// Every octet that makes this attempt differ from another.
    pub(super) fn parts(&self) -> Vec<&[u8]> {
        match self {
            Self::Absent => vec![],
            Self::Plain(field) => vec![field.expose()],
            Self::Chap { id, challenge, response } => vec![std::slice::from_ref(id), challenge, response],
            Self::MsChap { challenge, response } => vec![challenge, response],
            Self::MsChap2 { challenge, peer_challenge, response, .. } => {
                vec![challenge, peer_challenge, response]
            }
        }
    }
}
