//! Datagrams between waits and the server: requests, replies, and clean-up after losses.

use super::loopback_packet::{LoopbackReply, LoopbackRequest, ReplyCode};
use super::open_waits::{AGAIN, CLAIM, OpenWaits};
use super::table::{HandlingMode, WaitTable, WaitingPacket};
use super::wait::{WaitId, WaitToken};
use crate::engine::{Decision, Verdict};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// What became of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatagramOutcome {
    /// It belongs to a wait.
    Waiting,
    /// It belongs to no wait, and was refused.
    Unknown,
    /// It is not signed; it was not answered.
    Stranger,
}

impl OpenWaits {
    /// Handles a datagram at the responder. Every signed request is answered, now or when its wait ends.
    pub(crate) fn receive_datagram(&self, datagram: &[u8], from: SocketAddr) -> DatagramOutcome {
        let Some(request) = LoopbackRequest::parse(datagram, &self.secret) else {
            return DatagramOutcome::Stranger;
        };
        let mut table = self.lock_table();
        let token = request.state.as_deref().and_then(|state| WaitToken::try_from(state).ok());
        let packet = token.and_then(|token| table.seats.get_mut(&token));
        let Some(packet) = packet else {
            drop(table);
            self.send(&request.build_reply(ReplyCode::Reject, &LoopbackReply::default(), &self.secret), from);
            return DatagramOutcome::Unknown;
        };
        match &mut packet.how {
            HandlingMode::Answered { to, octets, .. }
                if *to == from && octets.get(1) == Some(&request.id) =>
            {
                let octets = octets.clone();
                drop(table);
                self.send(&octets, from);
            }
            HandlingMode::Parked(to, first)
                if *to != from || first.authenticator != request.authenticator =>
            {
                drop(table);
                self.send(
                    &request.build_reply(ReplyCode::Reject, &LoopbackReply::default(), &self.secret),
                    from,
                );
                return DatagramOutcome::Unknown;
            }
            HandlingMode::Answered { .. } | HandlingMode::Blocking => {
                drop(table);
                self.send(
                    &request.build_reply(ReplyCode::Reject, &LoopbackReply::default(), &self.secret),
                    from,
                );
                return DatagramOutcome::Unknown;
            }
            HandlingMode::Leaving | HandlingMode::Sent | HandlingMode::Parked(..) => {
                packet.how = HandlingMode::Parked(from, request);
                if packet.decision.is_some() {
                    self.send_reply(packet);
                }
            }
        }
        DatagramOutcome::Waiting
    }

    /// Cleans up packets that never arrived, replies that were not taken and expired results. Returns the users of packets that never
    /// arrived.
    pub(crate) fn remove_expired(&self) -> Vec<String> {
        let mut table = self.lock_table();
        let now = Instant::now();
        let mut lost = Vec::new();
        let mut again = Vec::new();
        let mut old = Vec::new();
        for (token, packet) in &mut table.seats {
            match &mut packet.how {
                HandlingMode::Leaving if now.duration_since(packet.since) >= CLAIM => lost.push(*token),
                HandlingMode::Answered { first, .. }
                    if now.duration_since(*first) >= Duration::from_secs(60) =>
                {
                    old.push(*token)
                }
                HandlingMode::Answered { to, octets, first, last }
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
                names.push(wait.user.as_ref().map(|asked| asked.name.to_string()).unwrap_or_default());
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
            table.remove_wait(id);
        }
        drop(table);
        for (to, octets) in again {
            self.send(&octets, to);
        }
        names
    }

    /// Delivers the decision to a packet.
    pub(crate) fn deliver_decision(&self, table: &mut WaitTable, token: &WaitToken, decision: Decision) {
        let Some(packet) = table.seats.get_mut(token) else { return };
        packet.decision = Some(decision);
        match packet.how {
            // An accept may be on its way. What it says when it arrives is read from the packet's place.
            HandlingMode::Parked(..) | HandlingMode::Answered { .. } => self.send_reply(packet),
            HandlingMode::Leaving | HandlingMode::Sent => {}
            HandlingMode::Blocking => self.resolved.notify_all(),
        }
    }

    /// Sends a packet its answer.
    fn send_reply(&self, packet: &mut WaitingPacket) {
        let (Some(decision), HandlingMode::Parked(to, request)) = (&packet.decision, &packet.how) else {
            return;
        };
        let (code, to) = (code(decision), *to);
        let reply = match code {
            ReplyCode::Accept => LoopbackReply::default(),
            ReplyCode::Reject | ReplyCode::Challenge => LoopbackReply {
                message: decision.message.clone(),
                state: decision.challenge_state().map(str::to_owned),
                echo: decision.echo,
            },
        };
        let octets = request.build_reply(code, &reply, &self.secret);
        self.send(&octets, to);
        let now = Instant::now();
        packet.how = HandlingMode::Answered { to, octets, first: now, last: now };
    }

    /// Sends on loopback. The sweep resends a reply that was lost.
    fn send(&self, octets: &[u8], to: SocketAddr) {
        let _ = self.socket.send_to(octets, to);
    }
}

/// The code of the datagram. The server decides by it what to do next; that it is an accept is looked up again by token.
fn code(decision: &Decision) -> ReplyCode {
    match decision.verdict() {
        Verdict::Accept | Verdict::Bypassed => ReplyCode::Accept,
        _ if decision.challenge_state().is_some() => ReplyCode::Challenge,
        // Nothing is asked that could not be answered.
        Verdict::Challenge | Verdict::Pending => ReplyCode::Reject,
        Verdict::Reject | Verdict::Locked | Verdict::Malformed | Verdict::Unavailable => ReplyCode::Reject,
    }
}
