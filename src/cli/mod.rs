//! The `mfa` command.
