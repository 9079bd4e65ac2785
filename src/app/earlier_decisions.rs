//! Decisions on earlier datagrams, for clients that resend a packet after the server has dropped its reply.
//!
//! Kept under a keyed digest of the client's address and port and of all octets of the datagram: another authenticator is another
//! attempt. It holds accepts and challenges, no password and no key; [`crate::engine`] decides whether one still holds.

use super::block_on;
use super::services::App;
use crate::engine::{DatagramRecord, Decision, EarlierDecision, PendingLogin, ProofClass};
use crate::types::keyed_digest;
use once_cell::sync::Lazy;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Maximum number of decisions in this process.
const MOST: usize = 65_536;
/// Maximum size of all decisions, in octets.
const MOST_OCTETS: usize = 8 * 1024 * 1024;
/// Octets that one takes beside what it holds: its digest twice, its time, its count of references, and room in the tables.
const EACH: usize = size_of::<EarlierDecision>() + 2 * size_of::<DatagramDigest>() + 160;

/// The keyed digest of a datagram.
pub type DatagramDigest = [u8; 32];

/// One table for all instances: each has its own key.
static KEPT: Lazy<Mutex<EarlierDecisions>> = Lazy::new(Mutex::default);

#[derive(Default)]
struct EarlierDecisions {
    decisions: HashMap<DatagramDigest, DecisionEntry>,
    /// The keys of challenges that anyone can cause, oldest first.
    unproven: VecDeque<(Instant, DatagramDigest)>,
    /// All others, in the same order.
    proven: VecDeque<(Instant, DatagramDigest)>,
    octets: usize,
}

struct DecisionEntry {
    since: Instant,
    decision: Arc<EarlierDecision>,
    octets: usize,
}

impl EarlierDecisions {
    fn find_decision(
        &self,
        key: &DatagramDigest,
        keep: Duration,
        now: Instant,
    ) -> Option<Arc<EarlierDecision>> {
        let entry = self.decisions.get(key)?;
        (now.saturating_duration_since(entry.since) < keep).then(|| Arc::clone(&entry.decision))
    }

    /// Keeps the first decision on a datagram: resending the datagram does not extend its lifetime.
    fn insert(&mut self, key: DatagramDigest, decision: Arc<EarlierDecision>, keep: Duration, now: Instant) {
        for class in ProofClass::ALL {
            let is_over =
                |(since, _): &(Instant, DatagramDigest)| now.saturating_duration_since(*since) >= keep;
            while self.queue_mut(class).front().is_some_and(is_over) {
                self.forget_oldest(class);
            }
        }
        let class = decision.proof_class();
        let octets = EACH + decision.heap_size();
        if octets > MOST_OCTETS / 64 || self.decisions.contains_key(&key) {
            return;
        }
        while self.decisions.len() >= MOST || self.octets + octets > MOST_OCTETS {
            let class = if self.unproven.is_empty() { ProofClass::Proven } else { ProofClass::Unproven };
            self.forget_oldest(class);
        }
        self.octets += octets;
        self.queue_mut(class).push_back((now, key));
        self.decisions.insert(key, DecisionEntry { since: now, decision, octets });
    }

    fn queue_mut(&mut self, class: ProofClass) -> &mut VecDeque<(Instant, DatagramDigest)> {
        class.select(&mut self.unproven, &mut self.proven)
    }

    fn forget_oldest(&mut self, class: ProofClass) {
        let Some((_, key)) = self.queue_mut(class).pop_front() else { return };
        if let Some(entry) = self.decisions.remove(&key) {
            self.octets = self.octets.saturating_sub(entry.octets);
        }
    }
}

fn lock_kept() -> MutexGuard<'static, EarlierDecisions> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

impl App {
    /// The key of a datagram; `None` if no decisions are kept.
    pub fn datagram_key(&self, parts: &[&[u8]]) -> Option<DatagramDigest> {
        if self.shared.config.resend_time.is_zero() {
            None
        } else {
            keyed_digest(&self.tag_key, parts.iter().copied())
        }
    }

    /// The decision on a datagram.
    pub fn earlier_decision(&self, key: Option<DatagramDigest>) -> DatagramRecord {
        let Some(key) = key else { return DatagramRecord::Unknown };
        let found = lock_kept().find_decision(&key, self.shared.config.resend_time, Instant::now());
        found.map_or(DatagramRecord::New, DatagramRecord::Again)
    }

    /// Keeps the decision on a datagram.
    pub fn keep_decision(&self, key: DatagramDigest, decision: Arc<EarlierDecision>) {
        lock_kept().insert(key, decision, self.shared.config.resend_time, Instant::now());
    }

    /// The decision on the same datagram, so that no push is sent a second time.
    pub(super) fn repeat_decision(&self, undecided: PendingLogin) -> Result<Decision, Box<PendingLogin>> {
        let user = undecided.name.clone();
        let repeated = block_on::for_at_most(self.patience, self.shared.engine.repeat_push(undecided));
        repeated.unwrap_or_else(|| Ok(self.time_out_decision(user.as_str().as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision() -> Arc<EarlierDecision> {
        Arc::new(EarlierDecision::sample_for("alice"))
    }

    fn key(n: usize) -> DatagramDigest {
        let mut key = DatagramDigest::default();
        key[..8].copy_from_slice(&n.to_be_bytes());
        key
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn decision_is_kept_for_its_time_and_not_prolonged() {
        let (mut kept, start) = (EarlierDecisions::default(), Instant::now());
        kept.insert(key(1), decision(), MINUTE, start);
        kept.insert(key(1), decision(), MINUTE, start + MINUTE / 2);
        assert!(kept.find_decision(&key(1), MINUTE, start + MINUTE - Duration::from_secs(1)).is_some());
        assert!(kept.find_decision(&key(1), MINUTE, start + MINUTE).is_none());
        assert!(kept.find_decision(&key(2), MINUTE, start).is_none());
        kept.insert(key(2), decision(), MINUTE, start + MINUTE);
        assert_eq!((kept.decisions.len(), kept.proven.len()), (1, 1));
    }

    #[test]
    fn table_is_bounded_by_number_and_octets_and_forgets_the_oldest() {
        let (mut kept, start, one) = (EarlierDecisions::default(), Instant::now(), decision());
        for n in 0..MOST + 10 {
            kept.insert(key(n), Arc::clone(&one), MINUTE, start);
        }
        assert!(kept.decisions.len() <= MOST && kept.octets <= MOST_OCTETS);
        assert_eq!(kept.decisions.len(), kept.proven.len());
        assert!(kept.find_decision(&key(0), MINUTE, start).is_none());
        assert!(kept.find_decision(&key(MOST + 9), MINUTE, start).is_some());
        let long = Arc::new(EarlierDecision::sample_for(&"x".repeat(MOST_OCTETS / 64)));
        kept.insert(key(MOST + 10), long, MINUTE, start);
        assert!(kept.find_decision(&key(MOST + 10), MINUTE, start).is_none(), "none takes much of it");
        while kept.octets > 0 {
            kept.forget_oldest(ProofClass::Proven);
        }
        assert!(kept.decisions.is_empty() && kept.proven.is_empty());
    }

    #[test]
    fn challenges_that_anyone_can_cause_displace_no_accept() {
        let (mut kept, start) = (EarlierDecisions::default(), Instant::now());
        kept.insert(key(0), decision(), MINUTE, start);
        let asked = Arc::new(EarlierDecision::sample_challenge("alice"));
        for n in 1..MOST + 10 {
            kept.insert(key(n), Arc::clone(&asked), MINUTE, start);
        }
        assert!(kept.decisions.len() <= MOST && kept.octets <= MOST_OCTETS);
        assert!(kept.find_decision(&key(0), MINUTE, start).is_some());
        assert!(kept.find_decision(&key(1), MINUTE, start).is_none());
        for n in 0..MOST {
            kept.insert(key(2 * MOST + n), decision(), MINUTE, start);
        }
        assert!(kept.unproven.is_empty() && kept.octets <= MOST_OCTETS);
        assert_eq!(kept.decisions.len(), kept.proven.len());
    }
}
