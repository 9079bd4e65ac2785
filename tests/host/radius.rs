//! The password by another RADIUS server, which the module asks itself, then the second factor.

use crate::harness::site::PASSWORD;
use crate::harness::upstream::{self, options};
use crate::harness::webhook::Webhook;
use crate::harness::wire::{CALLING_STATION, STATE};
use crate::harness::{Code, Login, Nas, Server, Site, process};
use std::thread::sleep;
use std::time::Duration;

const TOLD: &str = "update reply {\nClass := 0x0102\nTunnel-Password:1 := \"tunnelled\"\nReply-Message := \"%{NAS-Identifier} %{Calling-Station-Id}\"\n}";

fn last(server: &Server, user: &str) -> (String, String) {
    server.audit(user).pop().unwrap()
}

fn answer(user: &str, state: &str, code: &str) -> Login {
    Login::pap(user, code).with("State", state)
}

#[test]
fn password_then_a_challenge_and_what_the_other_server_said_comes_with_the_accept() {
    let other = upstream::server(TOLD);
    let server = Site::own("challenge", &options(&other)).start();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", "wrong").send(&server).code, Code::Reject);
    assert_eq!(last(&server, "alice").1, "wrong password");
    let asked = Login::pap("alice", PASSWORD).send(&server);
    assert_eq!((asked.code, asked.get("Class")), (Code::Challenge, None));
    let reply = answer("alice", asked.get("State").unwrap(), &alice.code(0)).send(&server);
    assert_eq!((reply.code, reply.get("Class")), (Code::Accept, Some("0x0102")));
}

#[test]
fn password_and_code_in_one_field_and_keys_are_encrypted_anew() {
    let other = upstream::server(TOLD);
    let server = Site::own("append", &options(&other)).start();
    let alice = server.enrol("alice");
    let reply = Login::pap("alice", &format!("{PASSWORD}{}", alice.code(0))).send(&server);
    assert_eq!(reply.code, Code::Accept, "{reply:?}");
    assert_eq!(reply.get("Tunnel-Password:1"), Some("tunnelled"), "{reply:?}");
    assert_eq!((reply.get("Class"), reply.get("Reply-Message")), (Some("0x0102"), Some("mfa ")));
    assert_eq!(Login::pap("alice", &format!("wrong{}", alice.code(1))).send(&server).code, Code::Reject);
}

#[test]
fn ms_chap2_waits_for_the_device_and_has_the_other_servers_proof_and_keys() {
    let (other, webhook) = (upstream::server(""), Webhook::start());
    let push = format!("{}push {{\n{}\n}}", options(&other), webhook.options());
    let server = Site::own("auto", &push).start();
    let direct = Login::mschap2("alice", PASSWORD).send(&other);
    let login = Login::mschap2("alice", PASSWORD).start(&server);
    webhook.wait_for(1);
    assert!(login.waits());
    webhook.approve("alice");
    let reply = login.reply();
    assert_eq!(reply.code, Code::Accept);
    for name in ["MS-CHAP2-Success", "MS-MPPE-Send-Key", "MS-MPPE-Recv-Key"] {
        assert!(direct.get(name).is_some() && reply.all(name) == direct.all(name), "{name}: {reply:?}");
    }
    assert_eq!(Login::mschap2("alice", "wrong").send(&server).code, Code::Reject);
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn question_of_the_other_server_is_shown_and_then_ours() {
    let other = upstream::server("");
    let server = Site::own("challenge", &options(&other)).start();
    let carol = server.enrol("carol");
    let first = Login::pap("carol", PASSWORD).send(&server);
    assert_eq!(first.code, Code::Challenge);
    assert!(first.all("Reply-Message").concat().contains("Code?"), "{first:?}");
    let wrong = answer("carol", first.get("State").unwrap(), "654321").send(&server);
    assert_eq!(wrong.code, Code::Reject, "{wrong:?}");
    let first = Login::pap("carol", PASSWORD).send(&server);
    let second = answer("carol", first.get("State").unwrap(), "123456").send(&server);
    assert_eq!(second.code, Code::Challenge, "{second:?}");
    let third = answer("carol", second.get("State").unwrap(), &carol.code(0)).send(&server);
    assert_eq!(third.code, Code::Accept, "{third:?}");
}

#[test]
fn attributes_that_are_named_are_passed_on() {
    let other = upstream::server(TOLD);
    let said = |more: &str| {
        let options = options(&other).replace("host =", &format!("{more}\nhost ="));
        let server = Site::own("append", &options).start();
        let alice = server.enrol("alice");
        let login = Login::pap("alice", &format!("{PASSWORD}{}", alice.code(0)));
        let login = login.with("NAS-Identifier", "\"switch\"").with("Calling-Station-Id", "\"00-11\"");
        login.send(&server).get("Reply-Message").unwrap_or_default().to_owned()
    };
    assert_eq!(said(""), "mfa ");
    assert_eq!(said("pass_through = Calling-Station-Id"), "mfa 00-11");
    assert_eq!(said("pass_through = 31\npass_through = 32"), "switch 00-11");
    assert_eq!(said("pass_through_all = yes"), "switch 00-11");
    let options = options(&other).replace("host =", "pass_through = No-Such-Thing\nhost =");
    let site = Site::own("append", &options);
    let refused = Server::prepare(site).check();
    assert!(!refused.ok && refused.text.contains("pass_through of radius { }"), "{}", refused.text);
}

#[test]
fn server_that_is_gone_lets_nobody_in_and_is_named() {
    let mut other = upstream::server("");
    let quick = options(&other).replace("host =", "timeout = 1\nretries = 0\nhost =");
    let server = Site::own("challenge", &quick).start();
    server.enrol("alice");
    other.kill();
    assert_eq!(Login::pap("alice", PASSWORD).send(&server).code, Code::Reject);
    assert!(server.logged("127.0.0.1: no server listens on this port"), "{}", server.log());
    let found = server.mfa(&["doctor"]);
    assert!(found.text.contains("fail  radius         127.0.0.1: no server listens"), "{}", found.text);
}

#[test]
fn nobody_rides_on_an_answer_that_is_on_its_way() {
    let other = upstream::server("");
    let server = Site::own("challenge", &options(&other)).start();
    server.enrol("carol");
    let (nas, station) = (Nas::new(), (CALLING_STATION, "198.51.100.7"));
    let first = nas.reply(&nas.pap(&server, "carol", PASSWORD, &[station]));
    let state = first.get("State").unwrap();
    process::signal(other.id(), "STOP");
    let hers = nas.pap(&server, "carol", "123456", &[station, (STATE, state)]);
    sleep(Duration::from_millis(300));
    // The same without an open question.
    let another = nas.pap(&server, "carol", "123456", &[station]);
    sleep(Duration::from_millis(300));
    process::signal(other.id(), "CONT");
    assert_eq!(nas.reply(&hers).code, Code::Challenge, "for our code");
    assert_eq!(nas.reply(&another).code, Code::Reject);
}
