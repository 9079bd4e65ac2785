//! Any octets as what an OpenID provider answers: read or refused. No token is an approval that its keys have not signed, and
//! no claims are one that do not name issuer, client, user, question and time.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::factor::push::ciba::fuzz::{approves, claims, read};
use serde_json::Value;

/// Public keys of RFC 7517, appendix A.1, and RFC 8037, appendix A.2.
const KEYS: &[u8] = br#"{"keys":[
    {"kty":"EC","crv":"P-256","kid":"1","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"},
    {"kty":"OKP","crv":"Ed25519","kid":"2","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty":"RSA","kid":"3","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"}
]}"#;

/// The time that it is.
const NOW: u64 = 1_700_000_000;

fuzz_target!(|octets: &[u8]| {
    for status in [200, 400, 500] {
        read(status, octets);
    }
    assert!(!approves(octets, KEYS, NOW));
    approves(b"eyJhbGciOiJSUzI1NiJ9.e30.AAAA", octets, NOW);
    if claims(octets, NOW) {
        let claims: Value = serde_json::from_slice(octets).expect("it has been read before");
        assert_eq!((&claims["iss"], &claims["sub"]), (&"https://id.example.test".into(), &"alice".into()));
        let audience = [&claims["aud"], &claims["aud"][0]];
        assert!(audience.contains(&&"radius".into()) || claims["azp"] == "radius");
        let time = |name: &str| claims[name].as_f64().expect("a time");
        assert!(time("exp") > NOW as f64 - 61.0 && (time("iat") - NOW as f64).abs() < 601.0);
    }
});
