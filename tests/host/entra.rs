//! The password by Entra ID, then the second factor.

use crate::harness::entra::{Does, Entra};
use crate::harness::slapd::{self, Slapd};
use crate::harness::{Code, Login, Server, Site};

fn options(entra: &Entra, more: &str) -> String {
    format!("first_factor = entra\nentra {{\n{}\n}}\n{more}", entra.options())
}

fn last(server: &Server, user: &str) -> String {
    server.audit(user).pop().unwrap().1
}

#[test]
fn password_and_code_in_one_field() {
    let entra = Entra::start();
    let server = Site::own("append", &options(&entra, "")).start();
    let alice = server.enrol("alice");
    let login = |text: &str| Login::pap("alice", text).send(&server).code;
    assert_eq!(login("alice-pw000000"), Code::Reject);
    assert!(entra.forms().is_empty(), "nothing is asked before the code is right");
    assert_eq!(login(&format!("alice-pw{}", alice.code(0))), Code::Accept);
    assert_eq!(login(&format!("wrong{}", alice.code(1))), Code::Reject);
    assert_eq!(last(&server, "alice"), "wrong password");
    assert!(!server.log().contains("alice-pw"));
}

#[test]
fn what_entra_id_has_against_somebody_is_told_to_the_log() {
    let entra = Entra::start();
    for (name, code) in
        [("old", 50055), ("off", 50057), ("blocked", 53003), ("throttled", 50196), ("app", 7000218)]
    {
        entra.user(&format!("{name}@example.test"), "right-pw", &[code]);
    }
    let server = Site::own("challenge", &options(&entra, "")).start();
    for (user, reason) in [
        ("old", "password expired"),
        ("off", "refused where the password is checked"),
        ("blocked", "refused where the password is checked"),
        ("throttled", "directory unavailable"),
        ("app", "directory unavailable"),
    ] {
        let reply = Login::pap(user, "right-pw").send(&server);
        assert_eq!(reply.code, Code::Reject, "{user}");
        assert_eq!(last(&server, user), reason, "{user}");
    }
    for code in ["AADSTS50057", "AADSTS53003", "AADSTS7000218"] {
        assert!(server.logged(code), "{code}: {}", server.log());
    }
}

#[test]
fn wrong_password_that_comes_again_is_not_sent_again() {
    let entra = Entra::start();
    let server = Site::own("challenge", &options(&entra, "lockout {\nslow_after = 1000\n}")).start();
    for _ in 0..5 {
        assert_eq!(Login::pap("alice", "wrong").send(&server).code, Code::Reject);
    }
    assert_eq!(entra.forms().len(), 1, "or Entra ID would lock the account");
}

#[test]
fn directory_and_entra_id_go_by_the_domain_and_one_stands_in_for_the_other() {
    let (entra, mut slapd) = (Entra::start(), Slapd::start());
    let both = format!(
        "first_factor = ldap\nfirst_factor_fallback = entra\nfirst_factor_domains {{\ncloud.test = entra\n}}\n\
         username {{\ndomain = keep\n}}\nentra {{\n{}\n}}\nldap {{\ntimeout = 1\n{}{}\n}}",
        entra.hasty(),
        slapd.options(),
        slapd::service()
    );
    entra.user("dora@cloud.test", "dora-pw", &[]);
    let server = Site::own("challenge", &both).start();
    for user in ["alice", "dora@cloud.test"] {
        server.enrol(user);
    }
    let says = |user: &str, password: &str| Login::pap(user, password).send(&server).code;
    assert_eq!(says("alice", "alice-pw"), Code::Challenge);
    assert!(entra.forms().is_empty(), "the directory knows him");
    assert_eq!(says("alice", "other-pw"), Code::Reject);
    assert!(entra.forms().is_empty(), "a no is a no");
    assert_eq!(says("dora@cloud.test", "dora-pw"), Code::Challenge);
    assert_eq!(entra.forms().len(), 1);
    slapd.stop();
    assert_eq!(says("alice", "alice-pw"), Code::Challenge, "{}", server.log());
    assert_eq!(entra.forms().len(), 2);
    entra.does(Does::Nothing);
    assert_eq!(says("alice", "alice-pw2"), Code::Reject);
    assert_eq!(last(&server, "alice"), "directory unavailable");
}
