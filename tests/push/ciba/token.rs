//! Tokens that a hostile provider, or an impostor, presents as an approval.

use super::fake::{DISCOVERY, Fake, KEYS, Say, TOKEN};
use super::keys::{Pair, part};
use super::{approved, failed};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rlm_mfa::engine::provider::{ProviderError, PushOutcome, PushQuestion};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};

/// What comes of a token when the provider has these keys. Each change makes other claims of those that are right.
fn of(keys: &Value, make: impl FnOnce(Value) -> String) -> Result<PushOutcome, ProviderError> {
    let fake = Fake::start(json!({ "keys": keys }));
    let (asker, question) = fake.asked();
    fake.say(TOKEN, Say::Json(200, json!({ "access_token": "a", "id_token": make(claims(&fake.issuer)) })));
    asker.answer(&question)
}

/// What an approval says.
fn claims(issuer: &str) -> Value {
    let now = now();
    json!({ "iss": issuer, "sub": "alice", "aud": "radius", "iat": now, "exp": now + 60 })
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// All of them at once, for each waits for a second; each with its name.
fn each<'a, T: Sync>(cases: &'a [(&'a str, T)], check: impl Fn(&'a str, &'a T) + Sync) {
    for some in cases.chunks(8) {
        std::thread::scope(|scope| {
            for (name, case) in some {
                scope.spawn(|| check(name, case));
            }
        });
    }
}

#[test]
fn token_by_a_key_of_the_provider_is_an_approval() {
    use Algorithm::*;
    let cases =
        [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA].map(|algorithm| ("", algorithm));
    each(&cases, |_, algorithm| {
        let key = Pair::new(*algorithm);
        let other = Pair::new(ES256).public("other", json!({}));
        let keys =
            json!([{ "kty": "new", "kid": "unknown" }, other, key.public("a", json!({ "use": "sig" }))]);
        assert_eq!(of(&keys, |claims| key.sign(Some("a"), &claims)), Ok(approved()), "{algorithm:?}");
        assert_eq!(of(&keys, |claims| key.sign(None, &claims)), Ok(approved()), "{algorithm:?} without kid");
    });
}

#[test]
fn token_that_is_not_signed_by_the_provider_is_none() {
    let (key, foreign) = (Pair::new(Algorithm::RS256), Pair::new(Algorithm::RS256));
    let keys = json!([key.public("a", json!({}))]);
    let unsigned = |alg: &str, claims: &Value, signature: &str| {
        format!("{}.{}.{signature}", part(&json!({ "alg": alg, "kid": "a" })), part(claims))
    };
    let shared = |secret: &[u8], claims: &Value| {
        let header = Header { kid: Some("a".into()), ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, claims, &EncodingKey::from_secret(secret)).unwrap()
    };
    type Make<'a> = Box<dyn Fn(Value) -> String + Sync + 'a>;
    let cases: [(&str, Make); 18] = [
        ("none", Box::new(|claims| unsigned("none", &claims, ""))),
        ("None", Box::new(|claims| unsigned("None", &claims, ""))),
        ("none with a signature", Box::new(|claims| unsigned("none", &claims, "AAAA"))),
        ("RS256 without a signature", Box::new(|claims| unsigned("RS256", &claims, ""))),
        ("the public key as a shared secret", Box::new(|claims| shared(&key.pem, &claims))),
        ("the same in DER", Box::new(|claims| shared(&key.der, &claims))),
        ("the same as JWK", Box::new(|claims| shared(key.jwk.to_string().as_bytes(), &claims))),
        ("our own secret", Box::new(|claims| shared(b"secret-of-radius", &claims))),
        ("a foreign key of the same name", Box::new(|claims| foreign.sign(Some("a"), &claims))),
        ("a foreign key of another name", Box::new(|claims| foreign.sign(Some("b"), &claims))),
        ("a foreign key without a name", Box::new(|claims| foreign.sign(None, &claims))),
        (
            "a foreign key in the token",
            Box::new(|claims| {
                foreign.sign_as(&json!({ "alg": "RS256", "kid": "a", "jwk": foreign.jwk }), &claims)
            }),
        ),
        (
            "other claims under a right signature",
            Box::new(|mut claims| {
                let mallory = {
                    claims["sub"] = "mallory".into();
                    key.sign(Some("a"), &claims)
                };
                claims["sub"] = "alice".into();
                let parts: Vec<&str> = mallory.split('.').collect();
                format!("{}.{}.{}", parts[0], part(&claims), parts[2])
            }),
        ),
        (
            "an extension that has to be understood",
            Box::new(|claims| key.sign_as(&json!({ "alg": "RS256", "kid": "a", "crit": ["x"] }), &claims)),
        ),
        ("half a token", Box::new(|claims| key.sign(Some("a"), &claims).split_once('.').unwrap().1.into())),
        ("a token and more", Box::new(|claims| format!("{}.AAAA.AAAA", key.sign(Some("a"), &claims)))),
        ("a padded token", Box::new(|claims| format!("{}=", key.sign(Some("a"), &claims)))),
        ("nothing", Box::new(|_| String::new())),
    ];
    each(&cases, |name, make| {
        let text = failed(of(&keys, make));
        assert!(text.starts_with("ciba: id_token: "), "{name}: {text}");
    });
}

#[test]
fn key_is_used_for_nothing_but_what_it_is_for() {
    let (rsa, other) = (Pair::new(Algorithm::RS256), Pair::new(Algorithm::ES256));
    let secret = json!({ "kty": "oct", "kid": "a", "k": "c2VjcmV0LW9mLXJhZGl1cw" });
    let cases = [
        ("of another algorithm", json!([rsa.public("a", json!({ "alg": "PS256" }))])),
        ("to encrypt", json!([rsa.public("a", json!({ "use": "enc" })), other.public("b", json!({}))])),
        ("to sign", json!([rsa.public("a", json!({ "key_ops": ["sign"] })), other.public("b", json!({}))])),
        ("of another kind", json!([other.public("a", json!({}))])),
        ("of another name", json!([rsa.public("b", json!({}))])),
        ("without a name", json!([rsa.jwk])),
        ("a shared one", json!([secret, other.public("b", json!({}))])),
    ];
    each(&cases, |name, keys| {
        let text = failed(of(keys, |claims| rsa.sign(Some("a"), &claims)));
        assert!(text.contains("a key that is not at jwks_uri"), "{name}: {text}");
    });
    let header = Header { kid: Some("a".into()), ..Header::new(Algorithm::HS256) };
    let shared = EncodingKey::from_secret(b"secret-of-radius");
    let keys = json!([secret, other.public("b", json!({}))]);
    let text = failed(of(&keys, |claims| jsonwebtoken::encode(&header, &claims, &shared).unwrap()));
    assert!(text.contains("in a way that is not accepted"), "{text}");
}

#[test]
fn token_with_other_claims_is_none() {
    let key = Pair::new(Algorithm::EdDSA);
    let keys = json!([key.public("a", json!({}))]);
    let question = "urn:openid:params:jwt:claim:auth_req_id";
    let now = now();
    let cases = [
        ("by another issuer", json!({ "iss": "http://127.0.0.1/realm" })),
        ("by no issuer", json!({ "iss": null })),
        ("for another client", json!({ "aud": "another" })),
        ("for other clients", json!({ "aud": ["another", "third"], "azp": "radius" })),
        ("for several clients", json!({ "aud": ["radius", "another"] })),
        ("for several clients, made for another", json!({ "aud": ["radius", "another"], "azp": "another" })),
        ("for nobody", json!({ "aud": [] })),
        ("for no client", json!({ "aud": null })),
        ("made for another", json!({ "azp": "another" })),
        ("expired", json!({ "exp": now - 61 })),
        ("for ever", json!({ "exp": null })),
        ("until a word", json!({ "exp": "99999999999" })),
        ("of no time", json!({ "iat": null })),
        ("of the future", json!({ "iat": now + 120 })),
        ("of long ago", json!({ "iat": now - 3600 })),
        ("not yet", json!({ "nbf": now + 120 })),
        ("of another question", json!({ question: "2" })),
        ("about another user", json!({ "sub": "mallory" })),
        ("about another user in capitals", json!({ "sub": "ALICE" })),
        ("about nobody", json!({ "sub": null })),
        ("about an empty name", json!({ "sub": "" })),
        ("about a number", json!({ "sub": 1 })),
        ("about several users", json!({ "sub": ["alice"] })),
    ];
    let with = |claims: Value, changes: &Value| {
        let mut all = claims.as_object().unwrap().clone();
        all.extend(changes.as_object().unwrap().clone());
        all.retain(|_, value| !value.is_null());
        key.sign(Some("a"), &all.into())
    };
    each(&cases, |name, changes| {
        let text = failed(of(&keys, |claims| with(claims, changes)));
        assert!(text.starts_with("ciba: id_token: "), "{name}: {text}");
        if name.starts_with("about another") {
            assert!(text.contains("APPROVAL OF ANOTHER USER: asked was \"alice\""), "{name}: {text}");
        }
    });
    let right = [
        ("for several, made for us", json!({ "aud": ["another", "radius"], "azp": "radius" })),
        ("in answer to the question", json!({ question: "1" })),
        ("by a clock that is slow", json!({ "iat": now - 50, "exp": now - 40 })),
        ("by a clock that is fast", json!({ "iat": now + 50, "nbf": now + 50 })),
    ];
    each(&right, |name, changes| {
        assert_eq!(of(&keys, |claims| with(claims, changes)), Ok(approved()), "{name}");
    });
}

#[test]
fn new_key_is_fetched_but_not_for_every_token_that_names_one() {
    let (old, new) = (Pair::new(Algorithm::ES256), Pair::new(Algorithm::RS256).by(Algorithm::PS512));
    let fake = Fake::start(json!({ "keys": [old.public("old", json!({}))] }));
    let (asker, question) = fake.asked();
    fake.say(TOKEN, Say::Json(200, json!({ "id_token": new.sign(Some("new"), &claims(&fake.issuer)) })));
    fake.say(KEYS, Say::Json(200, json!({ "keys": [new.public("new", json!({}))] })));
    // The keys are a second old.
    assert!(failed(asker.answer(&question)).contains("a key that is not at jwks_uri"));
    assert_eq!(fake.seen(KEYS).len(), 1);
    // They are ten seconds older.
    assert_eq!(asker.answer(&PushQuestion { interval: Duration::from_secs(10), ..question }), Ok(approved()));
    assert_eq!((fake.seen(KEYS).len(), fake.seen(DISCOVERY).len()), (2, 1));
}
