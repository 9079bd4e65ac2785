//! Right passcodes whose password is being verified. Each is reserved for one request at a time: an attacker who has
//! only the passcode cannot try many passwords with it at once.

use super::port::SpendPasscode;
use crate::types::TokenId;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Those of this process.
#[derive(Default)]
pub(super) struct PasscodeReservations(Arc<Mutex<HashSet<ReservedPasscode>>>);

/// A token, and which of its codes.
type ReservedPasscode = (TokenId, i64);

/// Dropped, it lets the code go.
pub(super) struct PasscodeReservation {
    all: Arc<Mutex<HashSet<ReservedPasscode>>>,
    code: ReservedPasscode,
}

impl PasscodeReservations {
    /// Reserves this passcode; `None` if another request holds it.
    pub(super) fn reserve(&self, token: TokenId, spend: SpendPasscode) -> Option<PasscodeReservation> {
        let which = match spend {
            SpendPasscode::Step { step, .. } => step,
            SpendPasscode::Code { index } => i64::from(index),
            SpendPasscode::Sent { code } => code,
        };
        let code = (token, which);
        lock_reservations(&self.0)
            .insert(code)
            .then(|| PasscodeReservation { all: Arc::clone(&self.0), code })
    }
}

impl Drop for PasscodeReservation {
    fn drop(&mut self) {
        lock_reservations(&self.all).remove(&self.code);
    }
}

fn lock_reservations(all: &Mutex<HashSet<ReservedPasscode>>) -> MutexGuard<'_, HashSet<ReservedPasscode>> {
    all.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(step: i64, drift: i64) -> SpendPasscode {
        SpendPasscode::Step { step, drift, resynchronised: false }
    }

    #[test]
    fn code_is_held_by_one_at_a_time() {
        let held = PasscodeReservations::default();
        let first = held.reserve(TokenId(1), step(7, 0));
        assert!(first.is_some());
        assert!(held.reserve(TokenId(1), step(7, 30)).is_none(), "whatever the clock says");
        assert!(
            held.reserve(TokenId(1), step(8, 0)).is_some() && held.reserve(TokenId(2), step(7, 0)).is_some()
        );
        drop(first);
        assert!(held.reserve(TokenId(1), step(7, 0)).is_some());
        assert!(held.reserve(TokenId(1), SpendPasscode::Code { index: 7 }).is_some());
        assert!(lock_reservations(&held.0).is_empty());
    }
}
