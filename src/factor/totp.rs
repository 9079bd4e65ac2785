//! Time-based passcodes (RFC 6238): which steps are looked at, and what is learned of a token's clock.

use super::oath::{TokenCodes, is_second};
use crate::config;
use crate::engine::PresentedFactor;
use crate::engine::port::{EnrolledToken, SpendPasscode, TokenMatch};
use crate::types::{Passcode, Timestamp};
use std::time::Duration;

/// How far an administrator may search for a runaway clock, in seconds.
const WIDE: i64 = 2 * 24 * 60 * 60;

/// Where a token stands on the axis of time steps.
struct TimeStepPosition {
    /// Seconds of a step.
    period: i64,
    /// The step of the present time.
    now: i64,
    /// The step that the token should show.
    centre: i64,
}

impl TimeStepPosition {
    fn position_of(token: &EnrolledToken, now: Timestamp) -> Self {
        let period = i64::try_from(token.period.get()).unwrap_or(i64::MAX);
        let now = i64::try_from(now.as_seconds() / token.period.get()).unwrap_or(i64::MAX);
        Self { period, now, centre: now.saturating_add(rounded_quotient(token.drift, period)) }
    }

    /// Seconds by which a token that shows `step` is ahead of us.
    fn clock_offset(&self, step: i64) -> i64 {
        step.saturating_sub(self.now).saturating_mul(self.period)
    }

    /// A token's drift after a code of `step`: a quarter of the way, so that one code typed late does not move the window,
    /// while a clock that is off does after a few logins. Not beyond `max_drift`, unless an administrator went there.
    fn learned_drift(&self, rules: &config::TotpRules, token: &EnrolledToken, step: i64) -> i64 {
        if rules.max_drift == 0 {
            return token.drift;
        }
        let most = i64::from(rules.max_drift).saturating_mul(self.period).max(token.drift.saturating_abs());
        let missing = self.clock_offset(step).saturating_sub(token.drift);
        token.drift.saturating_add(rounded_quotient(missing, 4)).clamp(most.saturating_neg(), most)
    }
}

/// `a / by`, rounded to the nearest, halves away from zero.
fn rounded_quotient(a: i64, by: i64) -> i64 {
    a.saturating_add(by / 2 * a.signum()).checked_div(by).unwrap_or(0)
}

/// See [`PasscodeVerifier::verify_passcode`](crate::engine::port::PasscodeVerifier::verify_passcode).
pub(super) fn check(
    rules: &config::TotpRules,
    token: &EnrolledToken,
    presented: &PresentedFactor,
    now: Timestamp,
) -> TokenMatch {
    let position = TimeStepPosition::position_of(token, now);
    let first = position.centre.saturating_sub(rules.back.into());
    let last = position.centre.saturating_add(rules.forward.into());
    let mut codes = TokenCodes::new(token);
    // Ascending, spent steps first: a code that was used never passes as the equal code of a later step.
    if let Some(step) = codes.find_step(presented, first..=last) {
        if step < token.next {
            return TokenMatch::Spent;
        }
        let drift = position.learned_drift(rules, token, step);
        let spend = SpendPasscode::Step { step, drift, resynchronised: false };
        return TokenMatch::Right { spend, passcode: codes.last_passcode() };
    }
    // Our clock was set back behind the last spent step: nothing that it says about drift can be trusted.
    if rules.max_drift == 0 || last < token.next.saturating_sub(1) {
        return TokenMatch::No;
    }
    let low = position.now.saturating_sub(rules.max_drift.into()).max(token.next);
    let high = position.now.saturating_add(rules.max_drift.into());
    let before = low..=high.min(first.saturating_sub(1));
    let after = low.max(last.saturating_add(1))..=high;
    match codes.find_step(presented, before.chain(after)) {
        Some(step) if is_second(token, step, now, Duration::from_secs(3 * token.period.get())) => {
            let spend =
                SpendPasscode::Step { step, drift: position.clock_offset(step), resynchronised: true };
            TokenMatch::Right { spend, passcode: codes.last_passcode() }
        }
        Some(step) => TokenMatch::Drifted { step },
        None => TokenMatch::No,
    }
}

/// See [`Factors::find_resync`](super::Factors::find_resync).
pub(super) fn resync(
    token: &EnrolledToken,
    first: &Passcode,
    second: &Passcode,
    now: Timestamp,
) -> Option<SpendPasscode> {
    let position = TimeStepPosition::position_of(token, now);
    let reach = WIDE.checked_div(position.period)?;
    let low = position.now.saturating_sub(reach).max(token.next);
    let step = TokenCodes::new(token).find_pair(first, second, low..=position.now.saturating_add(reach))?;
    Some(SpendPasscode::Step { step, drift: position.clock_offset(step), resynchronised: true })
}
