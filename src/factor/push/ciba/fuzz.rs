//! What a provider's octets go through, for `fuzz/`: pure, and of no use otherwise.

use super::answer::{BackchannelResponse, PollResponse};
use super::discovery::ProviderDiscovery;
use super::keys::VerificationKeys;
use super::token::{ExpectedClaims, check_claims, verify};
use crate::http::HttpAnswer;
use crate::types::Timestamp;
use url::Url;

/// Reads an answer as each of those that there are.
pub fn read(status: u16, octets: &[u8]) {
    let answer = answer(status, octets);
    let _ = Url::parse(expected().issuer).map(|issuer| ProviderDiscovery::read(&answer, &issuer));
    let _ = BackchannelResponse::read(&answer);
    let _ = PollResponse::read(&answer);
    let _ = VerificationKeys::read(&answer);
}

/// Whether a token is an approval of `alice` for the client `radius` by the issuer `https://id.example.test`, in answer to
/// the question `1`, at this Unix time.
pub fn approves(token: &[u8], keys: &[u8], seconds: u64) -> bool {
    let Ok(keys) = VerificationKeys::read(&answer(200, keys)) else { return false };
    verify(token, &keys, &expected(), Timestamp::from_seconds(seconds)).is_ok()
}

/// The same of a token's claims, without regard to who signed them.
pub fn claims(octets: &[u8], seconds: u64) -> bool {
    let Ok(claims) = serde_json::from_slice(octets) else { return false };
    check_claims(claims, &expected(), Timestamp::from_seconds(seconds)).is_ok()
}

fn answer(status: u16, octets: &[u8]) -> HttpAnswer {
    HttpAnswer::of(status, octets.to_vec())
}

fn expected() -> ExpectedClaims<'static> {
    ExpectedClaims {
        issuer: "https://id.example.test",
        client: "radius",
        question: b"1",
        claim: "sub",
        user: "alice",
    }
}
