//! Logins that wait, and the packets that wait for them. One wait is one question to a user; any number of packets may come for
//! it one after the other, and the newest has it: one approval gives one accept.
//!
//! The rules are in [`joining`]; [`table`] is what is known, [`datagrams`] what passes between us and the server.
//!
//! A packet has a [`ParkedHandle`]. It is told the decision by a datagram of the responder (parked), or by a condition variable (a
//! thread that waits). Nothing here decides; the engine's future runs in [`super::App`] and ends in [`OpenWaits::resolve_wait`].

mod datagrams;
mod joining;
mod table;

#[cfg(test)]
mod tests;

pub(super) use datagrams::DatagramOutcome;
pub(super) use joining::{AdoptOutcome, JoinOutcome};

use crate::engine::Decision;
use crate::types::{Secret, Timestamp, UserName};
use std::net::UdpSocket;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use table::{HandlingMode, WaitEntry, WaitTable};
use tokio::sync::{OwnedSemaphorePermit, watch};

/// A packet that was parked and that the server has not sent on by then is gone.
const CLAIM: Duration = Duration::from_secs(2);
/// An answer that the server has not taken is sent again.
const AGAIN: Duration = Duration::from_millis(250);

/// By which a parked packet is known again: 128 random bits.
pub type WaitToken = [u8; 16];

/// Which wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub(super) struct WaitId(u64);

/// What makes two packets packets of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttemptFingerprint {
    /// A keyed digest of client, user, station, port, session, service and password.
    pub digest: [u8; 32],
    /// A keyed digest of the client's address and the whole datagram, if it is one of its own.
    pub datagram: Option<[u8; 32]>,
    /// Whether station or session are in it; then packets from any port may be of one attempt.
    pub roams: bool,
    /// The client's UDP port.
    pub port: u16,
}

impl AttemptFingerprint {
    /// The very same datagram is of the same attempt whatever its port, if policy says the same of it: its client has sent it again
    /// from another socket.
    fn is_same_datagram(&self, other: &Self) -> bool {
        let is_same = self.datagram.is_some() && self.datagram == other.datagram;
        self.digest == other.digest && (is_same || self.roams || self.port == other.port)
    }
}

/// A wait as `mfa status` shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WaitStatus {
    /// Canonical name; empty while it is not known.
    pub user: String,
    /// The client's address.
    pub client: String,
    /// Since when, in milliseconds since the epoch.
    pub since: u64,
    /// For how many more seconds at most.
    pub left: u64,
    /// `parked`, `blocking`, or `unattended`: no packet waits at the moment.
    pub how: String,
}

/// How many logins wait, by how they do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WaitCounts {
    /// Without a thread.
    pub parked: usize,
    /// On a thread of the server.
    pub blocking: usize,
    /// No packet waits at the moment.
    pub unattended: usize,
}

/// All waits of an instance.
pub(super) struct OpenWaits {
    table: Mutex<WaitTable>,
    resolved: Condvar,
    socket: UdpSocket,
    secret: Secret,
    keep: Duration,
    per_user: usize,
}

/// A packet's place. Dropped, the packet is gone: the wait goes on for another one, until its time is up.
pub struct ParkedHandle {
    waits: Arc<OpenWaits>,
    /// By which it is known again.
    pub token: WaitToken,
    /// The thread that it may keep while it waits.
    pub(super) thread: Option<OwnedSemaphorePermit>,
}

impl std::fmt::Debug for ParkedHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seat")
    }
}

impl ParkedHandle {
    /// The server proxies the packet now.
    pub fn send(&self) {
        if let Some(packet) = self.waits.lock_table().seats.get_mut(&self.token)
            && matches!(packet.how, HandlingMode::Leaving)
        {
            packet.how = HandlingMode::Sent;
        }
    }
}

impl Drop for ParkedHandle {
    fn drop(&mut self) {
        self.waits.leave_wait(&self.token);
    }
}

/// A new wait, for the task that runs its future.
pub(super) struct OpenedWait {
    pub(super) id: WaitId,
    /// Becomes true when no packet waits any longer.
    pub(super) stop: watch::Receiver<bool>,
    pub(super) deadline: Instant,
    /// The number that the user has to find on the device; empty if the user only has to answer there before
    /// answering here.
    pub(super) number: Option<String>,
}

/// The user who receives the push. A login without the right password can neither join nor block a login with it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AskedUser {
    pub(super) name: UserName,
    /// Whether the password is verified.
    pub(super) proven: bool,
}

/// What a new wait is made from.
pub(super) struct NewWait {
    /// The user who receives the push, if there is one.
    pub(super) user: Option<AskedUser>,
    pub(super) client: String,
    pub(super) fingerprint: AttemptFingerprint,
    /// Where it is not known yet whether a user is asked: what the same packet, sent again, has in common with this one.
    pub(super) begun: Option<[u8; 32]>,
    pub(super) since: Timestamp,
    pub(super) limit: Duration,
    /// As in [`OpenedWait`]; with it no packet waits yet.
    pub(super) number: Option<String>,
}

impl OpenWaits {
    /// `socket` is the responder's; results are kept for `keep`.
    pub(super) fn new(socket: UdpSocket, secret: Secret, keep: Duration) -> Self {
        Self { table: Mutex::default(), resolved: Condvar::new(), socket, secret, keep, per_user: 1 }
    }

    /// With so many open questions to one user.
    pub(super) fn with_limit(self, per_user: usize) -> Self {
        Self { per_user, ..self }
    }

    /// The socket, for the thread that reads it.
    pub(super) fn responder_socket(&self) -> std::io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    fn lock_table(&self) -> MutexGuard<'_, WaitTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wait has come to its end.
    pub(super) fn resolve_wait(&self, id: WaitId, decision: Decision) {
        let mut table = self.lock_table();
        let Some(wait) = table.waits.get_mut(&id) else { return };
        if wait.decision.is_some() {
            return;
        }
        wait.decision = Some((decision.clone(), Instant::now()));
        match wait.seat {
            Some(token) => self.deliver_decision(&mut table, &token, decision),
            None if wait.user.is_none() => table.remove_wait(id),
            None => {}
        }
    }

    /// What was decided on this packet, once it is known; it has it from now on.
    pub(super) fn take_decision(&self, token: &WaitToken) -> Option<Decision> {
        let mut table = self.lock_table();
        let packet = table.seats.get_mut(token)?;
        let decision = packet.decision.take()?;
        let id = packet.wait;
        table.seats.remove(token);
        if table.waits.get(&id).is_some_and(|wait| wait.seat == Some(*token)) {
            table.mark_delivered(id, &decision);
        }
        Some(decision)
    }

    /// Waits for the decision on this thread, looking up now and then whether it should stop.
    pub(super) fn block_for_decision(
        &self,
        seat: &ParkedHandle,
        stopped: &dyn Fn() -> bool,
    ) -> Option<Decision> {
        let mut table = self.lock_table();
        table.seats.get_mut(&seat.token)?.how = HandlingMode::Blocking;
        loop {
            if table.seats.get(&seat.token)?.decision.is_some() {
                drop(table);
                return self.take_decision(&seat.token);
            }
            if stopped() {
                return None;
            }
            let waited = self.resolved.wait_timeout(table, Duration::from_millis(100));
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends all waits, and opens no more.
    pub(super) fn close(&self) {
        let mut table = self.lock_table();
        table.closed = true;
        for wait in table.waits.values() {
            let _ = wait.stop.send(true);
        }
        drop(table);
        self.resolved.notify_all();
    }

    /// Questions that are open, and packets that have not taken their answers.
    pub(super) fn open_count(&self) -> (usize, usize) {
        let table = self.lock_table();
        (table.waits.values().filter(|wait| wait.decision.is_none()).count(), table.seats.len())
    }

    /// Opens no more waits. Those that are open go on, and packets may still join them.
    pub(super) fn refuse_new(&self) {
        self.lock_table().closed = true;
    }

    /// Whether no more waits are opened.
    pub(super) fn is_closed(&self) -> bool {
        self.lock_table().closed
    }

    /// The waits that are open.
    pub(super) fn open(&self) -> Vec<WaitId> {
        let table = self.lock_table();
        table.waits.iter().filter(|(_, wait)| wait.decision.is_none()).map(|(id, _)| *id).collect()
    }

    /// Ends these waits.
    pub(super) fn stop(&self, ids: &[WaitId]) {
        let table = self.lock_table();
        for wait in ids.iter().filter_map(|id| table.waits.get(id)) {
            let _ = wait.stop.send(true);
        }
    }

    /// How much is waiting.
    pub(super) fn wait_counts(&self) -> WaitCounts {
        let table = self.lock_table();
        let mut counts = WaitCounts::default();
        for wait in table.waits.values().filter(|wait| wait.decision.is_none()) {
            let count = match table.packet_of(wait) {
                Some(HandlingMode::Blocking) => &mut counts.blocking,
                Some(_) => &mut counts.parked,
                None => &mut counts.unattended,
            };
            *count = count.saturating_add(1);
        }
        counts
    }

    /// What is waiting.
    pub(super) fn wait_statuses(&self) -> Vec<WaitStatus> {
        let table = self.lock_table();
        let open = table.waits.values().filter(|wait| wait.decision.is_none());
        let status = |wait: &WaitEntry| WaitStatus {
            user: wait.user.as_ref().map(|asked| asked.name.to_string()).unwrap_or_default(),
            client: wait.client.clone(),
            since: wait.since.as_millis(),
            left: wait.deadline.saturating_duration_since(Instant::now()).as_secs(),
            how: match table.packet_of(wait) {
                Some(HandlingMode::Blocking) => "blocking",
                Some(_) => "parked",
                None => "unattended",
            }
            .to_owned(),
        };
        open.map(status).collect()
    }

    fn leave_wait(&self, token: &WaitToken) {
        let mut table = self.lock_table();
        // The server has dropped it before it came to wait: the next sweep ends its wait and says so.
        if let Some(packet) = table.seats.get_mut(token)
            && matches!(packet.how, HandlingMode::Leaving | HandlingMode::Sent)
            && packet.decision.is_none()
        {
            packet.how = HandlingMode::Leaving;
            return;
        }
        let Some(packet) = table.seats.remove(token) else { return };
        if let Some(wait) = table.waits.get_mut(&packet.wait)
            && wait.seat == Some(*token)
        {
            wait.seat = None;
            if wait.user.is_none() {
                let _ = wait.stop.send(true);
            }
        }
    }
}
