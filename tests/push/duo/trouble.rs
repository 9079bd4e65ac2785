//! Duo in trouble, lying, or with other ideas of what its API is: nothing of it is an approval, and only what happened before
//! the user was asked is "unreachable".

use super::gear::{Site, User, decided, failed, login, options, unreachable};
use crate::harness::SOON;
use rlm_mfa::config::push::ProviderOptions;
use rlm_mfa::engine::provider::{AskOutcome, PushOutcome, PushRequestKind};
use rlm_mfa::types::Secret;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PREAUTH: &str = "/auth/v2/preauth";
const AUTH: &str = "/auth/v2/auth";
const STATUS: &str = "/auth/v2/auth_status";

/// A fault of one path.
fn at(path: &str, mut fault: Value) -> Value {
    fault["path"] = path.into();
    fault
}

/// An answer of Duo's making.
fn says(response: Value) -> Value {
    json!({"kind": "answer", "body": {"stat": "OK", "response": response}})
}

#[test]
fn duo_that_is_down_is_unreachable_until_it_is_back() {
    let site = Site::start();
    site.question("anna");
    site.duo.fault(json!({"kind": "down"}));
    for _ in 0..2 {
        let text = unreachable(site.device("anna", ""));
        assert!(text.contains(PREAUTH), "{text}");
        unreachable(site.passcode("anna", "123456"));
    }
    site.duo.heal();
    site.question("anna");
    assert_eq!(site.duo.pushes(), 2);
}

#[test]
fn silence_before_the_user_is_asked_is_unreachable() {
    let site = Site::hasty();
    site.duo.decide("approve");
    for fault in [
        json!({"kind": "slow", "seconds": 60}),
        json!({"kind": "silent"}),
        json!({"kind": "hang"}),
        json!({"kind": "drop"}),
    ] {
        site.duo.fault(at(PREAUTH, fault.clone()));
        let start = Instant::now();
        unreachable(site.device("anna", ""));
        assert!(start.elapsed() < SOON, "{fault}: {:?}", start.elapsed());
    }
    assert_eq!(site.duo.calls(AUTH).len(), 0);
}

#[test]
fn silence_once_the_user_may_have_been_asked_is_a_failure() {
    let site = Site::hasty();
    site.duo.decide("approve");
    site.duo.user("anna", json!({"passcodes": ["123456"]}));
    for kind in ["slow", "silent", "hang", "drop", "cut"] {
        site.duo.fault(at(AUTH, json!({"kind": kind, "seconds": 60})));
        failed(site.device("anna", ""));
        failed(site.passcode("anna", "654321"));
    }
}

#[test]
fn answers_that_are_none_are_failures_everywhere() {
    let site = Site::start();
    site.duo.decide("approve");
    for fault in [
        json!({"kind": "answer", "status": 500, "body": {"stat": "FAIL", "code": 50000, "message": "oops"}}),
        json!({"kind": "answer", "status": 502, "body": "<html>Bad gateway"}),
        json!({"kind": "answer", "status": 500, "body": {"stat": "OK", "response": {"result": "allow", "status": "allow"}}}),
        json!({"kind": "answer", "status": 201, "body": {"stat": "OK", "response": {"result": "allow", "status": "allow"}}}),
        json!({"kind": "answer", "status": 204}),
        json!({"kind": "answer", "body": {"stat": "FAIL", "response": {"result": "allow", "status": "allow"}}}),
        json!({"kind": "answer", "body": {"stat": "ok", "response": {"result": "allow", "status": "allow"}}}),
        json!({"kind": "answer", "body": {"response": {"result": "allow", "status": "allow"}}}),
        json!({"kind": "answer", "body": {"stat": "OK", "result": "allow", "status": "allow"}}),
        json!({"kind": "answer", "body": {"stat": "OK", "response": null}}),
        json!({"kind": "answer", "body": {"stat": "OK", "response": "allow"}}),
        json!({"kind": "answer", "body": [{"stat": "OK", "response": {"result": "allow", "status": "allow"}}]}),
        json!({"kind": "answer", "body": "{\"stat\":\"OK\",\"response\":{\"result\":\"deny\",\"result\":\"allow\",\"status\":\"allow\"}}"}),
        json!({"kind": "answer", "body": ""}),
        json!({"kind": "answer", "body": "true"}),
        json!({"kind": "truncated"}),
        json!({"kind": "cut"}),
        json!({"kind": "garbage"}),
        says(json!({})),
        says(json!({"result": null, "status": "allow"})),
        says(json!({"result": "Allow", "status": "Allow"})),
        says(json!({"result": "allow ", "status": "allow"})),
        says(json!({"result": "allowed", "status": "allow"})),
        says(json!({"result": true, "status": "allow"})),
        says(json!({"result": "maybe\u{1b}[2J", "status": "tomorrow\r\n"})),
    ] {
        for path in [PREAUTH, AUTH, STATUS] {
            site.duo.decide("wait");
            let question = site.question("anna");
            site.duo.decide("approve");
            site.duo.fault(at(path, fault.clone()));
            let text = match path {
                STATUS => failed(site.answer(&question)),
                _ => failed(site.device("anna", "")),
            };
            assert!(text.contains(path) && !text.contains("oops\n"), "{fault}: {text}");
            site.duo.heal();
        }
    }
}

#[test]
fn what_is_said_of_a_question_is_an_approval_only_if_it_is_one() {
    let site = Site::start();
    let question = site.question("anna");
    for (result, status) in [
        ("allow", json!("approved")),
        ("allow", json!("")),
        ("allow", json!(null)),
        ("allow", json!("deny")),
        ("allow", json!("timeout")),
        ("allow", json!("sent")),
        ("deny", json!("allow")),
        ("deny", json!("bypass")),
        ("deny", json!("push_failed")),
        ("deny", json!("sent")),
        ("deny", json!(null)),
    ] {
        site.duo.fault(at(STATUS, says(json!({"result": result, "status": status}))));
        let text = failed(site.answer(&question));
        assert!(text.contains("means nothing for push"), "{result} {status}: {text}");
    }
    site.duo.heal();
    site.duo.decide("push_failed");
    assert!(failed(site.answer(&question)).contains("push_failed"));
}

#[test]
fn question_that_duo_does_not_know_is_a_failure() {
    let site = Site::start();
    let mut question = site.question("anna");
    question.id = Secret::new("no such & thing?");
    let text = failed(site.answer(&question));
    assert!(text.contains("40002") && !text.contains("such"), "{text}");
}

#[test]
fn question_without_an_id_is_a_failure() {
    let site = Site::start();
    for response in [
        json!({"txid": ""}),
        json!({"txid": null}),
        json!({"result": "waiting", "status": "pushed"}),
        json!({"txid": 5}),
    ] {
        site.duo.fault(at(AUTH, says(response)));
        failed(site.device("anna", ""));
    }
    site.duo.fault(at(AUTH, says(json!({"result": "waiting", "txid": "x"}))));
    failed(site.passcode("anna", "123456"));
}

#[test]
fn decision_instead_of_a_question_counts() {
    let site = Site::start();
    site.duo.fault(at(AUTH, says(json!({"result": "deny", "status": "locked_out", "txid": "x"}))));
    assert_eq!(decided(site.device("anna", "")), PushOutcome::Locked);
}

#[test]
fn poll_that_is_lost_is_sent_again() {
    let site = Site::start();
    let question = site.question("anna");
    site.duo.decide("deny");
    site.duo.fault(at(STATUS, json!({"kind": "drop", "times": 3})));
    assert_eq!(site.answer(&question), Ok(PushOutcome::Denied));

    site.duo.decide("wait");
    let question = site.question("anna");
    site.duo.decide("approve");
    site.duo.fault(json!({"kind": "down"}));
    let start = Instant::now();
    failed(site.answer(&question));
    assert!(start.elapsed() >= Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(site.duo.pushes(), 2);
}

#[test]
fn wrong_keys_are_a_failure_that_tells_what_to_check() {
    let site = Site::start();
    let mut options = options(&site.duo);
    let Some(ProviderOptions::Duo(duo)) = &mut options.provider else { unreachable!() };
    duo.skey = Secret::new("wrong");
    let text = failed(User::new(&options).device("anna", ""));
    assert!(text.contains("40103") && text.contains("\"skey\""), "{text}");
    assert_eq!(site.duo.calls("/auth/v2/ping").len(), 0);

    for (status, code, word) in
        [(401, 40102, "ikey"), (403, 40301, "ikey"), (404, 40401, "api_host"), (400, 40002, "40002")]
    {
        let body = json!({"stat": "FAIL", "code": code, "message": "no\u{1b}[2J"});
        site.duo.fault(json!({"kind": "answer", "status": status, "body": body}));
        let text = failed(site.device("anna", ""));
        assert!(text.contains(word) && text.contains("no\\x1b[2J"), "{text}");
    }
    assert_eq!(site.duo.pushes(), 0);
}

#[test]
fn clock_that_is_ten_minutes_off_is_corrected_once() {
    for (seconds, fault) in [
        (600, json!({"kind": "skew", "seconds": 600})),
        (-600, json!({"kind": "skew", "seconds": -600})),
        // Seen by the answer's date alone.
        (600, json!({"kind": "skew", "seconds": 600, "code": 40103})),
    ] {
        let site = Site::start();
        site.duo.decide("approve");
        site.duo.fault(fault);
        for _ in 0..2 {
            let question = site.question("anna");
            assert!(matches!(site.answer(&question), Ok(PushOutcome::Approved { .. })), "{seconds}");
        }
        assert_eq!(site.duo.calls("/auth/v2/ping").len(), 1, "{seconds}");
        // It was put right again.
        site.duo.heal();
        site.question("anna");
        assert_eq!((site.duo.calls("/auth/v2/ping").len(), site.duo.pushes()), (2, 3), "{seconds}");
    }
}

#[test]
fn date_that_is_never_right_is_tried_twice_and_no_more() {
    let site = Site::start();
    let body = json!({"stat": "FAIL", "code": 40105, "message": "Bad request timestamp"});
    site.duo.fault(at(PREAUTH, json!({"kind": "answer", "status": 401, "body": body})));
    let text = failed(site.device("anna", ""));
    assert!(text.contains("clock"), "{text}");
    assert_eq!((site.duo.calls(PREAUTH).len(), site.duo.calls("/auth/v2/ping").len()), (2, 1));
}

#[test]
fn time_that_is_none_is_a_failure() {
    let site = Site::start();
    site.duo.fault(
        json!({"kind": "answer", "status": 401, "body": {"stat": "FAIL", "code": 40105, "message": ""}}),
    );
    assert!(failed(site.device("anna", "")).contains("/auth/v2/ping"));
    for time in [json!("now"), json!(null), json!(1e300), json!(i64::MAX), json!(i64::MIN)] {
        let site = Site::start();
        let skew = json!({"kind": "skew", "seconds": 600});
        site.duo.fault(skew.clone());
        let question = site.question("anna");
        // A time that makes no date is no use, and no harm either.
        site.duo.heal();
        site.duo.fault(at("/auth/v2/ping", says(json!({ "time": time }))));
        failed(site.answer(&question));
        site.duo.fault(skew);
        site.question("anna");
    }
}

#[test]
fn busy_duo_is_asked_again_after_a_while() {
    let site = Site::start();
    site.duo.decide("approve");
    for path in [PREAUTH, AUTH, STATUS] {
        site.duo.fault(at(path, json!({"kind": "answer", "status": 429, "times": 2})));
        let start = Instant::now();
        let question = site.question("anna");
        assert!(matches!(site.answer(&question), Ok(PushOutcome::Approved { .. })));
        // 1 s and 2 s.
        assert!(start.elapsed() > Duration::from_millis(2900), "{path}: {:?}", start.elapsed());
    }
    let headers = json!({"Retry-After": "2"});
    site.duo.fault(at(PREAUTH, json!({"kind": "answer", "status": 429, "times": 1, "headers": headers})));
    let start = Instant::now();
    site.question("anna");
    assert!(start.elapsed() > Duration::from_millis(1900), "{:?}", start.elapsed());
    assert_eq!(site.duo.pushes(), 4);
}

#[test]
fn duo_that_is_always_busy_is_given_up_in_time() {
    let site = Site::start();
    let mut ask = login("anna", PushRequestKind::Device(None));
    ask.limit = Duration::from_millis(6500);
    for (headers, calls) in [
        (json!({}), 3),
        (json!({"Retry-After": "0"}), 3),
        (json!({"Retry-After": "soon"}), 3),
        (json!({"Retry-After": "3600"}), 1),
        (json!({"Retry-After": "99999999999999999"}), 1),
        (json!({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}), 1),
        (json!({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}), 3),
    ] {
        for path in [PREAUTH, AUTH] {
            let before = site.duo.calls(path).len();
            site.duo.fault(at(path, json!({"kind": "answer", "status": 429, "headers": headers})));
            let start = Instant::now();
            let asked = site.ask(ask.clone());
            let text = if path == PREAUTH { unreachable(asked) } else { failed(asked) };
            assert!(text.contains("429"), "{text}");
            assert!(start.elapsed() < SOON, "{headers}: {:?}", start.elapsed());
            assert_eq!(site.duo.calls(path).len() - before, calls, "{headers}");
        }
    }
    assert_eq!(site.duo.pushes(), 0);
}

#[test]
fn unknown_kinds_of_waiting_are_waited_for() {
    let site = Site::start();
    let question = site.question("anna");
    site.duo.decide("deny");
    let more = json!({"result": "waiting", "status": "a new one", "status_msg": "..", "auth_delayed": false, "more": [1]});
    let mut fault = at(STATUS, says(more));
    fault["times"] = 2.into();
    site.duo.fault(fault);
    assert_eq!(site.answer(&question), Ok(PushOutcome::Denied));
}

#[test]
fn fields_that_are_new_change_nothing() {
    let site = Site::start();
    let device = json!({"device": "DPPHONE1", "capabilities": ["push", "teleport"], "colour": {"r": 1}, "type": "watch"});
    site.duo.fault(at(PREAUTH, says(json!({"result": "auth", "devices": [device], "more": [1]}))));
    let Ok(AskOutcome::Waiting(question)) = site.device("anna", "") else { panic!() };
    assert_eq!(question.device.as_str(), "watch");
}
