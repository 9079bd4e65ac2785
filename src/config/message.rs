//! `sms { }` and `email { }`: the gateways and relays that send codes.

pub use super::gateway::{BodyType, HttpMethod};

use super::gateway::RequestTemplate;
use super::push::HttpOptions;
use crate::types::{CountryCode, Mailbox, Secret};
use std::path::PathBuf;
use std::time::Duration;

/// `sms { }`.
#[derive(Clone, Debug)]
pub struct SmsOptions {
    /// `gateway NAME { }`, in the order in which they are tried. None: nothing is sent.
    pub gateways: Vec<GatewayOptions>,
    /// `country_code`: of numbers that are written without one.
    pub country_code: Option<CountryCode>,
    /// `timeout`, `ca_file`, `proxy`.
    pub http: HttpOptions,
}

/// `gateway NAME { }`: a template for requests, with what a preset has filled in.
#[derive(Clone, Debug)]
pub struct GatewayOptions {
    /// The label of the section.
    pub name: String,
    /// `method`.
    pub method: HttpMethod,
    /// `url`: `https`, or `http` to this machine.
    pub url: RequestTemplate,
    /// `headers { }`.
    pub headers: Vec<(String, RequestTemplate)>,
    /// `body`, in the form of `body_type`.
    pub body: Option<(BodyType, RequestTemplate)>,
    /// `status`: the HTTP statuses of success; none for all from 200 to 299.
    pub status: Vec<u16>,
    /// `accepted`: what an answer must hold.
    pub accepted: Option<String>,
    /// `refused`: the text of a response that refuses the message.
    pub refused: Option<String>,
    /// `from`: the sender of the message, a number or a name.
    pub from: String,
    /// `user`.
    pub user: String,
    /// `password`.
    pub password: Secret,
}

/// `email { }`.
#[derive(Clone, Debug)]
pub struct EmailOptions {
    /// `relay NAME { }`, in the order in which they are tried. None: nothing is sent.
    pub relays: Vec<RelayOptions>,
    /// `from`: a name, if it has one, and the mailbox. There if there are relays.
    pub from: Option<(String, Mailbox)>,
    /// `timeout`: how long one relay may take.
    pub timeout: Duration,
}

/// `relay NAME { }`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayOptions {
    /// The label of the section.
    pub name: String,
    /// `host`: a name, or an address.
    pub host: String,
    /// `port`.
    pub port: u16,
    /// `tls`.
    pub tls: RelayTls,
    /// `username` and `password`.
    pub login: Option<(String, Secret)>,
    /// `ca_file`: certificates (PEM) that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
}

/// `tls`: how a relay is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayTls {
    /// TLS after a few words in the clear (RFC 3207). A relay that does not offer it is sent nothing.
    StartTls,
    /// TLS from the beginning (RFC 8314).
    Tls,
    /// None at all; only on this machine.
    None,
}

impl RelayTls {
    /// The port if none is set.
    pub const fn port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

impl Default for SmsOptions {
    fn default() -> Self {
        Self {
            gateways: Vec::new(),
            country_code: None,
            http: HttpOptions { timeout: Duration::from_secs(8), ca_file: None, proxy: None },
        }
    }
}

impl Default for EmailOptions {
    fn default() -> Self {
        Self { relays: Vec::new(), from: None, timeout: Duration::from_secs(10) }
    }
}
