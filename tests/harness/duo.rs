//! Duo as a program of this machine: `tests/gear/duo.py`, which checks every signature by the rules of Duo's own client.

use super::authority::Authority;
use super::{SOON, process};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// `ikey`.
pub const IKEY: &str = "DIXXXXXXXXXXXXXXXXXX";
/// `skey`.
pub const SKEY: &str = "deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";

/// Duo, with one user of every name, who has one phone that can do everything, and who does not answer until told to.
/// Ends when it is dropped, and with the test.
pub struct Duo {
    /// `127.0.0.1:PORT`.
    pub api_host: String,
    control: u16,
    authority: Authority,
    child: Child,
}

/// A call that was answered.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Call {
    pub path: String,
    /// Decoded.
    pub params: BTreeMap<String, String>,
    pub status: u16,
    /// The number of the connection it came on, from 1.
    pub connection: u32,
    /// Seconds since the epoch.
    pub at: f64,
    pub agent: String,
}

/// All that was received.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Received {
    pub calls: Vec<Call>,
    pub connections: u32,
    /// Octets of huge answers that could be sent.
    pub octets: u64,
}

impl Duo {
    /// Starts it.
    pub fn start() -> Self {
        let authority = Authority::new();
        authority.issue("server");
        Self::start_as(authority)
    }

    /// Starts it with the certificate `server` of that authority.
    pub fn start_as(authority: Authority) -> Self {
        authority.forge("stranger");
        let script = Path::new(crate::PROJECT).join("tests/gear/duo.py");
        let mut child = Command::new(python())
            .arg(script)
            .arg(authority.folder())
            .args([IKEY, SKEY])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ports: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("duo.py does not start"));
        let control = ports["control"].as_u64().unwrap().try_into().unwrap();
        Self { api_host: format!("127.0.0.1:{}", ports["port"]), control, authority, child }
    }

    /// What has to be trusted to believe it.
    pub fn ca_file(&self) -> PathBuf {
        self.authority.file()
    }

    /// What stands in `push { }` to use it.
    pub fn options(&self) -> String {
        format!(
            "provider = duo\nca_file = {}\nduo {{\n\tikey = {IKEY}\n\tskey = {SKEY}\n\tapi_host = {}\n}}\n",
            self.ca_file().display(),
            self.api_host
        )
    }

    /// What it knows of a user: `{"result": "enroll", "enroll_portal_url": ..}`, `{"devices": [..]}`,
    /// `{"passcodes": [..]}`. The name `*` stands for all others.
    pub fn user(&self, name: &str, user: Value) {
        self.order(json!({"op": "user", "name": name, "user": user}));
    }

    /// The answer of all users from now on, also to open pushes: `approve`, `deny`, `fraud`, `timeout`, `locked_out`,
    /// `bypass`, `push_failed`, or `wait`: nothing.
    pub fn decide(&self, decision: &str) {
        self.order(json!({"op": "decide", "decision": decision}));
    }

    /// The answer of one user, so long after the push.
    pub fn decide_for(&self, user: &str, decision: &str, after: Duration) {
        self.order(json!({"op": "decide", "decision": decision, "user": user, "after": after.as_secs_f64()}));
    }

    /// What is wrong with it from now on: `{"kind": "slow", "seconds": 3, "path": "/auth/v2/auth", "times": 1}`.
    /// The kinds are explained in `tests/gear/duo.py`.
    pub fn fault(&self, fault: Value) {
        self.order(json!({"op": "fault", "fault": fault}));
    }

    /// Nothing is wrong any more.
    pub fn heal(&self) {
        self.fault(Value::Null);
    }

    /// All that was received.
    pub fn received(&self) -> Received {
        serde_json::from_value(self.order(json!({"op": "received"}))).unwrap()
    }

    /// The calls to one path.
    pub fn calls(&self, path: &str) -> Vec<Call> {
        self.received().calls.into_iter().filter(|call| call.path == path).collect()
    }

    /// How many questions, by push or by telephone, were put to users.
    pub fn pushes(&self) -> usize {
        let asks =
            |call: &&Call| matches!(call.params["factor"].as_str(), "push" | "phone") && call.status == 200;
        self.calls("/auth/v2/auth").iter().filter(asks).count()
    }

    fn order(&self, order: Value) -> Value {
        let body = order.to_string();
        let mut stream = TcpStream::connect(("127.0.0.1", self.control)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: control\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{order}: {answer}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Duo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The Python that has Duo's client, installed at the first use.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let root = Path::new(crate::PROJECT);
        let output = Command::new(root.join("tests/make/gear"))
            .arg("duo")
            .env_remove("CARGO_TARGET_DIR")
            .output()
            .unwrap_or_else(|error| panic!("tests/make/gear: {error}: run `make deps`"));
        assert!(output.status.success(), "{}", process::both(&output));
        root.join("target/gear/duo/bin/python")
    })
}
