//! `rlm_mfa`: multi-factor authentication for FreeRADIUS 3.2.
//!
//! A shared object that the server loads, and a library for the `mfa` command. `doc/architecture.md` shows the layers and
//! the way of a login through them. All unsafe code lies in `freeradius`.

#[forbid(unsafe_code)]
pub mod app;
#[forbid(unsafe_code)]
pub mod cli;
#[forbid(unsafe_code)]
mod clock;
#[forbid(unsafe_code)]
pub mod config;
#[forbid(unsafe_code)]
pub mod directory;
#[forbid(unsafe_code)]
pub mod engine;
#[forbid(unsafe_code)]
pub mod factor;
#[forbid(unsafe_code)]
mod files;
#[cfg(feature = "server")]
pub mod freeradius;
#[forbid(unsafe_code)]
mod http;
#[cfg(feature = "server")]
#[forbid(unsafe_code)]
pub mod module;
#[forbid(unsafe_code)]
pub mod operations;
#[forbid(unsafe_code)]
pub mod passwords;
#[forbid(unsafe_code)]
pub mod store;
#[forbid(unsafe_code)]
pub mod text;
#[forbid(unsafe_code)]
mod tls;
#[forbid(unsafe_code)]
pub mod types;
#[forbid(unsafe_code)]
pub mod waiting;
#[forbid(unsafe_code)]
mod wire;

/// What the server looks up in `rlm_mfa.so`: the module's table of entry points (`module_t`).
// SAFETY: the name is ours alone; nothing else is exported.
#[cfg(feature = "server")]
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static rlm_mfa: freeradius::ModuleTable = freeradius::ModuleTable::of::<module::MfaModule>();
