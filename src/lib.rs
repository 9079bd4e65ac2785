//! `rlm_mfa`: multi-factor authentication for FreeRADIUS 3.2.
//!
//! A shared object that the server loads, and a library for the `mfa` command. `doc/architecture.md` shows the layers and
//! the way of a login through them. All unsafe code lies in `freeradius`.

#[forbid(unsafe_code)]
pub mod app;
#[forbid(unsafe_code)]
pub mod cli;
#[forbid(unsafe_code)]
pub mod config;
#[forbid(unsafe_code)]
pub mod engine;
#[forbid(unsafe_code)]
pub mod factor;
#[forbid(unsafe_code)]
pub mod store;
#[forbid(unsafe_code)]
pub mod types;
