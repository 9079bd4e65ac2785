//! The home server that parked requests wait at: a UDP socket of the loopback interface, read by a thread of its own, so that
//! no burst is lost while other threads are busy. It also runs the sweep.

use super::datagrams::DatagramOutcome;
use super::open_waits::OpenWaits;
use crate::types::Secret;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Interval between sweeps.
const SWEEP: Duration = Duration::from_millis(250);

/// The bound socket, before its thread is started.
pub(crate) struct BoundSocket {
    pub(crate) socket: UdpSocket,
    pub(crate) address: SocketAddr,
    pub(crate) secret: Secret,
}

/// The responder's thread, which ends when this is dropped.
pub(crate) struct Responder {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Called with the user of a packet that never arrived.
pub(crate) type LostHandler = Box<dyn Fn(&str) + Send>;
/// Called with the kind of a datagram that was refused: `unknown` or `forged`.
pub(crate) type RefusedHandler = Box<dyn Fn(&'static str) + Send>;

impl BoundSocket {
    /// On a port that the system assigns, with a random secret that is never shown.
    pub(crate) fn open() -> io::Result<Self> {
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
    /// Reads the socket until the responder is dropped. `lost` is called with the users of packets that were parked and never arrived.
    pub(crate) fn start(
        socket: UdpSocket,
        waits: Arc<OpenWaits>,
        refused: RefusedHandler,
        lost: LostHandler,
    ) -> io::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&ended);
        let work = move || {
            let mut datagram = [0; 4096];
            let mut swept = Instant::now();
            while !stop.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut datagram) {
                    match waits.receive_datagram(datagram.get(..length).unwrap_or_default(), from) {
                        DatagramOutcome::Waiting => {}
                        DatagramOutcome::Unknown => refused("unknown"),
                        DatagramOutcome::Stranger => refused("forged"),
                    }
                }
                if swept.elapsed() >= SWEEP {
                    swept = Instant::now();
                    waits.remove_expired().iter().for_each(|user| lost(user));
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

#[cfg(test)]
mod tests {
    use super::super::loopback_packet::tests::signed_request;
    use super::super::{AskedUser, AttemptFingerprint, JoinOutcome, NewWait, OpenedWait, ParkedHandle};
    use super::*;
    use crate::engine::{Decision, Reason};
    use crate::types::{Timestamp, UserName};
    use crate::wire::kind::STATE;
    use std::sync::Mutex;

    /// A responder, the server's end, and who got lost.
    struct Site {
        waits: Arc<OpenWaits>,
        refused: Arc<Mutex<Vec<&'static str>>>,
        secret: Secret,
        address: SocketAddr,
        lost: Arc<Mutex<Vec<String>>>,
        _responder: Responder,
    }

    impl Site {
        fn start() -> Self {
            let BoundSocket { socket, address, secret } = BoundSocket::open().unwrap();
            let waits = Arc::new(OpenWaits::new(socket, secret.clone(), Duration::from_secs(10)));
            let (refused, lost) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
            let count = Arc::clone(&refused);
            let count = Box::new(move |why| count.lock().unwrap().push(why));
            let told = Arc::clone(&lost);
            let tell = Box::new(move |user: &str| told.lock().unwrap().push(user.to_owned()));
            let socket = waits.responder_socket().unwrap();
            let responder = Responder::start(socket, Arc::clone(&waits), count, tell).unwrap();
            Self { waits, refused, secret, address, lost, _responder: responder }
        }

        fn open(&self, user: &str) -> (OpenedWait, ParkedHandle) {
            let opening = NewWait {
                user: Some(AskedUser {
                    name: UserName::from_canonical(user),
                    proof: crate::engine::ProofClass::Proven,
                }),
                client: String::new(),
                fingerprint: AttemptFingerprint { digest: [0; 32], datagram: None, roams: true, port: 1 },
                begun: None,
                since: Timestamp::default(),
                limit: Duration::from_secs(30),
                number: None,
            };
            match self.waits.join_or_open(opening) {
                JoinOutcome::Opened(opened, Some(seat)) => (opened, seat),
                _ => panic!("nobody waits yet"),
            }
        }

        /// A socket of the server's.
        fn end(&self) -> UdpSocket {
            let end = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            end.connect(self.address).unwrap();
            end
        }

        fn counted(&self, what: &str) -> String {
            // It is counted after it was answered.
            std::thread::sleep(Duration::from_millis(100));
            self.refused.lock().unwrap().iter().filter(|why| **why == what).count().to_string()
        }
    }

    /// The code of what comes back.
    fn answer(end: &UdpSocket, datagram: &[u8]) -> Option<u8> {
        end.send(datagram).unwrap();
        received(end, Duration::from_secs(30))
    }

    /// Whether nothing comes back for a moment.
    fn is_silent(end: &UdpSocket, datagram: &[u8]) -> bool {
        end.send(datagram).unwrap();
        received(end, Duration::from_millis(200)).is_none()
    }

    fn received(end: &UdpSocket, within: Duration) -> Option<u8> {
        end.set_read_timeout(Some(within)).unwrap();
        let mut octets = [0; 4096];
        end.recv(&mut octets).ok().map(|_| octets[0])
    }

    fn approved() -> Decision {
        Decision::for_reason(None, Reason::Approved)
    }

    #[test]
    fn signed_datagram_without_a_live_token_is_refused_at_once() {
        let site = Site::start();
        let end = site.end();
        let (_opened, seat) = site.open("alice");
        let token = seat.token;
        // It came to wait, and has left.
        assert!(is_silent(&end, &signed_request(&[(STATE, token.expose())], &site.secret)));
        drop(seat);
        let one: (u8, &[u8]) = (STATE, token.expose());
        for attributes in [vec![], vec![(STATE, &[7; 16][..])], vec![(STATE, b"short")], vec![one, one]] {
            assert_eq!(answer(&end, &signed_request(&attributes, &site.secret)), Some(3), "{attributes:?}");
        }
        assert_eq!(site.counted("unknown"), "4");
    }

    #[test]
    fn stranger_gets_no_answer_and_is_counted() {
        let site = Site::start();
        let end = site.end();
        let (opened, seat) = site.open("alice");
        let right = signed_request(&[(STATE, seat.token.expose())], &site.secret);
        let wrong = signed_request(&[(STATE, seat.token.expose())], &Secret::new("guessed"));
        for datagram in [&wrong[..], &right[..right.len() - 1], b"", &[1; 4096]] {
            assert!(is_silent(&end, datagram));
        }
        assert_eq!(site.counted("forged"), "4");
        assert!(is_silent(&end, &right), "the wait is as it was");
        site.waits.resolve_wait(opened.id, approved());
        assert_eq!(received(&end, Duration::from_secs(30)), Some(2));
    }

    #[test]
    fn token_is_good_for_one_packet_and_its_repetitions() {
        let site = Site::start();
        let (opened, seat) = site.open("alice");
        let (end, other) = (site.end(), site.end());
        let datagram = signed_request(&[(STATE, seat.token.expose())], &site.secret);
        assert!(is_silent(&end, &datagram), "it waits");
        assert_eq!(answer(&other, &datagram), Some(3), "from elsewhere");
        assert!(is_silent(&end, &datagram), "sent again");
        site.waits.resolve_wait(opened.id, approved());
        assert_eq!(received(&end, Duration::from_secs(30)), Some(2));
        assert_eq!(answer(&end, &datagram), Some(2), "sent again");
        assert_eq!(answer(&other, &datagram), Some(3), "from elsewhere");
        assert!(site.waits.take_decision(&seat.token).is_some_and(|decision| decision.lets_in()));
        assert!(site.waits.take_decision(&seat.token).is_none());
        std::thread::sleep(Duration::from_millis(50));
        while received(&end, Duration::from_millis(50)).is_some() {}
        assert_eq!(answer(&end, &datagram), Some(3), "it is spent");
    }

    #[test]
    fn question_of_a_packet_that_never_comes_is_taken_back() {
        let site = Site::start();
        let (kept, dropped, sent) = (site.open("alice"), site.open("bob"), site.open("carol"));
        drop(dropped.1);
        sent.1.send();
        drop(sent.1);
        let start = Instant::now();
        while site.lost.lock().unwrap().len() < 3 {
            assert!(start.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(20));
        }
        assert!([kept.0.stop, dropped.0.stop, sent.0.stop].iter().all(|stop| *stop.borrow()));
        let mut lost = site.lost.lock().unwrap().clone();
        lost.sort();
        assert_eq!(lost, ["alice", "bob", "carol"]);
        let datagram = signed_request(&[(STATE, kept.1.token.expose())], &site.secret);
        assert_eq!(answer(&site.end(), &datagram), Some(3), "too late");
    }

    #[test]
    fn packet_whose_datagram_gets_lost_is_answered_when_it_comes_again() {
        let site = Site::start();
        let (opened, seat) = site.open("alice");
        seat.send();
        std::thread::sleep(Duration::from_millis(2500));
        assert!(!*opened.stop.borrow() && site.lost.lock().unwrap().is_empty());
        site.waits.resolve_wait(opened.id, approved());
        let datagram = signed_request(&[(STATE, seat.token.expose())], &site.secret);
        assert_eq!(answer(&site.end(), &datagram), Some(2));
    }
}
