//! RADIUS packets (RFC 2865) of our own making, for what `radclient` cannot send: any octets, any number of attributes,
//! a thousand sockets at once.

use super::radclient::Code;
use super::{SECRET, SOON, Server};
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

/// User-Name.
pub const USER_NAME: u8 = 1;
/// User-Password; hidden by [`Packet::pap`].
pub const USER_PASSWORD: u8 = 2;
/// CHAP-Password.
pub const CHAP_PASSWORD: u8 = 3;
/// NAS-Port.
pub const NAS_PORT: u8 = 5;
/// Reply-Message.
pub const REPLY_MESSAGE: u8 = 18;
/// State.
pub const STATE: u8 = 24;
/// Calling-Station-Id.
pub const CALLING_STATION: u8 = 31;
/// Acct-Session-Id.
pub const ACCT_SESSION: u8 = 44;
/// Proxy-State.
pub const PROXY_STATE: u8 = 33;
const MESSAGE_AUTHENTICATOR: u8 = 80;

/// An Access-Request.
#[derive(Clone)]
pub struct Packet {
    octets: Vec<u8>,
}

impl Packet {
    /// With that identifier and nothing in it.
    pub fn new(id: u8, authenticator: [u8; 16]) -> Self {
        let mut octets = vec![1, id, 0, 20];
        octets.extend(authenticator);
        Self { octets }
    }

    /// A PAP login, authenticator and identifier made from `seed`.
    pub fn pap(seed: u64, user: &[u8], password: &[u8]) -> Self {
        let authenticator = Md5::digest(seed.to_be_bytes()).into();
        Self::new(seed as u8, authenticator)
            .with(USER_NAME, user)
            .with(USER_PASSWORD, &hide(password, &authenticator))
    }

    /// A CHAP login, in the same way (RFC 2865, section 5.3).
    pub fn chap(seed: u64, user: &[u8], password: &[u8]) -> Self {
        let authenticator: [u8; 16] = Md5::digest(seed.to_be_bytes()).into();
        let id = seed as u8;
        let digest =
            Md5::new().chain_update([id]).chain_update(password).chain_update(authenticator).finalize();
        Self::new(id, authenticator)
            .with(USER_NAME, user)
            .with(CHAP_PASSWORD, &[&[id], digest.as_slice()].concat())
    }

    /// One more attribute, as it goes on the wire.
    pub fn with(mut self, kind: u8, value: &[u8]) -> Self {
        self.octets.push(kind);
        self.octets.push(u8::try_from(value.len() + 2).expect("attribute of at most 253 octets"));
        self.octets.extend(value);
        self
    }

    /// Its length on the wire, Message-Authenticator included.
    pub fn len(&self) -> usize {
        self.octets.len() + 18
    }

    /// Signed (RFC 3579, section 3.2) and ready to go.
    pub fn finish(&self) -> Vec<u8> {
        let mut octets = self.clone().with(MESSAGE_AUTHENTICATOR, &[0; 16]).octets;
        let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
        octets[2..4].copy_from_slice(&length);
        let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
        mac.update(&octets);
        let at = octets.len() - 16;
        octets[at..].copy_from_slice(&mac.finalize().into_bytes());
        octets
    }

    /// Ready to go, and not signed.
    pub fn finish_unsigned(&self) -> Vec<u8> {
        let mut octets = self.octets.clone();
        let length = u16::try_from(octets.len()).unwrap().to_be_bytes();
        octets[2..4].copy_from_slice(&length);
        octets
    }

    /// Sends it from a socket of its own, again every second, and waits for the answer.
    pub fn send(&self, server: &Server) -> Code {
        burst(server, std::slice::from_ref(self))[0]
    }
}

/// Hides a password (RFC 2865, section 5.2).
pub fn hide(password: &[u8], authenticator: &[u8; 16]) -> Vec<u8> {
    let mut padded = password.to_vec();
    padded.resize(password.len().div_ceil(16).max(1) * 16, 0);
    let mut before = *authenticator;
    for block in padded.chunks_mut(16) {
        let pad = Md5::new().chain_update(SECRET).chain_update(before).finalize();
        block.iter_mut().zip(pad).for_each(|(octet, mask)| *octet ^= mask);
        before = block.try_into().unwrap();
    }
    padded
}

/// Sends all packets at once, each from a socket of its own, and waits for the answers. A packet without
/// an answer is sent again each second, as clients do.
pub fn burst(server: &Server, packets: &[Packet]) -> Vec<Code> {
    burst_to(&[server.port], packets)
}

/// The same, packets dealt out to several servers in turn.
pub fn burst_to(ports: &[u16], packets: &[Packet]) -> Vec<Code> {
    let packets: Vec<Vec<u8>> = packets.iter().map(Packet::finish).collect();
    let sockets: Vec<UdpSocket> = packets
        .iter()
        .zip(ports.iter().cycle())
        .map(|(_, port)| {
            let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket each: raise `ulimit -n`");
            socket.connect(("127.0.0.1", *port)).unwrap();
            socket.set_nonblocking(true).unwrap();
            socket
        })
        .collect();
    let mut codes = vec![Code::Silence; packets.len()];
    let mut octets = [0; 4096];
    for _ in 0..SOON.as_secs() {
        let waiting: Vec<usize> = (0..codes.len()).filter(|i| codes[*i] == Code::Silence).collect();
        if waiting.is_empty() {
            break;
        }
        for index in &waiting {
            let _ = sockets[*index].send(&packets[*index]);
        }
        let sent = Instant::now();
        while sent.elapsed() < Duration::from_secs(1) && waiting.iter().any(|i| codes[*i] == Code::Silence) {
            for index in &waiting {
                if codes[*index] == Code::Silence
                    && let Ok(length) = sockets[*index].recv(&mut octets)
                {
                    codes[*index] = answer(&packets[*index], &octets[..length]);
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    codes
}

/// How a reply is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// Not at all.
    None,
    /// By one Message-Authenticator, the first attribute.
    First,
    /// By one that is not the first.
    Behind,
}

/// How a reply is signed (RFC 3579, section 3.2). A signature that is wrong, and a second one, is a failure of the test.
pub fn signature(request: &[u8], reply: &[u8]) -> Signature {
    let (mut places, mut at) = (Vec::new(), 20);
    while at < reply.len() {
        if reply[at] == MESSAGE_AUTHENTICATOR {
            places.push(at);
        }
        at += usize::from(reply[at + 1]);
    }
    let Some(place) = places.first().copied() else { return Signature::None };
    assert_eq!(places.len(), 1, "one Message-Authenticator: {reply:x?}");
    let mut signed = [&reply[..4], &request[4..20], &reply[20..]].concat();
    signed[place + 2..place + 18].fill(0);
    let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(&signed);
    assert_eq!(mac.finalize().into_bytes()[..], reply[place + 2..place + 18], "Message-Authenticator");
    if place == 20 { Signature::First } else { Signature::Behind }
}

/// The code of a reply whose authenticator is right (RFC 2865, section 3), and its signature, if it has one.
pub fn answer(request: &[u8], reply: &[u8]) -> Code {
    let digest = Md5::new()
        .chain_update(&reply[..4])
        .chain_update(&request[4..20])
        .chain_update(&reply[20..])
        .chain_update(SECRET)
        .finalize();
    assert_eq!(digest[..], reply[4..20], "response authenticator");
    let _ = signature(request, reply);
    match reply[0] {
        2 => Code::Accept,
        3 => Code::Reject,
        11 => Code::Challenge,
        other => panic!("unexpected code {other}"),
    }
}
