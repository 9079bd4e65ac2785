//! `failmode`: what happens when the provider is not there, and when it is there and makes no sense.

use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::{Code, Login, Server, Site};
use std::time::Duration;

const OUTPUTS: &str = "update reply {\nReply-Message := \"%{control:MFA-Result}\"\n}";

fn site(webhook: &Webhook, options: &str) -> Site {
    Site::auto(&format!("{}\n{options}", webhook.options())).last(OUTPUTS)
}

fn login(server: &Server, user: &str) -> Code {
    Login::pap(user, PASSWORD).send(server).code
}

const BYPASSED: &str = "provider unreachable, let in by failmode";

#[test]
fn provider_that_is_not_there_lets_in_so_often_where_the_site_says_so() {
    let webhook = Webhook::start();
    let server = site(&webhook, "failmode = safe\nbudget_user = 2\nbudget_total = 3").start();
    drop(webhook);
    let reply = Login::pap("alice", PASSWORD).send(&server);
    assert_eq!(reply.said(), (Code::Accept, Some("bypassed")));
    assert_eq!(server.audit("alice"), [("bypassed".into(), BYPASSED.into())]);
    let log = server.log();
    let line = log.lines().find(|line| line.contains("alice: bypassed: ")).unwrap();
    assert!(line.contains(" : Error: ") && line.contains(BYPASSED), "{line}");
    assert_eq!(Login::pap("alice", "wrong").send(&server).code, Code::Reject);
    let codes = ["Alice", "alice", "bob", "bob"].map(|user| login(&server, user));
    assert_eq!(codes, [Code::Accept, Code::Reject, Code::Accept, Code::Reject]);
    assert_eq!(server.audit("alice").pop().unwrap(), ("unavailable".into(), "provider unavailable".into()));
}

#[test]
fn provider_that_is_not_there_lets_in_nobody_by_default() {
    let webhook = Webhook::start();
    let server = site(&webhook, "").start();
    drop(webhook);
    assert_eq!(login(&server, "alice"), Code::Reject);
    assert_eq!(server.audit("alice"), [("unavailable".into(), "provider unavailable".into())]);
}

#[test]
fn provider_that_makes_no_sense_lets_in_nobody() {
    let webhook = Webhook::start();
    let server = site(&webhook, "failmode = safe\napi_timeout = 1").start();
    let faults =
        ["500", "503", "302", "slow", "close", "cut", "page", "unsigned", "truncated", "unknown_status"];
    for kind in faults {
        webhook.fault("ask", kind, 1);
        assert_eq!(login(&server, kind), Code::Reject, "{kind}");
        assert_eq!(server.audit(kind)[0].1, "provider unavailable", "{kind}");
    }
    webhook.fault("poll", "500", 10);
    assert_eq!(login(&server, "alice"), Code::Reject, "he has been asked");
    webhook.fault("poll", "500", 0);
    webhook.preset(None, "approved", Duration::ZERO);
    assert_eq!(login(&server, "alice"), Code::Accept);
}

#[test]
fn passcode_mode_is_never_let_in_without_any_factor() {
    let webhook = Webhook::start();
    let safe = site(&webhook, "failmode = safe");
    let mut passcode = safe.clone();
    passcode.mfa = passcode.mfa.replace("mode = auto", "mode = passcode");
    let ran = Server::prepare(passcode).check();
    assert!(!ran.ok && ran.text.contains("\"failmode = safe\""), "{}", ran.text);

    let unlang = "if (&User-Name =~ /^only/) {\nupdate control {\nMFA-Mode := passcode\n}\n}";
    let server = safe.with("first_factor = client").first(unlang).start();
    drop(webhook);
    for (user, field) in [("only", "push"), ("only2", ""), ("only3", PASSWORD)] {
        assert_eq!(Login::pap(user, field).send(&server).code, Code::Reject, "{user}");
    }
    assert_eq!(server.audit("only")[0].1, "provider unavailable");
    assert_eq!(login(&server, "alice"), Code::Accept);
}
