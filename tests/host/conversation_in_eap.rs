//! Challenges in several rounds of EAP-GTC inside PEAP and TTLS, and what becomes of those who cannot be challenged.

use crate::harness::eapol::{Method, Peer, login};
use crate::harness::site::PASSWORD;
use crate::harness::smtp::Smtp;
use crate::harness::ttls::{Said, Tunnel};
use crate::harness::webhook::Webhook;
use crate::harness::{Code, Login, Server, Site};
use std::time::Duration;

/// Behind `eap`, in the server around the tunnel.
const BEHIND_EAP: &str = "Auth-Type eap {\neap\nif (ok) {\nmfa\n}\n}";

/// Those in which the user can be asked again and again.
const TALKING: [Method; 2] = [Method::PeapGtc, Method::TtlsGtc];

/// The tunnel knows every user's password; then the user is asked for a factor.
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
fn question_is_put_wherever_mfa_stands_in_the_tunnel() {
    for (pap, eap) in [
        ("mfa\npap\nmfa", "eap"),
        ("pap\nmfa", "Auth-Type eap {\neap\nif (ok) {\nmfa\n}\n}"),
        ("mfa\npap\nmfa", "Auth-Type eap {\neap\nif (ok) {\nmfa\n}\n}"),
    ] {
        let mut site = site("");
        site.authenticate = format!(
            "Auth-Type PAP {{\n{pap}\n}}\nAuth-Type MS-CHAP {{\nmschap\nmfa\n}}\nAuth-Type mfa {{\nmfa\n}}"
        );
        site.inner_eap = eap;
        let server = site.start();
        let token = server.enrol("alice");
        for (counter, method) in (0..).zip(TALKING) {
            let peer = |password| Peer::new(method, "alice", password);
            let (session, read) = peer(PASSWORD).talk(&server, |_, _| token.code(counter));
            assert!(session.accepted && session.keys_match, "{method:?} {pap}\n{}", session.output);
            assert_eq!(read.len(), 2);
            let (session, read) = peer("wrong").talk(&server, |_, _| token.code(counter + 1));
            assert!(!session.accepted && read.len() == 1, "{method:?} {pap}\n{}", session.output);
        }
    }
}

#[test]
fn word_instead_of_a_passcode_is_no_way_around_the_question() {
    let mut site = Site::passcode().in_tunnel();
    site.outer_authenticate = BEHIND_EAP.into();
    let server = site.start();
    server.enrol("alice");
    for method in TALKING {
        for word in ["sms", "recovery", "1", "push"] {
            let (session, read) = Peer::new(method, "alice", word).talk(&server, |_, _| word.into());
            assert!(!session.accepted && read.len() == 1, "{method:?} {word}\n{}", session.output);
        }
    }
}

#[test]
fn wrong_answers_are_asked_for_again_so_often_and_no_more() {
    let server = site("challenge_tries = 2\nlockout {\nslow_after = 10\nlock_after = 20\n}").start();
    let token = server.enrol("alice");
    let peer = || Peer::new(Method::PeapGtc, "alice", PASSWORD);
    let answers = ["000000".to_owned(), "push".to_owned(), token.code(0)];
    let (session, read) = peer().talk(&server, |round, _| answers[round - 1].clone());
    assert!(session.accepted && session.keys_match, "{}", session.output);
    assert!(read[2].starts_with("This code is wrong. "), "{read:?}");
    assert!(read[3].starts_with("Answer with one of these."), "{read:?}");
    let (session, read) = peer().talk(&server, |_, _| "000000".into());
    assert!(!session.accepted, "{}", session.output);
    assert_eq!(read.len(), 4, "{read:?}");

    // eapol_test gives up in TTLS after one answer.
    let mut tunnel = Tunnel::open(&server);
    let mut request = tunnel.gtc("alice");
    for text in [PASSWORD, "000000", "push"] {
        request = tunnel.type_in(None, &request, text).expect("another round");
    }
    assert_eq!(tunnel.type_in(None, &request, &token.code(1)), Err(Code::Accept));
    let mut tunnel = Tunnel::open(&server);
    let mut request = tunnel.gtc("alice");
    for text in [PASSWORD, "000000", "000000"] {
        request = tunnel.type_in(None, &request, text).expect("another round");
    }
    assert_eq!(tunnel.type_in(None, &request, &token.code(2)[..5]), Err(Code::Reject));
}

#[test]
fn conversation_ends_by_a_reject_whatever_the_client_shows_of_it() {
    let server = site("client_profile = pam_radius\nchallenge_tries = 0").start();
    server.enrol("alice");
    let mut tunnel = Tunnel::open(&server);
    let request = tunnel.gtc("alice");
    let request = tunnel.type_in(None, &request, PASSWORD).expect("a challenge");
    assert_eq!(tunnel.type_in(None, &request, "000000"), Err(Code::Reject));
    let webhook = Webhook::start();
    let push = format!("push {{\nnumber_match = yes\n{}\n}}", webhook.options());
    let server = site(&format!("client_profile = pam_radius\n{push}")).start();
    server.admin(&["user", "add", "alice"]);
    let peer = Peer::new(Method::PeapGtc, "alice", PASSWORD);
    let answers = ["push", "ok"];
    let (session, read) = std::thread::scope(|scope| {
        let talk = scope.spawn(|| peer.talk(&server, |round, _| answers[round - 1].into()));
        webhook.wait_for(1);
        webhook.decide_all("denied");
        talk.join().unwrap()
    });
    assert_eq!((session.accepted, session.last().0), (false, 3), "{read:?}\n{}", session.output);
}

#[test]
fn peer_that_keeps_its_password_gives_it_as_every_answer_unless_policy_knows() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let keeps = "if (&User-Name == \"android\") {\nupdate control {\nMFA-Dialogue := no\n}\n}";
    let server = site(&pushing(&webhook)).first(keeps).start();
    server.enrol("alice");
    assert!(!login(&server, Method::PeapGtc, "alice", PASSWORD).accepted);
    assert_eq!(webhook.asked(), 0);
    let (first, rest) =
        reasons(&server, "alice").split_first().map(|(a, b)| (a.clone(), b.to_vec())).unwrap();
    assert_eq!(first, "asked for an answer");
    assert!(rest.len() > 1 && rest.iter().all(|reason| reason == "wrong code"), "{rest:?}");
    let session = login(&server, Method::PeapGtc, "android", PASSWORD);
    assert!(session.accepted && session.keys_match, "{}", session.output);
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn resumed_session_is_refused() {
    let mut site = site("");
    site.resume = true;
    let server = site.start();
    let token = server.enrol("alice");
    let peer = Peer { again: 1, ..Peer::new(Method::PeapGtc, "alice", PASSWORD) };
    let (session, read) = peer.talk(&server, |_, _| token.code(0));
    assert_eq!(read.len(), 2);
    assert!(session.output.contains("resumed=1") && !session.accepted, "{}", session.output);
    assert_eq!(session.output.matches("(Access-Accept)").count(), 1, "{}", session.output);
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
    for method in [Method::PeapGtc] {
        for right in [true, false] {
            let user = format!("{method:?}-{right}").to_lowercase();
            let peer = Peer::new(method, &user, PASSWORD);
            let (session, read) = peer.talk(&server, |round, text| {
                if round == 1 {
                    return "1".into();
                }
                if round > 2 {
                    return "no".into();
                }
                let number: String = text.chars().filter(char::is_ascii_digit).collect();
                webhook.wait_for(1);
                webhook.approve_with(&user, if right { &number } else { "xx" });
                // In PEAP the server takes no empty answer.
                "ok".into()
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
            let answers = if method == Method::PeapGtc { vec!["7", "push"] } else { vec!["push"] };
            let rounds = answers.len() + 1;
            let (session, read) = std::thread::scope(|scope| {
                let talk = scope.spawn(|| peer.talk(&server, |round, _| answers[round - 1].into()));
                webhook.wait_for(1);
                webhook.decide_all(status);
                talk.join().unwrap()
            });
            assert_eq!(read[1], "Confirm your login:\n1. Push to your device\nOption (1): ");
            assert_eq!(read.len(), rounds, "{read:?}");
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
    assert_eq!(tunnel.acknowledge(), Said::Inside(vec![]), "nothing");
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
            // Without the guard in the tunnel, no challenge is sent at all.
            let is_asked = missing != "post-auth";
            let asked = webhook.asked();
            let (session, read) = Peer::new(method, "alice", PASSWORD).talk(&server, |_, _| String::new());
            assert_eq!(
                (read.len(), webhook.asked()),
                (1, asked + u64::from(is_asked)),
                "{method:?} {missing}"
            );
            assert_eq!(
                session.accepted && session.keys_match,
                is_asked,
                "{method:?} {missing}\n{}",
                session.output
            );
            let line = "alice: EAP-GTC in a tunnel: cannot be challenged";
            assert_eq!(server.log().contains(line), is_asked);
        }
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
        (Method::TtlsEapMsChap2, "EAP-MSCHAPv2"),
        (Method::PeapMsChap2, "EAP-MSCHAPv2"),
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

#[test]
fn code_that_is_sent_needs_pap() {
    let smtp = Smtp::start();
    let mut site =
        Site::passcode().with(&smtp.options()).with("codes {\ntries = 10\n}\nlockout {\nslow_after = 10\n}");
    site.authorize =
        format!("if (&User-Password) {{\nupdate control {{\nMFA-Dialogue := no\n}}\n}}\n{}", site.authorize);
    let server = site.start();
    server.admin(&["user", "add", "alice"]);
    server.admin(&["token", "add", "alice", "email", "alice@example.test"]);
    let digests = |field: &str| {
        [Login::chap("alice", field), Login::mschap("alice", field), Login::mschap2("alice", field)]
    };
    for login in digests("email") {
        assert_eq!(login.send(&server).code, Code::Reject);
    }
    assert_eq!(reasons(&server, "alice"), ["needs PAP"; 3]);
    assert!(server.log().contains("need a client that sends PAP"));
    assert_eq!(Login::pap("alice", "email").send(&server).code, Code::Reject, "sent");
    let text = smtp.wait_for("alice@example.test", 1).text().to_owned();
    let code = text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).expect("a code");
    for login in digests(code) {
        assert_eq!(login.send(&server).code, Code::Reject, "only a hash is kept");
    }
    assert_eq!(Login::pap("alice", code).send(&server).code, Code::Accept);
}

#[test]
fn code_is_sent_and_asked_for_in_the_tunnel() {
    let smtp = Smtp::start();
    let server = site(&smtp.options()).start();
    server.admin(&["user", "add", "alice"]);
    server.admin(&["token", "add", "alice", "email", "alice@example.test"]);
    let (session, read) = Peer::new(Method::PeapGtc, "alice", PASSWORD).talk(&server, |round, _| {
        if round == 1 {
            return "E-Mail".replace('-', "");
        }
        let text = smtp.wait_for("alice@example.test", 1).text().to_owned();
        text.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 6).expect("a code").to_owned()
    });
    assert_eq!(read[2], "Enter the code sent to a***@example.test: ");
    assert!(session.accepted && session.keys_match, "{}", session.output);
}
