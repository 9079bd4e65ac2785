//! Logins that wait, and the packets that wait for them. One wait is one question to a user; any number of packets may come for
//! it one after the other, and the newest has it: one approval gives one accept.
//!
//! The rules of joining are here; [`table`] is what is known, [`datagrams`] what passes between us and the server.
//!
//! A packet has a [`Seat`]. It is told the decision by a datagram of the responder (parked), or by a condition variable (a
//! thread that waits). Nothing here decides; the engine's future runs in [`super::App`] and ends in [`Waits::resolve`].

mod datagrams;
mod table;

#[cfg(test)]
mod tests;

pub(super) use datagrams::Received;

use crate::engine::{Decision, Reason};
use crate::types::{Secret, Timestamp, UserName};
use std::net::UdpSocket;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use table::{How, Packet, Table, Wait};
use tokio::sync::watch;

/// A packet that was parked and has not come to the responder by then is gone.
const CLAIM: Duration = Duration::from_secs(2);
/// An answer that the server has not taken is sent again.
const AGAIN: Duration = Duration::from_millis(250);

/// By which a parked packet is known again: 128 random bits.
pub type Token = [u8; 16];

/// Which wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct WaitId(u64);

/// What makes two packets packets of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// A keyed digest of client, user, station, port, session, service and password.
    pub digest: [u8; 32],
    /// Whether station or session are in it; then packets from any port may be of one attempt.
    pub roams: bool,
    /// The client's UDP port.
    pub port: u16,
}

impl Fingerprint {
    fn joins(&self, other: &Self) -> bool {
        self.digest == other.digest && (self.roams || self.port == other.port)
    }
}

/// A wait for whoever looks on: `mfa status`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Status {
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

/// All waits of an instance.
pub(super) struct Waits {
    table: Mutex<Table>,
    resolved: Condvar,
    socket: UdpSocket,
    secret: Secret,
    keep: Duration,
}

/// How a packet came to wait, or why not.
pub(super) enum Joined {
    /// The wait goes on without it: it has the answer already.
    Decided(Decision),
    /// It has the wait now.
    Seated(Seat),
    /// The user sees the number that stands here; no packet waits.
    Number(WaitId, String),
    /// Another attempt of his is waiting.
    Refused,
    /// There is none that it could have.
    Nothing,
    /// A new one is open, with the packet in it unless the user is challenged meanwhile.
    Opened(Opened, Option<Seat>),
}

/// What became of a wait when its user was known.
#[derive(Debug)]
pub(super) enum Adopted {
    /// It is his only one.
    Alone,
    /// Its packet has another one now.
    Moved,
    /// The user sees the number of that one.
    Number(WaitId, String),
    /// He has answered already.
    Decided(Decision),
    /// Another attempt of his is waiting.
    Refused,
}

/// A packet's place. Dropped, the packet is gone: the wait goes on for another one, until its time is up.
pub struct Seat {
    waits: Arc<Waits>,
    /// By which it is known again.
    pub token: Token,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seat")
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.waits.leave(&self.token);
    }
}

/// A new wait, for whoever runs its future.
pub(super) struct Opened {
    pub(super) id: WaitId,
    /// Becomes true when nobody waits any longer.
    pub(super) stop: watch::Receiver<bool>,
    pub(super) deadline: Instant,
    /// What the user has to find on his device; empty if he only has to answer there before he answers here.
    pub(super) number: Option<String>,
}

/// What a new wait is made from.
pub(super) struct Opening {
    pub(super) user: Option<UserName>,
    pub(super) client: String,
    pub(super) fingerprint: Fingerprint,
    pub(super) since: Timestamp,
    pub(super) limit: Duration,
    /// As in [`Opened`]; with it no packet waits yet.
    pub(super) number: Option<String>,
}

impl Waits {
    /// `socket` is the responder's; results are kept for `keep`.
    pub(super) fn new(socket: UdpSocket, secret: Secret, keep: Duration) -> Self {
        Self { table: Mutex::default(), resolved: Condvar::new(), socket, secret, keep }
    }

    /// The socket, for the thread that reads it.
    pub(super) fn socket(&self) -> std::io::Result<UdpSocket> {
        self.socket.try_clone()
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where a packet goes: to the question that is open to its user already, or to a new one.
    pub(super) fn enter(self: &Arc<Self>, opening: Opening) -> Joined {
        let mut table = self.table();
        if let Some(joined) =
            opening.user.as_ref().and_then(|user| self.join(&mut table, user, &opening.fingerprint))
        {
            return joined;
        }
        if table.closed {
            return Joined::Nothing;
        }
        let opened = table.open(opening);
        let seat = match opened.number {
            Some(_) => None,
            None => match self.seat(&mut table, opened.id) {
                Some(seat) => Some(seat),
                None => {
                    table.forget(opened.id);
                    return Joined::Nothing;
                }
            },
        };
        Joined::Opened(opened, seat)
    }

    /// What a question to this user that is open, or has just been answered, means for the packet. None: a new one is put.
    fn join(
        self: &Arc<Self>,
        table: &mut Table,
        user: &UserName,
        fingerprint: &Fingerprint,
    ) -> Option<Joined> {
        let id = table.users.get(user).copied()?;
        let wait = table.waits.get(&id)?;
        let joins = wait.fingerprint.joins(fingerprint);
        match &wait.decision {
            None if !joins => Some(Joined::Refused),
            None => Some(match wait.number.clone() {
                Some(number) => Joined::Number(id, number),
                None => self.seat(table, id).map_or(Joined::Refused, Joined::Seated),
            }),
            Some((decision, at)) if joins && at.elapsed() < self.keep => {
                let decision = decision.clone();
                self.hand_out(table, id, &decision);
                Some(Joined::Decided(decision))
            }
            Some(_) => None,
        }
    }

    /// A packet that proved by its State that it belongs to this wait. Several may come, if they are of one attempt.
    pub(super) fn attend(self: &Arc<Self>, id: WaitId, fingerprint: &Fingerprint) -> Joined {
        let mut table = self.table();
        let Some(wait) = table.waits.get_mut(&id) else { return Joined::Nothing };
        if wait.seat.is_some() && !wait.fingerprint.joins(fingerprint) {
            return Joined::Refused;
        }
        wait.fingerprint = *fingerprint;
        wait.number = None;
        match wait.decision.clone() {
            Some((_, at)) if at.elapsed() >= self.keep.max(Duration::from_secs(60)) => Joined::Nothing,
            Some((decision, _)) => {
                self.hand_out(&mut table, id, &decision);
                Joined::Decided(decision)
            }
            None => self.seat(&mut table, id).map_or(Joined::Refused, Joined::Seated),
        }
    }

    /// A wait has turned out to be about this user, who has to find `number` on his device if there is one. What his other
    /// question means for its packet is what it would have meant in [`enter`](Self::enter).
    pub(super) fn adopt(&self, id: WaitId, user: &UserName, number: Option<&str>) -> Adopted {
        let mut table = self.table();
        let Some((mine, seat)) = table.waits.get(&id).map(|wait| (wait.fingerprint, wait.seat)) else {
            return Adopted::Refused;
        };
        let other = table.users.get(user).copied().filter(|other| *other != id);
        let found = other.and_then(|other| Some((other, table.waits.get(&other)?)));
        if let Some((other, wait)) = found {
            let joins = wait.fingerprint.joins(&mine);
            match (&wait.decision, wait.number.clone(), seat) {
                (None, _, _) if !joins => return Adopted::Refused,
                (None, Some(number), _) => return Adopted::Number(other, number),
                (None, None, seat) => {
                    if let Some(token) = seat {
                        self.supersede(&mut table, other);
                        table.move_packet(&token, other);
                    }
                    table.forget(id);
                    return Adopted::Moved;
                }
                (Some((decision, at)), _, _) if joins && at.elapsed() < self.keep => {
                    let decision = decision.clone();
                    self.hand_out(&mut table, other, &decision);
                    return Adopted::Decided(decision);
                }
                (Some(_), _, _) => {}
            }
        }
        if let Some(wait) = table.waits.get_mut(&id) {
            wait.user = Some(user.clone());
            wait.number = number.map(str::to_owned);
        }
        table.claim_user(user.clone(), id);
        Adopted::Alone
    }

    /// The wait's packet goes back to its user with this challenge; the wait goes on for the answer to it.
    pub(super) fn show(&self, id: WaitId, challenge: Decision) {
        let mut table = self.table();
        let seat = table.waits.get_mut(&id).and_then(|wait| wait.seat.take());
        if let Some(token) = seat {
            self.tell(&mut table, &token, challenge);
        }
    }

    /// The wait has come to its end.
    pub(super) fn resolve(&self, id: WaitId, decision: Decision) {
        let mut table = self.table();
        let Some(wait) = table.waits.get_mut(&id) else { return };
        if wait.decision.is_some() {
            return;
        }
        wait.decision = Some((decision.clone(), Instant::now()));
        match wait.seat {
            Some(token) => self.tell(&mut table, &token, decision),
            None if wait.user.is_none() => table.forget(id),
            None => {}
        }
    }

    /// What was decided on this packet, once it is known; it has it from now on.
    pub(super) fn redeem(&self, token: &Token) -> Option<Decision> {
        let mut table = self.table();
        let packet = table.seats.get_mut(token)?;
        let decision = packet.decision.take()?;
        let id = packet.wait;
        table.seats.remove(token);
        if table.waits.get(&id).is_some_and(|wait| wait.seat == Some(*token)) {
            table.given(id, &decision);
        }
        Some(decision)
    }

    /// Waits for the decision on this thread, looking up now and then whether it should stop. `most` threads may do so at a time.
    ///
    /// # Errors
    ///
    /// Why it has not waited to the end.
    pub(super) fn block(
        &self,
        seat: &Seat,
        most: usize,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Decision, Reason> {
        let mut table = self.table();
        if table.seats.values().filter(|packet| matches!(packet.how, How::Blocking)).count() >= most {
            return Err(Reason::Busy);
        }
        table.seats.get_mut(&seat.token).ok_or(Reason::Cancelled)?.how = How::Blocking;
        loop {
            if table.seats.get(&seat.token).ok_or(Reason::Cancelled)?.decision.is_some() {
                drop(table);
                return self.redeem(&seat.token).ok_or(Reason::Cancelled);
            }
            if stopped() {
                return Err(Reason::Cancelled);
            }
            let waited = self.resolved.wait_timeout(table, Duration::from_millis(100));
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Ends all waits, and opens no more.
    pub(super) fn close(&self) {
        let mut table = self.table();
        table.closed = true;
        for wait in table.waits.values() {
            let _ = wait.stop.send(true);
        }
        drop(table);
        self.resolved.notify_all();
    }

    /// Questions that are open, and packets that have not taken their answers.
    pub(super) fn open_count(&self) -> (usize, usize) {
        let table = self.table();
        (table.waits.values().filter(|wait| wait.decision.is_none()).count(), table.seats.len())
    }

    /// What is waiting.
    pub(super) fn status(&self) -> Vec<Status> {
        let table = self.table();
        let open = table.waits.values().filter(|wait| wait.decision.is_none());
        let status = |wait: &Wait| Status {
            user: wait.user.as_ref().map(UserName::to_string).unwrap_or_default(),
            client: wait.client.clone(),
            since: wait.since.as_millis(),
            left: wait.deadline.saturating_duration_since(Instant::now()).as_secs(),
            how: match wait.seat.and_then(|token| table.seats.get(&token)).map(|packet| &packet.how) {
                Some(How::Blocking) => "blocking",
                Some(_) => "parked",
                None => "unattended",
            }
            .to_owned(),
        };
        open.map(status).collect()
    }

    /// A new seat, which takes the wait over from an older one.
    fn seat(self: &Arc<Self>, table: &mut Table, id: WaitId) -> Option<Seat> {
        let mut token = Token::default();
        getrandom::fill(&mut token).ok()?;
        self.supersede(table, id);
        table.waits.get_mut(&id)?.seat = Some(token);
        let packet = Packet { wait: id, since: Instant::now(), how: How::Leaving, decision: None };
        table.seats.insert(token, packet);
        Some(Seat { waits: Arc::clone(self), token })
    }

    /// The packet that has the wait loses it to a newer one.
    fn supersede(&self, table: &mut Table, id: WaitId) {
        let Some(wait) = table.waits.get_mut(&id) else { return };
        let user = wait.user.clone();
        if let Some(older) = wait.seat.take() {
            self.tell(table, &older, Decision::refused(user, Reason::Superseded));
        }
    }

    /// A kept result goes to a newcomer; the packet that had been told the same and has not taken it is refused.
    fn hand_out(&self, table: &mut Table, id: WaitId, decision: &Decision) {
        if decision.verdict().lets_in() {
            self.supersede(table, id);
        }
        table.given(id, decision);
    }

    fn leave(&self, token: &Token) {
        let mut table = self.table();
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
