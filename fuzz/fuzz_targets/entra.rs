//! Any octets as an answer of Entra ID: a password is right by a token without an error, or by nothing but codes that say so; and
//! no text tells anything of the answer but its codes.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::config::entra::{EntraMfa, EntraVerdict, error_code_row};
use rlm_mfa::directory::fuzz::entra::{check_tenant, read};
use serde_json::Value;

fuzz_target!(|octets: &[u8]| {
    // Numbers that are too large are none to it, even where nobody looks at them.
    let said = serde_json::from_slice::<Value>(octets).ok();
    for status in [200, 302, 400, 401, 403, 429, 500, 503] {
        for mfa in [EntraMfa::Optional, EntraMfa::Required] {
            match read(status, octets, mfa) {
                Ok(()) if said.is_none() => assert!(matches!(status, 200 | 400 | 401 | 403)),
                Ok(()) if status == 200 => {
                    let said = said.as_ref().expect("it is JSON");
                    assert!(mfa == EntraMfa::Optional && said["error"].is_null());
                    assert!(said["access_token"].as_str().is_some_and(|token| !token.is_empty()));
                }
                Ok(()) => {
                    let said = said.as_ref().expect("it is JSON");
                    assert!(matches!(status, 400 | 401 | 403) && said["access_token"].is_null());
                    let codes = said["error_codes"].as_array().expect("codes");
                    let proves = |code: &Value| {
                        code.as_u64()
                            .and_then(error_code_row)
                            .is_some_and(|error_code_row| error_code_row.verdict == EntraVerdict::Accept)
                    };
                    assert!(!codes.is_empty() && codes.iter().all(proves), "{codes:?}");
                }
                Err(denied) => {
                    let text = denied.to_string();
                    assert!(text.len() < 1000 && !text.contains(char::is_control), "{text}");
                }
            }
        }
        match check_tenant(status, octets) {
            Ok(()) => assert!(status == 200),
            Err(text) => assert!(!text.0.contains(char::is_control), "{text}"),
        }
    }
});
