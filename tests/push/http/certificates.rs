//! Whom the client believes.

use super::apart::{apart, without_server};
use crate::duo::gear::{Site, User, failed, options};
use crate::harness::SOON;
use crate::harness::authority::Authority;
use crate::harness::duo::Duo;
use crate::harness::process;
use rlm_mfa::factor::push::open;
use serde_json::json;
use std::path::Path;
use std::time::Instant;

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
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
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
        let text = text.to_string();
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
