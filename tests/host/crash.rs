//! `kill -9` at any moment: no code that was accepted is ever accepted again.

use crate::harness::wire::{Packet, answer};
use crate::harness::{Code, Site};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const USERS: usize = 8;

/// Sends one code of each user, kills the server this long afterwards, and tells whose code was accepted.
fn accepted_before_the_kill(
    server: &mut crate::harness::Server,
    codes: &[String],
    delay: Duration,
) -> Vec<bool> {
    let start = Instant::now();
    let sent: Vec<(UdpSocket, Vec<u8>)> = codes
        .iter()
        .enumerate()
        .map(|(user, code)| {
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(server.address()).unwrap();
            let octets = Packet::pap(user as u64, format!("user{user}").as_bytes(), code.as_bytes()).finish();
            socket.send(&octets).unwrap();
            (socket, octets)
        })
        .collect();
    std::thread::sleep(delay.saturating_sub(start.elapsed()));
    server.kill();
    sent.iter()
        .map(|(socket, request)| {
            let mut reply = [0; 4096];
            socket.set_nonblocking(true).unwrap();
            socket.recv(&mut reply).is_ok_and(|length| answer(request, &reply[..length]) == Code::Accept)
        })
        .collect()
}

#[test]
fn accepted_code_is_refused_after_a_kill_at_any_moment() {
    let mut server =
        Site::passcode().with("lockout {\nslow_after = 1000\nlock_after_unproven = 10000\n}").start();
    let tokens: Vec<_> = (0..USERS).map(|n| server.enrol(&format!("user{n}"))).collect();
    let (mut accepted_ever, mut silent_ever) = (0, 0);
    for round in 0..50u64 {
        let codes: Vec<String> = tokens.iter().map(|token| token.code(round)).collect();
        // From at once to well after the last answer; odd steps so that no two rounds meet the same moment.
        let delay = Duration::from_micros(round * 397 + u64::from(std::process::id() % 97));
        // However busy the machine is, the last kills come after an answer.
        let delay = if round < 47 { delay } else { Duration::from_secs(1) };
        let accepted = accepted_before_the_kill(&mut server, &codes, delay);
        server.up().unwrap();
        let again: Vec<Packet> = codes
            .iter()
            .enumerate()
            .map(|(user, code)| {
                Packet::pap(100 + user as u64, format!("user{user}").as_bytes(), code.as_bytes())
            })
            .collect();
        for (user, code) in crate::harness::wire::burst(&server, &again).into_iter().enumerate() {
            assert!(!(accepted[user] && code == Code::Accept), "round {round}: user{user} accepted twice");
        }
        accepted_ever += accepted.iter().filter(|a| **a).count();
        silent_ever += accepted.iter().filter(|a| !**a).count();
    }
    println!(
        "{accepted_ever} codes accepted before the kill, {silent_ever} cut off by it; none accepted twice"
    );
    assert!(accepted_ever > 0 && silent_ever > 0, "the kills must fall before and after answers");
}
