//! How we prove ourselves to the provider (OpenID Connect Core 1.0, section 9), at both of its endpoints.

use crate::config::push;
use crate::engine::provider::ProviderError;
use crate::http::{HttpCall, assertion};
use crate::types::{Secret, SetupError, Timestamp};
use data_encoding::BASE64;
use url::{Url, form_urlencoded};

/// The client as the provider knows it.
pub(super) struct CibaClient {
    id: String,
    proof: ClientProof,
}

enum ClientProof {
    Basic(Secret),
    Post(Secret),
    Key(assertion::AssertionSigner),
}

impl CibaClient {
    /// Reads the key file, if there is one.
    pub(super) fn open(config: &push::CibaOptions) -> Result<Self, SetupError> {
        let proof = match &config.auth {
            push::ClientAuth::Basic(secret) => ClientProof::Basic(secret.clone()),
            push::ClientAuth::Post(secret) => ClientProof::Post(secret.clone()),
            push::ClientAuth::Key { file, id } => {
                ClientProof::Key(assertion::AssertionSigner::open(file, id.clone())?)
            }
        };
        Ok(Self { id: config.client_id.clone(), proof })
    }

    /// The `client_id`.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// A form that is posted there in the client's name.
    pub(super) fn post_form(
        &self,
        to: &Url,
        form: &[(&str, &[u8])],
        issuer: &str,
        now: Timestamp,
    ) -> Result<HttpCall, ProviderError> {
        let mut body: Vec<String> = form.iter().map(|(name, value)| form_pair(name, value)).collect();
        let mut basic = None;
        match &self.proof {
            ClientProof::Basic(secret) => {
                let plain = format!("{}:{}", form_encoded(self.id.as_bytes()), form_encoded(secret.expose()));
                basic = Some(format!("Basic {}", BASE64.encode(plain.as_bytes())));
            }
            ClientProof::Post(secret) => {
                body.push(form_pair("client_id", self.id.as_bytes()));
                body.push(form_pair("client_secret", secret.expose()));
            }
            // Its only audience is the issuer, which CIBA Core 1.0, section 7.1, asks for at its own endpoint, and OpenID Connect
            // Core 1.0 since its third errata everywhere.
            ClientProof::Key(signer) => {
                let failed = |error: assertion::SigningError| ProviderError::Failed(format!("ciba: {error}"));
                let assertion = signer.sign(&self.id, issuer, now).map_err(failed)?;
                body.push(form_pair("client_assertion_type", assertion::KIND.as_bytes()));
                body.push(form_pair("client_assertion", assertion.as_bytes()));
            }
        }
        let call = HttpCall::post(to.clone(), "application/x-www-form-urlencoded", body.join("&"));
        let call = call.header("accept", "application/json");
        Ok(match basic {
            Some(basic) => call.header("authorization", basic),
            None => call,
        })
    }
}

/// `application/x-www-form-urlencoded`, as RFC 6749, appendix B, has it.
fn form_encoded(value: &[u8]) -> String {
    form_urlencoded::byte_serialize(value).collect()
}

fn form_pair(name: &str, value: &[u8]) -> String {
    format!("{name}={}", form_encoded(value))
}
