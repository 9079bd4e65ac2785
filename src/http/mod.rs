//! The one HTTP client: rustls, the system's certificates and `ca_file`, connections kept, a limit on time and on
//! size, no redirects, and no secret in an error text.
//!
//! Callers hand a [`HttpCall`] and get an [`HttpAnswer`] with the whole body, or why not. Callers interpret the
//! answer, except for redirects: no server may send a question, or the key that signs it, elsewhere.

pub(crate) mod assertion;
mod retry_after;

pub(crate) use reqwest::Method;
pub(crate) use reqwest::header::{HeaderMap, HeaderName};

use crate::clock;
use crate::config::push;
use crate::tls;
use crate::types::SetupError;
use reqwest::header::HeaderValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use url::Url;

/// The largest answer that is read, in octets. (Headers are bounded by hyper: 100 of them, 400 KiB.)
const LARGEST: usize = 256 * 1024;

/// How long an unused connection is kept. Shorter than servers keep theirs, so that a request does not meet the
/// server's close.
const IDLE: Duration = Duration::from_secs(20);

/// How many of those are kept for one host.
const SPARE: usize = 32;

/// Calls, and long polls, that may be under way at once over HTTP/1.1, where each has a connection of its own. The server's event
/// loop cannot see descriptors above 1023 and needs most of the others itself; what is beyond waits for its turn. Over HTTP/2 a
/// few connections carry them all.
const CALLS: usize = 128;
const LONG_POLLS: usize = 192;

/// A client; clones share its connections.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    inner: reqwest::Client,
    timeout: Duration,
    room: Arc<RequestSlots>,
}

/// How much is under way.
#[derive(Debug)]
struct RequestSlots {
    calls: Semaphore,
    long_polls: Semaphore,
    /// The provider has answered over HTTP/2.
    shares: AtomicBool,
}

/// One request. It has secrets in it, and no `Debug`.
#[derive(Clone)]
pub(crate) struct HttpCall {
    method: Method,
    url: Url,
    headers: Vec<(HeaderName, String)>,
    body: Option<String>,
    timeout: Option<Duration>,
    /// The path is a secret, too.
    is_path_hidden: bool,
}

/// An answer with its whole body. Never a redirect.
#[derive(Clone)]
pub(crate) struct HttpAnswer {
    /// HTTP status.
    pub(crate) status: u16,
    /// `Retry-After`, in seconds or as a date, counted from the answer's own `Date`.
    pub(crate) retry_after: Option<Duration>,
    /// `Date`.
    pub(crate) date: Option<String>,
    /// All headers.
    pub(crate) headers: HeaderMap,
    /// The body, at most 256 KiB.
    pub(crate) body: Vec<u8>,
}

impl std::fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpAnswer").field("status", &self.status).finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// Nothing was sent: no name, no connection, no TLS in three quarters of `api_timeout`.
    #[error("{0}")]
    Unreachable(String),
    /// It may have been sent, and there was no answer in time, or the connection ended without one.
    #[error("{0}")]
    Silent(String),
    /// Nothing was sent: the server cannot prove its identity.
    #[error("{0}")]
    Stranger(String),
    /// An answer that cannot be read, or a redirect.
    #[error("{0}")]
    Broken(String),
}

impl HttpClient {
    /// Reads `ca_file`, and the system's certificates.
    ///
    /// # Errors
    ///
    /// A sentence that names the option and the file; also if neither has any certificate.
    pub(crate) fn new(config: &push::HttpOptions) -> Result<Self, SetupError> {
        tls::install_crypto_provider();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .https_only(false)
            // Less than the whole: where packets are dropped, it has to be seen that nothing was sent.
            .connect_timeout(config.timeout.mul_f32(0.75))
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(SPARE)
            .user_agent(concat!("rlm_mfa/", env!("CARGO_PKG_VERSION")));
        builder = match &config.proxy {
            Some(proxy) => {
                let found = reqwest::Proxy::all(proxy.clone());
                builder.proxy(found.map_err(|why| SetupError::option("proxy", proxy, why))?)
            }
            None => builder.no_proxy(),
        };
        if let Some(path) = &config.ca_file {
            let found = tls::load_certificates(path)?;
            let found: Result<Vec<_>, _> =
                found.iter().map(|der| reqwest::Certificate::from_der(der)).collect();
            builder = builder
                .tls_certs_merge(found.map_err(|why| SetupError::option("ca_file", path.display(), why))?);
        }
        let inner = builder.build().map_err(|e| {
            SetupError::System(format!(
                "HTTP client: {}; \"ca_file\" names certificates where the system has none",
                tls::error_line(&e)
            ))
        })?;
        let room = RequestSlots {
            calls: Semaphore::new(CALLS),
            long_polls: Semaphore::new(LONG_POLLS),
            shares: AtomicBool::new(false),
        };
        Ok(Self { inner, timeout: config.timeout, room: Arc::new(room) })
    }

    /// Sends it and reads the whole answer.
    pub(crate) async fn send(&self, call: HttpCall) -> Result<HttpAnswer, Error> {
        let path = if call.is_path_hidden { "" } else { call.url.path() };
        let place = format!("{}{path}", call.url.origin().ascii_serialization());
        let mut request =
            self.inner.request(call.method, call.url).timeout(call.timeout.unwrap_or(self.timeout));
        for (name, value) in call.headers {
            let mut value = HeaderValue::try_from(value).map_err(|_| {
                Error::Broken(format!("{place}: {name} cannot be sent: control characters in it"))
            })?;
            value.set_sensitive(true);
            request = request.header(name, value);
        }
        if let Some(body) = call.body {
            request = request.body(body);
        }
        let room = if call.timeout.is_some() { &self.room.long_polls } else { &self.room.calls };
        let _turn = match self.room.shares.load(Ordering::Relaxed) {
            true => None,
            false => room.acquire().await.ok(),
        };
        let mut response = request.send().await.map_err(|error| no_head(&place, error))?;
        if response.version() == reqwest::Version::HTTP_2 {
            self.room.shares.store(true, Ordering::Relaxed);
        }
        let header = |name: &str| response.headers().get(name)?.to_str().ok().map(str::to_owned);
        let (status, date) = (response.status().as_u16(), header("date"));
        if response.status().is_redirection() {
            return Err(Error::Broken(format!("{place}: a redirect (HTTP {status}), which is not followed")));
        }
        let retry_after = header("retry-after")
            .and_then(|text| retry_after::parse(&text, date.as_deref(), clock::system_time()));
        let headers = std::mem::take(response.headers_mut());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| no_body(&place, error))? {
            if body.len().saturating_add(chunk.len()) > LARGEST {
                return Err(Error::Broken(format!("{place}: an answer of more than 256 KiB")));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(HttpAnswer { status, retry_after, date, headers, body })
    }
}

impl HttpCall {
    /// Without headers and body.
    pub(crate) fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: Vec::new(), body: None, timeout: None, is_path_hidden: false }
    }

    /// GET.
    pub(crate) fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    /// POST of a body of this type.
    pub(crate) fn post(url: Url, content_type: &str, body: String) -> Self {
        Self::new(Method::POST, url).header("content-type", content_type).body(body)
    }

    /// One more header; its name in lower case.
    pub(crate) fn header(self, name: &'static str, value: impl Into<String>) -> Self {
        self.named(HeaderName::from_static(name), value)
    }

    /// The same, with a header name from elsewhere.
    pub(crate) fn named(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Sets the body.
    pub(crate) fn body(mut self, body: String) -> Self {
        self.body = Some(body);
        self
    }

    /// No error text names the path, for there are credentials in it, or a telephone number.
    pub(crate) fn hiding_path(mut self) -> Self {
        self.is_path_hidden = true;
        self
    }

    /// With another limit than `api_timeout`: for long polls.
    pub(crate) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl HttpAnswer {
    /// An answer without a server: for tests and fuzzing.
    pub(crate) fn of(status: u16, body: Vec<u8>) -> Self {
        Self { status, retry_after: None, date: None, headers: HeaderMap::new(), body }
    }

    /// A header as text; its name in lower case. None if it is not there, or not ASCII.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON of that shape.
    pub(crate) fn json<T: serde::de::DeserializeOwned>(&self, of: &str) -> Result<T, Error> {
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

/// Not even the head of an answer came. A wrong certificate does not count as unreachable, since a server answered;
/// nor does a lack of file descriptors, which is local: an attacker who makes enough logins wait could otherwise open
/// what `failmode = safe` opens.
fn no_head(place: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let text = format!("{place}: {}", tls::error_line(&error));
    match () {
        () if tls::is_tls(&error) && error.is_connect() => Error::Stranger(text),
        () if tls::is_tls(&error) => Error::Broken(text),
        () if error.is_connect() && (tls::error_chain(&error).any(is_exhausted) || is_exhausted_here()) => {
            Error::Broken(format!("{text}: no descriptor is left, raise the server's limit (LimitNOFILE)"))
        }
        () if error.is_connect() => Error::Unreachable(text),
        () if error.is_timeout() || tls::error_chain(&error).any(is_end) => Error::Silent(text),
        () => Error::Broken(text),
    }
}

/// The head was there, and the body does not come to its end.
fn no_body(place: &str, error: reqwest::Error) -> Error {
    let error = error.without_url();
    let text = format!("{place}: {}", tls::error_line(&error));
    if error.is_timeout() { Error::Silent(text) } else { Error::Broken(text) }
}

/// This process, or this machine, has no descriptor left: ENFILE, EMFILE, WSAEMFILE.
fn is_exhausted(error: &(dyn std::error::Error + 'static)) -> bool {
    let code = error.downcast_ref().and_then(std::io::Error::raw_os_error);
    matches!(code, Some(23 | 24 | 10024))
}

/// Whether there is none now. The resolver does not tell why it found no name.
fn is_exhausted_here() -> bool {
    std::net::UdpSocket::bind("127.0.0.1:0").is_err_and(|error| is_exhausted(&error))
}

/// The connection ended before there was an answer.
fn is_end(error: &(dyn std::error::Error + 'static)) -> bool {
    error.is::<std::io::Error>() || error.downcast_ref().is_some_and(hyper::Error::is_incomplete_message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_can_be_written_into_the_head() {
        let config = push::HttpOptions { timeout: Duration::from_secs(1), ca_file: None, proxy: None };
        let client = HttpClient::new(&config).unwrap();
        let url = Url::parse("https://127.0.0.1:1/a\r\nb?c\r\nd: e").unwrap();
        assert_eq!(url.as_str(), "https://127.0.0.1:1/ab?cd:%20e");
        for value in ["a\r\nb: c", "a\nb", "a\0b"] {
            let refused = client.send(HttpCall::get(url.clone()).header("authorization", value)).await;
            let Err(Error::Broken(text)) = refused else { panic!("{refused:?}") };
            assert_eq!(
                text,
                "https://127.0.0.1:1/ab: authorization cannot be sent: control characters in it"
            );
        }
    }
}
