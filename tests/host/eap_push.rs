//! A push in EAP: the password is checked in the tunnel, and the outer server waits for the user.

use crate::harness::eapol::{Method, Peer, Session, TUNNELS, login, logins};
use crate::harness::site::PASSWORD;
use crate::harness::ttls::{Said, Tunnel};
use crate::harness::webhook::Webhook;
use crate::harness::{Code, SECRET, Server, Site};
use std::time::Duration;

/// Behind `eap`, in the server around the tunnel.
const BEHIND_EAP: &str = "Auth-Type eap {\neap\nif (ok) {\nmfa\n}\n}";

/// The tunnel knows every user's password, by PAP and MS-CHAP; a user with the right one gets a push.
fn auto(webhook: &Webhook, more: &str) -> Site {
    let mut site = Site::auto(&format!("{}{more}", webhook.options())).in_tunnel();
    site.authorize = format!("update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}\nmschap\nmfa\npap");
    site.authenticate = "Auth-Type PAP {\npap\nmfa\n}\nAuth-Type MS-CHAP {\nmschap\nmfa\n}".into();
    site.gtc = "PAP";
    site.outer_authenticate = BEHIND_EAP.into();
    site
}

/// What is typed in the tunnel is the second factor alone.
fn passcode(webhook: &Webhook) -> Site {
    let mut site = Site::passcode().with(&format!("push {{\n{}\n}}", webhook.options())).in_tunnel();
    site.authenticate =
        "Auth-Type mfa {\nmfa\n}\nAuth-Type CHAP {\nmfa\nchap\nmfa\n}\nAuth-Type MS-CHAP {\nmfa\nmschap\nmfa\n}".into();
    site.outer_authenticate = BEHIND_EAP.into();
    site
}

/// A separate user for each method.
fn user_of(method: Method) -> String {
    format!("{method:?}").to_lowercase()
}

/// A refusal that ends the conversation: one EAP-Failure, signed once, and no key.
fn is_clean_failure(session: &Session) -> bool {
    let (code, attributes) = session.last();
    let values = |number: u8| -> Vec<&str> {
        attributes.iter().filter(|(n, _)| *n == number).map(|(_, value)| value.as_str()).collect()
    };
    let eap = values(79);
    !session.accepted
        && session.output.contains("from RADIUS server: EAP Failure")
        && code == 3
        && eap.len() == 1
        && eap[0].starts_with("04")
        && values(80).len() == 1
        && values(26).is_empty()
}

/// The audit trail's reasons for a user.
fn reasons(server: &Server, user: &str) -> Vec<String> {
    server.audit(user).into_iter().map(|(_, reason)| reason).collect()
}

#[test]
fn every_tunnel_waits_for_its_user_and_gets_its_keys() {
    let webhook = Webhook::start();
    let mut site = auto(&webhook, "limit = 40");
    site.max_request_time = 60;
    let server = site.start();
    let logins = TUNNELS.map(|method| (method, Peer::new(method, &user_of(method), PASSWORD).start(&server)));
    webhook.wait_for(TUNNELS.len());
    std::thread::sleep(Duration::from_secs(20));
    assert!(logins.iter().all(|(_, login)| login.waits()));
    assert_eq!(webhook.decide_all("approved"), 5);
    for (method, login) in logins {
        let session = login.session();
        assert!(session.accepted && session.keys_match, "{method:?}\n{}", session.output);
        assert!(session.output.contains("Resending RADIUS message"), "{method:?}\n{}", session.output);
        assert_eq!(reasons(&server, &user_of(method)), ["approved"], "{method:?}");
    }
    assert_eq!(webhook.asked(), 5, "a packet that comes again asks nobody");
}

#[test]
fn denied_and_unanswered_pushes_end_in_a_clean_failure() {
    let webhook = Webhook::start();
    let mut site = auto(&webhook, "");
    site.outer_authorize = "update control {\nMFA-Wait-Limit := 4\n}\neap".into();
    let server = site.start();
    for (method, ends) in [(TUNNELS, "denied by the user"), (TUNNELS, "not answered in time")] {
        let denies = ends.starts_with("denied");
        let user = |method| format!("{}{}", user_of(method), if denies { "-denies" } else { "" });
        let logins = method.map(|method| (method, Peer::new(method, &user(method), PASSWORD).start(&server)));
        webhook.wait_for(TUNNELS.len());
        if denies {
            webhook.decide_all("denied");
        }
        for (method, login) in logins {
            let session = login.session();
            assert!(is_clean_failure(&session), "{method:?} {ends}\n{}", session.output);
            assert_eq!(reasons(&server, &user(method)), [ends], "{method:?}");
        }
    }
    assert_eq!(webhook.asked(), 10);
}

#[test]
fn question_is_left_wherever_mfa_stands_in_the_tunnel() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    for around in ["{0}", "mfa\n{0}\nmfa"] {
        let section = |name: &str, module: &str| {
            format!("Auth-Type {name} {{\n{}\n}}\n", around.replace("{0}", module))
        };
        let mut site = auto(&webhook, "");
        site.authenticate = format!("{}{}", section("PAP", "pap"), section("MS-CHAP", "mschap"));
        let server = site.start();
        for method in TUNNELS {
            let asked = webhook.asked();
            let session = login(&server, method, &user_of(method), PASSWORD);
            assert!(session.accepted && session.keys_match, "{method:?}\n{}", session.output);
            assert!(!login(&server, method, &user_of(method), "wrong").accepted);
            assert_eq!(webhook.asked(), asked + 1, "{method:?} {around}");
        }
    }
}

#[test]
fn thread_waits_where_the_server_does_not_proxy() {
    let webhook = Webhook::start();
    let mut site = auto(&webhook, "");
    site.proxies = false;
    let server = site.start();
    for (status, method) in [("approved", Method::TtlsPap), ("denied", Method::PeapMsChap2)] {
        let peer = Peer::new(method, &user_of(method), PASSWORD).start(&server);
        webhook.wait_for(1);
        webhook.decide_all(status);
        let session = peer.session();
        let as_it_should = if status == "denied" { is_clean_failure(&session) } else { session.keys_match };
        assert!(as_it_should, "{method:?}\n{}", session.output);
    }
}

#[test]
fn word_instead_of_a_passcode_is_asked_in_every_tunnel() {
    let webhook = Webhook::start();
    let server = passcode(&webhook).start();
    let alice = server.enrol("alice");
    let logins = TUNNELS.map(|method| (method, Peer::new(method, &user_of(method), "push").start(&server)));
    webhook.wait_for(TUNNELS.len());
    webhook.decide_all("approved");
    for (method, login) in logins {
        let session = login.session();
        assert!(session.accepted && session.keys_match, "{method:?}\n{}", session.output);
        assert_eq!(reasons(&server, &user_of(method)), ["approved"], "{method:?}");
    }
    for (counter, method) in (0..).zip(TUNNELS) {
        let session = login(&server, method, "alice", &alice.code(counter));
        assert!(session.accepted && session.keys_match, "a code: {method:?}\n{}", session.output);
    }
    assert_eq!(webhook.asked(), 5, "a code asks nobody");
}

#[test]
fn word_is_asked_without_a_tunnel_too() {
    let webhook = Webhook::start();
    let mut site = passcode(&webhook);
    site.outer_authenticate = format!("{}\n{BEHIND_EAP}", site.authenticate);
    let server = site.start();
    for method in [Method::MsChap2, Method::Gtc] {
        let peer = Peer::new(method, &user_of(method), "push").start(&server);
        webhook.wait_for(1);
        webhook.approve(&user_of(method));
        let session = peer.session();
        assert!(session.accepted, "{method:?}\n{}", session.output);
        let peer = Peer::new(method, &format!("{method:?}-denies"), "push").start(&server);
        webhook.wait_for(1);
        webhook.decide_all("denied");
        let session = peer.session();
        assert!(is_clean_failure(&session), "{method:?}\n{}", session.output);
    }
    assert_eq!(webhook.asked(), 4);
}

#[test]
fn wrong_password_or_a_refusal_in_the_tunnel_asks_nobody() {
    let webhook = Webhook::start();
    let mut site = auto(&webhook, "");
    site.modules = "always reject {\nrcode = reject\n}\n".into();
    site.post_auth = "if (&User-Name == \"barred\") {\nreject\n}\nmfa".into();
    let server = site.start();
    for method in TUNNELS {
        for (user, password) in [("alice", "wrong"), ("barred", PASSWORD)] {
            let session = login(&server, method, user, password);
            assert!(!session.accepted, "{method:?} {user}\n{}", session.output);
        }
    }
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn reply_of_before_the_wait_arrives_after_it() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::from_secs(1));
    let mut site = auto(&webhook, "");
    site.modules = "files {\nfilename = ${raddbdir}/users\n}\n".into();
    site.tunnels = "use_tunneled_reply = yes";
    site.authorize.push_str("\nfiles");
    site.authorize.push_str("\nupdate reply {\nReply-Message := \"inner\"\n}");
    site.post_auth.push_str("\nupdate outer.session-state {\nCallback-Id := \"kept\"\n}");
    site.outer_authorize = "update reply {\nCallback-Number := \"outer\"\n}\neap".into();
    site.outer_post_auth = "mfa\nupdate {\n&reply: += &session-state:\n}".into();
    let mut server = Server::prepare(site);
    std::fs::write(server.folder.join("users"), "DEFAULT\n\tFilter-Id = \"staff\",\n\tFall-Through = no\n")
        .unwrap();
    server.admin(&["init"]);
    server.up().unwrap();
    for method in TUNNELS {
        let session = login(&server, method, &user_of(method), PASSWORD);
        let (code, attributes) = session.last();
        assert_eq!(code, 2, "{method:?}\n{}", session.output);
        for (number, text) in [(11, "staff"), (18, "inner"), (19, "outer"), (20, "kept")] {
            let found: Vec<_> = attributes.iter().filter(|(n, _)| *n == number).collect();
            assert_eq!(found.len(), 1, "{method:?} {text}\n{}", session.output);
        }
        assert!(session.keys_match, "{method:?}");
        assert_eq!(attributes.iter().filter(|(n, _)| *n == 80).count(), 1, "signed once");
    }
}

#[test]
fn user_in_the_tunnel_is_asked_whoever_stands_outside() {
    let webhook = Webhook::start();
    let server = auto(&webhook, "").start();
    for method in TUNNELS {
        let peer = Peer { outside: "mallory".into(), ..Peer::new(method, &user_of(method), PASSWORD) };
        let login = peer.start(&server);
        assert_eq!(webhook.wait_for(1)[0].user, user_of(method));
        assert_eq!(webhook.approve("mallory"), 0);
        assert_eq!(webhook.approve(&user_of(method)), 1);
        assert!(login.session().accepted, "{method:?}");
    }
}

#[test]
fn tunnel_that_asks_nobody_is_refused_whoever_stands_outside() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let mut site = auto(&webhook, "");
    site.authorize = site.authorize.replace("mfa\n", "");
    site.authenticate = "Auth-Type PAP {\npap\n}\nAuth-Type MS-CHAP {\nmschap\n}".into();
    site.post_auth = String::new();
    let server = site.start();
    for method in TUNNELS {
        let peer = Peer { outside: "mallory".into(), ..Peer::new(method, "alice", PASSWORD) };
        let session = peer.login(&server);
        assert!(is_clean_failure(&session), "{method:?}\n{}", session.output);
    }
    assert_eq!(webhook.asked(), 0);
    assert_eq!(reasons(&server, "mallory").pop().unwrap(), "accepted without mfa");
}

#[test]
fn without_mfa_behind_eap_nobody_is_asked() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let mut site = auto(&webhook, "");
    site.outer_authenticate = "eap".into();
    let server = site.start();
    assert!(server.log().contains("put \"mfa\" behind \"eap\""), "{}", server.log());
    for method in TUNNELS {
        let session = login(&server, method, &user_of(method), PASSWORD);
        assert!(is_clean_failure(&session), "{method:?}\n{}", session.output);
        assert_eq!(reasons(&server, &user_of(method)), ["mfa did not run behind eap"]);
    }
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn resumed_session_is_not_asked_and_refused() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let mut site = auto(&webhook, "");
    site.resume = true;
    let server = site.start();
    let session = logins(&server, Method::TtlsPap, "alice", PASSWORD, 1);
    assert!(session.output.contains("resumed=1"), "the session was resumed\n{}", session.output);
    assert_eq!(session.output.matches("(Access-Accept)").count(), 1, "{}", session.output);
    assert!(is_clean_failure(&session), "{}", session.output);
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn two_conversations_of_a_user_at_once_are_one_push_and_one_accept() {
    let webhook = Webhook::start();
    let server = auto(&webhook, "").start();
    let other = || Peer::new(Method::PeapMsChap2, "alice", PASSWORD);
    for (station, reason) in [
        ("02:00:00:00:00:01", "a newer packet waits for the answer"),
        ("02:00:00:00:00:02", "a request is already waiting"),
    ] {
        let asked = webhook.asked();
        let first = Peer::new(Method::TtlsPap, "alice", PASSWORD).start(&server);
        webhook.wait_for(1);
        let second = Peer { station: station.into(), ..other() }.start(&server);
        assert!(server.logged(reason), "{}", server.log());
        assert_eq!(webhook.approve("alice"), 1);
        let sessions = [first.session(), second.session()];
        let accepted = sessions.iter().filter(|session| session.accepted).count();
        assert_eq!(accepted, 1, "{}\n{}", sessions[0].output, sessions[1].output);
        assert!(sessions.iter().all(|session| session.accepted || is_clean_failure(session)));
        assert_eq!(webhook.asked(), asked + 1);
    }
}

/// The ticket of a session, which a policy puts into the next one. `before` is what becomes of it in the first.
fn copied_ticket(before: &str) -> (Session, Session) {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let mut site = auto(&webhook, "");
    site.modules = "cache {\ndriver = \"rlm_cache_rbtree\"\nkey = \"ticket\"\nttl = 60\n\
                    update {\n&control:Tmp-Octets-0 := &control:Tmp-Octets-0\n}\n}\n"
        .into();
    // A user called bob needs no second factor in the tunnel.
    let without = |what: &str| format!("if (&User-Name != \"bob\") {{\n{what}\n}}");
    site.authenticate = format!("Auth-Type PAP {{\npap\n{}\n}}", without("mfa"));
    site.post_auth = without("mfa");
    site.outer_authenticate = format!(
        "Auth-Type eap {{\neap\nif (ok) {{\nif (&session-state:MFA-Ticket) {{\n\
         update control {{\n&Tmp-Octets-0 := &session-state:MFA-Ticket\n}}\ncache\n{before}\n}}\nelse {{\ncache\n\
         update session-state {{\n&MFA-Ticket := &control:Tmp-Octets-0\n}}\n}}\nmfa\n}}\n}}"
    );
    site.arguments = vec!["-X"];
    let server = site.start();
    let first = login(&server, Method::TtlsPap, "alice", PASSWORD);
    let second = login(&server, Method::TtlsPap, "bob", PASSWORD);
    assert!(server.log().contains("&MFA-Ticket := &control:Tmp-Octets-0 -> 0x"), "the ticket was copied");
    assert!(webhook.asked() <= 1);
    (first, second)
}

#[test]
fn ticket_that_policy_copies_lets_nobody_else_in() {
    let (first, second) = copied_ticket("");
    assert!(first.accepted, "{}", first.output);
    assert!(is_clean_failure(&second), "{}", second.output);

    let (first, second) = copied_ticket("update session-state {\n&MFA-Ticket !* ANY\n}");
    assert!(is_clean_failure(&first), "{}", first.output);
    assert!(is_clean_failure(&second), "nor does one that was not used\n{}", second.output);
}

#[test]
fn two_users_in_one_tunnel_are_refused() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let mut site = auto(&webhook, "");
    site.tunnels = "use_tunneled_reply = yes";
    site.authorize = format!("if (&User-Name == \"exempt\") {{\nmfa_exempt\n}}\n{}", site.authorize);
    let server = site.start();
    let is_refused = |said: &Said| matches!(said, Said::End(Code::Reject));

    for other in ["mallory", "exempt"] {
        for (first, second) in [("alice", other), (other, "alice")] {
            let mut tunnel = Tunnel::open(&server);
            assert!(matches!(tunnel.mschap2(first, PASSWORD), Said::Inside(_)), "{first} has the password");
            let said = tunnel.pap(second, PASSWORD);
            assert!(is_refused(&said), "{first}, then {second}: {said:?}");
            let mut tunnel = Tunnel::open(&server);
            let _ = tunnel.mschap2(first, PASSWORD);
            let said = tunnel.mschap2(second, PASSWORD);
            assert!(is_refused(&said), "{first}, then {second}: {said:?}");
        }
    }
    assert!(server.logged("more than one user or tunnel in an EAP conversation"));
    let alone = Tunnel::open(&server).pap("exempt", PASSWORD);
    assert!(matches!(alone, Said::End(Code::Accept)), "{alone:?}");
    assert_eq!(webhook.asked(), 0);

    let mut tunnel = Tunnel::open(&server);
    assert!(matches!(tunnel.mschap2("alice", PASSWORD), Said::Inside(_)));
    assert!(matches!(tunnel.acknowledge(), Said::End(Code::Accept)), "one user is let in");
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn name_between_two_tunnels_is_not_asked() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let server = auto(&webhook, "").start();
    let mut tunnel = Tunnel::open(&server).nested("mallory");
    let said = tunnel.pap("alice", PASSWORD);
    assert_ne!(said, Said::End(Code::Accept));
    assert!(server.logged("alice: more than one user or tunnel in an EAP conversation"));
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn name_outside_is_not_asked_for_what_another_server_accepts() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let behind = passcode(&webhook).start();
    let code = behind.enrol("alice").code(0);
    let mut site = auto(&webhook, "");
    site.outer_authorize = "update control {\nProxy-To-Realm := behind\n}".into();
    site.root = format!(
        "home_server behind {{\ntype = auth\nipaddr = 127.0.0.1\nport = {}\nsecret = {SECRET}\n}}\n\
         home_server_pool behind {{\nhome_server = behind\n}}\nrealm behind {{\nauth_pool = behind\nnostrip\n}}\n",
        behind.port
    );
    let server = site.start();
    let peer = Peer { outside: "mallory".into(), ..Peer::new(Method::TtlsPap, "alice", &code) };
    let session = peer.login(&server);
    assert!(is_clean_failure(&session), "{}", session.output);
    assert_eq!(behind.audit("alice").pop().unwrap().0, "accept");
    assert_eq!(webhook.asked(), 0);
}
