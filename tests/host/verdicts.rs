//! Log, audit trail and metrics call an attempt by the same verdict and reason, and a provider's own words are told.

use crate::harness::duo::Duo;
use crate::harness::radclient::Reply;
use crate::harness::site::PASSWORD;
use crate::harness::wire::{CALLING_STATION, STATE};
use crate::harness::{Code, Nas, Server, Site};
use serde_json::json;
use std::collections::BTreeMap;

const STATION: (u8, &str) = (CALLING_STATION, "198.51.100.7");

fn site(options: &str) -> Site {
    let site = Site::auto("");
    Site { mfa: format!("mode = challenge\n{options}"), ..site }
}

fn with_duo(duo: &Duo, options: &str) -> Server {
    site(&format!("push {{\n{}api_timeout = 2\n{options}\n}}", duo.options())).start()
}

fn login(server: &Server, nas: &Nas, user: &str) -> Reply {
    nas.reply(&nas.pap(server, user, PASSWORD, &[STATION]))
}

fn answer(server: &Server, nas: &Nas, user: &str, text: &str, to: &Reply) -> Reply {
    nas.reply(&nas.pap(server, user, text, &[STATION, (STATE, to.get("State").unwrap())]))
}

/// Verdict and reason of every attempt of a user, as the log has them: `(0) mfa: alice: reject: wrong code, client ...`.
fn logged(server: &Server, user: &str) -> Vec<(String, String)> {
    let start = format!(" {user}: ");
    let log = server.log();
    let of = |line: &str| {
        let (_, rest) = line.split_once(&start)?;
        let (verdict, rest) = rest.split_once(": ")?;
        let (reason, _) = rest.split_once(", client ")?;
        // The device or the token of an accept is not part of the reason.
        let reason = reason.split(", ").next().unwrap();
        Some((verdict.to_owned(), reason.to_owned()))
    };
    log.lines().filter_map(of).collect()
}

/// How often each verdict is in the counters of `mfa status`.
fn counted(server: &Server) -> BTreeMap<String, u64> {
    let status: serde_json::Value = serde_json::from_str(&server.admin(&["status", "--json"])).unwrap();
    let attempts = status[0]["attempts"].as_array().unwrap();
    let mut counts = BTreeMap::new();
    for attempt in attempts {
        *counts.entry(attempt["verdict"].as_str().unwrap().to_owned()).or_default() +=
            attempt["count"].as_u64().unwrap();
    }
    counts
}

fn said(verdict: &str, reason: &str) -> (String, String) {
    (verdict.to_owned(), reason.to_owned())
}

#[test]
fn log_audit_and_metrics_call_an_attempt_the_same() {
    let server = site("challenge_tries = 2\nlockout {\nslow_after = 10\n}").start();
    let token = server.enrol("alice");
    let nas = Nas::new();
    let mut reply = login(&server, &nas, "alice");
    for code in ["000001", "000002", "000003"] {
        assert_eq!(reply.code, Code::Challenge);
        reply = answer(&server, &nas, "alice", code, &reply);
    }
    assert_eq!(reply.code, Code::Reject);
    let reply = login(&server, &nas, "alice");
    assert_eq!(answer(&server, &nas, "alice", &token.code(0), &reply).code, Code::Accept);
    let expected = [
        said("challenge", "asked for an answer"),
        said("challenge", "wrong code"),
        said("challenge", "wrong code"),
        said("reject", "wrong code"),
        said("challenge", "asked for an answer"),
        said("accept", "right code"),
    ];
    assert_eq!(server.audit("alice"), expected);
    assert_eq!(logged(&server, "alice"), expected);
    let counts = BTreeMap::from([("accept".into(), 1), ("challenge".into(), 4), ("reject".into(), 1)]);
    assert_eq!(counted(&server), counts);
}

#[test]
fn refusal_by_duo_is_told_in_its_own_words() {
    let duo = Duo::start();
    duo.user("alice", json!({"result": "deny", "status_msg": "Access from this network\r\nis not allowed."}));
    let server = with_duo(&duo, "");
    let nas = Nas::new();
    let reply = login(&server, &nas, "alice");
    assert_eq!(reply.code, Code::Reject);
    assert_eq!(reply.get("Reply-Message"), Some("Access from this network is not allowed."));
    assert_eq!(server.audit("alice"), [said("reject", "refused by the provider")]);
    assert_eq!(logged(&server, "alice"), server.audit("alice"));
    let words = "duo says: Access from this network is not allowed.";
    assert!(server.log().contains(words), "{}", server.log());
    // Nothing of it reaches a user whose password is wrong.
    let reply = nas.reply(&nas.pap(&server, "alice", "wrong", &[STATION]));
    assert_eq!((reply.code, reply.get("Reply-Message")), (Code::Reject, None));
}

#[test]
fn bypass_by_duo_is_recorded_as_one() {
    let duo = Duo::start();
    duo.user("alice", json!({"result": "allow", "status_msg": "Bypassing."}));
    let server = with_duo(&duo, "");
    let nas = Nas::new();
    assert_eq!(login(&server, &nas, "alice").code, Code::Accept);
    assert_eq!(server.audit("alice"), [said("accept", "bypassed by the provider")]);
    assert_eq!(logged(&server, "alice"), server.audit("alice"));
    assert!(server.log().contains("duo says: Bypassing."), "{}", server.log());
    let status = server.admin(&["status", "--json"]);
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    assert_eq!(status[0]["attempts"], json!([{"verdict": "accept", "factor": "none", "count": 1}]));
    assert_eq!(duo.pushes(), 0);
}

#[test]
fn without_duo_nobody_is_asked_for_a_passcode_that_only_duo_could_check() {
    let duo = Duo::start();
    let server = with_duo(&duo, "");
    let token = server.enrol("alice");
    duo.fault(json!({"kind": "down"}));
    let nas = Nas::new();
    let reply = login(&server, &nas, "bob");
    assert_eq!(reply.code, Code::Reject);
    assert_eq!(reply.get("Reply-Message"), Some("Your login cannot be checked now. Try again later."));
    assert_eq!(server.audit("bob"), [said("unavailable", "provider unavailable")]);
    let reply = login(&server, &nas, "alice");
    assert_eq!(reply.code, Code::Challenge);
    assert_eq!(
        reply.get("Reply-Message"),
        Some("Push and phone calls are not available now.\nEnter a passcode: ")
    );
    assert_eq!(answer(&server, &nas, "alice", &token.code(0), &reply).code, Code::Accept);
}
