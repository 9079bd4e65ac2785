//! How an accept, or a question that is still to be put, travels from packet to packet of an EAP conversation, and from its tunnel
//! to the outer server.
//!
//! Each of these is a request of its own, so a note on one is lost on the next. What is kept between them is the server's
//! session-state list, whose attributes somebody's policy might copy. So it carries a ticket: 128 random bits, good for one
//! use, for one to two minutes, in this process.

use crate::engine::Undecided;
use once_cell::sync::Lazy;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What goes into session-state.
pub(super) type Ticket = [u8; 16];

/// What a ticket is good for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// The accept of an EAP conversation of this user without a tunnel.
    Direct(Vec<u8>),
    /// The accept of an EAP conversation of this user inside a tunnel.
    Inner(Vec<u8>),
    /// The accept of the tunnel itself, after the guard inside it said yes.
    Outer,
    /// A question that the outer server puts once the tunnel has ended well.
    Ask(Box<Undecided>),
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

fn issued() -> MutexGuard<'static, Issued> {
    let mut issued = ISSUED.lock().unwrap_or_else(PoisonError::into_inner);
    issued.turn();
    issued
}

/// A new ticket. `None` if there is no randomness.
pub(super) fn issue(purpose: Purpose) -> Option<Ticket> {
    let mut ticket = Ticket::default();
    getrandom::fill(&mut ticket).ok()?;
    issued().young.insert(ticket, purpose);
    Some(ticket)
}

/// What the ticket was good for. From now on it is good for nothing.
pub(super) fn redeem(ticket: &[u8]) -> Option<Purpose> {
    let ticket = Ticket::try_from(ticket).ok()?;
    let mut issued = issued();
    issued.young.remove(&ticket).or_else(|| issued.old.remove(&ticket))
}

/// Whether the ticket is for a question; it stays good for it.
pub(super) fn is_question(ticket: &[u8]) -> bool {
    let Ok(ticket) = Ticket::try_from(ticket) else { return false };
    let issued = issued();
    let found = issued.young.get(&ticket).or_else(|| issued.old.get(&ticket));
    matches!(found, Some(Purpose::Ask(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticket_is_good_for_one_use() {
        let ticket = issue(Purpose::Outer).unwrap();
        assert!(!is_question(&ticket));
        assert!(matches!(redeem(&ticket), Some(Purpose::Outer)));
        assert!(redeem(&ticket).is_none());
        assert!(redeem(&[0; 16]).is_none());
        assert!(redeem(&[]).is_none());
    }
}
