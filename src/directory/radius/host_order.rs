//! Which hosts a login asks, and in which order. A host that fell silent is left out while another one answers; where none
//! does, all are asked.

use super::super::host_health::{FailureEffect, FailureWeight, HostHealth};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long one try of a host may take.
const LONGEST_TRY: Duration = Duration::from_secs(60);

/// What is known of a host.
pub(super) struct RadiusHostHealth {
    breaker: HostHealth,
    /// It has answered Status-Server at least once: what it says of itself is better than what a login finds out.
    reports: AtomicBool,
}

impl Default for RadiusHostHealth {
    fn default() -> Self {
        Self { breaker: HostHealth::new(LONGEST_TRY), reports: AtomicBool::new(false) }
    }
}

impl RadiusHostHealth {
    /// Records that the host has answered.
    pub(super) fn record_success(&self, now: Instant) {
        self.breaker.record_success(now);
    }

    /// Records that it has answered Status-Server.
    pub(super) fn record_report(&self, now: Instant) {
        self.record_success(now);
        self.reports.store(true, Ordering::Relaxed);
    }

    /// Records that it has not answered what was sent at `sent`.
    pub(super) fn record_failure(&self, why: &str, sent: Instant, now: Instant) -> FailureEffect {
        self.breaker.record_failure(why, FailureWeight::SilentSince(sent), now)
    }

    /// Why it is left out, if it is.
    pub(super) fn outage_reason(&self) -> Option<String> {
        self.breaker.outage_reason()
    }

    /// Whether it is left out.
    pub(super) fn is_down(&self) -> bool {
        self.breaker.is_down()
    }
}

/// Whom a login asks, and who is asked for a sign of life beside it.
pub(super) struct RadiusHostOrder<H> {
    /// Once, and before the healthy hosts: it may be healthy again, which only a request can show.
    pub(super) trial: Vec<Arc<H>>,
    pub(super) ask: Vec<Arc<H>>,
    pub(super) probe: Vec<Arc<H>>,
}

/// Those that are well, in their order; all, if none is.
pub(super) fn host_order<H>(
    hosts: &[Arc<H>],
    health: impl Fn(&H) -> &RadiusHostHealth,
    now: Instant,
) -> RadiusHostOrder<H> {
    let ask: Vec<_> = hosts.iter().filter(|host| !health(host).is_down()).cloned().collect();
    let probe: Vec<_> = hosts.iter().filter(|host| health(host).breaker.start_trial(now)).cloned().collect();
    let Some(first) = ask.first() else {
        return RadiusHostOrder { trial: Vec::new(), ask: hosts.to_vec(), probe };
    };
    let before: Vec<_> = hosts.iter().take_while(|host| !Arc::ptr_eq(host, first)).collect();
    let is_before = |host: &&Arc<H>| before.iter().any(|other| Arc::ptr_eq(other, host));
    let trial = probe
        .iter()
        .filter(is_before)
        .filter(|host| !health(host).reports.load(Ordering::Relaxed))
        .cloned()
        .collect();
    RadiusHostOrder { trial, ask, probe }
}

#[cfg(test)]
mod tests {
    use super::super::super::host_health::PAUSE;
    use super::*;

    fn fails(host: &RadiusHostHealth, sent: Instant, now: Instant) -> bool {
        host.record_failure("x", sent, now) == FailureEffect::LeftOut
    }

    fn told(hosts: &[Arc<RadiusHostHealth>], now: Instant) -> [Vec<usize>; 3] {
        let order = host_order(hosts, |health| health, now);
        [order.trial, order.ask, order.probe].map(|some| {
            some.iter().map(|one| hosts.iter().position(|host| Arc::ptr_eq(host, one)).unwrap()).collect()
        })
    }

    fn two() -> ([Arc<RadiusHostHealth>; 2], Instant) {
        ([Arc::default(), Arc::default()], Instant::now())
    }

    #[test]
    fn silent_host_is_left_out_until_one_login_has_found_it_well() {
        let (hosts, now) = two();
        assert!(fails(&hosts[0], now, now) && !fails(&hosts[0], now, now));
        assert_eq!(told(&hosts, now), [vec![], vec![1], vec![]]);
        let later = now + PAUSE;
        assert_eq!(told(&hosts, later), [vec![0], vec![1], vec![0]]);
        assert_eq!(told(&hosts, later), [vec![], vec![1], vec![]], "one tries it");
        assert!(fails(&hosts[0], later, later));
        assert_eq!(told(&hosts, later + PAUSE), [vec![], vec![1], vec![]], "the pause has doubled");
        hosts[0].record_report(later);
        assert_eq!(told(&hosts, later), [vec![], vec![0, 1], vec![]]);
        assert!(fails(&hosts[0], later + PAUSE, later + PAUSE));
        let last = later + 3 * PAUSE;
        assert_eq!(told(&hosts, last), [vec![], vec![1], vec![0]], "it tells of itself: no login tries it");
    }

    #[test]
    fn host_that_answers_others_is_not_left_out() {
        let (hosts, now) = two();
        hosts[0].record_success(now + PAUSE);
        assert!(!fails(&hosts[0], now, now + 2 * PAUSE));
        assert_eq!(told(&hosts, now + 2 * PAUSE), [vec![], vec![0, 1], vec![]]);
    }

    #[test]
    fn where_all_are_silent_all_are_asked() {
        let (hosts, now) = two();
        assert!(hosts.iter().all(|host| fails(host, now, now)));
        assert_eq!(told(&hosts, now), [vec![], vec![0, 1], vec![]]);
        assert_eq!(told(&hosts, now + PAUSE), [vec![], vec![0, 1], vec![0, 1]]);
    }

    #[test]
    fn host_behind_one_that_is_well_is_tried_by_nobody() {
        let (hosts, now) = two();
        assert!(fails(&hosts[1], now, now));
        assert_eq!(told(&hosts, now + PAUSE), [vec![], vec![0], vec![1]]);
    }
}
