//! `mfa doctor`: each fault is found, named and given its remedy.

use super::site::{Outcome, Site};

/// The findings of that state, as `subject: text -> remedy`.
fn findings(outcome: &Outcome, state: &str) -> Vec<String> {
    let all: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    let of_state = all.as_array().unwrap().iter().filter(|finding| finding["state"] == state);
    of_state.map(|f| format!("{}: {} -> {}", f["subject"], f["text"], f["remedy"])).collect()
}

/// Asserts that something fails, and that exactly this is said of it.
#[track_caller]
fn fails(site: &Site, subject: &str, says: &str) {
    let outcome = site.mfa(["doctor", "--json"]);
    let found = findings(&outcome, "fail");
    assert!(
        found.iter().any(|f| f.contains(subject) && f.contains(says)),
        "no {subject} that says {says}: {found:#?}"
    );
    outcome.refused(1);
}

/// One where nothing fails.
fn sound() -> Site {
    let site = Site::new();
    site.write(
        "radiusd.conf",
        "modules {\n\t$INCLUDE mods-enabled/\n}\nserver default {\n\tlisten {\n\t\ttype = auth\n\t}\n\tpost-auth {\n\t\tmfa\n\t}\n}\n",
    );
    site
}

#[test]
fn sound_site_is_said_to_be_sound() {
    let outcome = sound().mfa(["doctor", "--json"]);
    assert_eq!(findings(&outcome, "fail"), Vec::<String>::new());
    assert!(findings(&outcome, "ok").iter().any(|f| f.contains("a sync takes")), "{outcome:?}");
    outcome.ok();
    let text = sound().mfa(["doctor"]).ok();
    assert!(text.lines().any(|line| line.starts_with("ok    key")), "{text}");
}

#[test]
fn missing_key_is_found() {
    let site = sound();
    std::fs::remove_file(site.key()).unwrap();
    fails(&site, "key", "mfa.key");
}

#[cfg(unix)]
#[test]
fn open_files_are_found() {
    use std::os::unix::fs::PermissionsExt;
    let set = |path: std::path::PathBuf, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let site = sound();
    set(site.key(), 0o644);
    fails(&site, "key", "chmod 600");
    set(site.key(), 0o600);
    set(site.database(), 0o400);
    fails(&site, "database", "closed to its owner");
    set(site.database(), 0o660);
    fails(&site, "database", "open to others");
    set(site.database(), 0o600);
    set(site.path("lib"), 0o777);
    fails(&site, "folder", "chmod 700");
    set(site.path("lib"), 0o700);
    site.mfa(["doctor"]).ok();
}

#[cfg(unix)]
#[test]
fn foreign_files_are_found() {
    use std::os::unix::fs::{MetadataExt, chown};
    let site = sound();
    if site.key().metadata().unwrap().uid() != 0 {
        eprintln!("SKIPPED: foreign_files_are_found needs root");
        return;
    }
    let text = std::fs::read_to_string(site.path("radiusd.conf")).unwrap();
    site.write("radiusd.conf", &format!("security {{\n\tuser = daemon\n}}\n{text}"));
    fails(&site, "key", "the server runs as user 1");
    fails(&site, "key", "chown -h 1 ");
    fails(&site, "folder", "chown -h 1 ");
    for path in [site.key(), site.database(), site.path("lib")] {
        chown(path, Some(1), Some(1)).unwrap();
    }
    site.mfa(["doctor"]).ok();
}

#[test]
fn wrong_key_is_found() {
    let site = sound();
    std::fs::copy(Site::new().key(), site.key()).unwrap();
    fails(&site, "store", "key");
}

#[test]
fn newer_database_is_found() {
    let site = sound();
    let database = rusqlite::Connection::open(site.database()).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    fails(&site, "store", "99");
    assert!(site.mfa(["user", "list"]).refused(4).contains("99"));
}

#[test]
fn missing_store_is_found() {
    let site = Site::bare();
    fails(&site, "store", "mfa init");
}

#[test]
fn clock_that_was_set_back_is_found() {
    let site = sound();
    site.mfa(["user", "add", "alice"]).ok();
    let _ = site.login("alice", "123456");
    let database = rusqlite::Connection::open(site.database()).unwrap();
    database.execute("UPDATE attempt SET at = at + 3600000", ()).unwrap();
    fails(&site, "clock", "was set back");
}

#[test]
fn bad_options_are_found_with_file_and_line() {
    let site = sound();
    site.configure("\tmode = sometimes\n");
    fails(&site, "configuration", "mods-enabled/mfa[6]");
}

#[test]
fn module_that_is_not_there_is_found() {
    let site = sound();
    let text = std::fs::read_to_string(site.path("radiusd.conf")).unwrap();
    let libdir = site.path("modules");
    site.write("radiusd.conf", &format!("libdir = {}\n{text}", libdir.display()));
    fails(&site, "module", "no rlm_mfa.so");
    site.write("modules/rlm_mfa.so", "\0rlm_mfa built for FreeRADIUS 3.2.99\0");
    let built = site.mfa(["doctor"]);
    assert!(built.out.contains("built for FreeRADIUS 3.2.99"), "{built:?}");
}

#[test]
fn way_around_the_module_is_named() {
    let site = sound();
    let text = std::fs::read_to_string(site.path("radiusd.conf")).unwrap();
    site.write("radiusd.conf", &text.replace("\t\tmfa\n", "\t\texec\n"));
    let outcome = site.mfa(["doctor", "--json"]);
    assert!(
        findings(&outcome, "warn").iter().any(|f| f.contains("coverage") && f.contains("default")),
        "{outcome:?}"
    );
}

#[test]
fn short_timers_are_named() {
    let site = sound();
    let text = std::fs::read_to_string(site.path("radiusd.conf")).unwrap();
    site.write("radiusd.conf", &format!("max_request_time = 2\ncleanup_delay = 0\n{text}"));
    let outcome = site.mfa(["doctor", "--json"]);
    let warned = findings(&outcome, "warn").join("\n");
    assert!(warned.contains("max_request_time") && warned.contains("cleanup_delay"), "{warned}");
}

#[test]
fn whatever_keeps_the_server_from_starting_is_found() {
    let site = sound();
    site.configure("\tlanguage = klingon\n");
    fails(&site, "start", "klingon");
    site.configure(
        "\temail {\n\t\tfrom = a@example.test\n\t\trelay one {\n\t\t\thost = localhost\n\t\t\ttls = tls\n\t\t\tca_file = /nowhere.pem\n\t\t}\n\t}\n",
    );
    fails(&site, "start", "/nowhere.pem");
    site.configure("");
    let server = std::fs::read_to_string(site.path("radiusd.conf")).unwrap();
    site.write(
        "radiusd.conf",
        &format!("{server}client nas {{\n\tipaddr = 192.0.2.1\n\tmfa_profile = nonsense\n}}\n"),
    );
    fails(&site, "start", "nonsense");
    site.write("radiusd.conf", &server);
    // Another instance than the one that is looked at.
    let own = std::fs::read_to_string(site.path("mods-enabled/mfa")).unwrap();
    let other = own.replacen("mfa {", "mfa other {\n\tlanguage = volapuk", 1);
    site.write("mods-enabled/other", &other);
    fails(&site, "start", "volapuk");
    std::fs::remove_file(site.path("mods-enabled/other")).unwrap();
    assert_eq!(findings(&site.mfa(["doctor", "--json"]), "fail"), Vec::<String>::new());
}
