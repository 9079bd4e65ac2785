//! Whom the client believes.

use crate::duo::gear::{Site, User, failed, options};
use crate::harness::authority::Authority;
use crate::harness::duo::{Duo, IKEY, SKEY};
use crate::harness::process;
use rlm_mfa::config::push;
use rlm_mfa::factor::push::open;
use rlm_mfa::types::Secret;
use serde_json::json;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn certificate_of_an_unknown_authority_is_a_failure_and_no_silence() {
    let site = Site::start();
    let question = site.question("anna");
    site.duo.decide("approve");
    site.duo.fault(json!({"kind": "stranger"}));
    let calls = site.duo.received().calls.len();
    let start = Instant::now();
    for text in [
        failed(site.device("anna", "")),
        failed(site.passcode("anna", "123456")),
        failed(site.answer(&question)),
    ] {
        assert!(text.contains("certificate"), "{text}");
    }
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(site.duo.received().calls.len(), calls);
}

#[test]
fn certificate_of_another_name_is_a_failure() {
    let authority = Authority::new();
    authority.issue_for_another("server");
    let duo = Duo::start_as(authority);
    let text = failed(User::new(&options(&duo)).device("anna", ""));
    assert!(text.contains("certificate"), "{text}");
    assert_eq!(duo.received().calls.len(), 0);
}

#[test]
fn ca_file_that_is_none_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = Authority::new();
    let whole = process::text(&authority.file());
    for path in [
        folder.path().join("missing"),
        folder.path().to_owned(),
        put("empty", ""),
        put("key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
        put("no-base64", "-----BEGIN CERTIFICATE-----\n????\n-----END CERTIFICATE-----\n"),
        put("no-certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        put("half", &whole[..whole.len() / 2]),
        put("one-of-two", &format!("{whole}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
    ] {
        let mut options = without_server();
        options.http.ca_file = Some(path.clone());
        let Err(text) = open(&options) else { panic!("{}", path.display()) };
        assert!(text.contains("ca_file") && text.contains(path.to_str().unwrap()), "{text}");
    }
}

#[test]
fn system_certificates_and_ca_file_count_both() {
    let (system, private) = (Duo::start(), Duo::start());
    let certificates = [("SSL_CERT_FILE", system.ca_file())];
    for duo in [&system, &private] {
        let said = apart(&certificates, &duo.api_host, &private.ca_file());
        assert!(said.starts_with("Ok(Waiting("), "{said}");
    }
    let said = apart(&certificates, &system.api_host, Path::new(""));
    assert!(said.starts_with("Ok(Waiting("), "{said}");
    let said = apart(&certificates, &private.api_host, Path::new(""));
    assert!(said.starts_with("Err(Failed("), "{said}");
}

#[test]
fn ca_file_is_enough_where_the_system_has_no_certificates() {
    let duo = Duo::start();
    let empty = tempfile::tempdir().unwrap();
    for nothing in [
        [("SSL_CERT_FILE", empty.path().join("missing"))],
        [("SSL_CERT_DIR", empty.path().to_owned())],
        [("SSL_CERT_DIR", empty.path().join("missing"))],
    ] {
        let said = apart(&nothing, &duo.api_host, &duo.ca_file());
        assert!(said.starts_with("Ok(Waiting("), "{said}");
        let said = apart(&nothing, &duo.api_host, Path::new(""));
        assert!(said.starts_with("HTTP client: ") && said.contains("ca_file"), "{said}");
    }
}

#[test]
fn proxies_of_the_environment_are_nobodys_business() {
    let duo = Duo::start();
    let nowhere = || "http://127.0.0.1:1".into();
    let said = apart(
        &[("HTTPS_PROXY", nowhere()), ("https_proxy", nowhere()), ("ALL_PROXY", nowhere())],
        &duo.api_host,
        &duo.ca_file(),
    );
    assert!(said.starts_with("Ok(Waiting("), "{said}");
}

/// What asking says in a process of its own, with this environment.
fn apart(environment: &[(&str, std::path::PathBuf)], api_host: &str, ca_file: &Path) -> String {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--exact", "http::certificates::asks_if_it_is_told_whom", "--nocapture"])
        .env_remove("SSL_CERT_FILE")
        .env_remove("SSL_CERT_DIR")
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .env("RLM_MFA_ASK", api_host)
        .env("RLM_MFA_CA_FILE", ca_file);
    let output = process::both(&process::run(&mut command, ""));
    let said = output.lines().find_map(|line| line.split_once("said: "));
    said.unwrap_or_else(|| panic!("{output}")).1.to_owned()
}

/// Does nothing in this process: [`apart`] runs it in others.
#[test]
fn asks_if_it_is_told_whom() {
    let Ok(api_host) = std::env::var("RLM_MFA_ASK") else { return };
    let ca_file = std::env::var_os("RLM_MFA_CA_FILE").unwrap();
    let mut options = without_server();
    options.http.ca_file = (!ca_file.is_empty()).then(|| ca_file.into());
    let Some(push::Provider::Duo(duo)) = &mut options.provider else { unreachable!() };
    duo.api_host = api_host;
    match open(&options) {
        Ok(_) => println!("said: {:?}", User::new(&options).device("anna", "")),
        Err(text) => println!("said: {text}"),
    }
}

fn without_server() -> push::Push {
    push::Push {
        provider: Some(push::Provider::Duo(push::Duo {
            ikey: IKEY.into(),
            skey: Secret::new(SKEY),
            api_host: "api.example.test".into(),
        })),
        ..push::Push::default()
    }
}
