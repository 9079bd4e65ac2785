//! A client resends a packet after the server has forgotten it (`cleanup_delay`): the same datagram gets the same decision, and
//! any other is another attempt.

use crate::harness::kannel::Kannel;
use crate::harness::mschap;
use crate::harness::oath::code_in;
use crate::harness::raw::{self, Client};
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{NAS_PORT, Packet, STATE, USER_NAME};
use crate::harness::{Code, SOON, Server, Site};
use std::thread::sleep;
use std::time::Duration;

const NUMBER: &str = "+41791234567";

fn challenge(mfa: &str) -> Site {
    Site { mfa: format!("mode = challenge\ndelimiter = \",\"\n{mfa}"), ..Site::auto("") }
}

/// Sends it, and has the server forget it, as it does after `cleanup_delay`.
fn send(client: &Client, packet: &Packet) -> (Code, Vec<u8>) {
    client.send(packet);
    let answer = client.answer_to(packet, SOON).expect("an answer");
    forget(client, packet);
    answer
}

/// The same port and identifier, another packet: the server drops what it had.
fn forget(client: &Client, packet: &Packet) {
    let other = Packet::new(packet.finish()[1], [0xee; 16]).with(USER_NAME, b"nobody");
    client.send(&other);
    assert_eq!(client.answer_to(&other, SOON).expect("an answer").0, Code::Reject);
}

fn code(client: &Client, packet: &Packet) -> Code {
    send(client, packet).0
}

fn state(answer: &[u8]) -> Vec<u8> {
    raw::values(answer, STATE).remove(0)
}

fn reasons(server: &Server, user: &str) -> Vec<String> {
    server.audit(user).into_iter().map(|(verdict, reason)| format!("{verdict}: {reason}")).collect()
}

/// MS-CHAPv2, with an authenticator made from `seed`.
fn ms_chap2(seed: u64, user: &str, password: &str) -> Packet {
    let (challenge, peer) = ([0x5b; 16], [0x21; 16]);
    let vendor = |kind: u8, value: &[u8]| {
        [&[0, 0, 1, 55, kind, u8::try_from(value.len() + 2).unwrap()], value].concat()
    };
    Packet::new(seed as u8, [seed as u8; 16])
        .with(USER_NAME, user.as_bytes())
        .with(26, &vendor(11, &challenge))
        .with(26, &vendor(25, &mschap::response(user, password, &challenge, &peer)))
}

fn all_protocols(seed: u64, user: &str, code: &str) -> [Packet; 3] {
    [
        Packet::pap(seed, user.as_bytes(), code.as_bytes()),
        Packet::chap(seed, user.as_bytes(), code.as_bytes()),
        ms_chap2(seed, user, code),
    ]
}

#[test]
fn same_datagram_is_accepted_again_and_any_other_octet_is_another_attempt() {
    let server = Site::passcode().with("lockout {\nslow_after = 100\n}").start();
    for (protocol, user) in ["alice", "bob", "carol"].into_iter().enumerate() {
        let token = server.enrol(user);
        let client = Client::of(&server);
        let packet = |seed: u64| all_protocols(seed, user, &token.code(0))[protocol].clone();
        assert_eq!([code(&client, &packet(1)), code(&client, &packet(1))], [Code::Accept; 2], "{user}");
        let others = [packet(2), packet(1).with(NAS_PORT, &[0, 0, 0, 1])];
        for other in &others {
            assert_eq!([code(&client, other), code(&client, other)], [Code::Reject; 2], "{user}");
        }
        assert_eq!(code(&Client::of(&server), &packet(1)), Code::Reject, "{user}: from another port");
        assert_eq!(code(&client, &packet(1)), Code::Accept, "{user}");
        let spent = "reject: code already used";
        let repeated = "accept: repeated";
        assert_eq!(
            reasons(&server, user),
            ["accept: right code", repeated, spent, spent, spent, spent, spent, repeated]
        );
    }
}

#[test]
fn later_passcode_takes_nothing_from_an_earlier_datagram() {
    let server = Site::passcode().start();
    let token = server.enrol("alice");
    let client = Client::of(&server);
    let [first, second] = [0, 3].map(|n| Packet::chap(n + 1, b"alice", token.code(n).as_bytes()));
    assert_eq!([code(&client, &first), code(&client, &second)], [Code::Accept; 2]);
    assert_eq!([code(&client, &first), code(&client, &second)], [Code::Accept; 2]);
    let recovery = server.recovery("alice").remove(0);
    let packet = Packet::pap(7, b"alice", recovery.as_bytes());
    assert_eq!([code(&client, &packet), code(&client, &packet)], [Code::Accept; 2]);
    let other = Packet::pap(8, b"alice", recovery.as_bytes());
    assert_eq!(code(&client, &other), Code::Reject);
}

#[test]
fn lock_disabled_token_and_deleted_user_end_it() {
    let server = Site::passcode().start();
    let client = Client::of(&server);
    for (seed, user, act) in [
        (1, "alice", &["user", "lock", "alice"][..]),
        (2, "bob", &["token", "disable", "bob", "hotp1"]),
        (3, "carol", &["user", "delete", "--yes", "carol"]),
    ] {
        let token = server.enrol(user);
        let packet = Packet::pap(seed, user.as_bytes(), token.code(0).as_bytes());
        assert_eq!([code(&client, &packet), code(&client, &packet)], [Code::Accept; 2], "{user}");
        server.admin(act);
        assert_eq!(code(&client, &packet), Code::Reject, "{user}");
    }
}

#[test]
fn window_ends() {
    let server = Site::passcode().with("resend_time = 1").start();
    let token = server.enrol("alice");
    let client = Client::of(&server);
    let packet = Packet::pap(1, b"alice", token.code(0).as_bytes());
    assert_eq!(code(&client, &packet), Code::Accept);
    sleep(Duration::from_millis(1100));
    assert_eq!(code(&client, &packet), Code::Reject);
    assert_eq!(reasons(&server, "alice"), ["accept: right code", "reject: code already used"]);
}

#[test]
fn password_in_front_of_the_passcode_is_checked_again() {
    let server = Site::append().start();
    let token = server.enrol("alice");
    let client = Client::of(&server);
    let right = Packet::pap(1, b"alice", format!("{PASSWORD}{}", token.code(0)).as_bytes());
    assert_eq!([code(&client, &right), code(&client, &right)], [Code::Accept; 2]);
    let wrong = Packet::pap(2, b"alice", format!("wrong{}", token.code(1)).as_bytes());
    assert_eq!([code(&client, &wrong), code(&client, &wrong)], [Code::Reject; 2]);
    assert_eq!(reasons(&server, "alice").last().unwrap(), "reject: code already used");

    // Where the module has it checked, a password that is changed meanwhile ends it.
    let server = Site::own("append", "first_factor = local").start();
    let token = server.enrol("alice");
    let set = |password: &str| {
        let ran = server.mfa_with(&["user", "password", "alice"], &format!("{password}\n"));
        assert!(ran.ok, "{}", ran.text);
    };
    set("first password");
    let client = Client::of(&server);
    let packet = Packet::pap(1, b"alice", format!("first password{}", token.code(0)).as_bytes());
    assert_eq!([code(&client, &packet), code(&client, &packet)], [Code::Accept; 2]);
    set("second password");
    assert_eq!(code(&client, &packet), Code::Reject);
    assert_eq!(
        reasons(&server, "alice"),
        ["accept: right code", "accept: repeated", "reject: wrong password"]
    );
}

#[test]
fn answers_of_a_conversation_get_the_same_challenge_and_the_same_accept() {
    let kannel = Kannel::start();
    let server = challenge(&kannel.options()).start();
    server.enrol("alice");
    server.admin(&["token", "add", "alice", "sms", NUMBER]);
    let client = Client::of(&server);
    let (first, answer) = send(&client, &Packet::pap(1, b"alice", PASSWORD.as_bytes()));
    assert_eq!(first, Code::Challenge);
    let choice = Packet::pap(2, b"alice", b"sms").with(STATE, &state(&answer));
    let (one, two) = (send(&client, &choice), send(&client, &choice));
    assert_eq!([one.0, two.0], [Code::Challenge; 2]);
    assert_eq!(state(&one.1), state(&two.1), "the same challenge");
    assert_eq!(raw::values(&one.1, 18), raw::values(&two.1, 18), "in the same words");
    let sent = code_in(&kannel.wait_for(NUMBER, 1).text);
    assert_eq!(kannel.texts_to(NUMBER).len(), 1);
    let code_packet = Packet::pap(3, b"alice", sent.as_bytes()).with(STATE, &state(&two.1));
    assert_eq!([code(&client, &code_packet), code(&client, &code_packet)], [Code::Accept; 2]);
    assert_eq!(code(&client, &choice), Code::Challenge, "its answer leads nowhere");
    let other = Packet::pap(4, b"alice", sent.as_bytes()).with(STATE, &state(&two.1));
    assert_eq!(code(&client, &other), Code::Reject, "another datagram redeems nothing");
    assert_eq!(
        reasons(&server, "alice"),
        [
            "challenge: asked for an answer",
            "challenge: codes sent",
            "challenge: challenge repeated",
            "accept: right code",
            "accept: repeated",
            "challenge: challenge repeated",
            "reject: unknown or used State"
        ]
    );
    server.admin(&["user", "lock", "alice"]);
    assert_eq!([code(&client, &code_packet), code(&client, &choice)], [Code::Reject; 2]);
}

#[test]
fn approved_push_is_accepted_again_and_asks_nobody() {
    let webhook = Webhook::start();
    let server = Site::auto(&webhook.options()).start();
    for (seed, field) in [(1, PASSWORD.to_owned()), (2, format!("{PASSWORD},push"))] {
        let client = Client::of(&server);
        let packet = Packet::pap(seed, b"alice", field.as_bytes());
        client.send(&packet);
        webhook.wait_for(1);
        webhook.approve("alice");
        assert_eq!(client.answer_to(&packet, SOON).unwrap().0, Code::Accept, "{field}");
        forget(&client, &packet);
        assert_eq!(code(&client, &packet), Code::Accept, "{field}");
        assert_eq!(webhook.asked(), seed, "{field}");
    }
    let client = Client::of(&server);
    let packet = Packet::pap(3, b"alice", PASSWORD.as_bytes());
    client.send(&packet);
    webhook.wait_for(1);
    webhook.deny("alice");
    assert_eq!(client.answer_to(&packet, SOON).unwrap().0, Code::Reject);
    let rows = reasons(&server, "alice");
    assert_eq!(rows[..4], ["accept: approved", "accept: repeated", "accept: approved", "accept: repeated"]);
}

#[test]
fn number_on_the_device_is_asked_for_once() {
    let webhook = Webhook::start();
    let server = Site::auto(&format!("{}\nnumber_match = yes", webhook.options())).start();
    let client = Client::of(&server);
    let login = Packet::pap(1, b"alice", PASSWORD.as_bytes());
    let (one, two) = (send(&client, &login), send(&client, &login));
    assert_eq!([one.0, two.0], [Code::Challenge; 2]);
    assert_eq!(state(&one.1), state(&two.1));
    let answer = Packet::pap(2, b"alice", b"").with(STATE, &state(&two.1));
    client.send(&answer);
    webhook.wait_for(1);
    webhook.approve("alice");
    assert_eq!(client.answer_to(&answer, SOON).unwrap().0, Code::Accept);
    forget(&client, &answer);
    assert_eq!(code(&client, &answer), Code::Accept);
    assert_eq!(code(&client, &login), Code::Challenge);
    assert_eq!(webhook.asked(), 1);
    let other = Packet::pap(3, b"alice", b"").with(STATE, &state(&two.1));
    assert_eq!(code(&client, &other), Code::Reject);
}

#[test]
fn accept_that_the_guard_has_waited_for_is_repeated_too() {
    let (webhook, behind) = (Webhook::start(), crate::proxy::behind());
    let site = Site::auto(&webhook.options()).with("client_profile = openvpn");
    let authorize = "mfa\nupdate control {\nProxy-To-Realm := behind\n}".to_owned();
    let server = Site { authorize, root: crate::proxy::realm(&behind), ..site }.start();
    let client = Client::of(&server);
    let packet = Packet::pap(1, b"alice", PASSWORD.as_bytes());
    client.send(&packet);
    webhook.wait_for(1);
    webhook.approve("alice");
    assert_eq!(client.answer_to(&packet, SOON).unwrap().0, Code::Accept);
    forget(&client, &packet);
    assert_eq!(code(&client, &packet), Code::Accept);
    assert_eq!(webhook.asked(), 1);
    assert_eq!(reasons(&server, "alice"), ["accept: approved", "accept: repeated"]);
}
