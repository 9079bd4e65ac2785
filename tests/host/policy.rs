//! `policy { }`: who is asked for a second factor at all.

use crate::harness::eapol::{Method, Peer, login as login_through};
use crate::harness::server::Refused;
use crate::harness::site::PASSWORD;
use crate::harness::{Code, Login, Server, Site};

/// Mode `append`, with this in `policy { }`.
fn append(policy: &str) -> Site {
    Site::append().with(&format!("policy {{\n{policy}\n}}"))
}

fn exception(conditions: &str) -> Site {
    append(&format!("exceptions {{\n one {{\n{conditions}\n}}\n}}"))
}

/// The password alone.
fn login(server: &Server, user: &str) -> Code {
    Login::pap(user, PASSWORD).send(server).code
}

fn from(server: &Server, user: &str, station: &str) -> Code {
    Login::pap(user, PASSWORD).with("Calling-Station-Id", station).send(server).code
}

/// Sets MFA-Group to what the client sends as Filter-Id, as if a directory had been asked.
const GROUPS: &str = "if (&Filter-Id) {\nupdate control {\nMFA-Group += &Filter-Id[*]\n}\n}";

fn in_groups(server: &Server, groups: &[&str]) -> Code {
    let login = Login::pap("alice", PASSWORD);
    groups
        .iter()
        .fold(login, |login, group| login.with("Filter-Id", &format!("\"{group}\"")))
        .send(server)
        .code
}

#[test]
fn exempt_user_logs_in_with_the_password_alone_and_others_do_not() {
    let server = exception("user = nagios\nuser = svc-*").start();
    let alice = server.enrol("alice");
    assert_eq!(login(&server, "nagios"), Code::Accept);
    assert_eq!(login(&server, "EXAMPLE\\SVC-backup"), Code::Accept);
    assert_eq!(Login::pap("nagios", "wrong").send(&server).code, Code::Reject);
    assert_eq!(login(&server, "alice"), Code::Reject);
    let both = format!("{PASSWORD}{}", alice.code(0));
    assert_eq!(Login::pap("alice", &both).send(&server).code, Code::Accept);
    assert_eq!(server.audit("nagios"), [("accept".into(), "exempt".into())]);
    let trail = server.admin(&["audit", "--json", "--user", "nagios"]);
    assert!(trail.contains("\"token\":\"one\"") || trail.contains("\"token\": \"one\""), "{trail}");
    assert!(server.logged("nagios: accept: exempt, client 127.0.0.1: one"));
}

#[test]
fn exempt_client_is_known_by_address_network_and_shortname() {
    for (client, code) in [
        ("client = 127.0.0.1", Code::Accept),
        ("client = 127.0.0.0/8", Code::Accept),
        ("client = localhost", Code::Accept),
        ("client = 127.0.0.2", Code::Reject),
        ("client = vpn", Code::Reject),
        ("client = localhost\nuser = bob", Code::Reject),
        ("client = localhost\nuser = alice", Code::Accept),
    ] {
        let server = exception(client).start();
        assert_eq!(login(&server, "alice"), code, "{client}");
    }
}

#[test]
fn exempt_network_is_where_the_user_is() {
    let server = exception("network = 203.0.113.0/24").start();
    assert_eq!(from(&server, "alice", "203.0.113.9"), Code::Accept);
    assert_eq!(from(&server, "alice", "198.51.100.9"), Code::Reject);
    assert_eq!(from(&server, "alice", "00-11-22-33-44-55"), Code::Reject);
    assert_eq!(login(&server, "alice"), Code::Reject);
}

#[test]
fn exempt_group_is_the_one_that_unlang_has_set() {
    let server = exception("group = \"Service Accounts\"").first(GROUPS).start();
    assert_eq!(in_groups(&server, &["staff", "service accounts"]), Code::Accept);
    assert_eq!(in_groups(&server, &["staff"]), Code::Reject);
    assert_eq!(in_groups(&server, &[]), Code::Reject);
}

#[test]
fn exception_holds_until_its_day_is_over() {
    let server = exception("user = alice\nuntil = 2001-01-31").start();
    assert_eq!(login(&server, "alice"), Code::Reject);
    let doctor = server.mfa(&["doctor"]);
    assert!(doctor.text.contains("exception \"one\" has expired"), "{}", doctor.text);
    let server = exception("user = alice\nuntil = 2999-01-31").start();
    assert_eq!(login(&server, "alice"), Code::Accept);
}

#[test]
fn exception_that_makes_no_sense_is_told_with_its_line() {
    for (conditions, told) in [
        ("user = alice\nuntil = tomorrow", "mfa[7]: \"until\" must be a day such as 2027-01-31"),
        ("until = 2999-01-31", "mfa[5]: \"user\" is missing"),
        ("client = 127.0.0.1/8", "mfa[6]: \"client\" must be \"127.0.0.0/8\""),
    ] {
        let mut server = Server::prepare(exception(conditions));
        assert!(server.mfa(&["init"]).text.contains(told), "{conditions}: {:?}", server.mfa(&["init"]));
        let Err(Refused(log)) = server.up() else { panic!("{conditions}: it starts") };
        assert!(log.contains(told), "{conditions}: {log}");
    }
}

#[test]
fn where_nobody_checks_a_password_an_exception_lets_nobody_in() {
    let policy = "policy {\nexceptions {\none {\nuser = alice\n}\n}\n}";
    for unlang in ["", "update control {\nAuth-Type := mfa\n}"] {
        let server = Site::passcode().with(policy).first(unlang).start();
        for password in ["", "123456", PASSWORD] {
            assert_eq!(Login::pap("alice", password).send(&server).code, Code::Reject, "{unlang}");
        }
    }
    let known = format!("update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}");
    let server = Site::passcode().with(policy).first(&known).start();
    assert_eq!(Login::chap("alice", PASSWORD).send(&server).code, Code::Accept, "chap has checked it");
    assert_eq!(Login::chap("alice", "wrong").send(&server).code, Code::Reject);
    assert_eq!(Login::mschap2("alice", PASSWORD).send(&server).code, Code::Accept);
    assert_eq!(Login::mschap2("alice", "wrong").send(&server).code, Code::Reject);
}

#[test]
fn unlang_has_its_word_before_policy() {
    let server = exception("user = *li*").first("update control {\nMFA-Exempt := no\n}").start();
    assert_eq!(login(&server, "alice"), Code::Reject);
}

#[test]
fn name_outside_of_a_tunnel_makes_no_exception() {
    let policy = "user = nagios\n}\ntwo {\ngroup = staff";
    let mut site = exception(policy).in_tunnel();
    site.outer_authorize = "update control {\nMFA-Group := \"staff\"\n}\neap".into();
    let server = site.start();
    let peer = |user| Peer { outside: "nagios".into(), ..Peer::new(Method::TtlsPap, user, PASSWORD) };
    assert!(!peer("alice").login(&server).accepted);
    assert!(Peer::new(Method::TtlsPap, "nagios", PASSWORD).login(&server).accepted, "inside it does");

    let mut site = exception(policy).in_tunnel();
    site.outer_authorize = "update control {\nMFA-Group := \"staff\"\n}\neap".into();
    site.authorize = site.authorize.replace("mfa\n", "");
    site.authenticate = "Auth-Type PAP {\npap\n}".into();
    site.post_auth = String::new();
    let server = site.start();
    assert!(!peer("alice").login(&server).accepted, "the tunnel has not asked us at all");
}

#[test]
fn peap_is_exempt_by_the_name_in_the_tunnel() {
    let known = format!("update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}");
    let policy = "policy {\nexceptions {\none {\nuser = nagios\n}\n}\n}";
    let server = Site::passcode().with(policy).first(&known).in_tunnel().start();
    let session = |user, password| login_through(&server, Method::PeapMsChap2, user, password);
    let nagios = session("nagios", PASSWORD);
    assert!(nagios.accepted && nagios.keys_match, "{}", nagios.output);
    assert!(!session("nagios", "wrong").accepted);
    assert!(!session("alice", PASSWORD).accepted);
}

#[test]
fn only_the_groups_and_clients_that_require_a_second_factor_are_asked() {
    let server = append("required {\ngroup = vpn\ngroup = admins\n}").first(GROUPS).start();
    let alice = server.enrol("alice");
    assert_eq!(in_groups(&server, &["none"]), Code::Accept);
    assert_eq!(server.audit("alice"), [("accept".into(), "exempt".into())]);
    assert_eq!(in_groups(&server, &["staff", "Admins"]), Code::Reject);
    let both = Login::pap("alice", &format!("{PASSWORD}{}", alice.code(0))).with("Filter-Id", "vpn");
    assert_eq!(both.send(&server).code, Code::Accept);
    assert_eq!(in_groups(&server, &[]), Code::Reject, "nobody has looked for groups");

    for (client, code) in [("localhost", Code::Reject), ("127.0.0.1", Code::Reject), ("vpn", Code::Accept)] {
        let server = append(&format!("required {{\nclient = {client}\n}}")).start();
        assert_eq!(login(&server, "alice"), code, "{client}");
    }
}
