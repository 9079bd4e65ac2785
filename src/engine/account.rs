//! A user with all their tokens, as the store loads them, and what a passcode check of one token finds.

use super::ids::ConversationId;
use crate::types::{
    Algorithm, Digits, Factor, Mailbox, OathParameters, OtpAuth, Period, PhoneNumber, Secret, Timestamp,
    TokenId, UserId, UserName,
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A user with all their tokens, as stored.
#[derive(Clone, Debug)]
pub struct Account {
    /// Row of the user.
    pub id: UserId,
    /// All tokens, enabled or not.
    pub tokens: Vec<EnrolledToken>,
    /// Mailbox; empty if none is registered.
    pub mail: String,
    /// Whether a token was ever enrolled for this user, enabled or not, deleted since or not.
    pub had_token: bool,
}

impl Account {
    /// Whether a token is enabled.
    pub fn has_enabled(&self) -> bool {
        self.tokens.iter().any(|token| token.enabled)
    }

    /// The token of this row, if it is enabled.
    pub fn enabled_token(&self, id: TokenId) -> Option<&EnrolledToken> {
        self.tokens.iter().find(|token| token.id == id && token.enabled)
    }

    /// Codes that were sent in another conversation, or in none, do not count in this one.
    pub(super) fn keep_codes_of(&mut self, conversation: Option<ConversationId>) {
        for token in &mut self.tokens {
            token.sent.retain(|code| code.conversation == conversation);
        }
    }
}

/// An enrolled authenticator with its secret in clear.
#[derive(Clone, Debug)]
pub struct EnrolledToken {
    /// Row of the token.
    pub id: TokenId,
    /// The name by which the user and the administrator know it; unique.
    pub serial: String,
    /// The token's kind.
    pub factor: Factor,
    /// Hash under the HMAC.
    pub algorithm: Algorithm,
    /// Digits of a passcode.
    pub digits: Digits,
    /// Length of a time step; without meaning for HOTP.
    pub period: Period,
    /// The shared secret; for recovery codes the key of their hashes; for codes that are sent such a key, then the address.
    pub secret: Secret,
    /// What is typed before the digits.
    pub pin: Option<Secret>,
    /// Whether it may be used.
    pub enabled: bool,
    /// TOTP and HOTP: the lowest time step or counter that is not spent. Recovery: bit i says that code i is spent.
    pub next: i64,
    /// TOTP: by how many seconds the token's clock is ahead of ours, learned.
    pub drift: i64,
    /// The last code that was right for a step out of reach: the next one may resynchronise the token.
    pub resync: Option<ResyncPosition>,
    /// Recovery: hashes of the codes, in order.
    pub codes: Vec<[u8; 32]>,
    /// Codes that were sent and may still be used.
    pub sent: Vec<SentCode>,
    /// When it was enrolled.
    pub created: Timestamp,
}

/// A code that was sent to the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentCode {
    /// Row of the code.
    pub id: i64,
    /// Where alone it counts.
    pub conversation: Option<ConversationId>,
    /// Keyed hash.
    pub hash: [u8; 32],
    /// End of its life.
    pub expires: Timestamp,
}

/// Octets of the key that stands before the address in the secret of a token for codes that are sent.
pub const SENT_KEY: usize = 32;

impl EnrolledToken {
    /// Where its codes are sent: a telephone number or a mailbox.
    pub fn delivery_address(&self) -> Option<&str> {
        match self.factor {
            Factor::Sms | Factor::Email => std::str::from_utf8(self.secret.expose().get(SENT_KEY..)?).ok(),
            _ => None,
        }
    }

    /// The destination, masked so that it may be shown to a user who has the password.
    pub fn masked_address(&self) -> Option<String> {
        let address = self.delivery_address()?;
        match self.factor {
            Factor::Email => Mailbox::parse(address).ok().map(|mailbox| mailbox.masked()),
            _ => PhoneNumber::parse(address, None).ok().map(|phone| phone.masked()),
        }
    }

    /// As an authenticator app takes it over; none for what no app can be.
    pub fn otpauth_uri(&self, issuer: &str, user: &UserName) -> Option<OtpAuth> {
        let oath = match self.factor {
            Factor::Totp => OathParameters::Totp(self.period),
            Factor::Hotp => OathParameters::Hotp(u64::try_from(self.next).unwrap_or(0)),
            _ => return None,
        };
        Some(OtpAuth {
            oath,
            issuer: issuer.to_owned(),
            account: user.to_string(),
            secret: self.secret.clone(),
            algorithm: self.algorithm,
            digits: self.digits,
        })
    }

    /// The keyed hash of a code that is sent to it.
    pub fn hash_of(&self, code: &[u8]) -> Option<[u8; 32]> {
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.expose().get(..SENT_KEY)?).ok()?;
        Some(mac.chain_update(code).finalize().into_bytes().into())
    }
}

/// A code that was right for a step out of reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResyncPosition {
    /// The step or counter it was right for.
    pub step: i64,
    /// When it was presented.
    pub at: Timestamp,
}

/// What the check of one token came to.
#[derive(Clone, Debug)]
pub enum TokenMatch {
    /// No passcode of this token.
    No,
    /// A passcode that may be spent.
    Right {
        /// How to spend the passcode.
        spend: SpendPasscode,
        /// The passcode itself, PIN included: what answers a CHAP challenge.
        passcode: Secret,
    },
    /// A passcode that was right once.
    Spent,
    /// A passcode of a step out of reach, which the next one may confirm.
    Drifted {
        /// That step or counter.
        step: i64,
    },
}

/// What has to be changed so that a code never works again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpendPasscode {
    /// `next` becomes `step + 1`, if it is not above `step` already.
    Step {
        /// The time step or counter of the code.
        step: i64,
        /// The token's drift from now on, in seconds.
        drift: i64,
        /// Whether two consecutive codes led here.
        resynchronised: bool,
    },
    /// Bit `index` of `next` is set, if it is not yet.
    Code {
        /// Which of the recovery codes, from 0 to 62.
        index: u32,
    },
    /// A code that was sent goes.
    Sent {
        /// Row of the code that was sent.
        code: i64,
    },
}
