//! Guesses without number: from invented stations, over many names, and in conversations; and what becomes of users meanwhile.

use crate::harness::site::PASSWORD;
use crate::harness::wire::{CALLING_STATION, STATE};
use crate::harness::{Code, Login, Nas, Server, Site};

/// `pap` checks the password, then the user is asked for a code.
fn challenge(mfa: &str) -> Site {
    let site = Site::auto("");
    Site { mfa: format!("mode = challenge\n{mfa}"), ..site }
}

/// Wrong codes of this user, each from a station of its own.
fn flood(server: &Server, nas: &Nas, user: &str, count: u32) {
    let sent: Vec<_> = (0..count)
        .map(|n| {
            let station = format!("203.0.113.{n}");
            let sent = nas.pap(server, user, &format!("{n:06}"), &[(CALLING_STATION, &station)]);
            assert_eq!(nas.reply(&sent).code, Code::Reject);
        })
        .collect();
    assert_eq!(sent.len(), count as usize);
}

fn last(server: &Server, user: &str) -> (String, String) {
    server.audit(user).pop().unwrap()
}

#[test]
fn flood_of_guesses_locks_nobody_and_costs_a_second_code() {
    let (server, nas) = (Site::passcode().start(), Nas::new());
    let alice = server.enrol("alice");
    flood(&server, &nas, "alice", 40);
    let login =
        |code: String| nas.reply(&nas.pap(&server, "alice", &code, &[(CALLING_STATION, "home")])).code;
    assert_eq!(login(alice.code(0)), Code::Reject);
    assert_eq!(last(&server, "alice"), ("reject".into(), "right code, a second one is needed".into()));
    assert_eq!(login(alice.code(1)), Code::Accept);
}

#[test]
fn flood_of_guesses_does_not_hold_up_a_right_password_with_a_right_code() {
    let (server, nas) = (Site::append().start(), Nas::new());
    let alice = server.enrol("alice");
    flood(&server, &nas, "alice", 60);
    let right = format!("{PASSWORD}{}", alice.code(0));
    assert_eq!(nas.reply(&nas.pap(&server, "alice", &right, &[])).code, Code::Accept);
    let (server, nas) = (challenge("").start(), Nas::new());
    let alice = server.enrol("alice");
    flood(&server, &nas, "alice", 60);
    let asked = nas.reply(&nas.pap(&server, "alice", PASSWORD, &[]));
    assert_eq!(asked.code, Code::Challenge);
    let state = asked.get("State").unwrap();
    let answered = nas.reply(&nas.pap(&server, "alice", &alice.code(0), &[(STATE, state)]));
    assert_eq!(answered.code, Code::Accept);
}

#[test]
fn one_code_on_many_names_is_told_once_a_minute() {
    let (server, nas) = (Site::passcode().start(), Nas::new());
    for n in 0..40 {
        assert_eq!(nas.reply(&nas.pap(&server, &format!("user{n}"), "123456", &[])).code, Code::Reject);
    }
    assert!(
        server.logged("client 127.0.0.1: wrong logins for 30 or more names within 5 min"),
        "{}",
        server.log()
    );
    assert_eq!(server.log().matches("wrong logins for 30 or more names").count(), 1);
}

#[test]
fn last_try_of_a_conversation_is_not_too_many_failures() {
    let (server, nas) = (challenge("").start(), Nas::new());
    let alice = server.enrol("alice");
    let mut reply = nas.reply(&nas.pap(&server, "alice", PASSWORD, &[]));
    for (code, left) in
        [("000001", "3 tries left."), ("000002", "2 tries left."), ("000003", "One try left.")]
    {
        let state = reply.get("State").unwrap().to_owned();
        reply = nas.reply(&nas.pap(&server, "alice", code, &[(STATE, &state)]));
        let text = format!("This code is wrong. {left}\nEnter a passcode: ");
        assert_eq!(reply.said(), (Code::Challenge, Some(text.as_str())));
    }
    let state = reply.get("State").unwrap().to_owned();
    let answer = nas.reply(&nas.pap(&server, "alice", &alice.code(0), &[(STATE, &state)]));
    assert_eq!(answer.code, Code::Accept, "{:?}", last(&server, "alice"));
}

#[test]
fn user_reads_of_the_lock_at_once_and_no_number_of_minutes_without_an_end() {
    let (server, nas) = (challenge("lockout {\nlock_after = 2\n}").start(), Nas::new());
    server.enrol("alice");
    let mut reply = nas.reply(&nas.pap(&server, "alice", PASSWORD, &[]));
    for code in ["000001", "000002"] {
        let state = reply.get("State").unwrap().to_owned();
        reply = nas.reply(&nas.pap(&server, "alice", code, &[(STATE, &state)]));
    }
    assert_eq!(reply.said(), (Code::Reject, Some("Your account is locked for 15 min.")));
    assert_eq!(last(&server, "alice"), ("locked".into(), "too many failures, locked now".into()));
    server.admin(&["user", "lock", "alice"]);
    let reply = nas.reply(&nas.pap(&server, "alice", PASSWORD, &[]));
    assert_eq!(reply.said(), (Code::Reject, Some("Your account is locked. Ask your help desk.")));
}

#[test]
fn counts_survive_a_restart() {
    let (mut server, nas) = (Site::passcode().start(), Nas::new());
    let alice = server.enrol("alice");
    flood(&server, &nas, "alice", 40);
    assert!(server.down());
    server.up().unwrap();
    let login =
        |code: &str| Login::pap("alice", code).with("Calling-Station-Id", "\"home\"").send(&server).code;
    assert_eq!(login(&alice.code(0)), Code::Reject);
    assert_eq!(login(&alice.code(1)), Code::Accept);
}
