//! A login waits for its user without holding one of the server's threads.

use crate::harness::eapol::{self, Method};
use crate::harness::raw::{self, Client, MESSAGE_AUTHENTICATOR};
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::Packet;
use crate::harness::{Code, Login, Reply, SOON, Server, Site};
use crate::proxy::{behind, realm};
use std::time::{Duration, Instant};

/// The answer to the push comes at once: a login is decided while the test waits for it.
fn answered(webhook: &Webhook, status: &str, login: &Login, server: &Server) -> Reply {
    webhook.preset(None, status, Duration::from_millis(100));
    login.send(server)
}

#[test]
fn approved_push_is_accepted_and_denied_one_refused() {
    let webhook = Webhook::start();
    let server = Site::auto(&webhook.options()).start();
    let login = Login::pap("alice", PASSWORD).start(&server);
    assert_eq!(webhook.wait_for(1)[0].user, "alice");
    std::thread::sleep(Duration::from_secs(1));
    assert!(login.waits());
    assert_eq!(webhook.approve("alice"), 1);
    assert_eq!(login.reply().code, Code::Accept);
    assert_eq!(server.audit("alice"), [("accept".into(), "approved".into())]);

    let login = Login::pap("bob", PASSWORD).start(&server);
    webhook.wait_for(1);
    webhook.deny("bob");
    assert_eq!(login.reply().code, Code::Reject);
    assert_eq!(server.audit("bob"), [("reject".into(), "denied by the user".into())]);
    assert_eq!(webhook.asked(), 2);
}

#[test]
fn wrong_password_asks_nobody() {
    let webhook = Webhook::start();
    let server = Site::auto(&webhook.options()).start();
    assert_eq!(Login::pap("alice", "wrong").send(&server).code, Code::Reject);
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn many_wait_and_others_log_in() {
    let webhook = Webhook::start();
    let server = Site::auto(&webhook.options()).start();
    let waiting: Vec<_> =
        (0..100).map(|n| Login::pap(&format!("user{n}"), PASSWORD).start(&server)).collect();
    webhook.wait_for(100);
    let start = Instant::now();
    let login = Login::pap("alice", PASSWORD).start(&server);
    webhook.wait_for(101);
    webhook.approve("alice");
    assert_eq!(login.reply().code, Code::Accept);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    assert!(waiting.iter().all(|login| login.waits()));
    webhook.decide_all("approved");
    assert!(waiting.into_iter().all(|login| login.reply().code == Code::Accept));
}

#[test]
fn login_waits_elsewhere_for_a_slow_disk() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    let other = rusqlite::Connection::open(server.store.join("mfa.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let login = Login::pap("alice", &alice.code(0)).start(&server);
    std::thread::sleep(Duration::from_millis(500));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(login.reply().code, Code::Accept);

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = Instant::now();
    assert_eq!(Login::pap("alice", &alice.code(1)).send(&server).code, Code::Reject);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
}

#[test]
fn accept_of_eap_is_not_sent_before_the_user_has_answered() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options()).in_tunnel();
    site.outer_authenticate = "Auth-Type eap {\neap\nif (ok) {\nmfa\n}\n}".into();
    site.outer_post_auth = "mfa\nupdate reply {\nFilter-Id += \"last\"\n}".into();
    let server = site.start();
    webhook.preset(Some("alice"), "approved", Duration::from_millis(300));
    let session = eapol::login(&server, Method::TtlsPap, "alice", PASSWORD);
    assert!(session.accepted && session.keys_match, "{}", session.output);
    let (_, accept) = session.output.rsplit_once("(Access-Accept)").unwrap();
    assert_eq!(accept.matches("Attribute 80 ").count(), 1, "signed once\n{accept}");
    assert_eq!(accept.matches("Attribute 11 ").count(), 1, "{accept}");

    webhook.preset(Some("bob"), "denied", Duration::from_millis(300));
    let session = eapol::login(&server, Method::TtlsPap, "bob", PASSWORD);
    assert!(!session.accepted && !session.output.contains("(Access-Accept)"), "{}", session.output);
    let (_, reject) = session.output.rsplit_once("(Access-Reject)").unwrap();
    assert!(reject.contains("EAP Failure"), "{reject}");
    assert_eq!(reject.matches("Attribute 80 ").count(), 1, "signed once\n{reject}");
    assert!(!reject.contains("Attribute 26 "), "no key of the session\n{reject}");
    assert_eq!(webhook.asked(), 2);
}

#[test]
fn tunnel_whose_outer_server_does_not_ask_is_refused() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let server = Site::auto(&webhook.options()).in_tunnel().start();
    assert!(!eapol::login(&server, Method::TtlsPap, "alice", PASSWORD).accepted);
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn policy_does_not_lead_a_waiting_login_astray() {
    let (webhook, behind) = (Webhook::start(), behind());
    let mut site = Site::auto(&webhook.options());
    site.root = realm(&behind);
    let ways = [
        "Proxy-To-Realm := \"behind\"",
        "Proxy-To-Realm := \"nowhere\"",
        "Home-Server-Pool := \"behind\"",
        "Home-Server-Name := \"behind\"",
        "Packet-Dst-IP-Address := 127.0.0.1",
        "Pre-Proxy-Type := \"Elsewhere\"",
        "Post-Proxy-Type := \"Elsewhere\"",
        "Response-Packet-Type := Access-Reject",
        "Response-Packet-Type := Access-Accept",
    ];
    let cases: String = (ways.iter().enumerate())
        .map(|(n, way)| format!("if (&NAS-Port == {n}) {{\nupdate control {{\n{way}\n}}\n}}\n"))
        .collect();
    site.authenticate = format!("Auth-Type PAP {{\npap\n{cases}mfa\n}}");
    site.sections = "pre-proxy {\nPre-Proxy-Type Elsewhere {\nok\n}\n}\n\
                     post-proxy {\nPost-Proxy-Type Elsewhere {\nok\n}\n}"
        .into();
    let server = site.start();
    for (n, way) in ways.iter().enumerate() {
        let login = |user: &str| Login::pap(&format!("{user}{n}"), PASSWORD).with("NAS-Port", &n.to_string());
        assert_eq!(answered(&webhook, "approved", &login("alice"), &server).code, Code::Accept, "{way}");
        assert_eq!(answered(&webhook, "denied", &login("bob"), &server).code, Code::Reject, "{way}");
    }
    assert_eq!(webhook.asked(), 2 * ways.len() as u64);
}

#[test]
fn sections_before_and_behind_are_the_sites_own_for_what_it_proxies() {
    let behind = behind();
    let mut site = Site::append();
    site.root = realm(&behind);
    site.authorize = "update control {\nProxy-To-Realm := behind\n}".into();
    site.sections = "post-proxy {\nupdate proxy-reply {\nReply-Message := \"seen\"\n}\n}".into();
    let server = site.start();
    let reply = Login::pap("alice", "wrong").send(&server);
    assert_eq!((reply.code, reply.get("Reply-Message")), (Code::Reject, Some("seen")));
}

#[test]
fn accept_of_the_responder_that_nobody_has_looked_at_lets_nobody_in() {
    let webhook = Webhook::start();
    let mut server = Server::prepare(Site::auto(&webhook.options()));
    std::fs::write(server.folder.join("policy.d/site"), "mfa.post-proxy {\nok\n}\n").unwrap();
    assert!(server.mfa(&["init"]).ok);
    server.up().unwrap_or_else(|refused| panic!("{}", refused.0));
    assert_eq!(answered(&webhook, "approved", &Login::pap("alice", PASSWORD), &server).code, Code::Reject);
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn what_stands_behind_a_login_that_waits_does_not_let_it_in() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    site.authenticate = "Auth-Type PAP {\npap\nmfa {\nhandled = 3\n}\nok\n}".into();
    let server = site.start();
    assert_eq!(Login::pap("alice", PASSWORD).send(&server).code, Code::Reject);
    assert!(server.logged("its packet never came"), "and it is said");
    let start = Instant::now();
    while webhook.cancelled() == 0 && start.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((webhook.asked(), webhook.cancelled()), (1, 1));
}

#[test]
fn login_never_waits_in_authorize() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let mut site = Site::auto(&webhook.options());
    site.authenticate = "Auth-Type PAP {\npap\n}".into();
    let server = site.start();
    for password in ["hello,push", "hello", "wrong,push"] {
        assert_eq!(Login::pap("alice", password).send(&server).code, Code::Reject, "{password}");
    }
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn what_the_server_has_proxied_is_asked_about_and_never_let_in_before() {
    let (webhook, behind) = (Webhook::start(), behind());
    let mut site = Site::auto(&webhook.options());
    site.root = realm(&behind);
    site.authorize = "update control {\nProxy-To-Realm := behind\n}".into();
    let server = site.start();
    assert_eq!(Login::chap("alice", "wrong").send(&server).code, Code::Reject);
    assert_eq!(webhook.asked(), 0);
    let login = |user: &str| Login::chap(user, PASSWORD);
    assert_eq!(answered(&webhook, "approved", &login("alice"), &server).code, Code::Accept);
    assert_eq!(answered(&webhook, "denied", &login("bob"), &server).code, Code::Reject);
    // To this client a challenge can be sent.
    let login = Login::pap("carol", PASSWORD);
    assert_eq!(answered(&webhook, "denied", &login, &server).code, Code::Challenge);
    // The challenge does not wait for the push that it is about.
    let start = Instant::now();
    while webhook.asked() < 3 && start.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(webhook.asked(), 3);
}

#[test]
fn synchronous_listener_lets_nobody_in_and_takes_the_question_back() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    site.root = format!(
        "listen {{\ntype = auth\nipaddr = 127.0.0.1\nport = {port}\nvirtual_server = default\nperformance {{\nsynchronous = yes\n}}\n}}"
    );
    let mut server = site.start();
    server.port = port;
    assert_ne!(Login::pap("alice", PASSWORD).send_for(&server, 2).code, Code::Accept);
    assert!(server.logged("alice: parked, but its packet never came"));
    let start = Instant::now();
    while webhook.cancelled() == 0 && start.elapsed() < SOON {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((webhook.asked(), webhook.cancelled()), (1, 1));
}

#[test]
fn login_over_tcp_waits() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    site.root = format!(
        "listen {{\ntype = auth\nipaddr = 127.0.0.1\nport = {port}\nvirtual_server = default\nproto = tcp\n}}\n\
         client tcp {{\nipaddr = 127.0.0.1\nproto = tcp\nsecret = testing123\n}}"
    );
    let mut server = site.start();
    server.port = port;
    let login = |user: &str| Login::pap(user, PASSWORD).over_tcp();
    assert_eq!(answered(&webhook, "approved", &login("alice"), &server).code, Code::Accept);
    assert_eq!(answered(&webhook, "denied", &login("bob"), &server).code, Code::Reject);
}

/// A site whose policy has put something into every list before the login waits.
fn policy(webhook: &Webhook) -> Site {
    let mut site = Site::auto(&webhook.options());
    site.authenticate = "Auth-Type PAP {\npap\n\
         update reply {\nFilter-Id += \"one\"\nClass += 0x01\nFilter-Id += \"two\"\nClass += 0x02\nFilter-Id += \"three\"\n}\n\
         update control {\nTmp-String-0 := \"control\"\n}\n\
         update session-state {\nTmp-String-1 := \"session\"\n}\n\
         update request {\nTmp-String-2 := \"request\"\n}\nmfa\n}"
        .into();
    site.post_auth = "mfa\nupdate reply {\nCallback-Id := \"%{control:Tmp-String-0} %{session-state:Tmp-String-1} %{Tmp-String-2}\"\n}"
        .into();
    site
}

#[test]
fn reply_is_what_it_was_before_and_only_if_the_user_is_let_in() {
    let webhook = Webhook::start();
    let server = policy(&webhook).start();
    let reply = answered(&webhook, "approved", &Login::pap("alice", PASSWORD), &server);
    assert_eq!(reply.code, Code::Accept);
    assert_eq!(reply.all("Filter-Id"), ["one", "two", "three"]);
    assert_eq!(reply.all("Class"), ["0x01", "0x02"]);
    assert_eq!(reply.get("Callback-Id"), Some("control session request"));
    assert_eq!(reply.get("State"), None, "the responder's");

    let reply = answered(&webhook, "denied", &Login::pap("bob", PASSWORD), &server);
    let left: Vec<&str> = reply.attributes.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!((reply.code, left), (Code::Reject, vec!["Message-Authenticator", "Reply-Message"]));
    assert_eq!(reply.get("Reply-Message"), Some("The request was denied on your device."));
}

#[test]
fn answer_is_signed_once() {
    let webhook = Webhook::start();
    let server = policy(&webhook).start();
    for (seed, user, status, code) in
        [(1, "alice", "approved", Code::Accept), (2, "bob", "denied", Code::Reject)]
    {
        webhook.preset(None, status, Duration::from_millis(100));
        let (client, packet) = (Client::of(&server), Packet::pap(seed, user.as_bytes(), PASSWORD.as_bytes()));
        client.send(&packet);
        let (answered, octets) = client.answer_to(&packet, SOON).unwrap();
        assert_eq!((answered, raw::values(&octets, MESSAGE_AUTHENTICATOR).len()), (code, 1), "{user}");
    }
}

#[test]
fn responder_is_sent_nothing_of_the_login() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    site.arguments = vec!["-Xxx"];
    let server = site.start();
    let login = Login::pap("alice", PASSWORD)
        .with("Calling-Station-Id", "\"02-00-00-00-00-01\"")
        .with("State", "0x6d61726b6572")
        .with("Proxy-State", "0x6d61726b6572");
    assert_eq!(answered(&webhook, "approved", &login, &server).code, Code::Accept);
    let log = server.log();
    let (_, sent) = log.split_once("Sent Access-Request").expect("it was proxied");
    let names: Vec<&str> = (sent.lines().skip(1))
        .map_while(|line| line.split_once(" := ").or_else(|| line.split_once(" = ")))
        .map(|(name, _)| name.rsplit(' ').next().unwrap())
        .collect();
    assert_eq!(names, ["State", "Message-Authenticator"], "{sent}");
}

#[test]
fn packet_that_comes_again_is_asked_about_and_answered_once() {
    let webhook = Webhook::start();
    let server = Site::auto(&webhook.options()).start();
    let (client, packet) = (Client::of(&server), Packet::pap(7, b"alice", PASSWORD.as_bytes()));
    // The server sends it on once a second at most.
    for _ in 0..5 {
        client.send(&packet);
        assert!(client.answer(Duration::from_millis(500)).is_none());
    }
    webhook.approve("alice");
    assert_eq!(client.answer_to(&packet, SOON).unwrap().0, Code::Accept);
    assert_eq!(client.answer(Duration::from_millis(500)), None);
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn new_packet_with_the_old_ones_number_takes_the_wait_over() {
    let webhook = Webhook::start();
    let mut server = Site::auto(&webhook.options()).start();
    let client = Client::of(&server);
    let first = Packet::pap(7, b"alice", PASSWORD.as_bytes());
    let second = Packet::pap(7 + 256, b"alice", PASSWORD.as_bytes());
    client.send(&first);
    webhook.wait_for(1);
    client.send(&second);
    assert!(client.answer(Duration::from_millis(500)).is_none());
    webhook.approve("alice");
    let (code, _) = client.answer_to(&second, SOON).unwrap();
    assert_eq!((code, webhook.asked()), (Code::Accept, 1));

    // Another user's packet ends the wait for the first.
    let third = Packet::pap(8, b"bob", PASSWORD.as_bytes());
    let fourth = Packet::pap(8 + 256, b"carol", PASSWORD.as_bytes());
    client.send(&third);
    webhook.wait_for(1);
    client.send(&fourth);
    webhook.wait_for(2);
    webhook.approve("bob");
    assert!(client.answer(Duration::from_millis(500)).is_none(), "his packet is gone");
    webhook.deny("carol");
    let (code, _) = client.answer_to(&fourth, SOON).unwrap();
    assert_eq!(code, Code::Reject);
    assert!(server.is_up());
}
