//! What `mfa` answers behind a successful `pap`, row by row of the table in `module`: a result code that is anything but the
//! right one would let the user in, since `pap` has said ok.

use crate::harness::wire::{Packet, USER_NAME};
use crate::harness::{Code, Login, Server, Site};

/// Starts `pap` then `mfa`, with the server's debug log in its log file.
fn start(mut site: Site) -> Server {
    site.arguments = vec!["-xx"];
    // On a slow disk a login would wait elsewhere, and `mfa` return `handled`.
    site.proxies = false;
    site.start()
}

/// What `mfa` returned in `authenticate` for the last request.
fn rcode(server: &Server) -> String {
    let log = server.log();
    let section = log.rsplit_once("Auth-Type PAP {").map(|(_, rest)| rest).unwrap_or_default();
    let (_, rest) =
        section.split_once("[mfa] = ").unwrap_or_else(|| panic!("mfa did not run in authenticate"));
    rest.chars().take_while(|c| c.is_ascii_lowercase()).collect()
}

/// The answer to a login and the result code behind it.
fn result(server: &Server, login: Login) -> (Code, String) {
    (login.send(server).code, rcode(server))
}

#[test]
fn right_code_is_ok() {
    let server = start(Site::behind_pap());
    let alice = server.enrol("alice");
    assert_eq!(result(&server, Login::pap("alice", &alice.code(0))), (Code::Accept, "ok".into()));
}

#[test]
fn wrong_code_is_reject() {
    let server = start(Site::behind_pap());
    server.enrol("alice");
    assert_eq!(result(&server, Login::pap("alice", "000000")), (Code::Reject, "reject".into()));
}

#[test]
fn spent_code_is_reject() {
    let server = start(Site::behind_pap());
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    assert_eq!(result(&server, Login::pap("alice", &alice.code(0))), (Code::Reject, "reject".into()));
}

#[test]
fn unknown_user_is_reject() {
    let server = start(Site::behind_pap());
    assert_eq!(result(&server, Login::pap("nobody", "000000")), (Code::Reject, "reject".into()));
}

#[test]
fn user_without_token_is_reject() {
    let server = start(Site::behind_pap());
    server.admin(&["user", "add", "alice"]);
    assert_eq!(result(&server, Login::pap("alice", "000000")), (Code::Reject, "reject".into()));
}

#[test]
fn disabled_token_is_reject() {
    let server = start(Site::behind_pap());
    let alice = server.enrol_with("alice", "hotp", &[3; 20], &["--serial", "key"]);
    server.admin(&["token", "disable", "alice", "key"]);
    assert_eq!(result(&server, Login::pap("alice", &alice.code(0))), (Code::Reject, "reject".into()));
}

#[test]
fn locked_user_is_userlock() {
    let server = start(Site::behind_pap());
    let alice = server.enrol("alice");
    server.admin(&["user", "lock", "alice"]);
    assert_eq!(result(&server, Login::pap("alice", &alice.code(0))), (Code::Reject, "userlock".into()));
}

#[test]
fn slowed_source_is_reject() {
    let server = start(Site::behind_pap());
    let alice = server.enrol("alice");
    for code in ["000000", "111111", "222222"] {
        Login::pap("alice", code).send(&server);
    }
    assert_eq!(result(&server, Login::pap("alice", &alice.code(0))), (Code::Reject, "reject".into()));
}

#[test]
fn exempt_user_is_ok() {
    let mut site = Site::behind_pap();
    site.authorize = format!("update control {{\nMFA-Exempt := yes\n}}\n{}", site.authorize);
    let server = start(site);
    assert_eq!(result(&server, Login::pap("nobody", "whatever")), (Code::Accept, "ok".into()));
}

#[test]
fn malformed_name_is_invalid() {
    let server = start(Site::behind_pap());
    assert_eq!(result(&server, Login::pap("@", "000000")), (Code::Reject, "invalid".into()));
}

#[test]
fn two_names_are_invalid() {
    let server = start(Site::behind_pap());
    let alice = server.enrol("alice");
    let packet = Packet::pap(1, b"alice", alice.code(0).as_bytes()).with(USER_NAME, b"mallory");
    assert_eq!((packet.send(&server), rcode(&server)), (Code::Reject, "invalid".into()));
}

#[test]
fn store_that_does_not_answer_is_fail() {
    // Where it cannot wait elsewhere.
    let server = start(Site { proxies: false, ..Site::behind_pap() });
    let alice = server.enrol("alice");
    let other = rusqlite::Connection::open(server.store.join("mfa.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(result(&server, Login::pap("alice", &alice.code(0))), (Code::Reject, "fail".into()));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(result(&server, Login::pap("alice", &alice.code(1))), (Code::Accept, "ok".into()));
}
