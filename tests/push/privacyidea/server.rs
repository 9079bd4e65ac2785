//! One real privacyIDEA server for all tests of this program: `tests/gear/privacyidea_server.py`. It ends when the program does.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

/// The running server. Each test has users of its own.
pub struct Server {
    port: u64,
    _process: Child,
    line: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
}

impl Server {
    /// The server; started by the first test that needs it, and installed before that if missing.
    pub fn get() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(Self::start)
    }

    fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let made = Command::new(root.join("tests/make/gear")).arg("privacyidea").status();
        assert!(
            made.is_ok_and(|status| status.success()),
            "privacyIDEA cannot be installed: run `make deps`"
        );
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |to| root.join(to));
        let folder = tempfile::tempdir().unwrap().keep();
        let mut process = Command::new(target.join("gear/privacyidea/bin/python"))
            .arg("-B")
            .arg(root.join("tests/gear/privacyidea_server.py"))
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("privacyIDEA starts");
        let (input, output) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        let mut server =
            Self { port: 0, _process: process, line: Mutex::new((input, BufReader::new(output))) };
        server.port = server.read()["port"].as_u64().unwrap();
        server
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// A phone for a user, with a token of this serial and PIN.
    pub fn phone(&self, user: &str, serial: &str, pin: &str) {
        self.order(&json!(["phone", user, serial, pin]));
    }

    /// A token of the kind `totp` or `hotp` with the secret of RFC 4226.
    pub fn oath(&self, user: &str, kind: &str, serial: &str, pin: &str) {
        self.order(&json!(["oath", user, kind, serial, pin]));
    }

    /// Any other token.
    pub fn token(&self, user: &str, kind: &str, serial: &str, pin: &str) {
        self.order(&json!(["token", user, kind, serial, pin, {}]));
    }

    /// A policy for one user: its scope and action.
    pub fn policy(&self, user: &str, scope: &str, action: &Value) {
        self.order(&json!(["policy", format!("of_{user}"), scope, action, user]));
    }

    /// A policy for one realm, `gear` or `open`: its scope and action.
    pub fn policy_of_realm(&self, realm: &str, scope: &str, action: &Value) {
        self.order(&json!(["policy", format!("of_realm_{realm}"), scope, action, "", realm]));
    }

    /// Says yes on a phone to all that it is asked; how often.
    pub fn approve(&self, serial: &str) -> u64 {
        self.order(&json!(["approve", serial])).as_u64().unwrap()
    }

    /// Says no.
    pub fn decline(&self, serial: &str) -> u64 {
        self.order(&json!(["decline", serial])).as_u64().unwrap()
    }

    /// How many questions a phone shows.
    pub fn questions(&self, serial: &str) -> u64 {
        self.order(&json!(["questions", serial])).as_u64().unwrap()
    }

    fn order(&self, order: &Value) -> Value {
        let mut line = self.line.lock().unwrap();
        writeln!(line.0, "{order}").unwrap();
        let mut answer = String::new();
        line.1.read_line(&mut answer).unwrap();
        drop(line);
        let mut answer: Value = serde_json::from_str(&answer).unwrap();
        assert!(answer["error"].is_null(), "{}", answer["error"]);
        answer["value"].take()
    }

    fn read(&self) -> Value {
        let mut answer = String::new();
        self.line.lock().unwrap().1.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).expect("privacyIDEA starts and tells its port")
    }
}
