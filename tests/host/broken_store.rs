//! A damaged store: the server does not start, or logins fail, with a clear line; no login is accepted.

use crate::harness::{Code, Login, Server, Site};
use std::process::Command;

/// An initialised site that is not started.
fn ready() -> Server {
    // The user who may not read the store may not read the stock sites either.
    let server = Server::prepare(Site { stock: false, ..Site::passcode() });
    server.admin(&["init"]);
    server
}

#[test]
fn missing_store_names_the_command_that_makes_it() {
    let mut server = Server::prepare(Site::passcode());
    let refused = server.up().unwrap_err();
    assert!(refused.0.contains("mfa init"), "{refused:?}");
}

#[test]
fn missing_key_is_refused() {
    let mut server = ready();
    std::fs::remove_file(server.store.join("mfa.key")).unwrap();
    let refused = server.up().unwrap_err();
    assert!(refused.0.contains("mfa.key"), "{refused:?}");
}

#[test]
fn wrong_key_is_refused() {
    let mut server = ready();
    let other = ready();
    server.enrol("alice");
    std::fs::copy(other.store.join("mfa.key"), server.store.join("mfa.key")).unwrap();
    let refused = server.up().unwrap_err();
    assert!(refused.0.contains("key"), "{refused:?}");
}

#[test]
fn newer_database_is_refused() {
    let mut server = ready();
    let database = rusqlite::Connection::open(server.store.join("mfa.db")).unwrap();
    database.pragma_update(None, "user_version", 9_999).unwrap();
    drop(database);
    let refused = server.up().unwrap_err();
    assert!(refused.0.contains("newer"), "{refused:?}");
}

#[test]
fn file_that_is_no_database_is_refused() {
    let mut server = ready();
    std::fs::write(
        server.store.join("mfa.db"),
        "this is not a database, and long enough to look at".repeat(200),
    )
    .unwrap();
    let refused = server.up().unwrap_err();
    assert!(refused.0.contains("mfa.db"), "{refused:?}");
}

#[test]
fn database_replaced_by_garbage_under_a_running_server_lets_nobody_in() {
    let server = Site::passcode().start();
    let alice = server.enrol("alice");
    for name in ["mfa.db", "mfa.db-wal", "mfa.db-shm"] {
        let _ = std::fs::write(server.store.join(name), vec![0x5a; 65_536]);
    }
    assert_ne!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
}

#[test]
fn database_that_may_not_be_written_is_refused() {
    // Root may write whatever it likes: as another user the server may only read.
    let mut server = ready();
    for (path, mode) in [("mfa.db", "444"), ("mfa.key", "444"), (".", "555")] {
        let path = server.store.join(path);
        assert!(Command::new("chmod").arg(mode).arg(path).status().unwrap().success());
    }
    let configuration = server.folder.join("radiusd.conf");
    let text = std::fs::read_to_string(&configuration).unwrap();
    if is_root() {
        let text = text.replace("security {", "security {\n\tuser = nobody\n\tgroup = nogroup");
        std::fs::write(&configuration, text).unwrap();
        // The module, too, may lie where only root looks.
        let module = server.folder.join("lib/rlm_mfa.so");
        let target = module.canonicalize().unwrap();
        std::fs::remove_file(&module).unwrap();
        std::fs::copy(target, &module).unwrap();
        let home = server.folder.parent().unwrap();
        assert!(Command::new("chmod").arg("755").arg(home).status().unwrap().success());
        assert!(
            Command::new("chown")
                .args(["-R", "nobody:nogroup"])
                .arg(&server.folder)
                .status()
                .unwrap()
                .success()
        );
    }
    let refused = server.up().unwrap_err();
    assert!(refused.0.contains("mfa.") && refused.0.contains("read"), "{refused:?}");
}

#[test]
fn full_disk_refuses_logins_with_a_clear_line_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(folder.path()).status();
    if !mount.is_ok_and(|status| status.success()) {
        eprintln!(
            "SKIPPED: full_disk_refuses_logins_with_a_clear_line_and_recovers needs the right to mount a small disk"
        );
        return;
    }
    let _mounted = Mounted(folder.path().to_owned());
    let mut server = Server::prepare(Site::passcode());
    server.store = folder.path().join("store");
    server.site.write(&server.folder, server.port, &server.store);
    server.admin(&["init"]);
    server.up().unwrap();
    let alice = server.enrol("alice");
    assert_eq!(Login::pap("alice", &alice.code(0)).send(&server).code, Code::Accept);
    let filler = folder.path().join("filler");
    let _ = std::fs::write(&filler, vec![0; 2 << 20]);
    // The last block of the journal may still take a login or two; then nothing is written and no login is accepted.
    let mut last = Code::Accept;
    for counter in 1..80 {
        last = Login::pap("alice", &alice.code(counter)).send(&server).code;
        if last != Code::Accept {
            break;
        }
    }
    assert_eq!(last, Code::Reject);
    assert!(server.logged("full"), "the log says that the disk is full");
    std::fs::remove_file(filler).unwrap();
    let user = server.admin(&["user", "show", "alice", "--json"]);
    assert!(user.contains("alice"));
    let recovered = (1..90).any(|n| Login::pap("alice", &alice.code(n)).send(&server).code == Code::Accept);
    assert!(recovered, "with room on the disk logins work again");
    server.kill();
}

/// Unmounted when the test is over, however it ends.
struct Mounted(std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    String::from_utf8_lossy(&id.stdout).trim() == "0"
}
