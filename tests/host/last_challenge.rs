//! Where a client shows no text of a reject, a refusal of a right password is told in one last challenge, and whatever answers it
//! is refused.

use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{CALLING_STATION, STATE};
use crate::harness::{Code, Nas, Reply, SECRET, Server, Site};

const STATION: (u8, &str) = (CALLING_STATION, "198.51.100.7");
const END: &str = "\nPress Enter to end this login.";
const SLOW: &str = "lockout {\nslow_after = 1000\n}";

/// `pap` checks the password.
fn site(mode: &str, options: &str) -> Site {
    let site = Site::auto("");
    Site { mfa: format!("mode = {mode}\ndelimiter = \",\"\nclient_profile = ocserv\n{options}"), ..site }
}

fn say(server: &Server, nas: &Nas, text: &str, state: Option<&str>) -> Reply {
    let mut more = vec![STATION];
    more.extend(state.map(|state| (STATE, state)));
    nas.reply(&nas.pap(server, "alice", text, &more))
}

/// What the client learns from it beside its code.
fn told(reply: &Reply) -> Vec<&str> {
    [reply.all("Reply-Message"), reply.all("State")].concat()
}

/// It is a last challenge that says this, and nothing answers it.
fn ends(server: &Server, nas: &Nas, reply: &Reply, said: &str, answers: &[&str]) {
    assert_eq!(reply.said(), (Code::Challenge, Some(format!("{said}{END}").as_str())));
    let state = reply.get("State").expect("a State").to_owned();
    for answer in answers {
        let refused = say(server, nas, answer, Some(&state));
        assert_eq!((refused.code, told(&refused)), (Code::Reject, vec![]), "{answer:?}");
    }
}

#[test]
fn last_wrong_code_is_told_and_nothing_answers_it() {
    let server = site("challenge", &format!("challenge_tries = 1\n{SLOW}")).start();
    let alice = server.enrol("alice");
    let nas = Nas::new();
    let asked = say(&server, &nas, PASSWORD, None);
    assert_eq!(asked.said(), (Code::Challenge, Some("Enter a passcode:")));
    let wrong = say(&server, &nas, "000001", asked.get("State"));
    assert_eq!(wrong.said(), (Code::Challenge, Some("This code is wrong. One try left.\nEnter a passcode:")));
    let last = say(&server, &nas, "000002", wrong.get("State"));
    let code = alice.code(0);
    ends(
        &server,
        &nas,
        &last,
        "This code is wrong.",
        &[&code, "", "1", PASSWORD, &format!("{PASSWORD},{code}")],
    );
    let trail = server.audit("alice");
    assert_eq!(trail.len(), 3 + 5);
    assert!(
        trail[3..].iter().all(|row| *row == ("reject".into(), "the login was refused before".into())),
        "{trail:?}"
    );
    assert!(server.logged(
        "alice: reject: wrong code, client 127.0.0.1, calling 198.51.100.7, told in a last challenge"
    ));
    // It has cost neither tries nor the code.
    let asked = say(&server, &nas, PASSWORD, None);
    assert_eq!(say(&server, &nas, &code, asked.get("State")).code, Code::Accept);
}

#[test]
fn denial_and_silence_are_told_after_a_parked_wait() {
    let webhook = Webhook::start();
    let push = |more: &str| format!("push {{\n{}\n{more}\n}}", webhook.options());
    let server = site("auto", &push("limit = 2")).start();
    let nas = Nas::new();
    let sent = nas.pap(&server, "alice", PASSWORD, &[STATION]);
    webhook.wait_for(1);
    assert!(nas.waits(&sent), "parked");
    webhook.deny("alice");
    ends(&server, &nas, &nas.reply(&sent), "The request was denied on your device.", &["", "push"]);
    let server = site("auto", &push("limit = 2")).start();
    let silent = say(&server, &nas, PASSWORD, None);
    ends(&server, &nas, &silent, "The request was not answered in time.", &["", "push"]);
    assert_eq!(webhook.asked(), 2, "no answer asks again");
}

#[test]
fn number_that_was_denied_is_told_after_its_challenge() {
    let webhook = Webhook::start();
    let server = site("auto", &format!("push {{\nnumber_match = yes\n{}\n}}", webhook.options())).start();
    let nas = Nas::new();
    let shown = say(&server, &nas, PASSWORD, None);
    assert_eq!(shown.code, Code::Challenge);
    webhook.wait_for(1);
    webhook.deny("alice");
    let denied = say(&server, &nas, "ok", shown.get("State"));
    ends(&server, &nas, &denied, "The request was denied on your device.", &["", "ok"]);
}

#[test]
fn decision_that_blocks_a_thread_is_told_likewise() {
    let webhook = Webhook::start();
    let mut site = site("auto", &format!("push {{\nlimit = 2\n{}\n}}", webhook.options()))
        .first("update control {\n&MFA-Dialogue := yes\n}");
    site.proxies = false;
    let server = site.start();
    let nas = Nas::new();
    let shown = say(&server, &nas, PASSWORD, None);
    webhook.wait_for(1);
    webhook.deny("alice");
    let denied = say(&server, &nas, "", shown.get("State"));
    ends(&server, &nas, &denied, "The request was denied on your device.", &[""]);
}

#[test]
fn who_has_not_shown_the_password_reads_nothing() {
    let server = site("challenge", SLOW).start();
    server.enrol("alice");
    let nas = Nas::new();
    let refused = |user: &str, password: &str| {
        let reply = nas.reply(&nas.pap(&server, user, password, &[STATION]));
        assert_eq!((reply.code, told(&reply)), (Code::Reject, vec![]), "{user} {password}");
    };
    refused("alice", "wrong");
    refused("nobody", "wrong");
    let server = Site::passcode().with(&format!("client_profile = ocserv\n{SLOW}")).start();
    server.enrol("alice");
    for user in ["alice", "nobody"] {
        let reply = nas.reply(&nas.pap(&server, user, "000000", &[STATION]));
        assert_eq!((reply.code, told(&reply)), (Code::Reject, vec![]), "{user}");
    }
    assert_eq!(server.audit("alice")[0].1, "wrong code");
}

#[test]
fn code_beside_a_password_that_is_not_checked_yet_is_refused_as_before() {
    let server = site("append", SLOW).start();
    server.enrol("alice");
    let nas = Nas::new();
    assert_eq!(say(&server, &nas, &format!("{PASSWORD},000000"), None).code, Code::Reject);
}

#[test]
fn client_that_shows_rejects_is_sent_one() {
    let mut site = site("challenge", &format!("challenge_tries = 0\n{SLOW}"));
    site.root =
        format!("client elsewhere {{\nipaddr = 127.0.0.2\nsecret = {SECRET}\nmfa_profile = generic\n}}\n");
    let server = site.start();
    server.enrol("alice");
    let nas = Nas::at("127.0.0.2");
    let asked = say(&server, &nas, PASSWORD, None);
    let wrong = say(&server, &nas, "000000", asked.get("State"));
    assert_eq!(wrong.said(), (Code::Reject, Some("This code is wrong.")));
    assert_eq!(wrong.get("State"), None);
}

#[test]
fn nothing_is_told_where_nothing_is_explained() {
    let server = site("challenge", &format!("challenge_tries = 0\nexplain = no\n{SLOW}")).start();
    server.enrol("alice");
    let nas = Nas::new();
    let asked = say(&server, &nas, PASSWORD, None);
    let wrong = say(&server, &nas, "000000", asked.get("State"));
    assert_eq!((wrong.code, told(&wrong)), (Code::Reject, vec![]));
}

#[test]
fn user_without_a_token_is_told_where_the_module_has_it_checked() {
    let server =
        Site::own("challenge", &format!("first_factor = local\nclient_profile = ocserv\n{SLOW}")).start();
    server.admin(&["user", "add", "alice"]);
    server.mfa_with(&["user", "password", "alice"], "hello\n");
    let nas = Nas::new();
    let told = say(&server, &nas, "hello", None);
    ends(&server, &nas, &told, "You have no second factor yet. Ask your help desk.", &["", "hello"]);
    assert_eq!(say(&server, &nas, "wrong", None).code, Code::Reject);
}
