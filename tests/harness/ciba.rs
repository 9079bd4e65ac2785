//! An OpenID provider with CIBA (the npm package oidc-provider, started by `tests/gear/ciba.mjs`), and the phone of its
//! users: alice, bob and mallory.

use super::{SOON, process};
use rlm_mfa::config::{self, Config, push};
use rlm_mfa::types::Secret;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A provider that runs until it is dropped.
pub struct Ciba {
    /// Its issuer: `https://localhost:PORT`.
    pub issuer: String,
    /// The port of 127.0.0.1 that tells and answers its questions; see `tests/gear/ciba.mjs`.
    pub control: u16,
    secret: String,
    ca_file: PathBuf,
    child: Child,
    folder: tempfile::TempDir,
}

/// A push that a user has on the phone.
#[derive(Debug)]
pub struct Asked {
    pub user: String,
    pub scope: String,
    pub binding_message: Option<String>,
    /// In seconds, as it was asked for.
    pub expiry: u64,
}

/// What it has counted: questions, polls without an answer, and how many of those came too early or got `slow_down`.
#[derive(Debug, PartialEq, Eq)]
pub struct Counts {
    pub asked: u64,
    pub polls: u64,
    pub early: u64,
    pub slowed: u64,
}

impl Ciba {
    /// Ready, polled every second, without `slow_down`.
    pub fn start() -> Self {
        Self::with(&json!({}))
    }

    /// With settings of `tests/gear/ciba.mjs`.
    pub fn with(settings: &Value) -> Self {
        // The first time it fetches a hundred megabytes: no limit of time.
        let made = Command::new("tests/make/gear").arg("ciba").output().unwrap();
        assert!(made.status.success(), "tests/make/gear ciba: run `make deps`: {}", process::both(&made));
        let folder = tempfile::tempdir().unwrap();
        let mut settings = settings.clone();
        settings["leash"] = true.into();
        let mut child = Command::new(gear().join("ciba/bin/node"))
            .arg("tests/gear/ciba.mjs")
            .arg(folder.path())
            .arg(settings.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(std::fs::File::create(folder.path().join("log")).unwrap())
            .spawn()
            .expect("the provider does not start: run `make deps`");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let told: Value = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("the provider did not start: {}", process::text(&folder.path().join("log")))
        });
        let text = |name: &str| told[name].as_str().unwrap().to_owned();
        Self {
            issuer: text("issuer"),
            control: told["control"].as_u64().unwrap().try_into().unwrap(),
            secret: text("secret"),
            ca_file: text("ca_file").into(),
            child,
            folder,
        }
    }

    /// The certificate that its own is signed by.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// What to write into `push { }` to have users asked by it.
    pub fn options(&self) -> String {
        format!(
            "provider = ciba\nca_file = {}\nciba {{\nissuer = \"{}\"\nclient_id = \"radius/basic:1\"\n\
             client_auth = client_secret_basic\nclient_secret = \"{}\"\n}}\n",
            self.ca_file.display(),
            self.issuer,
            self.secret
        )
    }

    /// The same as the module reads it.
    pub fn config(&self) -> push::CibaOptions {
        let text = format!("mfa {{\npush {{\n{}}}\n}}\n", self.options());
        let tree = config::read_text(text, &|_| None).unwrap_or_else(|error| panic!("{error}"));
        let config = Config::read(tree.section("mfa").unwrap()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(config.push.http.ca_file.as_deref(), Some(self.ca_file()));
        match config.push.provider {
            Some(push::ProviderOptions::Ciba(ciba)) => ciba,
            other => panic!("{other:?}"),
        }
    }

    /// The secret of the clients that have one: `radius/basic:1` and `radius/post:1`.
    pub fn secret(&self) -> Secret {
        Secret::new(self.secret.clone())
    }

    /// The private key of a client that has one: `rs256`, `es256`, `es384`, `eddsa`.
    pub fn key_file(&self, client: &str) -> PathBuf {
        self.folder.path().join(format!("{client}.pem"))
    }

    /// Pushes without an answer, the newest last.
    pub fn pending(&self) -> Vec<Asked> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let asked = |question: &Value| Asked {
            user: text(&question["user"]),
            scope: text(&question["scope"]),
            binding_message: question["binding_message"].as_str().map(str::to_owned),
            expiry: question["expiry"].as_u64().unwrap(),
        };
        self.questions()["pending"].as_array().unwrap().iter().map(asked).collect()
    }

    /// How many questions there have been.
    pub fn asked(&self) -> u64 {
        self.counts().asked
    }

    /// What it has counted.
    pub fn counts(&self) -> Counts {
        let questions = self.questions();
        let count = |name: &str| questions[name].as_u64().unwrap();
        Counts {
            asked: count("asked"),
            polls: count("polls"),
            early: count("early"),
            slowed: count("slowed"),
        }
    }

    /// Says yes to the newest question; waits up to ten seconds for one.
    pub fn approve(&self) {
        self.say("approve");
    }

    /// Says no to it.
    pub fn deny(&self) {
        self.say("deny");
    }

    /// Answers it with an error code at the token endpoint.
    pub fn fail(&self, code: &str) {
        self.say(code);
    }

    fn say(&self, result: &str) {
        let (status, _) = self.control("POST", &format!("/answer?wait=10&result={result}"));
        assert_eq!(status, 204, "no question has come within ten seconds");
    }

    fn questions(&self) -> Value {
        serde_json::from_slice(&self.control("GET", "/questions").1).unwrap()
    }

    fn control(&self, method: &str, path: &str) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.control)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        write!(stream, "{method} {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), answer[end + 4..].to_vec())
    }
}

impl Drop for Ciba {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Where `tests/make/gear` puts things.
fn gear() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Path::new(crate::PROJECT).join(target).join("gear")
}
