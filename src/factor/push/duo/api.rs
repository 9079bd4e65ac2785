//! Calls to Duo: signed, repeated once if the clocks disagree, put off while Duo asks for that.

use super::answer::{self, AnswerError};
use super::signature::{self, SignedMessage};
use crate::clock;
use crate::config::push;
use crate::engine::provider::ProviderError;
use crate::http::{self, HttpCall, HttpClient};
use crate::types::{Secret, SetupError};
use jiff::Timestamp;
use jiff::fmt::rfc2822::{DateTimeParser, DateTimePrinter};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, sleep};
use url::Url;

/// The first and the longest rest after a 429 that does not say how long.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(32));

/// Duo takes dates that are five minutes off. A key may be wrong as well; a comparison of the clocks costs little.
const FAR_OFF: u64 = 60;

/// The code of a refusal for the date.
const BAD_TIMESTAMP: u32 = 40105;

/// Duo, as an integration sees it.
pub(super) struct DuoApi {
    http: HttpClient,
    base: Url,
    /// `api_host` without a port, as it is signed.
    host: String,
    ikey: String,
    skey: Secret,
    /// Seconds by which Duo's clock is ahead of this machine's.
    ahead: AtomicI64,
}

/// One call.
pub(super) struct DuoRequest {
    method: DuoMethod,
    path: &'static str,
    params: Vec<(&'static str, String)>,
    deadline: Option<Instant>,
    within: Option<Duration>,
}

#[derive(Clone, Copy)]
enum DuoMethod {
    Get,
    Post,
}

/// Why a call came to nothing.
pub(super) enum DuoFault {
    /// There is no answer.
    Http(http::Error),
    /// Duo has been too busy (HTTP 429) until the deadline.
    Busy(String),
    /// Duo does not do it, or what it answers means nothing.
    Refused(String),
}

impl DuoFault {
    /// As seen by a caller whose call asks the user nothing.
    pub(super) fn before_asking(self) -> ProviderError {
        match self {
            Self::Http(error) => error.before_asking(),
            Self::Busy(text) => ProviderError::Unreachable(text),
            Self::Refused(text) => ProviderError::Failed(text),
        }
    }

    /// For a call that sends a push, or spends the user's passcode.
    pub(super) fn while_asking(self) -> ProviderError {
        match self {
            Self::Http(error) => error.while_asking(),
            other => other.after_asking(),
        }
    }

    /// As seen by a caller who waits for a user who has been asked.
    pub(super) fn after_asking(self) -> ProviderError {
        match self {
            Self::Http(error) => error.into(),
            Self::Busy(text) | Self::Refused(text) => ProviderError::Failed(text),
        }
    }
}

impl DuoRequest {
    /// POST; put off until `deadline` if Duo is busy, or for ever.
    pub(super) fn post_call(
        path: &'static str,
        params: Vec<(&'static str, String)>,
        deadline: Option<Instant>,
    ) -> Self {
        Self { method: DuoMethod::Post, path, params, deadline, within: None }
    }

    /// GET; put off for as long as the caller waits.
    pub(super) fn get(path: &'static str, params: Vec<(&'static str, String)>) -> Self {
        Self { method: DuoMethod::Get, path, params, deadline: None, within: None }
    }

    /// With another limit than `api_timeout`.
    pub(super) fn with_timeout(mut self, limit: Duration) -> Self {
        self.within = Some(limit);
        self
    }
}

impl DuoApi {
    /// Sends nothing.
    pub(super) fn new(config: &push::DuoOptions, http: HttpClient) -> Result<Self, SetupError> {
        let wrong = || SetupError::option("api_host", &config.api_host, "not a host name");
        let base = Url::parse(&format!("https://{}/", config.api_host)).map_err(|_| wrong())?;
        let host = base.host_str().ok_or_else(wrong)?.to_owned();
        let (ikey, skey) = (config.ikey.clone(), config.skey.clone());
        Ok(Self { http, base, host, ikey, skey, ahead: AtomicI64::new(0) })
    }

    /// Sends it and reads the answer.
    pub(super) async fn send_call<T>(
        &self,
        request: &DuoRequest,
        read: fn(&[u8]) -> Result<T, AnswerError>,
    ) -> Result<T, DuoFault> {
        let mut rest = REST.0;
        let mut is_clock_set = false;
        loop {
            let now = self.now();
            let answer = self.http.send(self.signed_call(request, now)).await.map_err(DuoFault::Http)?;
            match answer.status {
                200 => return read(&answer.body).map_err(|unread| self.unreadable_answer(request, unread)),
                429 => {
                    let pause = answer.retry_after.filter(|pause| !pause.is_zero()).unwrap_or(rest);
                    let end = Instant::now().checked_add(pause);
                    if request.deadline.is_some_and(|deadline| end.is_none_or(|end| end >= deadline)) {
                        return Err(DuoFault::Busy(self.text(request, "Duo is asked too often (HTTP 429)")));
                    }
                    sleep(pause).await;
                    rest = rest.saturating_mul(2).min(REST.1);
                }
                401 if !is_clock_set && is_for_its_date(&answer, now) => {
                    self.set_clock().await?;
                    is_clock_set = true;
                }
                status => return Err(self.refusal_fault(request, status, &answer.body)),
            }
        }
    }

    /// A failure of this call, in a sentence for the log.
    pub(super) fn call_failed(&self, request: &DuoRequest, text: &str) -> ProviderError {
        ProviderError::Failed(self.text(request, text))
    }

    /// This machine's time as Duo's clock would show it.
    fn now(&self) -> Timestamp {
        let now = system_time();
        let ahead = jiff::SignedDuration::from_secs(self.ahead.load(Ordering::Relaxed));
        now.checked_add(ahead).unwrap_or(now)
    }

    fn signed_call(&self, request: &DuoRequest, now: Timestamp) -> HttpCall {
        let date = DateTimePrinter::new().timestamp_to_string(&now).unwrap_or_default();
        let params = signature::canonical(&request.params);
        let method = match request.method {
            DuoMethod::Get => "GET",
            DuoMethod::Post => "POST",
        };
        let message =
            SignedMessage { date: &date, method, host: &self.host, path: request.path, params: &params };
        let authorization = signature::authorization_header(&self.ikey, &self.skey, &message);
        let mut url = self.base.clone();
        url.set_path(request.path);
        let call = match request.method {
            DuoMethod::Get => {
                url.set_query(Some(&params));
                HttpCall::get(url)
            }
            DuoMethod::Post => HttpCall::post(url, "application/x-www-form-urlencoded", params),
        };
        let call = call.header("date", date).header("authorization", authorization);
        match request.within {
            Some(limit) => call.within(limit),
            None => call,
        }
    }

    /// Asks Duo for its time. Neither signed nor about any user.
    async fn set_clock(&self) -> Result<(), DuoFault> {
        let ping = DuoRequest::get("/auth/v2/ping", Vec::new());
        let mut url = self.base.clone();
        url.set_path(ping.path);
        let answer = self.http.send(HttpCall::get(url)).await.map_err(DuoFault::Http)?;
        if answer.status != 200 {
            return Err(self.refusal_fault(&ping, answer.status, &answer.body));
        }
        let time = answer::read_ping(&answer.body).map_err(|unread| self.unreadable_answer(&ping, unread))?;
        let time = Timestamp::from_second(time)
            .map_err(|_| DuoFault::Refused(self.text(&ping, "a time that is none")))?;
        let ahead = time.as_second().saturating_sub(system_time().as_second());
        self.ahead.store(ahead, Ordering::Relaxed);
        Ok(())
    }

    fn unreadable_answer(&self, request: &DuoRequest, unread: AnswerError) -> DuoFault {
        DuoFault::Refused(match unread {
            AnswerError::Fail(code, message) => {
                self.text(request, &format!("Duo refuses it (code {code}: {message})"))
            }
            AnswerError::Strange(text) => {
                self.text(request, &format!("an answer that means nothing: {text}"))
            }
        })
    }

    /// What is wrong, and what to do.
    fn refusal_fault(&self, request: &DuoRequest, status: u16, body: &[u8]) -> DuoFault {
        let failure = answer::read_failure(body);
        let code = failure.as_ref().map(|(code, _)| *code);
        let said = failure.map_or_else(
            || format!("HTTP {status}"),
            |(code, text)| format!("HTTP {status}, code {code}: {text}"),
        );
        let remedy = match (status, code) {
            (401, Some(BAD_TIMESTAMP)) => {
                "Duo does not take the date, by its own clock neither: check this machine's clock"
            }
            (401 | 403, _) => {
                "Duo does not take the keys: check that \"ikey\", \"skey\" and \"api_host\" are those of one \
                 application of the type Auth API"
            }
            (404 | 405, _) => "this is not Duo: check \"api_host\"",
            (500.., _) => "Duo is in trouble",
            _ => "Duo refuses it",
        };
        DuoFault::Refused(self.text(request, &format!("{remedy} ({said})")))
    }

    fn text(&self, request: &DuoRequest, text: &str) -> String {
        format!("{}{}: {text}", self.base.origin().ascii_serialization(), request.path)
    }
}

/// Whether a 401 is for the date that was sent: Duo says so, or its own is far from it.
fn is_for_its_date(answer: &http::HttpAnswer, sent: Timestamp) -> bool {
    let theirs = answer.date.as_ref().and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
    let is_far_off = |theirs: Timestamp| theirs.as_second().abs_diff(sent.as_second()) > FAR_OFF;
    answer::read_failure(&answer.body).is_some_and(|(code, _)| code == BAD_TIMESTAMP)
        || theirs.is_some_and(is_far_off)
}
/// The system's clock, as the library has it.
fn system_time() -> Timestamp {
    Timestamp::try_from(clock::system_time()).unwrap_or_default()
}
