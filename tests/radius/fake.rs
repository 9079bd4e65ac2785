//! Something that stands where a server should, and answers as the test wants.

use super::SECRET;
use super::harness::SOON;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Makes the datagrams that a request is answered.
type Script = Box<dyn FnMut(&[u8]) -> Vec<Vec<u8>> + Send>;

pub(super) struct Fake {
    pub(super) port: u16,
    asked: Arc<AtomicUsize>,
    logins: Arc<AtomicUsize>,
    script: Arc<Mutex<Script>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub(super) fn start(script: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        Self::at("127.0.0.1:0", script)
    }

    pub(super) fn at(address: &str, script: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> Self {
        let socket = UdpSocket::bind(address).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let port = socket.local_addr().unwrap().port();
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let [asked, logins] = [(); 2].map(|()| Arc::<AtomicUsize>::default());
        let stop = Arc::<AtomicBool>::default();
        let shared = (Arc::clone(&script), Arc::clone(&asked), Arc::clone(&logins), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            let (script, asked, logins, stop) = shared;
            let mut octets = [0; 4096];
            while !stop.load(Ordering::Relaxed) {
                if let Ok((length, from)) = socket.recv_from(&mut octets) {
                    asked.fetch_add(1, Ordering::Relaxed);
                    logins.fetch_add(usize::from(octets[0] == 1), Ordering::Relaxed);
                    for answer in script.lock().unwrap()(&octets[..length]) {
                        let _ = socket.send_to(&answer, from);
                    }
                }
            }
        });
        Self { port, asked, logins, script, stop, thread: Some(thread) }
    }

    /// How many datagrams came.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many of them were logins.
    pub(super) fn logins(&self) -> usize {
        self.logins.load(Ordering::Relaxed)
    }

    /// Waits until so many datagrams came: what was sent need not have been taken yet.
    pub(super) fn wait_for(&self, count: usize) {
        let start = Instant::now();
        while self.asked() < count {
            assert!(start.elapsed() < SOON, "{} of {count} datagrams", self.asked());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(super) fn now(&self, script: impl FnMut(&[u8]) -> Vec<Vec<u8>> + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// An answer to this request, signed as it should be.
pub(super) fn signed(request: &[u8], code: u8, attributes: &[u8]) -> Vec<u8> {
    signed_as(request, code, request[1], SECRET, attributes)
}

/// The same with another identifier or secret.
pub(super) fn signed_as(request: &[u8], code: u8, id: u8, secret: &str, attributes: &[u8]) -> Vec<u8> {
    let mut octets = [&[80, 18][..], &[0; 16], attributes].concat();
    octets = [&head(code, id, octets.len()), &request[4..20], &octets].concat();
    let mut mac = <Hmac<Md5> as KeyInit>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(&octets);
    octets[22..38].copy_from_slice(&mac.finalize().into_bytes());
    finish(octets, secret)
}

/// An answer without Message-Authenticator.
pub(super) fn unsigned(request: &[u8], code: u8) -> Vec<u8> {
    finish([&head(code, request[1], 0), &request[4..20]].concat(), SECRET)
}

/// An answer whose Message-Authenticator alone is wrong.
pub(super) fn missigned(request: &[u8], code: u8) -> Vec<u8> {
    let attribute = [&[80, 18][..], &[7; 16]].concat();
    finish([&head(code, request[1], 18), &request[4..20], &attribute].concat(), SECRET)
}

fn head(code: u8, id: u8, length: usize) -> [u8; 4] {
    let [high, low] = u16::try_from(length + 20).unwrap().to_be_bytes();
    [code, id, high, low]
}

fn finish(mut octets: Vec<u8>, secret: &str) -> Vec<u8> {
    let digest = Md5::new().chain_update(&octets).chain_update(secret).finalize();
    octets[4..20].copy_from_slice(&digest);
    octets
}

/// Accepts every login; says nothing to Status-Server.
pub(super) fn accepts(request: &[u8]) -> Vec<Vec<u8>> {
    if request[0] == 1 { vec![signed(request, 2, &[])] } else { Vec::new() }
}

/// Says nothing at all.
pub(super) fn silent(_: &[u8]) -> Vec<Vec<u8>> {
    Vec::new()
}
