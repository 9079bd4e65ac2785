//! Where the server's own modules check the password: without the right one nothing is told, and nothing is recorded
//! as an accept.

use super::proxy::{behind, realm};
use crate::harness::nas::Sent;
use crate::harness::raw::Client;
use crate::harness::site::PASSWORD;
use crate::harness::webhook::Webhook;
use crate::harness::wire::Packet;
use crate::harness::{Code, Login, Nas, SECRET, SOON, Server, Site};
use std::net::UdpSocket;
use std::time::{Duration, Instant};

const PATIENT: &str = "lockout {\nslow_after = 1000\nlock_after_unproven = 10000\n}";
const PENDING: &str = "passcode right, password pending";

/// README's append site.
fn append() -> Site {
    Site::append().with("delimiter = \",\"").last("Post-Auth-Type REJECT {\nmfa\n}")
}

/// The password, or an answer behind it, in this mode.
fn in_mode(mode: &str, webhook: &Webhook) -> Site {
    let site = Site::auto(&webhook.options());
    let site = Site { mfa: site.mfa.replace("mode = auto", &format!("mode = {mode}")), ..site };
    site.with(PATIENT).last("Post-Auth-Type REJECT {\nmfa\n}")
}

/// With this text for all refusals.
fn start_with(site: &Site, refused: &str) -> Server {
    let mut server = Server::prepare(site.clone());
    let texts = server.folder.join("mods-config/mfa");
    std::fs::create_dir_all(&texts).unwrap();
    std::fs::write(texts.join("en"), format!("refused = \"{refused}\"\n")).unwrap();
    server.admin(&["init"]);
    server.up().unwrap();
    server
}

/// A value of the database.
fn number(server: &Server, sql: &str) -> i64 {
    let database = rusqlite::Connection::open(server.store.join("mfa.db")).unwrap();
    database.query_row(sql, (), |row| row.get(0)).unwrap()
}

/// Failures of all sources, and those of alice.
fn failures(server: &Server) -> (i64, i64) {
    let of_sources = number(server, "SELECT ifnull(sum(count), 0) FROM failure");
    (of_sources, number(server, "SELECT total FROM user WHERE name = 'alice'"))
}

fn last_accept(server: &Server) -> i64 {
    number(server, "SELECT max(used) FROM token")
}

/// Waits until so many attempts are recorded.
fn recorded(server: &Server, attempts: i64) {
    let since = Instant::now();
    while number(server, "SELECT count(*) FROM attempt") < attempts {
        assert!(since.elapsed() < SOON, "not recorded");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A refusal, octet for octet but for what is of its packet: header and signature.
fn refusal(server: &Server, user: &str, field: &str) -> Vec<(u8, Vec<u8>)> {
    let packet = Packet::pap(7, user.as_bytes(), field.as_bytes());
    let client = Client::of(server);
    client.send(&packet);
    let (code, octets) = client.answer_to(&packet, SOON).expect("an answer");
    assert_eq!(code, Code::Reject, "{user} {field}");
    let (mut attributes, mut rest) = (Vec::new(), &octets[20..]);
    while let [kind, length, ..] = *rest {
        let (attribute, behind) = rest.split_at(usize::from(length));
        if kind != 80 {
            attributes.push((kind, attribute[2..].to_vec()));
        }
        rest = behind;
    }
    attributes
}

#[test]
fn all_refusals_are_alike_before_the_password_is_shown() {
    let webhook = Webhook::start();
    for site in [append().with(PATIENT), in_mode("challenge", &webhook), in_mode("auto", &webhook)] {
        for text in ["", "Go away."] {
            let server = start_with(&site, text);
            let alice = server.enrol("alice");
            server.admin(&["user", "add", "bare"]);
            let locked = server.enrol("locked");
            server.admin(&["user", "lock", "locked"]);
            let right = format!("{PASSWORD},{}", alice.code(0));
            assert_eq!(Login::pap("alice", &right).send(&server).code, Code::Accept);
            let first = refusal(&server, "nobody", "wrong,123456");
            for (user, field) in [
                ("alice", "wrong,999999".to_owned()),
                ("alice", format!("wrong,{}", alice.code(0))),
                ("alice", format!("wrong,{}", alice.code(1))),
                ("bare", "wrong,123456".to_owned()),
                ("locked", format!("wrong,{}", locked.code(0))),
                ("locked", "wrong,123456".to_owned()),
                ("nobody", "wrong,123456".to_owned()),
                ("alice", "wrong".to_owned()),
                ("nobody", "wrong".to_owned()),
                ("locked", "wrong,push".to_owned()),
                ("nobody", "wrong,sms".to_owned()),
            ] {
                assert_eq!(refusal(&server, user, &field), first, "{}: {user} {field}", server.site.mfa);
            }
        }
    }
}

#[test]
fn who_has_shown_the_password_reads_why() {
    let webhook = Webhook::start();
    let server = in_mode("challenge", &webhook).start();
    server.enrol("alice");
    server.admin(&["user", "lock", "alice"]);
    let reply = Login::pap("alice", PASSWORD).send(&server);
    assert_eq!(reply.code, Code::Reject);
    assert!(reply.get("Reply-Message").is_some_and(|text| text.contains("locked")), "{reply:?}");
}

#[test]
fn guesses_of_the_password_with_right_codes_are_failures() {
    for site in [append().with(PATIENT), in_mode("challenge", &Webhook::start())] {
        let server = site.start();
        let alice = server.enrol("alice");
        for n in 0..12 {
            let guess = Login::pap("alice", &format!("guess {n},{}", alice.code(n)));
            assert_eq!(guess.send(&server).code, Code::Reject);
        }
        assert_eq!((failures(&server), last_accept(&server)), ((12, 12), 0));
        assert!(server.audit("alice").iter().all(|row| *row == ("pending".into(), PENDING.into())));
        assert!(!server.log().contains("alice: accept"), "the log says the same");
        let right = Login::pap("alice", &format!("{PASSWORD},{}", alice.code(12)));
        assert_eq!(right.send(&server).code, Code::Accept);
        assert!(failures(&server) == (0, 0) && last_accept(&server) > 0);
        let trail = server.audit("alice");
        assert_eq!(trail[12..], [("pending".into(), PENDING.into()), ("accept".into(), "right code".into())]);
    }
}

#[test]
fn guesses_of_the_password_with_right_codes_slow_their_source() {
    let server = append().start();
    let alice = server.enrol("alice");
    for n in 0..4 {
        Login::pap("alice", &format!("guess {n},{}", alice.code(n))).send(&server);
    }
    assert_eq!(server.audit("alice").pop().unwrap().1, "too many failures from here");
    let elsewhere = Login::pap("alice", &format!("{PASSWORD},{}", alice.code(4)));
    let elsewhere = elsewhere.with("Calling-Station-Id", "\"198.51.100.7\"");
    assert_eq!(elsewhere.send(&server).code, Code::Accept);
}

#[test]
fn login_at_the_threshold_leaves_nobody_slowed_or_locked() {
    let server =
        append().with("lockout {\nslow_after = 1\nlock_after = 1\nlock_after_unproven = 1\n}").start();
    let alice = server.enrol("alice");
    for n in 0..3 {
        let login = Login::pap("alice", &format!("{PASSWORD},{}", alice.code(n)));
        assert_eq!(login.send(&server).code, Code::Accept, "{n}");
    }
    assert_eq!(failures(&server), (0, 0));
}

/// Append mode in front of a server that never answers: what is sent to it stays outstanding.
fn before_silence(window: u32, max_request_time: u32) -> (UdpSocket, Site) {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut site = append().with(PATIENT);
    site.authorize = "mfa\nupdate control {\nProxy-To-Realm := behind\n}".into();
    site.root = format!(
        "home_server behind {{\n\ttype = auth\n\tipaddr = 127.0.0.1\n\tport = {}\n\tsecret = {SECRET}\n\
         \tresponse_window = {window}\n\tzombie_period = 60\n\tstatus_check = none\n}}\n\
         home_server_pool behind {{\n\thome_server = behind\n}}\n\
         realm behind {{\n\tauth_pool = behind\n\tnostrip\n}}\n",
        silent.local_addr().unwrap().port()
    );
    site.max_request_time = max_request_time;
    (silent, site)
}

#[test]
fn outstanding_guesses_count_before_the_first_is_answered() {
    let (_silent, site) = before_silence(60, 120);
    let server = site.start();
    let alice = server.enrol("alice");
    let nas = Nas::new();
    let mut sent: Vec<Sent> = Vec::new();
    for n in 0..200 {
        sent.push(nas.pap(&server, "alice", &format!("guess {n},{}", alice.code(n)), &[]));
        recorded(&server, i64::try_from(n).unwrap() + 1);
    }
    assert_eq!(failures(&server), (200, 200));
    assert!(sent.iter().all(|sent| nas.waits(sent)), "none is answered");
}

#[test]
fn login_that_gets_lost_on_the_way_stays_a_failure() {
    let (_silent, site) = before_silence(60, 120);
    let mut server = site.start();
    let alice = server.enrol("alice");
    let field = format!("{PASSWORD},{}", alice.code(0));
    let _lost = Nas::new().pap(&server, "alice", &field, &[]);
    recorded(&server, 1);
    server.kill();
    server.up().unwrap();
    assert_eq!((failures(&server), last_accept(&server)), ((1, 1), 0));
    let again = Nas::new();
    assert_eq!(again.reply(&again.pap(&server, "alice", &field, &[])).code, Code::Reject);
    let trail = server.audit("alice");
    assert_eq!(trail, [("pending".into(), PENDING.into()), ("reject".into(), "code already used".into())]);
}

#[test]
fn login_that_the_server_gives_up_stays_a_failure() {
    let (silent, site) = before_silence(5, 6);
    // The stock modules wait longer than this server.
    let server = Site { stock: false, ..site }.start();
    let alice = server.enrol("alice");
    let login = Login::pap("alice", &format!("{PASSWORD},{}", alice.code(0))).send(&server);
    assert_ne!(login.code, Code::Accept);
    drop(silent);
    assert_eq!(server.audit("alice"), [("pending".into(), PENDING.into())]);
    assert_eq!((failures(&server), last_accept(&server)), ((1, 1), 0));
}

#[test]
fn whoever_checks_the_password_the_guard_records_the_accept() {
    let behind = behind();
    let proxied = |post_proxy: &str| {
        let mut site = append().with(PATIENT);
        site.authorize = "mfa\nupdate control {\nProxy-To-Realm := behind\n}".into();
        (site.root, site.sections) = (realm(&behind), format!("post-proxy {{\n{post_proxy}\n}}"));
        site
    };
    let mut own = append().with(PATIENT);
    own.modules = "always no {\nrcode = reject\n}".into();
    own.authorize = "mfa\nupdate control {\nAuth-Type := backend\n}".into();
    own.authenticate = format!(
        "Auth-Type backend {{\nif (&User-Password == \"{PASSWORD}\") {{\nok\n}}\nelse {{\nno\n}}\nmfa\n}}"
    );
    let mut first = append().with(PATIENT);
    first.authenticate = "Auth-Type PAP {\nmfa\npap\n}".into();
    let mut without = append().with(PATIENT);
    without.authenticate = "Auth-Type PAP {\npap\n}".into();
    for site in [append().with(PATIENT), first, without, own, proxied(""), proxied("mfa")] {
        let server = site.start();
        let alice = server.enrol("alice");
        let login = |field: String| Login::pap("alice", &field).send(&server).code;
        assert_eq!(login(format!("wrong,{}", alice.code(0))), Code::Reject);
        assert_eq!(failures(&server), (1, 1));
        assert_eq!(login(format!("{PASSWORD},{}", alice.code(1))), Code::Accept);
        assert_eq!(failures(&server), (0, 0));
        let pending = || ("pending".to_owned(), PENDING.to_owned());
        let accept = ("accept".to_owned(), "right code".to_owned());
        assert_eq!(server.audit("alice"), [pending(), pending(), accept], "{}", server.site.authenticate);
        let accepts = server.log().matches("alice: accept: right code, hotp token hotp1").count();
        assert_eq!(accepts, 1, "the log says the same");
    }
}

#[test]
fn passcode_alone_is_no_accept_where_nobody_checks_the_password() {
    for auth_type in ["mfa", "Accept"] {
        let mut site = append().with(PATIENT);
        site.authorize = format!("mfa\nupdate control {{\nAuth-Type := {auth_type}\n}}");
        site.authenticate = "Auth-Type mfa {\nmfa\n}".into();
        let server = site.start();
        let alice = server.enrol("alice");
        let login = Login::pap("alice", &format!("anything,{}", alice.code(0)));
        assert_eq!(login.send(&server).code, Code::Reject, "{auth_type}");
        assert_eq!((failures(&server), last_accept(&server)), ((1, 1), 0), "{auth_type}");
    }
}

#[test]
fn accept_that_cannot_be_written_is_none() {
    let mut site = append().with(PATIENT);
    // The store is taken away while the password is checked.
    site.modules = "exec vanish {\nwait = yes\nprogram = \"/bin/rm -f {store}/mfa.db\"\ninput_pairs = request\nshell_escape = yes\n}".into();
    site.authenticate = "Auth-Type PAP {\npap\nvanish\nmfa\n}".into();
    let server = site.start();
    let alice = server.enrol("alice");
    let login = Login::pap("alice", &format!("{PASSWORD},{}", alice.code(0)));
    assert_eq!(login.send(&server).code, Code::Reject);
    assert!(server.logged("alice: unavailable: "));
}

#[test]
fn exception_is_no_accept_before_the_password_was_right() {
    for authenticate in ["mfa\nchap\nmfa", "mfa\nchap", "chap\nmfa"] {
        let mut site = Site::passcode();
        let control =
            format!("update control {{\nMFA-Exempt := yes\nCleartext-Password := \"{PASSWORD}\"\n}}");
        site.authorize = format!("{control}\n{}", site.authorize);
        site.authenticate = format!("Auth-Type CHAP {{\n{authenticate}\n}}");
        let server = site.start();
        assert_eq!(Login::chap("alice", "wrong").send(&server).code, Code::Reject);
        assert_eq!(server.audit("alice"), [], "{authenticate}");
        assert_eq!(Login::chap("alice", PASSWORD).send(&server).code, Code::Accept);
        assert_eq!(server.audit("alice"), [("accept".into(), "exempt".into())], "{authenticate}");
    }
}

/// By how much the server has held rejects back, as its debug log tells.
fn delays(server: &Server) -> Vec<f64> {
    let log = server.log();
    let lines = log.lines().filter_map(|line| line.split_once("Delaying response for "));
    lines.map(|(_, rest)| rest.split(' ').next().unwrap().parse().unwrap()).collect()
}

#[test]
fn refusals_are_held_back_from_when_their_packet_came() {
    let delayed = |site: Site| Site { reject_delay: 2.0, arguments: vec!["-xx"], ..site };
    let webhook = Webhook::start();
    webhook.preset(None, "denied", Duration::from_millis(200));
    let mut guard = append();
    guard.authorize = format!("update control {{\nCleartext-Password := \"{PASSWORD}\"\n}}\npap");
    guard.authenticate = "Auth-Type PAP {\npap\n}".into();
    for (site, field) in [
        (append(), "wrong,000000"),
        (append(), "wrong"),
        (Site::passcode(), "000000"),
        (Site::behind_pap(), "000000"),
        (guard, PASSWORD),
        // It has waited elsewhere.
        (Site::auto(&webhook.options()), PASSWORD),
    ] {
        let server = delayed(site).start();
        let alice = server.enrol("alice");
        assert_eq!(Login::pap("alice", field).send(&server).code, Code::Reject);
        if field.starts_with("wrong,") {
            let right_code = format!("wrong,{}", alice.code(0));
            assert_eq!(Login::pap("alice", &right_code).send(&server).code, Code::Reject, "pap refuses");
        }
        let delays = delays(&server);
        assert!(delays.iter().all(|delay| *delay < 2.0), "{field}: {delays:?}");
    }
}

#[test]
fn append_mode_without_the_guard_is_told_as_an_error() {
    let mut site = append();
    site.post_auth = String::new();
    let server = site.start();
    let why = "every login counts as a failure until post-auth has \"mfa\"";
    assert!(server.log().contains(why));
    let doctor = server.mfa(&["doctor"]);
    assert!(!doctor.ok && doctor.text.contains(why), "{}", doctor.text);
    let alice = server.enrol("alice");
    Login::pap("alice", &format!("{PASSWORD},{}", alice.code(0))).send(&server);
    assert_eq!((failures(&server), last_accept(&server)), ((1, 1), 0));
}
