//! All waits of an instance, and the handles of the packets that wait.

use super::table::{HandlingMode, WaitEntry, WaitTable};
use super::wait::{WaitCounts, WaitId, WaitStatus, WaitToken};
use crate::engine::Decision;
use crate::types::Secret;
use std::net::UdpSocket;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::OwnedSemaphorePermit;

/// Time after which a parked packet that the server has not proxied is taken to be lost.
pub(super) const CLAIM: Duration = Duration::from_secs(2);
/// Interval at which a reply that the server has not taken is resent.
pub(super) const AGAIN: Duration = Duration::from_millis(250);

/// All waits of an instance.
pub(crate) struct OpenWaits {
    pub(super) table: Mutex<WaitTable>,
    pub(super) resolved: Condvar,
    pub(super) socket: UdpSocket,
    pub(super) secret: Secret,
    pub(super) keep: Duration,
    pub(super) per_user: usize,
}

/// The handle of a waiting packet. Dropping it detaches the packet: the wait stays open for another one until its deadline.
pub struct ParkedHandle {
    pub(super) waits: Arc<OpenWaits>,
    /// Identifies the packet.
    pub token: WaitToken,
    /// The permit for the thread that the packet keeps while it waits.
    pub(crate) thread: Option<OwnedSemaphorePermit>,
}

impl std::fmt::Debug for ParkedHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ParkedHandle")
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

impl OpenWaits {
    /// `socket` is the responder's; results are kept for `keep`.
    pub(crate) fn new(socket: UdpSocket, secret: Secret, keep: Duration) -> Self {
        Self { table: Mutex::default(), resolved: Condvar::new(), socket, secret, keep, per_user: 1 }
    }

    /// Sets the maximum number of open questions to one user.
    pub(crate) fn with_limit(self, per_user: usize) -> Self {
        Self { per_user, ..self }
    }

    /// The socket, for the thread that reads it.
    pub(crate) fn responder_socket(&self) -> std::io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    pub(super) fn lock_table(&self) -> MutexGuard<'_, WaitTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the wait with this decision.
    pub(crate) fn resolve_wait(&self, id: WaitId, decision: Decision) {
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

    /// Takes the decision on this packet, once it is made.
    pub(crate) fn take_decision(&self, token: &WaitToken) -> Option<Decision> {
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

    /// Blocks this thread until the decision is made, and polls `stopped` meanwhile.
    pub(crate) fn block_for_decision(
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
    pub(crate) fn close(&self) {
        let mut table = self.lock_table();
        table.closed = true;
        for wait in table.waits.values() {
            let _ = wait.stop.send(true);
        }
        drop(table);
        self.resolved.notify_all();
    }

    /// Questions that are open, and packets that have not taken their answers.
    pub(crate) fn open_count(&self) -> (usize, usize) {
        let table = self.lock_table();
        (table.waits.values().filter(|wait| wait.decision.is_none()).count(), table.seats.len())
    }

    /// Opens no more waits. Open waits continue, and packets may still join them.
    pub(crate) fn refuse_new(&self) {
        self.lock_table().closed = true;
    }

    /// Whether no more waits are opened.
    pub(crate) fn is_closed(&self) -> bool {
        self.lock_table().closed
    }

    /// The waits that are open.
    pub(crate) fn open(&self) -> Vec<WaitId> {
        let table = self.lock_table();
        table.waits.iter().filter(|(_, wait)| wait.decision.is_none()).map(|(id, _)| *id).collect()
    }

    /// Ends these waits.
    pub(crate) fn stop(&self, ids: &[WaitId]) {
        let table = self.lock_table();
        for wait in ids.iter().filter_map(|id| table.waits.get(id)) {
            let _ = wait.stop.send(true);
        }
    }

    /// Number of waits, by how they wait.
    pub(crate) fn wait_counts(&self) -> WaitCounts {
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

    /// All waits, for `mfa status`.
    pub(crate) fn wait_statuses(&self) -> Vec<WaitStatus> {
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
