//! The provider's keys (RFC 7517), and which of them may have signed what.

use crate::engine::provider::ProviderError;
use crate::http::HttpAnswer;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// What signatures are verified with: public keys, and no others.
#[derive(Clone, Debug)]
pub(super) struct VerificationKeys(Vec<Jwk>);

#[derive(Deserialize)]
struct JsonWebKeySet {
    keys: Vec<Value>,
}

impl VerificationKeys {
    /// From what `jwks_uri` answered. Keys of kinds that we do not know are passed over.
    pub(super) fn read(answer: &HttpAnswer) -> Result<Self, ProviderError> {
        if answer.status != 200 {
            return Err(ProviderError::Failed(format!(
                "ciba: jwks_uri: HTTP {} instead of keys",
                answer.status
            )));
        }
        let set: JsonWebKeySet = answer.json("ciba: jwks_uri")?;
        let keys = set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok());
        let keys: Vec<Jwk> = keys.filter(can_verify).collect();
        if keys.is_empty() {
            return Err(ProviderError::Failed("ciba: jwks_uri: no key among them that can be used".into()));
        }
        Ok(Self(keys))
    }

    /// Those that may have made a signature by this algorithm: the ones of that name, or all where none is given.
    pub(super) fn for_algorithm(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> impl Iterator<Item = DecodingKey> {
        let is_named = move |key: &&Jwk| {
            id.is_none_or(|id| key.common.key_id.as_deref().is_some_and(|theirs| theirs == id))
        };
        self.0
            .iter()
            .filter(is_named)
            .filter(move |key| fits_algorithm(key, algorithm))
            .filter_map(|key| DecodingKey::from_jwk(key).ok())
    }
}

/// Whether a key is there to verify signatures (RFC 7517, sections 4.2 and 4.3).
fn can_verify(key: &Jwk) -> bool {
    let operations = key.common.key_operations.as_deref();
    matches!(key.common.public_key_use, None | Some(PublicKeyUse::Signature))
        && operations.is_none_or(|all| all.contains(&KeyOperations::Verify))
}

/// Whether a key and an algorithm are of the same kind and curve, and the key is not for another algorithm (RFC 7518,
/// section 3.1). A symmetric key fits none.
fn fits_algorithm(key: &Jwk, algorithm: Algorithm) -> bool {
    use Algorithm::*;
    let kind = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), RS256 | RS384 | RS512 | PS256 | PS384 | PS512) => true,
        (AlgorithmParameters::EllipticCurve(key), ES256) => key.curve == EllipticCurve::P256,
        (AlgorithmParameters::EllipticCurve(key), ES384) => key.curve == EllipticCurve::P384,
        (AlgorithmParameters::OctetKeyPair(key), EdDSA) => key.curve == EllipticCurve::Ed25519,
        _ => false,
    };
    kind && key.common.key_algorithm.is_none_or(|only| only.to_string() == format!("{algorithm:?}"))
}
