//! The home server that parked requests wait at: a UDP socket of the loopback interface, read by a thread of its own, so that
//! no burst is lost while others work. It also tidies up.

use super::metrics::Metrics;
use super::waits::{Received, Waits};
use crate::types::Secret;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often it tidies up.
const SWEEP: Duration = Duration::from_millis(250);

/// The socket, before anybody reads it.
pub(super) struct Socket {
    pub(super) socket: UdpSocket,
    pub(super) address: SocketAddr,
    pub(super) secret: Secret,
}

/// The thread. Dropped, it ends.
pub(super) struct Responder {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// What a packet that never came is told to.
pub(super) type Lost = Box<dyn Fn(&str) + Send>;

impl Socket {
    /// On a port that the system gives, with a secret that nobody sees.
    pub(super) fn open() -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_read_timeout(Some(SWEEP))?;
        let address = socket.local_addr()?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let secret = Secret::new(data_encoding::HEXLOWER.encode(&secret));
        Ok(Self { socket, address, secret })
    }
}

impl Responder {
    /// Reads the socket until it is dropped. `lost` is told of users whose packets were parked and never came.
    pub(super) fn start(
        socket: UdpSocket,
        waits: Arc<Waits>,
        metrics: Arc<Metrics>,
        lost: Lost,
    ) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let work = move || {
            let mut datagram = [0; 4096];
            let mut swept = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut datagram) {
                    match waits.receive(datagram.get(..length).unwrap_or_default(), from) {
                        Received::Waiting => {}
                        Received::Unknown => metrics.datagram("unknown"),
                        Received::Stranger => metrics.datagram("forged"),
                    }
                }
                if swept.elapsed() >= SWEEP {
                    swept = Instant::now();
                    waits.sweep().iter().for_each(|user| lost(user));
                }
            }
        };
        let thread = std::thread::Builder::new().name("mfa-responder".into()).spawn(work)?;
        Ok(Self { ended, thread: Some(thread) })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
