//! Directories: the real slapd, a real domain controller of Samba, and what may happen on the way to them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod entra;
mod failover;
mod groups;
mod samba;
mod slapd;
mod strangers;
mod way;

use mfa_harness as harness;
use rlm_mfa::config::{self, Config};
use rlm_mfa::directory::{HostProbe, LdapDirectory, open};
use rlm_mfa::engine::SubmittedPassword;
use rlm_mfa::engine::directory::{
    AuthFailure, BackendUnavailable, Credentials, DirectoryUser, PasswordBackend, PasswordResponse,
    UserDirectory,
};
use rlm_mfa::types::{DomainRule, NameRules, Secret, UserName};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// A directory client with these options.
struct Asker {
    ldap: Arc<LdapDirectory>,
    runtime: Runtime,
}

impl Asker {
    fn new(options: &str) -> Self {
        let names = "username {\ndomain = keep\n}\nsms {\ncountry_code = 41\n}\n";
        Self::of_text(&format!("{names}ldap {{\n{options}\n}}"))
    }

    /// With this in `mfa { }`.
    fn of_text(text: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { ldap: Arc::new(open(&read(text)).unwrap().unwrap()), runtime }
    }

    fn login(&self, user: &str, password: &str) -> Result<DirectoryUser, AuthFailure> {
        let answer = self.runtime.block_on(authenticate(&self.ldap, user, Secret::new(password)));
        let told = format!("{answer:?}");
        assert!(password.len() < 6 || !told.contains(password), "the password is in {told}");
        answer
    }

    fn why(&self, user: &str, password: &str) -> AuthFailure {
        self.login(user, password).expect_err("refused")
    }

    /// The names of the groups, in order.
    fn groups(&self, user: &str, password: &str) -> Vec<String> {
        let person = self.login(user, password).unwrap();
        let mut names: Vec<_> = person.groups.iter().flatten().map(|group| group.name().to_owned()).collect();
        names.sort_unstable();
        names
    }

    fn find(&self, user: &str) -> Result<Option<DirectoryUser>, BackendUnavailable> {
        self.runtime.block_on(self.ldap.find_user(&canonical(user), user.as_bytes()))
    }

    fn probe(&self) -> Vec<HostProbe> {
        self.runtime.block_on(self.ldap.probe_hosts())
    }
}

async fn authenticate(
    ldap: &LdapDirectory,
    user: &str,
    password: Secret,
) -> Result<DirectoryUser, AuthFailure> {
    let claim = Credentials {
        user: canonical(user),
        typed: user.into(),
        client: String::new(),
        password: SubmittedPassword::Plain(password),
        packet: Vec::new(),
        state: None,
    };
    match ldap.verify_password(claim).await? {
        PasswordResponse::Person(person) => Ok(*person),
        asks => panic!("{asks:?}"),
    }
}

/// As the engine does it.
fn canonical(user: &str) -> UserName {
    let rules = NameRules { domain: DomainRule::Keep, ..NameRules::default() };
    UserName::parse(user.as_bytes(), &rules).unwrap_or_else(|_| UserName::from_canonical(user))
}

fn read(text: &str) -> Config {
    let tree = config::read_text(format!("mfa {{\n{text}\n}}\n"), &|_| None);
    let tree = tree.unwrap_or_else(|error| panic!("{error}"));
    Config::read(tree.section("mfa").unwrap()).unwrap_or_else(|error| panic!("{error}"))
}

/// Returns why the answer was inconclusive; any other result is a failure.
fn unavailable(denied: AuthFailure) -> String {
    match denied {
        AuthFailure::Unavailable(why) => why.to_string(),
        denied => panic!("{denied:?}"),
    }
}
