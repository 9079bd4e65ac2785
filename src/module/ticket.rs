//! Carries an accept, or a push that is still to be sent, from packet to packet of an EAP conversation, and from its
//! tunnel to the outer server.
//!
//! Each of these is a request of its own, so a note on one is lost on the next. What is kept between them is the
//! server's session-state list, and a policy might copy its attributes. So it carries a ticket: 128 random bits, good
//! for one use by one conversation about one user, for one to two minutes, in this process.
//!
//! What the server does in a tunnel, and what follows:
//!
//! - TTLS/PAP ends in the packet that the password came with: inner and outer accept are one packet's. TTLS/MSCHAPv2 and PEAP
//!   need another round (the peer checks the server's answer), so the ticket outlives a packet in the outer session-state.
//!   That of an inner request does not survive it.
//! - In PEAP/MSCHAPv2 the response is checked in one inner request and accepted in the next, which has no trace of it. `mfa`
//!   behind `mschap` sees the first, `mfa` in the inner `post-auth` only the second. Either may leave the question, and it does no
//!   harm if both do: a question that is there is not left again.
//! - A TTLS peer that has been accepted may log in again, as another user, in the same tunnel; the last reply then has
//!   attributes of both. So a conversation is about one user: a second user gets no ticket, and that of the first is
//!   removed.
//! - TTLS inside of TTLS has a name in between that is not checked. There is no ticket from in there.

use crate::engine::{LoginAttempt, PendingLogin};
use once_cell::sync::Lazy;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The value that is kept in session-state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct SessionTicket(pub(super) [u8; 16]);

impl TryFrom<&[u8]> for SessionTicket {
    type Error = std::array::TryFromSliceError;

    fn try_from(octets: &[u8]) -> Result<Self, Self::Error> {
        octets.try_into().map(Self)
    }
}

impl std::fmt::Debug for SessionTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionTicket(<<< secret >>>)")
    }
}

/// The contents of a ticket.
#[derive(Debug)]
pub(super) struct TicketContents {
    /// The user, as the name was typed.
    pub(super) user: Vec<u8>,
    /// The server's session that it is valid in: a copy in another session is worthless.
    pub(super) session: usize,
    /// What the ticket permits.
    pub(super) purpose: TicketPurpose,
}

/// The purpose of a ticket.
#[derive(Debug)]
pub(super) enum TicketPurpose {
    /// The accept of an EAP conversation without a tunnel.
    Direct,
    /// The accept of an EAP conversation inside a tunnel.
    Inner,
    /// The accept of the tunnel itself, after the guard inside it has accepted.
    Outer,
    /// A question that the server asks once the conversation has succeeded.
    Ask(TunnelQuestion),
}

/// What the outer server of a tunnel has to do.
#[derive(Debug)]
pub(super) enum TunnelQuestion {
    /// Send the push.
    New(Box<PendingLogin>),
    /// Wait: the push was sent, its number was shown in the tunnel, and the user has confirmed to answer it.
    Shown(Box<LoginAttempt>),
}

/// The age at which a generation of tickets ends.
const GENERATION_AGE: Duration = Duration::from_secs(60);
/// The number of tickets at which it ends early.
const GENERATION_SIZE: usize = 1_000_000;

/// Tickets of the present generation and of the one before.
struct IssuedTickets {
    young: HashMap<SessionTicket, TicketContents>,
    old: HashMap<SessionTicket, TicketContents>,
    since: Instant,
}

static ISSUED: Lazy<Mutex<IssuedTickets>> = Lazy::new(|| {
    Mutex::new(IssuedTickets { young: HashMap::new(), old: HashMap::new(), since: Instant::now() })
});

impl IssuedTickets {
    fn rotate_generation(&mut self) {
        let age = self.since.elapsed();
        if age < GENERATION_AGE && self.young.len() < GENERATION_SIZE {
            return;
        }
        self.old = std::mem::take(&mut self.young);
        if age >= 2 * GENERATION_AGE {
            self.old.clear();
        }
        self.since = Instant::now();
    }
}

fn lock_issued() -> MutexGuard<'static, IssuedTickets> {
    let mut issued = ISSUED.lock().unwrap_or_else(PoisonError::into_inner);
    issued.rotate_generation();
    issued
}

/// Issues a ticket. `None` if the system has no random octets.
pub(super) fn issue_ticket(contents: TicketContents) -> Option<SessionTicket> {
    let mut ticket = SessionTicket::default();
    getrandom::fill(&mut ticket.0).ok()?;
    lock_issued().young.insert(ticket, contents);
    Some(ticket)
}

/// Redeems a ticket, if it is of this session and `wanted`: it is good for one use.
pub(super) fn redeem_ticket(
    ticket: &[u8],
    session: usize,
    wanted: impl Fn(&TicketContents) -> bool,
) -> Option<TicketContents> {
    let ticket = SessionTicket::try_from(ticket).ok()?;
    let mut issued = lock_issued();
    let IssuedTickets { young, old, .. } = &mut *issued;
    let generation = if young.contains_key(&ticket) { young } else { old };
    if !generation.get(&ticket).is_some_and(|contents| contents.session == session && wanted(contents)) {
        return None;
    }
    generation.remove(&ticket)
}

/// Whether the ticket is of this session, and holds a question for this user. It is not redeemed.
pub(super) fn is_question(ticket: &[u8], session: usize, user: &[u8]) -> bool {
    let Ok(ticket) = SessionTicket::try_from(ticket) else { return false };
    let issued = lock_issued();
    let contents = issued.young.get(&ticket).or_else(|| issued.old.get(&ticket));
    contents.is_some_and(|contents| {
        matches!(contents.purpose, TicketPurpose::Ask(_))
            && contents.session == session
            && contents.user == user
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(user: &str, session: usize) -> TicketContents {
        TicketContents { user: user.into(), session, purpose: TicketPurpose::Outer }
    }

    #[test]
    fn ticket_is_good_for_one_use() {
        let ticket = issue_ticket(contents("alice", 7)).unwrap();
        assert!(!is_question(&ticket.0, 7, b"alice"));
        assert!(redeem_ticket(&ticket.0, 7, |contents| contents.user == b"alice").is_some());
        assert!(redeem_ticket(&ticket.0, 7, |_| true).is_none());
        assert!(redeem_ticket(&[0; 16], 7, |_| true).is_none());
        assert!(redeem_ticket(&[], 7, |_| true).is_none());
    }

    #[test]
    fn ticket_is_good_for_its_own_session_and_purpose() {
        let ticket = issue_ticket(contents("alice", 7)).unwrap();
        assert!(redeem_ticket(&ticket.0, 8, |_| true).is_none());
        assert!(
            redeem_ticket(&ticket.0, 7, |contents| matches!(contents.purpose, TicketPurpose::Inner))
                .is_none()
        );
        assert!(redeem_ticket(&ticket.0, 7, |_| true).is_some(), "a refused redemption does not use it up");
    }
}
