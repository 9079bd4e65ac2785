//! The store: made, looked after, brought back.

use super::site::{SECRET, Site, code, step, uri_in};

#[test]
fn store_is_made_once_and_then_only_checked() {
    let site = Site::bare();
    let made = site.mfa(["init"]).ok();
    assert!(made.starts_with("made") && made.contains("mfa user add"), "{made}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: std::path::PathBuf| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(site.key()), mode(site.database()), mode(site.path("lib"))), (0o600, 0o600, 0o700));
    }
    let key = std::fs::read(site.key()).unwrap();
    site.mfa(["user", "add", "alice"]).ok();
    let again = site.mfa(["init", "--json"]).json();
    assert_eq!((&again["created"], &again["users"]), (&false.into(), &1.into()));
    assert_eq!(std::fs::read(site.key()).unwrap(), key);

    std::fs::remove_file(site.key()).unwrap();
    assert!(site.mfa(["init"]).refused(4).contains("mfa.key"));
    assert!(!site.key().exists(), "a lost key is not replaced by a new one");
}

#[test]
fn key_is_kept_when_only_the_database_is_lost() {
    let site = Site::new();
    let key = std::fs::read(site.key()).unwrap();
    std::fs::remove_file(site.database()).unwrap();
    let _ = site.mfa(["init"]);
    assert_eq!(std::fs::read(site.key()).unwrap(), key);
}

#[test]
fn owner_that_does_not_exist_is_told_before_anything_is_made() {
    let site = Site::bare();
    site.write(
        "radiusd.conf",
        "security {\n\tuser = nobody-here\n}\nmodules {\n\t$INCLUDE mods-enabled/\n}\n",
    );
    assert!(site.mfa(["init"]).refused(4).contains("nobody-here"));
    assert!(!site.path("lib").exists());
}

#[test]
fn new_key_seals_what_the_old_one_did() {
    let site = Site::with_alice();
    site.mfa(["token", "add", "alice", "hotp", "--secret", SECRET]).ok();
    let before = std::fs::read(site.key()).unwrap();
    assert!(site.mfa(["rekey"]).ok().contains("1 secrets sealed"));
    assert_ne!(std::fs::read(site.key()).unwrap(), before);
    assert!(site.mfa(["check", "alice", "755224"]).ok().contains("accept"));
}

#[test]
fn restored_store_accepts_no_code_again() {
    let site = Site::with_alice();
    let uri = uri_in(&site.mfa(["token", "add", "alice", "totp"]).ok());
    let file = site.path("backup.db");
    let name = file.to_str().unwrap();
    assert!(site.mfa(["backup", name]).ok().contains("mfa.key"));
    assert!(site.mfa(["backup", name]).refused(5).contains("exists already"));

    let now = code(&uri, step());
    assert_eq!(site.login("alice", &now).reason().as_str(), "right code");
    site.mfa(["user", "add", "bob"]).ok();
    assert!(site.mfa(["restore", name]).refused(2).contains("--yes"));
    site.mfa(["restore", name, "--yes"]).ok();
    let answer = site.mfa(["check", "alice", &now]);
    assert!(answer.out.contains("code already used"), "{answer:?}");
    site.mfa(["user", "show", "bob"]).refused(3);

    assert!(site.mfa(["restore", "/nowhere", "--yes"]).refused(2).contains("/nowhere"));
    site.write("garbage", "no database");
    site.mfa(["restore", site.path("garbage").to_str().unwrap(), "--yes"]).refused(4);
    site.mfa(["user", "show", "alice"]).ok();
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_is_told_and_nothing_is_half_done() {
    use std::process::Command;
    let site = Site::bare();
    let folder = site.path("lib");
    std::fs::create_dir(&folder).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=512k,mode=700", "none"])
        .arg(&folder)
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        eprintln!("SKIPPED: full_disk_is_told_and_nothing_is_half_done: a tmpfs cannot be mounted here");
        return;
    }
    let story = std::panic::catch_unwind(|| {
        site.mfa(["init"]).ok();
        site.mfa(["user", "add", "alice"]).ok();
        let error = (0..2000)
            .map(|n| site.mfa(["user", "add", &format!("u{n}"), "--note", &"x".repeat(20_000)]))
            .find(|outcome| outcome.status != 0)
            .expect("the disk is never full");
        let error = error.refused(4);
        assert!(error.contains("full") || error.contains("space"), "{error}");
        site.mfa(["user", "show", "alice"]).ok();
    });
    let _ = Command::new("umount").arg(&folder).status();
    story.unwrap();
}
