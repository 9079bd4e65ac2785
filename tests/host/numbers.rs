//! `number_match`: the user finds on the device the number that the login shows.

use crate::harness::nas::Sent;
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{CALLING_STATION, STATE};
use crate::harness::{Code, Login, Nas, Server, Site};
use std::time::Duration;

const STATION: (u8, &str) = (CALLING_STATION, "198.51.100.7");

fn site(webhook: &Webhook) -> Site {
    Site::auto(&format!("{}\nnumber_match = yes", webhook.options()))
}

fn start() -> (Webhook, Server, Nas) {
    let webhook = Webhook::start();
    let server = site(&webhook).start();
    (webhook, server, Nas::new())
}

/// The number that alice is shown, and the State of her answer.
fn shown(nas: &Nas, server: &Server) -> (String, String) {
    let reply = nas.reply(&nas.pap(server, "alice", PASSWORD, &[STATION]));
    assert_eq!(reply.code, Code::Challenge);
    let message = reply.get("Reply-Message").unwrap();
    let number: String = message.chars().filter(char::is_ascii_digit).collect();
    assert_eq!(message, format!("Choose {number} on your device, then type ok here: "));
    assert_eq!(number.len(), 2);
    (number, reply.get("State").unwrap().to_owned())
}

/// She presses Enter.
fn enter(nas: &Nas, server: &Server, state: &str) -> Sent {
    nas.pap(server, "alice", "", &[STATION, (STATE, state)])
}

/// A number that is another one.
fn other(number: &str) -> String {
    format!("{:02}", (number.parse::<u8>().unwrap() + 1) % 100)
}

#[test]
fn number_of_the_login_has_to_be_chosen_on_the_device() {
    let (webhook, server, nas) = start();
    let (number, state) = shown(&nas, &server);
    let pending = webhook.wait_for(1);
    assert_eq!(pending[0].number.as_deref(), Some(number.as_str()));
    let answer = enter(&nas, &server, &state);
    std::thread::sleep(Duration::from_millis(300));
    assert!(nas.waits(&answer), "parked");
    webhook.approve_with("alice", &number);
    assert_eq!(nas.reply(&answer).code, Code::Accept);
    assert_eq!(server.audit("alice"), [("accept".into(), "approved".into())]);
    let again = enter(&nas, &server, &state);
    assert_eq!(nas.reply(&again).code, Code::Reject, "one accept");

    let (number, state) = shown(&nas, &server);
    webhook.wait_for(1);
    webhook.approve_with("alice", &other(&number));
    assert_eq!(nas.reply(&enter(&nas, &server, &state)).code, Code::Reject);
    assert_eq!(webhook.asked(), 2);
}

#[test]
fn user_may_be_faster_on_his_device() {
    let (webhook, server, nas) = start();
    let (number, state) = shown(&nas, &server);
    webhook.wait_for(1);
    webhook.approve_with("alice", &number);
    let polled = webhook.polled();
    while webhook.polled() == polled {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(nas.reply(&enter(&nas, &server, &state)).code, Code::Accept);
}

#[test]
fn packets_that_come_again_show_the_same_number_and_wait_for_the_same_answer() {
    let (webhook, server, nas) = start();
    let (number, first) = shown(&nas, &server);
    let (again, second) = shown(&Nas::new(), &server);
    assert_eq!(number, again);
    assert_ne!(first, second);
    let other_station = nas.pap(&server, "alice", PASSWORD, &[(CALLING_STATION, "198.51.100.8")]);
    assert_eq!(nas.reply(&other_station).said(), (Code::Reject, Some("A request is already waiting.")));
    let older = enter(&nas, &server, &second);
    std::thread::sleep(Duration::from_millis(100));
    let newer = enter(&Nas::new(), &server, &second);
    assert_eq!(nas.reply(&older).code, Code::Reject);
    drop(newer);
    let newest = enter(&nas, &server, &first);
    std::thread::sleep(Duration::from_millis(300));
    assert!(nas.waits(&newest));
    webhook.approve_with("alice", &number);
    assert_eq!(nas.reply(&newest).code, Code::Accept);
    assert_eq!(webhook.asked(), 1);
}

#[test]
fn two_logins_of_one_user_have_a_question_each_and_an_approval_is_for_its_own() {
    let webhook = Webhook::start();
    let server =
        Site::auto(&format!("{}\nnumber_match = yes\nwaits_per_user = 2", webhook.options())).start();
    let nas = Nas::new();
    let ask = |station: &str| {
        let reply = nas.reply(&nas.pap(&server, "alice", PASSWORD, &[(CALLING_STATION, station)]));
        (reply.code, reply.get("State").unwrap_or_default().to_owned())
    };
    let answer = |station: &str, state: &str| {
        nas.pap(&server, "alice", "", &[(CALLING_STATION, station), (STATE, state)])
    };
    let [one, two, three] = ["198.51.100.7", "198.51.100.8", "198.51.100.9"];
    let [(first, first_state), (second, second_state)] = [ask(one), ask(two)];
    assert_eq!([first, second], [Code::Challenge; 2]);
    let pending = webhook.wait_for(2);
    assert_ne!(pending[0].number, pending[1].number);
    assert_eq!(ask(three).0, Code::Reject, "two and no more");
    let stolen = answer(one, &second_state);
    assert_eq!(nas.reply(&stolen).code, Code::Reject, "from another station");
    let (first, second) = (answer(one, &first_state), answer(two, &second_state));
    let of_second = pending.iter().find(|pending| pending.calling_station == two).unwrap();
    assert_eq!(webhook.approve_question(&of_second.id), 1);
    assert_eq!(nas.reply(&second).code, Code::Accept);
    std::thread::sleep(Duration::from_millis(300));
    assert!(nas.waits(&first), "it has a question of its own");
    assert_eq!(webhook.deny("alice"), 1);
    assert_eq!(nas.reply(&first).code, Code::Reject);
    assert_eq!(webhook.asked(), 2);
}

#[test]
fn more_than_one_wait_needs_a_number() {
    let webhook = Webhook::start();
    let site = Site::auto(&format!("{}\nwaits_per_user = 2", webhook.options()));
    let refused = Server::prepare(site).check().text;
    assert!(refused.contains("above 1 needs \"number_match = yes\""), "{refused}");
}

#[test]
fn answer_of_somebody_else_ends_nothing() {
    let (webhook, server, nas) = start();
    let (number, state) = shown(&nas, &server);
    webhook.wait_for(1);
    webhook.approve_with("alice", &number);
    std::thread::sleep(Duration::from_millis(300));
    for (user, station) in [("bob", STATION), ("alice", (CALLING_STATION, "198.51.100.8"))] {
        let stolen = nas.pap(&server, user, "", &[station, (STATE, state.as_str())]);
        assert_eq!(nas.reply(&stolen).code, Code::Reject, "{user}");
    }
}

#[test]
fn client_that_shows_nothing_is_refused_with_the_reason() {
    let webhook = Webhook::start();
    let mut site = site(&webhook);
    site.authorize = format!("mschap\n{}", site.authorize);
    site.authenticate.push_str("\nAuth-Type MS-CHAP {\nmschap\nmfa\n}");
    let server = site.start();
    assert_eq!(Login::mschap2("alice", PASSWORD).send(&server).code, Code::Reject);
    assert_eq!(server.audit("alice"), [("reject".into(), "the client shows no challenges".into())]);
    assert!(server.logged("needs a client that sends PAP and shows challenges"));
    assert_eq!(webhook.asked(), 0);
}
