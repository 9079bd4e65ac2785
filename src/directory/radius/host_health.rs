//! Which hosts are well. A host that fell silent is left out while another one answers; where none does, all are
//! asked.
//!
//! That one login got no answer is no sign that a host is dead: servers keep silent where a server behind them does,
//! and an attacker who knows such a name could have all of them left out. So it counts only if nothing at all has
//! come from the host meanwhile.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first pause after a failure, doubled with each further one, and the longest.
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long one try of a host may take.
const LONGEST_TRY: Duration = Duration::from_secs(60);

/// What is known of a host.
#[derive(Default)]
pub(super) struct RadiusHostHealth(Mutex<RadiusHostState>);

#[derive(Default)]
struct RadiusHostState {
    heard: Option<Instant>,
    /// It has answered Status-Server at least once: what it says of itself is better than what a login finds out.
    tells: bool,
    down: Option<RadiusHostDown>,
}

struct RadiusHostDown {
    until: Instant,
    pause: Duration,
    /// A login is trying it; if that does not report back, the next one may try after `until`.
    is_tried: bool,
    why: String,
}

impl RadiusHostHealth {
    fn lock_state(&self) -> MutexGuard<'_, RadiusHostState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the host has answered.
    pub(super) fn is_well(&self, now: Instant) {
        let mut state = self.lock_state();
        (state.heard, state.down) = (Some(now), None);
    }

    /// It has answered Status-Server.
    pub(super) fn has_told(&self, now: Instant) {
        self.is_well(now);
        self.lock_state().tells = true;
    }

    /// It has not answered what was sent at `sent`. Whether that is news, and it is left out from now on.
    pub(super) fn has_failed(&self, why: &str, sent: Instant, now: Instant) -> bool {
        let mut state = self.lock_state();
        if state.heard.is_some_and(|heard| heard >= sent) {
            return false;
        }
        let pause = match &state.down {
            None => PAUSE,
            Some(down) if down.is_tried => down.pause.saturating_mul(2).min(LONGEST_PAUSE),
            // Others who were under way to it are no further failures.
            Some(_) => return false,
        };
        state.down =
            Some(RadiusHostDown { until: next_try(now, pause), pause, is_tried: false, why: why.to_owned() });
        true
    }

    /// Why it is left out, if it is.
    pub(super) fn why_down(&self) -> Option<String> {
        self.lock_state().down.as_ref().map(|down| down.why.clone())
    }

    /// Whether it is left out.
    pub(super) fn is_down(&self) -> bool {
        self.lock_state().down.is_some()
    }

    /// Whether it is time to try it again; if so, this caller alone does.
    fn is_due(&self, now: Instant) -> bool {
        match &mut self.lock_state().down {
            Some(down) if now >= down.until => {
                (down.until, down.is_tried) = (next_try(now, LONGEST_TRY), true);
                true
            }
            _ => false,
        }
    }

    fn should_report(&self) -> bool {
        self.lock_state().tells
    }
}

fn next_try(now: Instant, pause: Duration) -> Instant {
    now.checked_add(pause).unwrap_or(now)
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
    let probe: Vec<_> = hosts.iter().filter(|host| health(host).is_due(now)).cloned().collect();
    let Some(first) = ask.first() else {
        return RadiusHostOrder { trial: Vec::new(), ask: hosts.to_vec(), probe };
    };
    let before: Vec<_> = hosts.iter().take_while(|host| !Arc::ptr_eq(host, first)).collect();
    let is_before = |host: &&Arc<H>| before.iter().any(|other| Arc::ptr_eq(other, host));
    let trial =
        probe.iter().filter(is_before).filter(|host| !health(host).should_report()).cloned().collect();
    RadiusHostOrder { trial, ask, probe }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert!(hosts[0].has_failed("x", now, now) && !hosts[0].has_failed("x", now, now));
        assert_eq!(told(&hosts, now), [vec![], vec![1], vec![]]);
        let later = now + PAUSE;
        assert_eq!(told(&hosts, later), [vec![0], vec![1], vec![0]]);
        assert_eq!(told(&hosts, later), [vec![], vec![1], vec![]], "one tries it");
        assert!(hosts[0].has_failed("x", later, later));
        assert_eq!(told(&hosts, later + PAUSE), [vec![], vec![1], vec![]], "the pause has doubled");
        hosts[0].has_told(later);
        assert_eq!(told(&hosts, later), [vec![], vec![0, 1], vec![]]);
        assert!(hosts[0].has_failed("x", later + PAUSE, later + PAUSE));
        let last = later + 3 * PAUSE;
        assert_eq!(told(&hosts, last), [vec![], vec![1], vec![0]], "it tells of itself: no login tries it");
    }

    #[test]
    fn host_that_answers_others_is_not_left_out() {
        let (hosts, now) = two();
        hosts[0].is_well(now + PAUSE);
        assert!(!hosts[0].has_failed("x", now, now + 2 * PAUSE));
        assert_eq!(told(&hosts, now + 2 * PAUSE), [vec![], vec![0, 1], vec![]]);
    }

    #[test]
    fn where_all_are_silent_all_are_asked() {
        let (hosts, now) = two();
        assert!(hosts.iter().all(|host| host.has_failed("x", now, now)));
        assert_eq!(told(&hosts, now), [vec![], vec![0, 1], vec![]]);
        assert_eq!(told(&hosts, now + PAUSE), [vec![], vec![0, 1], vec![0, 1]]);
    }

    #[test]
    fn host_behind_one_that_is_well_is_tried_by_nobody() {
        let (hosts, now) = two();
        assert!(hosts[1].has_failed("x", now, now));
        assert_eq!(told(&hosts, now + PAUSE), [vec![], vec![0], vec![1]]);
    }
}
