//! The module exports what the server looks up, and nothing else of ours.

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
