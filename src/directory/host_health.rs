//! Whether a host is left out for a while: one circuit breaker for every kind of host.
//!
//! A host that failed is left out, so that it costs one login its time and not all of them. When the pause is over, one
//! caller tries it; each failed trial doubles the pause.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The first pause after a failure, doubled with each further one, and the longest.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What is known of a host.
pub(super) struct HostHealth {
    state: Mutex<HealthState>,
    /// How long one trial may take. After that another caller may try.
    longest_trial: Duration,
}

#[derive(Default)]
struct HealthState {
    heard: Option<Instant>,
    down: Option<HostOutage>,
}

struct HostOutage {
    until: Instant,
    pause: Duration,
    is_tried: bool,
    why: String,
}

/// Which failures leave a host out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FailureWeight {
    /// Any.
    Certain,
    /// One of a request that was sent then: only if nothing has come from the host since. That one login got no
    /// answer is no sign that a host is dead: servers keep silent where a server behind them does, and an attacker who
    /// knows such a name could have all of them left out.
    SilentSince(Instant),
}

/// What a failure changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(super) enum FailureEffect {
    /// The host is left out from now on.
    LeftOut,
    /// Nothing: the host is left out already, or has answered others.
    Unchanged,
}

impl HostHealth {
    /// A host that is well as far as is known.
    pub(super) fn new(longest_trial: Duration) -> Self {
        Self { state: Mutex::default(), longest_trial }
    }

    fn lock_state(&self) -> MutexGuard<'_, HealthState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the host has answered.
    pub(super) fn record_success(&self, now: Instant) {
        let mut state = self.lock_state();
        (state.heard, state.down) = (Some(now), None);
    }

    /// Records that the host has failed.
    pub(super) fn record_failure(&self, why: &str, weight: FailureWeight, now: Instant) -> FailureEffect {
        let mut state = self.lock_state();
        if let FailureWeight::SilentSince(sent) = weight
            && state.heard.is_some_and(|heard| heard >= sent)
        {
            return FailureEffect::Unchanged;
        }
        let pause = match &state.down {
            None => PAUSE,
            Some(down) if down.is_tried => down.pause.saturating_mul(2).min(LONGEST_PAUSE),
            // Others who were under way to it are no further failures.
            Some(_) => return FailureEffect::Unchanged,
        };
        let (until, why) = (end_of(pause, now), why.to_owned());
        state.down = Some(HostOutage { until, pause, is_tried: false, why });
        FailureEffect::LeftOut
    }

    /// Why it is left out, if it is.
    pub(super) fn outage_reason(&self) -> Option<String> {
        self.lock_state().down.as_ref().map(|down| down.why.clone())
    }

    /// Whether it is left out.
    pub(super) fn is_down(&self) -> bool {
        self.lock_state().down.is_some()
    }

    /// Whether it is left out and a caller tries it.
    pub(super) fn is_tried(&self) -> bool {
        self.lock_state().down.as_ref().is_some_and(|down| down.is_tried)
    }

    /// Starts a trial if it is time for one: then this caller, and no other, tries the host.
    pub(super) fn start_trial(&self, now: Instant) -> bool {
        match &mut self.lock_state().down {
            Some(down) if now >= down.until => {
                (down.until, down.is_tried) = (end_of(self.longest_trial, now), true);
                true
            }
            _ => false,
        }
    }
}

fn end_of(pause: Duration, now: Instant) -> Instant {
    now.checked_add(pause).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fails(health: &HostHealth, now: Instant) -> FailureEffect {
        health.record_failure("x", FailureWeight::Certain, now)
    }

    #[test]
    fn failure_leaves_the_host_out_and_one_caller_tries_it() {
        let (health, now) = (HostHealth::new(Duration::from_secs(30)), Instant::now());
        assert!(!health.is_down() && !health.start_trial(now));
        assert_eq!(fails(&health, now), FailureEffect::LeftOut);
        assert_eq!(fails(&health, now), FailureEffect::Unchanged, "others were under way");
        assert_eq!(health.outage_reason().as_deref(), Some("x"));
        assert!(
            !health.start_trial(now) && health.start_trial(now + PAUSE) && !health.start_trial(now + PAUSE)
        );
        assert!(
            health.is_tried() && health.start_trial(now + PAUSE + Duration::from_secs(30)),
            "it never came back"
        );
        health.record_success(now);
        assert!(!health.is_down() && !health.is_tried());
    }

    #[test]
    fn pause_doubles_with_each_failed_trial_up_to_a_limit() {
        let (health, mut now) = (HostHealth::new(Duration::from_secs(30)), Instant::now());
        let _ = fails(&health, now);
        for pause in [1, 2, 4, 8, 15, 15] {
            let pause = Duration::from_secs(pause);
            assert!(!health.start_trial(now + pause - Duration::from_millis(1)), "{pause:?}");
            now += pause;
            assert!(health.start_trial(now), "{pause:?}");
            assert_eq!(fails(&health, now), FailureEffect::LeftOut);
        }
    }

    #[test]
    fn silence_counts_only_if_the_host_was_silent_for_all() {
        let (health, now) = (HostHealth::new(Duration::from_secs(30)), Instant::now());
        health.record_success(now + PAUSE);
        let silent = |sent| health.record_failure("x", FailureWeight::SilentSince(sent), now + 2 * PAUSE);
        assert_eq!(silent(now), FailureEffect::Unchanged);
        assert_eq!(silent(now + PAUSE + PAUSE / 2), FailureEffect::LeftOut);
    }
}
