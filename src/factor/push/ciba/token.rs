//! The id_token (OpenID Connect Core 1.0, sections 2 and 3.1.3.7; CIBA Core 1.0, section 10.1.1): the one thing that makes an
//! approval. [`verify`] is the only way to have one.

use super::keys::VerificationKeys;
use crate::types::{Printable, Timestamp};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

/// How far the provider's clock may be from ours, in seconds.
const LEEWAY: f64 = 60.0;

/// How old a token may be, in seconds: older ones answer another question.
const OLDEST: f64 = 600.0;

/// The largest number of keys that are tried on a token that names none.
const KEYS: usize = 16;

/// What a token has to say.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExpectedClaims<'a> {
    /// The provider, as it writes itself.
    pub(super) issuer: &'a str,
    /// The client that the token must be for.
    pub(super) client: &'a str,
    /// The question (`auth_req_id`).
    pub(super) question: &'a [u8],
    /// The claim that names the user.
    pub(super) claim: &'a str,
    /// The user who was asked.
    pub(super) user: &'a str,
}

/// Why a token approves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum TokenRefusal {
    /// It may be right, by a key that we have not seen yet.
    #[error("signed by a key that is not at jwks_uri")]
    UnknownKey,
    /// Not a valid token.
    #[error("cannot be read")]
    Unreadable,
    /// By `none`, by a shared secret, by what we do not know, or with extensions that we do not.
    #[error("signed in a way that is not accepted")]
    Algorithm,
    /// Its signature is not that of any key that it may be of.
    #[error("its signature is wrong")]
    Signature,
    /// A claim is not as it must be.
    #[error("{0}")]
    Claim(&'static str),
    /// It belongs to another user.
    #[error(
        "APPROVAL OF ANOTHER USER: asked was \"{asked}\", its {claim} is \"{found}\"; check login_hint and user_claim"
    )]
    OtherUser {
        /// The user who was asked.
        asked: Printable,
        /// Name of the claim.
        claim: Printable,
        /// The user in the claim.
        found: Printable,
    },
}

#[derive(Deserialize)]
struct JwtHeader {
    alg: String,
    kid: Option<String>,
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct TokenClaims {
    iss: String,
    aud: TokenAudience,
    azp: Option<String>,
    exp: f64,
    iat: f64,
    nbf: Option<f64>,
    sub: String,
    #[serde(rename = "urn:openid:params:jwt:claim:auth_req_id")]
    question: Option<String>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TokenAudience {
    One(String),
    Several(Vec<String>),
}

/// Whether this token is the expected approval, at this time.
pub(super) fn verify(
    token: &[u8],
    keys: &VerificationKeys,
    expected: &ExpectedClaims<'_>,
    now: Timestamp,
) -> Result<(), TokenRefusal> {
    let token = std::str::from_utf8(token).map_err(|_| TokenRefusal::Unreadable)?;
    let head = token.split('.').next().unwrap_or_default();
    let head = BASE64URL_NOPAD.decode(head.as_bytes()).map_err(|_| TokenRefusal::Unreadable)?;
    let head: JwtHeader = serde_json::from_slice(&head).map_err(|_| TokenRefusal::Unreadable)?;
    let algorithm =
        accepted_algorithm(&head.alg).filter(|_| head.crit.is_none()).ok_or(TokenRefusal::Algorithm)?;
    // The crate compares the algorithm and the signature; it has its own clock and its own mind about claims that are not
    // there, so those are looked at below.
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let mut refused = TokenRefusal::UnknownKey;
    for key in keys.for_algorithm(head.kid.as_deref(), algorithm).take(KEYS) {
        match jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation) {
            Ok(verified) => return check_claims(Value::Object(verified.claims), expected, now),
            // By its name it is that key; without one it may be of a key that is new.
            Err(_) if head.kid.is_some() => refused = TokenRefusal::Signature,
            Err(_) => {}
        }
    }
    Err(refused)
}

/// The algorithms that are accepted: signatures by a private key.
fn accepted_algorithm(name: &str) -> Option<Algorithm> {
    Some(match name {
        "RS256" => Algorithm::RS256,
        "RS384" => Algorithm::RS384,
        "RS512" => Algorithm::RS512,
        "PS256" => Algorithm::PS256,
        "PS384" => Algorithm::PS384,
        "PS512" => Algorithm::PS512,
        "ES256" => Algorithm::ES256,
        "ES384" => Algorithm::ES384,
        "EdDSA" => Algorithm::EdDSA,
        _ => return None,
    })
}

/// Whether these claims, which the provider has signed, are the expected ones.
pub(super) fn check_claims(
    claims: Value,
    expected: &ExpectedClaims<'_>,
    now: Timestamp,
) -> Result<(), TokenRefusal> {
    let claims: TokenClaims = serde_json::from_value(claims).map_err(|_| {
        TokenRefusal::Claim("one of iss, sub, aud, exp and iat is missing, or of a wrong kind")
    })?;
    let now = now.as_seconds() as f64;
    let must = |holds: bool, text| if holds { Ok(()) } else { Err(TokenRefusal::Claim(text)) };
    must(claims.iss == expected.issuer, "iss: made by another issuer")?;
    let audience = match &claims.aud {
        TokenAudience::One(one) => std::slice::from_ref(one),
        TokenAudience::Several(several) => several,
    };
    must(audience.iter().any(|one| one == expected.client), "aud: made for another client")?;
    must(audience.len() == 1 || claims.azp.is_some(), "aud: made for several clients, without azp")?;
    must(claims.azp.is_none_or(|azp| azp == expected.client), "azp: made for another client")?;
    must(claims.exp > now - LEEWAY, "exp: has expired; is the clock right?")?;
    must(claims.iat <= now + LEEWAY, "iat: made in the future; is the clock right?")?;
    must(claims.iat >= now - OLDEST, "iat: made long before the question; is the clock right?")?;
    must(claims.nbf.is_none_or(|nbf| nbf <= now + LEEWAY), "nbf: not valid yet; is the clock right?")?;
    let is_answer = claims.question.is_none_or(|question| question.as_bytes() == expected.question);
    must(is_answer, "auth_req_id: answers another question")?;
    let found = match expected.claim {
        "sub" => Some(claims.sub.as_str()),
        other => claims.others.get(other).and_then(Value::as_str),
    };
    let Some(found) = found.filter(|found| !found.is_empty()) else {
        return Err(TokenRefusal::Claim(
            "the claim of user_claim is not there, or is no text: check user_claim and scope",
        ));
    };
    let is_mail = expected.claim == "email";
    // A user who may write the address in their directory entry could otherwise be any user.
    must(
        !is_mail || claims.others.get("email_verified") != Some(&Value::Bool(false)),
        "email_verified: the provider does not vouch for the address; verify it there, or let user_claim be sub",
    )?;
    match found == expected.user || (is_mail && found.eq_ignore_ascii_case(expected.user)) {
        true => Ok(()),
        false => Err(TokenRefusal::OtherUser {
            asked: Printable::new(expected.user),
            claim: Printable::new(expected.claim),
            found: Printable::new(found),
        }),
    }
}
