//! Passwords in the store; who is asked about a password, and what of that is remembered.

use crate::harness::slapd::{self, Slapd};
use crate::harness::wire::CALLING_STATION;
use crate::harness::{Code, Login, Nas, Server, Site};

const PATIENT: &str = "lockout {\nslow_after = 1000\n}";

/// With the options of `ldap { }`.
fn ldap(slapd: &Slapd) -> String {
    format!("ldap {{\n{}{}\n}}\n{PATIENT}", slapd.options(), slapd::service())
}

fn set_password(server: &Server, user: &str, password: &str) {
    let ran = server.mfa_with(&["user", "password", user], &format!("{password}\n"));
    assert!(ran.ok, "{}", ran.text);
}

/// Each from a place of its own: what is remembered here is not what the server remembers of a packet.
fn login(server: &Server, nas: &Nas, user: &str, password: &str, place: &str) -> Code {
    nas.reply(&nas.pap(server, user, password, &[(CALLING_STATION, place)])).code
}

fn reason(server: &Server, user: &str) -> String {
    server.audit(user).pop().unwrap().1
}

#[test]
fn password_in_the_store_then_the_code() {
    let server = Site::own("append", &format!("first_factor = local\n{PATIENT}")).start();
    let alice = server.enrol("alice");
    let bob = server.enrol("bob");
    set_password(&server, "alice", "p\u{e4}ss w\u{f6}rt");
    let login = |user: &str, text: String| Login::pap(user, &text).send(&server).code;
    assert_eq!(login("alice", format!("p\u{e4}ss w\u{f6}rt{}", alice.code(0))), Code::Accept);
    // As a Mac has it: letter and dots apart.
    assert_eq!(login("alice", format!("pa\u{308}ss wo\u{308}rt{}", alice.code(1))), Code::Accept);
    assert_eq!(login("alice", format!("P\u{e4}ss w\u{f6}rt{}", alice.code(2))), Code::Reject);
    assert_eq!(reason(&server, "alice"), "wrong password");
    assert_eq!(login("bob", format!("p\u{e4}ss w\u{f6}rt{}", bob.code(0))), Code::Reject);
    assert_eq!(reason(&server, "bob"), "wrong password", "who has none has no right one");
    // While the server runs.
    set_password(&server, "alice", "another one");
    assert_eq!(login("alice", format!("p\u{e4}ss w\u{f6}rt{}", alice.code(3))), Code::Reject);
    assert_eq!(login("alice", format!("another one{}", alice.code(4))), Code::Accept);
    assert!(!server.log().contains("another one") && !server.log().contains("argon2"), "{}", server.log());
}

#[test]
fn wrong_password_sent_again_and_again_locks_no_account() {
    for (seconds, expected) in [(30, Code::Challenge), (0, Code::Reject)] {
        let slapd = Slapd::start();
        let options = format!("first_factor = ldap\nwrong_cache = {seconds}\n{}", ldap(&slapd));
        let (server, nas) = (Site::own("challenge", &options).start(), Nas::new());
        server.enrol("alice");
        for n in 0..6 {
            assert_eq!(login(&server, &nas, "alice", "wrong", &format!("198.51.100.{n}")), Code::Reject);
        }
        // The policy of the directory locks after three.
        assert_eq!(login(&server, &nas, "alice", "alice-pw", "198.51.100.9"), expected, "{seconds} s");
    }
}

#[test]
fn another_one_is_asked_while_the_directory_is_away_and_never_after_its_no() {
    let mut slapd = Slapd::start();
    let options = format!("first_factor = ldap\nfirst_factor_fallback = local\n{}", ldap(&slapd));
    let (server, nas) = (Site::own("challenge", &options).start(), Nas::new());
    server.enrol("alice");
    set_password(&server, "alice", "kept here");
    assert_eq!(login(&server, &nas, "alice", "kept here", "198.51.100.1"), Code::Reject);
    assert_eq!(login(&server, &nas, "alice", "alice-pw", "198.51.100.2"), Code::Challenge);
    slapd.stop();
    assert_eq!(login(&server, &nas, "alice", "kept here and wrong", "198.51.100.3"), Code::Reject);
    assert_eq!(reason(&server, "alice"), "wrong password");
    assert_eq!(login(&server, &nas, "alice", "alice-pw", "198.51.100.4"), Code::Reject);
    assert!(server.logged("local is asked, since ldap: "), "{}", server.log());
}

#[test]
fn domain_as_typed_says_who_is_asked() {
    let slapd = Slapd::start();
    let domains = "first_factor_domains {\nhome.test = local\n}";
    let options = format!("first_factor = ldap\n{domains}\n{}", ldap(&slapd));
    let (server, nas) = (Site::own("challenge", &options).start(), Nas::new());
    server.enrol("alice");
    set_password(&server, "alice", "kept here");
    for (user, password, expected) in [
        ("alice", "alice-pw", Code::Challenge),
        ("alice", "kept here", Code::Reject),
        ("alice@Home.Test", "kept here", Code::Challenge),
        ("HOME.TEST\\alice", "kept here", Code::Challenge),
        ("alice@home.test", "alice-pw", Code::Reject),
        ("alice@example.test", "alice-pw", Code::Challenge),
    ] {
        assert_eq!(login(&server, &nas, user, password, "198.51.100.1"), expected, "{user} {password}");
    }
}

#[test]
fn right_password_is_right_for_a_while_where_the_site_wants_that() {
    let mut slapd = Slapd::start();
    let options = format!("first_factor = ldap\npassword_cache = 10\n{}", ldap(&slapd));
    let (server, nas) = (Site::own("challenge", &options).start(), Nas::new());
    server.enrol("alice");
    assert_eq!(login(&server, &nas, "alice", "alice-pw", "198.51.100.1"), Code::Challenge);
    // Written down once the answer was there.
    std::thread::sleep(std::time::Duration::from_millis(500));
    slapd.stop();
    assert_eq!(login(&server, &nas, "alice", "alice-pw", "198.51.100.2"), Code::Challenge);
    assert_ne!(login(&server, &nas, "alice", "wrong", "198.51.100.3"), Code::Challenge);
    assert_ne!(login(&server, &nas, "alice", "alice-pw", "198.51.100.4"), Code::Challenge);
    assert_eq!(reason(&server, "alice"), "directory unavailable");
}

#[test]
fn whoever_has_nothing_but_the_token_is_slowed_down_and_counted() {
    let server = Site::own("append", "first_factor = local").start();
    let (alice, nas) = (server.enrol("alice"), Nas::new());
    set_password(&server, "alice", "correct horse");
    for n in 0..3 {
        let guess = format!("guess{n}{}", alice.code(n));
        assert_eq!(login(&server, &nas, "alice", &guess, "198.51.100.1"), Code::Reject);
        assert_eq!(reason(&server, "alice"), "wrong password");
    }
    let right = |n: u64| format!("correct horse{}", alice.code(n));
    assert_eq!(login(&server, &nas, "alice", &right(3), "198.51.100.1"), Code::Reject);
    assert_eq!(reason(&server, "alice"), "too many failures from here");
    let failures = || {
        let shown = server.admin(&["user", "show", "alice", "--json"]);
        let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
        shown["failures"].clone()
    };
    assert_eq!(failures(), 3);
    assert_eq!(login(&server, &nas, "alice", &right(3), "198.51.100.2"), Code::Accept);
    assert_eq!(failures(), 0);
}

/// Resident memory of the server, in kilobytes.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Invented names log in, so many at a time. `MFA_INVENTED=10000` for as many as one likes.
#[test]
fn invented_names_take_no_memory() {
    let count = std::env::var("MFA_INVENTED").ok().map_or(300, |count| count.parse().unwrap());
    let server = Site::own("challenge", "first_factor = local").start();
    let before = resident(&server);
    let mut next = 0..count;
    loop {
        // No more than a client has identifiers.
        let nas = Nas::new();
        let sent: Vec<_> = next
            .by_ref()
            .take(48)
            .map(|n: u32| {
                nas.pap(&server, &format!("invented{n}"), "guess", &[(CALLING_STATION, &n.to_string())])
            })
            .collect();
        if sent.is_empty() {
            break;
        }
        sent.iter().for_each(|sent| assert_eq!(nas.reply(sent).code, Code::Reject));
    }
    let after = resident(&server);
    println!("{count} invented logins: {before} KB before, {after} KB after");
    assert!(after.saturating_sub(before) <= 40_000, "{before} KB before, {after} KB after");
}

#[test]
fn invented_names_do_not_keep_users_out() {
    let (server, nas) = (Site::own("challenge", "first_factor = local").start(), Nas::new());
    server.enrol("alice");
    set_password(&server, "alice", "correct horse");
    let strangers = Nas::new();
    let invented = |n: u32| {
        strangers.pap(&server, &format!("invented{n}"), "guess", &[(CALLING_STATION, &n.to_string())])
    };
    let sent: Vec<_> = (0..220).map(invented).collect();
    assert_eq!(login(&server, &nas, "alice", "correct horse", "198.51.100.1"), Code::Challenge);
    drop(sent);
}
