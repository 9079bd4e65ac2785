//! A push with CHAP and MS-CHAP, without a tunnel; and no push without a verified password.

use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::{Code, Login, Reply, Server, Site};
use std::time::Duration;

/// CHAP, MS-CHAP and MS-CHAPv2.
fn digests(user: &str, password: &str) -> [Login; 3] {
    [Login::chap(user, password), Login::mschap(user, password), Login::mschap2(user, password)]
}

/// The word `push` instead of a passcode; `mfa` before and behind the module that makes the response.
fn passcode(webhook: &Webhook) -> Server {
    let mut site = Site::passcode().with(&format!("push {{\n{}\n}}", webhook.options()));
    site.authenticate = "Auth-Type mfa {\nmfa\n}\nAuth-Type CHAP {\nmfa\nchap\nmfa\n}\n\
                         Auth-Type MS-CHAP {\nmfa\nmschap\nmfa\n}"
        .into();
    site.start()
}

/// Every user's password is known, and checked by `pap`, `chap` or `mschap`; the caller says where `mfa` stands. The
/// last result before is an `ok`, as if the password had been checked.
fn auto(webhook: &Webhook, authenticate: &str) -> Site {
    let mut site = Site::auto(&webhook.options());
    site.authorize =
        format!("update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}\nchap\nmschap\npap\nmfa");
    site.authenticate = authenticate.into();
    site
}

fn has_keys(reply: &Reply) -> bool {
    reply.attributes.iter().any(|(name, _)| name.contains("MPPE"))
}

#[test]
fn word_is_asked_and_the_reply_of_mschap_comes_after_the_wait() {
    let webhook = Webhook::start();
    let server = passcode(&webhook);
    for (login, success) in digests("alice", "push").into_iter().zip([false, false, true]) {
        let login = login.start(&server);
        webhook.wait_for(1);
        std::thread::sleep(Duration::from_millis(300));
        assert!(login.waits());
        assert_eq!(webhook.approve("alice"), 1);
        let reply = login.reply();
        assert_eq!(reply.code, Code::Accept);
        assert_eq!(reply.get("MS-CHAP2-Success").is_some(), success);
        assert!(!success || has_keys(&reply), "{reply:?}");
    }
    assert_eq!(webhook.asked(), 3);
}

#[test]
fn refusal_carries_no_keys() {
    let webhook = Webhook::start();
    let server = passcode(&webhook);
    let login = || Login::mschap2("alice", "push");
    let first = login().start(&server);
    webhook.wait_for(1);
    let at_once = login().send(&server);
    assert_eq!(server.audit("alice").pop().unwrap().1, "a request is already waiting");
    webhook.deny("alice");
    for reply in [first.reply(), at_once] {
        assert_eq!(reply.code, Code::Reject);
        assert!(!has_keys(&reply) && reply.get("MS-CHAP2-Success").is_none(), "{reply:?}");
    }
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn other_words_ask_nobody() {
    let webhook = Webhook::start();
    let server = passcode(&webhook);
    for login in digests("alice", "pull") {
        assert_eq!(login.send(&server).code, Code::Reject);
    }
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn password_is_checked_before_anybody_is_asked_wherever_mfa_stands() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    for around in ["{0}\nmfa", "mfa\n{0}\nmfa"] {
        let section =
            |name: &str, module| format!("Auth-Type {name} {{\n{}\n}}\n", around.replace("{0}", module));
        let server = auto(
            &webhook,
            &[section("PAP", "pap"), section("CHAP", "chap"), section("MS-CHAP", "mschap")].concat(),
        )
        .start();
        let asked = webhook.asked();
        let logins = |password| digests("alice", password).into_iter().chain([Login::pap("alice", password)]);
        for login in logins("wrong") {
            assert_eq!(login.send(&server).code, Code::Reject, "{around}");
        }
        assert_eq!(webhook.asked(), asked, "{around}");
        for login in logins(PASSWORD) {
            assert_eq!(login.send(&server).code, Code::Accept, "{around}");
        }
        assert_eq!(webhook.asked(), asked + 4, "{around}");
    }
}

#[test]
fn section_without_a_first_factor_asks_nobody_and_is_named_at_start() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let server = auto(
        &webhook,
        "Auth-Type PAP {\nmfa\n}\nAuth-Type CHAP {\nmfa\n}\nAuth-Type MS-CHAP {\nmfa\nmschap\n}",
    )
    .start();
    for name in ["PAP", "CHAP", "MS-CHAP"] {
        let text = format!("\"Auth-Type {name}\" has \"mfa\" and nothing before it that checks the password");
        assert!(server.log().contains(&text), "{name}");
    }
    for login in digests("alice", PASSWORD).into_iter().chain([Login::pap("alice", PASSWORD)]) {
        assert_eq!(login.send(&server).code, Code::Reject);
    }
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn answer_behind_the_password_is_not_asked_for_before_the_password_is_checked() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let mut site = auto(&webhook, "Auth-Type PAP {\nmfa\npap\nmfa\n}");
    // To cut the answer off, it stands before `pap` in authorize.
    site.authorize = site.authorize.replace("pap\nmfa\n", "mfa\npap\n");
    let server = site.start();
    assert_eq!(Login::pap("alice", "wrong,push").send(&server).code, Code::Reject);
    assert_eq!(webhook.asked(), 0);
    assert_eq!(Login::pap("alice", &format!("{PASSWORD},push")).send(&server).code, Code::Accept);
    assert_eq!(webhook.asked(), 1);
}
