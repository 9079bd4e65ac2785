//! Any octets as password and passcode in one field: what is cut off is a tail, and what is left is a beginning.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::engine::{Tail, split};
use rlm_mfa::types::Secret;

fuzz_target!(|octets: &[u8]| {
    let Some((count, field)) = octets.split_first() else { return };
    let secret = Secret::new(field);
    for tail in [Tail::Characters(usize::from(*count)), Tail::After(","), Tail::After("::")] {
        if let Some((password, passcode)) = split(&secret, tail) {
            assert!(!password.is_empty() && field.starts_with(password.expose()));
            assert!(!passcode.expose().is_empty());
        }
    }
});
