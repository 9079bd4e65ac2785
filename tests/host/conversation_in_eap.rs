//! Challenges in several rounds of EAP-GTC inside PEAP and TTLS, and what becomes of those who cannot be challenged.

use crate::harness::eapol::{Method, Peer, login};
use crate::harness::site::PASSWORD;
use crate::harness::ttls::{Said, Tunnel};
use crate::harness::webhook::Webhook;
use crate::harness::{Code, Login, Server, Site};
use std::time::Duration;

/// Behind `eap`, in the server around the tunnel.
const BEHIND_EAP: &str = "Auth-Type eap {\neap\nif (ok) {\nmfa\n}\n}";

/// Those in which the user can be asked again and again.
const TALKING: [Method; 2] = [Method::PeapGtc, Method::TtlsGtc];

/// The tunnel knows everybody's password; then the user is asked what he has.
fn site(mfa: &str) -> Site {
    let mut site = Site::auto("").in_tunnel();
    site.mfa = format!("mode = challenge\ndelimiter = \",\"\n{mfa}");
    site.authorize =
        format!("update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}\nmfa\nmschap\nchap\npap");
    site.authenticate =
        "Auth-Type PAP {\npap\nmfa\n}\nAuth-Type CHAP {\nchap\nmfa\n}\nAuth-Type MS-CHAP {\nmschap\nmfa\n}\n\
         Auth-Type mfa {\nmfa\n}"
            .into();
    site.gtc = "PAP";
    site.outer_authenticate = BEHIND_EAP.into();
    site
}

fn pushing(webhook: &Webhook) -> String {
    format!("push {{\n{}\n}}", webhook.options())
}

fn reasons(server: &Server, user: &str) -> Vec<String> {
    server.audit(user).into_iter().map(|(_, reason)| reason).collect()
}

#[test]
fn passcode_is_asked_for_in_another_round() {
    let server = site("").start();
    let token = server.enrol("alice");
    for (counter, method) in (0..).zip(TALKING) {
        let (session, read) = Peer::new(method, "alice", PASSWORD).talk(&server, |_, _| token.code(counter));
        assert!(session.accepted && session.keys_match, "{method:?}\n{}", session.output);
        assert_eq!(read, ["Password: ", "Enter a passcode: "], "{method:?}");
    }
    let expected = ["asked for an answer", "right code"];
    assert_eq!(reasons(&server, "alice"), expected.repeat(2));
}

#[test]
fn wrong_answers_are_asked_for_again_so_often_and_no_more() {
    let server = site("challenge_tries = 2\nlockout {\nslow_after = 10\nlock_after = 20\n}").start();
    let token = server.enrol("alice");
    for (counter, method) in (0..).zip(TALKING) {
        let answers = ["000000".to_owned(), "what?".to_owned(), token.code(counter)];
        let (session, read) =
            Peer::new(method, "alice", PASSWORD).talk(&server, |round, _| answers[round - 1].clone());
        assert!(session.accepted && session.keys_match, "{method:?}\n{}", session.output);
        assert!(read[2].starts_with("Wrong code. "), "{read:?}");
        assert!(read[3].starts_with("Please answer "), "{read:?}");

        let (session, read) = Peer::new(method, "alice", PASSWORD).talk(&server, |_, _| "000000".into());
        assert!(!session.accepted, "{method:?}\n{}", session.output);
        assert_eq!(read.len(), 4, "{read:?}");
    }
}

#[test]
fn wrong_password_leads_to_no_challenge() {
    let server = site("").start();
    server.enrol("alice");
    for method in TALKING {
        let (session, read) = Peer::new(method, "alice", "wrong").talk(&server, |_, _| String::new());
        assert!(!session.accepted && read.len() == 1, "{method:?} {read:?}\n{}", session.output);
    }
    assert!(reasons(&server, "alice").is_empty());
}

#[test]
fn number_is_shown_in_the_tunnel_and_waited_for_outside_of_it() {
    let webhook = Webhook::start();
    let server = site(&format!("push {{\n{}\nnumber_match = yes\n}}", webhook.options())).start();
    for method in TALKING {
        for right in [true, false] {
            let user = format!("{method:?}-{right}").to_lowercase();
            let peer = Peer::new(method, &user, PASSWORD);
            let (session, read) = peer.talk(&server, |round, text| {
                if round == 1 {
                    return "1".into();
                }
                let number: String = text.chars().filter(char::is_ascii_digit).collect();
                webhook.wait_for(1);
                webhook.approve_with(&user, if right { &number } else { "xx" });
                String::new()
            });
            assert_eq!(read.len(), 3, "{read:?}");
            assert_eq!(session.accepted && session.keys_match, right, "{method:?}\n{}", session.output);
        }
    }
}

#[test]
fn push_is_chosen_in_the_tunnel_and_waits_outside_of_it() {
    let webhook = Webhook::start();
    let server = site(&pushing(&webhook)).start();
    for method in TALKING {
        for (user, status) in [("alice", "approved"), ("bob", "denied")] {
            server.admin(&["user", "add", &format!("{user}-{method:?}")]);
            let peer = Peer::new(method, &format!("{user}-{method:?}"), PASSWORD);
            let answers = ["7", "push"];
            let (session, read) = std::thread::scope(|scope| {
                let talk = scope.spawn(|| peer.talk(&server, |round, _| answers[round - 1].into()));
                webhook.wait_for(1);
                webhook.decide_all(status);
                talk.join().unwrap()
            });
            assert_eq!(read[1], "Choose a second factor:\n1. Push\nOption (1-1): ");
            assert_eq!(read.len(), 3, "{read:?}");
            assert_eq!(session.accepted && session.keys_match, status == "approved", "{}", session.output);
            let (code, attributes) = session.last();
            assert_eq!(code == 2, status == "approved");
            assert!(code == 2 || attributes.iter().all(|(number, _)| *number != 26), "no key");
        }
    }
    assert_eq!(webhook.asked(), 4);
}

#[test]
fn answer_in_another_name_or_of_another_method_is_refused() {
    let server = site("").start();
    let (alice, bob) = (server.enrol("alice"), server.enrol("bob"));
    let asked = |tunnel: &mut Tunnel, user: &str| {
        let request = tunnel.gtc(user);
        tunnel.type_in(None, &request, PASSWORD).expect("a challenge")
    };
    for (name, code) in [("bob", alice.code(0)), ("bob", bob.code(0)), ("", alice.code(0))] {
        let mut tunnel = Tunnel::open(&server);
        let request = asked(&mut tunnel, "alice");
        assert_eq!(tunnel.type_in(Some(name), &request, &code), Err(Code::Reject), "{name}");
    }
    let mut tunnel = Tunnel::open(&server);
    let request = asked(&mut tunnel, "alice");
    assert_eq!(tunnel.refuse(&request), Err(Code::Reject), "not GTC");
    let mut tunnel = Tunnel::open(&server);
    asked(&mut tunnel, "alice");
    assert_eq!(tunnel.acknowledge(), Said::End(Code::Reject), "nothing");
    let mut tunnel = Tunnel::open(&server);
    asked(&mut tunnel, "alice");
    assert_eq!(tunnel.pap("bob", PASSWORD), Said::End(Code::Reject), "somebody else");

    let mut tunnel = Tunnel::open(&server);
    let request = asked(&mut tunnel, "alice");
    assert_eq!(tunnel.type_in(None, &request, &alice.code(0)), Err(Code::Accept));
}

#[test]
fn tunnel_without_a_place_for_the_answer_asks_the_device_instead() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let (whole, alone) = (site(&pushing(&webhook)), site(""));
    let without = |site: &Site, what: &str| {
        let mut site = site.clone();
        match what {
            "post-auth" => site.post_auth = String::new(),
            "authorize" => site.authorize = site.authorize.replace("mfa\n", ""),
            _ => site.authenticate = site.authenticate.replace("Auth-Type mfa {\nmfa\n}", ""),
        }
        site.start()
    };
    for missing in ["post-auth", "authorize", "authenticate"] {
        let server = without(&whole, missing);
        assert!(server.log().contains("mode \"challenge\" cannot ask in it"), "{}", server.log());
        for method in TALKING {
            let asked = webhook.asked();
            let (session, read) = Peer::new(method, "alice", PASSWORD).talk(&server, |_, _| String::new());
            assert_eq!((read.len(), webhook.asked()), (1, asked + 1), "{method:?} {missing}");
            assert!(session.accepted && session.keys_match, "{method:?} {missing}\n{}", session.output);
        }
        assert!(server.log().contains("alice: EAP-GTC in a tunnel: cannot be challenged"));
        let server = without(&alone, missing);
        server.enrol("alice");
        for method in TALKING {
            let (session, read) = Peer::new(method, "alice", PASSWORD).talk(&server, |_, _| String::new());
            assert!(!session.accepted && read.len() == 1, "{method:?} {missing}\n{}", session.output);
        }
    }
}

#[test]
fn who_cannot_be_challenged_in_a_tunnel_is_asked_on_his_device() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let (server, alone) = (site(&pushing(&webhook)).start(), site("").start());
    for (method, protocol) in [
        (Method::TtlsPap, "PAP"),
        (Method::TtlsMsChap2, "MS-CHAPv2"),
        (Method::TtlsEapMsChap2, "MS-CHAPv2"),
        (Method::PeapMsChap2, "MS-CHAPv2"),
    ] {
        let user = format!("{method:?}").to_lowercase();
        let session = login(&server, method, &user, PASSWORD);
        assert!(session.accepted && session.keys_match, "{method:?}\n{}", session.output);
        assert_eq!(reasons(&server, &user), ["approved"]);
        let line = format!("{user}: {protocol} in a tunnel: cannot be challenged");
        assert!(server.log().contains(&line), "{line}\n{}", server.log());
        assert!(!login(&server, method, &user, "wrong").accepted);

        alone.enrol(&user);
        assert!(!login(&alone, method, &user, PASSWORD).accepted, "{method:?}");
        assert_eq!(reasons(&alone, &user), ["the client shows no challenges"]);
    }
    assert_eq!(webhook.asked(), 4);
}

#[test]
fn who_cannot_be_challenged_without_a_tunnel_is_asked_on_his_device() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let plain = |mfa: &str| {
        let mut site = site(mfa);
        site.tunnel = false;
        site.start()
    };
    let (server, alone) = (plain(&pushing(&webhook)), plain(""));
    alone.enrol("alice");
    for (of, protocol) in [
        (Login::chap as fn(&str, &str) -> Login, "CHAP"),
        (Login::mschap, "MS-CHAP"),
        (Login::mschap2, "MS-CHAPv2"),
    ] {
        assert_eq!(of("alice", PASSWORD).send(&server).code, Code::Accept, "{protocol}");
        assert!(server.log().contains(&format!("alice: {protocol}: cannot be challenged")));
        assert_eq!(of("alice", "wrong").send(&server).code, Code::Reject, "{protocol}");
        assert_eq!(of("alice", PASSWORD).send(&alone).code, Code::Reject, "{protocol}");
    }
    assert_eq!(webhook.asked(), 3);
    assert_eq!(reasons(&alone, "alice"), ["the client shows no challenges"; 3]);
}

#[test]
fn inside_of_ttls_with_pap_policy_may_say_that_the_client_shows_challenges() {
    let mut site = site("").first("update control {\nMFA-Dialogue := yes\n}");
    site.arguments = vec!["-X"];
    let server = site.start();
    let token = server.enrol("alice");
    let session = login(&server, Method::TtlsPap, "alice", PASSWORD);
    assert!(!session.accepted && session.output.contains("AVP - Reply-Message"), "{}", session.output);
    let mut tunnel = Tunnel::open(&server);
    let Said::Inside(octets) = tunnel.pap("alice", PASSWORD) else { panic!("a Reply-Message") };
    assert_eq!(&octets[8..], b"Enter a passcode: \0\0");
    assert_eq!(tunnel.pap("alice", &token.code(0)), Said::End(Code::Accept));
    let mut tunnel = Tunnel::open(&server);
    assert!(matches!(tunnel.pap("alice", PASSWORD), Said::Inside(_)));
    assert_eq!(tunnel.pap("bob", &token.code(1)), Said::End(Code::Reject));
}
