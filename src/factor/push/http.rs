//! The one HTTP client: rustls, the system's certificates and `ca_file`, connections kept, a limit on time and on size, no
//! redirects, and no secret in an error text.
//!
//! Callers hand a [`Call`] and get an [`Answer`] with the whole body, or why not. What the answer means is theirs.

use crate::config::push;
use crate::engine::provider::Trouble;
use reqwest::header::{HeaderName, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::time::Duration;
use url::Url;

/// The largest answer that is read, in octets.
const LARGEST: usize = 256 * 1024;

/// A client; clones share its connections.
#[derive(Clone, Debug)]
pub(super) struct Client {
    inner: reqwest::Client,
    timeout: Duration,
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Call {
    method: reqwest::Method,
    url: Url,
    headers: Vec<(&'static str, String)>,
    body: Option<String>,
    timeout: Option<Duration>,
}

/// An answer with its whole body.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    /// HTTP status.
    pub(super) status: u16,
    /// `Retry-After` in seconds.
    pub(super) retry_after: Option<Duration>,
    /// `Date`.
    pub(super) date: Option<String>,
    /// All headers.
    pub(super) headers: reqwest::header::HeaderMap,
    /// The body, at most 256 KiB.
    pub(super) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Error {
    /// Nothing was sent: no name, no connection.
    #[error("{0}")]
    Unreachable(String),
    /// It may have been sent, and there was no answer in time.
    #[error("{0}")]
    Silent(String),
    /// An answer that cannot be read, or from somebody who cannot prove who he is.
    #[error("{0}")]
    Broken(String),
}

impl Error {
    /// As seen by a caller whose call asks the user nothing: no connection and no answer are the same.
    pub(super) fn before_asking(self) -> Trouble {
        match self {
            Self::Unreachable(text) | Self::Silent(text) => Trouble::Unreachable(text),
            Self::Broken(text) => Trouble::Failed(text),
        }
    }

    /// As seen by a caller whose call asks the user: only what was never sent has not asked him.
    pub(super) fn asking(self) -> Trouble {
        match self {
            Self::Unreachable(text) => Trouble::Unreachable(text),
            Self::Silent(text) | Self::Broken(text) => Trouble::Failed(text),
        }
    }
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl Client {
    /// Reads `ca_file`.
    pub(super) fn new(config: &push::Http) -> Result<Self, String> {
        // Another module of the same process may have chosen one before; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .https_only(false)
            .connect_timeout(config.timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .user_agent(concat!("rlm_mfa/", env!("CARGO_PKG_VERSION")));
        builder = match &config.proxy {
            Some(proxy) => {
                builder.proxy(reqwest::Proxy::all(proxy.clone()).map_err(|e| format!("proxy {proxy}: {e}"))?)
            }
            None => builder.no_proxy(),
        };
        if let Some(path) = &config.ca_file {
            let shown = path.display();
            let pem = std::fs::read(path).map_err(|e| format!("ca_file {shown}: {e}"))?;
            let mut count = 0;
            for found in CertificateDer::pem_slice_iter(&pem) {
                let der = found.map_err(|e| format!("ca_file {shown}: {e}"))?;
                let certificate =
                    reqwest::Certificate::from_der(&der).map_err(|e| format!("ca_file {shown}: {e}"))?;
                builder = builder.tls_certs_merge([certificate]);
                count += 1;
            }
            if count == 0 {
                return Err(format!("ca_file {shown}: no certificate (PEM) in it"));
            }
        }
        let inner = builder.build().map_err(|e| format!("HTTP client: {}", chain(&e)))?;
        Ok(Self { inner, timeout: config.timeout })
    }

    /// Sends it and reads the whole answer.
    pub(super) async fn send(&self, call: Call) -> Result<Answer, Error> {
        let place = format!("{}{}", call.url.origin().ascii_serialization(), call.url.path());
        let mut request =
            self.inner.request(call.method, call.url).timeout(call.timeout.unwrap_or(self.timeout));
        for (name, value) in call.headers {
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                Error::Broken(format!("{place}: {name} cannot be sent: control characters in it"))
            })?;
            value.set_sensitive(true);
            request = request.header(HeaderName::from_static(name), value);
        }
        if let Some(body) = call.body {
            request = request.body(body);
        }
        let told = |error: reqwest::Error| tell(&place, error);
        let mut response = request.send().await.map_err(told)?;
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (status, date) = (response.status().as_u16(), header("date"));
        let retry_after =
            header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(told)? {
            if body.len().saturating_add(chunk.len()) > LARGEST {
                return Err(Error::Broken(format!("{place}: an answer of more than 256 KiB")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { status, retry_after, date, headers, body })
    }
}

impl Call {
    /// GET.
    pub(super) fn get(url: Url) -> Self {
        Self { method: reqwest::Method::GET, url, headers: Vec::new(), body: None, timeout: None }
    }

    /// POST of a body of this type.
    pub(super) fn post(url: Url, content_type: &str, body: String) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { method: reqwest::Method::POST, url, headers, body: Some(body), timeout: None }
    }

    /// One more header; its name in lower case.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With another limit than `api_timeout`: for long polls.
    pub(super) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Answer {
    /// A header as text; its name in lower case. None if it is not there, or not ASCII.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON of that shape.
    pub(super) fn json<T: serde::de::DeserializeOwned>(&self, of: &str) -> Result<T, Error> {
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::Broken(format!(
                "{of}: the answer (HTTP {}) is not what it should be: {:?} at line {} column {}",
                self.status,
                error.classify(),
                error.line(),
                error.column()
            ))
        })
    }
}

/// In words that hold neither query nor body. A wrong certificate is no silence: somebody answered.
fn tell(place: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let text = format!("{place}: {}", chain(&error));
    match () {
        () if causes(&error).any(|cause| cause.is::<rustls::Error>() || holds_tls(cause)) => {
            Error::Broken(text)
        }
        () if error.is_connect() => Error::Unreachable(text),
        () if error.is_timeout() => Error::Silent(text),
        () => Error::Broken(text),
    }
}

/// An error and all that led to it.
fn causes<'e>(
    error: &'e (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'e (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'e (dyn std::error::Error + 'static)| error.source())
}

/// An error of TLS that hides inside an I/O error.
fn holds_tls(error: &(dyn std::error::Error + 'static)) -> bool {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.is_some_and(|inner| inner.is::<rustls::Error>())
}

/// An error with what caused it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for cause in causes(error) {
        let text = cause.to_string();
        if !texts.iter().any(|told| told.contains(&text)) {
            texts.push(text);
        }
    }
    texts.join(": ")
}
