//! The module exports what the server looks up and nothing else, and the command's crates are not linked into it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

use std::process::Command;

#[test]
fn one_symbol_is_exported() {
    let module = std::env::current_exe().unwrap().parent().unwrap().join("librlm_mfa.so");
    let output =
        Command::new("nm").args(["-D", "--defined-only"]).arg(&module).output().expect("nm: run `make deps`");
    let text = String::from_utf8_lossy(&output.stdout);
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().last()).collect();
    assert_eq!(names, ["rlm_mfa"], "exported by {}", module.display());
}

#[test]
fn crates_of_the_command_are_not_linked() {
    let module = std::env::current_exe().unwrap().parent().unwrap().join("librlm_mfa.so");
    let output = Command::new("nm").arg(&module).output().expect("nm: run `make deps`");
    let text = String::from_utf8_lossy(&output.stdout);
    // A mangled path holds the length of each name before the name.
    let has = |name: &str| text.contains(&format!("{}{name}", name.len()));
    assert!(has("rustls"), "no symbols to look at in {}: is it stripped?", module.display());
    for name in ["clap_builder", "indicatif", "qrcode", "png", "comfy_table"] {
        assert!(!has(name), "{name} is linked into {}", module.display());
    }
}
