//! One host: its sockets, and what one request comes to there.

use super::super::host_health::FailureEffect;
use super::host_order::RadiusHostHealth;
use super::udp_channel::{AnswerProof, IdentifierLease, IgnoredDatagram, RequestEvent, UdpChannel};
use crate::config::radius::RadiusOptions;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Sockets to one host, with 256 requests each. The server's event loop cannot see descriptors above 1023, so there are few.
const LINES: usize = 16;

pub(super) struct RadiusHost {
    pub(super) name: String,
    pub(super) health: RadiusHostHealth,
    port: u16,
    proof: Arc<AnswerProof>,
    patience: Duration,
    lines: Mutex<Vec<Arc<UdpChannel>>>,
    opening: tokio::sync::Mutex<()>,
    /// Which of its addresses is taken, if it has several: the next one after each failure.
    turn: AtomicUsize,
}

/// An answer, and the authenticator of the request that it is to.
pub(super) struct RadiusAnswer {
    pub(super) octets: Vec<u8>,
    pub(super) authenticator: [u8; 16],
}

/// Why there is none. The texts name no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RadiusFault {
    /// Nothing came in time; or nothing that was signed as it should be.
    Silent(Option<IgnoredDatagram>),
    /// No process listens there.
    Refused,
    /// Nothing could be sent.
    Unreachable(String),
    /// Too many are under way.
    Busy,
}

impl std::fmt::Display for RadiusFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Silent(None) => "no answer",
            Self::Silent(Some(IgnoredDatagram::Unsigned)) => {
                "answers without Message-Authenticator, which were ignored: see \"require_message_authenticator\""
            }
            Self::Silent(Some(IgnoredDatagram::Forged)) => {
                "answers that are not signed with our secret, which were ignored: see \"secret\""
            }
            Self::Silent(Some(IgnoredDatagram::Strange)) => "answers of a kind that were not asked for",
            Self::Refused => "no server listens on this port",
            Self::Busy => "too many logins wait for it",
            Self::Unreachable(why) => why,
        })
    }
}

/// How often a request is sent at most, and whether its sender may go elsewhere before.
#[derive(Clone, Copy)]
pub(super) struct RetryLimit {
    pub(super) most: u32,
    pub(super) elsewhere: OtherHost,
}

/// Whether there is another host that could be asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum OtherHost {
    Somebody,
    Nobody,
}

impl RadiusHost {
    pub(super) fn new(name: &str, config: &RadiusOptions, proof: &Arc<AnswerProof>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            health: RadiusHostHealth::default(),
            port: config.port,
            proof: Arc::clone(proof),
            patience: config.timeout,
            lines: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            turn: AtomicUsize::default(),
        })
    }

    /// Sends a request until it is answered. `request` makes it, signed, from identifier and authenticator.
    pub(super) async fn send_until_answered(
        &self,
        tries: RetryLimit,
        request: impl Fn(u8, &[u8; 16]) -> Vec<u8>,
    ) -> Result<RadiusAnswer, RadiusFault> {
        let sent = Instant::now();
        let asked = self.exchange_once(tries, request).await;
        match &asked {
            Ok(_) => self.health.record_success(Instant::now()),
            Err(RadiusFault::Busy) => {}
            Err(fault) => {
                // What comes in its name shows only that the host is up.
                let effect = self.health.record_failure(&fault.to_string(), sent, Instant::now());
                if effect == FailureEffect::LeftOut {
                    self.lock_channels().clear();
                    self.turn.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        asked
    }

    async fn exchange_once(
        &self,
        tries: RetryLimit,
        request: impl Fn(u8, &[u8; 16]) -> Vec<u8>,
    ) -> Result<RadiusAnswer, RadiusFault> {
        let mut authenticator = [0; 16];
        getrandom::fill(&mut authenticator)
            .map_err(|why| RadiusFault::Unreachable(format!("the system gives no random numbers: {why}")))?;
        let was_down = self.health.is_down();
        let (place, mut told) = self.lease_identifier(authenticator).await?;
        let octets = request(place.id, &authenticator);
        let mut is_refused = false;
        for _ in 0..tries.most.max(1) {
            // What the system says of an earlier one is no reason not to send this one.
            if place.line.socket.send(&octets).await.is_err() {
                let _ = place.line.socket.send(&octets).await;
            }
            let end = tokio::time::Instant::now() + self.patience;
            loop {
                match tokio::time::timeout_at(end, told.recv()).await {
                    Ok(Some(RequestEvent::Answer(octets))) => {
                        return Ok(RadiusAnswer { octets, authenticator });
                    }
                    Ok(Some(RequestEvent::Refused)) => {
                        is_refused = true;
                        if tries.elsewhere == OtherHost::Somebody {
                            return Err(RadiusFault::Refused);
                        }
                    }
                    Ok(None) | Err(_) => break,
                }
            }
            // Another request has found out meanwhile.
            if tries.elsewhere == OtherHost::Somebody && !was_down && self.health.is_down() {
                break;
            }
        }
        Err(match place.last_ignored() {
            None if is_refused => RadiusFault::Refused,
            ignored => RadiusFault::Silent(ignored),
        })
    }

    fn lock_channels(&self) -> std::sync::MutexGuard<'_, Vec<Arc<UdpChannel>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free_identifier(
        &self,
        authenticator: [u8; 16],
    ) -> Option<(IdentifierLease, mpsc::Receiver<RequestEvent>)> {
        self.lock_channels().iter().find_map(|line| line.lease_identifier(authenticator))
    }

    /// An identifier on one of its sockets; on a new one if all are taken.
    async fn lease_identifier(
        &self,
        authenticator: [u8; 16],
    ) -> Result<(IdentifierLease, mpsc::Receiver<RequestEvent>), RadiusFault> {
        if let Some(place) = self.free_identifier(authenticator) {
            return Ok(place);
        }
        let _one = self.opening.lock().await;
        if let Some(place) = self.free_identifier(authenticator) {
            return Ok(place);
        }
        if self.lock_channels().len() >= LINES {
            return Err(RadiusFault::Busy);
        }
        let to = self.resolve_address().await?;
        let failed = |why: std::io::Error| RadiusFault::Unreachable(format!("{to}: {why}"));
        let line = UdpChannel::open(to, Arc::clone(&self.proof)).await.map_err(failed)?;
        let place = line.lease_identifier(authenticator).ok_or(RadiusFault::Busy);
        self.lock_channels().push(line);
        place
    }

    pub(super) async fn resolve_address(&self) -> Result<SocketAddr, RadiusFault> {
        let failed =
            |why: &dyn std::fmt::Display| RadiusFault::Unreachable(format!("its name has no address: {why}"));
        let asked = timeout(self.patience, tokio::net::lookup_host((self.name.as_str(), self.port))).await;
        let found = asked.map_err(|elapsed| failed(&elapsed))?.map_err(|why| failed(&why))?;
        let all: Vec<_> = found.collect();
        let turn = self.turn.load(Ordering::Relaxed).checked_rem(all.len());
        let chosen = turn.and_then(|turn| all.get(turn)).copied();
        chosen.ok_or_else(|| failed(&"nothing was found"))
    }
}
