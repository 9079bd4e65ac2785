//! A client of one UDP socket, whose packets and answers are octets.

use super::Server;
use super::wire::{self, Packet};
use std::net::UdpSocket;
use std::time::Duration;

/// Message-Authenticator.
pub const MESSAGE_AUTHENTICATOR: u8 = 80;

/// The client.
pub struct Client(UdpSocket);

impl Client {
    /// One that speaks to that server.
    pub fn of(server: &Server) -> Self {
        Self::to(server.port)
    }

    /// One that speaks to that port of 127.0.0.1.
    pub fn to(port: u16) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        Self(socket)
    }

    /// One at that address of this machine.
    pub fn at(address: &str, port: u16) -> Self {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        Self(socket)
    }

    /// Sends a packet, signed.
    pub fn send(&self, packet: &Packet) {
        self.send_octets(&packet.finish());
    }

    /// Sends anything; whether it arrives is another question.
    pub fn send_octets(&self, octets: &[u8]) {
        let _ = self.0.send(octets);
    }

    /// What comes back in that time.
    pub fn answer(&self, within: Duration) -> Option<Vec<u8>> {
        self.0.set_read_timeout(Some(within)).unwrap();
        let mut octets = vec![0; 4096];
        let length = self.0.recv(&mut octets).ok()?;
        octets.truncate(length);
        Some(octets)
    }

    /// The answer to this packet, whose signature is checked.
    pub fn answer_to(&self, packet: &Packet, within: Duration) -> Option<(super::Code, Vec<u8>)> {
        let octets = self.answer(within)?;
        Some((wire::answer(&packet.finish(), &octets), octets))
    }
}

/// The values of an attribute in a packet, in order.
pub fn values(packet: &[u8], kind: u8) -> Vec<Vec<u8>> {
    let (mut found, mut rest) = (Vec::new(), &packet[20..]);
    while let [this, length, ..] = *rest {
        let (attribute, behind) = rest.split_at(usize::from(length));
        if this == kind {
            found.push(attribute[2..].to_vec());
        }
        rest = behind;
    }
    found
}
