//! Refusals that leave later than others.

use super::Mfa;
use crate::engine::Decision;
use crate::freeradius::{List, Request};
use std::time::Duration;

/// `reject_delay` as the server ships it, which the attribute takes the place of.
const REJECT_DELAY: Duration = Duration::from_secs(1);
/// The server holds no answer for longer.
const LONGEST: Duration = Duration::from_secs(10);

impl Mfa {
    /// Has the server hold the refusal for as long as the decision says, without a thread.
    pub(super) fn hold(&self, request: &mut Request<'_>, decision: &Decision) {
        if decision.hold.is_zero() {
            return;
        }
        let delay = decision.hold.saturating_add(REJECT_DELAY).min(LONGEST);
        let micros = u32::try_from(delay.as_micros()).unwrap_or_default();
        // If the attribute cannot be set, the refusal leaves like any other.
        let _ = request.set(List::Reply, self.attributes.response_delay, &micros.to_be_bytes());
    }
}
