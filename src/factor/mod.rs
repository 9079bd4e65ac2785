//! The passcodes: TOTP, HOTP, recovery codes. Each answers whether a code is right and what spends it; nothing here
//! changes anything, reads a clock or draws a random number.
//!
//! [`Factors`] is what the engine asks; the rest serves the `mfa` command.

mod hotp;
pub mod message;
mod oath;
mod pin;
pub mod push;
pub mod recovery;
mod sent;
mod totp;

#[cfg(test)]
mod tests;

pub use pin::{BadPin, parse_pin};

use crate::config;
use crate::engine::PresentedFactor;
use crate::engine::port::{EnrolledToken, PasscodeVerifier, SpendPasscode, TokenMatch};
use crate::types::{Factor, Passcode, RECOVERY_LENGTH, Secret, Timestamp};

/// All factors under a site's rules.
#[derive(Clone, Copy, Debug)]
pub struct Factors {
    totp: config::TotpRules,
    hotp: config::HotpRules,
}

impl Factors {
    /// With the windows of `totp { }` and `hotp { }`.
    pub fn new(totp: config::TotpRules, hotp: config::HotpRules) -> Self {
        Self { totp, hotp }
    }

    /// What two consecutive codes say about a token that has run away, for an administrator: two days to both sides
    /// (TOTP), 10,000 counters ahead (HOTP). Spent steps stay spent. The codes may be given with or without the PIN.
    pub fn find_resync(
        &self,
        token: &EnrolledToken,
        first: &Passcode,
        second: &Passcode,
        now: Timestamp,
    ) -> Option<SpendPasscode> {
        match token.factor {
            Factor::Totp => totp::resync(token, first, second, now),
            Factor::Hotp => hotp::resync(token, first, second),
            _ => None,
        }
    }
}

impl PasscodeVerifier for Factors {
    fn verify_passcode(
        &self,
        token: &EnrolledToken,
        presented: &PresentedFactor,
        now: Timestamp,
    ) -> TokenMatch {
        match token.factor {
            Factor::Totp => totp::check(&self.totp, token, presented, now),
            Factor::Hotp => hotp::check(&self.hotp, token, presented, now),
            Factor::Recovery => recovery::check(token, presented),
            Factor::Sms | Factor::Email => sent::check(token, presented, now),
            _ => TokenMatch::No,
        }
    }

    fn passcode_length(&self, token: &EnrolledToken) -> usize {
        match token.factor {
            Factor::Totp | Factor::Hotp => {
                token.pin.as_ref().map_or(0, Secret::len).saturating_add(token.digits.get().into())
            }
            Factor::Sms | Factor::Email => token.digits.get().into(),
            _ => RECOVERY_LENGTH,
        }
    }
}

/// The passcode of a time step (TOTP) or counter (HOTP) as it is typed, PIN first. Empty if there is none.
pub fn passcode_at(token: &EnrolledToken, step: i64) -> String {
    match token.factor {
        Factor::Totp | Factor::Hotp => oath::TokenCodes::new(token)
            .passcode_at(step)
            .map_or_else(String::new, |passcode| String::from_utf8_lossy(passcode).into_owned()),
        _ => String::new(),
    }
}
