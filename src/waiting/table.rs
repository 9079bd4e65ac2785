//! The state of waiting logins: waits, the packets attached to them, and their users.

use super::loopback_packet::LoopbackRequest;
use super::wait::{AskedUser, AttemptFingerprint, NewWait, OpenedWait, WaitId, WaitToken};
use crate::engine::{Decision, ProofClass};
use crate::types::Timestamp;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;
use tokio::sync::watch;

/// Maximum number of waits without a packet, counted separately without and with a proven password. The number of their challenges
/// has the same limit.
pub(crate) const UNATTENDED: usize = 50_000;

/// All state, behind one lock.
#[derive(Default)]
pub(crate) struct WaitTable {
    pub(super) waits: HashMap<WaitId, WaitEntry>,
    pub(super) seats: HashMap<WaitToken, WaitingPacket>,
    pub(super) users: HashMap<AskedUser, Vec<WaitId>>,
    /// Waits that are not yet known to need a push, by the digest that their packets have in common.
    pub(super) begun: HashMap<[u8; 32], WaitId>,
    /// Waits by the datagram that opened them.
    pub(super) datagrams: HashMap<[u8; 32], WaitId>,
    /// Waits that were opened without a packet and without a proven password, oldest first; some may have ended.
    pub(super) unproven: VecDeque<WaitId>,
    /// The same with a proven password.
    pub(super) proven: VecDeque<WaitId>,
    pub(super) next: u64,
    pub(super) closed: bool,
}

/// An open question, or one that was answered a moment ago.
pub(crate) struct WaitEntry {
    pub(super) user: Option<AskedUser>,
    pub(super) client: String,
    pub(super) fingerprint: AttemptFingerprint,
    pub(super) begun: Option<[u8; 32]>,
    pub(super) since: Timestamp,
    pub(super) deadline: Instant,
    /// The packet that gets the answer.
    pub(super) seat: Option<WaitToken>,
    pub(super) decision: Option<(Decision, Instant)>,
    /// Set to `true` to end the wait.
    pub(super) stop: watch::Sender<bool>,
    /// The number that the user has to find on the device.
    pub(super) number: Option<String>,
    /// The number that the user was shown. It stays on the device after `number` is cleared.
    pub(super) shown: Option<String>,
    /// The datagram that opened it.
    pub(super) datagram: Option<[u8; 32]>,
}

/// A packet that waits.
pub(crate) struct WaitingPacket {
    pub(super) wait: WaitId,
    pub(super) since: Instant,
    pub(super) how: HandlingMode,
    /// Absent until it is known.
    pub(super) decision: Option<Decision>,
}

/// How a packet waits.
pub(crate) enum HandlingMode {
    /// The request has been parked; the server has not proxied it yet.
    Leaving,
    /// The request is on its way to the responder. If the datagram is lost, the client's retransmission makes the server resend it.
    Sent,
    /// It waits at the responder.
    Parked(SocketAddr, LoopbackRequest),
    /// The reply is on its way back to the server.
    Answered { to: SocketAddr, octets: Vec<u8>, first: Instant, last: Instant },
    /// A thread of the server waits.
    Blocking,
}

impl WaitTable {
    /// The mode of the packet attached to this wait.
    pub(crate) fn packet_of(&self, wait: &WaitEntry) -> Option<&HandlingMode> {
        self.seats.get(&wait.seat?).map(|packet| &packet.how)
    }

    pub(crate) fn open(&mut self, opening: NewWait) -> OpenedWait {
        let id = WaitId(self.next);
        self.next = self.next.wrapping_add(1);
        let (sender, stop) = watch::channel(false);
        if let Some(user) = &opening.user {
            self.claim_user(user.clone(), id);
        }
        if let Some(begun) = opening.begun {
            self.begun.insert(begun, id);
        }
        if let Some(datagram) = opening.fingerprint.datagram {
            self.datagrams.insert(datagram, id);
        }
        let (deadline, number) = (Instant::now() + opening.limit, opening.number.clone());
        let wait = WaitEntry {
            user: opening.user,
            client: opening.client,
            fingerprint: opening.fingerprint,
            begun: opening.begun,
            since: opening.since,
            deadline,
            seat: None,
            decision: None,
            stop: sender,
            shown: opening.number.clone(),
            number: opening.number,
            datagram: opening.fingerprint.datagram,
        };
        let class = wait.user.as_ref().map(|asked| asked.proof).unwrap_or_default();
        let is_unattended = wait.number.is_some();
        self.waits.insert(id, wait);
        if is_unattended {
            self.track_unattended(id, class);
        }
        OpenedWait { id, stop, deadline, number }
    }

    /// Records a wait without a packet. The server's limits do not bound their number: beyond [`UNATTENDED`] the oldest is ended and
    /// removed, unless a packet has joined it.
    pub(crate) fn track_unattended(&mut self, id: WaitId, class: ProofClass) {
        let order = class.select(&mut self.unproven, &mut self.proven);
        order.push_back(id);
        if order.len() <= UNATTENDED {
            return;
        }
        let Some(oldest) = order.pop_front() else { return };
        if let Some(wait) = self.waits.get(&oldest).filter(|wait| wait.seat.is_none()) {
            let _ = wait.stop.send(true);
            self.remove_wait(oldest);
        }
    }

    /// The waits of this user, the newest first.
    pub(crate) fn waits_of(&self, user: &AskedUser) -> impl Iterator<Item = (WaitId, &WaitEntry)> {
        let ids = self.users.get(user).into_iter().flatten().rev();
        ids.filter_map(|id| self.waits.get(id).map(|wait| (*id, wait)))
    }

    /// The wanted number, or the next one that no other open question of the user has.
    pub(crate) fn free_number(&self, user: &AskedUser, wanted: &str) -> String {
        let taken: Vec<&str> = self
            .waits_of(user)
            .filter(|(_, wait)| wait.decision.is_none())
            .filter_map(|(_, wait)| wait.shown.as_deref())
            .collect();
        let Ok(number) = wanted.parse::<u8>() else { return wanted.to_owned() };
        let numbers = (0..100).map(|n| format!("{:02}", (number % 100 + n) % 100));
        let mut free = numbers.filter(|number| !taken.contains(&number.as_str()));
        free.next().unwrap_or_else(|| wanted.to_owned())
    }

    /// The question is one of this user's from now on. One that is decided makes room for it, unless the user has been challenged
    /// and the answer is still to come.
    pub(crate) fn claim_user(&mut self, user: AskedUser, id: WaitId) {
        let ids = self.users.entry(user).or_default();
        let (open, decided): (Vec<_>, Vec<_>) = std::mem::take(ids)
            .into_iter()
            .filter(|old| *old != id)
            .partition(|old| self.waits.get(old).is_some_and(|wait| wait.decision.is_none()));
        ids.extend(open);
        ids.push(id);
        for old in decided {
            if self.waits.get(&old).is_some_and(|wait| wait.number.is_none()) {
                self.waits.remove(&old);
            }
        }
    }

    /// Attaches the packet to that wait.
    pub(crate) fn move_packet(&mut self, token: &WaitToken, to: WaitId) {
        if let (Some(packet), Some(wait)) = (self.seats.get_mut(token), self.waits.get_mut(&to)) {
            packet.wait = to;
            wait.seat = Some(*token);
        }
    }

    /// Records that a packet received the decision. An accept is given to one packet only.
    pub(crate) fn mark_delivered(&mut self, id: WaitId, decision: &Decision) {
        if decision.lets_in() {
            self.remove_wait(id);
        } else if let Some(wait) = self.waits.get_mut(&id) {
            wait.seat = None;
            if wait.user.is_none() {
                self.remove_wait(id);
            }
        }
    }

    pub(crate) fn remove_wait(&mut self, id: WaitId) {
        let Some(wait) = self.waits.remove(&id) else { return };
        if let Some(begun) = &wait.begun
            && self.begun.get(begun) == Some(&id)
        {
            self.begun.remove(begun);
        }
        if let Some(datagram) = &wait.datagram
            && self.datagrams.get(datagram) == Some(&id)
        {
            self.datagrams.remove(datagram);
        }
        if let Some(user) = wait.user
            && let Entry::Occupied(mut ids) = self.users.entry(user)
        {
            ids.get_mut().retain(|other| *other != id);
            if ids.get().is_empty() {
                ids.remove();
            }
        }
    }
}
