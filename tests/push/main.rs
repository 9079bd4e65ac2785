//! Those who ask users on their devices, each against the real thing where it can be had, and against fakes that lie.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod ciba;
mod duo;
mod http;
mod privacyidea;
mod webhook;

use mfa_harness as harness;
