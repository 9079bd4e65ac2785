//! SMS gateways, each a template for an HTTP request.

use super::delivery::{DeliveryError, DeliveryResult, scrub_text};
use super::gsm;
use crate::config::gateway::{RequestTemplate, RequestVariable};
use crate::config::message::{self, BodyType, GatewayOptions, HttpMethod};
use crate::engine::messenger::TextMessage;
use crate::http::{self, Error, HeaderName, HttpAnswer, HttpCall, HttpClient};
use crate::types::PhoneNumber;
use crate::types::SetupError;
use data_encoding::BASE64;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;

/// All but the unreserved characters (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// All of them.
pub(super) struct SmsGateways {
    gateways: Vec<GatewayOptions>,
    http: HttpClient,
}

/// How a variable is written where it stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum VariablePlace {
    Url,
    Header,
    Body(BodyType),
}

impl SmsGateways {
    /// With the gateways of `sms { }`.
    pub(super) fn new(config: &message::SmsOptions) -> Result<Self, SetupError> {
        Ok(Self { gateways: config.gateways.clone(), http: HttpClient::new(&config.http)? })
    }

    /// What they are called, in the order in which they are tried.
    pub(super) fn gateway_names(&self) -> impl Iterator<Item = &str> {
        self.gateways.iter().map(|gateway| gateway.name.as_str())
    }

    /// Hands it to the first that takes it.
    pub(super) async fn deliver_sms(&self, message: &TextMessage) -> DeliveryResult {
        let to = match PhoneNumber::parse(&message.to, None) {
            Ok(to) => to,
            Err(why) => {
                return DeliveryResult::not_delivered("sms", format!("not a telephone number: {why}"));
            }
        };
        let text = String::from_utf8_lossy(message.text.expose());
        let mut sent = DeliveryResult::new();
        for gateway in &self.gateways {
            let result = self.send(gateway, &to, &text).await;
            if sent.record_failure(&gateway.name, result).is_some() {
                break;
            }
        }
        sent
    }

    async fn send(
        &self,
        gateway: &GatewayOptions,
        to: &PhoneNumber,
        text: &str,
    ) -> Result<(), DeliveryError> {
        let call = build_call(gateway, to, text)?;
        match self.http.send(call).await {
            Ok(answer) => judge_answer(gateway, &answer),
            Err(Error::Unreachable(why)) => Err(DeliveryError::Unreachable(why)),
            Err(Error::Stranger(why)) => Err(DeliveryError::Unreachable(why)),
            Err(Error::Silent(why) | Error::Broken(why)) => Err(DeliveryError::Unsure(why)),
        }
    }
}

/// The request.
///
/// # Errors
///
/// What of the template cannot be sent.
fn build_call(gateway: &GatewayOptions, to: &PhoneNumber, text: &str) -> Result<HttpCall, DeliveryError> {
    let fill = |template: &RequestTemplate, place: VariablePlace| {
        template.fill(|variable| escape_value(place, &value(gateway, to, text, *variable)))
    };
    let url = fill(&gateway.url, VariablePlace::Url)
        .parse()
        .map_err(|_| DeliveryError::Refused("\"url\" cannot be filled in".to_owned()))?;
    let method = match gateway.method {
        HttpMethod::Get => http::Method::GET,
        HttpMethod::Post => http::Method::POST,
        HttpMethod::Put => http::Method::PUT,
    };
    let mut call = HttpCall::new(method, url).hiding_path();
    let mut has_type = false;
    for (name, value) in &gateway.headers {
        has_type |= name.eq_ignore_ascii_case("content-type");
        let name = HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| DeliveryError::Refused(format!("{name} is no header")))?;
        call = call.named(name, fill(value, VariablePlace::Header));
    }
    if let Some((kind, body)) = &gateway.body {
        if !has_type {
            call = call.header("content-type", kind.content_type());
        }
        call = call.body(fill(body, VariablePlace::Body(*kind)));
    }
    Ok(call)
}

fn value<'v>(
    gateway: &'v GatewayOptions,
    to: &'v PhoneNumber,
    text: &'v str,
    variable: RequestVariable,
) -> Cow<'v, str> {
    let password = || String::from_utf8_lossy(gateway.password.expose());
    match variable {
        RequestVariable::To => to.as_str().into(),
        RequestVariable::Digits => to.without_plus().into(),
        RequestVariable::Text => text.into(),
        RequestVariable::From => gateway.from.as_str().into(),
        RequestVariable::User => gateway.user.as_str().into(),
        RequestVariable::Password => password(),
        RequestVariable::Basic => basic_credentials(gateway).into(),
        RequestVariable::Coding => if gsm::fits_gsm_alphabet(text) { "0" } else { "2" }.into(),
        RequestVariable::Type => if gsm::fits_gsm_alphabet(text) { "text" } else { "unicode" }.into(),
    }
}

fn basic_credentials(gateway: &GatewayOptions) -> String {
    BASE64
        .encode(format!("{}:{}", gateway.user, String::from_utf8_lossy(gateway.password.expose())).as_bytes())
}

fn escape_value(place: VariablePlace, value: &str) -> String {
    match place {
        VariablePlace::Url | VariablePlace::Body(BodyType::Form) => {
            utf8_percent_encode(value, RESERVED).to_string()
        }
        VariablePlace::Body(BodyType::Json) => {
            let quoted = serde_json::Value::from(value).to_string();
            quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or_default().to_owned()
        }
        // Control characters in a header are refused by the client.
        VariablePlace::Header | VariablePlace::Body(BodyType::Text) => value.to_owned(),
    }
}

/// Whether the gateway took it.
fn judge_answer(gateway: &GatewayOptions, answer: &HttpAnswer) -> Result<(), DeliveryError> {
    let body = String::from_utf8_lossy(&answer.body);
    let said = |what: &str| format!("HTTP {}: {what}", answer.status);
    let quoted = || {
        let password = String::from_utf8_lossy(gateway.password.expose());
        let secrets = [basic_credentials(gateway), password.into_owned()];
        let told = secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .fold(body.clone().into_owned(), |told, secret| told.replace(secret.as_str(), "***"));
        // The beginning says enough.
        let begin: String = scrub_text(&told).as_str().chars().take(120).collect();
        if begin.is_empty() { said("an empty answer") } else { said(&begin) }
    };
    let is_right = match gateway.status.as_slice() {
        [] => (200..300).contains(&answer.status),
        statuses => statuses.contains(&answer.status),
    };
    if gateway.refused.as_ref().is_some_and(|words| contains_words(&body, words)) {
        return Err(DeliveryError::Refused(quoted()));
    }
    match answer.status {
        _ if is_right && gateway.accepted.as_ref().is_none_or(|words| contains_words(&body, words)) => Ok(()),
        401 | 403 => Err(DeliveryError::Refused(said("it does not take our credentials, or us"))),
        // 503 and 429 say that it was too busy for the request.
        400..=499 | 503 => Err(DeliveryError::Refused(quoted())),
        _ => Err(DeliveryError::Unsure(format!("{}; it may have taken the message", quoted()))),
    }
}

/// Whether the words stand in the answer, white space aside.
fn contains_words(body: &str, words: &str) -> bool {
    let squeezed = |text: &str| text.split_whitespace().collect::<String>();
    squeezed(body).contains(&squeezed(words))
}

impl BodyType {
    const fn content_type(self) -> &'static str {
        match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
            Self::Text => "text/plain; charset=UTF-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_escaped_for_where_they_stand() {
        let nasty = "a&b=c \"d\"\\\n\u{fc}\u{1f600}/?#%+{to}";
        let form = escape_value(VariablePlace::Body(BodyType::Form), nasty);
        let parsed: Vec<_> = url::form_urlencoded::parse(form.as_bytes()).collect();
        assert_eq!(parsed, [(nasty.into(), "".into())]);
        assert_eq!(escape_value(VariablePlace::Url, "+41 7/."), "%2B41%207%2F.");
        let json = format!("{{\"text\": \"{}\"}}", escape_value(VariablePlace::Body(BodyType::Json), nasty));
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["text"], nasty);
        assert_eq!(escape_value(VariablePlace::Body(BodyType::Text), nasty), nasty);
    }

    #[test]
    fn words_are_found_whatever_white_space_there_is() {
        assert!(contains_words("{ \"status\" :\n \"0\" }", "\"status\": \"0\""));
        assert!(contains_words("0: Accepted for delivery", "0: Accepted"));
        assert!(!contains_words("3: Queued for later delivery", "0: Accepted"));
    }
}
