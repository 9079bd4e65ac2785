//! Append mode in front of another RADIUS server: the code is spent here, the password goes on alone.

use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::{Code, Login, SECRET, Server, Site};

/// A server that knows everybody's password and nothing of codes.
pub fn behind() -> Server {
    let mut site = Site::append();
    site.authorize = site.authorize.replace("mfa\n", "chap\n");
    site.authenticate = "Auth-Type PAP {\npap\n}\nAuth-Type CHAP {\nchap\n}".into();
    site.post_auth = String::new();
    site.start()
}

/// The server in front of it.
fn in_front(behind: &Server) -> Server {
    let mut site = Site::append();
    site.authorize = "mfa\nupdate control {\nProxy-To-Realm := behind\n}".into();
    site.root = realm(behind);
    site.start()
}

/// What makes it the home server of the realm `behind`.
pub fn realm(behind: &Server) -> String {
    format!(
        "home_server behind {{\n\ttype = auth\n\tipaddr = 127.0.0.1\n\tport = {}\n\tsecret = {SECRET}\n}}\n\
         home_server_pool behind {{\n\thome_server = behind\n}}\nrealm behind {{\n\tauth_pool = behind\n\tnostrip\n}}\n",
        behind.port
    )
}

#[test]
fn password_goes_on_without_the_code() {
    let behind = behind();
    let server = in_front(&behind);
    let alice = server.enrol("alice");
    let login = |text: String| Login::pap("alice", &text).send(&server).code;
    assert_eq!(login(format!("{PASSWORD}{}", alice.code(0))), Code::Accept);
    assert_eq!(login(format!("{PASSWORD}{}", alice.code(0))), Code::Reject, "the code is spent");
    assert_eq!(login(format!("wrong{}", alice.code(1))), Code::Reject, "the password is wrong");
    assert_eq!(login(format!("{PASSWORD}{}", alice.code(1))), Code::Reject, "and has cost the code");
    assert_eq!(login(PASSWORD.into()), Code::Reject, "a password alone never gets through");
}

#[test]
fn answer_behind_the_password_is_asked_for_after_the_other_server_took_the_password() {
    let (webhook, behind) = (Webhook::start(), behind());
    let mut site = in_front(&behind).site.clone();
    site.mfa = format!("mode = append\ndelimiter = \",\"\npush {{\n{}\n}}", webhook.options());
    let server = site.start();
    assert_eq!(Login::pap("alice", "wrong,push").send(&server).code, Code::Reject);
    assert_eq!(webhook.asked(), 0);
    // It cannot be proxied a second time, so it does not wait here.
    assert_eq!(Login::pap("alice", &format!("{PASSWORD},push")).send(&server).code, Code::Challenge);
    assert_eq!(webhook.wait_for(1)[0].user, "alice");
}

#[test]
fn accept_of_another_server_without_mfa_is_refused() {
    let behind = behind();
    let mut site = in_front(&behind).site.clone();
    site.authorize = "update control {\nProxy-To-Realm := behind\n}".into();
    let server = site.start();
    server.enrol("alice");
    assert_eq!(Login::pap("alice", PASSWORD).send(&server).code, Code::Reject);
    assert_eq!(server.audit("alice").pop().unwrap().1, "accepted without mfa");
}

/// In front of it, asking in `post-proxy` whom the other server has accepted.
fn asks_in_post_proxy(behind: &Server, post_auth: &str, mfa: &str) -> Server {
    let mut site = in_front(behind).site.clone();
    site.mfa = mfa.into();
    // The answer to a challenge is ours.
    site.authorize = "mfa\nif (noop) {\nupdate control {\nProxy-To-Realm := behind\n}\n}".into();
    site.authenticate = "Auth-Type mfa {\nmfa\n}".into();
    site.sections = "post-proxy {\nmfa\n}".into();
    site.post_auth = post_auth.into();
    site.start()
}

/// A server whose accepts hold something.
fn behind_with_class() -> Server {
    let mut site = behind().site.clone();
    site.post_auth = "update reply {\nClass := 0x0102\n}".into();
    site.start()
}

#[test]
fn accept_of_another_server_becomes_a_challenge_in_post_proxy() {
    let behind = behind_with_class();
    // With the guard and without.
    for post_auth in ["mfa", ""] {
        let server = asks_in_post_proxy(&behind, post_auth, "mode = challenge");
        let alice = server.enrol("alice");
        assert_eq!(Login::pap("alice", "wrong").send(&server).code, Code::Reject);
        assert!(server.audit("alice").is_empty(), "nobody is asked");
        let asked = Login::pap("alice", PASSWORD).send(&server);
        assert_eq!((asked.code, asked.get("Class")), (Code::Challenge, None), "{asked:?}");
        let state = asked.get("State").unwrap();
        let wrong = Login::pap("alice", "000000").with("State", state).send(&server);
        assert_eq!(wrong.code, Code::Challenge, "asked again: {wrong:?}");
        let state = wrong.get("State").unwrap();
        let reply = Login::pap("alice", &alice.code(0)).with("State", state).send(&server);
        assert_eq!(reply.code, Code::Accept, "{reply:?}");
        assert_eq!(server.audit("alice").pop().unwrap().0, "accept");
    }
}

#[test]
fn challenge_that_a_pool_s_own_virtual_server_puts_is_answered_where_the_login_came_in() {
    let behind = behind_with_class();
    let mut site = asks_in_post_proxy(&behind, "mfa", "mode = challenge").site.clone();
    site.sections = String::new();
    site.root =
        site.root.replace("home_server_pool behind {", "home_server_pool behind {\n\tvirtual_server = pool");
    site.root.push_str("server pool {\npost-proxy {\nmfa\n}\n}\n");
    let server = site.start();
    let alice = server.enrol("alice");
    let asked = Login::pap("alice", PASSWORD).send(&server);
    let state = asked.get("State").unwrap();
    let reply = Login::pap("alice", &alice.code(0)).with("State", state).send(&server);
    assert_eq!(reply.code, Code::Accept, "{reply:?}");
}

#[test]
fn whom_post_proxy_does_not_let_in_gets_nothing_of_the_accept() {
    let behind = behind_with_class();
    for post_auth in ["mfa", ""] {
        let server = asks_in_post_proxy(&behind, post_auth, "mode = challenge");
        // No token.
        let reply = Login::pap("bob", PASSWORD).send(&server);
        assert_eq!((reply.code, reply.get("Class")), (Code::Reject, None), "{reply:?}");
        assert_eq!(server.audit("bob").len(), 1);
        // Where the reason would not be shown, a last challenge says so, and nothing of the accept is in it.
        let server = asks_in_post_proxy(&behind, post_auth, "mode = challenge\nclient_profile = ocserv");
        let told = Login::pap("bob", PASSWORD).send(&server);
        assert_eq!((told.code, told.get("Class")), (Code::Challenge, None), "{told:?}");
        assert!(told.get("Reply-Message").unwrap().starts_with("You have no second factor yet."), "{told:?}");
        let answer = Login::pap("bob", "ok").with("State", told.get("State").unwrap()).send(&server);
        assert_eq!((answer.code, answer.get("Class")), (Code::Reject, None), "{answer:?}");
        let passcode = asks_in_post_proxy(&behind, post_auth, "mode = append");
        passcode.enrol("alice");
        let reply = Login::pap("alice", PASSWORD).send(&passcode);
        assert_eq!((reply.code, reply.get("Class")), (Code::Reject, None), "{reply:?}");
    }
}

#[test]
fn who_needs_no_second_factor_gets_the_accept_of_the_other_server_through_post_proxy() {
    let behind = behind_with_class();
    let server = asks_in_post_proxy(&behind, "mfa", "mode = challenge");
    let mut site = server.site.clone();
    site.authorize = format!("update control {{\nMFA-Exempt := yes\n}}\n{}", site.authorize);
    let server = site.start();
    let reply = Login::pap("bob", PASSWORD).send(&server);
    assert_eq!((reply.code, reply.get("Class")), (Code::Accept, Some("0x0102")), "{reply:?}");
}

#[test]
fn device_is_asked_behind_another_server_without_a_wait() {
    let (webhook, behind) = (Webhook::start(), behind());
    let options = format!("mode = auto\npush {{\n{}\n}}", webhook.options());
    let server = asks_in_post_proxy(&behind, "mfa", &options);
    let asked = Login::pap("alice", PASSWORD).send(&server);
    assert_eq!(asked.code, Code::Challenge);
    assert_eq!(webhook.wait_for(1)[0].user, "alice");
}
