//! The system's clock, as the composition and its callers read it.

use crate::types::Timestamp;
use std::time::{Duration, SystemTime};

/// The present time of the system's clock.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

/// Time that has passed since `moment`; zero if `moment` is in the future.
pub fn elapsed_since(moment: SystemTime) -> Duration {
    SystemTime::now().duration_since(moment).unwrap_or_default()
}
