//! `mfa` in post-auth: an accept that the module did not decide is refused, and what is no login passes.

use crate::harness::site::PASSWORD;
use crate::harness::{Code, Login, Site};

#[test]
fn auth_type_accept_is_refused() {
    let mut site = Site::passcode();
    site.authorize = "update control {\nAuth-Type := Accept\n}".into();
    let server = site.start();
    server.enrol("alice");
    assert_eq!(Login::pap("alice", "whatever").send(&server).code, Code::Reject);
    assert_eq!(server.audit("alice").pop().unwrap().1, "accepted without mfa");
}

#[test]
fn auth_type_accept_after_mfa_in_authorize_is_refused() {
    let mut site = Site::passcode();
    site.authorize = "mfa\nupdate control {\nAuth-Type := Accept\n}".into();
    let server = site.start();
    server.enrol("alice");
    assert_eq!(Login::pap("alice", "000000").send(&server).code, Code::Reject);
}

#[test]
fn chap_without_mfa_is_refused() {
    let mut site = Site::passcode();
    site.authorize = format!("update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}\nchap\nmfa");
    site.authenticate = "Auth-Type mfa {\nmfa\n}\nAuth-Type CHAP {\nchap\n}".into();
    let server = site.start();
    server.enrol("alice");
    assert_eq!(Login::chap("alice", PASSWORD).send(&server).code, Code::Reject);
    assert_eq!(server.audit("alice").pop().unwrap().1, "accepted without mfa");
}

#[test]
fn forged_result_attribute_does_not_pass_the_guard() {
    let mut site = Site::passcode();
    site.authorize =
        "update control {\nAuth-Type := Accept\nMFA-Result := \"accept\"\nMFA-Reason := \"right code\"\n}"
            .into();
    let server = site.start();
    server.enrol("alice");
    assert_eq!(Login::pap("alice", "whatever").send(&server).code, Code::Reject);
}

#[test]
fn noop_and_notfound_behind_pap_are_refused() {
    // Without its own line in authenticate the accept of `pap` stands alone.
    let mut site = Site::behind_pap();
    site.authenticate = "Auth-Type PAP {\npap\nnoop\n}".into();
    let server = site.start();
    server.enrol("alice");
    assert_eq!(Login::pap("alice", "whatever").send(&server).code, Code::Reject);
}

#[test]
fn mac_authentication_passes_untouched() {
    let mut site = Site::passcode();
    site.authorize =
        "if (&Service-Type == Call-Check) {\nupdate control {\nAuth-Type := Accept\n}\n}\nmfa".into();
    let server = site.start();
    let mac = |service: &str| {
        Login::pap("02-00-00-00-00-01", "02-00-00-00-00-01")
            .with("Calling-Station-Id", "\"02-00-00-00-00-01\"")
            .with("Service-Type", service)
    };
    assert_eq!(mac("Call-Check").send(&server).code, Code::Accept);
    assert_eq!(mac("Framed-User").send(&server).code, Code::Reject);
}

#[test]
fn call_check_with_somebody_elses_name_is_no_mac_authentication() {
    let mut site = Site::passcode();
    site.authorize = "update control {\nAuth-Type := Accept\n}\nmfa".into();
    let server = site.start();
    server.enrol("alice");
    let login = Login::pap("alice", "x")
        .with("Calling-Station-Id", "\"02-00-00-00-00-01\"")
        .with("Service-Type", "Call-Check");
    assert_eq!(login.send(&server).code, Code::Reject);
}

#[test]
fn accounting_passes_untouched() {
    let mut site = Site::passcode();
    site.sections = "preacct {\nok\n}\naccounting {\nok\n}".into();
    let server = site.start();
    let packet = Login::packet("acct")
        .with("User-Name", "\"alice\"")
        .with("Acct-Status-Type", "Start")
        .with("Acct-Session-Id", "\"1\"");
    assert_eq!(packet.send(&server).code, Code::Accounting);
}

#[test]
fn status_server_passes_untouched() {
    let mut site = Site::passcode();
    site.sections = "Autz-Type Status-Server {\nok\n}".into();
    let server = site.start();
    let packet = Login::packet("status");
    assert_eq!(packet.send(&server).code, Code::Accept);
}

#[test]
fn what_can_accept_without_mfa_is_named_at_start() {
    let mut site = Site::passcode();
    site.authenticate = "Auth-Type mfa {\nmfa\n}\nAuth-Type CHAP {\nchap\n}".into();
    site.post_auth = String::new();
    let server = site.start();
    assert!(server.log().lines().any(|line| line.contains("CHAP") && line.contains("mfa")), "CHAP is named");
}

#[test]
fn complete_site_is_silent_at_start() {
    let server = Site::passcode().start();
    let warnings: Vec<String> =
        server.log().lines().filter(|l| l.contains("Warn") && l.contains("mfa")).map(str::to_owned).collect();
    assert!(warnings.is_empty(), "{warnings:#?}");
}

#[test]
fn listener_that_the_guard_does_not_see_is_named_at_start() {
    let mut site = Site::passcode();
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    site.root = format!(
        "listen {{\ntype = auth\nipaddr = 127.0.0.1\nport = {port}\nvirtual_server = default\nperformance {{\nsynchronous = yes\n}}\n}}"
    );
    let server = site.start();
    let warns =
        |line: &str| line.contains("Warn") && line.contains("synchronous") && line.contains("radiusd.conf[");
    assert!(server.log().lines().any(warns), "{}", server.log());
    assert!(server.mfa(&["doctor"]).text.contains("synchronous"));
}
