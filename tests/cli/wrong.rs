//! Wrong input and a wrong world: each a sentence and an exit status, never a panic.

use super::site::{SECRET, Site};
use std::process::Stdio;

#[test]
fn parameters_out_of_bounds_are_refused() {
    let site = Site::with_alice();
    for (arguments, says) in [
        (&["totp", "--secret", "not base32!"][..], "base32"),
        (&["totp", "--secret", "MFRGG"], "10 to 128"),
        (&["totp", "--digits", "9"], "6, 7 or 8"),
        (&["totp", "--digits", "six"], "not a number"),
        (&["totp", "--period", "5"], "15 to 300"),
        (&["totp", "--algorithm", "MD5"], "SHA256"),
        (&["totp", "--counter", "5"], "only hotp"),
        (&["hotp", "--period", "60"], "only totp"),
        (&["hotp", "--counter", "x"], "--counter"),
        (&["totp", "--serial", "a b"], "without spaces"),
        (&["totp", "--secret-file", "/nowhere"], "/nowhere"),
        (&["totp", "--secret-file", "/"], "/"),
        (&["steam"], "totp"),
    ] {
        let error = site.mfa(["token", "add", "alice"].iter().chain(arguments)).refused(2);
        assert!(error.contains(says), "{arguments:?}: {error}");
    }
    assert!(site.mfa(["token", "list", "alice", "--json"]).json().as_array().unwrap().is_empty());
    let bad_uri = format!("otpauth://totp/a?secret={SECRET}&digits=9");
    site.mfa_with(&bad_uri, ["token", "add", "alice", "totp", "--secret-file", "-"]).refused(2);
}

#[test]
fn unknown_user_is_named_with_the_remedy() {
    let site = Site::new();
    for arguments in [
        &["user", "show", "bob"][..],
        &["user", "lock", "bob"],
        &["token", "add", "bob", "totp"],
        &["token", "list", "bob"],
        &["check", "bob", "123456"],
        &["recovery", "bob"],
    ] {
        assert!(site.mfa(arguments).refused(3).contains("mfa user add bob"), "{arguments:?}");
    }
}

#[test]
fn configuration_that_cannot_be_read_is_told() {
    let site = Site::bare();
    let no_folder = site.mfa(["-d", "/nowhere", "user", "list"]);
    assert!(no_folder.status == 2 || no_folder.err.contains("/nowhere"), "{no_folder:?}");

    std::fs::remove_file(site.path("mods-enabled/mfa")).unwrap();
    assert!(site.mfa(["user", "list"]).refused(4).contains("mods-available/mfa"));

    std::fs::remove_file(site.path("radiusd.conf")).unwrap();
    std::fs::create_dir(site.path("radiusd.conf")).unwrap();
    assert!(site.mfa(["user", "list"]).refused(4).contains("radiusd.conf"));
}

#[test]
fn included_folder_in_place_of_a_file_is_told() {
    let site = Site::bare();
    site.write("radiusd.conf", "modules {\n\t$INCLUDE mods-enabled\n}\n");
    assert!(site.mfa(["user", "list"]).refused(4).contains("radiusd.conf[2]"));
}

#[test]
fn bad_options_are_named_all_at_once_with_file_and_line() {
    let site = Site::new();
    site.configure("\tmode = sometimes\n\tcolour = blue\n");
    let error = site.mfa(["user", "list"]).refused(4);
    assert!(error.contains("mods-enabled/mfa[6]") && error.contains("mods-enabled/mfa[7]"), "{error}");
}

#[test]
fn module_that_is_not_enabled_is_used_and_that_is_said() {
    let site = Site::bare();
    std::fs::create_dir(site.path("mods-available")).unwrap();
    std::fs::rename(site.path("mods-enabled/mfa"), site.path("mods-available/mfa")).unwrap();
    let made = site.mfa(["init"]).ok();
    assert!(made.contains("ln -s ../mods-available/mfa"), "{made}");
    assert!(site.mfa(["user", "add", "alice"]).err.contains("does not load the module yet"));
}

#[test]
fn instances_are_chosen_by_name() {
    let site = Site::new();
    let file = site.path("mods-enabled/mfa");
    let text = std::fs::read_to_string(&file).unwrap();
    let (one, two) = (text.replacen("mfa", "mfa one", 1), text.replacen("mfa", "mfa two", 1));
    std::fs::write(file, format!("{one}{two}")).unwrap();
    assert!(site.mfa(["user", "list"]).refused(2).contains("one, two"));
    assert!(site.mfa(["-n", "three", "user", "list"]).refused(2).contains("one, two"));
    site.mfa(["-n", "two", "user", "list", "--json"]).ok();
}

#[test]
fn store_that_was_not_made_is_told() {
    let site = Site::bare();
    assert!(site.mfa(["user", "list"]).refused(4).contains("mfa init"));
}

#[test]
fn closed_output_ends_the_command_quietly() {
    let site = Site::with_alice();
    for arguments in
        [&["user", "list"][..], &["--json", "user", "list"], &["completions", "bash"], &["--help"]]
    {
        let mut child = site.command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.code().is_some(), "{arguments:?}: {output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let output = site.command(["user", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
}

#[cfg(unix)]
#[test]
fn arguments_that_are_not_text_are_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let site = Site::new();
    let odd = OsStr::from_bytes(b"j\xfcrgen");
    site.mfa([OsStr::new("user"), OsStr::new("add"), odd]).refused(2);
    site.mfa([odd]).refused(2);
    site.mfa([OsStr::new("-d"), odd, OsStr::new("user"), OsStr::new("list")]);
}

#[test]
fn usage_tells_the_exit_statuses() {
    let site = Site::bare();
    let help = site.mfa(["--help"]).ok();
    assert!(help.contains("Exit status") && help.contains("130"), "{help}");
    assert!(site.mfa(["completions", "bash"]).ok().contains("_mfa"));
    assert!(site.mfa(["man"]).ok().contains(".TH mfa 1"));
    let pages = site.path("man");
    std::fs::create_dir(&pages).unwrap();
    site.mfa(["man", pages.to_str().unwrap()]).ok();
    assert!(pages.join("mfa-token-add.1").is_file());
    assert_eq!(site.mfa(["user", "add"]).refused(2).lines().count(), 1);
    assert!(site.mfa(["nonsense"]).refused(2).contains("see --help"));
    assert!(site.mfa([] as [&str; 0]).refused(2).contains("requires a subcommand"));
    let nothing = std::process::Command::new(env!("CARGO_BIN_EXE_mfa")).output().unwrap();
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("Usage"), "{nothing:?}");
}
