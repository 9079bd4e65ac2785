//! What root runs in a folder that belongs to the server's user: nothing of root's is given away, changed or read out, however the
//! names in the folder are exchanged meanwhile.

use super::site::{SECRET, Site, code, read_qr, uri_in};
use std::fs::Permissions;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The server's user here, who is there on every system: daemon.
const SERVER: (u32, u32) = (1, 1);

/// A site whose server runs as another user than root. None if this is not run by root.
fn served(test: &str) -> Option<Site> {
    let site = Site::bare();
    let folder = site.path("");
    if folder.metadata().unwrap().uid() != 0 {
        eprintln!("SKIPPED: {test} needs root");
        return None;
    }
    std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    site.write(
        "radiusd.conf",
        "security {\n\tuser = daemon\n\tgroup = daemon\n}\nmodules {\n\t$INCLUDE mods-enabled/\n}\n",
    );
    // As FreeRADIUS is installed: what it says is not for everybody.
    for file in ["radiusd.conf", "mods-enabled/mfa"] {
        std::fs::set_permissions(site.path(file), Permissions::from_mode(0o600)).unwrap();
    }
    Some(site)
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o777
}

fn all_belong_to_the_server(site: &Site) {
    let folder = site.path("lib");
    let inside = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    for path in inside.chain([folder.clone()]) {
        let found = path.symlink_metadata().unwrap();
        assert_eq!((found.uid(), found.gid()), SERVER, "{path:?}");
        assert_eq!(found.mode() & 0o077, 0, "{path:?}");
    }
}

#[test]
fn files_belong_to_the_servers_user() {
    let Some(site) = served("files_belong_to_the_servers_user") else { return };
    site.mfa(["init"]).ok();
    all_belong_to_the_server(&site);
    site.mfa(["user", "add", "alice"]).ok();
    site.mfa(["token", "add", "alice", "hotp", "--secret", SECRET]).ok();
    site.mfa(["rekey"]).ok();
    let copy = site.path("copy");
    site.mfa(["backup", copy.to_str().unwrap()]).ok();
    site.mfa(["restore", copy.to_str().unwrap(), "--yes"]).ok();
    site.mfa(["init"]).ok();
    let _ = site.mfa(["doctor"]);
    site.mfa(["token", "show", "alice", "hotp1"]).ok();
    all_belong_to_the_server(&site);
}

#[test]
fn what_the_command_line_names_may_be_roots_alone() {
    let Some(site) = served("what_the_command_line_names_may_be_roots_alone") else { return };
    site.mfa(["init"]).ok();
    site.mfa(["user", "add", "alice"]).ok();
    let private = site.path("private");
    std::fs::create_dir(&private).unwrap();
    std::fs::set_permissions(&private, Permissions::from_mode(0o700)).unwrap();
    let name = |file: &str| private.join(file).to_str().unwrap().to_owned();
    site.write("private/secret", SECRET);
    site.write("private/pin", "abc1");
    for file in ["secret", "pin"] {
        std::fs::set_permissions(private.join(file), Permissions::from_mode(0o600)).unwrap();
    }
    let (secret, pin, qr) = (name("secret"), name("pin"), name("qr.png"));
    let add = ["token", "add", "alice", "hotp", "--secret-file", &secret, "--pin-file", &pin, "--qr", &qr];
    let uri = uri_in(&site.mfa(add).ok());
    assert_eq!((read_qr(Path::new(&qr)), mode(Path::new(&qr))), (uri.clone(), 0o600));
    assert!(site.mfa(add).refused(5).contains("--force"));
    let show = ["token", "show", "alice", "hotp1", "--reveal", "--qr", &qr, "--force"];
    site.mfa(show).ok();
    assert!(site.mfa(["check", "alice", &format!("abc1{}", code(&uri, 0))]).ok().contains("accept"));

    let backup = name("backup.db");
    site.mfa(["backup", &backup]).ok();
    assert_eq!((mode(Path::new(&backup)), Path::new(&backup).metadata().unwrap().uid()), (0o600, 0));
    assert!(site.mfa(["backup", &backup]).refused(5).contains("exists already"));
    site.mfa(["user", "delete", "alice", "--yes"]).ok();
    site.mfa(["restore", &backup, "--yes"]).ok();
    site.mfa(["user", "show", "alice"]).ok();
    all_belong_to_the_server(&site);
    assert!(site.mfa(["status"]).status == 1, "nothing runs");
    // In a folder that is not root's alone, no link is followed.
    std::fs::create_dir(site.path("others")).unwrap();
    chown(site.path("others"), Some(7), Some(7)).unwrap();
    symlink(&private, site.path("others/in")).unwrap();
    let linked = site.path("others/in/b.db");
    assert!(site.mfa(["backup", linked.to_str().unwrap()]).refused(4).contains("link"));
    assert!(!private.join("b.db").exists());
}

#[test]
fn init_gives_away_only_what_it_makes() {
    let Some(site) = served("init_gives_away_only_what_it_makes") else { return };
    let lib = site.path("lib");
    std::fs::create_dir(&lib).unwrap();
    assert!(site.mfa(["init"]).refused(4).contains("chown -h 1:1"));
    assert_eq!((lib.metadata().unwrap().uid(), std::fs::read_dir(&lib).unwrap().count()), (0, 0));

    std::fs::remove_dir(&lib).unwrap();
    std::fs::create_dir(site.path("victim")).unwrap();
    symlink(site.path("victim"), &lib).unwrap();
    site.mfa(["init"]).refused(4);
    assert_eq!(site.path("victim").metadata().unwrap().uid(), 0);

    std::fs::remove_file(&lib).unwrap();
    std::fs::create_dir(&lib).unwrap();
    chown(&lib, Some(1), Some(1)).unwrap();
    site.mfa(["init"]).ok();
}

#[test]
fn folder_of_many_is_refused_with_the_remedy() {
    let Some(site) = served("folder_of_many_is_refused_with_the_remedy") else { return };
    site.mfa(["init"]).ok();
    for folder in [site.path("lib"), site.path("")] {
        chown(&folder, Some(0), Some(7)).unwrap();
        for mode in [0o777, 0o775] {
            std::fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            assert!(site.mfa(["user", "list"]).refused(4).contains("chmod go-w"));
            assert!(site.mfa(["status"]).refused(4).contains("chmod go-w"));
            assert!(site.mfa(["rekey"]).refused(4).contains("chmod go-w"));
            let told = site.mfa(["doctor"]);
            assert!(told.status == 1 && told.out.contains("chmod go-w"), "{told:?}");
        }
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        chown(&folder, Some(1), Some(1)).unwrap();
    }
    // Where the server writes by its group, the command does as the server.
    chown(site.path(""), Some(0), Some(0)).unwrap();
    chown(site.path("lib"), Some(0), Some(1)).unwrap();
    std::fs::set_permissions(site.path("lib"), Permissions::from_mode(0o770)).unwrap();
    site.mfa(["user", "add", "bob"]).ok();
    assert_eq!(site.path("lib/mfa.db-wal").metadata().map_or(SERVER.0, |found| found.uid()), SERVER.0);
}

#[test]
fn restore_reads_nothing_out_but_backups() {
    let Some(site) = served("restore_reads_nothing_out_but_backups") else { return };
    site.mfa(["init"]).ok();
    symlink("/etc/shadow", site.path("lib/backup.db")).unwrap();
    let from = site.path("lib/backup.db");
    assert!(site.mfa(["restore", from.to_str().unwrap(), "--yes"]).refused(4).contains("is not a database"));
}

#[test]
fn man_pages_overwrite_nothing_of_roots() {
    let Some(site) = served("man_pages_overwrite_nothing_of_roots") else { return };
    let pages = site.path("pages");
    std::fs::create_dir(&pages).unwrap();
    chown(&pages, Some(1), Some(1)).unwrap();
    site.write("victim", "root's own");
    std::fs::set_permissions(site.path("victim"), Permissions::from_mode(0o600)).unwrap();
    symlink(site.path("victim"), pages.join("mfa.1")).unwrap();
    site.mfa(["man", pages.to_str().unwrap()]).refused(4);
    assert_eq!(std::fs::read_to_string(site.path("victim")).unwrap(), "root's own");
}

/// Gives the configuration to the server's user, as on Debian.
fn give_configuration(site: &Site) {
    for path in ["", "radiusd.conf", "mods-enabled", "mods-enabled/mfa"] {
        chown(site.path(path), Some(SERVER.0), Some(SERVER.1)).unwrap();
    }
}

#[test]
fn configuration_of_another_user_is_read_with_their_rights() {
    let Some(site) = served("configuration_of_another_user_is_read_with_their_rights") else { return };
    site.write("roots/secret", "DB_PASSWORD = hunter2\n");
    std::fs::set_permissions(site.path("roots/secret"), Permissions::from_mode(0o600)).unwrap();
    give_configuration(&site);
    site.mfa(["init"]).ok();
    site.mfa(["user", "add", "alice"]).ok();
    all_belong_to_the_server(&site);
    // Where root cannot become the store's owner, `mfa doctor` goes on as the user of the configuration.
    site.write("roots/rlm_mfa.so", "built for FreeRADIUS 3.2.1");
    std::fs::set_permissions(site.path("roots"), Permissions::from_mode(0o700)).unwrap();
    let files = ["radiusd.conf", "mods-enabled/mfa"]
        .map(|file| (file, std::fs::read_to_string(site.path(file)).unwrap()));
    let libdir = format!("libdir = {}\n{}", site.path("roots").display(), files[0].1);
    std::fs::write(site.path("radiusd.conf"), libdir).unwrap();
    let store = "mfa {\n\tstore {\n\t\tfilename = /tmp/mfa.db\n\t\tkey_file = /tmp/mfa.key\n\t}\n}\n";
    std::fs::write(site.path("mods-enabled/mfa"), store).unwrap();
    let told = site.mfa(["doctor"]);
    assert!(told.out.contains("fail  folder") && told.out.contains("no rlm_mfa.so"), "{told:?}");
    for (file, before) in files {
        std::fs::write(site.path(file), before).unwrap();
    }
    // The folder is root's, but not what it includes.
    for owner in [SERVER.0, 0] {
        chown(site.path(""), Some(owner), Some(owner)).unwrap();
        chown(site.path("radiusd.conf"), Some(owner), Some(owner)).unwrap();
        let include = format!("$INCLUDE {}\n", site.path("roots/secret").display());
        let before = std::fs::read_to_string(site.path("mods-enabled/mfa")).unwrap();
        std::fs::write(site.path("mods-enabled/mfa"), format!("{include}{before}")).unwrap();
        for command in ["init", "status", "drain", "sync"] {
            assert!(site.mfa([command]).refused(4).contains("Permission denied"), "{command}");
        }
        assert!(site.mfa(["send-test", "sms", "+41791234567"]).refused(4).contains("Permission denied"));
        let told = site.mfa(["doctor"]);
        assert!(told.out.contains("Permission denied"), "{told:?}");
        std::fs::write(site.path("mods-enabled/mfa"), before).unwrap();
    }
}

#[test]
fn nothing_is_made_in_roots_folders_on_the_word_of_another_user() {
    let Some(site) = served("nothing_is_made_in_roots_folders_on_the_word_of_another_user") else { return };
    std::fs::create_dir(site.path("units")).unwrap();
    std::fs::create_dir(site.path("units/cron")).unwrap();
    let with_user = std::fs::read_to_string(site.path("radiusd.conf")).unwrap();
    let without = "modules {\n\t$INCLUDE mods-enabled/\n}\n";
    give_configuration(&site);
    chown(site.path(""), Some(0), Some(0)).unwrap();
    for (folder, told) in
        [("units/ssh.service.d", "install -d -m 700 -o 1 -g 1"), ("units/cron", "see whether `filename`")]
    {
        for radiusd_conf in [with_user.as_str(), without] {
            for key in [site.path(folder), site.path("lib")] {
                std::fs::write(site.path("radiusd.conf"), radiusd_conf).unwrap();
                let store = format!(
                    "mfa {{\n\tstore {{\n\t\tfilename = {0}/mfa.db\n\t\tkey_file = {1}/mfa.key\n\t}}\n}}\n",
                    site.path(folder).display(),
                    key.display()
                );
                std::fs::write(site.path("mods-enabled/mfa"), store).unwrap();
                let refused = site.mfa(["init"]).refused(4);
                assert!(refused.contains(told), "{refused}");
                site.mfa(["user", "list"]).refused(4);
                let _ = site.mfa(["doctor"]);
                assert!(!site.path("units/ssh.service.d").exists());
                assert_eq!(std::fs::read_dir(site.path("units/cron")).unwrap().count(), 0);
                assert_eq!(site.path("units/cron").metadata().unwrap().uid(), 0);
            }
        }
    }
}

#[test]
fn install_gives_nothing_of_roots_away() {
    let Some(site) = served("install_gives_nothing_of_roots_away") else { return };
    std::fs::create_dir(site.path("built")).unwrap();
    std::fs::copy("/bin/true", site.path("built/rlm_mfa.so")).unwrap();
    std::fs::copy(env!("CARGO_BIN_EXE_mfa"), site.path("built/mfa")).unwrap();
    site.write("dest/roots/kept", "root's own");
    let raddb = "dest/etc/freeradius/3.0";
    site.write(&format!("{raddb}/radiusd.conf"), "");
    for path in ["dest/etc/freeradius", raddb, &format!("{raddb}/radiusd.conf")] {
        chown(site.path(path), Some(SERVER.0), Some(SERVER.1)).unwrap();
    }
    let install = || {
        let mut script = Command::new("tests/make/install");
        script
            .env("DESTDIR", site.path("dest"))
            .env("PREFIX", "/usr/local")
            .env("LIBDIR", "/usr/lib/freeradius");
        script.env("RADDB", "/etc/freeradius/3.0").env("BUILT", site.path("built")).output().unwrap()
    };
    let linked = site.path(raddb).join("mods-available");
    symlink(site.path("dest/roots"), &linked).unwrap();
    assert!(!install().status.success());
    assert_eq!(std::fs::read_dir(site.path("dest/roots")).unwrap().count(), 1);
    std::fs::remove_file(&linked).unwrap();

    let output = install();
    assert!(output.status.success(), "{output:?}");
    let made = linked.join("mfa");
    let found = made.metadata().unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (SERVER.0, SERVER.1, 0o640));
    // A link in the place of a file is left alone, and not followed.
    std::fs::remove_file(&made).unwrap();
    symlink(site.path("dest/roots/kept"), &made).unwrap();
    symlink(site.path("dest/roots/kept"), made.with_extension("new")).unwrap();
    let output = install();
    assert!(String::from_utf8_lossy(&output.stdout).contains("is kept"), "{output:?}");
    assert_eq!(std::fs::read_to_string(site.path("dest/roots/kept")).unwrap(), "root's own");
    assert_eq!(site.path("dest/roots/kept").metadata().unwrap().uid(), 0);
}

#[test]
fn doctor_waits_for_no_fifo_in_the_folder_of_modules() {
    let Some(site) = served("doctor_waits_for_no_fifo_in_the_folder_of_modules") else { return };
    let conf = std::fs::read_to_string(site.path("radiusd.conf")).unwrap();
    site.write("radiusd.conf", &format!("libdir = {}\n{conf}", site.path("").display()));
    assert!(Command::new("mkfifo").arg(site.path("rlm_mfa.so")).status().unwrap().success());
    let told = site.mfa(["doctor"]);
    assert!(told.out.contains("no rlm_mfa.so"), "{told:?}");
}

/// Each command that touches the store becomes its owner first: they all open it by one function.
#[test]
fn store_is_opened_in_one_place() {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                let uses = [
                    "SqliteStore::open",
                    "SqliteStore::create_store",
                    "SqliteStore::restore",
                    "App::open",
                    "chown(",
                ];
                found.extend(
                    uses.iter()
                        .filter(|using| text.contains(**using))
                        .map(|using| format!("{} {using}", path.file_name().unwrap().to_string_lossy())),
                );
            }
        }
    }
    let mut found = Vec::new();
    look(Path::new("src/cli"), &mut found);
    found.sort();
    let expected = [
        "backup.rs SqliteStore::restore",
        "context.rs SqliteStore::open",
        "init.rs SqliteStore::create_store",
        // By the descriptor of what was just made, and in tests.
        "trusted_path.rs chown(",
        "unix.rs chown(",
    ];
    assert_eq!(found, expected, "each of these has to be behind `LoadedConfig::enter`");
}

/// Owner, group, mode, change and number of entries of a file or folder, and its content.
type State = ((u32, u32, u32, i64, u64), Vec<u8>);

/// What root owns, and how it was.
struct Victims {
    folder: PathBuf,
    before: Vec<(PathBuf, State)>,
}

impl Victims {
    fn new(site: &Site) -> Self {
        let folder = site.path("roots");
        std::fs::create_dir(&folder).unwrap();
        std::fs::create_dir(folder.join("folder")).unwrap();
        std::fs::write(folder.join("text"), "root's own").unwrap();
        std::fs::write(folder.join("empty"), "").unwrap();
        let mut victims = Self { folder, before: Vec::new() };
        for file in ["folder", "text", "empty"] {
            let path = victims.folder.join(file);
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let state = Self::state(&path);
            victims.before.push((path, state));
        }
        victims
    }

    fn state(path: &Path) -> State {
        let found = path.symlink_metadata().unwrap();
        let content = std::fs::read(path).unwrap_or_default();
        let entries = std::fs::read_dir(path).map_or(0, |entries| entries.count() as u64);
        ((found.uid(), found.gid(), found.mode(), found.mtime_nsec(), entries), content)
    }

    fn names(&self) -> Vec<&str> {
        self.before.iter().map(|(path, _)| path.to_str().unwrap()).collect()
    }

    /// Nothing was given away or changed.
    #[track_caller]
    fn are_as_before(&self, during: &str) {
        for (path, state) in &self.before {
            assert_eq!(Self::state(path), *state, "{path:?} after {during}");
        }
    }
}

/// The attacker, who has the server's user.
struct Exchanger {
    child: Child,
    stop: PathBuf,
}

impl Exchanger {
    fn start(folder: &Path, what: &str, targets: &[&str]) -> Self {
        let script = std::fs::read_to_string("tests/gear/exchange.py").unwrap();
        let mut python = Command::new("/usr/bin/python3");
        python.args(["-I", "-c", &script]).arg(folder).arg(what).args(targets).current_dir("/");
        python.uid(SERVER.0).gid(SERVER.1).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Self { child, stop: folder.join("stop") }
    }
}

impl Drop for Exchanger {
    fn drop(&mut self) {
        let _ = std::fs::write(&self.stop, "");
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.stop);
    }
}

/// How often the commands run, all of them together; `make test-races` says more.
fn tries() -> usize {
    std::env::var("MFA_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// Runs a command that stands still for a moment now and then, wherever it is: as on a busy machine, but more often.
fn interrupted(mut command: Command) -> std::process::Output {
    let mut child = command.spawn().unwrap();
    let id = i32::try_from(child.id()).unwrap();
    let signal = |signal| {
        // SAFETY: it takes two numbers; the child has not been waited for, so the id is still its.
        unsafe { libc::kill(id, signal) }
    };
    let mut chance = std::time::UNIX_EPOCH.elapsed().unwrap().subsec_nanos();
    while child.try_wait().unwrap().is_none() {
        chance = chance.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        std::thread::sleep(Duration::from_micros(u64::from(chance >> 22)));
        signal(libc::SIGSTOP);
        std::thread::sleep(Duration::from_millis(1));
        signal(libc::SIGCONT);
    }
    child.wait_with_output().unwrap()
}

/// While another process exchanges names, a command is run again and again, each time on a store in order.
fn race(
    site: &Site,
    victims: &Victims,
    (folder, what): (&str, &str),
    prepare: &dyn Fn(&Site),
    command: &[&str],
) {
    let (mut done, all) = (0, tries().div_ceil(4));
    for _ in 0..all {
        prepare(site);
        let exchanger = Exchanger::start(&site.path(folder), what, &victims.names());
        let output = interrupted(site.command(command));
        drop(exchanger);
        assert!(!String::from_utf8_lossy(&output.stderr).contains("panicked"), "{output:?}");
        victims.are_as_before(&format!("{command:?}: {output:?}"));
        done += usize::from(output.status.success());
    }
    eprintln!("{command:?}: {done} of {all} went through");
}

/// A store that is put in order again and again, beside a backup of it.
fn pristine(test: &str) -> Option<(Site, Victims, String)> {
    let site = served(test)?;
    let victims = Victims::new(&site);
    site.mfa(["init"]).ok();
    site.mfa(["user", "add", "alice"]).ok();
    site.mfa(["token", "add", "alice", "hotp", "--secret", SECRET]).ok();
    let backup = site.path("backup.db").to_str().unwrap().to_owned();
    site.mfa(["backup", &backup]).ok();
    std::fs::create_dir(site.path("pristine")).unwrap();
    for file in ["mfa.db", "mfa.key"] {
        std::fs::copy(site.path("lib").join(file), site.path("pristine").join(file)).unwrap();
    }
    Some((site, victims, backup))
}

fn put_in_order(site: &Site) {
    let lib = site.path("lib");
    std::fs::remove_dir_all(&lib).unwrap();
    std::fs::create_dir(&lib).unwrap();
    for file in ["mfa.db", "mfa.key"] {
        std::fs::copy(site.path("pristine").join(file), lib.join(file)).unwrap();
        chown(lib.join(file), Some(SERVER.0), Some(SERVER.1)).unwrap();
    }
    chown(&lib, Some(SERVER.0), Some(SERVER.1)).unwrap();
    std::fs::set_permissions(&lib, Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn race_rekey_gives_nothing_of_roots_away() {
    let Some((site, victims, _)) = pristine("race_rekey_gives_nothing_of_roots_away") else { return };
    race(&site, &victims, ("lib", "mfa.key.new"), &put_in_order, &["rekey"]);
}

#[test]
fn race_restore_gives_nothing_of_roots_away() {
    let Some((site, victims, backup)) = pristine("race_restore_gives_nothing_of_roots_away") else { return };
    race(&site, &victims, ("lib", "all"), &put_in_order, &["restore", &backup, "--yes"]);
}

#[test]
fn race_backup_gives_nothing_of_roots_away() {
    let Some((site, victims, _)) = pristine("race_backup_gives_nothing_of_roots_away") else { return };
    let copy = site.path("lib/copy.db");
    race(&site, &victims, ("lib", "all"), &put_in_order, &["backup", copy.to_str().unwrap()]);
}

/// The folder above the store is the attacker's too.
#[test]
fn race_init_gives_nothing_of_roots_away() {
    let Some(site) = served("race_init_gives_nothing_of_roots_away") else { return };
    let victims = Victims::new(&site);
    std::fs::create_dir(site.path("home")).unwrap();
    chown(site.path("home"), Some(SERVER.0), Some(SERVER.1)).unwrap();
    let store = format!(
        "mfa {{\n\tstore {{\n\t\tfilename = {0}/mfa.db\n\t\tkey_file = {0}/mfa.key\n\t}}\n}}\n",
        site.path("home/lib").display()
    );
    site.write("mods-enabled/mfa", &store);
    let nothing = |site: &Site| {
        for entry in std::fs::read_dir(site.path("home")).unwrap() {
            let path = entry.unwrap().path();
            let _ = std::fs::remove_file(&path).or_else(|_| std::fs::remove_dir_all(&path));
        }
    };
    race(&site, &victims, ("home", "lib"), &nothing, &["init"]);
}
