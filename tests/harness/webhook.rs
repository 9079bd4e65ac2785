//! A webhook for `push { provider = webhook }`: `tests/gear/webhook.py` on a free port of 127.0.0.1, decided by the test, ended
//! by its own process id when it is dropped.

use super::SOON;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The key of the signatures.
pub const KEY: &str = "a key of the webhook, for tests";

/// A running webhook. All counts are since it was started.
pub struct Webhook {
    process: Child,
    port: u16,
}

/// A push without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub id: String,
    pub user: String,
    pub client: String,
    pub calling_station: String,
    /// `auto`, `push`, `phone` or `sms`.
    pub factor: String,
    pub device: Option<u64>,
    pub number: Option<String>,
    /// Seconds.
    pub expires_in: u64,
}

impl Webhook {
    /// One that wants to be polled ten times a second and answers each poll at once.
    pub fn start() -> Self {
        Self::with(&["--interval", "0.1"])
    }

    /// One with these options: `--interval SECONDS` between two polls, `--hold SECONDS` to keep a poll until there is news.
    pub fn with(options: &[&str]) -> Self {
        let program = Path::new(crate::PROJECT).join("tests/gear/webhook_faults.py");
        let mut process = Command::new("python3")
            .arg("-B")
            .arg(program)
            .args(options)
            .env("MFA_WEBHOOK_KEY", KEY)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("python3: {error}: run `make deps`"));
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).expect("webhook.py tells its port");
        Self { process, port: told["port"].as_u64().unwrap().try_into().unwrap() }
    }

    /// Where questions are posted (`start_url`).
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/ask", self.port)
    }

    /// What to write into `push { }` to have it asked.
    pub fn options(&self) -> String {
        format!(
            "provider = webhook\nwebhook {{\n\tstart_url = \"{}\"\n\thmac_key = \"{KEY}\"\n}}\n",
            self.url()
        )
    }

    /// The questions that are open, in the order in which they were asked.
    pub fn pending(&self) -> Vec<Pending> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let state = self.state();
        let open = state["pending"].as_array().unwrap().iter();
        open.map(|asked| Pending {
            id: text(&asked["id"]),
            user: text(&asked["user"]),
            client: text(&asked["client"]),
            calling_station: text(&asked["calling_station"]),
            factor: text(&asked["factor"]),
            device: asked["device"].as_u64(),
            number: asked["number"].as_str().map(str::to_owned),
            expires_in: asked["expires_in"].as_u64().unwrap(),
        })
        .collect()
    }

    /// The open questions, as soon as there are so many.
    pub fn wait_for(&self, count: usize) -> Vec<Pending> {
        let start = Instant::now();
        loop {
            let pending = self.pending();
            if pending.len() >= count {
                return pending;
            }
            assert!(start.elapsed() < SOON, "{} of {count} questions", pending.len());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Says yes in the user's stead, with the right number; how many questions it answered.
    pub fn approve(&self, user: &str) -> u64 {
        self.decide(user, "approved")
    }

    /// Says no.
    pub fn deny(&self, user: &str) -> u64 {
        self.decide(user, "denied")
    }

    /// Reports that the user did not log in.
    pub fn fraud(&self, user: &str) -> u64 {
        self.decide(user, "fraud")
    }

    /// Answers the user's open pushes with this status of the protocol.
    pub fn decide(&self, user: &str, status: &str) -> u64 {
        self.decided(json!({ "user": user, "status": status }))
    }

    /// Says yes with this number.
    pub fn approve_with(&self, user: &str, number: &str) -> u64 {
        self.decided(json!({ "user": user, "status": "approved", "number": number }))
    }

    /// Says yes to this question alone, with its number.
    pub fn approve_question(&self, id: &str) -> u64 {
        self.decided(json!({ "id": id, "status": "approved" }))
    }

    /// Answers everybody's open questions with this status.
    pub fn decide_all(&self, status: &str) -> u64 {
        self.decided(json!({ "status": status }))
    }

    fn decided(&self, said: Value) -> u64 {
        self.control("POST", "/decide", &said)["decided"].as_u64().unwrap()
    }

    /// From now on the user's pushes (all users', if none is named) are answered with this status, so long after they
    /// come.
    pub fn preset(&self, user: Option<&str>, status: &str, after: Duration) {
        let said = json!({ "user": user, "status": status, "after": after.as_secs_f64() });
        self.control("POST", "/preset", &said);
    }

    /// How many questions there were.
    pub fn asked(&self) -> u64 {
        self.state()["asked"].as_u64().unwrap()
    }

    /// How many polls there were.
    pub fn polled(&self) -> u64 {
        self.state()["polled"].as_u64().unwrap()
    }

    /// Number of pushes that were taken back without an answer.
    pub fn cancelled(&self) -> u64 {
        self.state()["cancelled"].as_u64().unwrap()
    }

    /// Spoils so many of the next answers to `ask`, `poll` or `cancel`; the kinds are in `webhook_faults.py`: `500`, `302`,
    /// `slow`, `close`, `truncated`, `huge`, `unsigned`, `wrong_key`, `replayed`, ...
    pub fn fault(&self, on: &str, kind: &str, times: u32) {
        self.control("POST", "/fault", &json!({ "on": on, "kind": kind, "times": times }));
    }

    fn state(&self) -> Value {
        self.control("GET", "", &json!({}))
    }

    fn control(&self, method: &str, path: &str, said: &Value) -> Value {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("the webhook runs");
        stream.set_read_timeout(Some(SOON)).unwrap();
        let body = said.to_string();
        write!(stream, "{method} /control{path} HTTP/1.1\r\ncontent-length: {}\r\n\r\n{body}", body.len())
            .unwrap();
        let mut reader = BufReader::new(stream);
        let mut length = 0;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            if line.trim().is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap();
            }
        }
        let mut answer = vec![0; length];
        reader.read_exact(&mut answer).unwrap();
        serde_json::from_slice(&answer).expect("webhook.py answers with JSON")
    }
}

impl Drop for Webhook {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
