//! On a terminal: what is typed is not shown, a QR code is black on white, an interrupt ends the command.
#![cfg(target_os = "linux")]

use super::site::{SECRET, Site};
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Runs the command on a terminal of its own, types each line after its prompt, and returns all that was shown.
fn on_terminal(site: &Site, arguments: &str, typed: &[(&str, &str)]) -> Option<String> {
    let command = format!("{} -d {} {arguments}", env!("CARGO_BIN_EXE_mfa"), site.path("").display());
    let child = Command::new("script")
        .args(["-qefc", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("SKIPPED: script(1) is not installed, nothing was tried on a terminal");
        return None;
    };
    let (mut input, mut output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = Vec::new();
    let mut prompts = typed.iter();
    let mut next = prompts.next();
    let mut octets = [0; 4096];
    loop {
        let read = output.read(&mut octets).unwrap();
        if read == 0 {
            break;
        }
        shown.extend_from_slice(&octets[..read]);
        if let Some((prompt, line)) = next
            && String::from_utf8_lossy(&shown).trim_end().ends_with(prompt)
        {
            // The prompt is written before the echo is switched off.
            std::thread::sleep(Duration::from_millis(200));
            input.write_all(line.as_bytes()).unwrap();
            next = prompts.next();
        }
    }
    let status = child.wait().unwrap().code();
    Some(format!("{}\nstatus {status:?}", String::from_utf8_lossy(&shown)))
}

#[test]
fn code_and_pin_are_not_shown() {
    let site = Site::with_alice();
    let add = format!("token add alice hotp --secret {SECRET} --pin");
    let Some(shown) = on_terminal(&site, &add, &[("PIN:", "marker1\n"), ("PIN again:", "marker1\n")]) else {
        return;
    };
    assert!(!shown.contains("marker1") && shown.contains("Some(0)"), "{shown}");
    assert!(shown.contains("\u{1b}[38;5;16;48;5;231m"), "the QR code brings its own colours");
    let shown = on_terminal(&site, "check alice", &[("code:", "marker1755224\n")]).unwrap();
    assert!(!shown.contains("755224") && shown.contains("accept"), "{shown}");
    let differ = on_terminal(&site, &add, &[("PIN:", "marker1\n"), ("PIN again:", "marker2\n")]).unwrap();
    assert!(differ.contains("the two differ"), "{differ}");
}

#[test]
fn password_is_typed_twice_and_not_shown() {
    let site = Site::with_alice();
    let typed = [("password:", "marker12\n"), ("password again:", "marker12\n")];
    let Some(shown) = on_terminal(&site, "user password alice", &typed) else { return };
    assert!(!shown.contains("marker") && shown.contains("new password"), "{shown}");
    let typed = [("password:", "marker12\n"), ("password again:", "marker21\n")];
    let differ = on_terminal(&site, "user password alice", &typed).unwrap();
    assert!(!differ.contains("marker") && differ.contains("the two differ"), "{differ}");
}

#[test]
fn interrupted_prompt_changes_nothing() {
    let site = Site::with_alice();
    let Some(shown) = on_terminal(&site, "user delete alice", &[("[y/N]", "n\n")]) else { return };
    assert!(shown.contains("nothing was changed") && shown.contains("Some(130)"), "{shown}");
    for key in ["\u{3}", "\u{4}"] {
        let shown = on_terminal(&site, "token add alice totp --pin", &[("PIN:", key)]).unwrap();
        assert!(!shown.contains("panicked") && shown.contains("Some(130)"), "{shown}");
    }
    let shown = on_terminal(&site, "user delete alice", &[("[y/N]", "y\n")]).unwrap();
    assert!(shown.contains("deleted") && shown.contains("Some(0)"), "{shown}");
}
