//! Which wait a packet goes to, so that there is one question for each attempt and one accept for each approval.
//!
//! A packet joins a question that is open, or has just been answered, if its fingerprint is the same; it comes here only after
//! its own first factor has been found right. The newest packet is attached to the wait, and
//! the older is refused.

use super::open_waits::{OpenWaits, ParkedHandle};
use super::table::{HandlingMode, WaitEntry, WaitTable, WaitingPacket};
use super::wait::{AskedUser, AttemptFingerprint, NewWait, OpenedWait, WaitId, WaitToken};
use crate::engine::{Decision, RefusalReason};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The result of joining a packet to a wait.
pub(crate) enum JoinOutcome {
    /// The question is answered already; this is the decision.
    Decided(Box<Decision>),
    /// The packet is attached to the wait.
    Seated(ParkedHandle),
    /// The user sees the number that stands here; no packet waits.
    Number(WaitId, String),
    /// Another attempt of the user is waiting.
    Refused,
    /// There is no wait that it could join.
    Nothing,
    /// A new one is open, with the packet in it unless the user is challenged meanwhile.
    Opened(OpenedWait, Option<ParkedHandle>),
}

/// The result of assigning a user to a wait.
#[derive(Debug)]
pub(crate) enum AdoptOutcome {
    /// The wait keeps its own question, with this number to find if there is one.
    Alone(Option<String>),
    /// Its packet was moved to another wait.
    Moved,
    /// The user is shown the number of that other wait.
    Number(WaitId, String),
    /// The user has answered already.
    Decided(Box<Decision>),
    /// Another attempt of the user is waiting.
    Refused,
}

impl OpenWaits {
    /// Joins the packet to the open question to its user, or opens a new wait.
    pub(crate) fn join_or_open(self: &Arc<Self>, opening: NewWait) -> JoinOutcome {
        let mut table = self.lock_table();
        if let Some(joined) =
            opening.user.as_ref().and_then(|user| self.join(&mut table, user, &opening.fingerprint))
        {
            return joined;
        }
        if table.closed {
            return JoinOutcome::Nothing;
        }
        let number = match (&opening.user, &opening.number) {
            (Some(user), Some(number)) => Some(table.free_number(user, number)),
            (_, number) => number.clone(),
        };
        let opened = table.open(NewWait { number, ..opening });
        let seat = match opened.number {
            Some(_) => None,
            None => match self.seat_packet(&mut table, opened.id) {
                Some(seat) => Some(seat),
                None => {
                    table.remove_wait(opened.id);
                    return JoinOutcome::Nothing;
                }
            },
        };
        JoinOutcome::Opened(opened, seat)
    }

    /// The wait of an identical packet, of which it is not known yet whether a push follows. The password backend is
    /// not asked twice.
    pub(crate) fn join_unresolved(
        self: &Arc<Self>,
        begun: &[u8; 32],
        fingerprint: &AttemptFingerprint,
    ) -> Option<ParkedHandle> {
        let mut table = self.lock_table();
        let id = table.begun.get(begun).copied()?;
        let wait = table.waits.get(&id)?;
        let is_open = wait.decision.is_none() && wait.user.is_none() && wait.number.is_none();
        if is_open && wait.fingerprint.is_same_datagram(fingerprint) {
            self.seat_packet(&mut table, id)
        } else {
            None
        }
    }

    /// The wait that this very datagram has opened: the State in it was redeemed then, so that it is no answer any more.
    pub(crate) fn rejoin_datagram(self: &Arc<Self>, fingerprint: &AttemptFingerprint) -> Option<JoinOutcome> {
        let mut table = self.lock_table();
        let id = table.datagrams.get(&fingerprint.datagram?).copied()?;
        self.join_wait(&mut table, id, fingerprint)
    }

    /// Joins the packet to a question to this user that is open or has just been answered. `None`: a new question is asked.
    fn join(
        self: &Arc<Self>,
        table: &mut WaitTable,
        user: &AskedUser,
        fingerprint: &AttemptFingerprint,
    ) -> Option<JoinOutcome> {
        let joins = |wait: &WaitEntry| wait.fingerprint.is_same_datagram(fingerprint);
        let is_open = |wait: &WaitEntry| wait.decision.is_none();
        let open = table.waits_of(user).find(|(_, wait)| joins(wait) && is_open(wait));
        let found = open.or_else(|| table.waits_of(user).find(|(_, wait)| joins(wait)));
        if let Some((id, _)) = found
            && let Some(joined) = self.join_wait(table, id, fingerprint)
        {
            return Some(joined);
        }
        let count = table.waits_of(user).filter(|(_, wait)| is_open(wait)).count();
        (count >= self.per_user).then_some(JoinOutcome::Refused)
    }

    fn join_wait(
        self: &Arc<Self>,
        table: &mut WaitTable,
        id: WaitId,
        fingerprint: &AttemptFingerprint,
    ) -> Option<JoinOutcome> {
        let wait = table.waits.get(&id)?;
        let joins = wait.fingerprint.is_same_datagram(fingerprint);
        match &wait.decision {
            None if !joins => Some(JoinOutcome::Refused),
            None => Some(match wait.number.clone() {
                Some(number) => JoinOutcome::Number(id, number),
                None => self.seat_packet(table, id).map_or(JoinOutcome::Refused, JoinOutcome::Seated),
            }),
            Some((decision, at)) if joins && at.elapsed() < self.keep => {
                let decision = decision.clone();
                self.hand_out(table, id, &decision);
                Some(JoinOutcome::Decided(Box::new(decision)))
            }
            Some(_) => None,
        }
    }

    /// A packet that proved by its State that it belongs to this wait. Several may come, if they are of one attempt.
    pub(crate) fn join_by_state(
        self: &Arc<Self>,
        id: WaitId,
        fingerprint: &AttemptFingerprint,
    ) -> JoinOutcome {
        let mut table = self.lock_table();
        let Some(wait) = table.waits.get_mut(&id) else { return JoinOutcome::Nothing };
        if wait.seat.is_some() && !wait.fingerprint.is_same_datagram(fingerprint) {
            return JoinOutcome::Refused;
        }
        wait.fingerprint = *fingerprint;
        wait.number = None;
        match wait.decision.clone() {
            Some((_, at)) if at.elapsed() >= self.keep.max(Duration::from_secs(60)) => JoinOutcome::Nothing,
            Some((decision, _)) => {
                self.hand_out(&mut table, id, &decision);
                JoinOutcome::Decided(Box::new(decision))
            }
            None => self.seat_packet(&mut table, id).map_or(JoinOutcome::Refused, JoinOutcome::Seated),
        }
    }

    /// A wait has turned out to be about this user, who has to find `number` on the device if there is one. What the
    /// user's other question means for its packet is what it would have meant in [`join_or_open`](Self::join_or_open).
    pub(crate) fn assign_user(&self, id: WaitId, user: &AskedUser, number: Option<&str>) -> AdoptOutcome {
        let mut table = self.lock_table();
        let Some((mine, seat)) = table.waits.get(&id).map(|wait| (wait.fingerprint, wait.seat)) else {
            return AdoptOutcome::Refused;
        };
        let others = || table.waits_of(user).filter(|(other, _)| *other != id);
        let is_open = |wait: &WaitEntry| wait.decision.is_none();
        let joined = || others().filter(|(_, wait)| wait.fingerprint.is_same_datagram(&mine));
        let is_full = others().filter(|(_, wait)| is_open(wait)).count() >= self.per_user;
        let found = joined().find(|(_, wait)| is_open(wait)).or_else(|| joined().next());
        if let Some((other, wait)) = found {
            match (&wait.decision, wait.number.clone(), seat) {
                (None, Some(number), _) => return AdoptOutcome::Number(other, number),
                (None, None, seat) => {
                    if let Some(token) = seat {
                        self.supersede_packet(&mut table, other);
                        table.move_packet(&token, other);
                    }
                    table.remove_wait(id);
                    return AdoptOutcome::Moved;
                }
                (Some((decision, at)), _, _) if at.elapsed() < self.keep => {
                    let decision = decision.clone();
                    self.hand_out(&mut table, other, &decision);
                    return AdoptOutcome::Decided(Box::new(decision));
                }
                (Some(_), _, _) => {}
            }
        }
        if is_full {
            return AdoptOutcome::Refused;
        }
        let number = number.map(|number| table.free_number(user, number));
        if let Some(wait) = table.waits.get_mut(&id) {
            wait.user = Some(user.clone());
            wait.number.clone_from(&number);
            wait.shown.clone_from(&number);
        }
        table.claim_user(user.clone(), id);
        if number.is_some() {
            table.track_unattended(id, user.proof);
        }
        AdoptOutcome::Alone(number)
    }

    /// The wait's packet goes back to its user with this challenge; the wait goes on for the answer to it.
    pub(crate) fn show(&self, id: WaitId, challenge: Decision) {
        let mut table = self.lock_table();
        let seat = table.waits.get_mut(&id).and_then(|wait| wait.seat.take());
        if let Some(token) = seat {
            self.deliver_decision(&mut table, &token, challenge);
        }
    }

    /// Attaches a new packet to the wait, in place of an older one.
    fn seat_packet(self: &Arc<Self>, table: &mut WaitTable, id: WaitId) -> Option<ParkedHandle> {
        let mut token = WaitToken::default();
        getrandom::fill(&mut token.0).ok()?;
        self.supersede_packet(table, id);
        table.waits.get_mut(&id)?.seat = Some(token);
        let packet =
            WaitingPacket { wait: id, since: Instant::now(), how: HandlingMode::Leaving, decision: None };
        table.seats.insert(token, packet);
        Some(ParkedHandle { waits: Arc::clone(self), token, thread: None })
    }

    /// Detaches and refuses the packet attached to the wait, because a newer one replaces it.
    fn supersede_packet(&self, table: &mut WaitTable, id: WaitId) {
        let Some(wait) = table.waits.get_mut(&id) else { return };
        let user = wait.user.as_ref().map(|asked| asked.name.clone());
        if let Some(older) = wait.seat.take() {
            self.deliver_decision(table, &older, Decision::refusal(user, RefusalReason::Superseded));
        }
    }

    /// Gives a kept decision to a new packet. If it is an accept, an older packet that has not taken it yet is refused.
    fn hand_out(&self, table: &mut WaitTable, id: WaitId, decision: &Decision) {
        if decision.lets_in() {
            self.supersede_packet(table, id);
        }
        table.mark_delivered(id, decision);
    }
}
