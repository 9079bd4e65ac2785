//! `pam_radius_auth` as the client: what is read and typed at a terminal. It shows the first Reply-Message of a
//! challenge, and none of a refusal.

use crate::harness::oath::code_in;
use crate::harness::pam::{PASSWORD_PROMPT, Pam};
use crate::harness::site::PASSWORD;
use crate::harness::smtp::Smtp;
use crate::harness::webhook::Webhook;
use crate::harness::{Server, Site};

const LIST: &str =
    "Enter a passcode or choose an option:\n1. E-mail to a***@example.test\nPasscode or option (1): ";

/// The end of a last challenge.
const END: &str = "Press Enter to end this login. ";

/// What pamtester says at last.
const IN: &str = "pamtester: successfully authenticated\n";
const OUT: &str = "pamtester: Authentication failure\n";

fn start(options: &str) -> Server {
    let site = Site::auto("");
    let mfa =
        format!("mode = challenge\nclient_profile = pam_radius\nlockout {{\nslow_after = 20\n}}\n{options}");
    Site { mfa, ..site }.start()
}

#[test]
fn list_is_shown_and_answered_by_a_passcode() {
    let smtp = Smtp::start();
    let server = start(&smtp.options());
    let token = server.enrol("alice");
    server.admin(&["token", "add", "alice", "email", "alice@example.test"]);
    let pam = Pam::of(&server, "");
    let mut terminal = pam.login("alice");
    terminal.reads(PASSWORD_PROMPT).types(PASSWORD).reads(LIST).types(&token.code(0));
    assert_eq!(terminal.ends(), (true, IN.into()));
    assert_eq!(smtp.mails_to("alice@example.test").len(), 0);
}

#[test]
fn number_of_the_list_brings_a_mail_whose_code_lets_him_in() {
    let smtp = Smtp::start();
    let server = start(&smtp.options());
    server.enrol("alice");
    server.admin(&["token", "add", "alice", "email", "alice@example.test"]);
    let pam = Pam::of(&server, "prompt_attribute");
    let mut terminal = pam.login("alice");
    terminal.reads(PASSWORD_PROMPT).types(PASSWORD).reads(LIST).types("1");
    terminal.reads("Enter the code sent to a***@example.test: ");
    terminal.types(&code_in(smtp.wait_for("alice@example.test", 1).text()));
    assert_eq!(terminal.ends(), (true, IN.into()));
}

#[test]
fn wrong_code_is_asked_for_again_with_the_reason_and_then_refused() {
    let server = start("challenge_tries = 2");
    server.enrol("alice");
    let pam = Pam::of(&server, "");
    let mut terminal = pam.login("alice");
    terminal.reads(PASSWORD_PROMPT).types(PASSWORD).reads("Enter a passcode: ").types("000001");
    terminal.reads("This code is wrong. 2 tries left.\nEnter a passcode: ").types("000002");
    terminal.reads("This code is wrong. One try left.\nEnter a passcode: ").types("000003");
    terminal.reads(&format!("This code is wrong.\n{END}")).types("");
    assert_eq!(terminal.ends(), (false, OUT.into()));
}

#[test]
fn right_code_does_not_answer_the_last_challenge() {
    let server = start("challenge_tries = 0");
    let token = server.enrol("alice");
    let pam = Pam::of(&server, "");
    let mut terminal = pam.login("alice");
    terminal.reads(PASSWORD_PROMPT).types(PASSWORD).reads("Enter a passcode: ").types("000001");
    terminal.reads(&format!("This code is wrong.\n{END}")).types(&token.code(0));
    assert_eq!(terminal.ends(), (false, OUT.into()));
    assert_eq!(
        server.audit("alice").last().map(|(_, why)| why.as_str()),
        Some("the login was refused before")
    );
    let mut terminal = pam.login("alice");
    terminal.reads(PASSWORD_PROMPT).types(PASSWORD).reads("Enter a passcode: ").types(&token.code(0));
    assert_eq!(terminal.ends(), (true, IN.into()));
}

#[test]
fn who_brings_no_password_is_asked_for_a_code() {
    let site = Site::passcode().with("client_profile = pam_radius\nlockout {\nslow_after = 20\n}");
    let server = site.start();
    let token = server.enrol("alice");
    let pam = Pam::of(&server, "skip_passwd");
    for (user, code, is_in) in
        [("alice", token.code(0), true), ("alice", token.code(0), false), ("nobody", token.code(1), false)]
    {
        let mut terminal = pam.login(user);
        terminal.reads("Enter a passcode: ").types(&code);
        assert_eq!(terminal.ends(), (is_in, if is_in { IN.into() } else { OUT.into() }), "{user}");
    }
}

#[test]
fn wrong_password_and_nobody_are_refused_alike() {
    let server = start("");
    server.enrol("alice");
    let pam = Pam::of(&server, "");
    for (user, password) in [("alice", "wrong"), ("nobody", "wrong")] {
        let mut terminal = pam.login(user);
        terminal.reads(PASSWORD_PROMPT).types(password);
        assert_eq!(terminal.ends(), (false, OUT.into()), "{user}");
    }
}

#[test]
fn push_is_chosen_and_the_terminal_waits_for_it() {
    let webhook = Webhook::start();
    let server = start(&format!("push {{\n{}\n}}", webhook.options()));
    server.enrol("alice");
    let pam = Pam::of(&server, "");
    for (approved, word) in [(true, "push"), (false, "1")] {
        let mut terminal = pam.login("alice");
        terminal.reads(PASSWORD_PROMPT).types(PASSWORD);
        terminal
            .reads("Enter a passcode or choose an option:\n1. Push to your device\nPasscode or option (1): ");
        terminal.types(word);
        webhook.wait_for(1);
        assert!(terminal.waits());
        webhook.decide("alice", if approved { "approved" } else { "denied" });
        if !approved {
            terminal.reads(&format!("The request was denied on your device.\n{END}")).types("");
        }
        assert_eq!(terminal.ends().0, approved);
    }
}
