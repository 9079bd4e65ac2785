//! What the provider's two endpoints say: the question has been put (CIBA Core 1.0, sections 7.3 and 13), and what became of
//! it (sections 10.1.1 and 11). Nothing here is an approval: that is for the id_token to prove.

use crate::engine::provider::{ProviderError, PushOutcome, PushResponse};
use crate::factor::push::common::provider_text;
use crate::http::HttpAnswer;
use crate::types::{Printable, Secret};
use serde::Deserialize;
use std::time::Duration;

/// The rest between two polls where the provider names none, and what `slow_down` adds to it.
pub(super) const REST: Duration = Duration::from_secs(5);

/// What came of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BackchannelResponse {
    /// The user has the question.
    Waiting {
        /// `auth_req_id`.
        id: Secret,
        /// How long to rest between two polls.
        interval: Duration,
    },
    /// Not approved, and it will not be.
    Decided(PushResponse),
}

/// What a poll says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PollResponse {
    /// The user has not answered yet.
    Pending,
    /// Nothing yet, and we ask too often.
    SlowDown,
    /// The server cannot answer at the moment; it may have said when it can.
    Busy(Option<Duration>),
    /// The user, or the provider on their behalf, has not approved.
    Decided(PushResponse),
    /// This id_token, which has to be verified.
    Token(Secret),
}

#[derive(Deserialize)]
struct AuthenticationStarted {
    auth_req_id: String,
    interval: Option<f64>,
}

#[derive(Deserialize)]
struct TokenSet {
    id_token: String,
}

/// A refusal (RFC 6749, section 5.2). Its description is meant for developers, not for users; where it is about our proof, it may
/// hold what we have sent, and is not even logged.
#[derive(Deserialize)]
struct OAuthError {
    error: String,
    error_description: Option<String>,
}

impl OAuthError {
    /// What is decided about the user, with the description.
    fn user_decision(&self, outcome: PushOutcome) -> PushResponse {
        PushResponse::with_log_text(outcome, provider_text(self.error_description.as_deref()))
    }
}

impl BackchannelResponse {
    /// What the backchannel endpoint has answered.
    pub(super) fn read(answer: &HttpAnswer) -> Result<Self, ProviderError> {
        if answer.status == 200 {
            let started: AuthenticationStarted = answer.json("ciba: the backchannel endpoint")?;
            if started.auth_req_id.is_empty() {
                return Err(ProviderError::Failed(
                    "ciba: the backchannel endpoint: an empty auth_req_id".into(),
                ));
            }
            let interval = started.interval.map_or(REST, |seconds| {
                Duration::try_from_secs_f64(seconds).unwrap_or(REST).clamp(Duration::from_secs(1), 60 * REST)
            });
            return Ok(Self::Waiting { id: Secret::new(started.auth_req_id), interval });
        }
        let refusal = read_refusal(answer, "the backchannel endpoint")?;
        match refusal.error.as_str() {
            "unknown_user_id" => Ok(Self::Decided(refusal.user_decision(PushOutcome::Unknown))),
            "access_denied" => Ok(Self::Decided(refusal.user_decision(PushOutcome::Refused))),
            other => Err(refusal_error(other)),
        }
    }
}

impl PollResponse {
    /// What the token endpoint has answered.
    pub(super) fn read(answer: &HttpAnswer) -> Result<Self, ProviderError> {
        match answer.status {
            200 => {
                let tokens: TokenSet = answer.json("ciba: the token endpoint")?;
                return Ok(Self::Token(Secret::new(tokens.id_token)));
            }
            408 | 429 | 500.. => return Ok(Self::Busy(answer.retry_after)),
            _ => {}
        }
        let refusal = read_refusal(answer, "the token endpoint")?;
        match refusal.error.as_str() {
            "authorization_pending" => Ok(Self::Pending),
            "slow_down" => Ok(Self::SlowDown),
            "expired_token" => Ok(Self::Decided(refusal.user_decision(PushOutcome::Expired))),
            "access_denied" => Ok(Self::Decided(refusal.user_decision(PushOutcome::Denied))),
            other => Err(refusal_error(other)),
        }
    }
}

/// A refusal: of status 4xx, and in JSON.
fn read_refusal(answer: &HttpAnswer, of: &str) -> Result<OAuthError, ProviderError> {
    if !(400..500).contains(&answer.status) {
        return Err(ProviderError::Failed(format!(
            "ciba: {of}: HTTP {} is no answer that is known",
            answer.status
        )));
    }
    Ok(answer.json(&format!("ciba: {of}"))?)
}

/// What to do about an error code that says nothing about the user.
fn refusal_error(code: &str) -> ProviderError {
    let remedy = match code {
        "invalid_client" => {
            "the provider does not take our proof: check client_id, client_auth, client_secret or private_key_file and key_id"
        }
        "unauthorized_client" | "unsupported_grant_type" => {
            "the client of client_id may not use CIBA in poll mode: allow it at the provider"
        }
        "invalid_scope" => "the client of client_id may not have this scope: check scope",
        "missing_user_code" | "invalid_user_code" => {
            "the provider wants a user code, which a login has no place for: switch it off for this client"
        }
        "invalid_binding_message" => {
            "the provider does not take a number of two digits as binding_message, or wants one: check number_match"
        }
        "invalid_request" => "the provider does not understand the request: check login_hint and scope",
        "invalid_grant" => "the provider no longer knows the question",
        _ => "an error code that is not known",
    };
    ProviderError::Failed(format!("ciba: {}: {remedy}", Printable::new(code)))
}
