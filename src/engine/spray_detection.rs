//! Guesses that go on: through one client from name to name (a spray), or at one name from anywhere. What is noticed here is answered
//! later, whether the name exists or not; how many guesses count is bounded by the store ([`super::failure_budget`]).

use crate::types::Timestamp;
use std::collections::HashMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Within what time names are counted.
const WINDOW: Duration = Duration::from_secs(5 * 60);

/// From so many different names on it is a spray.
const NAMES: usize = 30;

/// So many failures of one name are guesses at it.
const FAILURES: u32 = 30;

/// How often a spray is told of.
const OFTEN: Duration = Duration::from_secs(60);

/// By how much refusals without a proven password are held back meanwhile: less than any client waits.
const HOLD: Duration = Duration::from_secs(2);

/// Clients that are watched at most.
const CLIENTS: usize = 1024;

/// Names that are watched at most.
const USERS: usize = 65_536;

/// Failures without a proven password, by client and by name.
#[derive(Debug, Default)]
pub(super) struct SprayDetector {
    clients: Mutex<HashMap<String, ClientNames>>,
    users: Mutex<HashMap<u64, NameFailures>>,
}

/// The failures of a name since its window began.
#[derive(Clone, Copy, Debug)]
struct NameFailures {
    since: Timestamp,
    count: u32,
}

/// The names of a client since its window began, as hashes; no more than make a spray, whatever comes.
#[derive(Clone, Debug)]
struct ClientNames {
    since: Timestamp,
    names: Vec<u64>,
    last: Timestamp,
    told: Option<Timestamp>,
}

/// What a failure means for the answer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct SprayEffect {
    /// By how much it is held back.
    pub(super) hold: Duration,
    /// What the administrator is told, once a minute at most.
    pub(super) alarm: Option<SprayAlarm>,
}

/// A client through which many names are tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SprayAlarm {
    /// The client's address.
    pub client: String,
}

impl std::fmt::Display for SprayAlarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let minutes = WINDOW.as_secs() / 60;
        write!(
            f,
            "client {}: wrong logins for {NAMES} or more names within {minutes} min: passwords or codes are tried on many users; \
             refusals through it are held back, see guesses_per_client in lockout {{ }}, and look for the source: mfa audit",
            self.client
        )
    }
}

/// What is done with a failure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FailureUse {
    /// It is counted.
    Record,
    /// It is only asked what it would come to.
    Preview,
}

impl SprayDetector {
    /// A failure without a proven password.
    pub(super) fn record_failure(&self, client: &str, user: &str, now: Timestamp) -> SprayEffect {
        self.notice_failure(client, user, now, FailureUse::Record)
    }

    /// By how much such a failure would be held back now. Changes nothing.
    pub(super) fn delay_now(&self, client: &str, user: &str, now: Timestamp) -> Duration {
        self.notice_failure(client, user, now, FailureUse::Preview).hold
    }

    fn notice_failure(&self, client: &str, user: &str, now: Timestamp, failure: FailureUse) -> SprayEffect {
        let name = hash(user);
        let noticed = self.at_client(client, name, now, failure);
        if self.at_user(name, now, failure) { SprayEffect { hold: HOLD, ..noticed } } else { noticed }
    }

    /// Whether a name is being guessed at.
    fn at_user(&self, name: u64, now: Timestamp, failure: FailureUse) -> bool {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= USERS && !users.contains_key(&name) {
            users.retain(|_, counted| now.since(counted.since) < WINDOW);
            if users.len() >= USERS {
                return false;
            }
        }
        let mut counted = users.get(&name).copied().unwrap_or(NameFailures { since: now, count: 0 });
        if now.since(counted.since) >= WINDOW {
            counted = NameFailures { since: now, count: counted.count.min(FAILURES) / 2 };
        }
        counted.count = counted.count.saturating_add(1);
        if failure == FailureUse::Record {
            users.insert(name, counted);
        }
        counted.count > FAILURES
    }

    fn at_client(&self, client: &str, name: u64, now: Timestamp, failure: FailureUse) -> SprayEffect {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if clients.len() >= CLIENTS && !clients.contains_key(client) {
            clients.retain(|_, watched| now.since(watched.last) < WINDOW);
            // Clients are those of clients.conf: so many at once that a few are not watched is a large site, not a flood.
            if clients.len() >= CLIENTS {
                return SprayEffect::default();
            }
        }
        let new = || ClientNames { since: now, names: Vec::new(), last: now, told: None };
        let mut looked_at = None;
        let watched = match failure {
            FailureUse::Record => clients.entry(client.to_owned()).or_insert_with(new),
            FailureUse::Preview => looked_at.insert(clients.get(client).cloned().unwrap_or_else(new)),
        };
        watched.last = now;
        let is_spray = watched.names.len() >= NAMES;
        if now.since(watched.since) >= WINDOW {
            // A spray that goes on is noticed after half as many names.
            watched.since = now;
            watched.names.truncate(if is_spray { NAMES / 2 } else { 0 });
        }
        if watched.names.len() < NAMES && !watched.names.contains(&name) {
            watched.names.push(name);
        }
        if watched.names.len() < NAMES {
            return SprayEffect::default();
        }
        let tells = watched.told.is_none_or(|told| now.since(told) >= OFTEN);
        if tells {
            watched.told = Some(now);
        }
        SprayEffect { hold: HOLD, alarm: tells.then(|| SprayAlarm { client: client.to_owned() }) }
    }
}

fn hash(name: &str) -> u64 {
    let mut hash = DefaultHasher::new();
    name.hash(&mut hash);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(1_000_000 + seconds)
    }

    #[test]
    fn many_names_through_one_client_are_told_of_once_a_minute_and_held_back() {
        let sprays = SprayDetector::default();
        let mut alarms = Vec::new();
        for second in 0..120u64 {
            let noticed = sprays.record_failure("192.0.2.1", &format!("user{second}"), at(second));
            assert_eq!(noticed.hold.is_zero(), second < 29, "{second}");
            alarms.extend(noticed.alarm.map(|_| second));
        }
        assert_eq!(alarms, [29, 89]);
        assert_eq!(
            sprays.record_failure("192.0.2.2", "user1", at(120)),
            SprayEffect::default(),
            "another client"
        );
    }

    #[test]
    fn one_name_again_and_again_is_no_spray() {
        let sprays = SprayDetector::default();
        for second in 0..200u64 {
            let user = format!("user{}", second % 20);
            assert_eq!(sprays.record_failure("192.0.2.1", &user, at(second)), SprayEffect::default());
        }
    }

    #[test]
    fn guesses_at_one_name_are_held_back_wherever_they_come_from() {
        let sprays = SprayDetector::default();
        let failed = |n: u64| sprays.record_failure(&format!("192.0.2.{}", n % 250), "alice", at(n)).hold;
        let held: Vec<_> = (0..40).filter(|n| !failed(*n).is_zero()).collect();
        assert_eq!(held, (30..40).collect::<Vec<_>>());
        assert!(sprays.record_failure("192.0.2.1", "bob", at(40)).hold.is_zero());
        assert!(failed(1000).is_zero(), "they have ended");
    }

    #[test]
    fn what_is_only_looked_at_is_held_back_like_the_next_failure_and_counts_nothing() {
        let (looked_at, other) = (SprayDetector::default(), SprayDetector::default());
        for second in 0..700u64 {
            for user in ["alice".to_owned(), format!("user{second}")] {
                let hold = looked_at.delay_now("192.0.2.1", &user, at(second));
                let noticed = looked_at.record_failure("192.0.2.1", &user, at(second));
                assert_eq!(hold, noticed.hold, "{second}");
                assert_eq!(noticed, other.record_failure("192.0.2.1", &user, at(second)), "{second}");
            }
        }
    }

    #[test]
    fn as_many_names_in_a_longer_time_are_none() {
        let sprays = SprayDetector::default();
        for n in 0..200u64 {
            let noticed = sprays.record_failure("192.0.2.1", &format!("user{n}"), at(n * 15));
            assert_eq!(noticed, SprayEffect::default(), "{n}");
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let sprays = SprayDetector::default();
        for n in 0..2 * CLIENTS {
            let _ = sprays.record_failure(&format!("client{n}"), "user", at(0));
        }
        for n in 0..USERS + 10 {
            let _ = sprays.record_failure("client1", &format!("user{n}"), at(1));
        }
        assert!(sprays.users.lock().unwrap().len() <= USERS);
        let clients = sprays.clients.lock().unwrap();
        assert!(clients.len() == CLIENTS && clients.values().all(|watched| watched.names.len() <= NAMES));
    }
}
