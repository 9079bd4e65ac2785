//! EAP: the code, or password and code, inside a tunnel.

use crate::harness::eapol::{Method, login, logins};
use crate::harness::site::PASSWORD;
use crate::harness::ttls::Tunnel;
use crate::harness::{Code, Login, Site};

#[test]
fn ttls_pap_with_the_code_is_accepted_once() {
    let server = Site::passcode().in_tunnel().start();
    let alice = server.enrol("alice");
    let session = login(&server, Method::TtlsPap, "alice", &alice.code(0));
    assert!(session.accepted && session.keys_match, "{}", session.output);
    assert!(!login(&server, Method::TtlsPap, "alice", &alice.code(0)).accepted);
}

#[test]
fn ttls_pap_with_a_wrong_code_is_refused() {
    let server = Site::passcode().in_tunnel().start();
    server.enrol("alice");
    assert!(!login(&server, Method::TtlsPap, "alice", "000000").accepted);
}

#[test]
fn peap_mschap2_with_the_code_is_accepted_once() {
    let server = Site::passcode().in_tunnel().start();
    let alice = server.enrol("alice");
    let session = login(&server, Method::PeapMsChap2, "alice", &alice.code(0));
    assert!(session.accepted && session.keys_match, "{}", session.output);
    assert!(!login(&server, Method::PeapMsChap2, "alice", &alice.code(0)).accepted);
}

#[test]
fn ttls_pap_with_password_and_code_is_accepted_once() {
    let server = Site::append().in_tunnel().start();
    let alice = server.enrol("alice");
    let session = login(&server, Method::TtlsPap, "alice", &format!("{PASSWORD}{}", alice.code(0)));
    assert!(session.accepted && session.keys_match, "{}", session.output);
    assert!(!login(&server, Method::TtlsPap, "alice", &format!("{PASSWORD}{}", alice.code(0))).accepted);
    assert!(!login(&server, Method::TtlsPap, "alice", &format!("wrong{}", alice.code(1))).accepted);
    let results: Vec<_> = server.audit("alice").into_iter().map(|(result, _)| result).collect();
    assert_eq!(results, ["pending", "accept", "reject", "pending"]);
}

#[test]
fn resumed_session_is_refused_by_the_guard() {
    let mut site = Site::passcode().in_tunnel();
    site.resume = true;
    let server = site.start();
    let alice = server.enrol("alice");
    let session = logins(&server, Method::TtlsPap, "alice", &alice.code(0), 1);
    assert!(session.output.contains("resumed=1"), "the session was resumed\n{}", session.output);
    assert!(!session.accepted, "{}", session.output);
    let accepts = session.output.matches("(Access-Accept)").count();
    assert_eq!(accepts, 1, "the first login is accepted, the resumed one is not\n{}", session.output);
    assert!(server.audited(&[]).iter().any(|(_, why)| why == "accepted without mfa"));
    let (_, refusal) = session.output.rsplit_once("(Access-Reject)").unwrap();
    assert!(!refusal.contains("Attribute 26"), "no key of the session is in the refusal\n{refusal}");
    assert!(refusal.contains("EAP Failure") && !refusal.contains("EAP Success"), "{refusal}");
}

#[test]
fn tunnel_without_mfa_is_refused_by_the_outer_guard() {
    let mut site = Site::append().in_tunnel();
    site.authorize = site.authorize.replace("mfa\n", "");
    site.authenticate = "Auth-Type PAP {\npap\n}".into();
    site.post_auth = String::new();
    let server = site.start();
    assert!(!login(&server, Method::TtlsPap, "alice", PASSWORD).accepted);
}

#[test]
fn outer_server_without_eap_message_is_refused() {
    let server = Site::passcode().in_tunnel().start();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Reject);
}

/// Not a fault of this module, but EAP-TTLS users have to know: see `doc/safety.md`.
#[test]
fn doctor_says_whether_a_vendor_attribute_in_ttls_stops_the_server() {
    let mut server = Site::passcode().in_tunnel().start();
    let alice = server.enrol("alice");
    let warns = server.mfa(&["doctor"]).text.contains("crashes on a vendor attribute in EAP-TTLS");
    let is_answered = Tunnel::open(&server).pap_with_unknown("alice", &alice.code(0));
    assert_eq!(warns, !is_answered);
    assert_eq!(warns, !server.is_up());
}
