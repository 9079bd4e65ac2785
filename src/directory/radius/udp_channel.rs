//! One UDP socket to one host, and the up to 256 requests that are under way on it (RFC 2865, section 3: the
//! identifier has one octet).
//!
//! An attacker who can forge the host's address may send anything here. What is not the signed answer to a request
//! that is under way is counted, and else ignored: the request goes on waiting.

use crate::config::radius::RequiredSignature;
use crate::types::Secret;
use crate::wire::{PacketSignature, RadiusPacket, code};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

/// How long nothing is read after the system has said that something is wrong.
const BREATH: Duration = Duration::from_millis(20);

/// What makes an answer one.
pub(super) struct AnswerProof {
    pub(super) secret: Secret,
    pub(super) signed: RequiredSignature,
    /// How many datagrams were ignored.
    pub(super) ignored: AtomicU64,
}

/// Why a datagram was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IgnoredDatagram {
    /// It has no Message-Authenticator, and has to.
    Unsigned,
    /// It is not made with our secret, or not for this request.
    Forged,
    /// It is, and of no kind that could be an answer.
    Strange,
}

/// What happens to a request.
#[derive(Debug)]
pub(super) enum RequestEvent {
    /// Its answer, with all that makes it one.
    Answer(Vec<u8>),
    /// The host's system has answered that no process listens there.
    Refused,
}

/// The socket; it is closed when the last request on it has ended.
pub(super) struct UdpChannel {
    pub(super) socket: Arc<UdpSocket>,
    places: Arc<Mutex<IdentifierTable>>,
    reader: AbortHandle,
}

struct IdentifierTable {
    next: u8,
    /// Open requests, by RADIUS identifier.
    waiting: Vec<Option<PendingRequest>>,
}

struct PendingRequest {
    authenticator: [u8; 16],
    tell: mpsc::Sender<RequestEvent>,
    ignored: Option<IgnoredDatagram>,
}

/// An identifier that no other request uses as long as this lives.
pub(super) struct IdentifierLease {
    pub(super) line: Arc<UdpChannel>,
    pub(super) id: u8,
}

fn lock_table(places: &Mutex<IdentifierTable>) -> MutexGuard<'_, IdentifierTable> {
    places.lock().unwrap_or_else(PoisonError::into_inner)
}

impl UdpChannel {
    /// A socket that sends to this address, and takes from no other.
    pub(super) async fn open(to: SocketAddr, proof: Arc<AnswerProof>) -> std::io::Result<Arc<Self>> {
        let any: SocketAddr = match to {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let socket = Arc::new(UdpSocket::bind(any).await?);
        socket.connect(to).await?;
        let waiting = (0..=u8::MAX).map(|_| None).collect();
        let places = Arc::new(Mutex::new(IdentifierTable { next: 0, waiting }));
        let reader = tokio::spawn(read(Arc::clone(&socket), Arc::clone(&places), proof)).abort_handle();
        Ok(Arc::new(Self { socket, places, reader }))
    }

    /// An identifier for a request with this authenticator; the one that has rested longest. None if all are taken.
    pub(super) fn lease_identifier(
        self: &Arc<Self>,
        authenticator: [u8; 16],
    ) -> Option<(IdentifierLease, mpsc::Receiver<RequestEvent>)> {
        let (tell, told) = mpsc::channel(4);
        let mut places = lock_table(&self.places);
        let next = places.next;
        let id = (0..=u8::MAX)
            .map(|step| next.wrapping_add(step))
            .find(|id| places.waiting.get(usize::from(*id)).is_some_and(Option::is_none))?;
        *places.waiting.get_mut(usize::from(id))? =
            Some(PendingRequest { authenticator, tell, ignored: None });
        places.next = id.wrapping_add(1);
        Some((IdentifierLease { line: Arc::clone(self), id }, told))
    }
}

impl Drop for UdpChannel {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

impl IdentifierLease {
    /// What came instead of an answer, last.
    pub(super) fn last_ignored(&self) -> Option<IgnoredDatagram> {
        let places = lock_table(&self.line.places);
        places.waiting.get(usize::from(self.id)).and_then(Option::as_ref).and_then(|waiting| waiting.ignored)
    }
}

impl Drop for IdentifierLease {
    fn drop(&mut self) {
        if let Some(waiting) = lock_table(&self.line.places).waiting.get_mut(usize::from(self.id)) {
            *waiting = None;
        }
    }
}

async fn read(socket: Arc<UdpSocket>, places: Arc<Mutex<IdentifierTable>>, proof: Arc<AnswerProof>) {
    // One more than the longest packet: what fills it is none.
    let mut datagram = vec![0; crate::wire::LONGEST.saturating_add(1)];
    loop {
        match socket.recv(&mut datagram).await {
            Ok(length) => take_datagram(&places, &proof, datagram.get(..length).unwrap_or_default()),
            Err(error) => {
                if error.kind() == std::io::ErrorKind::ConnectionRefused {
                    for waiting in lock_table(&places).waiting.iter().flatten() {
                        let _ = waiting.tell.try_send(RequestEvent::Refused);
                    }
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

fn take_datagram(places: &Mutex<IdentifierTable>, proof: &AnswerProof, datagram: &[u8]) {
    let packet = RadiusPacket::parse(datagram);
    let at = packet.map(|packet| usize::from(packet.id()));
    let of =
        |places: &IdentifierTable| at.and_then(|at| Some(places.waiting.get(at)?.as_ref()?.authenticator));
    let authenticator = of(&lock_table(places));
    let judged = packet.zip(authenticator).map(|(packet, request)| judge_datagram(&packet, &request, proof));
    let mut all = lock_table(places);
    // Its place may have become another request's meanwhile.
    let is_same = authenticator.is_some() && of(&all) == authenticator;
    let waiting = at.filter(|_| is_same).and_then(|at| all.waiting.get_mut(at)?.as_mut());
    match (judged, waiting) {
        (Some(Ok(())), Some(waiting)) => {
            let _ = waiting.tell.try_send(RequestEvent::Answer(datagram.to_vec()));
        }
        (judged, waiting) => {
            proof.ignored.fetch_add(1, Ordering::Relaxed);
            if let (Some(Err(ignored)), Some(waiting)) = (judged, waiting) {
                waiting.ignored = Some(ignored);
            }
        }
    }
}

/// Whether it is the answer to the request with this authenticator.
pub(super) fn judge_datagram(
    packet: &RadiusPacket<'_>,
    request: &[u8; 16],
    proof: &AnswerProof,
) -> Result<(), IgnoredDatagram> {
    if !packet.is_answer_to(request, &proof.secret) {
        return Err(IgnoredDatagram::Forged);
    }
    match (packet.verify_signature(request, &proof.secret), proof.signed) {
        (PacketSignature::Right, _) | (PacketSignature::Absent, RequiredSignature::Optional) => {}
        (PacketSignature::Absent, RequiredSignature::Required) => return Err(IgnoredDatagram::Unsigned),
        (PacketSignature::Wrong, _) => return Err(IgnoredDatagram::Forged),
    }
    match packet.code() {
        code::ACCESS_ACCEPT | code::ACCESS_REJECT | code::ACCESS_CHALLENGE => Ok(()),
        _ => Err(IgnoredDatagram::Strange),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::PacketDraft;

    fn proof(signed: RequiredSignature) -> AnswerProof {
        AnswerProof { secret: Secret::new("testing123"), signed, ignored: AtomicU64::new(0) }
    }

    fn places(id: u8, authenticator: [u8; 16]) -> (Mutex<IdentifierTable>, mpsc::Receiver<RequestEvent>) {
        let (tell, told) = mpsc::channel(4);
        let mut waiting: Vec<Option<PendingRequest>> = (0..=u8::MAX).map(|_| None).collect();
        waiting[usize::from(id)] = Some(PendingRequest { authenticator, tell, ignored: None });
        (Mutex::new(IdentifierTable { next: 0, waiting }), told)
    }

    fn accept(id: u8, request: [u8; 16], secret: &str) -> Vec<u8> {
        PacketDraft::new(code::ACCESS_ACCEPT, id, &request).sign_answer(&Secret::new(secret))
    }

    #[test]
    fn only_the_signed_answer_to_this_request_is_one() {
        let request = [3; 16];
        for (datagram, why) in [
            (accept(8, request, "testing123"), None),
            (accept(7, [4; 16], "testing123"), Some(IgnoredDatagram::Forged)),
            (accept(7, request, "other"), Some(IgnoredDatagram::Forged)),
            (
                PacketDraft::new(5, 7, &request).sign_answer(&Secret::new("testing123")),
                Some(IgnoredDatagram::Strange),
            ),
            (vec![2, 7], None),
            (vec![], None),
        ] {
            let (places, mut told) = places(7, request);
            let proof = proof(RequiredSignature::Optional);
            take_datagram(&places, &proof, &datagram);
            assert!(told.try_recv().is_err(), "{datagram:?}");
            assert_eq!(proof.ignored.load(Ordering::Relaxed), 1);
            assert_eq!(lock_table(&places).waiting[7].as_ref().unwrap().ignored, why);
            take_datagram(&places, &proof, &accept(7, request, "testing123"));
            assert!(matches!(told.try_recv(), Ok(RequestEvent::Answer(_))), "it has gone on waiting");
        }
    }

    #[test]
    fn answer_without_signature_is_none_unless_that_is_allowed() {
        // Code, identifier, length and the authenticator of an answer with nothing in it.
        let mut unsigned = [&[2, 7, 0, 20][..], &[3; 16]].concat();
        let digest = {
            use md5::{Digest, Md5};
            Md5::new().chain_update(&unsigned).chain_update("testing123").finalize()
        };
        unsigned[4..].copy_from_slice(&digest);
        let packet = RadiusPacket::parse(&unsigned).unwrap();
        assert_eq!(
            judge_datagram(&packet, &[3; 16], &proof(RequiredSignature::Required)),
            Err(IgnoredDatagram::Unsigned)
        );
        assert_eq!(judge_datagram(&packet, &[3; 16], &proof(RequiredSignature::Optional)), Ok(()));
    }

    proptest::proptest! {
        #[test]
        fn no_octets_are_an_answer(datagram: Vec<u8>, length in 20u8..) {
            let mut datagram = datagram;
            if let Some(head) = datagram.get_mut(..4) {
                head.copy_from_slice(&[2, 7, 0, length]);
            }
            let (places, mut told) = places(7, [3; 16]);
            take_datagram(&places, &proof(RequiredSignature::Optional), &datagram);
            proptest::prop_assert!(told.try_recv().is_err());
        }
    }
}
