//! Where features meet: what a stranger could gain from two of them together that neither gives alone.

use super::proxy::{behind, realm};
use crate::harness::raw::{self, Client};
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::{CALLING_STATION, Packet, REPLY_MESSAGE, STATE};
use crate::harness::{Code, Nas, SOON, Server, Site};
use std::time::{Duration, Instant};

const PATIENT: &str = "lockout {\nslow_after = 1000\nlock_after_unproven = 10000\n}";
const MADE_UP: &[u8] = b"mfa-00000000000000000000000000000000";

fn append() -> Site {
    Site::append().with("delimiter = \",\"").with(PATIENT).last("Post-Auth-Type REJECT {\nmfa\n}")
}

/// Code and attributes of the answer, in order, but for the signature and the random octets of a State.
fn answer(server: &Server, packet: &Packet) -> (Code, Vec<(u8, Vec<u8>)>) {
    let client = Client::of(server);
    client.send(packet);
    let (code, octets) = client.answer_to(packet, SOON).expect("an answer");
    let (mut attributes, mut rest) = (Vec::new(), &octets[20..]);
    while let [kind, length, ..] = *rest {
        let (attribute, behind) = rest.split_at(usize::from(length));
        let value = match kind {
            raw::MESSAGE_AUTHENTICATOR => Vec::new(),
            STATE => attribute[2..6].to_vec(),
            _ => attribute[2..].to_vec(),
        };
        attributes.push((kind, value));
        rest = behind;
    }
    (code, attributes)
}

fn pap(user: &str, field: &str) -> Packet {
    Packet::pap(7, user.as_bytes(), field.as_bytes())
}

fn number(server: &Server, sql: &str) -> i64 {
    let database = rusqlite::Connection::open(server.store.join("mfa.db")).unwrap();
    database.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn exemption_behind_mfa_is_no_accept_for_a_state_that_was_made_up() {
    let webhook = Webhook::start();
    let exempt = "if (&User-Name == \"svc\") {\nupdate control {\nMFA-Exempt := yes\n}\n}";
    let mut append = append();
    append.authenticate += "\nAuth-Type mfa {\nmfa\n}";
    for site in [Site::auto(&webhook.options()), append, Site::passcode()] {
        let authorize = site.authorize.replace("mfa\npap", &format!("mfa\n{exempt}\npap"));
        let authorize = if authorize.contains(exempt) { authorize } else { format!("{authorize}\n{exempt}") };
        let server = Site { authorize, ..site }.start();
        for twice in [pap("svc", "anything"), pap("svc", "anything").with(STATE, MADE_UP)] {
            assert_eq!(answer(&server, &twice).0, Code::Reject, "{}", server.site.mfa);
        }
        assert!(server.audit("svc").iter().all(|(verdict, _)| verdict != "accept"));
    }
}

#[test]
fn what_the_server_says_beside_a_refusal_does_not_tell_that_the_passcode_was_right() {
    let said = "update reply {\nReply-Message := \"Welcome.\"\nSession-Timeout := 60\n}";
    let behind_mfa = append().authorize.replace("mfa\npap", &format!("mfa\n{said}\npap"));
    let before_mfa = append().authorize.replace("mfa\npap", &format!("{said}\nmfa\npap"));
    let mut home = behind().site.clone();
    home.post_auth = format!("Post-Auth-Type REJECT {{\n{said}\n}}");
    let home = home.start();
    let mut proxied = append();
    proxied.authorize = "mfa\nupdate control {\nProxy-To-Realm := behind\n}".into();
    proxied.root = realm(&home);
    let with = |authorize: String| Site { authorize, ..append() };
    for site in [with(behind_mfa), with(before_mfa), proxied] {
        let server = site.start();
        let alice = server.enrol("alice");
        let wrong = answer(&server, &pap("alice", "wrong,000000"));
        let right = answer(&server, &pap("alice", &format!("wrong,{}", alice.code(0))));
        assert_eq!(wrong.0, Code::Reject);
        assert_eq!(right, wrong, "{}", server.site.authorize);
        let accept = answer(&server, &pap("alice", &format!("{PASSWORD},{}", alice.code(1))));
        assert_eq!(accept.0, Code::Accept);
    }
}

/// By how much the server has held rejects back, as its debug log tells.
fn delays(server: &Server) -> Vec<f64> {
    let log = server.log();
    let lines = log.lines().filter_map(|line| line.split_once("Delaying response for "));
    lines.map(|(_, rest)| rest.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn refusals_that_are_held_back_longer_do_not_tell_that_the_passcode_was_right() {
    let site = Site { reject_delay: 1.0, arguments: vec!["-xx"], ..append() };
    let server = site.start();
    let alice = server.enrol("alice");
    let nas = Nas::new();
    let mut sent = Vec::new();
    let mut send = |field: String| {
        let before = number(&server, "SELECT count(*) FROM attempt");
        sent.push(nas.pap(&server, "alice", &field, &[]));
        let since = Instant::now();
        while number(&server, "SELECT count(*) FROM attempt") == before {
            assert!(since.elapsed() < SOON, "not recorded");
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    (0..32).for_each(|n| send(format!("wrong,1000{n:02}")));
    send(format!("other,{}", alice.code(0)));
    sent.iter().for_each(|sent| assert_eq!(nas.reply(sent).code, Code::Reject));
    assert_eq!(server.audit("alice").pop().unwrap().0, "pending");
    let delays = delays(&server);
    assert_eq!(delays.len(), 33);
    assert!(delays[31] > 1.5 && delays[32] > 1.5, "{delays:?}");
}

#[test]
fn refusals_of_passcodes_are_alike_whatever_stands_against_them() {
    let lockout = "lockout {\nguesses_per_user = 10\nslow_after = 20\n}";
    for site in [Site::passcode(), Site::passcode().with("client_profile = openvpn")] {
        let server = site.with(lockout).start();
        let (alice, over) = (server.enrol("alice"), server.enrol("over"));
        let (locked, off) = (server.enrol("locked"), server.enrol("off"));
        server.admin(&["user", "add", "bare"]);
        server.admin(&["user", "lock", "locked"]);
        server.admin(&["token", "disable", "off", "hotp1"]);
        assert_eq!(answer(&server, &pap("alice", &alice.code(0))).0, Code::Accept);
        for n in 10..22 {
            assert_eq!(answer(&server, &pap("over", &format!("0000{n}"))).0, Code::Reject);
        }
        let unknown = answer(&server, &pap("nobody", "000000"));
        for (user, field) in [
            ("alice", "000000".to_owned()),
            ("alice", alice.code(0)),
            ("bare", "000000".to_owned()),
            ("locked", locked.code(0)),
            ("off", off.code(0)),
            ("over", over.code(0)),
            ("nobody", "1234567".to_owned()),
            ("alice", "1234567".to_owned()),
        ] {
            assert_eq!(answer(&server, &pap(user, &field)), unknown, "{user} {field}");
        }
        assert_eq!(server.audit("over").pop().unwrap().1, "right code, a second one is needed");
        for n in 0..20 {
            answer(&server, &pap("alice", &format!("9999{n:02}")));
        }
        assert_eq!(answer(&server, &pap("alice", "000009")), unknown, "slowed");
        // What an empty field asks for, and what its answer gets.
        let asked = answer(&server, &pap("nobody", ""));
        for user in ["alice", "bare", "locked", "off", "over"] {
            assert_eq!(answer(&server, &pap(user, "")), asked, "{user}");
        }
        if asked.0 == Code::Challenge {
            let refused = after_inquiry(&server, "nobody", "000000");
            for (user, field) in [
                ("alice", "000000".to_owned()),
                ("bare", "000000".to_owned()),
                ("locked", locked.code(1)),
                ("off", off.code(1)),
                ("nobody", "push".to_owned()),
                ("alice", "push".to_owned()),
                ("nobody", String::new()),
                ("alice", String::new()),
            ] {
                assert_eq!(after_inquiry(&server, user, &field), refused, "{user} {field}");
            }
        }
    }
}

/// The refusal of this answer to an empty field's challenge.
fn after_inquiry(server: &Server, user: &str, field: &str) -> (Code, Vec<(u8, Vec<u8>)>) {
    let client = Client::of(server);
    let station = format!("{user}-{field}");
    let asks = Packet::pap(3, user.as_bytes(), b"").with(CALLING_STATION, station.as_bytes());
    client.send(&asks);
    let (code, octets) = client.answer_to(&asks, SOON).expect("an answer");
    assert_eq!(code, Code::Challenge);
    assert!(!raw::values(&octets, REPLY_MESSAGE).is_empty());
    let state = raw::values(&octets, STATE).remove(0);
    let answers = pap(user, field).with(CALLING_STATION, station.as_bytes()).with(STATE, &state);
    answer(server, &answers)
}

#[test]
fn lock_disabled_token_or_deleted_user_between_passcode_and_password_refuses() {
    let mut site = append();
    // The administrator acts while the password is checked.
    site.modules =
        "exec act {\nwait = yes\nprogram = \"/bin/sh {store}/act\"\ninput_pairs = request\n}".into();
    site.authenticate = "Auth-Type PAP {\npap\nact\nmfa\n}".into();
    let server = site.start();
    for (user, act) in [
        ("alice", "user lock alice"),
        ("bob", "token disable bob hotp1"),
        ("carol", "user delete --yes carol"),
    ] {
        let token = server.enrol(user);
        let command = format!("{} -d {} {act}\n", env!("CARGO_BIN_EXE_mfa"), server.folder.display());
        std::fs::write(server.store.join("act"), command).unwrap();
        let login = pap(user, &format!("{PASSWORD},{}", token.code(0)));
        assert_eq!(answer(&server, &login).0, Code::Reject, "{user}");
        let trail = server.audit(user);
        assert!(trail.len() == 2 && trail.iter().all(|(verdict, _)| verdict != "accept"), "{trail:?}");
    }
}
