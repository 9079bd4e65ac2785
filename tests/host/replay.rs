//! One code, one accept: however many packets, sockets, threads and servers.

use crate::harness::wire::{Packet, burst, burst_to};
use crate::harness::{Code, Login, SOON, Site};

fn accepts(codes: &[Code]) -> usize {
    assert!(!codes.contains(&Code::Silence), "every packet is answered");
    codes.iter().filter(|code| **code == Code::Accept).count()
}

#[test]
fn same_code_a_thousand_times_at_once_is_accepted_once() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    let packets: Vec<Packet> =
        (0..1000).map(|seed| Packet::pap(seed, b"alice", alice.code(0).as_bytes())).collect();
    assert_eq!(accepts(&burst(&server, &packets)), 1);
}

#[test]
fn same_recovery_code_many_times_at_once_is_accepted_once() {
    let server = Site::passcode().start();
    server.admin(&["user", "add", "alice"]);
    let code = server.recovery("alice").remove(0);
    let packets: Vec<Packet> = (0..200).map(|seed| Packet::pap(seed, b"alice", code.as_bytes())).collect();
    assert_eq!(accepts(&burst(&server, &packets)), 1);
}

#[test]
fn same_code_at_two_servers_on_one_database_is_accepted_once() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    let twin = server.twin();
    for counter in 0..5 {
        let packets: Vec<Packet> =
            (0..200).map(|seed| Packet::pap(seed, b"alice", alice.code(counter).as_bytes())).collect();
        assert_eq!(accepts(&burst_to(&[server.port, twin.port], &packets)), 1);
    }
}

#[test]
fn many_users_at_once_at_two_servers_are_all_accepted() {
    let server = Site::passcode().start();
    let users: Vec<_> = (0..20).map(|n| format!("user{n}")).collect();
    let tokens: Vec<_> = users.iter().map(|user| server.enrol(user)).collect();
    let twin = server.twin();
    let packets: Vec<Packet> = users
        .iter()
        .zip(&tokens)
        .enumerate()
        .map(|(seed, (user, token))| Packet::pap(seed as u64, user.as_bytes(), token.code(0).as_bytes()))
        .collect();
    assert_eq!(accepts(&burst_to(&[server.port, twin.port], &packets)), 20);
}

#[test]
fn spent_code_is_refused_after_a_restart() {
    let mut server = Site::passcode().start();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    assert!(server.down(), "SIGTERM ends the server");
    server.up().unwrap();
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &alice.code(1)).send(&server).code, Code::Accept);
}

#[test]
fn retransmitted_packet_gets_the_same_answer() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    let octets = Packet::pap(1, b"alice", alice.code(0).as_bytes()).finish();
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.connect(server.address()).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let mut answer = [0; 4096];
    for _ in 0..3 {
        socket.send(&octets).unwrap();
        socket.recv(&mut answer).unwrap();
        assert_eq!(answer[0], 2, "the server repeats its Access-Accept");
        // A packet that comes while its answer is on the way is dropped.
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}
