//! Passwords that another RADIUS server checks: a real second FreeRADIUS, and what may come in its name.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod failover;
mod fake;
mod strangers;
mod upstream;

use harness::{SECRET, SOON, mschap};
use mfa_harness as harness;
use rlm_mfa::config::{self, Config};
use rlm_mfa::directory::{HostProbe, RadiusBackend, radius_backend};
use rlm_mfa::engine::SubmittedPassword;
use rlm_mfa::engine::directory::{
    AuthFailure, Credentials, DirectoryUser, PasswordBackend, PasswordResponse, RawAttribute,
};
use rlm_mfa::types::{Secret, UserName};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// A RADIUS backend with these options.
struct Asker {
    radius: Arc<RadiusBackend>,
    runtime: Runtime,
}

impl Asker {
    /// With these hosts, one port for all, and more options.
    fn new(hosts: &[&str], port: u16, more: &str) -> Self {
        let hosts: String = hosts.iter().map(|host| format!("host = {host}\n")).collect();
        Self::with(&format!("{hosts}port = {port}\nsecret = {SECRET}\n{more}"))
    }

    fn with(options: &str) -> Self {
        let text = format!("mfa {{\nradius {{\n{options}\n}}\n}}\n");
        let tree = config::read_text(text, &|_| None).unwrap_or_else(|error| panic!("{error}"));
        let config = Config::read(tree.section("mfa").unwrap()).unwrap_or_else(|error| panic!("{error}"));
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { radius: Arc::new(radius_backend(&config).unwrap()), runtime }
    }

    fn ask(&self, claim: Credentials) -> Result<PasswordResponse, AuthFailure> {
        let answer = self.runtime.block_on(self.radius.verify_password(claim));
        let told = format!("{answer:?}");
        assert!(!told.contains(SECRET), "the secret is in {told}");
        answer
    }

    fn login(&self, user: &str, password: &str) -> Result<DirectoryUser, AuthFailure> {
        self.ask(claim(user, plain(password))).map(person)
    }

    fn why(&self, user: &str, password: &str) -> String {
        match self.login(user, password) {
            Err(AuthFailure::Unavailable(why)) => why.to_string(),
            other => panic!("{other:?}"),
        }
    }

    fn probe(&self) -> Vec<HostProbe> {
        self.runtime.block_on(self.radius.probe_hosts())
    }
}

fn claim(user: &str, password: SubmittedPassword) -> Credentials {
    Credentials {
        user: UserName::from_canonical(user),
        typed: user.into(),
        client: String::new(),
        password,
        packet: Vec::new(),
        state: None,
    }
}

fn plain(password: &str) -> SubmittedPassword {
    SubmittedPassword::Plain(Secret::new(password))
}

fn person(vouched: PasswordResponse) -> DirectoryUser {
    match vouched {
        PasswordResponse::Person(person) => *person,
        asks => panic!("{asks:?}"),
    }
}

/// The values of an attribute that the client is to get.
fn told(person: &DirectoryUser, kind: u8) -> Vec<Vec<u8>> {
    person.reply.iter().filter(|raw| raw.kind == kind).map(|raw| raw.value.clone()).collect()
}

/// The value of an attribute of Microsoft's.
fn microsoft(person: &DirectoryUser, kind: u8) -> Vec<u8> {
    let head = [0, 0, 1, 55, kind];
    let all = told(person, 26);
    let found = all.iter().find(|value| value.starts_with(&head)).unwrap_or_else(|| panic!("{all:?}"));
    found[6..].to_vec()
}
