//! What a client with a key says instead of a secret: a signed assertion (RFC 7523, section 2.2).

use crate::types::{Secret, SetupError, Timestamp};
use crate::{files, tls};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::errors::Result as Signed;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::path::Path;

/// Octets that the file of a private key may have.
const MOST_PEM: u64 = 256 * 1024;

/// The option that names the file of a private key.
const KEY_FILE: &str = "private_key_file";

/// What is wrong with a key that cannot sign.
const UNUSABLE: &str = "no private key that can be used: it has to be RSA of 2048 bits or more, P-256, P-384 or Ed25519, in PEM, \
                        without a password (openssl pkcs8 -topk8 -nocrypt converts others)";

/// Its `client_assertion_type`.
pub(crate) const KIND: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion is good for, in seconds; and where Entra ID asks for it, which allows 5 to 10 minutes.
const LIFE: u64 = 60;
const LIFE_AT_ENTRA: u64 = 600;

/// Why an assertion cannot be signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SigningError {
    /// The system gives no random numbers.
    #[error("random numbers: {0}")]
    Random(#[from] getrandom::Error),
    /// The private key cannot sign.
    #[error("private_key_file: {0}")]
    Key(#[from] jsonwebtoken::errors::Error),
}

/// Signs assertions.
pub(crate) struct AssertionSigner {
    key: EncodingKey,
    header: Box<Header>,
}

impl AssertionSigner {
    /// With the private key of a file (PEM), by the first algorithm that it can, and the `kid` that the other side calls it.
    ///
    /// # Errors
    ///
    /// A sentence that names `private_key_file`.
    pub(crate) fn open(file: &Path, id: Option<String>) -> Result<Self, SetupError> {
        let (key, algorithm) = read(file, &pem(file)?)?;
        Ok(Self { key, header: Box::new(Header { kid: id, ..Header::new(algorithm) }) })
    }

    /// With the RSA key of a certificate, both PEM, as Entra ID wants it: PS256, and the certificate's SHA-256 in `x5t#S256`.
    ///
    /// # Errors
    ///
    /// A sentence that names `private_key_file` or `certificate_file`; also if they do not belong together.
    pub(crate) fn of_certificate(certificate: &Path, file: &Path) -> Result<Self, SetupError> {
        let pem = pem(file)?;
        let (key, algorithm) = read(file, &pem)?;
        if algorithm != Algorithm::RS256 {
            return Err(SetupError::option(KEY_FILE, file.display(), "has to be RSA"));
        }
        let certificate = tls::certificate_of(certificate, pem.expose())?;
        let mark = BASE64URL_NOPAD.encode(&Sha256::digest(certificate));
        let header = Header { x5t_s256: Some(mark), ..Header::new(Algorithm::PS256) };
        Ok(Self { key, header: Box::new(header) })
    }

    /// An assertion of this client for `audience` only, valid from `now` for some minutes.
    ///
    /// # Errors
    ///
    /// The system gives no random numbers, or the key cannot sign.
    pub(crate) fn sign(&self, client: &str, audience: &str, now: Timestamp) -> Result<String, SigningError> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let seconds = now.as_seconds();
        let is_for_entra = self.header.x5t_s256.is_some();
        let mut claims = json!({
            "iss": client,
            "sub": client,
            "aud": audience,
            "jti": BASE64URL_NOPAD.encode(&id),
            "iat": seconds,
            "exp": seconds.saturating_add(if is_for_entra { LIFE_AT_ENTRA } else { LIFE }),
        });
        if is_for_entra && let Some(claims) = claims.as_object_mut() {
            claims.insert("nbf".to_owned(), seconds.into());
        }
        Ok(jsonwebtoken::encode(&self.header, &claims, &self.key)?)
    }
}

fn pem(file: &Path) -> Result<Secret, SetupError> {
    let read =
        files::read(file, MOST_PEM).map_err(|error| SetupError::option(KEY_FILE, file.display(), error))?;
    Ok(Secret::new(read))
}

/// The key in a file, and the algorithm that it signs by: the first one that it can.
fn read(file: &Path, pem: &Secret) -> Result<(EncodingKey, Algorithm), SetupError> {
    type FromPem = fn(&[u8]) -> Signed<EncodingKey>;
    const KINDS: [(Algorithm, FromPem); 4] = [
        (Algorithm::RS256, EncodingKey::from_rsa_pem),
        (Algorithm::ES256, EncodingKey::from_ec_pem),
        (Algorithm::ES384, EncodingKey::from_ec_pem),
        (Algorithm::EdDSA, EncodingKey::from_ed_pem),
    ];
    KINDS
        .iter()
        .filter_map(|(algorithm, from)| Some((from(pem.expose()).ok()?, *algorithm)))
        .find(|(key, algorithm)| jsonwebtoken::crypto::sign(b"", key, *algorithm).is_ok())
        .ok_or_else(|| SetupError::option(KEY_FILE, file.display(), UNUSABLE))
}
