//! Where the provider has its endpoints (OpenID Connect Discovery 1.0, section 4; CIBA Core 1.0, section 4).

use crate::engine::provider::ProviderError;
use crate::http::HttpAnswer;
use serde::Deserialize;
use url::{Host, Url};

/// What is needed of the provider's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProviderDiscovery {
    /// As the provider writes it, and as its tokens must have it, octet by octet.
    pub(super) issuer: String,
    /// Where users are asked.
    pub(super) backchannel: Url,
    /// Where answers are asked for.
    pub(super) token: Url,
    /// Where its keys are.
    pub(super) jwks: Url,
}

#[derive(Deserialize)]
struct ProviderMetadata {
    issuer: String,
    token_endpoint: String,
    jwks_uri: String,
    backchannel_authentication_endpoint: Option<String>,
    #[serde(default)]
    backchannel_token_delivery_modes_supported: Vec<String>,
}

impl ProviderDiscovery {
    /// Where the metadata of this issuer is.
    pub(super) fn metadata_url(issuer: &Url) -> Url {
        let mut place = issuer.clone();
        place.set_query(None);
        place.set_fragment(None);
        place.set_path(&format!("{}/.well-known/openid-configuration", issuer.path().trim_end_matches('/')));
        place
    }

    /// From what the issuer answered there. It must be that issuer, offer CIBA in poll mode, and have all its endpoints
    /// behind TLS; without it only on loopback, if it is there itself.
    pub(super) fn read(answer: &HttpAnswer, issuer: &Url) -> Result<Self, ProviderError> {
        let failed =
            |text: &str| ProviderError::Failed(format!("ciba: {}: {text}", Self::metadata_url(issuer)));
        if answer.status != 200 {
            let text = format!("HTTP {} instead of the provider's metadata: check issuer", answer.status);
            return Err(failed(&text));
        }
        let metadata: ProviderMetadata = answer.json("ciba: the provider's metadata")?;
        if !is_issuer(&metadata.issuer, issuer) {
            return Err(failed("is the metadata of another issuer: check issuer, to the last /"));
        }
        let Some(backchannel) = &metadata.backchannel_authentication_endpoint else {
            return Err(failed(
                "names no backchannel_authentication_endpoint: CIBA is not switched on there",
            ));
        };
        if !metadata.backchannel_token_delivery_modes_supported.iter().any(|mode| mode == "poll") {
            return Err(failed("backchannel_token_delivery_modes_supported is without \"poll\""));
        }
        let endpoint = |name: &str, text: &str| match Url::parse(text) {
            Ok(url) if is_safe(&url) && (url.scheme() == "https" || issuer.scheme() == "http") => Ok(url),
            _ => Err(failed(&format!("{name} is not an https URL"))),
        };
        Ok(Self {
            backchannel: endpoint("backchannel_authentication_endpoint", backchannel)?,
            token: endpoint("token_endpoint", &metadata.token_endpoint)?,
            jwks: endpoint("jwks_uri", &metadata.jwks_uri)?,
            issuer: metadata.issuer,
        })
    }
}

/// Whether the connection can be neither read nor answered by a third party: https, or http on this machine. A URL
/// with a user name or a password in it is refused.
pub(super) fn is_safe(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    let is_plain = url.username().is_empty() && url.password().is_none();
    is_plain && (url.scheme() == "https" || url.scheme() == "http" && is_loopback)
}

/// Whether this text is the configured issuer. A URL without a path is read with "/" for one; what the provider writes may
/// have it or not.
fn is_issuer(text: &str, issuer: &Url) -> bool {
    text == issuer.as_str() || (issuer.path() == "/" && Some(text) == issuer.as_str().strip_suffix('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn metadata() -> Value {
        json!({
            "issuer": "https://id.example.test/realm",
            "token_endpoint": "https://id.example.test/token",
            "jwks_uri": "https://keys.example.test/jwks",
            "backchannel_authentication_endpoint": "https://mtls.example.test/bc",
            "backchannel_token_delivery_modes_supported": ["ping", "poll"],
        })
    }

    fn read(metadata: &Value, issuer: &str) -> Result<ProviderDiscovery, ProviderError> {
        let body = metadata.to_string().into_bytes();
        ProviderDiscovery::read(&HttpAnswer::of(200, body), &issuer.parse().unwrap())
    }

    fn changed(name: &str, value: Value) -> Value {
        let mut metadata = metadata();
        metadata[name] = value;
        metadata
    }

    #[test]
    fn endpoints_may_be_on_any_host() {
        let read = read(&metadata(), "https://id.example.test/realm").unwrap();
        assert_eq!(read.issuer, "https://id.example.test/realm");
        assert_eq!(read.backchannel.as_str(), "https://mtls.example.test/bc");
        assert_eq!(read.jwks.as_str(), "https://keys.example.test/jwks");
    }

    #[test]
    fn metadata_is_below_the_issuer() {
        let place = |issuer: &str| ProviderDiscovery::metadata_url(&issuer.parse().unwrap()).to_string();
        assert_eq!(place("https://a.test"), "https://a.test/.well-known/openid-configuration");
        assert_eq!(place("https://a.test/b/"), "https://a.test/b/.well-known/openid-configuration");
    }

    #[test]
    fn an_issuer_is_compared_to_the_last_slash_but_for_a_path_that_is_only_that() {
        assert!(read(&metadata(), "https://id.example.test/realm/").is_err());
        assert!(read(&metadata(), "https://id.example.test/Realm").is_err());
        for theirs in ["https://id.example.test", "https://id.example.test/"] {
            let metadata = changed("issuer", theirs.into());
            for ours in ["https://id.example.test", "https://id.example.test/"] {
                assert_eq!(read(&metadata, ours).unwrap().issuer, theirs);
            }
        }
    }

    #[test]
    fn metadata_without_what_is_needed_is_refused() {
        let issuer = "https://id.example.test/realm";
        for name in metadata().as_object().unwrap().keys() {
            assert!(read(&changed(name, Value::Null), issuer).is_err(), "{name}");
        }
        let modes = changed("backchannel_token_delivery_modes_supported", json!(["ping", "push"]));
        assert!(
            matches!(read(&modes, issuer), Err(ProviderError::Failed(text)) if text.contains("without \"poll\""))
        );
    }

    #[test]
    fn an_endpoint_without_tls_is_taken_on_loopback_alone_and_from_an_issuer_there() {
        let from = |issuer: &str, endpoint: &str| {
            let mut metadata = changed("token_endpoint", endpoint.into());
            metadata["issuer"] = issuer.into();
            read(&metadata, issuer).is_ok()
        };
        assert!(from("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/token"));
        assert!(from("http://[::1]/a", "http://localhost/token"));
        assert!(!from("http://127.0.0.1:8080/a", "http://id.example.test/token"));
        assert!(!from("https://id.example.test/a", "http://127.0.0.1/token"));
        assert!(!from("https://id.example.test/a", "https://user:word@id.example.test/token"));
        assert!(!from("https://id.example.test/a", "file:///token"));
        assert!(!from("https://id.example.test/a", "/token"));
    }
}
