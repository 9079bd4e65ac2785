//! `mfa explain` tells what a login is then answered, attribute by attribute.

use crate::harness::pyrad::{self, Decoded};
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::Packet;
use crate::harness::{Code, SECRET, Server, Site};
use std::cell::Cell;

/// A gateway that nobody needs: nothing is sent.
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
    let audited = server.audit(told["user"].as_str().unwrap());
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
    let server = site(&format!("mode = challenge\npolicy {{\n{policy}\n}}")).start();
    server.enrol("alice");
    let (told, _) = same(&server, "127.0.0.3", "alice", PASSWORD);
    assert_eq!(told["policy"]["exception"], "one");
    for code in [Code::Accept, Code::Accept, Code::Reject] {
        assert_eq!(same(&server, "127.0.0.1", "bob", PASSWORD).1.code, code);
    }
}

#[test]
fn append_mode_is_told_as_it_is_read() {
    let server = site("mode = append\npolicy {\nunenrolled = enroll\n}").start();
    server.enrol("alice");
    server.admin(&["user", "add", "bob"]);
    for field in [PASSWORD, "hello,000001", "hello,sms"] {
        assert_eq!(same(&server, "127.0.0.2", "alice", field).1.code, Code::Reject, "{field}");
    }
    assert_eq!(same(&server, "127.0.0.2", "bob", PASSWORD).1.code, Code::Challenge, "told to enrol");
}
