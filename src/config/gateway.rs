//! Requests to SMS gateways as templates: text with `{variables}`, and the presets that are made of it.

use super::template::{LooseBrace, Template, TemplateError};

/// A part of a request to a gateway: its URL, its body or a header.
pub type RequestTemplate = Template<RequestVariable>;

/// A variable of a [`RequestTemplate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestVariable {
    /// `{to}`: the telephone number, `+41791234567`.
    To,
    /// `{digits}`: the number without the `+`.
    Digits,
    /// `{text}`: the message.
    Text,
    /// `{from}`: the option.
    From,
    /// `{user}`: the option.
    User,
    /// `{password}`: the option.
    Password,
    /// `{basic}`: both in base64, for basic authentication (RFC 7617).
    Basic,
    /// `{coding}`: 0 if the message fits the alphabet of GSM, else 2 (UCS-2).
    Coding,
    /// `{type}`: in the same way `text` or `unicode`.
    Type,
}

const VARIABLES: [(&str, RequestVariable); 9] = [
    ("to", RequestVariable::To),
    ("digits", RequestVariable::Digits),
    ("text", RequestVariable::Text),
    ("from", RequestVariable::From),
    ("user", RequestVariable::User),
    ("password", RequestVariable::Password),
    ("basic", RequestVariable::Basic),
    ("coding", RequestVariable::Coding),
    ("type", RequestVariable::Type),
];

impl Template<RequestVariable> {
    /// Finds the variables. Braces around anything but a word are text.
    ///
    /// # Errors
    ///
    /// Names a variable that does not exist; does not repeat the text, which may hold credentials.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Self::parse_with(text, LooseBrace::Keep, |word| {
            VARIABLES.iter().find(|(name, _)| *name == word).map(|(_, variable)| *variable).ok_or_else(|| {
                TemplateError::UnknownVariable {
                    name: word.to_owned(),
                    known: VARIABLES.iter().map(|(name, _)| *name).collect(),
                }
            })
        })
    }
}

/// `method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// GET.
    Get,
    /// POST.
    Post,
    /// PUT.
    Put,
}

/// `body_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyType {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// `application/json`.
    Json,
    /// `text/plain; charset=UTF-8`.
    Text,
}

/// The options of a gateway that a preset fills in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct GatewayPreset {
    /// `url`.
    pub url: Option<&'static str>,
    /// `method`.
    pub method: Option<HttpMethod>,
    /// `headers { }`.
    pub headers: &'static [(&'static str, &'static str)],
    /// `body_type` and `body`.
    pub body: Option<(BodyType, &'static str)>,
    /// `accepted`.
    pub accepted: Option<&'static str>,
    /// `refused`.
    pub refused: Option<&'static str>,
}

/// The presets, by name. Sources, the documentation of each vendor:
/// Kannel 1.4.5 user's guide, "Using the HTTP interface to send SMS" with POST, which keeps the text out of its access log
/// (202 `0: Accepted for delivery`; `3: Queued for later delivery` while its line to the network is down);
/// Twilio "Create a Message resource" (201); Vonage SMS API (200, with a status for each part);
/// Clickatell One API `/v1/message` (202, with `accepted` for each message);
/// MessageBird SMS API `/messages` (201).
pub const PRESETS: [(&str, GatewayPreset); 6] = [
    (
        "none",
        GatewayPreset { url: None, method: None, headers: &[], body: None, accepted: None, refused: None },
    ),
    (
        "kannel",
        GatewayPreset {
            url: Some("http://127.0.0.1:13013/cgi-bin/sendsms"),
            method: None,
            headers: &[
                ("X-Kannel-Username", "{user}"),
                ("X-Kannel-Password", "{password}"),
                ("X-Kannel-From", "{from}"),
                ("X-Kannel-To", "{to}"),
                ("X-Kannel-Coding", "{coding}"),
            ],
            body: Some((BodyType::Text, "{text}")),
            accepted: Some("0: Accepted for delivery"),
            refused: Some("3: Queued for later delivery"),
        },
    ),
    (
        "twilio",
        GatewayPreset {
            url: Some("https://api.twilio.com/2010-04-01/Accounts/{user}/Messages.json"),
            method: None,
            headers: &[("Authorization", "Basic {basic}")],
            body: Some((BodyType::Form, "To={to}&From={from}&Body={text}")),
            accepted: None,
            refused: None,
        },
    ),
    (
        "vonage",
        GatewayPreset {
            url: Some("https://rest.nexmo.com/sms/json"),
            method: None,
            headers: &[],
            body: Some((
                BodyType::Form,
                "api_key={user}&api_secret={password}&from={from}&to={digits}&text={text}&type={type}",
            )),
            accepted: Some(r#""status": "0""#),
            refused: Some(r#""error-text":"#),
        },
    ),
    (
        "clickatell",
        GatewayPreset {
            url: Some("https://platform.clickatell.com/v1/message"),
            method: None,
            headers: &[("Authorization", "{password}")],
            body: Some((
                BodyType::Json,
                r#"{"messages": [{"channel": "sms", "to": "{digits}", "content": "{text}"}]}"#,
            )),
            accepted: Some(r#""accepted": true"#),
            refused: Some(r#""accepted": false"#),
        },
    ),
    (
        "messagebird",
        GatewayPreset {
            url: Some("https://rest.messagebird.com/messages"),
            method: None,
            headers: &[("Authorization", "AccessKey {password}")],
            body: Some((BodyType::Form, "originator={from}&recipients={digits}&body={text}&datacoding=auto")),
            accepted: None,
            refused: None,
        },
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, TemplateError> {
        RequestTemplate::parse(text).map(|template| template.fill(|variable| format!("<{variable:?}>")))
    }

    #[test]
    fn variables_are_filled_in_and_braces_stay_braces() {
        for (text, expected) in [
            ("to={to}&text={text}", "to=<To>&text=<Text>"),
            (r#"{"to": "{digits}", "a": {}}"#, r#"{"to": "<Digits>", "a": {}}"#),
            ("{{to}}", "{<To>}"),
            ("{ to }{", "{ to }{"),
            ("", ""),
        ] {
            assert_eq!(filled(text), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn unknown_variable_is_named_and_the_rest_is_not() {
        let text = filled("key=hello&to={tO}").unwrap_err().to_string();
        assert!(text.contains("{tO}") && text.contains("{to} {digits} {text}"), "{text}");
        assert!(!text.contains("hello"), "{text}");
        assert_eq!(format!("{:?}", RequestTemplate::parse("hello").unwrap()), "<<< template >>>");
    }

    #[test]
    fn presets_are_good_templates() {
        for (word, preset) in PRESETS {
            let body = preset.body.map(|(_, body)| body);
            let headers = preset.headers.iter().map(|(_, value)| *value);
            for text in preset.url.into_iter().chain(body).chain(headers) {
                assert!(RequestTemplate::parse(text).is_ok(), "{word}: {text}");
            }
        }
    }
}
