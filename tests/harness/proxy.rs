//! An HTTP proxy.

use super::SILENCE;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use url::Url;

/// What a proxy does with a CONNECT.
#[derive(Clone, Copy)]
pub enum Does {
    Connect,
    Refuse,
    Nothing,
}

/// A proxy on a port of this machine, and the first lines of what it was asked.
pub struct Proxy {
    pub url: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&seen);
                std::thread::spawn(move || serve(stream, does, &seen));
            }
        });
        Self { url, asked }
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(mut stream: TcpStream, does: Does, seen: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut octet = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if !matches!(stream.read(&mut octet), Ok(1)) {
            return;
        }
        head.push(octet[0]);
    }
    let line = String::from_utf8(head).unwrap().lines().next().unwrap().to_owned();
    let target = line.split(' ').nth(1).unwrap().to_owned();
    seen.lock().unwrap().push(line);
    match does {
        Does::Connect => {
            let server = TcpStream::connect(target).unwrap();
            stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
            let (from, to) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || copy(&from, &to));
            copy(&server, &stream);
        }
        Does::Refuse => {
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
        }
        Does::Nothing => std::thread::sleep(SILENCE),
    }
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}
