//! An OpenID provider that lies: plain HTTP on loopback, one answer for each path, given again and again.

use super::{Asker, login};
use crate::harness::{SILENCE, SOON};
use rlm_mfa::config::push::{self, ClientAuth};
use rlm_mfa::engine::provider::PushQuestion;
use rlm_mfa::types::Secret;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What is answered on a path.
#[derive(Clone, Debug)]
pub enum Say {
    /// This status with this JSON.
    Json(u16, Value),
    /// This status with these headers and this body.
    Text(u16, &'static str, String),
    /// The beginning of a JSON object, with the length of the whole.
    Half,
    /// A hundred megabytes, their length told or not.
    Flood { told: bool },
    /// Nothing.
    Silence,
    /// The end of the connection.
    HangUp,
}

/// A server that runs until it is dropped.
pub struct Fake {
    pub issuer: String,
    says: Arc<Mutex<HashMap<&'static str, Say>>>,
    seen: Arc<Mutex<Vec<(String, String)>>>,
    /// Octets that were sent of floods.
    pub flooded: Arc<AtomicUsize>,
    stopped: Arc<AtomicBool>,
    port: u16,
}

/// Paths of the endpoints.
pub const DISCOVERY: &str = "/realm/.well-known/openid-configuration";
pub const KEYS: &str = "/keys";
pub const BACKCHANNEL: &str = "/bc";
pub const TOKEN: &str = "/token";

impl Fake {
    /// One that behaves, and has these keys; its token endpoint says `authorization_pending`.
    pub fn start(keys: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let issuer = format!("http://127.0.0.1:{port}/realm");
        let fake = Self {
            says: Arc::default(),
            seen: Arc::default(),
            flooded: Arc::default(),
            stopped: Arc::default(),
            issuer,
            port,
        };
        fake.say(DISCOVERY, Say::Json(200, fake.metadata()));
        fake.say(KEYS, Say::Json(200, keys));
        fake.say(BACKCHANNEL, Say::Json(200, json!({ "auth_req_id": "1", "expires_in": 60, "interval": 1 })));
        fake.say(TOKEN, Say::Json(400, json!({ "error": "authorization_pending" })));
        let (says, seen) = (Arc::clone(&fake.says), Arc::clone(&fake.seen));
        let (flooded, stopped) = (Arc::clone(&fake.flooded), Arc::clone(&fake.stopped));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (says, seen, flooded) = (Arc::clone(&says), Arc::clone(&seen), Arc::clone(&flooded));
                std::thread::spawn(move || serve(stream, &says, &seen, &flooded));
            }
        });
        fake
    }

    /// What it says of itself when it behaves.
    pub fn metadata(&self) -> Value {
        let place = |path: &str| format!("http://127.0.0.1:{}{path}", self.port);
        json!({
            "issuer": self.issuer,
            "jwks_uri": place(KEYS),
            "token_endpoint": place(TOKEN),
            "backchannel_authentication_endpoint": place(BACKCHANNEL),
            "backchannel_token_delivery_modes_supported": ["poll"],
        })
    }

    /// From now on it answers so on this path.
    pub fn say(&self, path: &'static str, say: Say) {
        self.says.lock().unwrap().insert(path, say);
    }

    /// What has been asked for on this path: the bodies of the requests.
    pub fn seen(&self, path: &str) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(seen, _)| seen == path).map(|(_, body)| body.clone()).collect()
    }

    /// The options that point to it.
    pub fn config(&self) -> push::CibaOptions {
        push::CibaOptions {
            issuer: self.issuer.parse().unwrap(),
            client_id: "radius".into(),
            auth: ClientAuth::Post(Secret::new("secret-of-radius")),
            scope: String::new(),
            login_hint: "{user}".into(),
            user_claim: "sub".into(),
        }
    }

    /// A client of it.
    pub fn asker(&self) -> Asker {
        Asker::new(self.config(), None)
    }

    /// One who does not wait long for an answer.
    pub fn hasty(&self) -> Asker {
        Asker::hasty(self.config())
    }

    /// A client of it, and a question that alice now has.
    pub fn asked(&self) -> (Asker, PushQuestion) {
        let asker = self.asker();
        let question = asker.question(login("alice"));
        (asker, question)
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn serve(
    mut stream: TcpStream,
    says: &Mutex<HashMap<&'static str, Say>>,
    seen: &Mutex<Vec<(String, String)>>,
    flooded: &AtomicUsize,
) -> Option<()> {
    stream.set_read_timeout(Some(SOON)).ok()?;
    let mut request = Vec::new();
    let (head, length) = loop {
        let mut octets = [0; 4096];
        let count = stream.read(&mut octets).ok().filter(|count| *count > 0)?;
        request.extend_from_slice(&octets[..count]);
        let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&request[..end]).into_owned();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        if request.len() >= end + 4 + length.unwrap_or(0) {
            break (head, end + 4);
        }
    };
    let path = head.split(' ').nth(1)?.to_owned();
    let say = says.lock().unwrap().get(path.as_str()).cloned();
    seen.lock().unwrap().push((path, String::from_utf8_lossy(&request[length..]).into_owned()));
    let mut send = |status: u16, headers: &str, length: usize, body: &str| {
        let head = format!("HTTP/1.1 {status} So\r\nconnection: close\r\ncontent-length: {length}\r\n");
        stream.write_all(format!("{head}{headers}\r\n{body}").as_bytes()).ok()
    };
    match say.unwrap_or(Say::Text(404, "", String::new())) {
        Say::Json(status, json) => {
            let body = json.to_string();
            send(status, "content-type: application/json\r\n", body.len(), &body)
        }
        Say::Text(status, headers, body) => send(status, headers, body.len(), &body),
        Say::Half => send(200, "content-type: application/json\r\n", 1000, "{\"issuer\": \"ht"),
        Say::Flood { told } => {
            let length = if told { "content-length: 100000000" } else { "x: y" };
            let head = format!("HTTP/1.1 200 So\r\nconnection: close\r\n{length}\r\n\r\n{{\"issuer\": \"");
            stream.write_all(head.as_bytes()).ok()?;
            for _ in 0..1000 {
                stream.write_all(&[b'a'; 100_000]).ok()?;
                flooded.fetch_add(100_000, Ordering::Relaxed);
            }
            Some(())
        }
        Say::Silence => {
            std::thread::sleep(SILENCE);
            None
        }
        Say::HangUp => None,
    }
}
