//! Challenges about questions that users have on their devices, found again by their State. They live as long as the question,
//! in this process.

use super::wait::WaitId;
use crate::engine::{LoginAttempt, LoginEndpoint, PasswordVerifier, ProofClass, encode_state};
use crate::types::{NameRules, UserName};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Lifetime of a challenge.
const LIFE: Duration = Duration::from_secs(120);
/// Maximum number of challenges, counted separately without and with a proven password. Beyond it the oldest of the kind is dropped.
const MOST: usize = 50_000;

/// All open challenges. No `Debug`: a State is a bearer secret.
#[derive(Default)]
pub(crate) struct OpenChallenges(Mutex<IssuedChallenge>);

#[derive(Default)]
struct IssuedChallenge {
    open: HashMap<String, OpenChallenge>,
    /// States without a proven password until they expire, oldest first.
    unproven: VecDeque<(Instant, String)>,
    proven: VecDeque<(Instant, String)>,
}

#[derive(Debug)]
struct OpenChallenge {
    owner: ChallengeOwner,
    wait: WaitId,
}

/// The recipient of a challenge. An answer from elsewhere is not accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChallengeOwner {
    /// The canonical name that they log in with.
    pub(super) user: UserName,
    /// The client's address.
    pub(super) client: String,
    /// Calling-Station-Id.
    pub(super) calling_station: String,
    /// The instance and virtual server that sent it.
    pub(super) endpoint: LoginEndpoint,
    /// What verified the password; `None` if no password was verified.
    pub(super) verifier: Option<PasswordVerifier>,
}

impl ChallengeOwner {
    /// The owner of this attempt; `None` if its user name is invalid. A question is asked only after the password was verified, so an
    /// attempt with an unverified password can answer it if the same verifier checks both.
    pub(crate) fn owner_of(attempt: &LoginAttempt, names: &NameRules) -> Option<Self> {
        Some(Self {
            user: UserName::parse(&attempt.request.user, names).ok()?,
            client: attempt.request.source.client.clone(),
            calling_station: attempt.request.source.calling_station.clone(),
            endpoint: attempt.request.endpoint.clone(),
            verifier: attempt.password_status.verified_by(),
        })
    }
}

impl OpenChallenges {
    /// Issues a new State. `None` if the system provides no randomness.
    pub(crate) fn issue_state(
        &self,
        owner: ChallengeOwner,
        class: ProofClass,
        wait: WaitId,
    ) -> Option<String> {
        let mut octets = [0; 16];
        getrandom::fill(&mut octets).ok()?;
        let state = encode_state(&octets);
        let mut issued = self.pending_challenges();
        if issued.queue_mut(class).len() >= MOST {
            issued.forget_oldest(class);
        }
        issued.queue_mut(class).push_back((Instant::now(), state.clone()));
        issued.open.insert(state.clone(), OpenChallenge { owner, wait });
        Some(state)
    }

    /// The question that this State belongs to, if it is this user's. It stays valid: the wait has its own rules for
    /// repeated packets.
    pub(crate) fn find_question(&self, state: &[u8], owner: &ChallengeOwner) -> Option<WaitId> {
        let state = std::str::from_utf8(state).ok()?;
        self.pending_challenges().open.get(state).filter(|open| open.owner == *owner).map(|open| open.wait)
    }

    /// Locks the table and drops expired challenges.
    fn pending_challenges(&self) -> MutexGuard<'_, IssuedChallenge> {
        let mut issued = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for class in ProofClass::ALL {
            while issued.queue_mut(class).front().is_some_and(|(since, _)| since.elapsed() >= LIFE) {
                issued.forget_oldest(class);
            }
        }
        issued
    }
}

impl IssuedChallenge {
    fn queue_mut(&mut self, class: ProofClass) -> &mut VecDeque<(Instant, String)> {
        class.select(&mut self.unproven, &mut self.proven)
    }

    fn forget_oldest(&mut self, class: ProofClass) {
        if let Some((_, state)) = self.queue_mut(class).pop_front() {
            self.open.remove(&state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(user: &str, client: &str) -> ChallengeOwner {
        ChallengeOwner {
            user: UserName::from_canonical(user),
            client: client.into(),
            calling_station: String::new(),
            endpoint: LoginEndpoint { instance: "mfa".into(), virtual_server: "default".into() },
            verifier: Some(PasswordVerifier::Server),
        }
    }

    #[test]
    fn state_is_good_for_the_same_user_from_the_same_place() {
        let challenges = OpenChallenges::default();
        let alice = owner("alice", "192.0.2.1");
        let state = challenges.issue_state(alice.clone(), ProofClass::Proven, WaitId::default()).unwrap();
        assert!(crate::engine::is_state(state.as_bytes()));
        assert!(challenges.find_question(state.as_bytes(), &alice).is_some());
        let elsewhere = |instance: &str, virtual_server: &str| ChallengeOwner {
            endpoint: LoginEndpoint { instance: instance.into(), virtual_server: virtual_server.into() },
            ..alice.clone()
        };
        for other in [
            owner("bob", "192.0.2.1"),
            owner("alice", "192.0.2.2"),
            elsewhere("mfa", "other"),
            elsewhere("other", "default"),
            ChallengeOwner { verifier: None, ..alice.clone() },
            ChallengeOwner { verifier: Some(PasswordVerifier::Client), ..alice.clone() },
        ] {
            assert_eq!(challenges.find_question(state.as_bytes(), &other), None);
        }
        assert_eq!(challenges.find_question(b"\xff\0", &alice), None);
    }

    #[test]
    fn so_many_are_remembered_and_the_oldest_forgotten() {
        let (challenges, alice) = (OpenChallenges::default(), owner("alice", "192.0.2.1"));
        let issue = |class| challenges.issue_state(alice.clone(), class, WaitId::default()).unwrap();
        let (proven, first, second) =
            (issue(ProofClass::Proven), issue(ProofClass::Unproven), issue(ProofClass::Unproven));
        (2..=MOST).for_each(|_| drop(issue(ProofClass::Unproven)));
        assert!(challenges.find_question(first.as_bytes(), &alice).is_none());
        assert!(challenges.find_question(second.as_bytes(), &alice).is_some());
        assert!(
            challenges.find_question(proven.as_bytes(), &alice).is_some(),
            "whatever comes without a password"
        );
        let issued = challenges.pending_challenges();
        assert_eq!((issued.open.len(), issued.unproven.len()), (MOST + 1, MOST));
    }
}
