//! Counter-based passcodes (RFC 4226): how far the token may have run ahead.

use super::oath::{TokenCodes, is_second};
use crate::config;
use crate::engine::PresentedFactor;
use crate::engine::port::{EnrolledToken, SpendPasscode, TokenMatch};
use crate::types::{Passcode, Timestamp};
use std::time::Duration;

/// So many spent counters are known again, which tells a used code from a wrong one.
const BEHIND: i64 = 3;

/// How far an administrator may search for a token that was played with.
const WIDE: i64 = 10_000;

/// Within this time the second of two consecutive codes resynchronises a token.
const PAIR: Duration = Duration::from_secs(600);

/// See [`PasscodeVerifier::verify_passcode`](crate::engine::port::PasscodeVerifier::verify_passcode).
pub(super) fn check(
    rules: &config::HotpRules,
    token: &EnrolledToken,
    presented: &PresentedFactor,
    now: Timestamp,
) -> TokenMatch {
    let mut codes = TokenCodes::new(token);
    let first = token.next.saturating_sub(BEHIND);
    let last = token.next.saturating_add(rules.look_ahead.into());
    // Ascending, spent counters first: a code that was used never passes as the equal code of a later counter.
    if let Some(step) = codes.find_step(presented, first..=last) {
        if step < token.next {
            return TokenMatch::Spent;
        }
        let spend = SpendPasscode::Step { step, drift: 0, resynchronised: false };
        return TokenMatch::Right { spend, passcode: codes.last_passcode() };
    }
    let beyond = last.saturating_add(1)..=token.next.saturating_add(rules.resync.into());
    match codes.find_step(presented, beyond) {
        Some(step) if is_second(token, step, now, PAIR) => {
            let spend = SpendPasscode::Step { step, drift: 0, resynchronised: true };
            TokenMatch::Right { spend, passcode: codes.last_passcode() }
        }
        Some(step) => TokenMatch::Drifted { step },
        None => TokenMatch::No,
    }
}

/// See [`Factors::find_resync`](super::Factors::find_resync).
pub(super) fn resync(token: &EnrolledToken, first: &Passcode, second: &Passcode) -> Option<SpendPasscode> {
    let steps = token.next..=token.next.saturating_add(WIDE);
    let step = TokenCodes::new(token).find_pair(first, second, steps)?;
    Some(SpendPasscode::Step { step, drift: 0, resynchronised: true })
}
