//! Mode `passcode`: the password field holds the second factor alone.

use crate::harness::server::Token;
use crate::harness::site::PASSWORD;
use crate::harness::{Code, Login, Site};

#[test]
fn totp_code_is_accepted_once() {
    let server = Site::passcode().start();
    let alice = server.enrol_with("alice", "totp", b"12345678901234567890", &[]);
    let code = alice.now(0);
    assert_eq!(Login::pap("alice", &code).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", &code).send(&server).code, Code::Reject);
    let audit = server.audit("alice");
    assert_eq!(audit[0], ("accept".into(), "right code".into()));
    assert_eq!(audit[1], ("reject".into(), "code already used".into()));
}

#[test]
fn older_step_is_refused_after_a_newer_one() {
    let server = Site::passcode().start();
    let alice = server.enrol_with("alice", "totp", b"12345678901234567890", &[]);
    let before = alice.now(-1);
    assert_eq!(Login::pap("alice", &alice.now(0)).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", &before).send(&server).code, Code::Reject);
}

#[test]
fn hotp_code_within_the_look_ahead_is_accepted_and_burns_those_before() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &alice.code(7)).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", &alice.code(3)).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &alice.code(8)).send(&server).code, Code::Accept);
}

#[test]
fn chap_with_the_code_as_password_is_accepted_once() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    assert_eq!(Login::chap("alice", "000000").send(&server).code, Code::Reject);
    assert_eq!(Login::chap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    assert_eq!(Login::chap("alice", &alice.code(0)).send(&server).code, Code::Reject);
}

#[test]
fn mschap_with_the_code_as_password_is_accepted_once() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    assert_eq!(Login::mschap("alice", "000000").send(&server).code, Code::Reject);
    assert_eq!(Login::mschap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    assert_eq!(Login::mschap("alice", &alice.code(0)).send(&server).code, Code::Reject);
}

#[test]
fn mschap2_with_the_code_as_password_gets_success_and_mppe_keys() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    let reply = Login::mschap2("alice", &alice.code(0)).send(&server);
    assert_eq!(reply.code, Code::Accept);
    for name in ["MS-CHAP2-Success", "MS-MPPE-Recv-Key", "MS-MPPE-Send-Key"] {
        assert!(reply.get(name).is_some(), "{name} in {reply:?}");
    }
    assert_eq!(Login::mschap2("alice", &alice.code(0)).send(&server).code, Code::Reject);
}

#[test]
fn mschap2_of_a_user_typed_with_domain_is_accepted() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    // Windows computes over the name without the domain and sends it with it.
    let mut login = Login::mschap2("alice", &alice.code(0));
    login = login.renamed("EXAMPLE\\alice");
    assert_eq!(login.send(&server).code, Code::Accept);
}

#[test]
fn recovery_code_works_once() {
    let server = Site::passcode().start();
    server.enrol("alice");
    let codes = server.recovery("alice");
    assert_eq!(Login::pap("alice", &codes[0]).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", &codes[0]).send(&server).code, Code::Reject);
    assert_eq!(
        Login::pap("alice", &codes[1].to_uppercase().replace('-', " ")).send(&server).code,
        Code::Accept
    );
}

#[test]
fn recovery_code_cannot_answer_chap() {
    let server = Site::passcode().start();
    server.enrol("alice");
    let codes = server.recovery("alice");
    assert_eq!(Login::chap("alice", &codes[0]).send(&server).code, Code::Reject);
}

#[test]
fn pin_is_typed_before_the_code() {
    let server = Site::passcode().start();
    let alice = server.enrol_with_pin("alice", &[7; 20], "k9z4");
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &format!("k9z5{}", alice.code(0))).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &format!("k9z4{}", alice.code(0))).send(&server).code, Code::Accept);
    assert_eq!(Login::mschap2("alice", &format!("k9z4{}", alice.code(1))).send(&server).code, Code::Accept);
}

#[test]
fn two_consecutive_codes_resynchronise_a_hotp_token() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &alice.code(50)).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &alice.code(51)).send(&server).code, Code::Accept);
    assert_eq!(server.audit("alice").pop().unwrap().1, "resynchronised");
    assert_eq!(Login::pap("alice", &alice.code(51)).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &alice.code(52)).send(&server).code, Code::Accept);
}

#[test]
fn codes_that_do_not_follow_each_other_resynchronise_nothing() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &alice.code(50)).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &alice.code(53)).send(&server).code, Code::Reject);
}

#[test]
fn two_consecutive_codes_resynchronise_a_drifted_totp_token() {
    let server = Site::passcode().start();
    let alice = server.enrol_with("alice", "totp", b"12345678901234567890", &[]);
    let (first, second, third) = (alice.now(5), alice.now(6), alice.now(7));
    assert_eq!(Login::pap("alice", &first).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("alice", &second).send(&server).code, Code::Accept);
    // Its drift is known now: the next code is within the window.
    assert_eq!(Login::pap("alice", &third).send(&server).code, Code::Accept);
}

#[test]
fn every_token_of_a_user_is_tried_and_the_right_one_is_named() {
    let mut site = Site::passcode();
    site.post_auth = "mfa\nupdate reply {\nReply-Message := \"%{control:MFA-Result} %{control:MFA-Factor} %{control:MFA-Token} %{control:MFA-Reason}\"\n}".into();
    let server = site.start();
    let first = server.enrol_with("alice", "hotp", &[1; 20], &["--serial", "KEY-1"]);
    let second = server.add_token("alice", "hotp", &[2; 20], &["--serial", "KEY-2"]);
    let told = |token: &Token| {
        let reply = Login::pap("alice", &token.code(0)).send(&server);
        reply.get("Reply-Message").unwrap_or_default().to_owned()
    };
    assert_eq!(told(&first), "accept hotp KEY-1 right code");
    assert_eq!(told(&second), "accept hotp KEY-2 right code");
}

#[test]
fn mode_and_exemption_are_overridden_by_policy() {
    let mut site = Site::append();
    site.authorize = format!(
        "if (&User-Name == \"exempt\") {{\nupdate control {{\nMFA-Exempt := yes\nAuth-Type := mfa\n}}\n}}\n\
         if (&User-Name == \"alice\") {{\nupdate control {{\nMFA-Mode := passcode\n}}\n}}\n{}",
        site.authorize
    );
    site.authenticate.push_str("\nAuth-Type mfa {\nmfa\n}");
    let server = site.start();
    let (alice, bob) = (server.enrol("alice"), server.enrol("bob"));
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("bob", &bob.code(0)).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("bob", &format!("hello{}", bob.code(1))).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("exempt", "whatever").send(&server).code, Code::Accept);
    assert_eq!(server.audit("exempt").pop().unwrap().1, "exempt");
}

#[test]
fn name_of_another_attribute_is_taken_from_mfa_user() {
    let mut site = Site::passcode();
    site.authorize = format!("update control {{\nMFA-User := \"%{{Filter-Id}}\"\n}}\n{}", site.authorize);
    let server = site.start();
    let alice = server.enrol("alice");
    let login = Login::pap("device-17", &alice.code(0)).with("Filter-Id", "\"alice\"");
    assert_eq!(login.send(&server).code, Code::Accept);
}

#[test]
fn every_spelling_of_a_name_is_the_same_user() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    for (counter, typed) in
        ["ALICE", "EXAMPLE\\Alice", "alice@example.test", "\u{ff21}lice"].iter().enumerate()
    {
        let reply = Login::pap(typed, &alice.code(counter as u64)).send(&server);
        assert_eq!(reply.code, Code::Accept, "{typed}");
    }
}

#[test]
fn exempt_user_still_needs_what_else_checks_him() {
    let mut site = Site::passcode();
    site.authorize =
        format!("update control {{\nMFA-Exempt := yes\nCleartext-Password := \"{PASSWORD}\"\n}}\nmfa\npap");
    site.authenticate.push_str("\nAuth-Type PAP {\npap\nmfa\n}");
    let server = site.start();
    assert_eq!(Login::pap("exempt", "wrong").send(&server).code, Code::Reject);
    assert_eq!(Login::pap("exempt", PASSWORD).send(&server).code, Code::Accept);
}
