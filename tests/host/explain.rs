//! `mfa explain` tells what a login is then answered, attribute by attribute.

use crate::harness::pyrad::{self, Decoded};
use crate::harness::site::PASSWORD;
use crate::harness::slapd::{self, Slapd};
use crate::harness::webhook::Webhook;
use crate::harness::wire::Packet;
use crate::harness::{Code, SECRET, Server, Site};
use serde_json::json;
use std::cell::Cell;

/// A gateway that is not needed: nothing is sent.
const SMS: &str = "sms {\ngateway g {\nurl = \"https://127.0.0.1:1/?{to}&{text}\"\n}\n}";

/// 127.0.0.2 is a client that shows pages and speaks German, 127.0.0.3 one that shows nothing but one line.
fn site(mfa: &str) -> Site {
    let mut site = Site::auto("");
    site.mfa = format!("delimiter = \",\"\n{SMS}\n{mfa}");
    site.root = [("2", "ivanti", "de"), ("3", "pam_radius", "fr")]
        .map(|(n, profile, language)| {
            format!(
                "client nas{n} {{\nipaddr = 127.0.0.{n}\nsecret = {SECRET}\nmfa_profile = {profile}\n\
                 mfa_language = {language}\n}}\n"
            )
        })
        .concat();
    site
}

fn texts(got: &Decoded) -> Vec<String> {
    got.messages.iter().map(|text| String::from_utf8(text.clone()).unwrap()).collect()
}

/// Compares what is told of a login with what it is answered.
fn same(server: &Server, from: &str, user: &str, field: &str) -> (serde_json::Value, Decoded) {
    same_of(server, from, user, field, &user.to_lowercase())
}

/// The same, for a user who is stored under another name.
fn same_of(
    server: &Server,
    from: &str,
    user: &str,
    field: &str,
    stored_as: &str,
) -> (serde_json::Value, Decoded) {
    thread_local!(static SEED: Cell<u64> = const { Cell::new(0) });
    let explain = ["explain", "--json", user, "--client", from, "--password-is", field];
    let told: serde_json::Value = serde_json::from_str(&server.admin(&explain)).unwrap();
    SEED.set(SEED.get() + 1);
    let got = pyrad::ask(server, from, &Packet::pap(SEED.get(), user.as_bytes(), field.as_bytes()));
    let packet = match got.code {
        Code::Accept => "Access-Accept",
        Code::Challenge => "Access-Challenge",
        _ => "Access-Reject",
    };
    let prompt = match got.prompts.first().map(Vec::as_slice) {
        Some([.., 1]) => serde_json::json!("Echo"),
        Some(_) => serde_json::json!("No-Echo"),
        None => serde_json::Value::Null,
    };
    let reply = &told["reply"];
    assert_eq!(reply["packet"], packet, "{told}");
    assert_eq!(reply["Reply-Message"], serde_json::json!(texts(&got)), "{told}");
    assert_eq!(reply["Prompt"], prompt, "{told}");
    let length = reply["State"].as_str().map(str::len);
    assert_eq!(length, got.states.first().map(Vec::len), "{told}");
    let audited = server.audit(stored_as);
    assert_eq!(told["reason"].as_str().unwrap(), audited.last().unwrap().1, "{told}");
    (told, got)
}

#[test]
fn list_of_a_challenge_is_told_as_each_client_shows_it() {
    let webhook = Webhook::start();
    let server = site(&format!("mode = challenge\npush {{\n{}\n}}", webhook.options())).start();
    server.enrol("alice");
    for number in 1..=9 {
        server.admin(&["token", "add", "alice", "sms", &format!("+4179123456{number}")]);
    }
    let mut all = Vec::new();
    for from in ["127.0.0.1", "127.0.0.2", "127.0.0.3"] {
        let (_, got) = same(&server, from, "Alice", PASSWORD);
        assert_eq!(got.code, Code::Challenge);
        all.push(texts(&got));
    }
    assert!(all[0].len() > 1 && all[1].concat().contains("<br>") && all[2].len() == 1, "{all:?}");
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn refusals_are_told_as_they_come() {
    let server = site("mode = challenge\nlockout {\nslow_after = 1\n}").start();
    server.enrol("alice");
    server.admin(&["user", "add", "bob"]);
    for user in ["bob", "nobody"] {
        let (_, got) = same(&server, "127.0.0.1", user, PASSWORD);
        assert_eq!(got.code, Code::Reject);
    }
    for (reason, from) in [
        ("wrong code", "127.0.0.1"),
        ("too many failures from here", "127.0.0.1"),
        ("wrong code", "127.0.0.2"),
    ] {
        let (told, _) = same(&server, from, "alice", &format!("{PASSWORD},000000"));
        assert_eq!(told["reason"], reason);
    }
    server.admin(&["user", "lock", "alice"]);
    let (told, _) = same(&server, "127.0.0.2", "alice", &format!("{PASSWORD},000000"));
    assert_eq!(told["result"], "locked");
}

#[test]
fn policy_is_told_as_it_is_applied() {
    let policy = "unenrolled = accept\naccept_logins = 2\nexceptions {\none {\nclient = nas3\n}\n}";
    let directory = "ldap {\nhost = 127.0.0.1\nsearch_dn = \"dc=example,dc=test\"\n}";
    let server = site(&format!("mode = challenge\npolicy {{\n{policy}\n}}\n{directory}")).start();
    server.enrol("alice");
    server.admin(&["user", "add", "bob"]);
    let (told, _) = same(&server, "127.0.0.3", "alice", PASSWORD);
    assert_eq!(told["policy"]["exception"], "one");
    for code in [Code::Accept, Code::Accept, Code::Reject] {
        assert_eq!(same(&server, "127.0.0.1", "bob", PASSWORD).1.code, code);
    }
    assert_eq!(same(&server, "127.0.0.1", "carol", PASSWORD).1.code, Code::Reject, "not a user of the store");
}

#[test]
fn append_mode_is_told_as_it_is_read() {
    let server = site("mode = append\npolicy {\nunenrolled = enroll\n}").start();
    server.enrol("alice");
    server.admin(&["user", "add", "bob"]);
    for field in [PASSWORD, "hello,000001"] {
        assert_eq!(same(&server, "127.0.0.2", "alice", field).1.code, Code::Reject, "{field}");
    }
    // Her password is right, so she reads that she has no telephone.
    assert_eq!(same(&server, "127.0.0.2", "alice", "hello,sms").1.code, Code::Challenge);
    assert_eq!(same(&server, "127.0.0.2", "bob", PASSWORD).1.code, Code::Challenge, "told to enrol");
}

/// Passwords by this directory; `bob` of home.test by the store.
fn own(mode: &str, slapd: &Slapd, more: &str) -> Site {
    let mut site = Site::own(
        mode,
        &format!(
            "first_factor = ldap\nfirst_factor_fallback = local\nfirst_factor_domains {{\nhome.test = local\n}}\n\
             ldap {{\n{}{}\n}}\n{more}",
            slapd.options(),
            slapd::service()
        ),
    );
    site.root = self::site("").root;
    site
}

#[test]
fn password_that_we_have_checked_is_told_with_whoever_checks_it() {
    let mut slapd = Slapd::start();
    let more = "username {\nstored_as = \"{mail}\"\ndomain = keep\n}\n\
                policy {\nrequired {\ngroup = vpn\n}\nexceptions {\nwheel {\ngroup = wheel\n}\n}\n}\n\
                reply {\nit {\ngroup = it\nattribute = \"Filter-Id = it-{user}\"\n}\n}";
    let server = own("challenge", &slapd, more).start();
    server.enrol("alice@example.test");
    let (told, got) = same_of(&server, "127.0.0.1", "Alice", "alice-pw", "alice@example.test");
    assert_eq!(got.code, Code::Challenge);
    let password = &told["password"];
    assert_eq!((&password["by"], &password["fallback"]), (&json!("ldap"), &json!("local")));
    assert_eq!((&password["asked_as"], &password["first"]), (&json!("Alice"), &json!("password")));
    assert_eq!(told["directory"]["dn"], format!("uid=alice,ou=people,{}", slapd::TOP));
    assert_eq!((&told["stored_as"], &told["user"]), (&json!("alice@example.test"), &json!("alice")));
    assert_eq!(told["accept_adds"], json!([["Filter-Id", "it-alice"]]));
    assert!(told["groups"].as_array().unwrap().contains(&json!("vpn")), "{told}");
    assert_eq!(told["tokens"].as_array().unwrap().len(), 1, "{told}");
    for (user, exception) in [("bob", json!("wheel")), ("svc", json!(null))] {
        let stored = format!("{user}@example.test");
        let (told, got) = same_of(&server, "127.0.0.1", user, &format!("{user}-pw"), &stored);
        assert_eq!((got.code, &told["policy"]["exception"]), (Code::Accept, &exception), "{told}");
    }
    let (told, _) = same_of(&server, "127.0.0.1", "nobody", "x", "nobody");
    assert_eq!(
        (&told["reason"], &told["directory"]["trouble"]),
        (&json!("unknown to the directory"), &json!("unknown user"))
    );

    let text = server.admin(&["explain", "bob@home.test", "--client", "127.0.0.1"]);
    assert!(
        text.contains("checked by local, as \"bob@home.test\" (first_factor_domains: home.test, "),
        "{text}"
    );
    slapd.stop();
    let text = server.admin(&["explain", "alice", "--client", "127.0.0.1"]);
    assert!(text.contains("directory      not known, nor the groups and attributes: 127.0.0.1: "), "{text}");
    assert!(text.contains("if that is unavailable: local, as \"alice\""), "{text}");
}

#[test]
fn code_before_the_password_is_told_in_this_order() {
    let slapd = Slapd::start();
    let server = own("append", &slapd, "").start();
    let alice = server.enrol("alice");
    let (told, _) = same(&server, "127.0.0.1", "alice", "alice-pw000000");
    assert_eq!(told["password"]["first"], "code");
    let text = server.admin(&["explain", "alice", "--client", "127.0.0.1"]);
    assert!(
        text.contains(
            "after the code in the same field: a wrong code is refused before the password is checked"
        ),
        "{text}"
    );
    assert!(text.contains("If the password is right: a right passcode is accepted"), "{text}");
    assert_eq!(alice.code(0).len(), 6);
    let more = format!(
        "ldap {{\n{}{}security_group_dn = \"cn=vpn,ou=groups,{}\"\n}}",
        slapd.options(),
        slapd::service(),
        slapd::TOP
    );
    let server = Site::own("challenge", &format!("first_factor = ldap\n{more}")).start();
    let (told, _) = same(&server, "127.0.0.1", "svc", "svc-pw");
    assert_eq!(told["reason"], "in no group that may log in");
}
