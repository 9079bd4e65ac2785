//! Password fields as products send them: OpenVPN's static challenge, the code before the password, rubbish behind a NUL octet,
//! and nothing at all.

use crate::harness::site::PASSWORD;
use crate::harness::slapd::{self, Slapd};
use crate::harness::webhook::Webhook;
use crate::harness::wire::{CALLING_STATION, Packet, STATE};
use crate::harness::{Code, Login, Nas, SECRET, Server, Site};
use data_encoding::BASE64;

const SLOW: &str = "lockout {\nslow_after = 1000\n}";

/// OpenVPN's `SCRV1`.
fn packed(password: &[u8], answer: &[u8]) -> Vec<u8> {
    format!("SCRV1:{}:{}", BASE64.encode(password), BASE64.encode(answer)).into_bytes()
}

fn send(server: &Server, seed: u64, field: &[u8]) -> Code {
    Packet::pap(seed, b"alice", field).send(server)
}

#[test]
fn static_challenge_is_password_and_code() {
    for options in ["client_profile = openvpn", "static_challenge = yes"] {
        let server = Site::append().with(options).with(SLOW).start();
        let alice = server.enrol("alice");
        let login = |seed, password: &str, code: &str| {
            send(&server, seed, &packed(password.as_bytes(), code.as_bytes()))
        };
        assert_eq!(login(1, PASSWORD, &alice.code(0)), Code::Accept, "{options}");
        assert_eq!(login(2, PASSWORD, &alice.code(0)), Code::Reject, "spent");
        assert_eq!(login(3, PASSWORD, "000000"), Code::Reject);
        assert_eq!(login(4, "wrong", &alice.code(1)), Code::Reject);
        assert_eq!(login(5, PASSWORD, ""), Code::Reject);
        // What was typed into one field still is as it was.
        assert_eq!(send(&server, 6, format!("{PASSWORD}{}", alice.code(2)).as_bytes()), Code::Accept);
    }
}

#[test]
fn static_challenge_is_known_by_the_profile_of_its_client_alone() {
    let mut site = Site::append().with(SLOW);
    site.root =
        format!("client elsewhere {{\nipaddr = 127.0.0.2\nsecret = {SECRET}\nmfa_profile = openvpn\n}}\n");
    let server = site.start();
    let alice = server.enrol("alice");
    let field = |n| String::from_utf8(packed(PASSWORD.as_bytes(), alice.code(n).as_bytes())).unwrap();
    let [here, there] = ["127.0.0.1", "127.0.0.2"].map(Nas::at);
    assert_eq!(here.reply(&here.pap(&server, "alice", &field(0), &[])).code, Code::Reject);
    assert_eq!(there.reply(&there.pap(&server, "alice", &field(0), &[])).code, Code::Accept);
}

#[test]
fn field_that_does_not_decode_is_no_password_and_no_part_of_one() {
    // Whatever comes to `pap` is right, if it comes there.
    let mut site = Site::append().with("client_profile = openvpn").with(SLOW);
    site.authorize = "mfa\nupdate control {\nCleartext-Password := &User-Password\n}\npap".into();
    let exempt = site.clone().first("update control {\n&MFA-Exempt := yes\n}");
    let challenge =
        Site { mfa: format!("mode = challenge\nclient_profile = openvpn\n{SLOW}"), ..site.clone() };
    for site in [site, exempt, challenge] {
        let mut server = site.start();
        let alice = server.enrol("alice");
        let code = BASE64.encode(alice.code(0).as_bytes());
        let secret = BASE64.encode(PASSWORD.as_bytes());
        for (seed, field) in [
            format!("SCRV1:{secret}:{}", code.trim_end_matches('=')).into_bytes().repeat(2),
            b"SCRV1:".to_vec(),
            format!("SCRV1:{secret}").into_bytes(),
            format!("SCRV1:{PASSWORD}:{code}").into_bytes(),
            format!("SCRV1:{secret}:{code}:{code}").into_bytes(),
            format!("SCRV1:{secret}=:{code}").into_bytes(),
            format!("SCRV1: {secret}:{code}").into_bytes(),
            b"SCRV1:\xff\xfe:\xff".to_vec(),
            b"CRV1::Om01u7Fh4LrGBS7uh0SWmzwabUiGiW6l::123456".to_vec(),
            packed(b"hel\0lo", alice.code(0).as_bytes()),
            packed(&packed(PASSWORD.as_bytes(), b""), alice.code(0).as_bytes()),
            [b"SCRV1:".as_slice(), &[b'A'; 122]].concat(),
            [b"SCRV1:".as_slice(), &[b'A'; 234]].concat(),
            packed(b"", alice.code(0).as_bytes()),
            packed(b"", b""),
        ]
        .iter()
        .enumerate()
        {
            assert_eq!(send(&server, seed as u64, field), Code::Reject, "{}", String::from_utf8_lossy(field));
        }
        assert!(server.logged("malformed: password field does not decode"));
        assert!(server.logged("must be SCRV1:password:response"));
        assert!(server.is_up());
        if server.site.mfa.contains("append") && !server.site.authorize.contains("Exempt") {
            // Octets of every kind are a password.
            assert_eq!(send(&server, 90, &packed(b"J\xfcrgen\xff", alice.code(0).as_bytes())), Code::Accept);
            // 128 octets are what RADIUS carries.
            assert_eq!(send(&server, 91, &packed(&[b'x'; 83], alice.code(1).as_bytes())), Code::Accept);
        }
    }
}

#[test]
fn password_of_a_static_challenge_is_what_the_servers_modules_check() {
    let webhook = Webhook::start();
    let site = Site::auto(&webhook.options()).with("client_profile = openvpn");
    let exempt = site.clone().first("if (&NAS-Identifier) {\nupdate control {\n&MFA-Exempt := yes\n}\n}");
    let server = exempt.start();
    let alice = server.enrol("alice");
    let login = |password: &str, answer: &str| {
        let field = packed(password.as_bytes(), answer.as_bytes());
        Login::pap("alice", &String::from_utf8(field).unwrap())
    };
    assert_eq!(login(PASSWORD, &alice.code(0)).send(&server).code, Code::Accept);
    assert_eq!(login("wrong", "").send(&server).code, Code::Reject);
    assert_eq!(login("wrong", "").with("NAS-Identifier", "x").send(&server).code, Code::Reject);
    assert_eq!(login(PASSWORD, "").with("NAS-Identifier", "x").send(&server).code, Code::Accept, "exempt");
    assert_eq!(webhook.asked(), 0);
    // No answer: the device is asked. A word: that one is.
    for answer in ["", "push2"] {
        let under = login(PASSWORD, answer).start(&server);
        let asked = webhook.wait_for(1).remove(0);
        assert_eq!(asked.device, (answer == "push2").then_some(2));
        webhook.approve("alice");
        assert_eq!(under.reply().code, Code::Accept, "{answer:?}");
    }
}

#[test]
fn static_challenge_reaches_a_directory_as_its_password() {
    let slapd = Slapd::start();
    let ldap = format!(
        "first_factor = ldap\nldap {{\n{}{}\n}}\nclient_profile = openvpn\n{SLOW}",
        slapd.options(),
        slapd::service()
    );
    for mode in ["append", "challenge"] {
        let server = Site::own(mode, &ldap).start();
        let alice = server.enrol("alice");
        let login = |password: &str, code: &str| {
            let field = packed(password.as_bytes(), code.as_bytes());
            Login::pap("alice", &String::from_utf8(field).unwrap()).send(&server).code
        };
        assert_eq!(login("alice-pw", &alice.code(0)), Code::Accept, "{mode}");
        assert_eq!(login("wrong", &alice.code(1)), Code::Reject);
        assert_eq!(login("", &alice.code(2)), Code::Reject);
    }
}

#[test]
fn response_is_the_code_where_no_password_is_asked_for() {
    let server = Site::passcode().with("client_profile = openvpn").start();
    let alice = server.enrol("alice");
    assert_eq!(send(&server, 1, &packed(b"whatever", alice.code(0).as_bytes())), Code::Accept);
    assert_eq!(send(&server, 2, &packed(b"", alice.code(1).as_bytes())), Code::Accept);
    assert_eq!(send(&server, 3, &packed(alice.code(2).as_bytes(), b"000000")), Code::Reject);
    assert_eq!(send(&server, 4, alice.code(2).as_bytes()), Code::Accept);
}

#[test]
fn code_may_stand_before_the_password() {
    for delimiter in ["", ","] {
        let options = format!("passcode_position = before\ndelimiter = \"{delimiter}\"\n{SLOW}");
        let mut site = Site::append().with(&options);
        site.authorize = site.authorize.replace(PASSWORD, "99,hello");
        let server = site.start();
        let alice = server.enrol("alice");
        let recovery = server.recovery("alice");
        let login = |code: &str, password: &str| {
            Login::pap("alice", &format!("{code}{delimiter}{password}")).send(&server).code
        };
        assert_eq!(login(&alice.code(0), "99,hello"), Code::Accept, "{delimiter:?}");
        assert_eq!(login(&alice.code(0), "99,hello"), Code::Reject);
        assert_eq!(login(&recovery[0], "99,hello"), Code::Accept);
        assert_eq!(login(&alice.code(1), "wrong"), Code::Reject);
        assert_eq!(login(&alice.code(2), ""), Code::Reject);
        assert_eq!(
            Login::pap("alice", &format!("99,hello{delimiter}{}", alice.code(3))).send(&server).code,
            Code::Reject
        );
        assert_eq!(login(&alice.code(3), "99,hello"), Code::Accept, "not spent by what stood behind");
    }
}

#[test]
fn rubbish_behind_a_nul_octet_is_cut_off_where_the_site_says_so() {
    let site = |append: bool| if append { Site::append() } else { Site::passcode() };
    for (append, before) in [(false, ""), (true, PASSWORD)] {
        let field = |code: String| [before.as_bytes(), code.as_bytes(), b"\0\x17rubbish"].concat();
        let server = site(append).start();
        let alice = server.enrol("alice");
        assert_eq!(send(&server, 1, &field(alice.code(0))), Code::Reject, "off by default");
        let server = site(append).with("split_null_byte = yes").start();
        let alice = server.enrol("alice");
        assert_eq!(send(&server, 1, &field(alice.code(0))), Code::Accept);
        assert_eq!(send(&server, 2, b"\0rubbish"), if append { Code::Reject } else { Code::Challenge });
    }
    // The server's own modules see what is left, also of who is exempt.
    for exempt in ["yes", "no"] {
        let webhook = Webhook::start();
        webhook.preset(None, "approved", std::time::Duration::ZERO);
        let server = Site::auto(&webhook.options())
            .with("split_null_byte = yes")
            .first(&format!("update control {{\n&MFA-Exempt := {exempt}\n}}"))
            .start();
        assert_eq!(send(&server, 1, format!("{PASSWORD}\0rubbish").as_bytes()), Code::Accept, "{exempt}");
        assert_eq!(send(&server, 2, b"\0hello"), Code::Reject, "{exempt}");
    }
}

#[test]
fn empty_passcode_asks_everybody_alike() {
    let server = Site::passcode()
        .with("lockout {\nlock_after = 1\nlock_after_unproven = 2\nslow_after = 1000\n}")
        .start();
    let alice = server.enrol("alice");
    server.admin(&["user", "add", "carol"]);
    server.enrol("dave");
    server.admin(&["user", "lock", "dave"]);
    let nas = Nas::new();
    let station = (CALLING_STATION, "198.51.100.7");
    let ask = |user: &str| {
        let reply = nas.reply(&nas.pap(&server, user, "", &[station]));
        assert_eq!(reply.code, Code::Challenge, "{user}");
        let names: Vec<_> = reply.attributes.iter().map(|(name, _)| name.clone()).collect();
        (reply.get("State").unwrap().to_owned(), reply.get("Reply-Message").unwrap().to_owned(), names)
    };
    let answer = |user: &str, state: &str, code: &str| {
        let reply = nas.reply(&nas.pap(&server, user, code, &[station, (STATE, state)]));
        assert_eq!(reply.get("Reply-Message"), None);
        reply.code
    };
    let (state, text, names) = ask("alice");
    assert_eq!(text, "Enter a passcode: ");
    assert_eq!(answer("alice", &state, &alice.code(0)), Code::Accept);
    assert_eq!(answer("alice", &state, &alice.code(1)), Code::Reject, "once");
    for user in ["nobody", "carol", "dave"] {
        let (state, other, others) = ask(user);
        assert_eq!((&other, &others), (&text, &names), "{user}");
        assert_eq!(answer(user, &state, "000000"), Code::Reject, "{user}");
    }
    let (state, ..) = ask("alice");
    assert_eq!(answer("alice", &state, ""), Code::Reject, "one question");
}

#[test]
fn empty_passcode_is_a_wrong_one_where_no_challenge_is_shown() {
    for options in ["client_profile = aws-workspaces", "client_profile = openvpn"] {
        let server = Site::passcode().with(options).start();
        server.enrol("alice");
        assert_eq!(send(&server, 1, b""), Code::Reject, "{options}");
        assert_eq!(server.audit("alice")[0].1, "wrong code");
    }
}
