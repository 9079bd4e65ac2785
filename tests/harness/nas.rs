//! A client (NAS) that sends what the test wants: from one address and port, with any identifier, as often as it likes.

use super::radclient::{Code, Reply};
use super::wire::{self, Packet, Signature};
use super::{SECRET, SOON, Server};
use std::cell::{Cell, RefCell};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Where [`Site::fails_over`](super::Site) listens.
pub const SECOND: &str = "127.0.0.9";

/// What makes 127.0.0.2 a client of the server, for `Site::root`.
pub fn elsewhere() -> String {
    format!("client elsewhere {{\n\tipaddr = 127.0.0.2\n\tsecret = {SECRET}\n}}\n")
}

/// One of its ports.
pub struct Nas {
    socket: UdpSocket,
    seed: Cell<u64>,
    replies: RefCell<Vec<Vec<u8>>>,
    signatures: RefCell<Vec<(Code, Signature)>>,
}

/// A packet that was sent.
pub struct Sent(Vec<u8>);

impl Nas {
    /// A port of 127.0.0.1.
    pub fn new() -> Self {
        Self::at("127.0.0.1")
    }

    /// A port of this address.
    pub fn at(address: &str) -> Self {
        let socket = UdpSocket::bind((address, 0)).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        // No two clients send the same octets by chance.
        static CLIENTS: AtomicU64 = AtomicU64::new(1);
        let seed = Cell::new(CLIENTS.fetch_add(1, Ordering::Relaxed) << 16);
        Self { socket, seed, replies: RefCell::default(), signatures: RefCell::default() }
    }

    /// Sends a PAP login under an identifier that it has not used, with these attributes as well.
    pub fn pap(&self, server: &Server, user: &str, password: &str, more: &[(u8, &str)]) -> Sent {
        self.pap_to("127.0.0.1", server, user, password, more)
    }

    /// The same to one of the server's addresses.
    pub fn pap_to(&self, to: &str, server: &Server, user: &str, password: &str, more: &[(u8, &str)]) -> Sent {
        self.seed.set(self.seed.get() + 1);
        let packet = Packet::pap(self.seed.get(), user.as_bytes(), password.as_bytes());
        let packet = more.iter().fold(packet, |packet, (kind, value)| packet.with(*kind, value.as_bytes()));
        let sent = Sent(packet.finish());
        self.socket.send_to(&sent.0, (to, server.port)).unwrap();
        sent
    }

    /// Sends another login under the identifier of an earlier one, which the server forgets then.
    pub fn pap_as(&self, server: &Server, earlier: &Sent, user: &str, password: &str) -> Sent {
        let seed = u64::from(earlier.0[1]) + 256;
        let sent = Sent(Packet::pap(seed, user.as_bytes(), password.as_bytes()).finish());
        self.replies.borrow_mut().retain(|octets| octets[1] != sent.0[1]);
        self.again(server, &sent);
        sent
    }

    /// Sends the very same octets again.
    pub fn again(&self, server: &Server, sent: &Sent) {
        self.socket.send_to(&sent.0, ("127.0.0.1", server.port)).unwrap();
    }

    /// The answer.
    pub fn reply(&self, sent: &Sent) -> Reply {
        self.reply_within(sent, SOON).expect("an answer")
    }

    /// How what it was answered was signed.
    pub fn signatures(&self) -> Vec<(Code, Signature)> {
        self.signatures.borrow().clone()
    }

    /// Whether there is no answer yet.
    pub fn waits(&self, sent: &Sent) -> bool {
        self.reply_within(sent, Duration::ZERO).is_none()
    }

    fn reply_within(&self, sent: &Sent, limit: Duration) -> Option<Reply> {
        let start = Instant::now();
        loop {
            let mut octets = [0; 4096];
            while let Ok(length) = self.socket.recv(&mut octets) {
                self.replies.borrow_mut().push(octets[..length].to_vec());
            }
            if let Some(octets) = self.replies.borrow().iter().find(|octets| octets[1] == sent.0[1]) {
                let reply = read(&sent.0, octets);
                self.signatures.borrow_mut().push((reply.code, wire::signature(&sent.0, octets)));
                return Some(reply);
            }
            if start.elapsed() >= limit {
                return None;
            }
        }
    }
}

fn read(request: &[u8], octets: &[u8]) -> Reply {
    let mut reply = Reply { code: wire::answer(request, octets), attributes: Vec::new() };
    let mut rest = &octets[20..];
    while let [kind, size, ..] = *rest {
        let name = match kind {
            wire::REPLY_MESSAGE => "Reply-Message",
            wire::STATE => "State",
            11 => "Filter-Id",
            27 => "Session-Timeout",
            _ => "",
        };
        let value = String::from_utf8_lossy(&rest[2..usize::from(size)]).into_owned();
        reply.attributes.push((name.to_owned(), value));
        rest = &rest[usize::from(size)..];
    }
    reply
}

impl Reply {
    /// Code and Reply-Message, for short.
    pub fn said(&self) -> (Code, Option<&str>) {
        (self.code, self.get("Reply-Message"))
    }
}
