//! Guessing: when a source is slowed down and when a user is locked. Pure arithmetic, applied by the store inside the
//! transaction that decides, so that no number of simultaneous guesses gets past it.

pub use super::ids::PasscodeTag;

use super::PasswordStatus;
use super::failure_budget::{DailyRate, FailureBudget};
use crate::config::FailureLimits;
use crate::types::Timestamp;
use std::time::Duration;

/// Failures are forgotten when none has come for this long, and locks when none has begun.
const FORGET: Duration = Duration::from_secs(24 * 60 * 60);

/// The same wrong code again within this time is a retransmission.
const REPEAT: Duration = Duration::from_secs(60);

/// Locks do not grow beyond this.
const LONGEST_LOCK: Duration = Duration::from_secs(60 * 60);

/// How long a first right code waits for the second one.
const SECOND_CODE: Duration = Duration::from_secs(10 * 60);

/// Failures of one user name from one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct SourceFailures {
    /// Number of failures.
    pub count: u32,
    /// When the last one came.
    pub last: Timestamp,
    /// What it presented.
    pub tag: PasscodeTag,
}

/// Failures of one user from anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Strikes {
    /// Those after a right password.
    pub proven: u32,
    /// Failures from all sources, proven or not.
    pub total: u32,
    /// When the last one came.
    pub last: Timestamp,
    /// Locked until then.
    pub locked_until: Timestamp,
    /// How many locks there were in a row after failures behind a right password.
    pub locks: u32,
    /// When the last of those began.
    pub locked_at: Timestamp,
    /// What is left of the failures without a proven password that are ordinary.
    pub budget: FailureBudget,
}

/// All that is counted for an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct FailureCounts {
    /// Of its user, from its source.
    pub source: SourceFailures,
    /// The user's failures from all sources.
    pub user: Strikes,
    /// Of its client, over all users, without a proven password.
    pub client: FailureBudget,
}

/// What is known of the password of an attempt, as far as limits depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProof {
    /// Not that it is right.
    Unproven,
    /// Nothing yet, but the passcode was right: a failure until the password is, and no guess at passcodes.
    Pending,
    /// The password is verified.
    Proven,
    /// It is right, and this is an answer that the user was asked for: `challenge_tries` bounds how many there are.
    Answering,
}

/// Whose limits and queues something counts towards: what anyone can cause is kept apart from what only a user with the right
/// password can.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProofClass {
    /// No password was proven.
    #[default]
    Unproven,
    /// The right password was shown.
    Proven,
}

impl ProofClass {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Unproven, Self::Proven];

    /// The one of two that belongs to this class.
    pub fn select<T>(self, unproven: T, proven: T) -> T {
        match self {
            Self::Unproven => unproven,
            Self::Proven => proven,
        }
    }
}

/// What a packet is in its login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PacketRole {
    /// It starts the login.
    First,
    /// It answers a challenge.
    Answer,
}

impl PacketRole {
    /// An answer if there is a challenge that it answers.
    pub const fn for_challenge<T>(challenge: Option<&T>) -> Self {
        match challenge {
            Some(_) => Self::Answer,
            None => Self::First,
        }
    }
}

/// Whether an attempt counts at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// The attempt counts.
    Open,
    /// This source has to wait.
    Slowed,
    /// The user is locked.
    Locked,
}

impl PasswordProof {
    /// By what is known of the password, in a packet of this role.
    pub const fn from_password_status(password: PasswordStatus, role: PacketRole) -> Self {
        match (password.is_proven(), role) {
            (true, PacketRole::Answer) => Self::Answering,
            (true, PacketRole::First) => Self::Proven,
            (false, _) => Self::Unproven,
        }
    }

    /// The class that its limits are counted in.
    pub const fn class(self) -> ProofClass {
        if self.is_proven() { ProofClass::Proven } else { ProofClass::Unproven }
    }

    /// Whether the password is known to be right.
    pub const fn is_proven(self) -> bool {
        matches!(self, Self::Proven | Self::Answering)
    }
}

impl Strikes {
    /// After an accept: failures and lock are forgotten. Earlier locks and the budget are not, or each login of the user would
    /// give new guesses to others.
    #[must_use]
    pub fn after_accept(self) -> Self {
        Self { locks: self.locks, locked_at: self.locked_at, budget: self.budget, ..Self::default() }
    }
}

impl FailureLimits {
    /// Whether an attempt at `now` counts.
    pub fn gate_at(&self, failures: &FailureCounts, standing: PasswordProof, now: Timestamp) -> Gate {
        let guesses = &failures.source;
        if now < failures.user.locked_until {
            return Gate::Locked;
        }
        match self.pause_after(guesses, now) {
            // The user was just asked for this answer. It counts towards the lock like any other.
            _ if standing == PasswordProof::Answering => Gate::Open,
            Some(pause) if now.since(guesses.last) < pause => Gate::Slowed,
            _ => Gate::Open,
        }
    }

    /// How long a source with these failures has to wait after the last one: doubled with each.
    fn pause_after(&self, guesses: &SourceFailures, now: Timestamp) -> Option<Duration> {
        let beyond = fresh_count(guesses.count, guesses.last, now).checked_sub(self.slow_after)?;
        Some(doubled_pause(self.slow_time, beyond).min(self.slow_max))
    }

    /// Whether more failures have come without a proven password than are ordinary, for this user or through this client: then a
    /// single right code without a proven password is not enough.
    pub fn is_over_budget(&self, failures: &FailureCounts, now: Timestamp) -> bool {
        failures.user.budget.is_spent(DailyRate(self.guesses_per_user), now)
            || failures.client.is_spent(DailyRate(self.guesses_per_client), now)
    }

    /// Whether a right code that came beyond the budget at `first` still waits for a second one.
    pub fn awaits_second_code(first: Timestamp, now: Timestamp) -> bool {
        now >= first && now.since(first) < SECOND_CODE
    }

    /// The counts after a failure that passed the gate. A retransmission of the last one changes nothing. Beyond the budget a
    /// failure without a proven password counts against its source only.
    #[must_use]
    pub fn after_failure(
        &self,
        before: &FailureCounts,
        tag: PasscodeTag,
        standing: PasswordProof,
        now: Timestamp,
    ) -> FailureCounts {
        let FailureCounts { source: guesses, user: strikes, client } = *before;
        if guesses.count > 0 && guesses.tag == tag && now.since(guesses.last) < REPEAT {
            return *before;
        }
        let source = SourceFailures {
            count: fresh_count(guesses.count, guesses.last, now).saturating_add(1),
            last: now,
            tag,
        };
        let guesses_passcodes = standing == PasswordProof::Unproven;
        if guesses_passcodes && self.is_over_budget(before, now) {
            return FailureCounts { source, ..*before };
        }
        let (budget, client) = match guesses_passcodes {
            false => (strikes.budget, client),
            true => (
                strikes.budget.take_one(DailyRate(self.guesses_per_user), now),
                client.take_one(DailyRate(self.guesses_per_client), now),
            ),
        };
        let strikes = Strikes {
            proven: fresh_count(strikes.proven, strikes.last, now)
                .saturating_add(u32::from(standing.is_proven())),
            total: fresh_count(strikes.total, strikes.last, now).saturating_add(1),
            last: now,
            budget,
            ..strikes
        };
        FailureCounts { source, user: self.lock(strikes, now), client }
    }

    /// Locks, if there were too many. Only locks after failures behind a right password grow: anybody can cause the others.
    fn lock(&self, strikes: Strikes, now: Timestamp) -> Strikes {
        let locked = |time| Strikes { proven: 0, total: 0, locked_until: now.plus(time), ..strikes };
        if strikes.proven >= self.lock_after {
            let locks = fresh_count(strikes.locks, strikes.locked_at, now);
            let time = doubled_pause(self.lock_time, locks).min(LONGEST_LOCK.max(self.lock_time));
            return Strikes { locks: locks.saturating_add(1), locked_at: now, ..locked(time) };
        }
        if strikes.total >= self.lock_after_unproven { locked(self.lock_time) } else { strikes }
    }
}

fn doubled_pause(time: Duration, times: u32) -> Duration {
    time.saturating_mul(1u32.checked_shl(times.min(31)).unwrap_or(u32::MAX))
}

fn fresh_count(count: u32, last: Timestamp, now: Timestamp) -> u32 {
    if now.since(last) < FORGET { count } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> FailureLimits {
        FailureLimits::default()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    fn tag(number: usize) -> PasscodeTag {
        PasscodeTag([u8::try_from(number % 250).unwrap() + 1; 16])
    }

    /// Different wrong codes at these times; the gate's answer to each.
    fn gates(standing: PasswordProof, times: impl IntoIterator<Item = u64>) -> Vec<Gate> {
        let mut failures = FailureCounts::default();
        let mut answers = Vec::new();
        for (index, time) in times.into_iter().enumerate() {
            let gate = limits().gate_at(&failures, standing, at(time));
            if gate == Gate::Open {
                failures = limits().after_failure(&failures, tag(index), standing, at(time));
            }
            answers.push(gate);
        }
        answers
    }

    /// Guesses at one user, each from a place of its own, one every `pause` seconds of a day.
    fn guesses_of_a_day(
        limits: &FailureLimits,
        pause: usize,
        each: &mut dyn FnMut(&FailureCounts, Timestamp),
    ) -> FailureCounts {
        let mut failures = FailureCounts::default();
        for (number, second) in (0..86_400).step_by(pause).enumerate() {
            failures.source = SourceFailures::default();
            let now = at(second);
            if limits.gate_at(&failures, PasswordProof::Unproven, now) == Gate::Open {
                each(&failures, now);
                failures = limits.after_failure(&failures, tag(number), PasswordProof::Unproven, now);
            }
        }
        failures
    }

    #[test]
    fn source_is_slowed_after_three_failures() {
        use Gate::{Open, Slowed};
        assert_eq!(
            gates(PasswordProof::Unproven, [0, 1, 2, 3, 6, 7, 12, 16]),
            [Open, Open, Open, Slowed, Slowed, Open, Slowed, Slowed]
        );
    }

    #[test]
    fn answers_that_the_user_was_asked_for_are_not_slowed_and_lock_all_the_same() {
        use Gate::{Locked, Open};
        assert_eq!(
            gates(PasswordProof::Answering, 0..8),
            [Open, Open, Open, Open, Open, Open, Locked, Locked],
            "lock_after is 6"
        );
    }

    #[test]
    fn failures_after_a_right_password_lock_the_user() {
        let answers = gates(PasswordProof::Proven, (0..20).map(|n| n * 400));
        let locked = answers.iter().position(|g| *g == Gate::Locked);
        assert_eq!(locked, Some(usize::try_from(limits().lock_after).unwrap()));
        assert!(answers.iter().skip(locked.unwrap()).any(|g| *g == Gate::Open), "a lock ends by itself");
    }

    /// Fails until locked, at this time, and says for how many seconds.
    fn lock(failures: &mut FailureCounts, standing: PasswordProof, now: Timestamp) -> u64 {
        for number in 0..1000 {
            if failures.user.locked_until > now {
                return failures.user.locked_until.since(now).as_secs();
            }
            failures.source = SourceFailures::default();
            *failures = limits().after_failure(failures, tag(number), standing, now);
        }
        panic!("not locked");
    }

    #[test]
    fn locks_double_to_an_hour_and_are_forgotten_after_a_day_without_one() {
        let (mut failures, mut now) = (FailureCounts::default(), at(0));
        for expected in [900, 1800, 3600, 3600, 3600] {
            assert_eq!(lock(&mut failures, PasswordProof::Proven, now), expected);
            now = failures.user.locked_until;
            // The user logs in in between: earlier locks still count.
            failures.user = failures.user.after_accept();
        }
        now = now.plus(FORGET);
        assert_eq!(lock(&mut failures, PasswordProof::Proven, now), 900);
    }

    #[test]
    fn lock_that_the_site_has_made_longer_than_an_hour_does_not_grow() {
        let limits = FailureLimits { lock_after: 1, lock_time: Duration::from_secs(7200), ..limits() };
        let mut failures = FailureCounts::default();
        for n in 0..3 {
            let now = at(n * 10_000);
            failures =
                limits.after_failure(&failures, tag(n.try_into().unwrap()), PasswordProof::Proven, now);
            assert_eq!(failures.user.locked_until.since(now).as_secs(), 7200);
        }
    }

    #[test]
    fn locks_without_a_proven_password_do_not_grow() {
        let limits = FailureLimits { guesses_per_user: 100_000, guesses_per_client: 1_000_000, ..limits() };
        let mut failures = FailureCounts::default();
        for n in 0..3 {
            let now = at(n * 1000);
            for number in 0..1000 {
                failures.source = SourceFailures::default();
                failures = limits.after_failure(&failures, tag(number), PasswordProof::Unproven, now);
            }
            assert_eq!(failures.user.locked_until.since(now).as_secs(), 900);
        }
    }

    #[test]
    fn guesses_from_invented_places_neither_lock_nor_hold_back_who_has_the_password() {
        let (mut locked, limits) = (0u32, limits());
        let failures = guesses_of_a_day(&limits, 1, &mut |failures, now| {
            locked += u32::from(limits.gate_at(failures, PasswordProof::Proven, now) == Gate::Locked);
        });
        assert_eq!((locked, failures.user.locks), (0, 0));
        let other = FailureCounts { source: SourceFailures::default(), ..failures };
        assert_eq!(limits.gate_at(&other, PasswordProof::Proven, at(86_400)), Gate::Open);
    }

    #[test]
    fn same_wrong_code_again_counts_once() {
        let strike = |failures: &FailureCounts, time| {
            limits().after_failure(failures, PasscodeTag([1; 16]), PasswordProof::Unproven, at(time))
        };
        let failures = strike(&FailureCounts::default(), 0);
        assert_eq!(strike(&failures, 59), failures);
        assert_eq!(strike(&failures, 61).source.count, 2);
    }

    #[test]
    fn failures_are_forgotten_after_a_day() {
        let mut failures = FailureCounts::default();
        for n in 0..5 {
            failures = limits().after_failure(&failures, tag(n), PasswordProof::Unproven, at(0));
        }
        let gate = |time| limits().gate_at(&failures, PasswordProof::Unproven, at(time));
        assert_eq!((gate(1), gate(86_400)), (Gate::Slowed, Gate::Open));
        let again = limits().after_failure(&failures, tag(9), PasswordProof::Unproven, at(86_400));
        assert_eq!(again.source.count, 1);
    }

    #[test]
    fn logging_in_gives_no_new_guesses_to_others() {
        let mut failures = FailureCounts::default();
        for number in 0..200 {
            failures.source = SourceFailures::default();
            failures = limits().after_failure(&failures, tag(number), PasswordProof::Unproven, at(0));
        }
        assert!(limits().is_over_budget(&failures, at(1)));
        failures.user = failures.user.after_accept();
        assert!(limits().is_over_budget(&failures, at(1)));
    }

    /// What `doc/threats.md` says of the odds, computed by the limits themselves and the defaults of the configuration.
    #[test]
    fn odds_are_those_of_the_documentation() {
        let (limits, config) = (limits(), crate::config::Config::default());
        let totp = f64::from(config.totp.back + 1 + config.totp.forward) / 1e6;
        let hotp = f64::from(config.hotp.look_ahead + 1) / 1e6;
        let percent = |chance: f64| format!("{:.2} %", 100.0 * chance);

        // Against one user, without the password, from places without number.
        let mut single = 0u32;
        let _ = guesses_of_a_day(&limits, 1, &mut |failures, now| {
            single += u32::from(!limits.is_over_budget(failures, now));
        });
        assert!(single <= limits.guesses_per_user && single * 10 >= limits.guesses_per_user * 9, "{single}");
        let per_user = f64::from(limits.guesses_per_user);

        // Over all users, through one client: nothing bounds it but the budget of the client.
        let per_client = f64::from(limits.guesses_per_client);

        // Two right codes from one place within ten minutes, at 100 guesses a second: as many as the gate lets through there.
        let (mut guesses, mut from_one_place) = (FailureCounts::default(), 0u32);
        for number in 0..SECOND_CODE.as_secs() * 10 {
            let now = at(0).plus(Duration::from_millis(number * 100));
            if limits.gate_at(&guesses, PasswordProof::Unproven, now) == Gate::Open {
                from_one_place += 1;
                guesses = limits.after_failure(
                    &guesses,
                    tag(from_one_place as usize),
                    PasswordProof::Unproven,
                    now,
                );
            }
        }
        let pairs = f64::from(from_one_place * (from_one_place - 1) / 2);
        let places = 100.0 * 86_400.0 / f64::from(from_one_place);
        let two = |window: f64| places * pairs * window * window;

        // With the password: as often as the lock lets through, each time from another place.
        let (mut failures, mut proven) = (FailureCounts::default(), 0u32);
        for second in 0..86_400 {
            while limits.gate_at(&failures, PasswordProof::Answering, at(second)) == Gate::Open {
                proven += 1;
                failures.source = SourceFailures::default();
                failures = limits.after_failure(
                    &failures,
                    tag(proven as usize),
                    PasswordProof::Answering,
                    at(second),
                );
            }
        }
        let proven = f64::from(proven);

        let documented = include_str!("../../doc/threats.md");
        for (what, totp, hotp) in [
            ("one user", per_user * totp, per_user * hotp),
            ("one user, two codes", two(totp), two(hotp)),
            ("any user through one client", per_client * totp, per_client * hotp),
            ("one user, with the password", proven * totp, proven * hotp),
        ] {
            let row = format!("| {what} | {} | {} |", percent(totp), percent(hotp));
            assert!(documented.contains(&row), "doc/threats.md lacks: {row}");
        }
    }

    proptest::proptest! {
        #[test]
        fn more_failures_never_open_the_gate(count in 0u32..100, more in 0u32..100, wait in 0u64..1000) {
            let few = SourceFailures { count, last: at(0), tag: PasscodeTag::default() };
            let many = SourceFailures { count: count + more, ..few };
            let gate = |source| {
                limits().gate_at(&FailureCounts { source, ..FailureCounts::default() }, PasswordProof::Unproven, at(wait))
            };
            if gate(few) == Gate::Slowed {
                proptest::prop_assert_eq!(gate(many), Gate::Slowed);
            }
        }
    }
}
