//! Every answer carries one Message-Authenticator, valid and first (CVE-2024-3596); and a request that could have been given a
//! Proxy-State on its way is refused.

use super::proxy;
use crate::harness::eapol::{Method, login};
use crate::harness::raw::{self, Client, MESSAGE_AUTHENTICATOR};
use crate::harness::site::PASSWORD;
use crate::harness::ttls::{Said, Tunnel};
use crate::harness::webhook::Webhook;
use crate::harness::wire::{self, PROXY_STATE, Packet, STATE, Signature};
use crate::harness::{Code, Nas, SOON, Server, Site};
use std::time::Duration;

/// Asserts that these were the answers, and that each was signed as it is to be.
#[track_caller]
fn all_first(nas: &Nas, codes: &[Code]) {
    let wanted: Vec<_> = codes.iter().map(|code| (*code, Signature::First)).collect();
    assert_eq!(nas.signatures(), wanted);
}

#[test]
fn direct_answers_are_signed() {
    let server = Site::passcode().start();
    let (nas, alice) = (Nas::new(), server.enrol("alice"));
    for (user, code) in
        [("alice", alice.code(0)), ("alice", alice.code(0)), ("alice", "000000".into()), ("bob", "1".into())]
    {
        nas.reply(&nas.pap(&server, user, &code, &[]));
    }
    server.admin(&["user", "lock", "alice"]);
    nas.reply(&nas.pap(&server, "alice", &alice.code(1), &[]));
    all_first(&nas, &[Code::Accept, Code::Reject, Code::Reject, Code::Reject, Code::Reject]);
}

#[test]
fn every_round_of_a_conversation_is_signed() {
    let mut site = Site::append();
    site.mfa = "mode = challenge".into();
    site.authenticate.push_str("\nAuth-Type mfa {\nmfa\n}");
    let server = site.start();
    let (nas, alice) = (Nas::new(), server.enrol("alice"));
    let first = nas.reply(&nas.pap(&server, "alice", PASSWORD, &[]));
    let answer = |state: &str, text: &str| nas.reply(&nas.pap(&server, "alice", text, &[(STATE, state)]));
    let second = answer(first.get("State").unwrap(), "000000");
    answer(second.get("State").unwrap(), &alice.code(0));
    answer(second.get("State").unwrap(), &alice.code(1));
    all_first(&nas, &[Code::Challenge, Code::Challenge, Code::Accept, Code::Reject]);
}

#[test]
fn end_of_a_wait_is_signed() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&format!("{}\nlimit = 5", webhook.options()));
    site.authorize = format!("update reply {{\nClass := \"before\"\n}}\n{}", site.authorize);
    let server = site.start();
    let nas = Nas::new();
    for status in ["approved", "denied"] {
        webhook.preset(None, status, Duration::from_millis(300));
        let said = nas.reply(&nas.pap(&server, status, PASSWORD, &[]));
        assert_eq!(said.attributes.first().map(|(name, _)| name.as_str()), Some(""), "{said:?}");
    }
    webhook.preset(None, "approved", Duration::from_secs(60));
    nas.reply(&nas.pap(&server, "sleepy", PASSWORD, &[]));
    all_first(&nas, &[Code::Accept, Code::Reject, Code::Reject]);
}

#[test]
fn refusals_of_other_modules_and_of_the_guard_are_signed() {
    let login = |site: Site, password: &dyn Fn(&Server) -> String| {
        let server = site.start();
        let nas = Nas::new();
        nas.reply(&nas.pap(&server, "alice", &password(&server), &[]));
        all_first(&nas, &[Code::Reject]);
    };
    let code = |server: &Server| server.enrol("alice").code(0);
    // By pap, behind the code.
    login(Site::append(), &|server| format!("wrong{}", code(server)));
    // In authorize.
    let mut site = Site::passcode();
    site.modules = "always reject {\nrcode = reject\n}".into();
    site.authorize.push_str("\nreject");
    login(site, &code);
    // Of an accept without a decision of this module.
    login(
        Site::passcode().first("update control {\nAuth-Type := Accept\n}\nupdate reply {\nClass := \"x\"\n}"),
        &|_| "x".into(),
    );
    // By the server: no section takes the login.
    let mut site = Site::passcode();
    site.authenticate = String::new();
    login(site, &code);
    // What else signs is not doubled.
    let signs = "update reply {\nMessage-Authenticator := 0x00\n}";
    login(Site::passcode().first(signs).last(&format!("Post-Auth-Type REJECT {{\n{signs}\n}}")), &|_| {
        "000000".into()
    });
}

#[test]
fn answers_of_another_server_are_signed_once() {
    for signs in ["", "update reply {\nMessage-Authenticator := 0x00\n}"] {
        let mut site = Site::append();
        site.authorize = site.authorize.replace("mfa\n", "");
        site.authenticate = "Auth-Type PAP {\npap\n}".into();
        site.post_auth = format!("{signs}\nPost-Auth-Type REJECT {{\n{signs}\n}}");
        let behind = site.start();
        let mut site = Site::append();
        site.authorize = "mfa\nupdate control {\nProxy-To-Realm := behind\n}".into();
        site.post_auth = "mfa\nPost-Auth-Type REJECT {\nmfa\n}".into();
        site.root = proxy::realm(&behind);
        let server = site.start();
        let (nas, alice) = (Nas::new(), server.enrol("alice"));
        nas.reply(&nas.pap(&server, "alice", &format!("{PASSWORD}{}", alice.code(0)), &[]));
        nas.reply(&nas.pap(&server, "alice", &format!("wrong{}", alice.code(1)), &[]));
        all_first(&nas, &[Code::Accept, Code::Reject]);
    }
}

#[test]
fn answers_of_eap_are_signed_once() {
    let mut site = Site::passcode().in_tunnel();
    site.outer_authorize = "mfa\neap".into();
    site.outer_post_auth = "mfa\nPost-Auth-Type REJECT {\neap\nmfa\n}".into();
    let server = site.start();
    let alice = server.enrol("alice");
    for (text, code) in [(alice.code(0), Code::Accept), ("000000".to_owned(), Code::Reject)] {
        let mut tunnel = Tunnel::open(&server);
        assert_eq!(tunnel.pap("alice", &text), Said::End(code));
        let signatures = tunnel.signatures();
        assert!(
            signatures.len() > 3 && signatures.iter().all(|(_, how)| *how == Signature::First),
            "{signatures:?}"
        );
    }
    for (counter, method) in [(1, Method::TtlsMsChap2), (2, Method::PeapMsChap2), (3, Method::PeapGtc)] {
        let session = login(&server, method, "alice", &alice.code(counter));
        assert!(session.accepted && session.keys_match, "{method:?}\n{}", session.output);
    }
}

/// The answer to a packet that is not signed.
fn unsigned(client: &Client, packet: &Packet) -> (Code, Vec<u8>) {
    let octets = packet.finish_unsigned();
    client.send_octets(&octets);
    let answer = client.answer(SOON).unwrap();
    assert_eq!(wire::signature(&octets, &answer), Signature::First);
    (wire::answer(&octets, &answer), answer)
}

#[test]
fn proxy_state_is_taken_in_signed_packets_and_of_proxies_only() {
    let site = |more: &str| {
        let mut site = Site::passcode();
        site.root = format!("client proxy {{\nipaddr = 127.0.0.9\nsecret = testing123\n{more}\n}}\n");
        site
    };
    let server = site("mfa_proxy = yes").start();
    let alice = server.enrol("alice");
    let client = Client::of(&server);
    let packet = |seed: u64| Packet::pap(seed, b"alice", alice.code(seed).as_bytes());
    assert_eq!(unsigned(&client, &packet(0)).0, Code::Accept, "no proxy on its way");
    let proxied = packet(1).with(PROXY_STATE, b"mark");
    let (code, answer) = unsigned(&client, &proxied);
    assert_eq!((code, raw::values(&answer, PROXY_STATE)), (Code::Reject, vec![]));
    assert!(server.logged("Proxy-State without Message-Authenticator"));
    assert!(server.log().contains("mfa_proxy = yes"));
    assert_eq!(server.audit("alice").len(), 1, "nothing was looked at");
    client.send(&proxied);
    let (code, answer) = client.answer_to(&proxied, SOON).unwrap();
    assert_eq!((code, raw::values(&answer, PROXY_STATE)), (Code::Accept, vec![b"mark".to_vec()]));
    assert_eq!(raw::values(&answer, MESSAGE_AUTHENTICATOR).len(), 1);
    let behind = Client::at("127.0.0.9", server.port);
    assert_eq!(unsigned(&behind, &packet(2).with(PROXY_STATE, b"mark")).0, Code::Accept);
    let wrong = Server::prepare(site("mfa_proxy = perhaps"));
    wrong.admin(&["init"]);
    let checked = wrong.check();
    assert!(!checked.ok && checked.text.contains("\"mfa_proxy\" must be yes or no"), "{}", checked.text);
}

#[test]
fn guard_refuses_an_unsigned_proxy_state_too() {
    let server = Site::passcode().start();
    server.admin(&["user", "add", "alice"]);
    let mut site = server.site.clone();
    site.authorize = "update control {\nAuth-Type := Accept\nMFA-Exempt := yes\n}".into();
    site.post_auth = "update reply {\nClass := 0x0102\n}\nmfa".into();
    let server = site.start();
    let client = Client::of(&server);
    assert_eq!(unsigned(&client, &Packet::pap(1, b"alice", b"x")).0, Code::Accept);
    let (code, answer) = unsigned(&client, &Packet::pap(2, b"alice", b"x").with(PROXY_STATE, b"mark"));
    assert_eq!((code, raw::values(&answer, 25)), (Code::Reject, vec![]), "nothing of the accept is left");
}
