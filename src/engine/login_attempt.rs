//! A login as the engine sees it: the request as it came, and what is known of it so far.

use super::source::{AttemptSource, LoginEndpoint};
pub use super::user_attributes::RawAttribute;

use super::challenge::ConversationId;
use super::port::RememberedLoginDigest;
use super::{
    DatagramRecord, PacketRole, PasswordProof, PasswordStatus, PasswordVerifier, PolicyContext,
    UserAttributes,
};
use crate::types::{Mode, Secret, Timestamp};
use std::sync::Arc;

/// What is known of a login before its password was checked by us.
#[derive(Clone, Debug, Default)]
pub struct PreAuthFacts {
    /// What policy may go by.
    pub who: PolicyContext,
    /// Whether unlang exempts the user from the second factor, or requires it; `None` if unlang says nothing.
    pub exempt: Option<bool>,
    /// Whether the login may be remembered.
    pub remember: bool,
    /// Where it comes from as far as remembered logins go, if that is something else than its source.
    pub place: Option<AttemptSource>,
    /// Request attributes for the password backend.
    pub packet: Vec<RawAttribute>,
}

/// A login as it came. Nothing of it changes.
#[derive(Clone, Default)]
pub struct LoginRequest {
    /// Time of the login.
    pub at: Timestamp,
    /// The user's name as it was typed.
    pub user: Vec<u8>,
    /// Where it came from.
    pub source: AttemptSource,
    /// At which instance and virtual server it was made.
    pub endpoint: LoginEndpoint,
    /// The State that came with it, if that is one of ours.
    pub state: Option<Vec<u8>>,
    /// Whether its client shows its user a challenge, and sends the answer.
    pub dialogue: bool,
    /// Randomness for a challenge or a code that may follow; without it none can.
    pub dice: Option<AttemptEntropy>,
    /// What is known of it before its password was checked, where that is ours to have done ([`PasswordVerifier::Module`]).
    pub unchecked: PreAuthFacts,
}

impl std::fmt::Debug for LoginRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginRequest")
            .field("at", &self.at)
            .field("source", &self.source)
            .field("endpoint", &self.endpoint)
            .field("dialogue", &self.dialogue)
            .finish_non_exhaustive()
    }
}

/// A login with what is known of it so far. Owned, so that it may travel to another thread.
#[derive(Clone)]
pub struct LoginAttempt {
    /// What came.
    pub request: Arc<LoginRequest>,
    /// How the password field is read; an answer to a challenge is a passcode.
    pub mode: Mode,
    /// What is known of the password.
    pub password_status: PasswordStatus,
    /// What was presented and is still to be evaluated.
    pub password: SubmittedPassword,
    /// The verified password, where the login may be remembered by it.
    pub proof: Option<VerifiedPassword>,
    /// What is said of the user, once that is known.
    pub grants: Option<UserAttributes>,
    /// What is known of the datagram that it came in; nothing where the decision on it must not be repeated.
    pub datagram: DatagramRecord,
}

impl std::fmt::Debug for LoginAttempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoginAttempt")
            .field("request", &self.request)
            .field("mode", &self.mode)
            .field("password_status", &self.password_status)
            .field("datagram", &self.datagram)
            .finish_non_exhaustive()
    }
}

impl LoginAttempt {
    /// A login of which nothing is known yet but what came with it.
    pub fn new(
        request: LoginRequest,
        mode: Mode,
        password_status: PasswordStatus,
        password: SubmittedPassword,
    ) -> Self {
        Self {
            request: Arc::new(request),
            mode,
            password_status,
            password,
            proof: None,
            grants: None,
            datagram: DatagramRecord::Unknown,
        }
    }

    /// The same where the user cannot be asked at the client: the packet around a tunnel shows nothing.
    #[must_use]
    pub fn without_dialogue(mut self) -> Self {
        Arc::make_mut(&mut self.request).dialogue = false;
        self
    }

    #[cfg(test)]
    #[must_use]
    pub(crate) fn map_request(mut self, change: impl FnOnce(&mut LoginRequest)) -> Self {
        change(Arc::make_mut(&mut self.request));
        self
    }

    /// See [`PasswordStatus::is_proven`].
    pub const fn is_proven(&self) -> bool {
        self.password_status.is_proven()
    }

    /// What its limits depend on.
    pub(super) fn password_proof(&self, role: PacketRole) -> PasswordProof {
        PasswordProof::from_password_status(self.password_status, role)
    }

    /// The same behind a password that was found right by this one, and with nothing else in the field.
    pub fn with_verified_password(self, by: PasswordVerifier) -> Self {
        Self { password_status: PasswordStatus::Verified { by }, password: SubmittedPassword::Absent, ..self }
    }

    /// By what it is remembered if a second factor is right.
    pub(super) fn remembered_login_digest(&self) -> Option<&RememberedLoginDigest> {
        match &self.proof {
            Some(VerifiedPassword::Mark(mark)) => Some(mark),
            Some(VerifiedPassword::Password(_)) | None => None,
        }
    }
}

/// A right password.
#[derive(Clone, Debug)]
pub enum VerifiedPassword {
    /// Itself, in clear.
    Password(Secret),
    /// What is left of it while an answer is waited for.
    Mark(RememberedLoginDigest),
}

/// Per-attempt randomness, supplied by the caller: the engine has no RNG.
#[derive(Clone)]
pub struct AttemptEntropy {
    /// What becomes a State.
    pub state: [u8; 16],
    /// What becomes the name of a conversation.
    pub conversation: [u8; 16],
    /// What becomes a code.
    pub code: [u8; 8],
}

impl std::fmt::Debug for AttemptEntropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dice")
    }
}

impl AttemptEntropy {
    pub(super) fn new_state(&self) -> String {
        encode_state(&self.state)
    }

    pub(super) fn conversation_id(&self) -> ConversationId {
        ConversationId(self.conversation)
    }

    /// So many digits. None of them is more likely than another by more than one in 10^11.
    pub(super) fn random_digits(&self, digits: u8) -> String {
        let most = 10u64.saturating_pow(digits.into());
        let number = u64::from_be_bytes(self.code).checked_rem(most).unwrap_or_default();
        format!("{number:0width$}", width = usize::from(digits))
    }
}

/// How our States begin.
const STATE: &str = "mfa-";

/// A State of these random octets: printable, since some clients take it for a C string, and known by its beginning.
pub fn encode_state(octets: &[u8; 16]) -> String {
    format!("{STATE}{}", data_encoding::HEXLOWER.encode(octets))
}

/// Whether this State has the form of ours: it is an answer to us then, whatever else it is worth.
pub fn is_state(octets: &[u8]) -> bool {
    octets.strip_prefix(STATE.as_bytes()).is_some_and(|rest| {
        rest.len() == 32 && rest.iter().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The password field in the form in which the client sent it.
#[derive(Clone)]
pub enum SubmittedPassword {
    /// Nothing that could be checked.
    Absent,
    /// User-Password (PAP), any octets.
    Plain(Secret),
    /// User-Password of a client that packs password and answer into one field ([`unpack`](super::unpack_field)).
    Separate {
        /// What was typed as the password; no NUL octet in it.
        password: Secret,
        /// What was typed as the answer.
        answer: Secret,
    },
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
        /// Identifier.
        id: u8,
        /// MS-CHAP-Challenge.
        challenge: [u8; 8],
        /// NT-Response (24 octets).
        response: [u8; 24],
    },
    /// MS-CHAPv2 (RFC 2759).
    MsChap2 {
        /// Identifier, which comes back in MS-CHAP2-Success.
        id: u8,
        /// MS-CHAP-Challenge: the authenticator's.
        challenge: [u8; 16],
        /// The peer's challenge.
        peer_challenge: [u8; 16],
        /// NT-Response (24 octets).
        response: [u8; 24],
        /// The names under which the peer may have computed it, without domain and with.
        names: Vec<Vec<u8>>,
    },
}

impl std::fmt::Debug for SubmittedPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SubmittedPassword(<<< secret >>>)")
    }
}

impl SubmittedPassword {
    /// What stands in the field where nothing but the second factor does.
    pub fn typed_answer(&self) -> Option<&Secret> {
        match self {
            Self::Plain(answer) | Self::Separate { answer, .. } => Some(answer),
            Self::Absent | Self::Chap { .. } | Self::MsChap { .. } | Self::MsChap2 { .. } => None,
        }
    }

    /// The same without the answer that came apart from the password.
    pub fn without_answer(self) -> Self {
        match self {
            Self::Separate { password, .. } => Self::Plain(password),
            other => other,
        }
    }

    /// The same without the password that came apart from the answer.
    pub fn without_password(self) -> Self {
        match self {
            Self::Separate { answer, .. } => Self::Plain(answer),
            other => other,
        }
    }

    /// Every octet that makes this attempt differ from another. No digest of MS-CHAP is over its identifier.
    pub fn distinguishing_parts(&self) -> Vec<&[u8]> {
        match self {
            Self::Absent => vec![],
            Self::Plain(field) => vec![field.expose()],
            Self::Separate { password, answer } => vec![password.expose(), answer.expose()],
            Self::Chap { id, challenge, response } => vec![std::slice::from_ref(id), challenge, response],
            Self::MsChap { challenge, response, .. } => vec![challenge, response],
            Self::MsChap2 { challenge, peer_challenge, response, .. } => {
                vec![challenge, peer_challenge, response]
            }
        }
    }
}
