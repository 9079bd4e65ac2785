//! Files: whose they are, what is wrong with them, and that logins fail closed.

use crate::site::{Site, Sqlite, Try, at, enrol, name, settings, step, totp_of, wait, wrong};
use rlm_mfa::config;
use rlm_mfa::engine::Reason;
use rlm_mfa::engine::port::Store;
use rlm_mfa::store;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

fn error(settings: &config::StoreOptions) -> String {
    let text = store::SqliteStore::open(settings).unwrap_err().to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    text
}

#[track_caller]
fn told(settings: &config::StoreOptions, words: &[&str]) {
    let text = error(settings);
    assert!(words.iter().all(|word| text.contains(word)), "{text}");
}

/// The version of the schema.
fn schema_of(site: &Sqlite) -> i64 {
    site.raw().query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap()
}

#[test]
fn files_are_private_and_a_folder_that_is_there_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(&folder.path().join("freeradius-mfa"));
    store::SqliteStore::create_store(&settings).unwrap();
    let store = store::SqliteStore::open(&settings).unwrap();
    enrol(&store, "alice");
    store.rekey(&mut |_, _| {}).unwrap();
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder.path().join("freeradius-mfa")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().mode() & 0o777, 0o600, "{entry:?}");
        seen.push(entry.file_name().into_string().unwrap());
    }
    seen.sort();
    assert_eq!(seen, ["mfa.db", "mfa.db-shm", "mfa.db-wal", "mfa.key"]);
    let made = folder.path().join("freeradius-mfa");
    assert_eq!(std::fs::metadata(&made).unwrap().mode() & 0o777, 0o700);
    std::fs::set_permissions(&made, std::fs::Permissions::from_mode(0o750)).unwrap();
    let two = config::StoreOptions { filename: made.join("two.db"), ..settings };
    store::SqliteStore::create_store(&two).unwrap();
    assert_eq!(std::fs::metadata(&made).unwrap().mode() & 0o777, 0o750);
}

#[test]
fn init_overwrites_nothing() {
    let site = Sqlite::new();
    let key = std::fs::read(site.0.path().join("mfa.key")).unwrap();
    let text = store::SqliteStore::create_store(&site.settings()).unwrap_err().to_string();
    assert!(text.contains("exists already") && text.contains("mfa.db"), "{text}");
    std::fs::remove_file(site.settings().filename).unwrap();
    store::SqliteStore::create_store(&site.settings()).unwrap();
    assert_eq!(std::fs::read(site.0.path().join("mfa.key")).unwrap(), key, "a key that is there is used");
}

#[test]
fn what_is_no_database_is_told_with_the_remedy() {
    let site = Sqlite::new();
    let settings = site.settings();
    let file = &settings.filename;
    std::fs::remove_file(file).unwrap();
    told(&settings, &["mfa.db", "does not exist", "mfa init"]);
    std::fs::create_dir(file).unwrap();
    told(&settings, &["mfa.db", "is a directory"]);
    std::fs::remove_dir(file).unwrap();
    std::fs::write(file, "").unwrap();
    told(&settings, &["mfa.db", "is empty", "mfa init"]);
    std::fs::write(file, "hello ".repeat(10_000)).unwrap();
    told(&settings, &["mfa.db", "is not a database"]);
    std::fs::remove_file(file).unwrap();
    rusqlite::Connection::open(file)
        .unwrap()
        .execute_batch("CREATE TABLE x (y); PRAGMA user_version = 3")
        .unwrap();
    told(&settings, &["mfa.db", "of another program"]);
    let nowhere = config::StoreOptions { filename: site.0.path().join("no/mfa.db"), ..settings.clone() };
    told(&nowhere, &["folder", "does not exist", "mfa init"]);
}

#[test]
fn newer_database_is_refused() {
    let site = Sqlite::new();
    let newer = schema_of(&site) + 1;
    site.raw().pragma_update(None, "user_version", newer).unwrap();
    told(&site.settings(), &[&format!("schema version {newer}"), "newer module"]);
}

#[test]
fn corrupt_row_is_named_and_costs_only_its_user() {
    let site = Sqlite::new();
    let store = site.sqlite();
    enrol(&store, "alice");
    let bob = enrol(&store, "bob");
    for (damage, word) in [
        ("factor = 'banana'", "banana"),
        ("factor = 'totp', digits = 77", "77"),
        ("digits = 6, period = -1", "negative"),
        ("period = 30, codes = x'00'", "codes"),
        ("codes = NULL, secret = x'00'", "token.secret"),
        ("secret = (SELECT secret FROM token WHERE id = 2)", "does not open"),
    ] {
        site.raw().execute_batch(&format!("UPDATE token SET {damage} WHERE id = 1")).unwrap();
        let text = wait(store.find_account(&name("alice"))).unwrap_err().to_string();
        assert!(text.contains("row 1") && text.contains(word) && text.contains("mfa.db"), "{text}");
        assert!(!text.contains('\n'), "{text}");
    }
    assert_eq!(Try::right("bob", &bob, step(50)).settle(&store), Reason::Right);
}

#[test]
fn counts_made_absurd_by_hand_let_nobody_in() {
    let site = Sqlite::new();
    let store = site.sqlite();
    let token = enrol(&store, "alice");
    let _ = Try::new("alice", wrong("a")).settle(&store);
    site.raw().execute_batch("UPDATE failure SET count = -1").unwrap();
    assert_eq!(Try::right("alice", &token, step(50)).settle(&store), Reason::Slowed);
    site.raw().execute_batch("UPDATE failure SET tag = x'00'").unwrap();
    let text = Try::right("alice", &token, step(50)).answer(&store).unwrap_err().to_string();
    assert!(text.contains("failure of user \"alice\""), "{text}");
    site.raw().execute_batch("DELETE FROM failure; UPDATE user SET locked_until = -1").unwrap();
    assert_eq!(Try::right("alice", &token, step(50)).settle(&store), Reason::Locked);
}

#[test]
fn replaced_database_is_noticed() {
    let site = Sqlite::new();
    let store = site.sqlite();
    let token = enrol(&store, "alice");
    let found = Try::right("alice", &token, step(50)).settlement(&store);
    let (file, aside) = (site.settings().filename, site.0.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    let text = wait(store.commit_attempt(found.clone())).unwrap_err().to_string();
    assert!(text.contains("removed or replaced"), "{text}");
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(wait(store.commit_attempt(found)).unwrap(), Reason::Right);
}

/// A small file system of its own. `None`, loudly, where that is not allowed.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount(octets: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={octets}");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status();
        if mounted.is_ok_and(|status| status.success()) {
            return Some(Self(folder));
        }
        eprintln!("SKIPPED: needs root and mount");
        None
    }
    fn remount(&self, how: &str) {
        let how = format!("remount,{how}");
        assert!(Command::new("mount").args(["-o", &how]).arg(self.0.path()).status().unwrap().success());
    }
    fn settings(&self) -> config::StoreOptions {
        settings(Path::new(self.0.path()))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn full_disk_refuses_logins_and_says_so() {
    let Some(disk) = Disk::mount("1m") else { return };
    store::SqliteStore::create_store(&disk.settings()).unwrap();
    let store = store::SqliteStore::open(&disk.settings()).unwrap();
    let token = enrol(&store, "alice");
    let filler = disk.0.path().join("filler");
    let _ = std::fs::write(&filler, vec![0; 2 << 20]);
    let mut accepted = 0;
    let refused = loop {
        match Try::right("alice", &token, step(accepted)).answer(&store) {
            Ok(reason) => assert_eq!(reason, Reason::Right),
            Err(refused) => break refused.to_string(),
        }
        accepted += 1;
    };
    assert!(refused.contains("the disk is full: make room"), "{refused}");
    assert!(wait(store.find_account(&name("alice"))).unwrap().is_some(), "reading goes on");
    std::fs::remove_file(filler).unwrap();
    for spent in 0..accepted {
        assert_eq!(Try::right("alice", &token, step(spent)).settle(&store), Reason::SpentCode);
    }
    assert_eq!(
        Try::right("alice", &token, step(accepted)).settle(&store),
        Reason::Right,
        "it recovers by itself"
    );
}

#[test]
fn read_only_disk_is_told() {
    let Some(disk) = Disk::mount("4m") else { return };
    store::SqliteStore::create_store(&disk.settings()).unwrap();
    let store = store::SqliteStore::open(&disk.settings()).unwrap();
    enrol(&store, "alice");
    store.close();
    disk.remount("ro");
    let text = error(&disk.settings());
    assert!(text.contains("mfa.db") && text.contains("server's user"), "{text}");
    disk.remount("rw");
}

#[test]
fn another_holder_of_the_database_makes_logins_unavailable() {
    let site = Sqlite::new();
    let store = site.sqlite();
    let token = enrol(&store, "alice");
    let holder = site.raw();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    let since = std::time::Instant::now();
    let text = Try::right("alice", &token, step(50)).answer(&store).unwrap_err().to_string();
    assert!(text.contains("held by another process"), "{text}");
    assert!(since.elapsed() < std::time::Duration::from_secs(30));
    assert!(wait(store.find_account(&name("alice"))).is_ok(), "readers never wait");
    holder.execute_batch("ROLLBACK").unwrap();
    assert_eq!(Try::right("alice", &token, step(50)).settle(&store), Reason::Right);
}

#[test]
fn health_tells_what_there_is() {
    let site = Sqlite::new();
    let store = site.sqlite();
    let tokens = |n: u8| ["one", "two"].map(|of| totp_of(&format!("{of} {n}"))).to_vec();
    store.import((0..10).map(|n| (name(&format!("user{n}")), tokens(n))), at(0), &mut |_, _| {}).unwrap();
    let health = store.read_health().unwrap();
    assert_eq!((health.users, health.tokens, health.attempts), (10, 20, 0));
    assert_eq!(health.schema, schema_of(&site));
    assert!(health.keys.len() == 1 && health.damage.is_empty() && health.database > 0);
    assert!(health.sync > std::time::Duration::ZERO);
}
