//! `radius { }`: another RADIUS server that checks passwords.

use crate::config::error::{InvalidValue, invalid};
use crate::config::reader::OptionReader;
use crate::config::values::{SECOND, host, secret, text};
use crate::types::Secret;
use std::time::Duration;

/// `radius { }`.
#[derive(Clone, Debug)]
pub struct RadiusOptions {
    /// `host`: names or addresses, in the order in which they are tried. At least one.
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

/// The attributes of the client's request that are forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PassThrough {
    /// No attribute is passed on.
    Nothing,
    /// All attributes of the request but those that the module sets itself.
    All,
    /// Attributes of these names, or numbers. At least one.
    These(Vec<String>),
}

/// What the module puts into a request itself, or what belongs to one conversation: never passed on as it came.
const OWN: [&str; 10] = [
    "User-Name",
    "User-Password",
    "CHAP-Password",
    "CHAP-Challenge",
    "State",
    "Proxy-State",
    "EAP-Message",
    "Message-Authenticator",
    "MS-CHAP-Challenge",
    "MS-CHAP-Response",
];

/// How long one host may take in all.
const LONGEST: Duration = Duration::from_secs(50);

/// None if no host is named.
pub(super) fn radius(r: &mut OptionReader<'_, '_>) -> Option<RadiusOptions> {
    let hosts = r.read_values("host", host);
    let port = r.read_number("port", 1812, 1..=u16::MAX);
    let shared = r.read_option("secret", Secret::new(""), |_| None, secret);
    let timeout = r.read_duration("timeout", Duration::from_secs(2), SECOND, 1..=50);
    let retries: u32 = r.read_number("retries", 2, 0..=10);
    let signed = r.read_yes_no(
        "require_message_authenticator",
        RequiredSignature::Required,
        RequiredSignature::Required,
        RequiredSignature::Optional,
    );
    let nas_identifier =
        r.read_option("nas_identifier", "mfa".to_owned(), |name| Some(name.clone()), nas_identifier);
    let all = r.read_yes_no("pass_through_all", PassThroughAll::No, PassThroughAll::Yes, PassThroughAll::No);
    let these = r.read_values("pass_through", attribute);
    if all == PassThroughAll::Yes && !these.is_empty() {
        r.report_conflict("pass_through", "and \"pass_through_all = yes\" are both set: remove one");
    }
    if timeout.saturating_mul(retries.saturating_add(1)) > LONGEST {
        let most = LONGEST.as_secs();
        let text = format!("times \"retries\" and one is more than {most} s: no client waits for so long");
        r.report_conflict("timeout", &text);
    }
    if hosts.is_empty() {
        // What stands there without a host would silently not hold.
        if !r.has_option("host") && (r.has_option("secret") || r.has_option("pass_through")) {
            r.report_conflict("host", "is missing: where is the server?");
        }
        return None;
    }
    if hosts.len() > usize::from(u8::MAX) {
        r.report_conflict("host", "stands here more than 255 times");
    }
    if shared.is_empty() {
        r.report_conflict("secret", "is missing or empty: what is shared with the server?");
    }
    Some(RadiusOptions {
        hosts,
        port,
        secret: shared,
        timeout,
        retries,
        signed,
        nas_identifier,
        pass_through: match all {
            PassThroughAll::Yes => PassThrough::All,
            PassThroughAll::No if these.is_empty() => PassThrough::Nothing,
            PassThroughAll::No => PassThrough::These(these),
        },
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PassThroughAll {
    Yes,
    No,
}

/// RFC 2865, section 5.32.
fn nas_identifier(name: &str) -> Result<String, InvalidValue> {
    match name.len() {
        1..=253 => text(name),
        _ => Err(invalid!("must have 1 to 253 octets")),
    }
}

/// The name of an attribute, looked up in the server's dictionary at start, or its number.
fn attribute(name: &str) -> Result<String, InvalidValue> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    if OWN.iter().any(|own| own.eq_ignore_ascii_case(name))
        || name.to_ascii_lowercase().starts_with("ms-chap")
    {
        return Err(invalid!(
            "must not be \"{name}\": this module sets it in the request, or it must not be forwarded"
        ));
    }
    match name.parse::<u32>() {
        Ok(1..=255) => Ok(name.to_owned()),
        Err(_) if !name.is_empty() && name.chars().all(is_name) => Ok(name.to_owned()),
        _ => Err(invalid!(
            "must be the name of one attribute, or its number from 1 to 255, not \"{name}\"; further ones have a \
             line each"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::declare::tests::config_of;

    fn radius_of(text: &str) -> Result<Option<RadiusOptions>, String> {
        config_of(&format!("radius {{\n{text}\n}}")).map(|config| config.radius)
    }

    #[test]
    fn host_and_secret_will_do() {
        let radius = radius_of("host = a.example.test\nhost = 192.0.2.1\nsecret = hello").unwrap().unwrap();
        assert_eq!((radius.hosts.len(), radius.port, radius.retries), (2, 1812, 2));
        assert_eq!((radius.signed, radius.pass_through), (RequiredSignature::Required, PassThrough::Nothing));
        assert!(radius_of("timeout = 3").unwrap().is_none());
        let some = "host = a\nsecret = b\npass_through = NAS-Port\npass_through = 31";
        let these = vec!["NAS-Port".to_owned(), "31".to_owned()];
        assert_eq!(radius_of(some).unwrap().unwrap().pass_through, PassThrough::These(these));
    }

    #[test]
    fn what_is_wrong_is_told() {
        let whole = "host = a\nsecret = hello\n";
        for (text, told) in [
            ("secret = hello", "\"host\" is missing"),
            ("host = a", "\"secret\" is missing"),
            ("host = a\nsecret = \"\"", "\"secret\" is missing or empty"),
            ("host = \"a:1812\"\nsecret = hello", "without its port"),
            (&format!("{whole}pass_through = User-Password"), "must not be \"User-Password\""),
            (&format!("{whole}pass_through = MS-CHAP2-Response"), "must not be"),
            (&format!("{whole}pass_through = \"NAS-Port, Class\""), "a line each"),
            (&format!("{whole}pass_through = 256"), "from 1 to 255"),
            (&format!("{whole}pass_through_all = yes\npass_through = Class"), "are both set"),
            (&format!("{whole}timeout = 20\nretries = 2"), "more than 50 s"),
            (&format!("{whole}nas_identifier = \"\""), "1 to 253 octets"),
        ] {
            let refused = radius_of(text).unwrap_err();
            assert!(refused.contains(told), "{text}: {refused}");
        }
    }

    #[test]
    fn first_factor_that_is_not_there_is_told() {
        let refused = config_of("mode = challenge\nfirst_factor = radius").unwrap_err();
        assert!(refused.contains("needs radius { }"), "{refused}");
        let there = "mode = challenge\nfirst_factor = radius\nradius {\nhost = a\nsecret = b\n}";
        assert!(config_of(there).is_ok());
    }
}
