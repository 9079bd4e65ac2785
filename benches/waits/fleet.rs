//! Many clients at once: as many sockets as their packets need identifiers, read by one thread.

use crate::harness::Code;
use crate::harness::wire::{Packet, answer};
use std::collections::VecDeque;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Identifiers of a socket.
const IDS: usize = 256;

/// A login that a fleet sends.
pub struct Trip {
    /// When, after the start.
    pub at: Duration,
    pub packet: Packet,
}

/// What came of it.
#[derive(Clone, Copy)]
pub struct Arrival {
    pub code: Code,
    pub sent: Instant,
    pub answered: Instant,
}

/// Sends all of them at their times, and again every `again` while there is no answer, as evenly spread as they first were; done
/// when all have one or `patience` has passed since the last one was due.
pub fn run(port: u16, trips: &[Trip], again: Duration, patience: Duration) -> Vec<Option<Arrival>> {
    let sockets: Vec<UdpSocket> = (0..trips.len().div_ceil(IDS))
        .map(|_| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(("127.0.0.1", port)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let packets: Vec<Vec<u8>> = trips.iter().map(|trip| trip.packet.finish()).collect();
    let mut sent: Vec<Option<Instant>> = vec![None; trips.len()];
    let mut replies: Vec<Option<(Instant, Vec<u8>)>> = vec![None; trips.len()];
    let start = Instant::now();
    let end = start + trips.iter().map(|trip| trip.at).max().unwrap_or_default() + patience;
    let (mut next, mut open, mut octets) = (0, trips.len(), [0; 4096]);
    let mut resend = VecDeque::new();
    while open > 0 && Instant::now() < end {
        let now = Instant::now();
        let mut busy = false;
        while next < trips.len() && start + trips[next].at <= now {
            let _ = sockets[next / IDS].send(&packets[next]);
            sent[next] = Some(now);
            resend.push_back((now + again, next));
            next += 1;
            busy = true;
        }
        while let Some(&(due, index)) = resend.front()
            && due <= now
        {
            resend.pop_front();
            if replies[index].is_none() {
                let _ = sockets[index / IDS].send(&packets[index]);
                resend.push_back((now + again, index));
            }
        }
        for (number, socket) in sockets.iter().enumerate() {
            while let Ok(length) = socket.recv(&mut octets) {
                let index = number * IDS + usize::from(octets[1]);
                if replies[index].is_none() {
                    replies[index] = Some((Instant::now(), octets[..length].to_vec()));
                    open -= 1;
                }
                busy = true;
            }
        }
        if !busy {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let arrival = |index: usize| {
        let (answered, reply) = replies[index].as_ref()?;
        let sent = sent[index]?;
        Some(Arrival { code: answer(&packets[index], reply), sent, answered: *answered })
    };
    (0..trips.len()).map(arrival).collect()
}

/// A packet with the identifier that the place in its fleet gives it.
pub fn packet(index: usize, user: &str, password: &str) -> Packet {
    let seed = (index as u64) << 8 | (index % IDS) as u64;
    Packet::pap(seed, user.as_bytes(), password.as_bytes())
}
