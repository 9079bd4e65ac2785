//! The `otpauth://` URI that authenticator apps read from a QR code.

use super::{
    Algorithm, BadSecret, BadToken, Digits, Period, Secret, SecretEncoding, secret_from_text, strip_quotes,
};
use data_encoding::BASE32_NOPAD;
use url::Url;

/// What makes an OATH token: RFC 4226 (counter) or RFC 6238 (time).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OathParameters {
    /// Time step of this length.
    Totp(Period),
    /// The counter of the next passcode.
    Hotp(u64),
}

/// An enrolment as an app takes it: `otpauth://totp/Issuer:account?secret=..&issuer=..`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtpAuth {
    /// TOTP or HOTP, and its parameters.
    pub oath: OathParameters,
    /// Whose service it is; shown above the code in the app.
    pub issuer: String,
    /// Whose account it is.
    pub account: String,
    /// The shared secret, 10 to 128 octets.
    pub secret: Secret,
    /// The HMAC hash.
    pub algorithm: Algorithm,
    /// Length of the passcode.
    pub digits: Digits,
}

/// Why a URI is no enrolment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUri {
    /// Not a URI at all, or of another scheme.
    #[error("not an otpauth:// URI")]
    Scheme,
    /// Google Authenticator's form for several accounts at once.
    #[error(
        "an export of Google Authenticator (otpauth-migration://), which packs several accounts into one code: take the \
         otpauth:// URI of the one account out of it with a tool for that, or enrol a new token"
    )]
    Migration,
    /// Neither totp nor hotp.
    #[error("unknown type \"{0}\" in the otpauth URI: totp or hotp")]
    Type(String),
    /// A parameter that must be there is not.
    #[error("the otpauth URI has no {0}")]
    Missing(&'static str),
    /// Where a counter stands is not told.
    #[error("the otpauth URI has no counter: give the counter of the token's next code with --counter")]
    Counter,
    /// A number that is none.
    #[error("{0} in the otpauth URI is not a number")]
    Number(&'static str),
    /// A parameter out of its bounds.
    #[error(transparent)]
    Token(#[from] BadToken),
    /// The secret is none.
    #[error("in the otpauth URI: {0}")]
    Secret(#[from] BadSecret),
}

/// A secret in base32, without padding.
pub fn secret_to_base32(secret: &Secret) -> String {
    BASE32_NOPAD.encode(secret.expose())
}

impl OtpAuth {
    /// Reads a URI. Parameters that are absent have the values all apps assume: SHA1, 6 digits, 30 s.
    pub fn parse(text: &str) -> Result<Self, BadUri> {
        Self::parse_at(text, None)
    }

    /// The same; `counter` is where a token by counter stands, whatever the URI says of it.
    pub fn parse_at(text: &str, counter: Option<u64>) -> Result<Self, BadUri> {
        let text = strip_quotes(text);
        let uri = Url::parse(text).map_err(|_| BadUri::Scheme)?;
        if uri.scheme() == "otpauth-migration" {
            return Err(BadUri::Migration);
        }
        if uri.scheme() != "otpauth" {
            return Err(BadUri::Scheme);
        }
        let get = |key: &str| {
            uri.query_pairs().find(|(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, v)| v.into_owned())
        };
        let number = |key: &'static str| {
            get(key).map(|v| v.parse::<u64>().map_err(|_| BadUri::Number(key))).transpose()
        };
        let oath = match uri.host_str().unwrap_or_default().to_ascii_lowercase().as_str() {
            "totp" => OathParameters::Totp(number("period")?.map_or(Ok(Period::default()), Period::new)?),
            "hotp" => OathParameters::Hotp(match counter {
                Some(counter) => counter,
                None => number("counter")?.ok_or(BadUri::Counter)?,
            }),
            other => return Err(BadUri::Type(other.to_owned())),
        };
        // As it stands: for a path, the account "." would be nothing.
        let head = text.split(['?', '#']).next().unwrap_or_default();
        let label = percent_decode(head.splitn(4, '/').nth(3).unwrap_or_default());
        let (prefix, account) = match label.split_once(':') {
            Some((issuer, account)) => (issuer.trim().to_owned(), account.trim().to_owned()),
            None => (String::new(), label.trim().to_owned()),
        };
        Ok(Self {
            oath,
            issuer: get("issuer").unwrap_or(prefix),
            account,
            secret: secret_from_text(
                &get("secret").ok_or(BadUri::Missing("secret"))?,
                SecretEncoding::Base32,
            )?,
            algorithm: get("algorithm").map_or(Ok(Algorithm::default()), |a| a.parse())?,
            digits: number("digits")?.map_or(Ok(Digits::default()), Digits::new)?,
        })
    }

    /// The URI. It holds the secret: show it once, to the user, and log it nowhere.
    pub fn to_uri(&self) -> String {
        let kind = match self.oath {
            OathParameters::Totp(_) => "totp",
            OathParameters::Hotp(_) => "hotp",
        };
        let label = match self.issuer.as_str() {
            "" => percent_encode(&self.account),
            issuer => format!("{}:{}", percent_encode(issuer), percent_encode(&self.account)),
        };
        let mut uri = format!("otpauth://{kind}/{label}?secret={}", secret_to_base32(&self.secret));
        if !self.issuer.is_empty() {
            uri.push_str(&format!("&issuer={}", percent_encode(&self.issuer)));
        }
        uri.push_str(&format!("&algorithm={}&digits={}", self.algorithm.as_str(), self.digits.get()));
        uri.push_str(&match self.oath {
            OathParameters::Totp(period) => format!("&period={}", period.get()),
            OathParameters::Hotp(counter) => format!("&counter={counter}"),
        });
        uri
    }
}

/// RFC 3986: everything but the unreserved characters is escaped; a space is `%20`, which all apps read.
fn percent_encode(text: &str) -> String {
    let mut out = String::new();
    for octet in text.bytes() {
        match octet {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(char::from(octet))
            }
            _ => out.push_str(&format!("%{octet:02X}")),
        }
    }
    out
}

fn percent_decode(text: &str) -> String {
    // form_urlencoded reads '+' as a space; in a path it stands for itself.
    let kept = text.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    url::form_urlencoded::parse(kept.as_bytes()).next().map(|(k, _)| k.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uri_of_the_apps_is_read() {
        let read = OtpAuth::parse(
            "otpauth://totp/Example%20Inc:alice@example.test?secret=GEZDGNBVGY3TQOJQ&issuer=Example%20Inc",
        );
        let read = read.unwrap();
        assert_eq!(read.issuer, "Example Inc");
        assert_eq!(read.account, "alice@example.test");
        assert_eq!(read.secret, Secret::new("1234567890"));
        assert_eq!((read.oath, read.digits.get()), (OathParameters::Totp(Period::default()), 6));
    }

    #[test]
    fn bad_uris_are_named() {
        for (uri, error) in [
            ("https://example.test/", BadUri::Scheme),
            ("otpauth://steam/a?secret=GEZDGNBVGY3TQOJQ", BadUri::Type("steam".into())),
            ("otpauth://totp/a", BadUri::Missing("secret")),
            ("otpauth://hotp/a?secret=GEZDGNBVGY3TQOJQ", BadUri::Counter),
            ("otpauth-migration://offline?data=CjEKCkhlbGxv", BadUri::Migration),
            ("otpauth://totp/a?secret=0Z89", BadSecret::Base32Digit('0').into()),
            ("otpauth://totp/a?secret=MFRGG", BadSecret::Length(3).into()),
            ("otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ&digits=9", BadToken::Digits(9).into()),
            ("otpauth://totp/a?secret=GEZDGNBVGY3TQOJQ&period=x", BadUri::Number("period")),
        ] {
            assert_eq!(OtpAuth::parse(uri), Err(error), "{uri}");
        }
    }

    #[test]
    fn counter_may_be_told_beside_the_uri() {
        for uri in [
            "otpauth://hotp/a?secret=GEZDGNBVGY3TQOJQ",
            "'otpauth://hotp/a?secret=GEZDGNBVGY3TQOJQ&counter=1'",
        ] {
            assert_eq!(OtpAuth::parse_at(uri, Some(7)).unwrap().oath, OathParameters::Hotp(7), "{uri}");
        }
    }

    #[test]
    fn account_may_be_a_dot() {
        let uri = OtpAuth::parse("otpauth://totp/.?secret=GEZDGNBVGY3TQOJQ").unwrap();
        assert_eq!(uri.account, ".");
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_is_read_back(issuer in "[^:\\pC]{0,20}", account in "[^:\\pC]{1,20}", octets in proptest::collection::vec(0u8.., 10..64), counter: u64) {
            let printed = OtpAuth {
                oath: OathParameters::Hotp(counter), issuer: issuer.trim().into(), account: account.trim().into(),
                secret: Secret::new(octets), algorithm: Algorithm::Sha256, digits: Digits::default(),
            };
            proptest::prop_assert_eq!(OtpAuth::parse(&printed.to_uri()), Ok(printed));
        }
    }
}
