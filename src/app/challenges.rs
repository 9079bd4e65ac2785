//! Challenges that wait for their answers, found again by their State.

use super::waits::WaitId;
use crate::types::UserName;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer may take.
const LIFE: Duration = Duration::from_secs(120);
/// Challenges that are remembered at most; beyond, the oldest are forgotten.
const MOST: usize = 100_000;

/// All that are open.
#[derive(Debug, Default)]
pub(super) struct Challenges(Mutex<Issued>);

#[derive(Debug, Default)]
struct Issued {
    open: HashMap<String, Open>,
    /// Every State, oldest first, until its time is over.
    order: VecDeque<(Instant, String)>,
}

#[derive(Debug)]
struct Open {
    whose: Whose,
    about: About,
}

/// To whom a challenge was sent: only from there its answer counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Whose {
    /// His canonical name.
    pub(super) user: UserName,
    /// The client's address.
    pub(super) client: String,
    /// Calling-Station-Id.
    pub(super) calling_station: String,
}

/// What the answer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// A passcode.
    Passcode,
    /// The user has answered on his device, or is about to.
    Wait(WaitId),
}

impl Challenges {
    /// A new State: 128 random bits, printable, since some clients take it for a C string. `None` without randomness.
    pub(super) fn issue(&self, whose: Whose, about: About) -> Option<String> {
        let mut state = [0; 16];
        getrandom::fill(&mut state).ok()?;
        let state = data_encoding::HEXLOWER.encode(&state);
        let mut issued = self.issued();
        if issued.order.len() >= MOST {
            issued.forget_oldest();
        }
        issued.order.push_back((Instant::now(), state.clone()));
        issued.open.insert(state.clone(), Open { whose, about });
        Some(state)
    }

    /// Whether this State is one of ours that is still open.
    pub(super) fn knows(&self, state: &[u8]) -> bool {
        std::str::from_utf8(state).is_ok_and(|state| self.issued().open.contains_key(state))
    }

    /// What it was about. From now on it is about nothing, whoever asked; but for a wait, which has rules of its own for packets
    /// that come again.
    pub(super) fn redeem(&self, state: &[u8], whose: &Whose) -> Option<About> {
        let state = std::str::from_utf8(state).ok()?;
        let mut issued = self.issued();
        let challenge = issued.open.get(state)?;
        let about = (challenge.whose == *whose).then_some(challenge.about);
        if !matches!(about, Some(About::Wait(_))) {
            issued.open.remove(state);
        }
        about
    }

    /// Those whose time is not over.
    fn issued(&self) -> MutexGuard<'_, Issued> {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while issued.order.front().is_some_and(|(since, _)| since.elapsed() >= LIFE) {
            issued.forget_oldest();
        }
        issued
    }
}

impl Issued {
    fn forget_oldest(&mut self) {
        if let Some((_, state)) = self.order.pop_front() {
            self.open.remove(&state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(user: &str, client: &str) -> Whose {
        Whose { user: UserName::from_canonical(user), client: client.into(), calling_station: String::new() }
    }

    #[test]
    fn state_is_good_for_one_answer_of_the_same_user_from_the_same_place() {
        let challenges = Challenges::default();
        let alice = whose("alice", "192.0.2.1");
        let state = challenges.issue(alice.clone(), About::Passcode).unwrap();
        assert!(state.len() <= 64 && challenges.knows(state.as_bytes()));
        assert_eq!(challenges.redeem(state.as_bytes(), &alice), Some(About::Passcode));
        assert_eq!(challenges.redeem(state.as_bytes(), &alice), None, "used");
        for other in [whose("bob", "192.0.2.1"), whose("alice", "192.0.2.2")] {
            let state = challenges.issue(alice.clone(), About::Passcode).unwrap();
            assert_eq!(challenges.redeem(state.as_bytes(), &other), None);
            assert_eq!(challenges.redeem(state.as_bytes(), &alice), None, "a wrong use ends it");
        }
        assert_eq!(challenges.redeem(b"\xff\0", &alice), None);
    }
    #[test]
    fn so_many_are_remembered_and_the_oldest_forgotten() {
        let challenges = Challenges::default();
        let issue = || challenges.issue(whose("alice", "192.0.2.1"), About::Passcode).unwrap();
        let (first, second) = (issue(), issue());
        (2..=MOST).for_each(|_| drop(issue()));
        assert!(!challenges.knows(first.as_bytes()) && challenges.knows(second.as_bytes()));
        let issued = challenges.issued();
        assert_eq!((issued.open.len(), issued.order.len()), (MOST, MOST));
    }
}
