//! The `mfa` command as an administrator uses it: the built program, on a configuration folder of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod directory;
mod doctor;
mod doctor_push;
mod explain;
mod keep;
mod printed;
#[cfg(unix)]
mod root;
mod running;
mod secrets;
mod send_test;
mod site;
mod sync;
mod sync_samba;
mod terminal;
mod tokens;
mod users;
mod wrong;

use mfa_harness as harness;
