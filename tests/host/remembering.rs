//! A passcode that a client sends twice: OpenVPN when it renegotiates, GlobalProtect for its portal and its gateway.

use crate::harness::wire::{CALLING_STATION, NAS_PORT};
use crate::harness::{Code, Nas, SECRET, Server, Site};

const STATION: (u8, &str) = (CALLING_STATION, "198.51.100.7");
const VENDOR: u8 = 26;
/// PaloAlto-Client-Source-IP.
const END_USER: (u8, &str) = (VENDOR, "\0\0\x63\x75\x07\x0e198.51.100.7");
const OTHER_USER: (u8, &str) = (VENDOR, "\0\0\x63\x75\x07\x0e198.51.100.8");

fn set_password(server: &Server, password: &str) {
    let ran = server.mfa_with(&["user", "password", "alice"], &format!("{password}\n"));
    assert!(ran.ok, "{}", ran.text);
}

fn reasons(server: &Server) -> Vec<String> {
    server.audit("alice").into_iter().map(|(verdict, reason)| format!("{verdict}: {reason}")).collect()
}

#[test]
fn openvpn_may_send_its_old_passcode_again_for_a_while() {
    let policy = "first_factor = local\npolicy {\nremember = 10\n}\nlockout {\nslow_after = 100\n}";
    let server = Site::own("append", policy).start();
    let token = server.enrol("alice");
    set_password(&server, "first password");
    let nas = Nas::new();
    let login = |password: &str, code: u64, more: &[(u8, &str)]| {
        let field = format!("{password}{}", token.code(code));
        nas.reply(&nas.pap(&server, "alice", &field, more)).code
    };
    let first = "first password";
    assert_eq!(login(first, 0, &[]), Code::Accept);
    assert_eq!(login(first, 0, &[]), Code::Reject, "no station");
    assert_eq!(login(first, 1, &[STATION]), Code::Accept);
    assert_eq!(login(first, 1, &[STATION]), Code::Accept);
    assert_eq!(login(first, 1, &[(CALLING_STATION, "198.51.100.8")]), Code::Reject, "another one");
    assert_eq!(login(first, 1, &[STATION, (CALLING_STATION, "198.51.100.8")]), Code::Reject, "two");
    assert_eq!(login("other password", 1, &[STATION]), Code::Reject);
    set_password(&server, "second password");
    assert_eq!(login(first, 1, &[STATION]), Code::Reject, "it is checked again");
    assert_eq!(login("second password", 1, &[STATION]), Code::Reject, "it was another password");
    assert_eq!(login("second password", 2, &[STATION]), Code::Accept);
    assert_eq!(login("second password", 2, &[STATION]), Code::Accept);
    let rows = reasons(&server);
    assert_eq!(rows.iter().filter(|row| *row == "accept: remembered").count(), 2, "{rows:?}");
    assert_eq!(rows.iter().filter(|row| *row == "accept: right code").count(), 3, "{rows:?}");
    server.admin(&["user", "lock", "alice"]);
    assert_eq!(login("second password", 2, &[STATION]), Code::Reject);
    server.admin(&["user", "unlock", "alice"]);
    assert_eq!(login("second password", 2, &[STATION]), Code::Reject, "a lock ends it");
}

#[test]
fn globalprotect_may_send_its_passcode_to_portal_and_gateway() {
    let policy = "first_factor = local\npolicy {\nremember_once = 60\n}\nlockout {\nslow_after = 100\n}";
    let mut site = Site::own("append", policy);
    let client = |name: &str, address: &str, more: &str| {
        format!(
            "client {name} {{\nipaddr = {address}\nsecret = {SECRET}\nmfa_profile = globalprotect\n{more}\n}}\n"
        )
    };
    let group = "mfa_remember_group = vpn";
    site.root = client("portal", "127.0.0.2", group)
        + &client("gateway", "127.0.0.3", group)
        + &client("elsewhere", "127.0.0.4", "");
    let server = site.start();
    let token = server.enrol("alice");
    set_password(&server, "a password");
    let login = |address: &str, code: u64, more: &[(u8, &str)]| {
        let nas = Nas::at(address);
        let field = format!("a password{}", token.code(code));
        nas.reply(&nas.pap(&server, "alice", &field, more)).code
    };
    let [portal, gateway, elsewhere] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];
    assert_eq!(login(portal, 0, &[END_USER]), Code::Accept);
    assert_eq!(login(elsewhere, 0, &[END_USER]), Code::Reject, "not of the group");
    assert_eq!(login("127.0.0.1", 0, &[END_USER]), Code::Reject, "no such profile");
    assert_eq!(login(gateway, 0, &[OTHER_USER]), Code::Reject, "from elsewhere");
    assert_eq!(login(gateway, 0, &[]), Code::Reject, "from nowhere");
    assert_eq!(login(gateway, 0, &[END_USER]), Code::Accept);
    assert_eq!(login(gateway, 0, &[END_USER, (NAS_PORT, "\0\0\0\x01")]), Code::Reject, "once");
    assert_eq!(login(gateway, 1, &[END_USER]), Code::Accept, "a new passcode");
    let accepts: Vec<_> = reasons(&server).into_iter().filter(|row| row.starts_with("accept")).collect();
    assert_eq!(accepts, ["accept: right code", "accept: remembered", "accept: right code"]);
}
