//! One push for each attempt, however many packets it comes in; and no login uses the approval of another.

use crate::harness::nas::{SECOND, elsewhere};
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{ACCT_SESSION, CALLING_STATION, NAS_PORT, STATE};
use crate::harness::{Code, Nas, SECRET, Server, Site};
use std::thread::sleep;
use std::time::Duration;

const STATION: (u8, &str) = (CALLING_STATION, "198.51.100.7");
const WAITING: (Code, Option<&str>) = (Code::Reject, Some("A request is already waiting."));

fn start(options: &str) -> (Webhook, Server) {
    let webhook = Webhook::start();
    let server = Site::auto(&format!("{}\n{options}", webhook.options())).start();
    (webhook, server)
}

#[test]
fn packet_that_comes_again_is_one_attempt() {
    let (webhook, server) = start("");
    let nas = Nas::new();
    let sent = nas.pap(&server, "alice", PASSWORD, &[]);
    for _ in 0..3 {
        sleep(Duration::from_millis(700));
        nas.again(&server, &sent);
    }
    assert!(nas.waits(&sent));
    assert_eq!(webhook.asked(), 1);
    webhook.approve("alice");
    assert_eq!(nas.reply(&sent).code, Code::Accept);
    nas.again(&server, &sent);
    assert_eq!(nas.reply(&sent).code, Code::Accept, "the server repeats its answer");
    assert_eq!(server.audit("alice").len(), 1);
}

#[test]
fn same_attempt_under_new_identifiers_asks_once_and_the_newest_packet_is_accepted() {
    let (webhook, server) = start("");
    let session = (ACCT_SESSION, "4711");
    let (one, two) = (Nas::new(), Nas::new());
    for (user, nas, more) in [
        ("alice", [&one, &one, &one], &[STATION][..]),
        ("bob", [&one, &two, &one], &[STATION]),
        ("carol", [&one, &two, &two], &[session]),
        ("dora", [&one, &one, &one], &[]),
    ] {
        let before = webhook.asked();
        let first = nas[0].pap(&server, user, PASSWORD, more);
        webhook.wait_for(1);
        let second = nas[1].pap(&server, user, PASSWORD, more);
        assert_eq!(nas[0].reply(&first).code, Code::Reject, "{user}");
        let third = nas[2].pap(&server, user, PASSWORD, more);
        assert_eq!(nas[1].reply(&second).code, Code::Reject, "{user}");
        assert!(nas[2].waits(&third));
        assert_eq!(webhook.approve(user), 1);
        assert_eq!(nas[2].reply(&third).code, Code::Accept, "{user}");
        assert_eq!(webhook.asked(), before + 1, "{user}");
        assert_eq!(server.audit(user), [("accept".into(), "approved".into())]);
    }
}

#[test]
fn second_attempt_is_refused_and_asks_nobody() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    site.root = elsewhere();
    let server = site.start();
    let (victim, other_port, other_client) = (Nas::new(), Nas::new(), Nas::at("127.0.0.2"));
    let bare = victim.pap(&server, "bob", PASSWORD, &[]);
    let sent = victim.pap(&server, "alice", PASSWORD, &[STATION, (NAS_PORT, "\0\0\0\x07")]);
    webhook.wait_for(2);
    let port = (NAS_PORT, "\0\0\0\x07");
    for (nas, user, more) in [
        (&other_port, "bob", &[][..]),
        (&victim, "bob", &[STATION]),
        (&other_client, "bob", &[]),
        (&other_client, "alice", &[STATION, port]),
        (&victim, "alice", &[(CALLING_STATION, "198.51.100.8"), port]),
        (&victim, "alice", &[STATION]),
        (&victim, "alice", &[STATION, (NAS_PORT, "\0\0\0\x08")]),
        (&victim, "alice", &[]),
        (&victim, "EXAMPLE\\Alice", &[STATION, port]),
        (&victim, "alice@example.test", &[STATION, port]),
    ] {
        let second = nas.pap(&server, user, PASSWORD, more);
        assert_eq!(nas.reply(&second).said(), WAITING, "{user} {more:?}");
    }
    let wrong = victim.pap(&server, "alice", "wrong", &[STATION, port]);
    assert_eq!(victim.reply(&wrong).said(), (Code::Reject, None), "pap's, and joins nothing");
    assert!(victim.waits(&sent) && victim.waits(&bare));
    assert_eq!(webhook.asked(), 2);
    webhook.decide_all("approved");
    assert_eq!(victim.reply(&sent).code, Code::Accept);
    assert_eq!(victim.reply(&bare).code, Code::Accept);
}

#[test]
fn accept_is_given_once_and_the_same_packet_asks_again() {
    let (webhook, server) = start("");
    let nas = Nas::new();
    let sent = nas.pap(&server, "alice", PASSWORD, &[STATION]);
    webhook.wait_for(1);
    webhook.approve("alice");
    assert_eq!(nas.reply(&sent).code, Code::Accept);
    let thief = Nas::new();
    let second = thief.pap(&server, "alice", PASSWORD, &[STATION]);
    webhook.wait_for(1);
    assert!(thief.waits(&second));
    webhook.deny("alice");
    assert_eq!(thief.reply(&second).code, Code::Reject);
    assert_eq!(webhook.asked(), 2);
}

#[test]
fn denial_is_kept_for_the_same_attempt_alone_and_for_so_long() {
    let (webhook, server) = start("result_cache = 2\npause_after_denial = 0");
    let nas = Nas::new();
    webhook.preset(Some("alice"), "denied", Duration::ZERO);
    let login = |more: &[(u8, &str)]| nas.reply(&nas.pap(&server, "alice", PASSWORD, more)).code;
    assert_eq!([login(&[STATION]), login(&[STATION])], [Code::Reject; 2]);
    assert_eq!(webhook.asked(), 1);
    assert_eq!(login(&[]), Code::Reject);
    assert_eq!(webhook.asked(), 2);
    sleep(Duration::from_millis(2100));
    assert_eq!(login(&[]), Code::Reject);
    assert_eq!(webhook.asked(), 3);
}

#[test]
fn client_that_fails_over_is_accepted_by_the_second_server() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    site.fails_over = true;
    let server = site.start();
    let nas = Nas::new();
    let first = nas.pap(&server, "alice", PASSWORD, &[STATION]);
    webhook.wait_for(1);
    nas.again(&server, &first);
    let nas_port_two = Nas::new();
    let second = nas_port_two.pap_to(SECOND, &server, "alice", PASSWORD, &[STATION]);
    assert_eq!(nas.reply(&first).code, Code::Reject);
    assert!(nas_port_two.waits(&second));
    webhook.approve("alice");
    assert_eq!(nas_port_two.reply(&second).code, Code::Accept);
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn client_that_comes_back_after_the_answer_gets_it_once() {
    let (webhook, server) = start("");
    let nas = Nas::new();
    let first = nas.pap(&server, "alice", PASSWORD, &[STATION]);
    webhook.wait_for(1);
    // Its request is forgotten by the server without a word: same port, same identifier, another packet.
    let gone = nas.pap_as(&server, &first, "carol", "wrong");
    assert_eq!(nas.reply(&gone).code, Code::Reject);
    webhook.approve("alice");
    sleep(Duration::from_millis(500));
    let second = nas.pap(&server, "alice", PASSWORD, &[STATION]);
    assert_eq!(nas.reply(&second).code, Code::Accept);
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn many_packets_of_one_attempt_are_one_accept() {
    let (webhook, server) = start("");
    webhook.preset(None, "approved", Duration::from_secs(2));
    let nas = Nas::new();
    let sent: Vec<_> = (0..100).map(|_| nas.pap(&server, "alice", PASSWORD, &[STATION])).collect();
    let accepted = sent.iter().filter(|sent| nas.reply(sent).code == Code::Accept).count();
    // Where the machine is so slow that the last packets come after the accept, they are asked for again.
    assert_eq!(accepted as u64, webhook.asked());
}

#[test]
fn same_datagram_from_another_port_has_the_wait_and_the_newest_is_accepted() {
    let (webhook, server) = start("");
    // Neither a station nor a session is in it.
    let (one, two, three) = (Nas::new(), Nas::new(), Nas::new());
    let sent = one.pap(&server, "alice", PASSWORD, &[]);
    webhook.wait_for(1);
    for (older, newer) in [(&one, &two), (&two, &three)] {
        newer.again(&server, &sent);
        assert_eq!(older.reply(&sent).code, Code::Reject, "it has lost the wait");
    }
    // The same but for its authenticator.
    let other = Nas::new();
    let second = other.pap_as(&server, &sent, "alice", PASSWORD);
    assert_eq!(other.reply(&second).said(), WAITING);
    assert!(three.waits(&sent));
    assert_eq!((webhook.asked(), webhook.approve("alice")), (1, 1));
    assert_eq!(three.reply(&sent).code, Code::Accept);
    assert_eq!(server.audit("alice").iter().filter(|(verdict, _)| verdict == "accept").count(), 1);
}

#[test]
fn answer_to_a_challenge_from_another_port_has_its_wait() {
    let webhook = Webhook::start();
    let site = Site::auto("");
    let mfa = format!("mode = challenge\npush {{\n{}\n}}", webhook.options());
    let server = Site { mfa, ..site }.start();
    let (one, two) = (Nas::new(), Nas::new());
    let login = one.pap(&server, "alice", PASSWORD, &[]);
    let state = one.reply(&login).get("State").unwrap().to_owned();
    let answer = one.pap(&server, "alice", "1", &[(STATE, &state)]);
    webhook.wait_for(1);
    two.again(&server, &answer);
    assert_eq!(one.reply(&answer).code, Code::Reject);
    assert!(two.waits(&answer));
    assert_eq!((webhook.asked(), webhook.approve("alice")), (1, 1));
    assert_eq!(two.reply(&answer).code, Code::Accept);
}

#[test]
fn client_whose_ports_change_is_known_by_its_nas_port() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    let client = |name: &str, address: &str, more: &str| {
        format!("client {name} {{\nipaddr = {address}\nsecret = {SECRET}\n{more}\n}}\n")
    };
    site.root = client("vpn", "127.0.0.2", "mfa_port_changes = yes") + &client("other", "127.0.0.3", "");
    let server = site.start();
    const NAS_IDENTIFIER: u8 = 32;
    let known = [(NAS_PORT, "\0\0\0\x07"), (NAS_IDENTIFIER, "openvpn")];
    let (one, two) = (Nas::at("127.0.0.2"), Nas::at("127.0.0.2"));
    let first = one.pap(&server, "alice", PASSWORD, &known);
    webhook.wait_for(1);
    let second = two.pap(&server, "alice", PASSWORD, &known);
    assert_eq!(one.reply(&first).code, Code::Reject, "it has lost the wait");
    for more in [&known[..1], &known[1..], &[(NAS_PORT, "\0\0\0\x08"), (NAS_IDENTIFIER, "openvpn")]] {
        let other = one.pap(&server, "alice", PASSWORD, more);
        assert_eq!(one.reply(&other).said(), WAITING, "{more:?}");
    }
    assert_eq!((webhook.asked(), webhook.approve("alice")), (1, 1));
    assert_eq!(two.reply(&second).code, Code::Accept);
    // Another client has to say so, too.
    let (one, two) = (Nas::at("127.0.0.3"), Nas::at("127.0.0.3"));
    let first = one.pap(&server, "bob", PASSWORD, &known);
    webhook.wait_for(1);
    assert_eq!(two.reply(&two.pap(&server, "bob", PASSWORD, &known)).said(), WAITING);
    assert!(one.waits(&first));
}
