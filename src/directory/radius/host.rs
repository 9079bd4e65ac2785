//! One host: its sockets, and what one request comes to there.

use super::health::Health;
use super::line::{Event, Ignored, Line, Place, Proof};
use crate::config::radius::RadiusOptions;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Sockets to one host, with 256 requests each. The server's event loop cannot see descriptors above 1023, so there are few.
const LINES: usize = 16;

pub(super) struct Host {
    pub(super) name: String,
    pub(super) health: Health,
    port: u16,
    proof: Arc<Proof>,
    patience: Duration,
    lines: Mutex<Vec<Arc<Line>>>,
    opening: tokio::sync::Mutex<()>,
    /// Which of its addresses is taken, if it has several: the next one after each failure.
    turn: AtomicUsize,
}

/// An answer, and the authenticator of the request that it is to.
pub(super) struct Answer {
    pub(super) octets: Vec<u8>,
    pub(super) authenticator: [u8; 16],
}

/// Why there is none. The texts name no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Nothing came in time; or nothing that was signed as it should be.
    Silent(Option<Ignored>),
    /// Nobody listens there.
    Refused,
    /// Nothing could be sent.
    Unreachable(String),
    /// Too many are under way.
    Busy,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Silent(None) => "no answer",
            Self::Silent(Some(Ignored::Unsigned)) => {
                "answers without Message-Authenticator, which were ignored: see \"require_message_authenticator\""
            }
            Self::Silent(Some(Ignored::Forged)) => {
                "answers that are not signed with our secret, which were ignored: see \"secret\""
            }
            Self::Silent(Some(Ignored::Strange)) => "answers of a kind that were not asked for",
            Self::Refused => "nobody listens on this port",
            Self::Busy => "too many logins wait for it",
            Self::Unreachable(why) => why,
        })
    }
}

/// How often a request is sent at most, and whether its sender may go elsewhere before.
#[derive(Clone, Copy)]
pub(super) struct Tries {
    pub(super) most: u32,
    pub(super) elsewhere: Elsewhere,
}

/// Whether there is another host that could be asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Elsewhere {
    Somebody,
    Nobody,
}

impl Host {
    pub(super) fn new(name: &str, config: &RadiusOptions, proof: &Arc<Proof>) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            health: Health::default(),
            port: config.port,
            proof: Arc::clone(proof),
            patience: config.timeout,
            lines: Mutex::default(),
            opening: tokio::sync::Mutex::default(),
            turn: AtomicUsize::default(),
        })
    }

    /// Sends a request until it is answered. `request` makes it, signed, from identifier and authenticator.
    pub(super) async fn ask(
        &self,
        tries: Tries,
        request: impl Fn(u8, &[u8; 16]) -> Vec<u8>,
    ) -> Result<Answer, Fault> {
        let sent = Instant::now();
        let asked = self.exchange(tries, request).await;
        match &asked {
            Ok(_) => self.health.is_well(Instant::now()),
            Err(Fault::Busy) => {}
            Err(fault) => {
                // What comes in its name shows only that somebody is there.
                if self.health.has_failed(&fault.to_string(), sent, Instant::now()) {
                    self.lines().clear();
                    self.turn.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        asked
    }

    async fn exchange(
        &self,
        tries: Tries,
        request: impl Fn(u8, &[u8; 16]) -> Vec<u8>,
    ) -> Result<Answer, Fault> {
        let mut authenticator = [0; 16];
        getrandom::fill(&mut authenticator)
            .map_err(|why| Fault::Unreachable(format!("the system gives no random numbers: {why}")))?;
        let was_down = self.health.is_down();
        let (place, mut told) = self.place(authenticator).await?;
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
                    Ok(Some(Event::Answer(octets))) => return Ok(Answer { octets, authenticator }),
                    Ok(Some(Event::Refused)) => {
                        is_refused = true;
                        if tries.elsewhere == Elsewhere::Somebody {
                            return Err(Fault::Refused);
                        }
                    }
                    Ok(None) | Err(_) => break,
                }
            }
            // Somebody else has found out meanwhile.
            if tries.elsewhere == Elsewhere::Somebody && !was_down && self.health.is_down() {
                break;
            }
        }
        Err(match place.ignored() {
            None if is_refused => Fault::Refused,
            ignored => Fault::Silent(ignored),
        })
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Line>>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn free(&self, authenticator: [u8; 16]) -> Option<(Place, mpsc::Receiver<Event>)> {
        self.lines().iter().find_map(|line| line.place(authenticator))
    }

    /// An identifier on one of its sockets; on a new one if all are taken.
    async fn place(&self, authenticator: [u8; 16]) -> Result<(Place, mpsc::Receiver<Event>), Fault> {
        if let Some(place) = self.free(authenticator) {
            return Ok(place);
        }
        let _one = self.opening.lock().await;
        if let Some(place) = self.free(authenticator) {
            return Ok(place);
        }
        if self.lines().len() >= LINES {
            return Err(Fault::Busy);
        }
        let to = self.address().await?;
        let failed = |why: std::io::Error| Fault::Unreachable(format!("{to}: {why}"));
        let line = Line::open(to, Arc::clone(&self.proof)).await.map_err(failed)?;
        let place = line.place(authenticator).ok_or(Fault::Busy);
        self.lines().push(line);
        place
    }

    pub(super) async fn address(&self) -> Result<SocketAddr, Fault> {
        let failed =
            |why: &dyn std::fmt::Display| Fault::Unreachable(format!("its name has no address: {why}"));
        let asked = timeout(self.patience, tokio::net::lookup_host((self.name.as_str(), self.port))).await;
        let found = asked.map_err(|elapsed| failed(&elapsed))?.map_err(|why| failed(&why))?;
        let all: Vec<_> = found.collect();
        let turn = self.turn.load(Ordering::Relaxed).checked_rem(all.len());
        let chosen = turn.and_then(|turn| all.get(turn)).copied();
        chosen.ok_or_else(|| failed(&"nothing was found"))
    }
}
