//! What lies between us and a server: it carries octets, holds them back, or is cut.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with each connection.
const CARRY: u8 = 0;
const HOLD: u8 = 1;
const CUT: u8 = 2;

/// A way from 127.0.0.2 to 127.0.0.1, at the same port. Ends when it is dropped.
pub struct Way {
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    mode: AtomicU8,
    taken: AtomicUsize,
    most: AtomicUsize,
    is_over: AtomicU8,
    open: Mutex<Vec<Pair>>,
}

struct Pair {
    here: TcpStream,
    there: Option<TcpStream>,
    is_dead: bool,
}

impl Way {
    pub fn to(port: u16) -> Self {
        let state = Arc::new(State::default());
        let listener = TcpListener::bind(("127.0.0.2", port)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let carrier = Arc::clone(&state);
        std::thread::spawn(move || carrier.run(&listener, SocketAddr::from(([127, 0, 0, 1], port))));
        Self { state }
    }

    /// Connections that were ever made.
    pub fn taken(&self) -> usize {
        self.state.taken.load(Ordering::SeqCst)
    }

    /// Connections that there ever were at once.
    pub fn most(&self) -> usize {
        self.state.most.load(Ordering::SeqCst)
    }

    /// Those that are there, and new ones, are carried.
    pub fn carry(&self) {
        self.state.mode.store(CARRY, Ordering::SeqCst);
    }

    /// Nothing is forwarded any more, without a notice to either side.
    pub fn hold(&self) {
        self.state.mode.store(HOLD, Ordering::SeqCst);
    }

    /// All connections end, and new ones end at once.
    pub fn cut(&self) {
        self.state.mode.store(CUT, Ordering::SeqCst);
    }

    /// Present connections are never forwarded again, without notice; new ones are.
    pub fn forget(&self) {
        for pair in self.state.open.lock().unwrap().iter_mut() {
            pair.is_dead = true;
        }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        self.state.is_over.store(1, Ordering::SeqCst);
    }
}

impl State {
    fn run(&self, listener: &TcpListener, to: SocketAddr) {
        while self.is_over.load(Ordering::SeqCst) == 0 {
            let mut open = self.open.lock().unwrap();
            while let Ok((here, _)) = listener.accept() {
                self.taken.fetch_add(1, Ordering::SeqCst);
                here.set_nonblocking(true).unwrap();
                open.push(Pair { here, there: None, is_dead: false });
            }
            self.most.fetch_max(open.len(), Ordering::SeqCst);
            let mode = self.mode.load(Ordering::SeqCst);
            open.retain_mut(|pair| match mode {
                CUT => {
                    pair.end();
                    false
                }
                CARRY if !pair.is_dead => pair.carry(to),
                _ => true,
            });
            drop(open);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Pair {
    fn end(&self) {
        for stream in [Some(&self.here), self.there.as_ref()].into_iter().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Whether it goes on.
    fn carry(&mut self, to: SocketAddr) -> bool {
        if self.there.is_none() {
            let Ok(there) = TcpStream::connect(to) else {
                self.end();
                return false;
            };
            there.set_nonblocking(true).unwrap();
            self.there = Some(there);
        }
        let there = self.there.as_mut().unwrap();
        let goes_on = copy(&mut self.here, there) && copy(there, &mut self.here);
        if !goes_on {
            self.end();
        }
        goes_on
    }
}

fn copy(from: &mut TcpStream, to: &mut TcpStream) -> bool {
    let mut octets = [0; 16 * 1024];
    match from.read(&mut octets) {
        Ok(0) => false,
        Ok(read) => to.write_all(&octets[..read]).is_ok(),
        Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
    }
}
