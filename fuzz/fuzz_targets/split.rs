//! Any octets as password and passcode in one field: what is cut off is one end of it, and what is left is the other. And as a
//! packed field: what comes out of it packs to the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::config::FieldDecoding;
use rlm_mfa::engine::{PasscodePlace, SubmittedPassword, split_field, unpack_field};
use rlm_mfa::types::Secret;

fuzz_target!(|octets: &[u8]| {
    let Some((count, field)) = octets.split_first() else { return };
    let secret = Secret::new(field);
    let count = usize::from(*count);
    let after =
        [PasscodePlace::Last(count), PasscodePlace::AfterDelimiter(","), PasscodePlace::AfterDelimiter("::")];
    for place in after {
        if let Some((password, passcode)) = split_field(&secret, place) {
            assert!(!password.is_empty() && field.starts_with(password.expose()));
            assert!(!passcode.expose().is_empty());
        }
    }
    for place in [PasscodePlace::First(count), PasscodePlace::BeforeDelimiter(",")] {
        if let Some((password, passcode)) = split_field(&secret, place) {
            assert!(!password.is_empty() && field.ends_with(password.expose()));
            assert!(!passcode.expose().is_empty());
        }
    }
    let how = FieldDecoding { static_challenge: true, null_byte: count % 2 == 1 };
    if let Ok(SubmittedPassword::Separate { password, .. }) = unpack_field(secret, how) {
        assert!(!password.expose().contains(&0));
    }
});
