//! Users who are asked on their devices: for how long, how often, and who is not.

use crate::harness::nas::elsewhere;
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{CALLING_STATION, STATE};
use crate::harness::{Code, Login, Nas, Reply, SOON, Server, Site};
use std::time::{Duration, Instant};

fn auto(webhook: &Webhook, options: &str) -> Site {
    Site::auto(&format!("{}\n{options}", webhook.options()))
}

/// No password is verified.
fn passcode(webhook: &Webhook, options: &str) -> Site {
    Site::passcode().with(&format!("push {{\n{}\n{options}\n}}", webhook.options()))
}

fn login(server: &Server, user: &str) -> Reply {
    Login::pap(user, PASSWORD).send(server)
}

/// The last recorded reason.
fn reason(server: &Server, user: &str) -> String {
    server.audit(user).pop().unwrap().1
}

const NOT_ANSWERED: Option<&str> = Some("The request was not answered in time.");

#[test]
fn question_ends_at_its_limit_and_is_taken_back() {
    let webhook = Webhook::start();
    let limits = "if (&User-Name == \"short\") {\nupdate control {\nMFA-Wait-Limit := 1\n}\n}\n\
                  if (&User-Name == \"long\") {\nupdate control {\nMFA-Wait-Limit := 60\n}\n}";
    let server = auto(&webhook, "limit = 6").first(limits).start();
    let start = Instant::now();
    let under = ["short", "plain", "long"].map(|user| Login::pap(user, PASSWORD).start(&server));
    let mut expiries: Vec<_> = webhook.wait_for(3).into_iter().map(|p| (p.user, p.expires_in)).collect();
    expiries.sort();
    assert_eq!(expiries, [("long".into(), 6), ("plain".into(), 6), ("short".into(), 1)]);
    let [short, plain, long] = under;
    assert_eq!(short.reply().said(), (Code::Reject, NOT_ANSWERED));
    assert!(plain.waits() && long.waits() && start.elapsed() >= Duration::from_secs(1));
    assert_eq!(plain.reply().said(), (Code::Reject, NOT_ANSWERED));
    assert_eq!(long.reply().said(), (Code::Reject, NOT_ANSWERED));
    assert!(start.elapsed() >= Duration::from_secs(6), "{:?}", start.elapsed());
    while webhook.cancelled() < 3 {
        assert!(start.elapsed() < SOON, "{} taken back", webhook.cancelled());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(reason(&server, "long"), "not answered in time");
}

#[test]
fn user_without_answer_is_asked_for_a_passcode() {
    let webhook = Webhook::start();
    let mut site = auto(&webhook, "limit = 1\non_timeout = challenge");
    site.root = elsewhere();
    let server = site.start();
    let station = |value| (CALLING_STATION, value);
    let users = ["alice", "bob", "carol", "dora", "eve"];
    let tokens = users.map(|user| server.enrol(user));
    let (nas, other) = (Nas::new(), Nas::at("127.0.0.2"));
    let sent = users.map(|user| nas.pap(&server, user, PASSWORD, &[station("7")]));
    let states = sent.map(|sent| {
        let reply = nas.reply(&sent);
        assert_eq!(reply.code, Code::Challenge);
        assert!(
            reply.get("Reply-Message").unwrap().ends_with("1. Push to your device\nPasscode or option (1): ")
        );
        reply.get("State").unwrap().to_owned()
    });
    let answer = |nas: &Nas, user: &str, code: &str, state: usize, from| {
        let sent = nas.pap(&server, user, code, &[station(from), (STATE, states[state].as_str())]);
        nas.reply(&sent).code
    };
    assert_eq!(answer(&nas, "alice", &tokens[0].code(0), 0, "7"), Code::Accept);
    assert_eq!(reason(&server, "alice"), "right code");
    assert_eq!(answer(&nas, "alice", &tokens[0].code(1), 0, "7"), Code::Reject, "used");
    assert_eq!(answer(&nas, "alice", &tokens[0].code(1), 1, "7"), Code::Reject, "bob's");
    assert_eq!(reason(&server, "alice"), "unknown or used State");
    assert_eq!(answer(&nas, "bob", &tokens[1].code(0), 1, "7"), Code::Reject, "and his is gone, too");
    assert_eq!(answer(&other, "carol", &tokens[2].code(0), 2, "7"), Code::Reject, "another client");
    assert_eq!(answer(&nas, "dora", &tokens[3].code(0), 3, "8"), Code::Reject, "another station");
    assert_eq!(answer(&nas, "eve", "000000", 4, "7"), Code::Challenge, "wrong");
    assert_eq!(answer(&nas, "eve", &tokens[4].code(0), 4, "7"), Code::Reject, "used");
    let random =
        nas.pap(&server, "alice", &tokens[0].code(1), &[(STATE, "0123456789abcdef0123456789abcdef")]);
    assert_eq!(nas.reply(&random).code, Code::Reject);
    assert_eq!(webhook.asked(), 5);
}

#[test]
fn user_may_be_asked_again_and_a_wrong_code_counts_as_one_behind_a_right_password() {
    let webhook = Webhook::start();
    let server =
        auto(&webhook, "limit = 1\non_timeout = challenge").with("lockout {\nlock_after = 1\n}").start();
    server.enrol("alice");
    let nas = Nas::new();
    let challenge = || {
        let reply = nas.reply(&nas.pap(&server, "alice", PASSWORD, &[]));
        assert_eq!(reply.code, Code::Challenge);
        reply.get("State").unwrap().to_owned()
    };
    let again = nas.pap(&server, "alice", "1", &[(STATE, &challenge())]);
    webhook.wait_for(1);
    assert_eq!(webhook.approve("alice"), 1);
    assert_eq!(nas.reply(&again).code, Code::Accept);
    let wrong = nas.pap(&server, "alice", "000000", &[(STATE, &challenge())]);
    assert_eq!(nas.reply(&wrong).code, Code::Reject, "not asked again, since it is the one too many");
    assert_eq!(reason(&server, "alice"), "too many failures, locked now");
    assert_eq!(login(&server, "alice").code, Code::Reject);
    assert_eq!(reason(&server, "alice"), "locked");
}

#[test]
fn user_is_asked_so_often_an_hour() {
    let webhook = Webhook::start();
    webhook.preset(None, "approved", Duration::ZERO);
    let server = auto(&webhook, "per_hour = 2").start();
    let codes = ["alice", "EXAMPLE\\Alice", "alice"].map(|user| login(&server, user).code);
    assert_eq!(codes, [Code::Accept, Code::Accept, Code::Reject]);
    assert_eq!(reason(&server, "alice"), "asked too often");
    assert_eq!(login(&server, "bob").code, Code::Accept);
    assert_eq!(webhook.asked(), 3);
}

#[test]
fn who_says_no_is_left_in_peace_for_a_while() {
    let webhook = Webhook::start();
    webhook.preset(None, "denied", Duration::ZERO);
    let server = auto(&webhook, "result_cache = 0\npause_after_denial = 2").start();
    assert_eq!(login(&server, "alice").code, Code::Reject);
    assert_eq!(reason(&server, "alice"), "denied by the user");
    assert_eq!(login(&server, "alice").code, Code::Reject);
    assert_eq!(reason(&server, "alice"), "denied a moment ago");
    std::thread::sleep(Duration::from_millis(2100));
    webhook.preset(None, "approved", Duration::ZERO);
    assert_eq!(login(&server, "alice").code, Code::Accept);
    assert_eq!(webhook.asked(), 2);
}

#[test]
fn fraud_locks_the_user_whether_the_store_knew_him_or_not() {
    let webhook = Webhook::start();
    webhook.preset(None, "fraud", Duration::ZERO);
    let server = auto(&webhook, "result_cache = 0").start();
    server.admin(&["user", "add", "alice"]);
    for user in ["alice", "bob"] {
        assert_eq!(login(&server, user).said(), (Code::Reject, None));
        assert_eq!(server.audit(user), [("reject".into(), "reported as fraud".into())]);
        assert!(server.admin(&["user", "show", user]).contains("locked"));
        let log = server.log();
        let line = log.lines().find(|line| line.contains(&format!("{user}: reject: reported as fraud")));
        assert!(line.unwrap().contains(" : Error: "), "{line:?}");
        assert_eq!(login(&server, user).code, Code::Reject);
        assert_eq!(reason(&server, user), "locked");
    }
    assert_eq!(webhook.asked(), 2);
    webhook.preset(None, "approved", Duration::ZERO);
    server.admin(&["user", "unlock", "bob"]);
    assert_eq!(login(&server, "bob").code, Code::Accept);
}

#[test]
fn without_a_password_nobody_learns_whom_there_is_to_ask() {
    let webhook = Webhook::start();
    for (user, status) in
        [("ghost", "unknown"), ("bare", "no_device"), ("barred", "locked"), ("often", "approved")]
    {
        webhook.preset(Some(user), status, Duration::ZERO);
    }
    let options = "limit = 6\nper_hour_unproven = 1\non_timeout = challenge";
    let server = passcode(&webhook, options).start();
    server.enrol("locked");
    server.admin(&["user", "lock", "locked"]);
    assert_eq!(Login::pap("often", "push").send(&server).code, Code::Accept);
    let start = Instant::now();
    let under = ["silent", "ghost", "bare", "barred", "often", "locked"].map(|user| {
        let login = Login::pap(user, "push").start(&server);
        (user, std::thread::spawn(move || (login.reply(), start.elapsed())))
    });
    webhook.wait_for(1);
    // The user who approved before, and all who may be asked now.
    while webhook.asked() < 5 {
        assert!(start.elapsed() < SOON, "{} asked", webhook.asked());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(
        Login::pap("ghost", "phone").send(&server).said(),
        Login::pap("silent", "phone").send(&server).said()
    );
    let mut times = Vec::new();
    for (user, login) in under {
        let (reply, time) = login.join().unwrap();
        assert_eq!(reply.said(), (Code::Reject, None), "{user}");
        times.push(time);
    }
    let (least, most) = (times.iter().min().unwrap(), times.iter().max().unwrap());
    let limit = Duration::from_secs(6);
    assert!(*least >= limit && *most - *least < limit, "{times:?}");
    let asked = ["silent", "ghost", "bare", "barred", "often"].len() as u64;
    assert_eq!(webhook.asked(), asked, "once each, and never who is locked");
    for (user, why) in [
        ("silent", "not answered in time"),
        ("ghost", "unknown to the provider"),
        ("bare", "no device for it"),
        ("barred", "locked by the provider"),
        ("often", "asked too often"),
        ("locked", "locked"),
    ] {
        assert_eq!(reason(&server, user), why);
    }
}

#[test]
fn after_a_right_password_it_is_told_at_once() {
    let webhook = Webhook::start();
    webhook.preset(Some("ghost"), "unknown", Duration::ZERO);
    let server = passcode(&webhook, "limit = 20").with("first_factor = client").start();
    server.admin(&["user", "add", "locked"]);
    server.admin(&["user", "lock", "locked"]);
    let start = Instant::now();
    for (user, why) in [("ghost", "unknown to the provider"), ("locked", "locked")] {
        assert_eq!(Login::pap(user, "push").send(&server).code, Code::Reject);
        assert_eq!(reason(&server, user), why);
    }
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn exempt_user_is_not_asked() {
    let webhook = Webhook::start();
    let server = auto(&webhook, "").first("update control {\nMFA-Exempt := yes\n}").start();
    assert_eq!(login(&server, "alice").code, Code::Accept);
    assert_eq!(reason(&server, "alice"), "exempt");
    assert_eq!(Login::pap("alice", "wrong").send(&server).code, Code::Reject);
    assert_eq!(webhook.asked(), 0);
}

#[test]
fn passcode_of_a_token_is_taken_without_asking_the_provider() {
    let webhook = Webhook::start();
    let server = passcode(&webhook, "").start();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Reject);
    assert_eq!(Login::pap("bob", "123456").send(&server).code, Code::Reject);
    let server = auto(&webhook, "").start();
    let alice = server.enrol("alice");
    let field = format!("{PASSWORD},{}", alice.code(0));
    assert_eq!(Login::pap("alice", &field).send(&server).code, Code::Accept);
    assert_eq!(Login::pap("alice", &format!("wrong,{}", alice.code(1))).send(&server).code, Code::Reject);
    assert_eq!(webhook.asked(), 0);
}
