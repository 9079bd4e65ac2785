//! The `mfa` command.
#![forbid(unsafe_code)]

fn main() {}
