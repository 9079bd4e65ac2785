//! Logins that wait, and the packets that wait for them. One wait is one question to a user; any number of packets may come for
//! it one after the other, and the newest has it: one approval gives one accept.
//!
//! A packet has a [`Seat`]. It is told the decision by a datagram of the responder (parked), or by a condition variable (a
//! thread that waits). Nothing here decides; the engine's future runs in [`super::App`] and ends in [`Waits::resolve`].

use super::wire::{Code, Reply, Request};
use crate::engine::{Decision, Reason, Verdict};
use crate::types::{Secret, Timestamp, UserName};
use std::collections::HashMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, watch};

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

#[derive(Default)]
struct Table {
    waits: HashMap<WaitId, Wait>,
    seats: HashMap<Token, Packet>,
    users: HashMap<UserName, WaitId>,
    next: u64,
    closed: bool,
}

/// A question that is open, or whose answer is kept for a moment.
struct Wait {
    user: Option<UserName>,
    client: String,
    fingerprint: Fingerprint,
    since: Timestamp,
    deadline: Instant,
    /// The packet that gets the answer.
    seat: Option<Token>,
    decision: Option<(Decision, Instant)>,
    /// Its first value ends the wait.
    stop: watch::Sender<bool>,
    /// What the user has to find on his device.
    number: Option<String>,
}

/// A packet that waits.
struct Packet {
    wait: WaitId,
    since: Instant,
    how: How,
    /// Absent until it is known.
    decision: Option<Decision>,
}

enum How {
    /// It has been parked and is on its way to the responder.
    Leaving,
    /// It waits at the responder.
    Parked(SocketAddr, Request),
    /// Its answer is on the way back to the server.
    Answered { to: SocketAddr, octets: Vec<u8>, first: Instant, last: Instant },
    /// A thread waits.
    Blocking,
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

/// A packet's place. Dropped, the packet is gone: the wait goes on for another one, until its time is up.
pub struct Seat {
    waits: Arc<Waits>,
    /// By which it is known again.
    pub token: Token,
    /// The thread that it may keep while it waits.
    pub(super) thread: Option<OwnedSemaphorePermit>,
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

    /// A wait has turned out to be about this user. `false` if there is another one of his: this one's packet goes to it, if it
    /// may, and is refused otherwise.
    pub(super) fn adopt(&self, id: WaitId, user: &UserName) -> bool {
        let mut table = self.table();
        let other = table.users.get(user).copied().filter(|other| *other != id);
        let open = other.filter(|other| table.waits.get(other).is_some_and(|wait| wait.decision.is_none()));
        let Some(other) = open else {
            if let Some(wait) = table.waits.get_mut(&id) {
                wait.user = Some(user.clone());
            }
            table.claim_user(user.clone(), id);
            return true;
        };
        let mine = table.waits.get(&id).map(|wait| (wait.fingerprint, wait.seat));
        let joins = mine.is_some_and(|(mine, _)| {
            table.waits.get(&other).is_some_and(|wait| wait.fingerprint.joins(&mine))
        });
        if joins && let Some((_, Some(token))) = mine {
            self.supersede(&mut table, other);
            if let Some(packet) = table.seats.get_mut(&token) {
                packet.wait = other;
            }
            if let Some(wait) = table.waits.get_mut(&other) {
                wait.seat = Some(token);
            }
            table.forget(id);
        }
        false
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

    /// Waits for the decision on this thread, looking up now and then whether it should stop.
    pub(super) fn block(&self, seat: &Seat, stopped: &dyn Fn() -> bool) -> Option<Decision> {
        let mut table = self.table();
        table.seats.get_mut(&seat.token)?.how = How::Blocking;
        loop {
            if table.seats.get(&seat.token)?.decision.is_some() {
                drop(table);
                return self.redeem(&seat.token);
            }
            if stopped() {
                return None;
            }
            let waited = self.resolved.wait_timeout(table, Duration::from_millis(100));
            table = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A datagram came to the responder. Every one that is signed is answered, now or when its wait ends.
    pub(super) fn receive(&self, datagram: &[u8], from: SocketAddr) -> Received {
        let Some(request) = Request::parse(datagram, &self.secret) else { return Received::Stranger };
        let mut table = self.table();
        let token = request.state.as_deref().and_then(|state| Token::try_from(state).ok());
        let packet = token.and_then(|token| table.seats.get_mut(&token));
        let Some(packet) = packet else {
            drop(table);
            self.send(&request.answer(Code::Reject, &Reply::default(), &self.secret), from);
            return Received::Unknown;
        };
        match &mut packet.how {
            How::Answered { to, octets, .. } if *to == from && octets.get(1) == Some(&request.id) => {
                let octets = octets.clone();
                drop(table);
                self.send(&octets, from);
            }
            How::Parked(to, first) if *to != from || first.authenticator != request.authenticator => {
                drop(table);
                self.send(&request.answer(Code::Reject, &Reply::default(), &self.secret), from);
                return Received::Unknown;
            }
            How::Answered { .. } | How::Blocking => {
                drop(table);
                self.send(&request.answer(Code::Reject, &Reply::default(), &self.secret), from);
                return Received::Unknown;
            }
            How::Leaving | How::Parked(..) => {
                packet.how = How::Parked(from, request);
                if packet.decision.is_some() {
                    self.answer(packet);
                }
            }
        }
        Received::Waiting
    }

    /// Tidies up: packets that never came, answers that were not taken, results that are old. Returns users whose packets never
    /// came.
    pub(super) fn sweep(&self) -> Vec<String> {
        let mut table = self.table();
        let now = Instant::now();
        let mut lost = Vec::new();
        let mut again = Vec::new();
        let mut old = Vec::new();
        for (token, packet) in &mut table.seats {
            match &mut packet.how {
                How::Leaving if now.duration_since(packet.since) >= CLAIM => lost.push(*token),
                How::Answered { first, .. } if now.duration_since(*first) >= Duration::from_secs(60) => {
                    old.push(*token)
                }
                How::Answered { to, octets, first, last }
                    if now.duration_since(*last) >= AGAIN
                        && now.duration_since(*first) < Duration::from_secs(10) =>
                {
                    *last = now;
                    again.push((*to, octets.clone()));
                }
                _ => {}
            }
        }
        let mut names = Vec::new();
        for token in lost {
            let Some(packet) = table.seats.remove(&token) else { continue };
            if let Some(wait) = table.waits.get_mut(&packet.wait)
                && wait.seat == Some(token)
            {
                wait.seat = None;
                let _ = wait.stop.send(true);
                names.push(wait.user.as_ref().map(UserName::to_string).unwrap_or_default());
            }
        }
        for token in old {
            table.seats.remove(&token);
        }
        let keep = self.keep;
        let done: Vec<WaitId> = table
            .waits
            .iter()
            .filter(|(_, wait)| wait.decision.as_ref().is_some_and(|(_, at)| at.elapsed() >= keep.max(CLAIM)))
            .filter(|(_, wait)| wait.number.is_none() || wait.deadline.elapsed() > Duration::from_secs(120))
            .map(|(id, _)| *id)
            .collect();
        for id in done {
            table.forget(id);
        }
        drop(table);
        for (to, octets) in again {
            self.send(&octets, to);
        }
        names
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
        Some(Seat { waits: Arc::clone(self), token, thread: None })
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

    /// Tells a packet what was decided.
    fn tell(&self, table: &mut Table, token: &Token, decision: Decision) {
        let Some(packet) = table.seats.get_mut(token) else { return };
        packet.decision = Some(decision);
        match packet.how {
            // An accept may be on its way. What it says when it arrives is read from the packet's place.
            How::Parked(..) | How::Answered { .. } => self.answer(packet),
            How::Leaving => {}
            How::Blocking => self.resolved.notify_all(),
        }
    }

    /// Sends a packet its answer.
    fn answer(&self, packet: &mut Packet) {
        let (Some(decision), How::Parked(to, request)) = (&packet.decision, &packet.how) else { return };
        let (code, to) = (code(decision), *to);
        let reply = match code {
            Code::Accept => Reply::default(),
            Code::Reject | Code::Challenge => {
                Reply { message: decision.message.clone(), state: decision.state.clone() }
            }
        };
        let octets = request.answer(code, &reply, &self.secret);
        self.send(&octets, to);
        let now = Instant::now();
        packet.how = How::Answered { to, octets, first: now, last: now };
    }

    /// On loopback; what is lost is sent again by the sweep.
    fn send(&self, octets: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(octets, to);
    }

    fn leave(&self, token: &Token) {
        let mut table = self.table();
        // The server has dropped it before it was parked: the sweep ends its wait and says so.
        let is_leaving = |packet: &Packet| matches!(packet.how, How::Leaving) && packet.decision.is_none();
        if table.seats.get(token).is_some_and(is_leaving) {
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

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// It belongs to a wait.
    Waiting,
    /// It belongs to none, and was refused.
    Unknown,
    /// It is not signed; it was not answered.
    Stranger,
}

/// The code of the datagram. The server decides by it what to do next; that it is an accept is looked up again by token.
fn code(decision: &Decision) -> Code {
    match decision.verdict() {
        Verdict::Accept | Verdict::Bypassed => Code::Accept,
        Verdict::Challenge => Code::Challenge,
        Verdict::Reject | Verdict::Locked | Verdict::Malformed | Verdict::Unavailable => Code::Reject,
    }
}

impl Table {
    fn open(&mut self, opening: Opening) -> Opened {
        let id = WaitId(self.next);
        self.next = self.next.wrapping_add(1);
        let (sender, stop) = watch::channel(false);
        if let Some(user) = &opening.user {
            self.claim_user(user.clone(), id);
        }
        let (deadline, number) = (Instant::now() + opening.limit, opening.number.clone());
        let wait = Wait {
            user: opening.user,
            client: opening.client,
            fingerprint: opening.fingerprint,
            since: opening.since,
            deadline,
            seat: None,
            decision: None,
            stop: sender,
            number: opening.number,
        };
        self.waits.insert(id, wait);
        Opened { id, stop, deadline, number }
    }

    fn claim_user(&mut self, user: UserName, id: WaitId) {
        if let Some(old) = self.users.insert(user, id)
            && old != id
            && self.waits.get(&old).is_some_and(|wait| wait.decision.is_some())
        {
            self.waits.remove(&old);
        }
    }

    /// The answer has gone to a packet. An accept is for one.
    fn given(&mut self, id: WaitId, decision: &Decision) {
        if decision.verdict().lets_in() {
            self.forget(id);
        } else if let Some(wait) = self.waits.get_mut(&id) {
            wait.seat = None;
            if wait.user.is_none() {
                self.forget(id);
            }
        }
    }

    fn forget(&mut self, id: WaitId) {
        let Some(wait) = self.waits.remove(&id) else { return };
        if let Some(user) = &wait.user
            && self.users.get(user) == Some(&id)
        {
            self.users.remove(user);
        }
    }
}
