//! Keys: wrong, exposed, changed while others work.

use crate::site::{Site, Sqlite, Try, at, enrol, name, open_at, second, step, totp, totp_of, wait};
use rlm_mfa::config;
use rlm_mfa::engine::Reason;
use rlm_mfa::engine::port::Store;
use rlm_mfa::store::{self, Administration, NewToken};
use rlm_mfa::types::Secret;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

fn error(settings: &config::StoreOptions) -> String {
    let text = store::SqliteStore::open(settings).unwrap_err().to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    text
}

fn key_path(site: &Sqlite) -> std::path::PathBuf {
    site.0.path().join("mfa.key")
}

fn key_lines(site: &Sqlite) -> Vec<String> {
    let text = std::fs::read_to_string(key_path(site)).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

#[test]
fn wrong_key_is_named_with_its_file() {
    let (site, other) = (Sqlite::new(), Sqlite::new());
    let id = key_lines(&site)[0].split_once(' ').unwrap().0.to_owned();
    std::fs::copy(key_path(&other), key_path(&site)).unwrap();
    let text = error(&site.settings());
    assert!(text.contains("wrong key") && text.contains(&id) && text.contains("mfa.key"), "{text}");
}

#[test]
fn missing_exposed_and_damaged_keys_are_told() {
    let site = Sqlite::new();
    let path = key_path(&site);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    let text = error(&site.settings());
    assert!(text.contains("chmod 600") && text.contains("mfa.key"), "{text}");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    let content = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, content.replace('=', "")).unwrap();
    let text = error(&site.settings());
    assert!(text.contains("line 3"), "{text}");
    std::fs::remove_file(&path).unwrap();
    let text = error(&site.settings());
    assert!(text.contains("is missing") && text.contains("mfa.key"), "{text}");
}

#[test]
fn key_may_stand_in_the_configuration() {
    let site = Sqlite::new();
    let line = key_lines(&site).remove(0);
    for text in [line.clone(), line.split_once(' ').unwrap().1.to_owned()] {
        let key = config::KeySource::Text(Secret::new(text));
        let store = store::SqliteStore::open(&config::StoreOptions { key, ..site.settings() }).unwrap();
        let text = store.rekey(&mut |_, _| {}).unwrap_err().to_string();
        assert!(text.contains("key_file"), "{text}");
    }
}

#[test]
fn rekey_leaves_one_new_key_and_all_secrets() {
    let site = Sqlite::new();
    let old = key_lines(&site);
    let running = site.sqlite();
    running
        .import(
            (0..450).map(|n| (name(&format!("user{n}")), vec![totp_of(&format!("user{n}"))])),
            at(0),
            &mut |_, _| {},
        )
        .unwrap();
    running.set_password(&name("user7"), Some("hash")).unwrap();
    running.add_token(&name("user7"), NewToken { pin: Some(Secret::new("11")), ..second() }, at(0)).unwrap();
    let mut seen = Vec::new();
    assert_eq!(site.sqlite().rekey(&mut |done, all| seen.push((done, all))).unwrap(), 451);
    assert_eq!(seen, [(200, 451), (400, 451), (451, 451)]);
    let new = key_lines(&site);
    assert!(new.len() == 1 && new != old);
    assert_eq!(std::fs::metadata(key_path(&site)).unwrap().mode() & 0o777, 0o600);
    // A process that knew the old key alone goes on, and so does a new one.
    for store in [&running, &site.sqlite()] {
        let known = wait(store.find_account(&name("user7"))).unwrap().unwrap();
        assert_eq!(known.tokens[0].secret, totp_of("user7").secret);
        assert_eq!(known.tokens[1].pin, Some(Secret::new("11")));
        assert_eq!(wait(store.find_password_hash(&name("user7"))).unwrap().as_deref(), Some("hash"));
    }
    enrol(&running, "new");
    assert_eq!(wait(site.sqlite().find_account(&name("new"))).unwrap().unwrap().tokens.len(), 1);
}

#[test]
fn process_that_knows_the_old_key_seals_under_the_new_one() {
    let site = Sqlite::new();
    let running = site.sqlite();
    site.sqlite().rekey(&mut |_, _| {}).unwrap();
    enrol(&running, "alice");
    running.rename_user(&name("alice"), &name("alicia")).unwrap();
    drop(running);
    assert_eq!(site.sqlite().tokens(&name("alicia")).unwrap()[0].secret, totp_of("alice").secret);
}

#[test]
fn interrupted_rekey_is_taken_up_again() {
    let site = Sqlite::new();
    let store = site.sqlite();
    store
        .import(
            (0..500).map(|n| (name(&format!("user{n}")), vec![totp_of(&format!("user{n}"))])),
            at(0),
            &mut |_, _| {},
        )
        .unwrap();
    for bites in 0..3 {
        let mut left = bites;
        let interrupted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            site.sqlite().rekey(&mut |_, _| {
                assert!(left > 0, "interrupted");
                left -= 1;
            })
        }));
        assert!(interrupted.is_err());
        assert_eq!(key_lines(&site).len(), 2, "the next call goes on with the key of the first");
        assert_eq!(
            wait(store.find_account(&name("user499"))).unwrap().unwrap().tokens[0].secret,
            totp_of("user499").secret
        );
    }
    store.rekey(&mut |_, _| {}).unwrap();
    assert_eq!(key_lines(&site).len(), 1);
    for user in ["user0", "user250", "user499"] {
        assert_eq!(site.sqlite().tokens(&name(user)).unwrap()[0].secret, totp_of(user).secret);
    }
}

#[test]
fn logins_and_enrolments_go_on_while_rekey_runs() {
    let site = Sqlite::new();
    let store = site.sqlite();
    store
        .import(
            (0..1000).map(|n| (name(&format!("user{n}")), vec![totp_of(&format!("user{n}"))])),
            at(0),
            &mut |_, _| {},
        )
        .unwrap();
    let tokens = store.tokens(&name("user0")).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    let logins = std::thread::scope(|scope| {
        let logins = scope.spawn(|| {
            let mut logins = 0;
            while !done.load(std::sync::atomic::Ordering::SeqCst) {
                logins += 1;
                let attempt = Try::right("user0", &tokens[0], step(logins));
                assert_eq!(attempt.settle(&store), Reason::Right);
                let user = format!("user{}", logins * 37 % 1000);
                assert_eq!(
                    wait(store.find_account(&name(&user))).unwrap().unwrap().tokens[0].secret,
                    totp_of(&user).secret
                );
                enrol(&store, &format!("new{logins}"));
            }
            logins
        });
        for _ in 0..3 {
            // From another opening of the store, as from another process.
            match site.sqlite().rekey(&mut |_, _| {}) {
                Ok(_) => {}
                Err(error) => panic!("{error}"),
            }
        }
        done.store(true, std::sync::atomic::Ordering::SeqCst);
        logins.join().unwrap()
    });
    assert!(logins > 0);
    let fresh = open_at(&site.address());
    for n in 1..=logins {
        assert_eq!(
            fresh.tokens(&name(&format!("new{n}"))).unwrap()[0].secret,
            totp_of(&format!("new{n}")).secret
        );
    }
}

/// Whether the secret of this user's token is refused for another user.
fn is_refused(store: &store::SqliteStore, of: &str) -> bool {
    let _ = store.add_user(&name("mallory"), "", at(0));
    match store.add_token(&name("mallory"), NewToken { serial: None, ..totp_of(of) }, at(0)) {
        Err(store::Error::SecretTaken { user, .. }) => user == name(of),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rekey_keeps_secrets_unique() {
    let site = Sqlite::new();
    let running = site.sqlite();
    let users = (0..500).map(|n| (name(&format!("user{n}")), vec![totp_of(&format!("user{n}"))]));
    running.import(users, at(0), &mut |_, _| {}).unwrap();
    let interrupted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        site.sqlite().rekey(&mut |_, _| panic!("interrupted"))
    }));
    assert!(interrupted.is_err());
    for store in [&running, &site.sqlite()] {
        for user in ["user0", "user499"] {
            assert!(is_refused(store, user), "{user}: half of the rows are under each key");
        }
    }
    site.sqlite().rekey(&mut |_, _| {}).unwrap();
    for store in [&running, &site.sqlite()] {
        assert!(is_refused(store, "user0") && is_refused(store, "user499"));
    }
    assert!(running.tokens(&name("mallory")).unwrap().is_empty());
}

#[test]
fn process_that_knows_the_old_key_finds_secrets_under_the_new_one() {
    let site = Sqlite::new();
    let running = site.sqlite();
    enrol(&running, "alice");
    site.sqlite().rekey(&mut |_, _| {}).unwrap();
    assert!(is_refused(&running, "alice"));
}

#[test]
fn secrets_of_an_earlier_version_are_found_and_damaged_ones_stand_in_nobodys_way() {
    let site = Sqlite::new();
    let store = site.sqlite();
    let users = (0..2500).map(|n| (name(&format!("user{n}")), vec![totp_of(&format!("user{n}"))]));
    store.import(users, at(0), &mut |_, _| {}).unwrap();
    site.raw()
        .execute_batch("UPDATE token SET digest = NULL; UPDATE token SET secret = x'00' WHERE id % 1000 = 7")
        .unwrap();
    for user in ["user0", "user2499"] {
        assert!(is_refused(&store, user));
    }
    let left = "SELECT count(*) FROM token WHERE digest IS NULL";
    assert_eq!(site.raw().query_row(left, (), |row| row.get::<_, i64>(0)).unwrap(), 0);
    enrol(&store, "new");
}

#[test]
fn secrets_are_not_in_the_database() {
    let site = Sqlite::new();
    let store = site.sqlite();
    store.add_user(&name("alice"), "", at(0)).unwrap();
    let new = NewToken {
        secret: Secret::new("MARKER-SECRET-1"),
        pin: Some(Secret::new("MARKER-PIN-22")),
        ..totp()
    };
    store.add_token(&name("alice"), new, at(0)).unwrap();
    store.set_password(&name("alice"), Some("MARKER-HASH-3")).unwrap();
    store.close();
    for entry in std::fs::read_dir(site.0.path()).unwrap() {
        let octets = std::fs::read(entry.unwrap().path()).unwrap();
        assert!(!octets.windows(6).any(|window| window == b"MARKER"));
    }
}

#[test]
fn password_that_was_moved_from_another_row_is_neither_right_nor_wrong() {
    let site = Sqlite::new();
    let store = site.sqlite();
    for user in ["alice", "mallory"] {
        store.add_user(&name(user), "", at(0)).unwrap();
        store.set_password(&name(user), Some(user)).unwrap();
    }
    let conn = rusqlite::Connection::open(site.settings().filename).unwrap();
    conn.execute("UPDATE user SET password = (SELECT password FROM user WHERE name = 'mallory')", ())
        .unwrap();
    assert_eq!(wait(store.find_password_hash(&name("mallory"))).unwrap().as_deref(), Some("mallory"));
    assert!(wait(store.find_password_hash(&name("alice"))).unwrap_err().to_string().contains("moved here"));
}
