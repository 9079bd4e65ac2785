//! Tracks whether the external backends currently respond fast. While they do, a login keeps its thread until the answer arrives,
//! which costs less than parking it. When they are slow, logins leave their threads at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A fast backend answers within this time.
const QUICK: Duration = Duration::from_millis(50);

/// Whether the last answer was slow.
#[derive(Debug, Default)]
pub(crate) struct BackendLatency {
    is_slow: AtomicBool,
}

impl BackendLatency {
    /// Time that a login keeps its thread.
    pub(crate) fn grace_period(&self) -> Duration {
        if self.is_slow.load(Ordering::Relaxed) { Duration::ZERO } else { QUICK }
    }

    /// Records that no answer arrived within the grace period.
    pub(crate) fn record_timeout(&self) {
        self.is_slow.store(true, Ordering::Relaxed);
    }

    /// Records the time that a backend took to answer.
    pub(crate) fn record_answer(&self, took: Duration) {
        self.is_slow.store(took > QUICK, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_backend_ends_the_grace_period_until_it_is_fast_again() {
        let pace = BackendLatency::default();
        assert_eq!(pace.grace_period(), QUICK);
        pace.record_timeout();
        assert_eq!(pace.grace_period(), Duration::ZERO);
        pace.record_answer(2 * QUICK);
        assert_eq!(pace.grace_period(), Duration::ZERO);
        pace.record_answer(QUICK / 2);
        assert_eq!(pace.grace_period(), QUICK);
    }
}
