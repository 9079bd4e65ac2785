//! Guessing: sources are slowed down, users locked, and refusals look alike.

use crate::harness::{Code, Login, Site};

const FIRST_BY_CLIENT: &str = "first_factor = client\nlockout {\nslow_after = 100\n}";

#[test]
fn source_is_slowed_down_after_three_wrong_codes() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    for code in ["000000", "111111", "222222"] {
        assert_eq!(Login::pap("alice", code).send(&server).code, Code::Reject);
    }
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Reject);
    assert_eq!(server.audit("alice").pop().unwrap().1, "too many failures from here");
    let elsewhere = Login::pap("alice", &alice.code(0)).with("Calling-Station-Id", "\"198.51.100.7\"");
    assert_eq!(elsewhere.send(&server).code, Code::Accept, "guesses from one place do not shut out the user");
}

#[test]
fn same_wrong_code_of_a_retransmitting_client_counts_once() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    for _ in 0..6 {
        assert_eq!(Login::pap("alice", "000000").send(&server).code, Code::Reject);
    }
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
}

#[test]
fn user_is_locked_after_wrong_codes_behind_a_right_password_and_opened_by_the_administrator() {
    let server = Site::passcode().with(FIRST_BY_CLIENT).start();
    let alice = server.enrol("alice");
    for n in 0..6 {
        assert_eq!(Login::pap("alice", &format!("00000{n}")).send(&server).code, Code::Reject);
    }
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Reject);
    assert_eq!(server.audit("alice").pop().unwrap(), ("locked".into(), "locked".into()));
    server.admin(&["user", "unlock", "alice"]);
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
}

#[test]
fn lock_ends_by_itself() {
    let server = Site::passcode()
        .with("first_factor = client\nlockout {\nslow_after = 100\nlock_after = 2\nlock_time = 2\n}")
        .start();
    let alice = server.enrol("alice");
    for code in ["000000", "111111"] {
        Login::pap("alice", code).send(&server);
    }
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Reject);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
}

#[test]
fn administrator_locks_and_unlocks() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    server.admin(&["user", "lock", "alice"]);
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Reject);
    server.admin(&["user", "unlock", "alice"]);
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
}

#[test]
fn every_refusal_looks_alike() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    server.admin(&["user", "add", "bare"]);
    server.enrol("locked");
    server.admin(&["user", "lock", "locked"]);
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    let spent = alice.code(0);
    let refusals: Vec<_> = [
        ("alice", "000000"),
        ("alice", &spent),
        ("bare", "000000"),
        ("locked", "000000"),
        ("nobody", "000000"),
    ]
    .iter()
    .map(|(user, code)| Login::pap(user, code).send(&server))
    .collect();
    for refusal in &refusals {
        assert_eq!(refusal.code, Code::Reject);
        let visible = |reply: &crate::harness::Reply| {
            let mut names = reply.attributes.clone();
            names.retain(|(name, _)| name != "Message-Authenticator");
            names
        };
        assert_eq!(visible(refusal), visible(&refusals[0]));
    }
    let reasons: Vec<_> =
        ["alice", "bare", "locked", "nobody"].map(|user| server.audit(user).pop().unwrap().1).into();
    assert_eq!(reasons, ["code already used", "not enrolled", "locked", "unknown user"]);
}
