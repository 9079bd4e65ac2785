//! How HTTP servers are reached: push providers, SMS gateways, Entra ID.

use std::path::PathBuf;
use std::time::Duration;
use url::Url;

/// `timeout` (`api_timeout` in `push { }`), `ca_file` and `proxy` of a section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// `api_timeout`: how long one HTTP request may take.
    pub timeout: Duration,
    /// `ca_file`: certificates (PEM) that are trusted beside the system's.
    pub ca_file: Option<PathBuf>,
    /// `proxy`: an HTTP proxy.
    pub proxy: Option<Url>,
}
