//! An HTTP proxy between the client and everybody else.

use crate::duo::gear::{Site, User, decided, options, unreachable};
use rlm_mfa::engine::provider::Outcome;
use serde_json::json;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use url::Url;

/// What a proxy does with a CONNECT.
#[derive(Clone, Copy)]
enum Does {
    Connect,
    Refuse,
    Nothing,
}

/// A proxy on a port of this machine, and the first lines of what it was asked.
struct Proxy {
    url: Url,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    fn start(does: Does) -> Self {
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

    fn asked(&self) -> Vec<String> {
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
        Does::Nothing => std::thread::sleep(Duration::from_secs(30)),
    }
}

fn copy(mut from: &TcpStream, mut to: &TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

/// The same Duo, asked through a proxy.
fn through(site: &Site, proxy: &Url) -> User {
    let mut options = options(&site.duo);
    options.http.proxy = Some(proxy.clone());
    User::new(&options)
}

#[test]
fn login_goes_through_the_proxy_which_sees_nothing_of_it() {
    let site = Site::start();
    let proxy = Proxy::start(Does::Connect);
    let user = through(&site, &proxy.url);
    site.duo.user("anna", json!({"passcodes": ["123456"]}));
    assert!(matches!(decided(user.passcode("anna", "123456")), Outcome::Approved { .. }));
    site.duo.decide("deny");
    assert_eq!(user.answer(&user.question("anna")), Ok(Outcome::Denied));
    let asked = proxy.asked();
    let expected = format!("CONNECT {} HTTP/1.1", site.duo.api_host);
    assert!(!asked.is_empty() && asked.iter().all(|line| *line == expected), "{asked:?}");
}

#[test]
fn proxy_that_does_not_connect_has_asked_nobody() {
    let site = Site::start();
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let nobody = Url::parse(&format!("http://{nobody}")).unwrap();
    for url in [nobody, Proxy::start(Does::Refuse).url, Proxy::start(Does::Nothing).url] {
        let start = Instant::now();
        unreachable(through(&site, &url).device("anna", ""));
        assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    }
    assert_eq!(site.duo.received().connections, 0);
}
