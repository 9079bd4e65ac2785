//! `radius { }`: another RADIUS server that checks passwords.

use crate::types::Secret;
use std::time::Duration;

/// `radius { }`.
#[derive(Clone, Debug)]
pub struct RadiusOptions {
    /// `host`: names or addresses, in the order in which they are asked. At least one.
    pub hosts: Vec<String>,
    /// `port`, of all of them.
    pub port: u16,
    /// `secret`, shared with all of them.
    pub secret: Secret,
    /// `timeout`: how long an answer is waited for before the request is sent again.
    pub timeout: Duration,
    /// `retries`: how often it is sent again to one host.
    pub retries: u32,
    /// `require_message_authenticator`.
    pub signed: RequiredSignature,
    /// `nas_identifier`: the name of this module with the server.
    pub nas_identifier: String,
    /// `pass_through_all` and `pass_through`.
    pub pass_through: PassThrough,
}

/// `require_message_authenticator`: which answers are looked at. A Message-Authenticator that is there has to be right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequiredSignature {
    /// Only those that have one.
    Required,
    /// Also those that have none.
    Optional,
}

/// What the client has said that is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassThrough {
    /// No signature is required.
    Nothing,
    /// Every answer must be signed.
    All,
    /// Attributes of these names, or numbers. At least one.
    These(Vec<String>),
}
