//! Backup and restore: what was used stays used.

use crate::site::{Site, Sqlite, Try, at, enrol, name, recovery, second, settings, step, totp_of, wait};
use rlm_mfa::config;
use rlm_mfa::engine::Reason::{self, *};
use rlm_mfa::engine::port::{AttemptFinding, SpendPasscode, Store};
use rlm_mfa::store::{self, AcceptanceWindow, Administration, NewToken, RestoreReport, TokenState};
use rlm_mfa::types::{Factor, Timestamp};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const WINDOW: AcceptanceWindow = AcceptanceWindow {
    totp: config::TotpRules { back: 1, forward: 1, max_drift: 10 },
    hotp: config::HotpRules { look_ahead: 10, resync: 100 },
};

fn backup(site: &Sqlite) -> PathBuf {
    let path = site.0.path().join("backup.db");
    let mut last = (0, 0);
    site.sqlite().backup_to(&path, &mut |done, all| last = (done, all)).unwrap();
    assert!(last.0 == last.1 && last.1 > 0);
    path
}

fn restore(site: &Sqlite, from: &Path) -> Result<RestoreReport, store::Error> {
    store::SqliteStore::restore(&site.settings(), from, WINDOW, at(0), &mut |_, _| {})
}

fn lose(site: &Sqlite) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", site.settings().filename.display()));
    }
}

fn third(store: &store::SqliteStore) -> String {
    store.add_token(&name("alice"), second(), at(0)).unwrap().serial
}

/// The step of now.
fn now() -> i64 {
    i64::try_from(at(0).as_seconds() / 30).unwrap()
}

#[test]
fn backup_is_private_whole_and_without_the_key() {
    let site = Sqlite::new();
    enrol(&site.sqlite(), "alice");
    let path = backup(&site);
    assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let octets = std::fs::read(&path).unwrap();
    let key = std::fs::read_to_string(site.0.path().join("mfa.key")).unwrap();
    let key = data_encoding::BASE64.decode(key.split_whitespace().last().unwrap().as_bytes()).unwrap();
    assert!(!octets.windows(32).any(|window| window == key));
    assert!(!site.0.path().join("backup.db-wal").exists());
    let again = site.sqlite().backup_to(&path, &mut |_, _| {}).unwrap_err().to_string();
    assert!(again.contains("exists already"), "{again}");
}

#[test]
fn backup_succeeds_while_logins_go_on() {
    let site = Sqlite::new();
    let store = site.sqlite();
    store
        .import(
            (0..20_000).map(|n| (name(&format!("user{n}")), vec![totp_of(&format!("user{n}"))])),
            at(0),
            &mut |_, _| {},
        )
        .unwrap();
    let token = store.tokens(&name("user0")).unwrap().remove(0);
    let mut steps = 0;
    let path = site.0.path().join("b.db");
    store
        .backup_to(&path, &mut |_, _| {
            steps += 1;
            assert_eq!(Try::right("user0", &token, step(steps)).settle(&store), Right);
        })
        .unwrap();
    assert!(steps > 1);
    let copy = rusqlite::Connection::open(path).unwrap();
    let found = copy.query_row("PRAGMA integrity_check", (), |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(found, "ok");
}

#[test]
fn restore_beside_a_running_server_keeps_spent_what_was_spent() {
    let site = Sqlite::new();
    let running = site.sqlite();
    let token = enrol(&running, "alice");
    let hotp =
        running.add_token(&name("alice"), NewToken { factor: Factor::Hotp, ..second() }, at(0)).unwrap();
    let codes = running.add_token(&name("alice"), recovery(10), at(0)).unwrap();
    let path = backup(&site);
    let spends = [(&token, step(now() + 40)), (&hotp, step(500)), (&codes, SpendPasscode::Code { index: 3 })];
    for (token, spend) in spends {
        assert_eq!(Try::right("alice", token, spend).settle(&running), Right);
    }
    enrol(&running, "bob");
    let settlement = Try::right("bob", &token, step(now() + 99)).settlement(&running);
    assert_eq!(
        restore(&site, &path).unwrap(),
        RestoreReport { users: 1, tokens: 3, counters: 0, recovery: 0 }
    );
    for (token, spend) in spends {
        assert_eq!(Try::right("alice", token, spend).settle(&running), SpentCode);
    }
    assert_eq!(Try::right("alice", &hotp, step(501)).settle(&running), Right);
    assert!(wait(running.find_account(&name("bob"))).unwrap().is_none());
    assert_eq!(wait(running.commit_attempt(settlement)).unwrap(), Reason::UnknownUser);
    let audit = running.audit(&store::AuditQuery { limit: 10, ..Default::default() }).unwrap();
    assert!(audit.len() > 6, "the audit trail stays");
}

#[test]
fn restore_into_nothing_burns_the_window() {
    let site = Sqlite::new();
    let store = site.sqlite();
    let token = enrol(&store, "alice");
    let hotp = store.add_token(&name("alice"), NewToken { factor: Factor::Hotp, ..second() }, at(0)).unwrap();
    store.add_token(&name("alice"), recovery(10), at(0)).unwrap();
    let path = backup(&site);
    store.close();
    lose(&site);
    assert_eq!(
        restore(&site, &path).unwrap(),
        RestoreReport { users: 1, tokens: 3, counters: 1, recovery: 1 }
    );
    let store = site.sqlite();
    for burned in [now(), now() + 1, now() + 11] {
        assert_eq!(Try::right("alice", &token, step(burned)).settle(&store), SpentCode);
    }
    assert_eq!(Try::right("alice", &token, step(now() + 12)).settle(&store), Right);
    assert_eq!(Try::right("alice", &hotp, step(10)).settle(&store), SpentCode);
    assert_eq!(Try::right("alice", &hotp, step(11)).settle(&store), Right);
    assert_eq!(store.tokens(&name("alice")).unwrap()[0].secret, totp_of("alice").secret);
    assert!(
        std::fs::read_dir(site.0.path())
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_string_lossy().contains("restore") })
    );
}

#[test]
fn lock_given_after_the_backup_outlives_the_restore() {
    let site = Sqlite::new();
    let store = site.sqlite();
    enrol(&store, "alice");
    let path = backup(&site);
    store.lock_user(&name("alice"), store::FOREVER).unwrap();
    restore(&site, &path).unwrap();
    assert_eq!(store.user(&name("alice")).unwrap().locked_until, store::FOREVER);
    store.lock_user(&name("alice"), Timestamp::default()).unwrap();
}

#[test]
fn what_was_forbidden_since_the_backup_stays_so() {
    let site = Sqlite::new();
    let store = site.sqlite();
    let alices = enrol(&store, "alice");
    enrol(&store, "bob");
    let path = backup(&site);
    store.set_token_state(&name("alice"), &alices.serial, TokenState::Disabled).unwrap();
    store.rename_user(&name("bob"), &name("robert")).unwrap();
    store.lock_user(&name("robert"), store::FOREVER).unwrap();
    enrol(&store, "carol");
    site.raw()
        .execute_batch(
            "INSERT INTO failure (user, source, count, last, tag, first_token, first_at)
             VALUES ('alice', 'here', 0, 1, x'0000000000000000', 1, 1)",
        )
        .unwrap();
    restore(&site, &path).unwrap();
    assert!(!store.tokens(&name("alice")).unwrap()[0].enabled, "a token that was disabled");
    assert_eq!(
        store.user(&name("bob")).unwrap().locked_until,
        store::FOREVER,
        "who was locked by another name"
    );
    for user in ["carol", "robert"] {
        let login = Try::new(user, AttemptFinding::Unenrolled { logins: None }).answer(&store).unwrap();
        assert_eq!(login, NotEnrolled, "{user} had a token, and is not let in by the password alone");
    }
    assert_eq!(
        Try::new("dave", AttemptFinding::Unenrolled { logins: None }).answer(&store).unwrap(),
        LetInUnenrolled
    );
    let first: Option<i64> =
        site.raw().query_row("SELECT first_token FROM failure", (), |row| row.get(0)).unwrap();
    assert_eq!(first, None, "a code of before is no first of two");
}

#[test]
fn budgets_and_identities_come_back_with_a_lost_database() {
    let site = Sqlite::new();
    let store = site.sqlite();
    enrol(&store, "alice");
    let bobs = enrol(&store, "bob");
    store.delete_user(&name("bob")).unwrap();
    site.raw().execute_batch("INSERT INTO client_budget VALUES ('192.0.2.1', 9999999999999)").unwrap();
    let path = backup(&site);
    store.close();
    lose(&site);
    restore(&site, &path).unwrap();
    let budget: i64 = site.raw().query_row("SELECT budget FROM client_budget", (), |row| row.get(0)).unwrap();
    assert_eq!(budget, 9_999_999_999_999);
    assert!(enrol(&site.sqlite(), "carol").id > bobs.id);
}

#[test]
fn database_with_what_mfa_never_makes_is_refused() {
    for foreign in [
        "CREATE TRIGGER undo AFTER UPDATE ON token BEGIN UPDATE token SET next = 0; END",
        "CREATE VIEW endless AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
    ] {
        let site = Sqlite::new();
        enrol(&site.sqlite(), "alice");
        let path = backup(&site);
        rusqlite::Connection::open(&path).unwrap().execute_batch(foreign).unwrap();
        let refused = restore(&site, &path).unwrap_err().to_string();
        assert!(refused.contains("which mfa has not made"), "{refused}");
        site.raw().execute_batch(foreign).unwrap();
        let refused = store::SqliteStore::open(&site.settings()).unwrap_err().to_string();
        assert!(refused.contains("which mfa has not made"), "{refused}");
    }
}

#[test]
fn nothing_waits_for_the_other_end_of_a_fifo() {
    for file in ["mfa.key", "mfa.db", "mfa.db-journal", "mfa.db-wal", "mfa.db-shm"] {
        let site = Sqlite::new();
        let path = site.0.path().join(file);
        let _ = std::fs::remove_file(&path);
        assert!(
            std::process::Command::new("mkfifo").args(["-m", "600"]).arg(&path).status().unwrap().success()
        );
        let refused = store::SqliteStore::open(&site.settings()).unwrap_err().to_string();
        assert!(refused.contains("is not a file"), "{file}: {refused}");
    }
}

#[test]
fn identities_are_not_given_again_after_restore() {
    let site = Sqlite::new();
    let store = site.sqlite();
    enrol(&store, "alice");
    let path = backup(&site);
    let bobs = enrol(&store, "bob");
    restore(&site, &path).unwrap();
    let carols = enrol(&store, "carol");
    assert!(carols.id > bobs.id);
    assert_eq!(carols.serial, "totp1");
    let second = store.add_token(&name("alice"), second(), at(0)).unwrap().serial;
    restore(&site, &path).unwrap();
    assert_eq!((second.as_str(), third(&store).as_str()), ("totp2", "totp3"), "nor are serials");
}

#[test]
fn what_is_no_backup_is_refused() {
    let site = Sqlite::new();
    enrol(&site.sqlite(), "alice");
    let path = backup(&site);
    let told = |from: &Path, words: &str| {
        let text = restore(&site, from).unwrap_err().to_string();
        assert!(text.contains(words) && !text.contains('\n'), "{text}");
    };
    told(&site.0.path().join("none"), "is not a file");
    told(site.0.path(), "is not a file");
    let rubbish = site.0.path().join("rubbish");
    std::fs::write(&rubbish, "hello ".repeat(10_000)).unwrap();
    told(&rubbish, "is not a database");
    let newer = site.0.path().join("newer");
    std::fs::copy(&path, &newer).unwrap();
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    told(&newer, "newer module");
    let other = Sqlite::new();
    let others = backup(&other);
    told(&others, "wrong key");
    assert_eq!(site.sqlite().tokens(&name("alice")).unwrap().len(), 1, "nothing was changed");
}

#[test]
fn restore_on_a_new_machine_needs_backup_and_key() {
    let site = Sqlite::new();
    enrol(&site.sqlite(), "alice");
    let path = backup(&site);
    let machine = tempfile::tempdir().unwrap();
    let there = settings(machine.path());
    std::fs::copy(site.0.path().join("mfa.key"), machine.path().join("mfa.key")).unwrap();
    store::SqliteStore::restore(&there, &path, WINDOW, at(0), &mut |_, _| {}).unwrap();
    assert_eq!(
        store::SqliteStore::open(&there).unwrap().tokens(&name("alice")).unwrap()[0].secret,
        totp_of("alice").secret
    );
}
