//! What an answer of Entra ID means: a token is a right password; otherwise the numbers of `error_codes` say, and never a text.
//!
//! Only what was understood lets in, or says no. All else is [`BackendUnavailable`].

use crate::clock;
use crate::config::entra::{EntraMfa, EntraOptions, EntraVerdict, error_code_row};
use crate::engine::directory::{AuthFailure, BackendUnavailable};
use crate::http::HttpAnswer;
use crate::types::ProbeFault;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;
use zeroize::Zeroize;

/// So many codes are told in a text.
const TOLD: usize = 4;
/// The assertion is outside of its time.
const OUT_OF_TIME: u64 = 700_024;

/// RFC 6749, sections 5.1 and 5.2, with Microsoft's numbers.
#[derive(Deserialize)]
struct TokenResponse {
    access_token: Option<String>,
    error: Option<String>,
    #[serde(default)]
    error_codes: Vec<u64>,
}

impl Drop for TokenResponse {
    fn drop(&mut self) {
        self.access_token.zeroize();
    }
}

/// Whether the answer is an accept.
pub(super) fn read(config: &EntraOptions, answer: &HttpAnswer) -> Result<(), AuthFailure> {
    // JSON is UTF-8 (RFC 8259, section 8.1), also in what is passed over.
    let text = std::str::from_utf8(&answer.body).ok();
    let said: Option<TokenResponse> = text.and_then(|text| serde_json::from_str(text).ok());
    match (answer.status, said) {
        (200, Some(said)) if said.error.is_none() && said.error_codes.is_empty() => {
            match (&said.access_token, config.mfa) {
                (Some(token), _) if token.is_empty() => Err(unknown_response(config, answer)),
                (Some(_), EntraMfa::Optional) => Ok(()),
                (Some(_), EntraMfa::Required) => Err(AuthFailure::Blocked(
                    "the password was right, but Entra ID asks the user for no MFA, and \"require_entra_mfa\" is set"
                        .to_owned(),
                )),
                (None, _) => Err(unknown_response(config, answer)),
            }
        }
        (400 | 401 | 403, Some(said)) if said.access_token.is_none() && !said.error_codes.is_empty() => {
            decide_response(config, &said.error_codes, answer)
        }
        (status @ (429 | 500..=599), said) => {
            let codes = said.map(|said| code_numbers(&said.error_codes)).unwrap_or_default();
            let rest = answer.retry_after.map(|rest| format!(", wants no logins for {} s", rest.as_secs()));
            let rest = rest.unwrap_or_default();
            Err(BackendUnavailable(format!("{}: HTTP {status}{codes}{rest}", config.authority)).into())
        }
        _ => Err(unknown_response(config, answer)),
    }
}

/// Whether the tenant is there, by its metadata (OpenID Connect Discovery 1.0, section 4.2).
pub(super) fn check_tenant(config: &EntraOptions, answer: &HttpAnswer) -> Result<(), ProbeFault> {
    #[derive(Deserialize)]
    struct Metadata {
        #[serde(rename = "token_endpoint")]
        _token_endpoint: String,
    }
    match answer.status {
        200 if serde_json::from_slice::<Metadata>(&answer.body).is_ok() => Ok(()),
        200 => Err(ProbeFault::new(unknown_response(config, answer))),
        _ => match read(config, answer) {
            Err(denied) => Err(ProbeFault::new(denied)),
            Ok(()) => Err(ProbeFault::new(unknown_response(config, answer))),
        },
    }
}

/// Of several codes the worst counts. An unknown code is never an accept.
fn decide_response(config: &EntraOptions, codes: &[u64], answer: &HttpAnswer) -> Result<(), AuthFailure> {
    let verdicts =
        codes.iter().map(|code| (config.code_verdict(*code).unwrap_or(EntraVerdict::Blocked), *code));
    // The first of those that are equally bad.
    let Some((verdict, code)) = verdicts.rev().max_by_key(|(verdict, _)| *verdict) else {
        return Err(unknown_response(config, answer));
    };
    let known = error_code_row(code);
    let meaning = known.map_or("a code that this module does not know", |row| row.meaning);
    let told = code_numbers(codes);
    match verdict {
        EntraVerdict::Accept => Ok(()),
        EntraVerdict::Expired => Err(AuthFailure::Expired),
        EntraVerdict::MustChange => Err(AuthFailure::MustChange),
        EntraVerdict::Locked => Err(AuthFailure::Locked),
        EntraVerdict::Wrong => Err(AuthFailure::Wrong),
        // Not `AuthFailure::Disabled`, which would tell an attacker that the password is right.
        EntraVerdict::Disabled => Err(AuthFailure::Blocked(format!("the account is disabled{told}"))),
        EntraVerdict::Blocked => Err(AuthFailure::Blocked(format!("{meaning}{told}"))),
        EntraVerdict::Unavailable => {
            Err(BackendUnavailable(format!("{}: {meaning}{told}", config.authority)).into())
        }
        EntraVerdict::Misconfigured => {
            let remedy = known.map_or("", |row| row.remedy);
            let remedy = if remedy.is_empty() { "see entra { }" } else { remedy };
            let skew = if code == OUT_OF_TIME { clock_skew(answer) } else { String::new() };
            Err(BackendUnavailable(format!("{meaning}{told}: {remedy}{skew}")).into())
        }
    }
}

/// ` (AADSTS50076, AADSTS53003)`
fn code_numbers(codes: &[u64]) -> String {
    let told: Vec<_> = codes.iter().take(TOLD).map(|code| format!("AADSTS{code}")).collect();
    let more = if codes.len() > TOLD { ", .." } else { "" };
    if told.is_empty() { String::new() } else { format!(" ({}{more})", told.join(", ")) }
}

/// By how much the clocks differ, if the answer tells.
fn clock_skew(answer: &HttpAnswer) -> String {
    let theirs = answer.date.as_ref().and_then(|date| DateTimeParser::new().parse_timestamp(date).ok());
    let ahead = theirs.map(|theirs| {
        let now = jiff::Timestamp::try_from(clock::system_time()).unwrap_or_default();
        now.duration_since(theirs).as_secs()
    });
    match ahead {
        Some(seconds @ 1..) => format!(", which is {seconds} s ahead"),
        Some(seconds @ ..0) => format!(", which is {} s behind", seconds.unsigned_abs()),
        Some(0) | None => String::new(),
    }
}

/// An answer of unknown origin.
fn unknown_response(config: &EntraOptions, answer: &HttpAnswer) -> AuthFailure {
    let what = match answer.body.trim_ascii_start().first() {
        Some(b'<') => "a page (HTML) instead of an answer: what is between?",
        Some(b'{') => "an answer that Entra ID does not give",
        Some(_) => "no answer of Entra ID: what is between?",
        None => "an empty answer",
    };
    BackendUnavailable(format!("{}: HTTP {}: {what}", config.authority, answer.status)).into()
}

#[cfg(test)]
mod tests {
    use super::super::fuzz::read;
    use crate::config::entra::EntraMfa;

    #[test]
    fn answer_that_is_not_utf_8_lets_nobody_in() {
        let token = |more: &[u8]| [&b"{\"access_token\": \"x\", \"more\": \""[..], more, b"\"}"].concat();
        assert!(read(200, &token(b"z\xc3\xbc"), EntraMfa::Optional).is_ok());
        assert!(read(200, &token(b"z\xfc"), EntraMfa::Optional).is_err(), "though nobody looks at it");
    }
}
