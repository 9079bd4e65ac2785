//! Those who ask users on their devices, as the engine uses them, against servers that check what they are sent and do all
//! that a server should not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

#[path = "../harness/mod.rs"]
mod harness;

mod duo;
mod http;
