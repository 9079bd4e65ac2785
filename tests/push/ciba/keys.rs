//! Keys made for one test, and what is signed with them.

use crate::harness::process;
use data_encoding::{BASE64URL_NOPAD, HEXUPPER};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::process::Command;

/// A pair of keys.
pub struct Pair {
    private: Vec<u8>,
    /// The public one as PEM, as DER, and as a JWK without a name.
    pub pem: Vec<u8>,
    pub der: Vec<u8>,
    pub jwk: Value,
    algorithm: Algorithm,
}

impl Pair {
    /// For this algorithm.
    pub fn new(algorithm: Algorithm) -> Self {
        use Algorithm::*;
        let folder = tempfile::tempdir().unwrap();
        let openssl = |arguments: &[&str]| {
            let output = process::run(Command::new("openssl").args(arguments).current_dir(&folder), "");
            assert!(output.status.success(), "openssl: {}", process::both(&output));
            output.stdout
        };
        let made: &[&str] = match algorithm {
            ES256 => &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
            ES384 => &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
            EdDSA => &["ED25519"],
            _ => &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
        };
        openssl(&[&["genpkey", "-out", "key", "-algorithm"], made].concat());
        let der = openssl(&["pkey", "-in", "key", "-pubout", "-outform", "DER"]);
        let coded = |octets: &[u8]| BASE64URL_NOPAD.encode(octets);
        // A public point stands at the end of the DER, uncompressed: RFC 5480, section 2.2; RFC 8410, section 4.
        let point = |octets: usize, part: usize| {
            let from = der.len() - octets * (2 - part);
            coded(&der[from..from + octets])
        };
        let jwk = match algorithm {
            ES256 => json!({ "kty": "EC", "crv": "P-256", "x": point(32, 0), "y": point(32, 1) }),
            ES384 => json!({ "kty": "EC", "crv": "P-384", "x": point(48, 0), "y": point(48, 1) }),
            EdDSA => json!({ "kty": "OKP", "crv": "Ed25519", "x": point(32, 1) }),
            _ => {
                let printed = openssl(&["rsa", "-in", "key", "-noout", "-modulus"]);
                let digits = printed.strip_prefix(b"Modulus=").unwrap().trim_ascii();
                json!({ "kty": "RSA", "n": coded(&HEXUPPER.decode(digits).unwrap()), "e": "AQAB" })
            }
        };
        let private = std::fs::read(folder.path().join("key")).unwrap();
        Self { private, pem: openssl(&["pkey", "-in", "key", "-pubout"]), der, jwk, algorithm }
    }

    /// The same keys with another algorithm of their kind.
    pub fn by(self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// The public key as a JWK of this name, with whatever else is to be told of it.
    pub fn public(&self, name: &str, more: Value) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = name.into();
        jwk.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        jwk
    }

    /// A token with these claims, by the key of this name.
    pub fn sign(&self, name: Option<&str>, claims: &Value) -> String {
        let key = match self.algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(&self.private),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(&self.private),
            _ => EncodingKey::from_rsa_pem(&self.private),
        };
        let header = Header { kid: name.map(str::to_owned), ..Header::new(self.algorithm) };
        jsonwebtoken::encode(&header, claims, &key.unwrap()).unwrap()
    }

    /// A token with a header of one's own, signed by this key all the same.
    pub fn sign_as(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", part(header), part(claims));
        let key = EncodingKey::from_rsa_pem(&self.private).unwrap();
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

/// One part of a token.
pub fn part(json: &Value) -> String {
    BASE64URL_NOPAD.encode(json.to_string().as_bytes())
}
