//! How an accept travels from packet to packet of an EAP conversation, and from its tunnel to the outer server.
//!
//! Each of these is a request of its own, so a note on one is lost on the next. What is kept between them is the server's
//! session-state list, whose attributes somebody's policy might copy. So it carries a ticket: 128 random bits, good for one
//! accept, for one to two minutes, in this process.

use once_cell::sync::Lazy;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What goes into session-state.
pub(super) type Ticket = [u8; 16];

/// What a ticket is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The accept of an EAP conversation of this user without a tunnel.
    Direct(Vec<u8>),
    /// The accept of an EAP conversation of this user inside a tunnel.
    Inner(Vec<u8>),
    /// The accept of the tunnel itself, after the guard inside it said yes.
    Outer,
}

const LIFE: Duration = Duration::from_secs(60);
const MOST: usize = 1_000_000;

/// Tickets of this minute and of the one before. A generation that grows too large ends early.
struct Issued {
    young: HashMap<Ticket, Purpose>,
    old: HashMap<Ticket, Purpose>,
    since: Instant,
}

static ISSUED: Lazy<Mutex<Issued>> =
    Lazy::new(|| Mutex::new(Issued { young: HashMap::new(), old: HashMap::new(), since: Instant::now() }));

impl Issued {
    fn turn(&mut self) {
        let age = self.since.elapsed();
        if age < LIFE && self.young.len() < MOST {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        if age >= 2 * LIFE {
            self.old.clear();
        }
        self.since = Instant::now();
    }
}

/// A new ticket. `None` if there is no randomness.
pub(super) fn issue(purpose: Purpose) -> Option<Ticket> {
    let mut ticket = Ticket::default();
    getrandom::fill(&mut ticket).ok()?;
    let mut issued = ISSUED.lock().unwrap_or_else(PoisonError::into_inner);
    issued.turn();
    issued.young.insert(ticket, purpose);
    Some(ticket)
}

/// Whether the ticket was good for one of these. From now on it is good for nothing.
pub(super) fn redeem(ticket: &[u8], purposes: &[Purpose]) -> bool {
    let Ok(ticket) = Ticket::try_from(ticket) else { return false };
    let mut issued = ISSUED.lock().unwrap_or_else(PoisonError::into_inner);
    issued.turn();
    let found = issued.young.remove(&ticket).or_else(|| issued.old.remove(&ticket));
    found.is_some_and(|purpose| purposes.contains(&purpose))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticket_is_good_for_one_accept() {
        let ticket = issue(Purpose::Outer).unwrap();
        assert!(redeem(&ticket, &[Purpose::Outer]));
        assert!(!redeem(&ticket, &[Purpose::Outer]));
        assert!(!redeem(&[0; 16], &[Purpose::Outer]));
        assert!(!redeem(&[], &[Purpose::Outer]));
    }

    #[test]
    fn ticket_is_good_for_nothing_else() {
        let inner = |name: &str| Purpose::Inner(name.as_bytes().to_vec());
        for wrong in [inner("bob"), Purpose::Outer, Purpose::Direct(b"alice".to_vec())] {
            let ticket = issue(inner("alice")).unwrap();
            assert!(!redeem(&ticket, &[wrong]));
            assert!(!redeem(&ticket, &[inner("alice")]), "a wrong use ends it");
        }
    }
}
