//! Logins under the server's most talkative log: no secret of ours in it.

use crate::harness::eapol::{Method, login};
use crate::harness::oath::base32;
use crate::harness::webhook::{KEY, Webhook};
use crate::harness::{Code, Login, Server, Site};
use std::time::Duration;

/// Lines that hold a marker though no line of the server's own would. The server prints the packet it received, attribute
/// by attribute, and what unlang and `pap` do with them; each of those lines names the attribute.
fn leaks(server: &Server, markers: &[&str]) -> Vec<String> {
    let own = ["User-Password", "Cleartext-Password", "CHAP-Password", "MS-CHAP", "pap: Login attempt"];
    server
        .log()
        .lines()
        .filter(|line| markers.iter().any(|marker| line.contains(marker)))
        .filter(|line| !own.iter().any(|name| line.contains(name)) || line.contains("mfa"))
        .map(str::to_owned)
        .collect()
}

fn debug(mut site: Site) -> Server {
    site.arguments = vec!["-Xxx"];
    site.start()
}

#[test]
fn no_secret_of_a_passcode_login_is_logged() {
    let server = debug(Site::passcode());
    let secret = b"marker secret 123456";
    let alice = server.enrol_with_pin("alice", secret, "p1nmark");
    let code = |n| format!("p1nmark{}", alice.code(n));
    assert_eq!(Login::pap("alice", &code(0)).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", &code(0)).send(&server).code, Code::Reject);
    assert_eq!(Login::chap("alice", &code(1)).send(&server).code, Code::Accept);
    assert_eq!(Login::mschap2("alice", &code(2)).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", "p1nmark999").send(&server).code, Code::Reject);
    let key = std::fs::read_to_string(server.store.join("mfa.key")).unwrap_or_default();
    let key = key.split_whitespace().max_by_key(|word| word.len()).unwrap_or("no key").to_owned();
    let (base32, hex) = (base32(secret), data_encoding::HEXLOWER.encode(secret));
    let codes: Vec<String> = (0..3).map(|n| alice.code(n)).collect();
    let mut markers = vec!["marker secret", "p1nmark", &base32, &hex, &key];
    markers.extend(codes.iter().map(String::as_str));
    let leaks = leaks(&server, &markers);
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[test]
fn no_secret_of_an_append_login_is_logged() {
    let server = debug(Site::append());
    let alice = server.enrol("alice");
    let recovery = server.recovery("alice");
    let right = format!("hello{}", alice.code(0));
    assert_eq!(Login::pap("alice", &right).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", "m4rkerword000000").send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &format!("hello{}", recovery[0])).send(&server).code, Code::Accept);
    let code = alice.code(0);
    let leaks = leaks(&server, &["m4rkerword", &code, &recovery[0], &recovery[0].replace('-', "")]);
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[test]
fn no_secret_of_a_tunnelled_login_is_logged() {
    let server = debug(Site::passcode().in_tunnel());
    let alice = server.enrol("alice");
    assert!(login(&server, Method::PeapMsChap2, "alice", &alice.code(0)).accepted);
    assert!(login(&server, Method::TtlsPap, "alice", &alice.code(1)).accepted);
    let (a, b) = (alice.code(0), alice.code(1));
    let leaks = leaks(&server, &[&a, &b]);
    assert!(leaks.is_empty(), "{leaks:#?}");
}

#[test]
fn no_secret_of_a_push_is_logged() {
    let webhook = Webhook::start();
    let mut site = Site::auto(&webhook.options());
    site.authorize = site.authorize.replace("hello", "m4rkerword");
    let server = debug(site);
    let mut ids = Vec::new();
    for (user, status) in [("alice", "approved"), ("bob", "denied"), ("carol", "fraud"), ("dave", "expired")]
    {
        let login = Login::pap(user, "m4rkerword").start(&server);
        ids.push(webhook.wait_for(1).remove(0).id);
        webhook.decide(user, status);
        assert_eq!(login.reply().code == Code::Accept, status == "approved");
    }
    for (on, kind) in [("ask", "unsigned"), ("ask", "500"), ("poll", "truncated"), ("poll", "close")] {
        webhook.fault(on, kind, 1);
        webhook.preset(None, "denied", Duration::from_millis(200));
        let user = format!("erin-{on}-{kind}");
        assert_eq!(Login::pap(&user, "m4rkerword").send(&server).code, Code::Reject);
    }
    assert_eq!(Login::pap("frank", "m4rkerword,push").send(&server).code, Code::Reject);
    let hex = |octets: &[u8]| data_encoding::HEXLOWER.encode(octets);
    let mut markers = vec!["m4rkerword".to_owned(), hex(b"m4rkerword"), KEY.to_owned(), hex(KEY.as_bytes())];
    markers.extend(ids);
    let markers: Vec<&str> = markers.iter().map(String::as_str).collect();
    let leaks = leaks(&server, &markers);
    assert!(leaks.is_empty(), "{leaks:#?}");
    let log = server.log();
    let secret =
        log.lines().skip_while(|line| !line.contains("home_server mfa-wait")).find(|l| l.contains("secret"));
    assert!(secret.is_none_or(|line| line.contains("unknown")), "{secret:?}");
}
