//! The load generator: one thread, one socket, packets made beforehand, so that it costs as little as can be.

use crate::harness::Code;
use crate::harness::wire::answer;
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// Logins under way at any time.
pub const OUTSTANDING: usize = 64;

/// How long an identifier rests before it is used again: the server has sent its answer a moment before it is done with it.
const REST: Duration = Duration::from_millis(3);

/// What a round came to.
pub struct Run {
    pub accepted: usize,
    pub per_second: f64,
    /// Milliseconds, in the order of the packets.
    pub delays: Vec<f64>,
}

impl Run {
    /// The delay that this share of the logins stays under, in milliseconds.
    pub fn delay(&self, share: f64) -> f64 {
        let mut delays = self.delays.clone();
        delays.sort_by(f64::total_cmp);
        delays[((delays.len() as f64 * share) as usize).min(delays.len() - 1)]
    }
}

/// The middle one.
pub fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Sends all packets with [`OUTSTANDING`] under way. Their identifiers ascend, so that they come round late.
pub fn run(port: u16, packets: &[Vec<u8>]) -> Run {
    run_with(port, packets, OUTSTANDING)
}

/// The same with so many under way, at most 255.
pub fn run_with(port: u16, packets: &[Vec<u8>], outstanding: usize) -> Run {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
    // For each identifier the packet that waits for its answer, and since when; and when the last one had it.
    let mut waiting: Vec<Option<(usize, Instant)>> = vec![None; 256];
    let mut answered: Vec<Option<Instant>> = vec![None; 256];
    let (mut next, mut under_way, mut accepted) = (0, 0, 0);
    let mut delays = vec![0.0; packets.len()];
    let mut replies = Vec::with_capacity(packets.len());
    let mut octets = [0; 4096];
    let start = Instant::now();
    while replies.len() < packets.len() {
        while under_way < outstanding
            && let Some(packet) = packets.get(next)
            && let id = usize::from(packet[1])
            && waiting[id].is_none()
            && answered[id].is_none_or(|since| since.elapsed() > REST)
        {
            waiting[id] = Some((next, Instant::now()));
            socket.send(packet).unwrap();
            next += 1;
            under_way += 1;
        }
        if under_way == 0 {
            std::thread::sleep(REST);
            continue;
        }
        match socket.recv(&mut octets) {
            Ok(length) => {
                answered[usize::from(octets[1])] = Some(Instant::now());
                if let Some((index, since)) = waiting[usize::from(octets[1])].take() {
                    delays[index] = since.elapsed().as_secs_f64() * 1e3;
                    under_way -= 1;
                    replies.push((index, octets[..length].to_vec()));
                }
            }
            Err(_) => {
                assert!(
                    start.elapsed() < Duration::from_secs(60),
                    "{under_way} without an answer for too long"
                );
                // Lost on the way: again, as a client would.
                for (index, _) in waiting.iter().flatten() {
                    socket.send(&packets[*index]).unwrap();
                }
            }
        }
    }
    let elapsed = start.elapsed().as_secs_f64();
    // Checked afterwards: it takes time.
    for (index, reply) in &replies {
        accepted += usize::from(answer(&packets[*index], reply) == Code::Accept);
    }
    Run { accepted, per_second: packets.len() as f64 / elapsed, delays }
}
