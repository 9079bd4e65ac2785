//! Asking from a process of its own: with another environment, or with nothing left to open a connection with.

use crate::duo::gear::{User, login};
use crate::harness::duo::{IKEY, SKEY};
use crate::harness::process;
use rlm_mfa::config::push;
use rlm_mfa::engine::provider::PushRequestKind;
use rlm_mfa::factor::push::open;
use rlm_mfa::types::Secret;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What asking says in a process with this environment. An empty `ca_file` is none.
pub fn apart(environment: &[(&str, PathBuf)], api_host: &str, ca_file: &Path) -> String {
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -n 200 && exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "http::apart::asks_if_it_is_told_whom", "--nocapture"])
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("RLM_MFA_ASK", api_host)
        .env("RLM_MFA_CA_FILE", ca_file);
    let output = process::both(&process::run(&mut command, ""));
    let said = output.lines().find_map(|line| line.split_once("said: "));
    said.unwrap_or_else(|| panic!("{output}")).1.to_owned()
}

/// Does nothing in this process: [`apart`] runs it in others. With `RLM_MFA_EXHAUST` it takes all the descriptors first.
#[test]
fn asks_if_it_is_told_whom() {
    let Ok(api_host) = std::env::var("RLM_MFA_ASK") else { return };
    let ca_file = std::env::var_os("RLM_MFA_CA_FILE").unwrap();
    let mut options = without_server();
    options.http.ca_file = (!ca_file.is_empty()).then(|| ca_file.into());
    let Some(push::ProviderOptions::Duo(duo)) = &mut options.provider else { unreachable!() };
    duo.api_host = api_host;
    if let Err(text) = open(&options) {
        println!("said: {text}");
        return;
    }
    let user = User::new(&options);
    let mut taken = Vec::new();
    while std::env::var_os("RLM_MFA_EXHAUST").is_some()
        && let Ok(file) = std::fs::File::open("/dev/null")
    {
        taken.push(file);
    }
    println!("said: {:?}", user.ask(login("anna", PushRequestKind::Device(None))));
}

/// `push { }` for a Duo that is not there.
pub fn without_server() -> push::PushOptions {
    push::PushOptions {
        provider: Some(push::ProviderOptions::Duo(push::DuoOptions {
            ikey: IKEY.into(),
            skey: Secret::new(SKEY),
            api_host: "api.example.test".into(),
        })),
        ..push::PushOptions::default()
    }
}
