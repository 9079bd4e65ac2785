//! Guessing: when a source is slowed down and when a user is locked. Pure arithmetic, applied by the store inside the
//! transaction that decides, so that no number of simultaneous guesses gets past it.

use super::PasswordStatus;
use crate::config::Limits;
use crate::types::Timestamp;
use std::time::Duration;

/// Failures are forgotten when none has come for this long.
const FORGET: Duration = Duration::from_secs(24 * 60 * 60);

/// The same wrong code again within this time is a retransmission.
const REPEAT: Duration = Duration::from_secs(60);

/// A keyed digest of what was presented. Useless without the key, which dies with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tag(pub [u8; 16]);

/// Failures of one user name from one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Guesses {
    /// How many.
    pub count: u32,
    /// When the last one came.
    pub last: Timestamp,
    /// What it presented.
    pub tag: Tag,
}

/// Failures of one user from anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Strikes {
    /// Those after a right password.
    pub proven: u32,
    /// All of them.
    pub total: u32,
    /// When the last one came.
    pub last: Timestamp,
    /// Locked until then.
    pub locked_until: Timestamp,
}

/// Whether an attempt counts at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// It does.
    Open,
    /// This source has to wait.
    Slowed,
    /// The user is locked.
    Locked,
}

impl Limits {
    /// Whether an attempt at `now` counts. `guesses` are those of its own source.
    pub fn gate(&self, guesses: &Guesses, strikes: &Strikes, now: Timestamp) -> Gate {
        if now < strikes.locked_until {
            return Gate::Locked;
        }
        match self.pause(guesses, now) {
            Some(pause) if now.since(guesses.last) < pause => Gate::Slowed,
            _ => Gate::Open,
        }
    }

    /// How long a source with these failures has to wait after the last one: doubled with each.
    fn pause(&self, guesses: &Guesses, now: Timestamp) -> Option<Duration> {
        let beyond = fresh(guesses.count, guesses.last, now).checked_sub(self.slow_after)?;
        let factor = 1u32.checked_shl(beyond.min(31)).unwrap_or(u32::MAX);
        Some(self.slow_time.saturating_mul(factor).min(self.slow_max))
    }

    /// The counts after a failure that passed the gate. A retransmission of the last one changes nothing.
    pub fn strike(
        &self,
        guesses: &Guesses,
        strikes: &Strikes,
        tag: Tag,
        password: PasswordStatus,
        now: Timestamp,
    ) -> (Guesses, Strikes) {
        if guesses.count > 0 && guesses.tag == tag && now.since(guesses.last) < REPEAT {
            return (*guesses, *strikes);
        }
        let guesses =
            Guesses { count: fresh(guesses.count, guesses.last, now).saturating_add(1), last: now, tag };
        let proven = fresh(strikes.proven, strikes.last, now).saturating_add(u32::from(password.is_proven()));
        let total = fresh(strikes.total, strikes.last, now).saturating_add(1);
        if proven >= self.lock_after || total >= self.lock_after_unproven {
            let locked = Strikes { proven: 0, total: 0, last: now, locked_until: now.plus(self.lock_time) };
            return (guesses, locked);
        }
        (guesses, Strikes { proven, total, last: now, locked_until: strikes.locked_until })
    }
}

fn fresh(count: u32, last: Timestamp, now: Timestamp) -> u32 {
    if now.since(last) < FORGET { count } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::super::PasswordVerifier;
    use super::*;

    const PROVEN: PasswordStatus = PasswordStatus::Verified { by: PasswordVerifier::Client };

    fn limits() -> Limits {
        Limits::default()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    /// Different wrong codes at these times; the gate's answer to each.
    fn gates(password: PasswordStatus, times: impl IntoIterator<Item = u64>) -> Vec<Gate> {
        let (mut guesses, mut strikes) = (Guesses::default(), Strikes::default());
        let mut answers = Vec::new();
        for (index, time) in times.into_iter().enumerate() {
            let gate = limits().gate(&guesses, &strikes, at(time));
            if gate == Gate::Open {
                let tag = Tag([u8::try_from(index % 250).unwrap() + 1; 16]);
                (guesses, strikes) = limits().strike(&guesses, &strikes, tag, password, at(time));
            }
            answers.push(gate);
        }
        answers
    }

    #[test]
    fn source_is_slowed_after_three_failures() {
        use Gate::{Open, Slowed};
        assert_eq!(
            gates(PasswordStatus::NotRequired, [0, 1, 2, 3, 6, 7, 12, 16]),
            [Open, Open, Open, Slowed, Slowed, Open, Slowed, Slowed]
        );
    }

    #[test]
    fn failures_after_a_right_password_lock_the_user() {
        let answers = gates(PROVEN, (0..20).map(|n| n * 400));
        let locked = answers.iter().position(|g| *g == Gate::Locked);
        assert_eq!(locked, Some(usize::try_from(limits().lock_after).unwrap()));
        assert!(answers.iter().skip(locked.unwrap()).any(|g| *g == Gate::Open), "a lock ends by itself");
    }

    #[test]
    fn same_wrong_code_again_counts_once() {
        let (guesses, strikes) = limits().strike(
            &Guesses::default(),
            &Strikes::default(),
            Tag([1; 16]),
            PasswordStatus::NotRequired,
            at(0),
        );
        let again = limits().strike(&guesses, &strikes, Tag([1; 16]), PasswordStatus::NotRequired, at(59));
        assert_eq!(again, (guesses, strikes));
        let late = limits().strike(&guesses, &strikes, Tag([1; 16]), PasswordStatus::NotRequired, at(61));
        assert_eq!(late.0.count, 2);
    }

    #[test]
    fn failures_are_forgotten_after_a_day() {
        let (mut guesses, mut strikes) = (Guesses::default(), Strikes::default());
        for n in 0..5 {
            (guesses, strikes) =
                limits().strike(&guesses, &strikes, Tag([n; 16]), PasswordStatus::NotRequired, at(0));
        }
        assert_eq!(limits().gate(&guesses, &strikes, at(1)), Gate::Slowed);
        assert_eq!(limits().gate(&guesses, &strikes, at(86_400)), Gate::Open);
        assert_eq!(
            limits()
                .strike(&guesses, &strikes, Tag([9; 16]), PasswordStatus::NotRequired, at(86_400))
                .0
                .count,
            1
        );
    }

    proptest::proptest! {
        #[test]
        fn more_failures_never_open_the_gate(count in 0u32..100, more in 0u32..100, wait in 0u64..1000) {
            let strikes = Strikes::default();
            let few = Guesses { count, last: at(0), tag: Tag::default() };
            let many = Guesses { count: count + more, ..few };
            if limits().gate(&few, &strikes, at(wait)) == Gate::Slowed {
                proptest::prop_assert_eq!(limits().gate(&many, &strikes, at(wait)), Gate::Slowed);
            }
        }
    }
}
