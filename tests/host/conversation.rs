//! Challenges: password first, then a list of the user's factors, an answer, and so on up to accept or reject.

use crate::harness::kannel::Kannel;
use crate::harness::nas::{Sent, elsewhere};
use crate::harness::oath::code_in;
use crate::harness::radclient::Reply;
use crate::harness::site::PASSWORD;
use crate::harness::smtp::Smtp;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{self, CALLING_STATION, Packet, STATE};
use crate::harness::{Code, Nas, Server, Site};

const STATION: (u8, &str) = (CALLING_STATION, "198.51.100.7");

/// `pap` checks the password, then the user is asked for a factor.
fn site(mfa: &str) -> Site {
    let site = Site::auto("");
    Site { mfa: format!("mode = challenge\ndelimiter = \",\"\n{mfa}"), ..site }
}

/// A conversation of one user at one client.
struct Talk<'a> {
    server: &'a Server,
    nas: &'a Nas,
    user: &'static str,
    last: Reply,
}

impl<'a> Talk<'a> {
    /// Sends the password.
    fn begin(server: &'a Server, nas: &'a Nas, user: &'static str) -> Self {
        let last = nas.reply(&nas.pap(server, user, PASSWORD, &[STATION]));
        Self { server, nas, user, last }
    }

    fn state(&self) -> String {
        self.last.get("State").expect("a State").to_owned()
    }

    fn send(&self, text: &str) -> Sent {
        self.nas.pap(self.server, self.user, text, &[STATION, (STATE, &self.state())])
    }

    fn say(&mut self, text: &str) -> Code {
        self.last = self.nas.reply(&self.send(text));
        self.last.code
    }

    fn reads(&self) -> &str {
        self.last.get("Reply-Message").unwrap_or_default()
    }
}

#[test]
fn password_leads_to_a_challenge_and_a_passcode_to_an_accept() {
    let server = site("").start();
    let token = server.enrol("alice");
    let nas = Nas::new();
    let mut talk = Talk::begin(&server, &nas, "alice");
    assert_eq!(talk.last.code, Code::Challenge);
    assert_eq!(talk.reads(), "Enter a passcode: ");
    assert_eq!(talk.say(&token.code(0)), Code::Accept);
    assert_eq!(
        server.audit("alice"),
        [("challenge".into(), "asked for an answer".into()), ("accept".into(), "right code".into())]
    );
}

#[test]
fn wrong_password_leads_to_no_challenge() {
    let server = site("").start();
    server.enrol("alice");
    let nas = Nas::new();
    assert_eq!(nas.reply(&nas.pap(&server, "alice", "wrong", &[STATION])).code, Code::Reject);
}

#[test]
fn wrong_code_is_asked_for_again_so_often_and_no_more() {
    let server = site("challenge_tries = 2\nlockout {\nslow_after = 10\n}").start();
    server.enrol("alice");
    let nas = Nas::new();
    let mut talk = Talk::begin(&server, &nas, "alice");
    for (code, left) in [("000001", "2 tries left."), ("000002", "One try left.")] {
        assert_eq!(talk.say(code), Code::Challenge);
        assert_eq!(talk.reads(), format!("This code is wrong. {left}\nEnter a passcode: "));
    }
    assert_eq!(talk.say("000003"), Code::Reject);
}

#[test]
fn push_is_chosen_by_number_or_by_name_and_waits_parked() {
    let webhook = Webhook::start();
    let server = site(&format!("push {{\n{}\n}}", webhook.options())).start();
    server.enrol("alice");
    let nas = Nas::new();
    for answer in ["1", "Push"] {
        let talk = Talk::begin(&server, &nas, "alice");
        assert_eq!(
            talk.reads(),
            "Enter a passcode or choose an option:\n1. Push to your device\nPasscode or option (1): "
        );
        let sent = talk.send(answer);
        webhook.wait_for(1);
        assert!(nas.waits(&sent), "parked");
        assert_eq!(webhook.approve("alice"), 1);
        assert_eq!(nas.reply(&sent).code, Code::Accept);
    }
}

#[test]
fn answer_that_makes_no_sense_is_asked_for_again() {
    let webhook = Webhook::start();
    let server = site(&format!("push {{\n{}\n}}", webhook.options())).start();
    let token = server.enrol("alice");
    let nas = Nas::new();
    let mut talk = Talk::begin(&server, &nas, "alice");
    for answer in ["", "7", "phone"] {
        assert_eq!(talk.say(answer), Code::Challenge, "{answer:?}");
        assert!(talk.reads().starts_with("Answer with one of these.\n"), "{}", talk.reads());
    }
    assert_eq!(talk.say(&token.code(0)), Code::Accept);
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn state_is_good_for_one_answer_of_its_user_at_its_client_and_station() {
    let mut site = site("");
    site.root = elsewhere();
    let server = site.start();
    let token = server.enrol("alice");
    server.enrol("bob");
    let (nas, other) = (Nas::new(), Nas::at("127.0.0.2"));
    for (nas, from, user, station) in [
        (&nas, &nas, "bob", "198.51.100.7"),
        (&nas, &nas, "alice", "198.51.100.8"),
        (&nas, &other, "alice", "198.51.100.7"),
    ] {
        let state = Talk::begin(&server, nas, "alice").state();
        let more = [(CALLING_STATION, station), (STATE, state.as_str())];
        let stolen = from.pap(&server, user, &token.code(0), &more);
        assert_eq!(from.reply(&stolen).code, Code::Reject, "{user} {station}");
        let own = nas.pap(&server, "alice", &token.code(0), &[STATION, (STATE, &state)]);
        assert_eq!(nas.reply(&own).code, Code::Reject, "a wrong use ends it");
    }
    let mut talk = Talk::begin(&server, &nas, "alice");
    let state = talk.state();
    assert_eq!(talk.say(&token.code(0)), Code::Accept);
    let again = nas.pap(&server, "alice", &token.code(1), &[STATION, (STATE, &state)]);
    assert_eq!(nas.reply(&again).code, Code::Reject, "used");
}

#[test]
fn state_that_is_none_lets_nobody_in() {
    let server = site("challenge_lifetime = 10").start();
    let token = server.enrol("alice");
    let nas = Nas::new();
    let forged = format!("mfa-{}", "0".repeat(32));
    let long = "x".repeat(253);
    for state in [forged.as_str(), "mfa-", "x", &long] {
        let reply = nas.reply(&nas.pap(&server, "alice", &token.code(0), &[STATION, (STATE, state)]));
        assert_eq!(reply.code, Code::Reject, "{state}");
    }
    let talk = Talk::begin(&server, &nas, "alice");
    let state = talk.state();
    let two = nas.pap(&server, "alice", &token.code(0), &[STATION, (STATE, &state), (STATE, &state)]);
    assert_eq!(nas.reply(&two).code, Code::Reject, "two States");
    let talk = Talk::begin(&server, &nas, "alice");
    let without = nas.pap(&server, "alice", &token.code(0), &[STATION]);
    assert_eq!(nas.reply(&without).code, Code::Reject, "no State, and no password");
    drop(talk);
}

#[test]
fn conversation_goes_on_after_a_restart() {
    let mut server = site("").start();
    let token = server.enrol("alice");
    let nas = Nas::new();
    let talk = Talk::begin(&server, &nas, "alice");
    let state = talk.state();
    assert!(server.down());
    server.up().unwrap_or_else(|refused| panic!("{}", refused.0));
    let nas = Nas::new();
    let sent = nas.pap(&server, "alice", &token.code(0), &[STATION, (STATE, &state)]);
    assert_eq!(nas.reply(&sent).code, Code::Accept);
}

#[test]
fn two_conversations_of_a_user_do_not_disturb_each_other() {
    let server = site("").start();
    let token = server.enrol("alice");
    let nas = Nas::new();
    let mut first = Talk::begin(&server, &nas, "alice");
    let mut second = Talk::begin(&server, &nas, "alice");
    assert_eq!(first.say("000000"), Code::Challenge);
    assert_eq!(second.say(&token.code(0)), Code::Accept);
    assert_eq!(first.say(&token.code(1)), Code::Accept);
}

#[test]
fn state_fired_a_thousand_times_at_once_is_redeemed_once() {
    let webhook = Webhook::start();
    let server = site(&format!(
        "push {{\n{}\n}}\nlockout {{\nslow_after = 1000\nlock_after = 1000\nlock_after_unproven = 1000\n}}",
        webhook.options()
    ))
    .start();
    let token = server.enrol("alice");
    let nas = Nas::new();
    let talk = Talk::begin(&server, &nas, "alice");
    let state = talk.state();
    let packets: Vec<Packet> = (0..1000)
        .map(|n| {
            Packet::pap(n, b"alice", token.code(0).as_bytes())
                .with(STATION.0, STATION.1.as_bytes())
                .with(STATE, state.as_bytes())
        })
        .collect();
    let codes = wire::burst(&server, &packets);
    assert_eq!(codes.iter().filter(|code| **code == Code::Accept).count(), 1);
    assert_eq!(codes.iter().filter(|code| **code == Code::Challenge).count(), 0);
}

const NUMBER: &str = "+41791234567";

#[test]
fn code_comes_by_text_message_and_works_once_in_its_conversation() {
    let kannel = Kannel::start();
    let server = site(&kannel.options()).start();
    server.admin(&["user", "add", "alice"]);
    server.admin(&["token", "add", "alice", "sms", NUMBER]);
    let nas = Nas::new();
    let mut talk = Talk::begin(&server, &nas, "alice");
    assert_eq!(talk.reads(), "Confirm your login:\n1. Text message to XXX-XXX-4567\nOption (1): ");
    assert_eq!(talk.say("SMS"), Code::Challenge);
    assert_eq!(talk.reads(), "Enter the code sent to XXX-XXX-4567: ");
    let code = code_in(&kannel.wait_for(NUMBER, 1).text);
    let mut other = Talk::begin(&server, &nas, "alice");
    assert_eq!(other.say(&code), Code::Challenge, "another conversation's");
    assert_eq!(talk.say("1"), Code::Challenge);
    assert!(talk.reads().starts_with("A code was sent a moment ago."), "{}", talk.reads());
    assert_eq!(kannel.texts_to(NUMBER).len(), 1);
    assert_eq!(talk.say(&code), Code::Accept);
    let mut again = Talk::begin(&server, &nas, "alice");
    assert_eq!(again.say(&code), Code::Challenge, "used");
    assert!(server.audit("alice").contains(&("accept".into(), "right code".into())));
    assert!(!server.log().contains("4567") && !server.log().contains(&code), "neither number nor code");
}

#[test]
fn code_comes_by_mail_and_wears_off() {
    let smtp = Smtp::start();
    let options = format!("{}codes {{\ntries = 2\n}}\nlockout {{\nslow_after = 10\n}}\n", smtp.options());
    let server = site(&options).start();
    server.admin(&["user", "add", "alice"]);
    server.admin(&["token", "add", "alice", "email", "alice@example.test"]);
    let nas = Nas::new();
    let mut talk = Talk::begin(&server, &nas, "alice");
    assert_eq!(talk.say("1"), Code::Challenge);
    assert_eq!(talk.reads(), "Enter the code sent to a***@example.test: ");
    let code = code_in(smtp.wait_for("alice@example.test", 1).text());
    let wrong = |n: u32| format!("{:06}", (code.parse::<u32>().unwrap() + n) % 1_000_000);
    assert_eq!(talk.say(&wrong(1)), Code::Challenge);
    assert_eq!(talk.say(&wrong(2)), Code::Challenge);
    assert_eq!(talk.say(&code), Code::Reject, "worn off, and no more tries");
    let mut talk = Talk::begin(&server, &nas, "alice");
    assert_eq!(talk.say("email"), Code::Challenge);
    let code = code_in(smtp.wait_for("alice@example.test", 2).text());
    assert_eq!(talk.say(&code), Code::Accept);
}

#[test]
fn code_that_cannot_be_sent_leaves_the_other_ways() {
    let smtp = Smtp::start();
    let mut kannel = Kannel::start();
    kannel.disconnect();
    let server = site(&format!("{}{}", kannel.options(), smtp.options())).start();
    server.admin(&["user", "add", "alice"]);
    server.admin(&["token", "add", "alice", "sms", NUMBER]);
    server.admin(&["token", "add", "alice", "email", "alice@example.test"]);
    let nas = Nas::new();
    let mut talk = Talk::begin(&server, &nas, "alice");
    assert_eq!(talk.say("sms"), Code::Challenge);
    assert!(talk.reads().starts_with("The code could not be sent.\n"), "{}", talk.reads());
    assert!(server.logged("sms: not sent by kannel: "), "for whoever looks after the gateway");
    assert_eq!(talk.say("sms"), Code::Challenge);
    assert!(talk.reads().starts_with("The code could not be sent.\n"), "it is tried again: {}", talk.reads());
    assert_eq!(talk.say("email"), Code::Challenge);
    let code = code_in(smtp.wait_for("alice@example.test", 1).text());
    assert_eq!(talk.say(&code), Code::Accept);
}

#[test]
fn word_in_passcode_mode_sends_a_code_to_whoever_has_one_and_tells_all_the_same() {
    let kannel = Kannel::start();
    let server = Site::passcode().with(&kannel.options()).start();
    server.admin(&["user", "add", "alice"]);
    server.admin(&["token", "add", "alice", "sms", NUMBER]);
    let nas = Nas::new();
    let say = |user, text: &str| nas.reply(&nas.pap(&server, user, text, &[STATION]));
    let (known, unknown) = (say("alice", "sms"), say("nobody", "sms"));
    assert_eq!((known.code, unknown.code), (Code::Challenge, Code::Challenge));
    assert_eq!(known.get("Reply-Message"), unknown.get("Reply-Message"));
    let again = say("alice", "sms");
    assert_eq!(again.get("Reply-Message"), known.get("Reply-Message"));
    let answer = |user, code: &str, reply: &Reply| {
        let state = reply.get("State").unwrap();
        nas.reply(&nas.pap(&server, user, code, &[STATION, (STATE, state)]))
    };
    let code = code_in(&kannel.wait_for(NUMBER, 1).text);
    let wrong = format!("{:06}", (code.parse::<u32>().unwrap() + 1) % 1_000_000);
    let (refused, unknown) = (answer("alice", &wrong, &known), answer("nobody", &wrong, &unknown));
    assert_eq!((refused.code, unknown.code), (Code::Reject, Code::Reject), "asked once");
    assert_eq!(refused.get("Reply-Message"), unknown.get("Reply-Message"));
    assert_eq!(answer("alice", &code, &again).code, Code::Accept, "by the State that came last");
    assert_eq!(kannel.texts_to(NUMBER).len(), 1);
}

#[test]
fn where_no_challenge_is_shown_the_next_login_brings_the_code() {
    let kannel = Kannel::start();
    let server = Site::passcode().with(&format!("client_profile = leostream\n{}", kannel.options())).start();
    server.admin(&["user", "add", "alice"]);
    server.admin(&["token", "add", "alice", "sms", NUMBER]);
    let nas = Nas::new();
    let say = |text: &str| nas.reply(&nas.pap(&server, "alice", text, &[STATION]));
    for _ in 0..2 {
        let reply = say("sms");
        assert_eq!(reply.code, Code::Reject);
        assert_eq!(reply.get("Reply-Message"), Some("Passcodes were sent. Log in with one of them."));
    }
    let code = code_in(&kannel.wait_for(NUMBER, 1).text);
    assert_eq!(kannel.texts_to(NUMBER).len(), 1, "a packet that comes again sends no other");
    assert_eq!((say(&code).code, say(&code).code), (Code::Accept, Code::Reject));
}

#[test]
fn user_whose_codes_nobody_sends_is_refused_with_the_reason() {
    let server = site("").start();
    server.admin(&["user", "add", "alice"]);
    server.admin(&["token", "add", "alice", "sms", NUMBER]);
    let nas = Nas::new();
    assert_eq!(Talk::begin(&server, &nas, "alice").last.code, Code::Reject);
    assert_eq!(server.audit("alice"), [("reject".into(), "no device for it".into())]);
}
