//! Whether those outside who are asked about users are quick. While they are, a login keeps its thread until it has its answer:
//! leaving it costs more than that. Once they are not, logins leave their threads at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Who is quick answers within that.
const QUICK: Duration = Duration::from_millis(50);

/// How quick they were the last time.
#[derive(Debug, Default)]
pub(crate) struct BackendLatency {
    is_slow: AtomicBool,
}

impl BackendLatency {
    /// How long a login keeps its thread.
    pub(crate) fn grace_period(&self) -> Duration {
        if self.is_slow.load(Ordering::Relaxed) { Duration::ZERO } else { QUICK }
    }

    /// A login did not have its answer in that time.
    pub(crate) fn is_over(&self) {
        self.is_slow.store(true, Ordering::Relaxed);
    }

    /// A backend has answered after this time.
    pub(crate) fn record_answer(&self, took: Duration) {
        self.is_slow.store(took > QUICK, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_keeps_a_thread_for_who_is_slow_until_he_is_quick_again() {
        let pace = BackendLatency::default();
        assert_eq!(pace.grace_period(), QUICK);
        pace.is_over();
        assert_eq!(pace.grace_period(), Duration::ZERO);
        pace.record_answer(2 * QUICK);
        assert_eq!(pace.grace_period(), Duration::ZERO);
        pace.record_answer(QUICK / 2);
        assert_eq!(pace.grace_period(), QUICK);
    }
}
