//! An EAP-TTLS peer (RFC 5281) that does what no honest one does: it logs in several times in one tunnel.

use super::radclient::Code;
use super::wire::{self, Packet, Signature};
use super::{SOON, Server, mschap};
use md5::{Digest, Md5};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme};
use std::io::{Read, Write};
use std::net::UdpSocket;
use std::sync::Arc;

const EAP_MESSAGE: u8 = 79;
const TTLS: u8 = 21;
const GTC: u8 = 6;
const MORE: u8 = 0x40;
const HAS_LENGTH: u8 = 0x80;
/// Microsoft's number for its attributes (RFC 2548).
const MICROSOFT: u32 = 311;

/// A tunnel whose handshake is done.
pub struct Tunnel {
    carrier: Carrier,
    tls: ClientConnection,
    /// Identifier of the request that is to be answered.
    id: u8,
}

/// What EAP travels in.
enum Carrier {
    Radius {
        socket: UdpSocket,
        sent: u64,
        state: Option<Vec<u8>>,
        signatures: Vec<(Code, Signature)>,
    },
    /// Another tunnel.
    Tunnel(Box<Tunnel>),
}

/// What the server said at last.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Something inside of the tunnel.
    Inside(Vec<u8>),
    /// The end of the conversation.
    End(Code),
}

impl Tunnel {
    /// Shakes hands. The server's certificate is not looked at.
    pub fn open(server: &Server) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", server.port)).unwrap();
        socket.set_read_timeout(Some(SOON)).unwrap();
        let signatures = Vec::new();
        Self::shake_hands(Carrier::Radius { socket, sent: 0, state: None, signatures }, "anonymous")
    }

    /// The same inside of this tunnel, under that name.
    pub fn nested(self, user: &str) -> Self {
        Self::shake_hands(Carrier::Tunnel(Box::new(self)), user)
    }

    fn shake_hands(mut carrier: Carrier, user: &str) -> Self {
        let provider = Arc::new(ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS12])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        let tls = ClientConnection::new(Arc::new(config), "radius.example.test".try_into().unwrap()).unwrap();
        let mut request = carrier.exchange(&eap(0, 1, user.as_bytes())).expect("an EAP-Request");
        if request[4] != TTLS {
            // Not that one, but this (RFC 3748, section 5.3.1).
            request = carrier.exchange(&eap(request[1], 3, &[TTLS])).expect("an EAP-Request");
        }
        assert_eq!((request[0], request[4]), (1, TTLS), "EAP-TTLS begins");
        let mut tunnel = Self { carrier, tls, id: request[1] };
        while tunnel.tls.is_handshaking() {
            assert_eq!(tunnel.flush(), Said::Inside(vec![]));
        }
        tunnel
    }

    /// Logs in by MS-CHAPv2.
    pub fn mschap2(&mut self, user: &str, password: &str) -> Said {
        let keys = self.tls.export_keying_material([0; 17], b"ttls challenge", None).unwrap();
        let challenge: [u8; 16] = keys[..16].try_into().unwrap();
        let response = mschap::response(user, password, &challenge, &[0x21; 16]);
        self.say(&[
            pair(1, 0, user.as_bytes()),
            pair(11, MICROSOFT, &challenge),
            pair(25, MICROSOFT, &response),
        ])
    }

    /// Logs in by PAP.
    pub fn pap(&mut self, user: &str, password: &str) -> Said {
        self.say(&[pair(1, 0, user.as_bytes()), pair(2, 0, password.as_bytes())])
    }

    /// Logs in by PAP, with a vendor's attribute in between that no dictionary has. `false` if nothing comes back.
    pub fn pap_with_unknown(mut self, user: &str, password: &str) -> bool {
        let Carrier::Radius { socket, .. } = &self.carrier else { panic!("in a tunnel") };
        socket.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        let pairs = [pair(1, 0, user.as_bytes()), pair(250, 65_000, b"x"), pair(2, 0, password.as_bytes())];
        let said = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.say(&pairs)));
        said.is_ok()
    }

    /// Says in EAP who it is, and goes on to be asked for a password by EAP-GTC.
    pub fn gtc(&mut self, user: &str) -> Vec<u8> {
        let request = self.eap(None, &eap(0, 1, user.as_bytes())).expect("an EAP-Request");
        self.eap(None, &eap(request[1], 3, &[GTC])).expect("an EAP-Request of EAP-GTC")
    }

    /// Answers a request of EAP-GTC with this text; in the name of `user`, if there is one. The next request, or the end.
    pub fn type_in(&mut self, user: Option<&str>, request: &[u8], text: &str) -> Result<Vec<u8>, Code> {
        self.eap(user, &eap(request[1], GTC, text.as_bytes()))
    }

    /// Wants another method.
    pub fn refuse(&mut self, request: &[u8]) -> Result<Vec<u8>, Code> {
        self.eap(None, &eap(request[1], 3, &[4]))
    }

    fn eap(&mut self, user: Option<&str>, message: &[u8]) -> Result<Vec<u8>, Code> {
        let user = user.map(|user| pair(1, 0, user.as_bytes()));
        match self.say(&[user.unwrap_or_default(), pair(u32::from(EAP_MESSAGE), 0, message)]) {
            // One attribute: eight octets, then the message with its length in it.
            Said::Inside(octets) => {
                let length = usize::from(u16::from_be_bytes([octets[10], octets[11]]));
                Ok(octets[8..8 + length].to_vec())
            }
            Said::End(code) => Err(code),
        }
    }

    /// How what the server said was signed.
    pub fn signatures(&self) -> &[(Code, Signature)] {
        match &self.carrier {
            Carrier::Radius { signatures, .. } => signatures,
            Carrier::Tunnel(tunnel) => tunnel.signatures(),
        }
    }

    /// Says that it has seen the server's answer.
    pub fn acknowledge(&mut self) -> Said {
        self.send(&[])
    }

    fn say(&mut self, pairs: &[Vec<u8>]) -> Said {
        self.tls.writer().write_all(&pairs.concat()).unwrap();
        self.flush()
    }

    /// Sends what TLS has to say.
    fn flush(&mut self) -> Said {
        let mut octets = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut octets).unwrap();
        }
        self.send(&octets)
    }

    fn send(&mut self, octets: &[u8]) -> Said {
        let mut heard = Vec::new();
        let mut next = [&[0], octets].concat();
        loop {
            let request = match self.carrier.exchange(&eap(self.id, TTLS, &next)) {
                Ok(request) => request,
                Err(code) => return Said::End(code),
            };
            assert_eq!((request[0], request[4]), (1, TTLS), "an EAP-Request of EAP-TTLS");
            self.id = request[1];
            heard.extend(&request[if request[5] & HAS_LENGTH == 0 { 6 } else { 10 }..]);
            if request[5] & MORE == 0 {
                break;
            }
            next = vec![0];
        }
        let mut heard = heard.as_slice();
        while !heard.is_empty() {
            self.tls.read_tls(&mut heard).unwrap();
            self.tls.process_new_packets().unwrap();
        }
        let mut inside = vec![0; 4096];
        let length = self.tls.reader().read(&mut inside).unwrap_or(0);
        inside.truncate(length);
        Said::Inside(inside)
    }
}

impl Carrier {
    /// An EAP packet there and one back, or the end.
    fn exchange(&mut self, message: &[u8]) -> Result<Vec<u8>, Code> {
        let (socket, sent, state, signatures) = match self {
            Self::Tunnel(tunnel) => return tunnel.eap(None, message),
            Self::Radius { socket, sent, state, signatures } => (socket, sent, state, signatures),
        };
        *sent += 1;
        let authenticator = Md5::digest(sent.to_be_bytes()).into();
        let mut packet = Packet::new(*sent as u8, authenticator).with(wire::USER_NAME, b"anonymous");
        for part in message.chunks(253) {
            packet = packet.with(EAP_MESSAGE, part);
        }
        if let Some(state) = state {
            packet = packet.with(wire::STATE, state);
        }
        let packet = packet.finish();
        socket.send(&packet).unwrap();
        let mut reply = [0; 4096];
        let length = socket.recv(&mut reply).expect("an answer within 30 s");
        let code = wire::answer(&packet, &reply[..length]);
        signatures.push((code, wire::signature(&packet, &reply[..length])));
        if code != Code::Challenge {
            return Err(code);
        }
        let attributes = attributes(&reply[20..length]);
        let of = |kind: u8| attributes.iter().filter(move |(k, _)| *k == kind).flat_map(|(_, v)| v.clone());
        *state = Some(of(wire::STATE).collect());
        Ok(of(EAP_MESSAGE).collect())
    }
}

/// An EAP-Response of that type (RFC 3748, section 4).
fn eap(id: u8, kind: u8, data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len() + 5).unwrap().to_be_bytes();
    [&[2, id, length[0], length[1], kind], data].concat()
}

/// An attribute inside of the tunnel (RFC 5281, section 10.1), filled up to a multiple of four octets.
fn pair(code: u32, vendor: u32, value: &[u8]) -> Vec<u8> {
    let (flags, vendor) = if vendor == 0 { (0x40, vec![]) } else { (0xc0, vendor.to_be_bytes().to_vec()) };
    let length = u32::try_from(8 + vendor.len() + value.len()).unwrap();
    let mut octets =
        [&code.to_be_bytes()[..], &(length | flags << 24).to_be_bytes(), &vendor, value].concat();
    octets.resize(octets.len().next_multiple_of(4), 0);
    octets
}

fn attributes(mut octets: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut found = Vec::new();
    while let [kind, length, ..] = *octets {
        let (this, rest) = octets.split_at(usize::from(length));
        found.push((kind, this[2..].to_vec()));
        octets = rest;
    }
    found
}

/// Takes every certificate.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
