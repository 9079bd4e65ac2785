//! Mode `append`: password and passcode in one field, the password checked by the server's own `pap`.

use crate::harness::site::PASSWORD;
use crate::harness::{Code, Login, Site};

#[test]
fn password_and_code_are_split_by_length() {
    let server = Site::append().start();
    let alice = server.enrol("alice");
    let login = |code: &str| Login::pap("alice", &format!("{PASSWORD}{code}")).send(&server).code;
    assert_eq!(login(&alice.code(0)), Code::Accept);
    assert_eq!(login(&alice.code(0)), Code::Reject);
    assert_eq!(login("000000"), Code::Reject);
    assert_eq!(login(""), Code::Reject);
}

#[test]
fn password_and_code_are_split_by_delimiter() {
    let server = Site::append().with("delimiter = \",\"").start();
    let alice = server.enrol("alice");
    let login = |text: String| Login::pap("alice", &text).send(&server).code;
    assert_eq!(login(format!("{PASSWORD},{}", alice.code(0))), Code::Accept);
    assert_eq!(login(format!("{PASSWORD}{}", alice.code(1))), Code::Reject);
    assert_eq!(login(format!("{PASSWORD},")), Code::Reject);
    assert_eq!(login(format!(",{}", alice.code(1))), Code::Reject);
    assert_eq!(login(format!("{PASSWORD},{}", alice.code(1))), Code::Reject, "slowed down by now");
}

#[test]
fn wrong_password_costs_the_code() {
    let server = Site::append().start();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &format!("wrong{}", alice.code(0))).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &format!("{PASSWORD}{}", alice.code(0))).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &format!("{PASSWORD}{}", alice.code(1))).send(&server).code, Code::Accept);
}

#[test]
fn code_alone_or_password_alone_is_refused() {
    let server = Site::append().start();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", PASSWORD).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Reject);
}

#[test]
fn pin_belongs_to_the_code() {
    let server = Site::append().start();
    let alice = server.enrol_with_pin("alice", &[9; 20], "4711");
    let login = |text: String| Login::pap("alice", &text).send(&server).code;
    assert_eq!(login(format!("{PASSWORD}{}", alice.code(0))), Code::Reject);
    assert_eq!(login(format!("{PASSWORD}4711{}", alice.code(0))), Code::Accept);
}

#[test]
fn module_missing_in_authorize_refuses() {
    let mut site = Site::append();
    site.authorize = site.authorize.replace("mfa\n", "");
    let server = site.start();
    let alice = server.enrol("alice");
    for text in [PASSWORD.to_owned(), format!("{PASSWORD}{}", alice.code(0))] {
        assert_eq!(Login::pap("alice", &text).send(&server).code, Code::Reject);
    }
}

#[test]
fn chap_has_no_field_to_split() {
    let mut site = Site::append();
    site.authorize = format!("chap\n{}", site.authorize);
    site.authenticate.push_str("\nAuth-Type CHAP {\nchap\n}");
    let server = site.start();
    server.enrol("alice");
    assert_eq!(Login::chap("alice", PASSWORD).send(&server).code, Code::Reject);
}
