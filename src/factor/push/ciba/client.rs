//! How we prove ourselves to the provider (OpenID Connect Core 1.0, section 9), at both of its endpoints.

use crate::config::push;
use crate::engine::provider::Trouble;
use crate::http::Call;
use crate::types::{Secret, Timestamp};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jsonwebtoken::errors::Result as Signed;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use std::path::Path;
use url::{Url, form_urlencoded};

/// How long an assertion is good for, in seconds.
const ASSERTION: u64 = 60;

/// The client as the provider knows it.
pub(super) struct Client {
    id: String,
    proof: Proof,
}

enum Proof {
    Basic(Secret),
    Post(Secret),
    Key { key: EncodingKey, header: Box<Header> },
}

impl Client {
    /// Reads the key file, if there is one.
    pub(super) fn open(config: &push::Ciba) -> Result<Self, String> {
        let proof = match &config.auth {
            push::ClientAuth::Basic(secret) => Proof::Basic(secret.clone()),
            push::ClientAuth::Post(secret) => Proof::Post(secret.clone()),
            push::ClientAuth::Key { file, id } => {
                let (key, algorithm) = read(file)?;
                Proof::Key { key, header: Box::new(Header { kid: id.clone(), ..Header::new(algorithm) }) }
            }
        };
        Ok(Self { id: config.client_id.clone(), proof })
    }

    /// Its name there.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// A form that is posted there in the client's name.
    pub(super) fn post(
        &self,
        to: &Url,
        form: &[(&str, &[u8])],
        issuer: &str,
        now: Timestamp,
    ) -> Result<Call, Trouble> {
        let mut body: Vec<String> = form.iter().map(|(name, value)| pair(name, value)).collect();
        let mut basic = None;
        match &self.proof {
            Proof::Basic(secret) => {
                let plain = format!("{}:{}", encoded(self.id.as_bytes()), encoded(secret.expose()));
                basic = Some(format!("Basic {}", BASE64.encode(plain.as_bytes())));
            }
            Proof::Post(secret) => {
                body.push(pair("client_id", self.id.as_bytes()));
                body.push(pair("client_secret", secret.expose()));
            }
            Proof::Key { key, header } => {
                let assertion = self.assertion(key, header, issuer, now)?;
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                body.push(pair("client_assertion_type", kind.as_bytes()));
                body.push(pair("client_assertion", assertion.as_bytes()));
            }
        }
        let call = Call::post(to.clone(), "application/x-www-form-urlencoded", body.join("&"));
        let call = call.header("accept", "application/json");
        Ok(match basic {
            Some(basic) => call.header("authorization", basic),
            None => call,
        })
    }

    /// What a client with a key says instead of a secret (RFC 7523, section 2.2). Its only audience is the issuer, which CIBA
    /// Core 1.0, section 7.1, asks for at its own endpoint, and OpenID Connect Core 1.0 since its third errata everywhere.
    fn assertion(
        &self,
        key: &EncodingKey,
        header: &Header,
        issuer: &str,
        now: Timestamp,
    ) -> Result<String, Trouble> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)
            .map_err(|error| Trouble::Failed(format!("ciba: random numbers: {error}")))?;
        let seconds = now.as_seconds();
        let claims = json!({
            "iss": self.id,
            "sub": self.id,
            "aud": issuer,
            "jti": BASE64URL_NOPAD.encode(&id),
            "iat": seconds,
            "exp": seconds.saturating_add(ASSERTION),
        });
        jsonwebtoken::encode(header, &claims, key)
            .map_err(|error| Trouble::Failed(format!("ciba: private_key_file: {error}")))
    }
}

/// `application/x-www-form-urlencoded`, as RFC 6749, appendix B, has it.
fn encoded(value: &[u8]) -> String {
    form_urlencoded::byte_serialize(value).collect()
}

fn pair(name: &str, value: &[u8]) -> String {
    format!("{name}={}", encoded(value))
}

/// The key in a file, and the algorithm that it signs by: the first one that it can.
fn read(file: &Path) -> Result<(EncodingKey, Algorithm), String> {
    type FromPem = fn(&[u8]) -> Signed<EncodingKey>;
    const KINDS: [(Algorithm, FromPem); 4] = [
        (Algorithm::RS256, EncodingKey::from_rsa_pem),
        (Algorithm::ES256, EncodingKey::from_ec_pem),
        (Algorithm::ES384, EncodingKey::from_ec_pem),
        (Algorithm::EdDSA, EncodingKey::from_ed_pem),
    ];
    let shown = file.display();
    let pem = Secret::new(std::fs::read(file).map_err(|error| format!("private_key_file {shown}: {error}"))?);
    KINDS
        .iter()
        .filter_map(|(algorithm, from)| Some((from(pem.expose()).ok()?, *algorithm)))
        .find(|(key, algorithm)| jsonwebtoken::crypto::sign(b"", key, *algorithm).is_ok())
        .ok_or_else(|| {
            format!(
                "private_key_file {shown}: no private key that can be used: it has to be RSA of 2048 bits or more, P-256, P-384 \
                 or Ed25519, in PEM, without a password (openssl pkcs8 -topk8 -nocrypt converts others)"
            )
        })
}
