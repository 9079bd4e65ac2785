//! How often a user may be asked: a limit against approval by fatigue.

use super::PasswordProof;
use super::RefusalReason;
use crate::config::push::{BypassBudget, PushRate};
use crate::types::Timestamp;
use std::cmp::Ordering;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Names that are remembered at most, with and without a proven password each.
const MOST: usize = 100_000;

/// Pushes of the last hour, by user. Pushes without a verified password are counted separately: names can be
/// invented, and an attacker without the password must not use up the pushes of a user who has it.
#[derive(Debug, Default)]
pub(super) struct PushRateLimiter(Mutex<PushQueues>);

#[derive(Debug, Default)]
struct PushQueues {
    proven: HashMap<String, CountedPush>,
    unproven: HashMap<String, CountedPush>,
}

#[derive(Debug, Default)]
struct CountedPush {
    asked: VecDeque<Timestamp>,
    denied: Option<Timestamp>,
}

impl PushRateLimiter {
    /// Counts one more question, if it may be put.
    pub(super) fn try_acquire(
        &self,
        user: &str,
        proof: PasswordProof,
        rate: &PushRate,
        now: Timestamp,
    ) -> Result<(), RefusalReason> {
        let mut classes = self.lock();
        let was_denied = |of: &HashMap<String, CountedPush>| {
            let denied = of.get(user).and_then(|nudged| nudged.denied);
            denied.is_some_and(|denied| now.since(denied) < rate.pause)
        };
        // A user who denied a login by their own password is left alone by everybody.
        if was_denied(&classes.proven) || (!proof.is_proven() && was_denied(&classes.unproven)) {
            return Err(RefusalReason::JustDenied);
        }
        let limit = if proof.is_proven() { rate.per_hour } else { rate.per_hour_unproven };
        let users = classes.queue_mut(proof);
        if users.len() >= MOST && !users.contains_key(user) {
            make_room(users, now);
        }
        let nudged = users.entry(user.to_owned()).or_default();
        while nudged.asked.front().is_some_and(|asked| now.since(*asked) >= HOUR) {
            nudged.asked.pop_front();
        }
        if nudged.asked.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(RefusalReason::TooManyPushes);
        }
        nudged.asked.push_back(now);
        Ok(())
    }

    /// The push was not sent after all: the provider could not be reached, or does not know the name. Names that do
    /// not exist are not kept.
    pub(super) fn take_back(&self, user: &str, proof: PasswordProof, at: Timestamp) {
        let mut classes = self.lock();
        let users = classes.queue_mut(proof);
        let Some(nudged) = users.get_mut(user) else { return };
        if let Some(last) = nudged.asked.iter().rposition(|asked| *asked == at) {
            nudged.asked.remove(last);
        }
        if nudged.asked.is_empty() && nudged.denied.is_none() {
            users.remove(user);
        }
    }

    /// The user said no.
    pub(super) fn record_denial(&self, user: &str, proof: PasswordProof, now: Timestamp) {
        if let Some(nudged) = self.lock().queue_mut(proof).get_mut(user) {
            nudged.denied = Some(now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, PushQueues> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PushQueues {
    fn queue_mut(&mut self, proof: PasswordProof) -> &mut HashMap<String, CountedPush> {
        if proof.is_proven() { &mut self.proven } else { &mut self.unproven }
    }
}

impl CountedPush {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.asked.back().is_some_and(|asked| now.since(*asked) < HOUR)
    }

    /// What goes first has the least of this: who was asked least, and longest ago.
    fn eviction_weight(&self) -> (usize, Option<Timestamp>) {
        (self.asked.len(), self.asked.back().copied())
    }
}

/// Forgets what no longer counts, and if that is not enough a quarter of the rest.
fn make_room(users: &mut HashMap<String, CountedPush>, now: Timestamp) {
    users.retain(|_, nudged| nudged.is_fresh(now));
    if users.len() < MOST {
        return;
    }
    let mut weights: Vec<_> = users.values().map(CountedPush::eviction_weight).collect();
    let (_, least_kept, _) = weights.select_nth_unstable(MOST / 4);
    let (least_kept, mut equal) = (*least_kept, MOST / 4);
    users.retain(|_, nudged| match nudged.eviction_weight().cmp(&least_kept) {
        Ordering::Greater => true,
        Ordering::Less => false,
        Ordering::Equal => {
            let goes = equal > 0;
            equal = equal.saturating_sub(1);
            !goes
        }
    });
}

/// Logins of the last hour that `failmode = safe` let in.
#[derive(Debug, Default)]
pub(super) struct BypassLimiter(Mutex<VecDeque<(Timestamp, String)>>);

impl BypassLimiter {
    /// Counts one more, if the budget has one.
    pub(super) fn try_spend(&self, user: &str, budget: &BypassBudget, now: Timestamp) -> bool {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while spent.front().is_some_and(|(at, _)| now.since(*at) >= HOUR) {
            spent.pop_front();
        }
        let room = |count: usize, limit: u32| count < usize::try_from(limit).unwrap_or(usize::MAX);
        let has = room(spent.len(), budget.total)
            && room(spent.iter().filter(|(_, name)| name == user).count(), budget.user);
        if has {
            spent.push_back((now, user.to_owned()));
        }
        has
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn user_is_asked_so_often_and_no_more() {
        let (nudges, rate) = (PushRateLimiter::default(), PushRate::default());
        for n in 0..20 {
            assert_eq!(nudges.try_acquire("alice", PasswordProof::Proven, &rate, at(n)), Ok(()));
        }
        assert_eq!(
            nudges.try_acquire("alice", PasswordProof::Proven, &rate, at(20)),
            Err(RefusalReason::TooManyPushes)
        );
        assert_eq!(nudges.try_acquire("bob", PasswordProof::Proven, &rate, at(20)), Ok(()));
        assert_eq!(nudges.try_acquire("alice", PasswordProof::Proven, &rate, at(3600)), Ok(()));
    }

    #[test]
    fn without_a_password_he_is_asked_less_often() {
        let (nudges, rate) = (PushRateLimiter::default(), PushRate::default());
        let asked = (0..20)
            .filter(|n| nudges.try_acquire("alice", PasswordProof::Unproven, &rate, at(*n)).is_ok())
            .count();
        assert_eq!(asked, 5);
    }

    #[test]
    fn who_says_no_is_left_in_peace_for_a_while() {
        let (nudges, rate) = (PushRateLimiter::default(), PushRate::default());
        nudges.try_acquire("alice", PasswordProof::Proven, &rate, at(0)).unwrap();
        nudges.record_denial("alice", PasswordProof::Proven, at(10));
        assert_eq!(
            nudges.try_acquire("alice", PasswordProof::Proven, &rate, at(69)),
            Err(RefusalReason::JustDenied)
        );
        assert_eq!(nudges.try_acquire("alice", PasswordProof::Proven, &rate, at(70)), Ok(()));
    }

    #[test]
    fn question_that_was_not_put_does_not_count() {
        let (nudges, rate) = (PushRateLimiter::default(), PushRate::default());
        for n in 0..100 {
            nudges.try_acquire("alice", PasswordProof::Unproven, &rate, at(n)).unwrap();
            nudges.take_back("alice", PasswordProof::Unproven, at(n));
        }
        assert!(nudges.lock().unproven.is_empty());
        nudges.try_acquire("alice", PasswordProof::Unproven, &rate, at(100)).unwrap();
        nudges.record_denial("alice", PasswordProof::Unproven, at(100));
        nudges.take_back("alice", PasswordProof::Unproven, at(100));
        assert_eq!(
            nudges.try_acquire("alice", PasswordProof::Unproven, &rate, at(101)),
            Err(RefusalReason::JustDenied)
        );
    }

    #[test]
    fn invented_names_turn_nobody_away_and_take_no_memory_without_end() {
        let (nudges, rate) = (PushRateLimiter::default(), PushRate::default());
        for n in 0..5 {
            nudges.try_acquire("nagged", PasswordProof::Unproven, &rate, at(n)).unwrap();
        }
        for n in 0..MOST + MOST / 2 {
            nudges.try_acquire(&format!("user{n}"), PasswordProof::Unproven, &rate, at(10)).unwrap();
        }
        assert!(nudges.lock().unproven.len() <= MOST);
        assert_eq!(nudges.try_acquire("alice", PasswordProof::Proven, &rate, at(11)), Ok(()));
        assert_eq!(nudges.try_acquire("bob", PasswordProof::Unproven, &rate, at(11)), Ok(()));
        // Invented names do not raise the limit of any user.
        assert_eq!(
            nudges.try_acquire("nagged", PasswordProof::Unproven, &rate, at(11)),
            Err(RefusalReason::TooManyPushes)
        );
    }

    #[test]
    fn those_without_the_password_neither_use_up_nor_pause_the_questions_of_who_has_it() {
        let (nudges, rate) = (PushRateLimiter::default(), PushRate::default());
        while nudges.try_acquire("alice", PasswordProof::Unproven, &rate, at(0)).is_ok() {}
        nudges.record_denial("alice", PasswordProof::Unproven, at(1));
        let asked = (0..30)
            .filter(|n| nudges.try_acquire("alice", PasswordProof::Proven, &rate, at(2 + n)).is_ok())
            .count();
        assert_eq!(asked, usize::try_from(rate.per_hour).unwrap());
        nudges.record_denial("alice", PasswordProof::Proven, at(40));
        assert_eq!(
            nudges.try_acquire("alice", PasswordProof::Unproven, &rate, at(41)),
            Err(RefusalReason::JustDenied)
        );
    }

    #[test]
    fn budget_bounds_each_user_and_all_of_them() {
        let (bypasses, budget) = (BypassLimiter::default(), BypassBudget { user: 2, total: 3 });
        let spend = |user, seconds| bypasses.try_spend(user, &budget, at(seconds));
        assert_eq!([spend("alice", 0), spend("alice", 1), spend("alice", 2)], [true, true, false]);
        assert_eq!([spend("bob", 3), spend("carol", 4)], [true, false]);
        assert_eq!([spend("carol", 3600), spend("alice", 3601)], [true, true]);
    }
}
