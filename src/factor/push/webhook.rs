//! A server of the site's own, by the protocol of `doc/webhook.md`: signed questions, and answers that are signed for the
//! very request they answer.
//!
//! Nothing is remembered here: what an answer has to match travels in [`PushQuestion::id`].

use crate::clock;
use crate::config::push;
use crate::engine::provider::{
    AskOutcome, ProviderError, ProviderFuture, PushOutcome, PushProvider, PushQuestion, PushRequest,
    PushRequestKind, PushResponse,
};
use crate::http::{Error, HttpAnswer, HttpCall, HttpClient};
use crate::types::{Factor, Printable, Secret};
use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::Sha256;
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// The protocol's version.
const VERSION: u8 = 1;

/// How far the clocks may be apart, in seconds.
const SKEW: u64 = 300;

/// How long the server may keep a poll before it answers, in seconds.
const HOLD: u64 = 20;

/// How long a poll may take.
const POLL: Duration = Duration::from_secs(HOLD + 10);

/// How long taking back a question may take.
const CANCEL: Duration = Duration::from_secs(5);

/// How many polls in a row may fail before the login does: the user has the push, and is looking for the phone.
const STUMBLES: u8 = 3;

/// Seconds between two polls: the least, the default, the most.
const INTERVAL: (f64, f64, f64) = (0.1, 1.0, 10.0);

/// Asks users by a webhook.
pub(super) struct WebhookProvider {
    line: Arc<WebhookEndpoint>,
}

/// Where to, and with which key.
struct WebhookEndpoint {
    url: Url,
    key: Secret,
    http: HttpClient,
}

/// A question and its answer's marks; [`PushQuestion::id`] as JSON.
#[derive(Serialize, Deserialize)]
struct WebhookHandle {
    /// Drawn for this question.
    id: String,
    /// The number that the user has to find, or type, on the device.
    number: Option<String>,
    /// Where the answer is asked for, if the server has said so.
    poll_url: Option<String>,
}

/// An answer. What else is in it is for later versions.
#[derive(Debug, Deserialize)]
struct WebhookAnswer {
    id: String,
    status: String,
    factor: Option<String>,
    device: Option<String>,
    number: Option<String>,
    poll_url: Option<String>,
    interval: Option<f64>,
}

/// Why a request has no answer that counts.
#[derive(Debug)]
enum WebhookFault {
    /// No answer came.
    Http(Error),
    /// Another HTTP status than 200.
    Status(u16),
    /// It is not for this request, not from the one who has the key, or not of the protocol.
    Bad(&'static str),
}

impl WebhookProvider {
    /// Posts to `start_url` by `http`.
    pub(super) fn new(config: &push::WebhookOptions, http: HttpClient) -> Self {
        let (url, key) = (config.url.clone(), config.secret.clone());
        Self { line: Arc::new(WebhookEndpoint { url, key, http }) }
    }
}

impl PushProvider for WebhookProvider {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn start_push(&self, ask: PushRequest) -> ProviderFuture<Result<AskOutcome, ProviderError>> {
        let line = Arc::clone(&self.line);
        Box::pin(async move { line.post_question(&ask).await })
    }

    fn await_answer(&self, question: &PushQuestion) -> ProviderFuture<Result<PushResponse, ProviderError>> {
        let (line, question) = (Arc::clone(&self.line), question.clone());
        Box::pin(async move { line.poll_question(&question).await.map(PushResponse::from) })
    }

    fn cancel_push(&self, question: &PushQuestion) -> ProviderFuture<()> {
        let (line, handle) = (Arc::clone(&self.line), WebhookHandle::read(&question.id));
        Box::pin(async move {
            let Ok(handle) = handle else { return };
            let Ok(url) = line.poll_url(&handle) else { return };
            let body = json!({ "version": VERSION, "action": "cancel", "id": handle.id });
            let _ = tokio::time::timeout(CANCEL, line.post_signed(url, body.to_string(), None)).await;
        })
    }

    fn probe_service(&self) -> ProviderFuture<Result<Option<String>, ProviderError>> {
        let line = Arc::clone(&self.line);
        Box::pin(async move { line.probe_endpoint().await.map(Some) })
    }
}

impl WebhookEndpoint {
    async fn post_question(&self, ask: &PushRequest) -> Result<AskOutcome, ProviderError> {
        let choice = match &ask.asking {
            PushRequestKind::Device(choice) => *choice,
            PushRequestKind::Passcode(_) => return Err(request_failed("it checks no passcodes")),
        };
        let mut handle = WebhookHandle { id: random_id()?, number: ask.number.clone(), poll_url: None };
        let body = json!({
            "version": VERSION,
            "action": "ask",
            "id": handle.id,
            "user": ask.user,
            "client": ask.client,
            "calling_station": ask.calling_station,
            "factor": choice.map_or("auto", |choice| choice.factor.as_str()),
            "device": choice.map(|choice| choice.device),
            "number": ask.number,
            "expires_in": ask.limit.as_secs(),
        });
        let answer = self.post_signed(self.url.clone(), body.to_string(), None).await;
        let said = answer
            .and_then(|body| WebhookAnswer::read(&body, &handle.id))
            .map_err(WebhookFault::while_asking)?;
        let factor = said.to_factor(choice.map_or(Factor::Push, |choice| choice.factor))?;
        let device = said.to_device(Printable::default());
        if let Some(outcome) = said.read_outcome(handle.number.as_deref(), factor, &device)? {
            return Ok(AskOutcome::Decided(outcome.into()));
        }
        let interval = said.poll_interval().unwrap_or(Duration::from_secs_f64(INTERVAL.1));
        handle.poll_url = said.poll_url;
        self.poll_url(&handle)?;
        Ok(AskOutcome::Waiting(PushQuestion {
            id: handle.write()?,
            subject: ask.user.clone(),
            factor,
            device,
            interval,
        }))
    }

    async fn poll_question(&self, question: &PushQuestion) -> Result<PushOutcome, ProviderError> {
        let handle = WebhookHandle::read(&question.id)?;
        let url = self.poll_url(&handle)?;
        let body = json!({ "version": VERSION, "action": "poll", "id": handle.id, "hold": HOLD }).to_string();
        let (mut interval, mut stumbled) = (question.interval, 0);
        loop {
            tokio::time::sleep(interval).await;
            let answer = self.post_signed(url.clone(), body.clone(), Some(POLL)).await;
            match answer.and_then(|body| WebhookAnswer::read(&body, &handle.id)) {
                Err(fault) if fault.is_passing() && stumbled < STUMBLES => stumbled += 1,
                Err(fault) => return Err(fault.while_polling()),
                Ok(said) => {
                    let (factor, device) =
                        (said.to_factor(question.factor)?, said.to_device(question.device.clone()));
                    if let Some(outcome) = said.read_outcome(handle.number.as_deref(), factor, &device)? {
                        return Ok(outcome);
                    }
                    stumbled = 0;
                    interval = said.poll_interval().unwrap_or(interval);
                }
            }
        }
    }

    /// Polls a question that was never put. The answer to that is signed like every other.
    async fn probe_endpoint(&self) -> Result<String, ProviderError> {
        let handle = WebhookHandle { id: random_id()?, number: None, poll_url: None };
        let body = json!({ "version": VERSION, "action": "poll", "id": handle.id, "hold": 0 }).to_string();
        let answer = self.post_signed(self.poll_url(&handle)?, body, None).await;
        match answer.and_then(|body| WebhookAnswer::read(&body, &handle.id)) {
            Ok(said) if said.status == "expired" => Ok("it answers, and takes our key".to_owned()),
            Ok(_) => {
                Err(request_failed("a question that was never put is not \"expired\": see doc/webhook.md"))
            }
            Err(WebhookFault::Http(error)) => Err(error.before_asking()),
            Err(fault) => Err(fault.while_polling()),
        }
    }

    /// Where a question is polled and taken back: `/poll` below `start_url`, or where the server said, if that is on itself.
    fn poll_url(&self, handle: &WebhookHandle) -> Result<Url, ProviderError> {
        let mut url = self.url.clone();
        match handle.poll_url.as_deref().map(|place| url.join(place)) {
            Some(Ok(url)) if url.origin() == self.url.origin() && url.username().is_empty() => {
                return Ok(url);
            }
            Some(_) => return Err(request_failed("the answer's poll_url is not on the server of start_url")),
            None => {}
        }
        // Addresses without a path to add to are none of http.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("poll");
        }
        Ok(url)
    }

    /// Sends a body with its signature; the body of the answer, if that is signed for it.
    async fn post_signed(
        &self,
        url: Url,
        body: String,
        within: Option<Duration>,
    ) -> Result<Vec<u8>, WebhookFault> {
        let timestamp = clock::now().as_seconds().to_string();
        let mac = signature_mac(&self.key, &[timestamp.as_bytes(), b".", body.as_bytes()])
            .ok_or(WebhookFault::Bad(NO_KEY))?;
        let signature = HEXLOWER.encode(&mac.finalize().into_bytes());
        let mut call = HttpCall::post(url, "application/json", body)
            .header("x-mfa-timestamp", timestamp)
            .header("x-mfa-signature", format!("v1={signature}"));
        if let Some(within) = within {
            call = call.within(within);
        }
        let answer = self.http.send(call).await.map_err(WebhookFault::Http)?;
        match answer.status {
            200 => verify(&self.key, &signature, &answer, clock::now().as_seconds()).map(|()| answer.body),
            status => Err(WebhookFault::Status(status)),
        }
    }
}

impl WebhookHandle {
    fn read(id: &Secret) -> Result<Self, ProviderError> {
        serde_json::from_slice(id.expose()).map_err(|_| request_failed("not a question of ours"))
    }

    fn write(&self) -> Result<Secret, ProviderError> {
        let written = serde_json::to_vec(self);
        written
            .map(Secret::new)
            .map_err(|error| request_failed(format!("a question cannot be kept: {error}")))
    }
}

impl WebhookAnswer {
    /// The body of an answer to the question `id`; its signature was verified.
    fn read(body: &[u8], id: &str) -> Result<Self, WebhookFault> {
        let said: Self = serde_json::from_slice(body)
            .map_err(|_| WebhookFault::Bad("the answer is not what doc/webhook.md says"))?;
        if said.id == id { Ok(said) } else { Err(WebhookFault::Bad("the answer is to another question")) }
    }

    fn to_factor(&self, asked: Factor) -> Result<Factor, ProviderError> {
        match self.factor.as_deref() {
            None => Ok(asked),
            Some("push") => Ok(Factor::Push),
            Some("phone") => Ok(Factor::Phone),
            Some("sms") => Ok(Factor::Sms),
            Some(_) => Err(request_failed("a factor that is neither push, phone nor sms")),
        }
    }

    fn to_device(&self, known: Printable) -> Printable {
        self.device.as_ref().map_or(known, Printable::new)
    }

    fn poll_interval(&self) -> Option<Duration> {
        let (least, _, most) = INTERVAL;
        self.interval.map(|seconds| Duration::from_secs_f64(seconds.clamp(least, most)))
    }

    /// The decision; `None` while the user has not answered. With a `number`, the user must have given it.
    fn read_outcome(
        &self,
        number: Option<&str>,
        factor: Factor,
        device: &Printable,
    ) -> Result<Option<PushOutcome>, ProviderError> {
        Ok(Some(match (self.status.as_str(), number, self.number.as_deref()) {
            ("waiting", _, _) => return Ok(None),
            ("approved", Some(_), None) => {
                return Err(request_failed("approved, but the number the user gave is missing"));
            }
            ("approved", Some(shown), Some(given)) if shown != given => PushOutcome::Denied,
            ("approved", _, _) => PushOutcome::Approved { factor, device: device.clone() },
            ("denied", _, _) => PushOutcome::Denied,
            ("fraud", _, _) => PushOutcome::Fraud,
            ("expired", _, _) => PushOutcome::Expired,
            ("unknown", _, _) => PushOutcome::Unknown,
            ("locked", _, _) => PushOutcome::Locked,
            ("no_device", _, _) => PushOutcome::NoDevice,
            _ => return Err(request_failed("a status that doc/webhook.md does not have")),
        }))
    }
}

impl WebhookFault {
    /// As seen by the request that asks the user.
    fn while_asking(self) -> ProviderError {
        match self {
            Self::Http(error) => error.while_asking(),
            other => other.while_polling(),
        }
    }

    /// As seen by one that asks how it stands.
    fn while_polling(self) -> ProviderError {
        match self {
            Self::Http(error) => error.into(),
            Self::Status(status @ (401 | 403)) => request_failed(format!(
                "HTTP {status}: it does not take our signature; compare hmac_key and the clocks of both sides"
            )),
            Self::Status(status) => request_failed(format!("HTTP {status}")),
            Self::Bad(why) => request_failed(why),
        }
    }

    /// Whether another try may help.
    fn is_passing(&self) -> bool {
        matches!(self, Self::Http(_) | Self::Status(429 | 502 | 503 | 504))
    }
}

const NO_KEY: &str = "hmac_key cannot be used";

fn request_failed(why: impl std::fmt::Display) -> ProviderError {
    ProviderError::Failed(format!("webhook: {why}"))
}

/// 32 hexadecimal digits.
fn random_id() -> Result<String, ProviderError> {
    let mut id = [0; 16];
    getrandom::fill(&mut id)
        .map_err(|error| request_failed(format!("the system gives no random octets: {error}")))?;
    Ok(HEXLOWER.encode(&id))
}

/// None never happens: HMAC takes keys of any length.
fn signature_mac(key: &Secret, parts: &[&[u8]]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    for part in parts {
        mac.update(part);
    }
    Some(mac)
}

/// Whether the answer is signed, now, for the request with this `signature`. Several signatures (`v1=..,v1=..`) are for a
/// change of keys: one has to be right.
fn verify(key: &Secret, request: &str, answer: &HttpAnswer, now: u64) -> Result<(), WebhookFault> {
    let (Some(timestamp), Some(signatures)) =
        (answer.header("x-mfa-timestamp"), answer.header("x-mfa-signature"))
    else {
        return Err(WebhookFault::Bad("the answer is not signed"));
    };
    let parts = [timestamp.as_bytes(), b".", request.as_bytes(), b".", &answer.body];
    let mac = signature_mac(key, &parts).ok_or(WebhookFault::Bad(NO_KEY))?;
    let is_right = signatures
        .split(',')
        .filter_map(|one| one.trim().strip_prefix("v1="))
        .filter_map(|hex| HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).ok())
        .any(|octets| mac.clone().verify_slice(&octets).is_ok());
    match timestamp.parse::<u64>() {
        _ if !is_right => {
            Err(WebhookFault::Bad("the answer's signature is wrong, or is for another request"))
        }
        Ok(at) if at.abs_diff(now) <= SKEW => Ok(()),
        _ => Err(WebhookFault::Bad("the answer's time is more than 5 minutes from ours")),
    }
}

/// Parses the octets of a server, for `fuzz/` only. No I/O.
pub mod fuzz {
    use crate::engine::provider::{ProviderError, PushOutcome};
    use crate::factor::push::webhook::{WebhookAnswer, WebhookFault, verify};
    use crate::http::HttpAnswer;
    use crate::types::{Factor, Printable, Secret};

    /// What the body of a signed answer says about the question `id`; none while the user is waited for.
    pub fn read(octets: &[u8], id: &str, number: Option<&str>) -> Result<Option<PushOutcome>, ProviderError> {
        let said = WebhookAnswer::read(octets, id).map_err(WebhookFault::while_polling)?;
        let _ = said.poll_interval();
        let factor = said.to_factor(Factor::Push)?;
        let device = said.to_device(Printable::default());
        said.read_outcome(number, factor, &device)
    }

    /// Whether an answer with these headers is signed by the key for the request with that signature, at this Unix time.
    pub fn is_signed(
        timestamp: &[u8],
        signature: &[u8],
        body: &[u8],
        key: &str,
        request: &str,
        now: u64,
    ) -> bool {
        let mut headers = crate::http::HeaderMap::new();
        for (name, octets) in [("x-mfa-timestamp", timestamp), ("x-mfa-signature", signature)] {
            let Ok(value) = octets.try_into() else { return false };
            headers.insert(name, value);
        }
        let answer = HttpAnswer { status: 200, retry_after: None, date: None, headers, body: body.to_vec() };
        verify(&Secret::new(key), request, &answer, now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = include_str!("../../../doc/webhook.md");

    #[test]
    fn signatures_are_those_of_the_document() {
        let key = Secret::new("an example of a key, 32 octets..");
        let lines: Vec<&str> = DOCUMENT.lines().map(str::trim).collect();
        let mut request = String::new();
        for word in ["request ", "answer "] {
            let at = lines.iter().position(|line| line.starts_with(word) && line.ends_with('}')).unwrap();
            let (head, body) = lines[at].split_at(lines[at].find('{').unwrap());
            let timestamp = head.split_whitespace().nth(1).unwrap();
            let parts = match word {
                "answer " => vec![timestamp, ".", &request, ".", body],
                _ => vec![timestamp, ".", body],
            };
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            let signature = HEXLOWER.encode(&signature_mac(&key, &parts).unwrap().finalize().into_bytes());
            assert_eq!(lines[at + 1], format!("v1={signature}"));
            request = signature;
        }
    }

    #[test]
    fn polls_stay_on_the_server_of_start_url() {
        let line = |url: &str| WebhookEndpoint {
            url: url.parse().unwrap(),
            key: Secret::new("a key"),
            http: HttpClient::new(&push::PushOptions::default().http).unwrap(),
        };
        let place = |start: &str, place: Option<&str>| {
            let handle =
                WebhookHandle { id: String::new(), number: None, poll_url: place.map(str::to_owned) };
            line(start).poll_url(&handle).map(|url| url.to_string()).ok()
        };
        let start = "https://push.example.test/mfa";
        let at = |path: &str| Some(format!("https://push.example.test/{path}"));
        assert_eq!(place(start, None), at("mfa/poll"));
        assert_eq!(place("https://push.example.test/mfa/?site=1", None), at("mfa/poll?site=1"));
        assert_eq!(place("https://push.example.test", None), at("poll"));
        assert_eq!(place(start, Some("/elsewhere?a=1")), at("elsewhere?a=1"));
        assert_eq!(place(start, Some("https://push.example.test:443/x")), at("x"));
        for other in [
            "http://push.example.test/x",
            "https://push.example.test:444/x",
            "https://other.test/",
            "//other.test/",
            "https://user@push.example.test/x",
            "data:,approved",
            "https://[",
        ] {
            assert_eq!(place(start, Some(other)), None, "{other}");
        }
    }

    #[test]
    fn interval_is_kept_within_bounds() {
        let interval = |text: &str| {
            let said = format!("{{\"id\": \"1\", \"status\": \"waiting\", \"interval\": {text}}}");
            WebhookAnswer::read(said.as_bytes(), "1").unwrap().poll_interval()
        };
        assert_eq!(interval("null"), None);
        assert_eq!(interval("-1"), Some(Duration::from_millis(100)));
        assert_eq!(interval("2.5"), Some(Duration::from_millis(2500)));
        assert_eq!(interval("1e308"), Some(Duration::from_secs(10)));
    }
}
