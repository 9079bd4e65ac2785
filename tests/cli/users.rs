//! Users from `add` to `delete`, and what is recorded of them.

use super::site::{SECRET, Site};

#[test]
fn user_whose_name_is_none_any_more_can_be_renamed_and_deleted() {
    let site = Site::new();
    site.mfa(["user", "add", "bob"]).ok();
    let refused = site.mfa(["user", "delete", "bob@a@b", "--yes"]).refused(2);
    assert!(refused.contains("more than one domain"), "{refused}");
    let old = |name: &str| {
        let database = rusqlite::Connection::open(site.database()).unwrap();
        database.execute("UPDATE user SET name = ?1", [name]).unwrap();
    };
    old("bob@a@b");
    site.mfa(["user", "set", "bob@a@b", "--rename", "bob"]).ok();
    old("X\\bob@b");
    site.mfa(["user", "delete", "X\\bob@b", "--yes"]).ok();
}

#[test]
fn user_is_added_listed_changed_and_deleted() {
    let site = Site::new();
    assert!(site.mfa(["user", "list"]).err.contains("mfa user add"));
    assert_eq!(site.mfa(["--json", "user", "list"]).json(), serde_json::json!([]));
    site.mfa(["user", "add", "alice", "--note", "Alice\u{1b}[31m Example"]).ok();
    site.mfa(["user", "add", "bob"]).ok();

    let list = site.mfa(["user", "list"]).ok();
    let lines: Vec<&str> = list.lines().collect();
    assert!(lines[0].starts_with("USER"), "{list}");
    assert!(lines[1].starts_with("alice") && lines[2].starts_with("bob"), "{list}");
    assert_eq!(lines[0].find("NOTE"), lines[1].find("Alice"), "columns stand under each other: {list}");
    assert!(!list.contains('\u{1b}'), "{list:?}");

    let rows = site.mfa(["user", "list", "--json"]).json();
    assert_eq!(rows[0]["user"], "alice");
    assert_eq!(rows[1]["locked"], false);
    assert!(rows[0]["created"].as_str().unwrap().ends_with('Z'));

    site.mfa(["user", "set", "alice", "--note", "sales", "--rename", "Alicia"]).ok();
    let shown = site.mfa(["user", "show", "alicia", "--json"]).json();
    assert_eq!((&shown["note"], &shown["tokens"]), (&"sales".into(), &serde_json::json!([])));
    assert!(site.mfa(["user", "show", "alice"]).refused(3).contains("mfa user add alice"));

    assert!(site.mfa(["user", "delete", "bob"]).refused(2).contains("--yes"));
    site.mfa(["user", "delete", "bob", "--yes"]).ok();
    site.mfa(["user", "delete", "bob", "--yes"]).refused(3);
}

#[test]
fn renamed_user_keeps_his_tokens() {
    let site = Site::with_alice();
    site.mfa(["token", "add", "alice", "hotp", "--secret", SECRET]).ok();
    site.mfa(["user", "set", "alice", "--rename", "bob"]).ok();
    assert!(site.mfa(["check", "bob", "755224"]).ok().contains("accept"));
}

#[test]
fn names_are_made_canonical_and_that_is_said() {
    let site = Site::new();
    let added = site.mfa(["user", "add", "EXAMPLE\\Alice"]);
    assert!(added.err.contains("is user \"alice\""), "{added:?}");
    assert!(site.mfa(["user", "add", "alice@example.test"]).refused(5).contains("exists already"));
    assert!(site.mfa(["user", "add", " "]).refused(2).contains("empty"));
    assert!(site.mfa(["user", "add", &"a".repeat(254)]).refused(2).contains("253"));
}

#[test]
fn locked_user_is_refused_until_he_is_unlocked() {
    let site = Site::with_alice();
    site.mfa(["token", "add", "alice", "hotp", "--secret", SECRET]).ok();
    site.mfa(["user", "lock", "alice", "--for", "2h"]).ok();
    assert!(site.mfa(["user", "list"]).ok().contains("locked until 2"));
    let answer = site.mfa(["check", "alice", "755224"]);
    assert!(answer.out.contains("locked") && answer.err.contains("mfa user unlock"), "{answer:?}");
    answer.refused(1);
    site.mfa(["user", "lock", "alice"]).ok();
    assert!(site.mfa(["user", "show", "alice"]).ok().contains("locked by administrator"));
    let shown = site.mfa(["user", "show", "alice", "--json"]).json();
    assert_eq!((&shown["locked"], &shown["locked_until"]), (&true.into(), &serde_json::Value::Null));
    site.mfa(["user", "unlock", "alice"]).ok();
    assert!(site.mfa(["check", "alice", "755224"]).ok().contains("accept: right code"));
}

#[test]
fn attempts_are_shown_by_user_result_and_time() {
    let site = Site::with_alice();
    site.mfa(["token", "add", "alice", "hotp", "--secret", SECRET]).ok();
    assert!(site.mfa(["audit"]).err.contains("no such attempt"));
    let _ = site.login("Alice", "000000");
    let _ = site.login("alice", "755224");
    let _ = site.login("mallory", "755224");

    let rows = site.mfa(["audit", "--json"]).json();
    let results: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["result"].clone()).collect();
    assert_eq!(results, ["reject", "accept", "reject"]);
    assert_eq!((&rows[1]["token"], &rows[1]["request"]), (&"hotp1".into(), &7.into()));

    let table = site.mfa(["audit", "--user", "ALICE", "--result", "accept", "--since", "1h"]).ok();
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(table.contains("right code") && table.contains("192.0.2.1"), "{table}");
    assert!(!table.contains('\u{1b}'), "{table:?}");
    let newest = site.mfa(["audit", "--limit", "1", "--json"]).json();
    assert_eq!((newest.as_array().unwrap().len(), &newest[0]["user"]), (1, &"mallory".into()));
    assert!(site.mfa(["audit", "--since", "2099-01-01"]).err.contains("no such attempt"));
    site.mfa(["audit", "--since", "yesterday"]).refused(2);
}

#[test]
fn attempts_are_followed_as_they_come() {
    use std::io::{BufRead, BufReader};
    let site = Site::with_alice();
    let mut child = site.command(["audit", "--follow", "--json"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for user in ["alice", "mallory"] {
        let _ = site.login(user, "000000");
        let row: serde_json::Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(row["user"], user);
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn password_is_kept_as_a_slow_hash_and_shown_nowhere() {
    let site = Site::with_alice();
    site.configure("\tmode = append\n\tfirst_factor = local\n");
    assert!(site.mfa(["doctor"]).out.contains("0 of 1 users have a password"));
    assert_eq!(site.mfa(["user", "show", "alice", "--json"]).json()["password"], false);

    let set = site.mfa_with("correct horse\n", ["user", "password", "alice"]);
    assert_eq!(set.err, "", "{set:?}");
    assert!(set.ok().contains("new password"));
    let kept = site.password("alice").unwrap();
    assert!(kept.starts_with("$argon2id$"), "{kept}");
    assert!(site.mfa(["doctor"]).out.contains("1 of 1 users have a password"));
    let shown = site.mfa(["user", "show", "alice", "--json"]);
    assert_eq!(shown.json()["password"], true);
    let text = site.mfa(["user", "show", "alice"]).ok();
    assert!(text.contains("password") && !text.contains("argon2"), "{text}");

    site.mfa(["user", "set", "alice", "--rename", "bob"]).ok();
    let backup = site.path("backup");
    site.mfa(["backup".as_ref(), backup.as_os_str()]).ok();
    assert!(site.mfa(["user", "password", "bob", "--remove"]).ok().contains("no password any more"));
    assert_eq!(site.password("bob"), None);
    site.mfa(["restore".as_ref(), backup.as_os_str(), "--yes".as_ref()]).ok();
    assert_eq!(site.password("bob"), Some(kept));
}

#[test]
fn what_can_be_no_password_is_refused() {
    let site = Site::with_alice();
    for (typed, why) in [("", "missing"), ("\n", "missing"), ("a\0b\n", "control"), (&"a".repeat(129), "128")]
    {
        assert!(site.mfa_with(typed, ["user", "password", "alice"]).refused(2).contains(why), "{typed:?}");
    }
    assert_eq!(site.password("alice"), None);
    site.mfa_with("correct horse\n", ["user", "password", "nobody"]).refused(3);
    let short = site.mfa_with("horse\n", ["user", "password", "alice"]);
    assert!(short.err.contains("less than 8") && short.err.contains("first_factor = local"), "{short:?}");
    short.ok();
    assert!(site.password("alice").is_some());
}
