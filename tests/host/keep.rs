//! What an administrator does to the store while the server runs.

use crate::harness::{Code, Login, Site};

#[test]
fn new_key_is_used_by_the_running_server() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    let key = std::fs::read(server.store.join("mfa.key")).unwrap();
    server.admin(&["rekey"]);
    assert_ne!(std::fs::read(server.store.join("mfa.key")).unwrap(), key);
    assert_eq!(Login::pap("alice", &alice.code(1)).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", &alice.code(1)).send(&server).code, Code::Reject);
}

#[test]
fn restored_backup_accepts_no_code_of_the_current_window() {
    let mut server = Site::passcode().start();
    let alice = server.enrol_with("alice", "totp", b"12345678901234567890", &[]);
    let file = server.folder.join("backup.db");
    let file = file.to_str().unwrap();
    server.admin(&["backup", file]);
    let used = alice.now(0);
    assert_eq!(Login::pap("alice", &used).send(&server).code, Code::Accept);
    server.down();
    server.admin(&["restore", "--yes", file]);
    server.up().unwrap();
    assert_eq!(Login::pap("alice", &used).send(&server).code, Code::Reject);
    for steps in [-1, 0, 1] {
        let code = alice.now(steps);
        assert_eq!(Login::pap("alice", &code).send(&server).code, Code::Reject, "step {steps}");
    }
}

#[test]
fn user_and_token_added_while_the_server_runs_work_at_once() {
    let server = Site::passcode().start();
    assert_eq!(Login::pap("alice", "000000").send(&server).code, Code::Reject);
    let alice = server.enrol_with("alice", "hotp", &[5; 20], &["--serial", "key"]);
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    server.admin(&["token", "delete", "alice", "key", "--yes"]);
    assert_eq!(Login::pap("alice", &alice.code(1)).send(&server).code, Code::Reject);
}

#[test]
fn check_spends_nothing_and_tells_what_a_login_would_be_answered() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    assert_eq!(server.mfa(&["check", "alice", &alice.code(0)]).code, Some(0));
    assert_eq!(server.mfa(&["check", "alice", "000000"]).code, Some(1));
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    assert_eq!(server.mfa(&["check", "alice", &alice.code(0)]).code, Some(1));
}

#[test]
fn doctor_finds_nothing_wrong_with_a_good_site() {
    let server = Site::passcode().start();
    let doctor = server.mfa(&["doctor"]);
    assert!(doctor.ok, "{}", doctor.text);
}
