//! How many failed guesses a day counts as ordinary, and where those are used up: a leaky bucket, kept as one timestamp.
//!
//! A budget that is used up locks no user. It only changes what a passcode is worth that comes without a proven
//! password: from then on a single right one is not enough, a second one has to follow from the same place. Waiting instead would
//! bound nothing, since guesses can be made in parallel; refusing would shut the user out.

use super::PasscodeTag;
use crate::types::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A budget of failures: full at the epoch, refilled by time alone. What lets a user in does not refill it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FailureBudget {
    /// When it is full again if nothing more is taken from it.
    pub full_at: Timestamp,
}

/// How many failures there are in any 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DailyRate(pub u32);

impl DailyRate {
    /// How many may come at once: a tenth.
    fn burst_size(self) -> u32 {
        (self.0 / 10).max(1)
    }

    /// The time in which one is given back, so that burst and refill make the number of a day.
    fn refill_interval(self) -> Duration {
        let refilled = self.0.saturating_sub(self.burst_size()).max(1);
        DAY.checked_div(refilled).unwrap_or(DAY)
    }

    fn refill_capacity(self) -> Duration {
        self.refill_interval().saturating_mul(self.burst_size())
    }
}

impl FailureBudget {
    /// Whether nothing is left of it.
    pub fn is_spent(self, rate: DailyRate, now: Timestamp) -> bool {
        self.full_at.since(now).saturating_add(rate.refill_interval()) > rate.refill_capacity()
    }

    /// One less; never below nothing, also after a clock was set back.
    #[must_use]
    pub fn take_one(self, rate: DailyRate, now: Timestamp) -> Self {
        let full_at = self.full_at.max(now).plus(rate.refill_interval());
        Self { full_at: full_at.min(now.plus(rate.refill_capacity())) }
    }
}

/// Passwords whose budgets are kept at most.
const PASSWORDS: usize = 65_536;

/// Budgets for passwords that stand before a passcode in one field and are not verified when the passcode is checked.
/// Each password of a user has a budget of its own: guesses with other passwords take nothing from the right one, and
/// a user who knows it has no more guesses than others. Kept in this process, under digests whose key is never
/// stored.
#[derive(Default)]
pub(super) struct PasswordBudgets(Mutex<HashMap<PasscodeTag, SubmittedBudget>>);

#[derive(Clone, Copy)]
struct SubmittedBudget {
    budget: FailureBudget,
    /// What was wrong the last time: the same again is a retransmission, or a device with an old passcode.
    last: PasscodeTag,
}

impl PasswordBudgets {
    /// Whether nothing is left for this password.
    pub(super) fn is_spent(&self, password: PasscodeTag, rate: DailyRate, now: Timestamp) -> bool {
        self.all().get(&password).is_some_and(|presented| presented.budget.is_spent(rate, now))
    }

    /// A passcode behind this password was wrong; `field` is all that was presented.
    pub(super) fn take_for_password(
        &self,
        password: PasscodeTag,
        field: PasscodeTag,
        rate: DailyRate,
        now: Timestamp,
    ) {
        let mut all = self.all();
        if all.len() >= PASSWORDS && !all.contains_key(&password) {
            make_room(&mut all, now);
        }
        let presented = all
            .entry(password)
            .or_insert(SubmittedBudget { budget: FailureBudget::default(), last: password });
        if presented.last != field {
            *presented = SubmittedBudget { budget: presented.budget.take_one(rate, now), last: field };
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<PasscodeTag, SubmittedBudget>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Forgets budgets that are full again, and if that is not enough the fuller half.
fn make_room(all: &mut HashMap<PasscodeTag, SubmittedBudget>, now: Timestamp) {
    all.retain(|_, presented| presented.budget.full_at > now);
    if all.len() < PASSWORDS {
        return;
    }
    let mut ends: Vec<_> = all.values().map(|presented| presented.budget.full_at).collect();
    let (_, middle, _) = ends.select_nth_unstable(PASSWORDS / 2);
    let middle = *middle;
    all.retain(|_, presented| presented.budget.full_at > middle);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    /// How many of guesses at these times find something left.
    fn taken(rate: DailyRate, times: impl IntoIterator<Item = u64>) -> u32 {
        let (mut budget, mut count) = (FailureBudget::default(), 0);
        for time in times {
            if !budget.is_spent(rate, at(time)) {
                budget = budget.take_one(rate, at(time));
                count += 1;
            }
        }
        count
    }

    #[test]
    fn no_day_has_more_than_its_number() {
        for number in [1, 2, 9, 10, 100, 300, 3000] {
            let rate = DailyRate(number);
            assert_eq!(taken(rate, std::iter::repeat_n(0, 5000)), rate.burst_size(), "at once, {number}");
            let day = taken(rate, (0..86_400).step_by(7));
            assert!((number * 9 / 10..=number).contains(&day), "{day} of {number}");
        }
    }

    #[test]
    fn time_alone_refills_it() {
        let rate = DailyRate(300);
        let mut budget = FailureBudget::default();
        for _ in 0..100 {
            budget = budget.take_one(rate, at(0));
        }
        assert!(budget.is_spent(rate, at(319)));
        assert!(!budget.is_spent(rate, at(320)));
        assert!(budget.full_at <= at(30 * 320));
    }

    #[test]
    fn clock_that_was_set_back_does_not_keep_it_empty_for_longer() {
        let rate = DailyRate(300);
        let ahead = FailureBudget { full_at: at(1_000_000) };
        assert!(ahead.is_spent(rate, at(0)));
        assert!(ahead.take_one(rate, at(0)).full_at <= at(30 * 320));
    }

    fn tag(number: u32) -> PasscodeTag {
        let mut tag = PasscodeTag::default();
        tag.0[..4].copy_from_slice(&number.to_be_bytes());
        tag
    }

    #[test]
    fn guesses_with_other_passwords_take_nothing_from_the_right_one() {
        let (passwords, rate) = (PasswordBudgets::default(), DailyRate(300));
        let right = tag(u32::MAX);
        for n in 0..1000 {
            passwords.take_for_password(tag(n), tag(n + 1), rate, at(0));
        }
        assert!(!passwords.is_spent(right, rate, at(0)));
        for n in 0..100 {
            passwords.take_for_password(right, tag(1), rate, at(n));
        }
        assert!(!passwords.is_spent(right, rate, at(100)), "the same again is no guess");
        for n in 0..100 {
            passwords.take_for_password(right, tag(n), rate, at(100));
        }
        assert!(passwords.is_spent(right, rate, at(100)));
    }

    #[test]
    fn a_flood_of_passwords_does_not_make_one_forgotten_that_is_guessed_with() {
        let (passwords, rate) = (PasswordBudgets::default(), DailyRate(300));
        let known = tag(u32::MAX);
        for n in 0..100 {
            passwords.take_for_password(known, tag(n), rate, at(0));
        }
        for n in 0..u32::try_from(PASSWORDS * 2).unwrap() {
            passwords.take_for_password(tag(n), tag(0), rate, at(1));
        }
        assert!(passwords.all().len() <= PASSWORDS);
        assert!(passwords.is_spent(known, rate, at(1)));
    }
}
