//! The control socket, by which `mfa status` and `mfa drain` reach an instance of a running server.
//!
//! It is in the folder of the database and has the same access rights. A client sends one line ([`protocol::ControlRequest`])
//! and reads lines ([`protocol::AnswerLine`]) up to [`protocol::AnswerLine::End`], all of them JSON. Anything else that is sent costs the
//! client its connection.

mod client;
mod protocol;
mod server;
mod socket;
#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "unsupported.rs")]
mod system;

#[cfg(test)]
mod tests;

pub use client::{ControlError, DrainReport, InstanceReport, request_drain, request_status};
pub use protocol::InstanceOverview;
pub(crate) use server::ControlServer;
pub use socket::{ControlSocket, list_sockets, path};
pub(crate) use socket::{ListeningSocket, listen_in};
