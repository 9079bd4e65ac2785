//! Challenges that wait for their answers, found again by their State.

use super::waits::WaitId;
use crate::types::UserName;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer may take.
const LIFE: Duration = Duration::from_secs(120);
/// Open challenges at most; beyond, the oldest half is forgotten.
const MOST: usize = 100_000;

/// All that are open.
#[derive(Debug, Default)]
pub(super) struct Challenges(Mutex<HashMap<String, Open>>);

#[derive(Debug)]
struct Open {
    whose: Whose,
    about: About,
    since: Instant,
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
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= MOST {
            open.retain(|_, challenge| challenge.since.elapsed() < LIFE);
        }
        if open.len() >= MOST {
            open.retain(|_, challenge| challenge.since.elapsed() < LIFE / 2);
        }
        if open.len() >= MOST {
            return None;
        }
        open.insert(state.clone(), Open { whose, about, since: Instant::now() });
        Some(state)
    }

    /// Whether this State is one of ours that is still open.
    pub(super) fn knows(&self, state: &[u8]) -> bool {
        let open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::str::from_utf8(state).is_ok_and(|state| open.contains_key(state))
    }

    /// What it was about. From now on it is about nothing, whoever asked; but for a wait, which has rules of its own for packets
    /// that come again.
    pub(super) fn redeem(&self, state: &[u8], whose: &Whose) -> Option<About> {
        let state = std::str::from_utf8(state).ok()?;
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let challenge = open.get(state)?;
        let about =
            (challenge.since.elapsed() < LIFE && challenge.whose == *whose).then_some(challenge.about);
        if !matches!(about, Some(About::Wait(_))) {
            open.remove(state);
        }
        about
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
}
