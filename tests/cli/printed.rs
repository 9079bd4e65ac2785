//! What is printed: commands that can be copied into a shell, and nothing that a terminal obeys.

use super::site::{SECRET, Site};

/// What a shell makes of the words of a command.
fn words(command: &str) -> Vec<String> {
    let script = format!("for word in {command}; do printf '%s\\0' \"$word\"; done");
    let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\0').map(str::to_owned).collect()
}

#[test]
fn printed_commands_can_be_copied_into_a_shell() {
    let site = Site::new();
    for name in ["hans maier", "o'brien", "$(touch x)", "a\"b", "-x", "-x y", "a;b", "*"] {
        let added = site.mfa(["user", "add", "--", name]).ok();
        let (_, command) = added.trim_end().split_once("next: ").unwrap();
        // The program itself is found elsewhere here.
        let words = words(command);
        assert_eq!(words[0], "mfa");
        assert!(words.contains(&name.to_owned()), "{command}");
        site.mfa(&words[1..]).ok();
        let listed = site.mfa(["token", "list", "--", name, "--json"]);
        assert!(listed.out.is_empty() || listed.out.contains("totp1"), "{listed:?}");
        site.mfa(["user", "delete", "--yes", "--", name]).ok();
        let missing = site.mfa(["user", "show", "--", name]).refused(3);
        let command = missing.split('`').nth(1).unwrap();
        assert!(self::words(command).contains(&name.to_owned()), "{missing}");
    }
}

#[test]
fn second_users_first_token_is_a_first_one() {
    let site = Site::with_alice();
    site.mfa(["user", "add", "bob"]).ok();
    for user in ["alice", "bob"] {
        assert!(site.mfa(["token", "add", user, "totp"]).ok().contains("token \"totp1\""), "{user}");
    }
    assert!(site.mfa(["token", "add", "bob", "totp"]).ok().contains("token \"totp2\""));
    site.mfa(["token", "disable", "bob", "totp1"]).ok();
    assert!(site.mfa(["token", "list", "alice"]).ok().contains("enabled"));
    assert!(site.mfa(["token", "add", "bob", "totp", "--serial", "totp1"]).refused(5).contains("totp1"));
    site.mfa(["token", "delete", "bob", "totp2", "--yes"]).ok();
    assert!(site.mfa(["token", "add", "bob", "totp"]).ok().contains("token \"totp3\""));
}

#[test]
fn token_for_codes_that_cannot_be_sent_is_added_with_a_word() {
    let site = Site::with_alice();
    for (kind, address, section) in
        [("sms", "+41791234567", "gateway in sms { }"), ("email", "a@example.test", "relay in email { }")]
    {
        let added = site.mfa(["token", "add", "alice", kind, address]);
        assert!(added.err.contains(section) && added.out.contains("enrolled"), "{added:?}");
        added.ok();
    }
}

#[test]
fn terminal_obeys_nothing_that_stands_in_the_database() {
    let site = Site::with_alice();
    site.mfa(["token", "add", "alice", "hotp", "--secret", SECRET]).ok();
    let _ = site.login("alice", "755224");
    let hostile = "x\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\nok    all is well";
    let store = rusqlite::Connection::open(site.database()).unwrap();
    store
        .execute("UPDATE attempt SET user = ?1, client = ?1, calling_station = ?1, reason = ?1, verdict = ?1, token = ?1", [hostile])
        .unwrap();
    store.execute("UPDATE user SET note = ?1, mail = ?1", [hostile]).unwrap();
    store.execute("UPDATE token SET serial = ?1", [hostile]).unwrap();
    for arguments in [
        &["audit"][..],
        &["audit", "--json"],
        &["user", "list"],
        &["user", "show", "alice"],
        &["user", "show", "alice", "--json"],
        &["token", "list", "alice"],
        &["check", "alice", "287082"],
        &["doctor"],
    ] {
        let printed = site.mfa(arguments);
        let text = format!("{}{}", printed.out, printed.err);
        let obeyed = text.chars().find(|c| *c != '\n' && rlm_mfa::types::is_invisible(*c));
        assert_eq!(obeyed, None, "{arguments:?}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("ok    all is well")), "{text}");
    }
    let rows = site.mfa(["audit", "--json"]).json();
    assert_eq!(rows[0]["user"], hostile, "scripts get it as it is");
}

#[cfg(unix)]
#[test]
fn terminal_obeys_nothing_that_a_socket_says() {
    use std::io::{Read, Write};
    let site = Site::new();
    let hostile = "x\\u001b]0;owned\\u0007\\u009b2J\\u202e\\nforged line";
    let socket = std::os::unix::net::UnixListener::bind(site.path("lib/mfa-mfa-1.sock")).unwrap();
    let answer = format!("{{\"error\":\"{hostile}\"}}\n");
    let speaker = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = socket.accept().unwrap();
            let mut asked = [0; 64];
            let _ = stream.read(&mut asked);
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    for arguments in [&["status"][..], &["drain"]] {
        let printed = site.mfa(arguments);
        let text = format!("{}{}", printed.out, printed.err);
        assert!(text.contains("owned"), "{text}");
        assert!(!text.chars().any(|c| c != '\n' && rlm_mfa::types::is_invisible(c)), "{text:?}");
        assert!(text.lines().all(|line| line.starts_with("mfa: ")), "{text}");
    }
    speaker.join().unwrap();
}
