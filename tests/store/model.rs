//! Random operations against a model that is simple enough to be right: what the limits say, and a set of spent steps.

use crate::site::{Site, Try, enrol, name, step, tag};
use proptest::prelude::*;
use rlm_mfa::config::FailureLimits;
use rlm_mfa::engine::port::AttemptFinding;
use rlm_mfa::engine::{
    FailureBudget, FailureCounts, Gate, PacketRole, PasswordProof, Reason, SourceFailures, Strikes,
};
use rlm_mfa::store::TokenState;
use rlm_mfa::types::Timestamp;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

#[derive(Clone, Debug)]
enum Act {
    Right(i64),
    Wrong(u8),
    Spent,
    Unlock,
    Lock(u64),
    Enable(bool),
    Wait(i64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0i64..30).prop_map(Act::Right),
        6 => (0u8..20).prop_map(Act::Wrong),
        1 => Just(Act::Spent),
        1 => Just(Act::Unlock),
        1 => (0u64..300).prop_map(Act::Lock),
        1 => any::<bool>().prop_map(Act::Enable),
        // Clocks are also set back.
        4 => (-100i64..1000).prop_map(Act::Wait),
    ]
}

#[derive(Default)]
struct Person {
    guesses: BTreeMap<(&'static str, bool), SourceFailures>,
    /// Of the client that all come through.
    client: Rc<Cell<FailureBudget>>,
    /// A right code that waits for a second one, by station.
    first: BTreeMap<&'static str, Timestamp>,
    strikes: Strikes,
    highest: Option<i64>,
    accepted: BTreeSet<i64>,
    disabled: bool,
}

impl Person {
    fn settle(&mut self, attempt: &Try) -> Reason {
        let limits = FailureLimits::default();
        let standing = PasswordProof::from_password_status(attempt.password, PacketRole::First);
        let is_proven = standing != PasswordProof::Unproven;
        let source = (attempt.station, is_proven);
        let before = FailureCounts {
            source: self.guesses.get(&source).copied().unwrap_or_default(),
            user: self.strikes,
            client: if is_proven { FailureBudget::default() } else { self.client.get() },
        };
        match limits.gate_at(&before, standing, attempt.at) {
            Gate::Open => {}
            Gate::Slowed => return Reason::Slowed,
            Gate::Locked => return Reason::Locked,
        }
        let (reason, tag) = match &attempt.finding {
            AttemptFinding::Right { spend, .. } if !self.disabled => {
                let rlm_mfa::engine::port::SpendPasscode::Step { step, .. } = *spend else { unreachable!() };
                if self.highest.is_some_and(|highest| highest >= step) {
                    return Reason::SpentCode;
                }
                assert!(self.accepted.insert(step), "accepted twice");
                self.highest = Some(step);
                let first = self.first.get(attempt.station);
                let is_second =
                    first.is_some_and(|first| FailureLimits::awaits_second_code(*first, attempt.at));
                if !is_proven && limits.is_over_budget(&before, attempt.at) && !is_second {
                    self.first.insert(attempt.station, attempt.at);
                    let unseen = SourceFailures { last: attempt.at, ..SourceFailures::default() };
                    self.guesses.entry(source).or_insert(unseen);
                    return Reason::AnotherCode;
                }
                self.guesses.retain(|(station, _), _| *station != attempt.station);
                self.first.remove(attempt.station);
                self.strikes = self.strikes.after_accept();
                return Reason::Right;
            }
            AttemptFinding::Spent => return Reason::SpentCode,
            AttemptFinding::Right { tag, .. } => (Reason::NotEnrolled, *tag),
            AttemptFinding::Wrong { tag, .. } => (Reason::WrongCode, *tag),
            _ => unreachable!(),
        };
        let after = limits.after_failure(&before, tag, standing, attempt.at);
        if after != before {
            self.guesses.insert(source, after.source);
            if !is_proven {
                self.client.set(after.client);
            }
        }
        self.strikes = after.user;
        if after.user.locked_until != before.user.locked_until { Reason::LockedNow } else { reason }
    }
}

pub fn store_does_what_the_model_does<S: Site>(_: &S) {
    let acts = proptest::collection::vec((act(), 0..2usize, 0..2usize, any::<bool>()), 1..60);
    proptest!(ProptestConfig { cases: 40, max_shrink_iters: 200, failure_persistence: None, ..ProptestConfig::default() },
    |(acts in acts)| {
        let site = S::new();
        let store = site.open();
        let names = ["alice", "bob"];
        let tokens = names.map(|user| enrol(&*store, user));
        let client = Rc::<Cell<FailureBudget>>::default();
        let mut people = [(); 2].map(|()| Person { client: Rc::clone(&client), ..Person::default() });
        let mut now = 1_000_000u64;
        for (act, who, station, proven) in acts {
            let (user, person) = (names[who], &mut people[who]);
            let attempt = |finding| {
                let attempt = Try::new(user, finding);
                let attempt = if proven { attempt.proven() } else { attempt };
                attempt.at(now).from(["here", "there"][station])
            };
            let attempt = match act {
                Act::Right(spent) => attempt(Try::right(user, &tokens[who], step(spent)).finding),
                Act::Wrong(code) => attempt(AttemptFinding::Wrong { tag: tag(&format!("{code}")), drifted: None }),
                Act::Spent => attempt(AttemptFinding::Spent),
                Act::Unlock => {
                    store.lock_user(&name(user), Timestamp::default()).unwrap();
                    person.strikes = Strikes::default();
                    person.guesses.clear();
                    person.first.clear();
                    continue;
                }
                Act::Lock(seconds) => {
                    let until = crate::site::at(now + seconds);
                    store.lock_user(&name(user), until).unwrap();
                    person.strikes.locked_until = until;
                    continue;
                }
                Act::Enable(enabled) => {
                    let state = if enabled { TokenState::Enabled } else { TokenState::Disabled };
                    store.set_token_state(&name(user), &tokens[who].serial, state).unwrap();
                    person.disabled = !enabled;
                    continue;
                }
                Act::Wait(seconds) => {
                    now = now.saturating_add_signed(seconds);
                    continue;
                }
            };
            let expected = person.settle(&attempt);
            prop_assert_eq!(attempt.settle(&*store), expected);
        }
        for (user, person) in names.iter().zip(&people) {
            prop_assert_eq!(store.user(&name(user)).unwrap().failures, person.strikes.total);
        }
    });
}
