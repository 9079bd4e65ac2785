//! The system's clock. Nothing else reads it: what needs the time gets it as an argument or from here.

use crate::types::Timestamp;
use std::time::{Duration, SystemTime};

/// The present time of the system's clock.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}

/// The same as the standard library has it.
pub fn system_time() -> SystemTime {
    SystemTime::now()
}

/// Time that has passed since `moment`; zero if `moment` is in the future.
pub fn elapsed_since(moment: SystemTime) -> Duration {
    SystemTime::now().duration_since(moment).unwrap_or_default()
}
