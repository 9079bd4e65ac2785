//! What users are asked, and what their answers mean.

use super::gear::{Site, User, decided, failed, login, options, response, unreachable};
use rlm_mfa::config::push;
use rlm_mfa::engine::provider::{AskOutcome, PushOutcome, PushRequestKind, PushResponse};
use rlm_mfa::types::{Factor, Printable, Secret};
use serde_json::json;
use std::time::Duration;

fn approved(factor: Factor, device: &str) -> PushOutcome {
    PushOutcome::Approved { factor, device: Printable::new(device) }
}

#[test]
fn approval_on_the_phone_is_an_approval() {
    let site = Site::start();
    let question = site.question("anna");
    assert_eq!((question.factor, question.device.as_str()), (Factor::Push, "XXX-XXX-0100"));
    site.duo.decide_for("anna", "approve", Duration::from_secs(1));
    assert_eq!(site.answer(&question), Ok(approved(Factor::Push, "XXX-XXX-0100")));
    assert_eq!(site.duo.pushes(), 1);
}

#[test]
fn everything_but_an_approval_is_none() {
    let site = Site::start();
    for (decision, outcome) in [
        ("deny", PushOutcome::Denied),
        ("fraud", PushOutcome::Fraud),
        ("timeout", PushOutcome::Expired),
        ("locked_out", PushOutcome::Locked),
        ("bypass", PushOutcome::Bypassed),
    ] {
        site.duo.decide("wait");
        let question = site.question("anna");
        site.duo.decide(decision);
        assert_eq!(site.answer(&question), Ok(outcome), "{decision}");
    }
}

#[test]
fn answer_comes_soon_after_the_user_gave_it() {
    let site = Site::hasty();
    let question = site.question("anna");
    site.duo.decide_for("anna", "approve", Duration::from_secs(4));
    // Longer than `api_timeout`: the poll has a limit of its own.
    assert_eq!(site.answer(&question), Ok(approved(Factor::Push, "XXX-XXX-0100")));
    let polls = site.duo.calls("/auth/v2/auth_status").len();
    assert!(polls <= 3, "{polls} polls: one is held until there is an answer");
}

#[test]
fn nobody_gets_the_answer_of_another() {
    let site = Site::start();
    let (anna, ben) = (site.question("anna"), site.question("ben"));
    site.duo.decide_for("ben", "approve", Duration::ZERO);
    site.duo.decide_for("anna", "deny", Duration::ZERO);
    assert_eq!(site.answer(&anna), Ok(PushOutcome::Denied));
    assert_eq!(site.answer(&ben), Ok(approved(Factor::Push, "XXX-XXX-0100")));
}

#[test]
fn silent_user_is_waited_for_without_a_storm_of_polls() {
    let site = Site::start();
    let question = site.question("anna");
    let waiting = json!({"stat": "OK", "response": {"result": "waiting", "status": "thinking"}});
    site.duo.fault(json!({"kind": "answer", "path": "/auth/v2/auth_status", "body": waiting}));
    assert_eq!(site.answer_within(&question, Duration::from_secs(4)), None);
    let polls = site.duo.calls("/auth/v2/auth_status").len();
    assert!((2..20).contains(&polls), "{polls} polls");
}

#[test]
fn cancelled_question_is_not_sent_again_nor_asked_after() {
    let site = Site::start();
    let question = site.question("anna");
    let before = site.duo.received().calls.len();
    site.cancel(&question);
    assert_eq!(site.duo.received().calls.len(), before);
}

#[test]
fn user_chooses_among_his_devices() {
    let site = Site::start();
    let device = |id, capabilities: &[&str], number| json!({"device": id, "type": "phone", "name": "", "number": number, "capabilities": capabilities});
    site.duo.user(
        "anna",
        json!({"devices": [
            device("DP1", &["sms", "phone"], "+49 (171) 555-0101"),
            device("DP2", &["auto", "push", "sms", "phone"], "+49 (171) 555-0102"),
            device("DP3", &["push"], ""),
            {"device": "DP4", "type": "token", "name": "12345"},
        ]}),
    );
    for (choice, factor, id, label) in [
        ("", "push", "DP2", "+XX (XXX) XXX-0102"),
        ("push", "push", "DP2", "+XX (XXX) XXX-0102"),
        ("push2", "push", "DP3", "phone"),
        ("phone", "phone", "DP1", "+XX (XXX) XXX-0101"),
        ("phone2", "phone", "DP2", "+XX (XXX) XXX-0102"),
    ] {
        let Ok(AskOutcome::Waiting(question)) = site.device("anna", choice) else { panic!("{choice}") };
        assert_eq!((question.factor.as_str(), question.device.as_str()), (factor, label), "{choice}");
        let asked = site.duo.calls("/auth/v2/auth").pop().unwrap().params;
        assert_eq!((asked["factor"].as_str(), asked["device"].as_str()), (factor, id), "{choice}");
    }
    for choice in ["push3", "phone3", "sms9"] {
        assert_eq!(decided(site.device("anna", choice)), PushOutcome::NoDevice, "{choice}");
    }
    assert_eq!(site.duo.pushes(), 5);
}

#[test]
fn telephone_rings_where_there_is_no_push() {
    let site = Site::start();
    site.duo.user(
        "anna",
        json!({"devices": [{"device": "DP1", "type": "phone", "name": "desk", "number": null, "capabilities": ["phone"]}]}),
    );
    let question = site.question("anna");
    assert_eq!((question.factor, question.device.as_str()), (Factor::Phone, "desk"));
    site.duo.decide("approve");
    assert_eq!(site.answer(&question), Ok(approved(Factor::Phone, "desk")));
    for devices in [json!([]), json!([{"device": "DH1", "type": "token", "name": "12345"}]), json!(null)] {
        site.duo.user("ben", json!({ "devices": devices }));
        assert_eq!(decided(site.device("ben", "")), PushOutcome::NoDevice);
    }
}

#[test]
fn codes_by_text_message_let_nobody_in_yet() {
    let site = Site::start();
    assert_eq!(decided(site.device("anna", "sms")), PushOutcome::Sent);
    for (result, status) in [("allow", "allow"), ("allow", "sent")] {
        let body = json!({"stat": "OK", "response": {"result": result, "status": status}});
        site.duo.fault(json!({"kind": "answer", "path": "/auth/v2/auth", "body": body}));
        super::gear::failed(site.device("anna", "sms"));
    }
    assert_eq!(site.duo.pushes(), 0);
}

#[test]
fn passcode_is_right_once() {
    let site = Site::start();
    site.duo.user("anna", json!({"passcodes": ["1234567"]}));
    assert_eq!(decided(site.passcode("anna", "7654321")), PushOutcome::Wrong);
    assert_eq!(decided(site.passcode("anna", "123 4567")), approved(Factor::Passcode, "passcode"));
    assert_eq!(decided(site.passcode("anna", "1234567")), PushOutcome::Wrong);
    let body = json!({"stat": "OK", "response": {"result": "deny", "status": "locked_out"}});
    site.duo.fault(json!({"kind": "answer", "path": "/auth/v2/auth", "body": body}));
    assert_eq!(decided(site.passcode("anna", "1234567")), PushOutcome::Locked);
    assert_eq!(site.duo.pushes(), 0);
}

#[test]
fn user_whom_duo_does_not_ask_is_let_in_or_not() {
    let site = Site::start();
    site.duo.user("bypassed", json!({"result": "allow", "status_msg": "Bypassing."}));
    site.duo.user("disabled", json!({"result": "deny", "status_msg": "Not from this network."}));
    site.duo.user(
        "new",
        json!({"result": "enroll", "enroll_portal_url": "https://api.example.test/portal?code=1"}),
    );
    let bypassed = PushResponse::with_log_text(PushOutcome::Bypassed, Printable::new("Bypassing."));
    assert_eq!(response(site.device("bypassed", "")), bypassed);
    assert_eq!(response(site.device("bypassed", "phone")), bypassed);
    assert_eq!(response(site.passcode("bypassed", "123456")), bypassed);
    let refused =
        PushResponse::with_user_text(PushOutcome::Refused, Printable::new("Not from this network."));
    for name in ["disabled", "DISABLED"] {
        assert_eq!(response(site.device(name, "")), refused);
        assert_eq!(response(site.passcode(name, "123456")), refused);
    }
    let text = Printable::new("Enrol a device first: https://api.example.test/portal?code=1");
    assert_eq!(decided(site.device("new", "")), PushOutcome::Enroll(text.clone()));
    assert_eq!(decided(site.passcode("new", "123456")), PushOutcome::Enroll(text));
    assert_eq!(site.duo.calls("/auth/v2/auth").len(), 0);
}

#[test]
fn link_to_enrol_is_whole_or_missing() {
    let site = Site::start();
    let long = |length: usize| format!("https://api.example.test/{}", "x".repeat(length));
    for (url, is_shown) in [
        (json!(long(200)), true),
        (json!(long(228)), true),
        (json!(long(229)), false),
        (json!("http://api.example.test/portal"), false),
        (json!("javascript:alert(1)"), false),
        (json!("https://api.example.test/\u{1b}[2J\nReply"), false),
        (json!("https://api.example.test/?a\\b"), false),
        (json!(null), false),
    ] {
        site.duo.user("new", json!({"result": "enroll", "enroll_portal_url": url}));
        let PushOutcome::Enroll(text) = decided(site.device("new", "")) else { panic!("{url}") };
        let shown = url.as_str().is_some_and(|url| text.as_str().ends_with(url));
        assert_eq!(shown, is_shown, "{url}: {text}");
        assert!(text.as_str().len() <= 253 && !text.as_str().contains(char::is_control), "{text}");
    }
}

#[test]
fn question_tells_who_wants_in_from_where() {
    let site = Site::start();
    site.question("anna");
    let params = site.duo.calls("/auth/v2/auth").pop().unwrap().params;
    for (name, value) in [
        ("username", "anna"),
        ("display_username", "anna"),
        ("type", "Login"),
        ("ipaddr", "198.51.100.7"),
        ("pushinfo", "Client=192.0.2.1&From=198.51.100.7"),
    ] {
        assert_eq!(params[name], value);
    }
    assert_eq!(site.duo.calls("/auth/v2/preauth")[0].params["ipaddr"], "198.51.100.7");

    let mut ask = login("anna", PushRequestKind::Device(None));
    for (station, address, details) in [
        ("02-00-5E-10-00-01", None, "Client=192.0.2.1&From=02-00-5E-10-00-01"),
        (" 2001:DB8::1 ", Some("2001:db8::1"), "Client=192.0.2.1&From=2001%3ADB8%3A%3A1"),
        ("a&b=c d", None, "Client=192.0.2.1&From=a%26b%3Dc%20d"),
        ("", None, "Client=192.0.2.1"),
    ] {
        ask.calling_station = station.into();
        site.ask(ask.clone()).unwrap();
        let params = site.duo.calls("/auth/v2/auth").pop().unwrap().params;
        assert_eq!(params.get("ipaddr").map(String::as_str), address);
        assert_eq!(params["pushinfo"], details);
    }
}

#[test]
fn names_of_any_letters_are_signed_right() {
    let site = Site::start();
    for name in [
        "J\u{f6}rg M\u{fc}ller",
        "a+b&c=d%20e@example.test",
        "\u{65e5}\u{672c}-_.~",
        "a\r\nX-Injected: 1",
        "'\"\\;#?/",
    ] {
        site.question(name);
        let call = site.duo.calls("/auth/v2/auth").pop().unwrap();
        assert_eq!(call.params["username"], name);
    }
}

#[test]
fn names_of_devices_cannot_write_into_a_log() {
    let site = Site::start();
    let device = json!({"device": "DP1", "name": "\u{1b}[2Jphone\r\nroot\u{202e}", "capabilities": ["push"]});
    site.duo.user("anna", json!({ "devices": [device] }));
    assert_eq!(site.question("anna").device.as_str(), "\\x1b[2Jphone\\x0d\\x0aroot\\u{202e}");
}

#[test]
fn probe_asks_nobody_and_knows_whether_the_keys_are_right() {
    let site = Site::start();
    let well = "it answers, takes our keys, and does not let in a name that no user has";
    assert_eq!(site.probe(), Ok(Some(well.into())));
    for result in ["deny", "enroll"] {
        site.duo.user("*", json!({ "result": result }));
        assert_eq!(site.probe(), Ok(Some(well.into())), "{result}");
    }
    site.duo.user("*", json!({"result": "allow", "status_msg": "Allowed\u{1b}[2J by policy"}));
    let text = failed(site.probe());
    assert!(text.contains("DANGER") && text.contains("New User Policy"), "{text}");
    assert!(text.contains("Allowed\\x1b[2J by policy"), "{text}");
    assert_eq!((site.duo.pushes(), site.duo.calls("/auth/v2/auth").len()), (0, 0));
    let names: Vec<_> =
        site.duo.calls("/auth/v2/preauth").into_iter().map(|call| call.params["username"].clone()).collect();
    assert!(names.iter().all(|name| name.starts_with("mfa-doctor-")), "{names:?}");
    assert_ne!(names[0], names[1]);
    let mut other = options(&site.duo);
    let Some(push::ProviderOptions::Duo(duo)) = &mut other.provider else { panic!("duo") };
    duo.skey = Secret::new("another key");
    let text = failed(User::new(&other).probe());
    assert!(text.contains("Duo does not take the keys"), "{text}");
    site.duo.fault(json!({ "kind": "down" }));
    unreachable(site.probe());
}
