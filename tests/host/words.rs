//! What the password field may say where users can be asked: a factor's name, a passcode, a password with either, or nothing.

use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::{Code, Login, Nas, Reply, Server, Site};
use std::time::Duration;

/// Tells what was used.
const OUTPUTS: &str = "update reply {\nReply-Message := \"%{control:MFA-Result}, %{control:MFA-Factor}, %{control:MFA-Token}\"\n}";

fn site(webhook: &Webhook, mode: &str) -> Site {
    let mut site = Site::auto(&webhook.options()).last(OUTPUTS);
    site.mfa = site.mfa.replace("mode = auto", &format!("mode = {mode}"));
    if mode == "passcode" {
        site.authorize = Site::passcode().authorize;
        let twice = Site::passcode().authenticate.replace("\nchap\n", "\nchap\nmfa\n");
        site.authenticate = twice.replace("\nmschap\n", "\nmschap\nmfa\n");
    }
    site
}

/// What was asked of the device when this came, and how it was answered after a yes.
fn asks(webhook: &Webhook, server: &Server, login: Login) -> (String, Option<u64>, Reply) {
    let login = login.start(server);
    let asked = webhook.wait_for(1).remove(0);
    webhook.approve("alice");
    (asked.factor, asked.device, login.reply())
}

#[test]
fn word_in_passcode_mode_names_factor_and_device() {
    let webhook = Webhook::start();
    let server = site(&webhook, "passcode").with("first_factor = client").start();
    for (field, factor, device) in [
        ("push", "push", Some(1)),
        ("push2", "push", Some(2)),
        ("phone", "phone", Some(1)),
        ("phone2", "phone", Some(2)),
        ("sms", "sms", Some(1)),
        ("PUSH", "push", Some(1)),
        (" push ", "push", Some(1)),
    ] {
        let (asked, number, reply) = asks(&webhook, &server, Login::pap("alice", field));
        assert_eq!((asked.as_str(), number), (factor, device), "{field:?}");
        assert_eq!(reply.said(), (Code::Accept, Some(format!("accept, {factor}, phone of alice").as_str())));
    }
    // What radclient cannot send: a field with nothing in it.
    let nas = Nas::new();
    let empty = nas.pap(&server, "alice", "", &[]);
    let asked = webhook.wait_for(1).remove(0);
    assert_eq!((asked.factor.as_str(), asked.device), ("auto", None));
    webhook.approve("alice");
    assert_eq!(nas.reply(&empty).said(), (Code::Accept, Some("accept, push, phone of alice")));
    let asked = webhook.asked();
    for field in ["pushy", "push0", "push 2", "telephone", "123456"] {
        assert_eq!(Login::pap("bob", field).send(&server).code, Code::Reject, "{field:?}");
    }
    assert_eq!(server.audit("bob")[0].1, "unknown user", "a wrong code");
    assert_eq!(webhook.asked(), asked);
}

#[test]
fn word_may_come_as_a_digest() {
    let webhook = Webhook::start();
    let server = site(&webhook, "passcode").start();
    for login in
        [Login::chap("alice", "phone2"), Login::mschap("alice", "phone2"), Login::mschap2("alice", "phone2")]
    {
        let (factor, device, reply) = asks(&webhook, &server, login);
        assert_eq!((factor.as_str(), device, reply.code), ("phone", Some(2), Code::Accept));
    }
    assert_eq!(Login::chap("alice", "pushy").send(&server).code, Code::Reject);
    let alice = server.enrol("alice");
    assert_eq!(Login::chap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    assert_eq!(webhook.asked(), 3);
}

#[test]
fn digest_of_a_word_alone_lets_nobody_in() {
    let webhook = Webhook::start();
    for guard in ["mfa", ""] {
        let mut site = site(&webhook, "passcode");
        // `mfa` runs before `chap` and `mschap`, and not again behind them.
        site.authenticate = Site::passcode().authenticate;
        site.post_auth = guard.into();
        let server = site.start();
        for login in [Login::chap("alice", "push"), Login::mschap("alice", "push"), Login::chap("alice", "")]
        {
            assert_eq!(login.send(&server).code, Code::Reject, "{guard:?}");
        }
        let bob = server.enrol("bob");
        let code = Login::chap("bob", &bob.code(0)).send(&server).code;
        assert_eq!(code, Code::Accept);
    }
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn word_behind_the_password_in_append_mode() {
    let webhook = Webhook::start();
    let server = site(&webhook, "append").start();
    let alice = server.enrol("alice");
    let field = |answer: &str| Login::pap("alice", &format!("{PASSWORD},{answer}"));
    let (factor, device, reply) = asks(&webhook, &server, field("Phone2"));
    assert_eq!((factor.as_str(), device), ("phone", Some(2)));
    assert_eq!(reply.said(), (Code::Accept, Some("accept, phone, phone of alice")));
    assert_eq!(field(&alice.code(0)).send(&server).said(), (Code::Accept, Some("accept, hotp, hotp1")));
    let asked = webhook.asked();
    for refused in ["wrong,push", "push", PASSWORD, &format!("{PASSWORD}push"), ",push"] {
        assert_eq!(Login::pap("alice", refused).send(&server).code, Code::Reject, "{refused}");
    }
    assert_eq!(Login::pap("bob", &format!("{PASSWORD},soon")).send(&server).code, Code::Reject);
    assert_eq!(webhook.asked(), asked);
}

#[test]
fn answer_behind_the_password_in_auto_mode() {
    let webhook = Webhook::start();
    let server = site(&webhook, "auto").start();
    let alice = server.enrol("alice");
    let (factor, device, reply) = asks(&webhook, &server, Login::pap("alice", PASSWORD));
    assert_eq!((factor.as_str(), device, reply.code), ("auto", None, Code::Accept));
    let (factor, device, reply) = asks(&webhook, &server, Login::pap("alice", &format!("{PASSWORD},push3")));
    assert_eq!((factor.as_str(), device, reply.code), ("push", Some(3), Code::Accept));
    let code = Login::pap("alice", &format!("{PASSWORD},{}", alice.code(0)));
    assert_eq!(code.send(&server).said(), (Code::Accept, Some("accept, hotp, hotp1")));
    let asked = webhook.asked();
    for refused in
        ["wrong", "wrong,push", &format!("{PASSWORD},000000"), &format!("{PASSWORD},soon"), "push", ""]
    {
        assert_eq!(Login::pap("alice", refused).send(&server).code, Code::Reject, "{refused}");
    }
    assert_eq!(webhook.asked(), asked);
}

#[test]
fn password_may_hold_the_delimiter() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let mut site = site(&webhook, "auto");
    site.authorize = site.authorize.replace(PASSWORD, "hel,lo");
    let server = site.start();
    let alice = server.enrol("alice");
    for field in ["hel,lo", "hel,lo,push", &format!("hel,lo,{}", alice.code(0))] {
        assert_eq!(Login::pap("alice", field).send(&server).code, Code::Accept, "{field}");
    }
    assert_eq!(Login::pap("alice", "hel,push").send(&server).code, Code::Reject);
    assert_eq!(webhook.asked(), 2);
}
