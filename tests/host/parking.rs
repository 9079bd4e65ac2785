//! A login waits for its user without holding one of the server's threads.

use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::{Code, Login, Site};
use std::time::{Duration, Instant};

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
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
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
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}
