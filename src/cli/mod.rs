//! The `mfa` command: what an administrator types.
//!
//! `main` calls [`run`]. One file for each noun holds its arguments and what is done for them; [`context`] finds the
//! configuration and opens the store, [`output`] writes tables or JSON. Nothing here panics on what is typed, on what stands
//! in a file, or on a closed pipe; a secret is printed only where the command exists to hand it over.

mod audit;
mod backup;
mod check;
mod command_line;
mod context;
mod doctor;
mod drain;
mod enrol;
mod error;
mod explain;
mod host;
mod init;
mod input;
mod output;
mod qr;
mod recovery;
mod root;
mod running;
mod send_test;
mod status;
mod sync;
mod token;
mod token_view;
mod user;

pub use command_line::run;
