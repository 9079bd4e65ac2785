//! The passcodes of one OATH token, counter by counter. A time step of TOTP (RFC 6238) is a counter of HOTP (RFC 4226),
//! so both factors compare through this.

use crate::engine::PresentedFactor;
use crate::engine::port::EnrolledToken;
use crate::types::{Algorithm, Passcode, Secret, Timestamp};
use std::io::Write;
use std::time::Duration;
use totp_rs::{Builder, Totp};
use zeroize::Zeroizing;

/// The token with its secret made ready, and the passcode asked for last.
pub(super) struct TokenCodes {
    totp: Totp,
    /// PIN and digits; wiped, since most of what stands here is a code that still works.
    passcode: Zeroizing<Vec<u8>>,
    pin: usize,
}

impl TokenCodes {
    pub(super) fn new(token: &EnrolledToken) -> Self {
        let algorithm = match token.algorithm {
            Algorithm::Sha1 => totp_rs::Algorithm::SHA1,
            Algorithm::Sha256 => totp_rs::Algorithm::SHA256,
            Algorithm::Sha512 => totp_rs::Algorithm::SHA512,
        };
        // One second is one counter: the division by the period is done where the window is reckoned.
        let totp = Builder::new()
            .with_algorithm(algorithm)
            .with_digits(token.digits.get())
            .with_step_duration(1)
            .with_secret(token.secret.expose())
            .build_noncompliant();
        let pin = token.pin.as_ref().map_or(&[][..], Secret::expose);
        // Large enough from the start: growing would leave a copy behind.
        let mut passcode = Zeroizing::new(Vec::with_capacity(pin.len().saturating_add(10)));
        passcode.extend_from_slice(pin);
        Self { totp, passcode, pin: pin.len() }
    }

    /// The passcode of `step`, PIN first. `None` if that is no counter, or one after which there is none.
    pub(super) fn passcode_at(&mut self, step: i64) -> Option<&[u8]> {
        let counter = u64::try_from(step).ok().filter(|_| step < i64::MAX)?;
        self.passcode.truncate(self.pin);
        write!(self.passcode, "{}", self.totp.generate(counter)).ok()?;
        Some(&self.passcode)
    }

    /// The first of `steps` whose passcode was presented; [`TokenCodes::last_passcode`] gives it.
    pub(super) fn find_step(
        &mut self,
        presented: &PresentedFactor,
        mut steps: impl Iterator<Item = i64>,
    ) -> Option<i64> {
        steps.find(|step| self.passcode_at(*step).is_some_and(|passcode| presented.equals(passcode)))
    }

    /// The first of `steps` whose passcode is `second` while the one before is `first`. Both with or without the PIN: an
    /// administrator must not have to know it.
    pub(super) fn find_pair(
        &mut self,
        first: &Passcode,
        second: &Passcode,
        mut steps: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let mut is = |step: i64, typed: &Passcode| {
            let typed = PresentedFactor::Plain(typed.clone());
            let pin = self.pin;
            self.passcode_at(step).is_some_and(|passcode| {
                typed.equals(passcode) || passcode.get(pin..).is_some_and(|digits| typed.equals(digits))
            })
        };
        let mut before = steps.start().checked_sub(1).is_some_and(|step| is(step, first));
        steps.find(|step| {
            let found = before && is(*step, second);
            before = is(*step, first);
            found
        })
    }

    /// The passcode asked for last.
    pub(super) fn last_passcode(&self) -> Secret {
        Secret::new(self.passcode.as_slice())
    }
}

/// Whether the code before `step` was presented not longer than `within` ago.
pub(super) fn is_second(token: &EnrolledToken, step: i64, now: Timestamp, within: Duration) -> bool {
    token.resync.is_some_and(|first| first.step.checked_add(1) == Some(step) && now.since(first.at) <= within)
}
