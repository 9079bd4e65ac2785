//! RADIUS in, verdict out: what the server's sections mean for a second factor.
//!
//! A login comes through `authorize` (append mode is split, verified and spent here), `authenticate` (a passcode is
//! verified and spent here, and a device is asked) and `post-auth`, where the guard refuses every accept without a
//! decision of this module. What was decided hangs on the request as a [`LoginNote`](instance::LoginNote), out of reach of every
//! attribute; through EAP tunnels it travels as a [`ticket`]. A login that waits leaves its thread and comes back by
//! [`parking`].

mod apply_decision;
mod attributes;
mod control_list;
mod datagrams;
mod decide_login;
mod eap;
mod error;
mod forwarded_attributes;
mod home_server_answer;
mod instance;
mod login;
mod message_authenticator;
mod outcome;
mod parking;
mod refusal_delay;
mod reply;
mod reply_attributes;
mod request_state;
mod sections;
mod session_state;
mod start;
mod station;
mod ticket;

pub use instance::MfaModule;
