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
