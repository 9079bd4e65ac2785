//! What the octets of Entra ID go through, for `fuzz/`: pure, and of no use otherwise.

use super::answer;
use crate::config::entra::{ClientCredential, EntraMfa, EntraOptions};
use crate::config::push::HttpOptions;
use crate::engine::directory::AuthFailure;
use crate::http::HttpAnswer;
use std::collections::BTreeMap;
use std::time::Duration;

/// The result of an answer to a password, with the built-in verdicts.
///
/// # Errors
///
/// The answer is not an accept.
pub fn read(status: u16, octets: &[u8], mfa: EntraMfa) -> Result<(), AuthFailure> {
    answer::read(&config(mfa), &HttpAnswer::of(status, octets.to_vec()))
}

/// Whether an answer is the metadata of a tenant.
///
/// # Errors
///
/// It is not, in words.
pub fn check_tenant(status: u16, octets: &[u8]) -> Result<(), crate::types::ProbeFault> {
    answer::check_tenant(&config(EntraMfa::Optional), &HttpAnswer::of(status, octets.to_vec()))
}

fn config(mfa: EntraMfa) -> EntraOptions {
    EntraOptions {
        tenant: "example.test".to_owned(),
        client_id: "radius".to_owned(),
        proof: ClientCredential::Public,
        domain: None,
        authority: "https://login.example.test".to_owned(),
        mfa,
        verdicts: BTreeMap::new(),
        http: HttpOptions { timeout: Duration::from_secs(1), ca_file: None, proxy: None },
    }
}
