//! Codes that were sent: by text message, by e-mail.

use crate::engine::PresentedFactor;
use crate::engine::port::{EnrolledToken, SpendPasscode, TokenMatch};
use crate::types::{Secret, Timestamp};
use subtle::ConstantTimeEq;

/// See [`PasscodeVerifier::verify_passcode`](crate::engine::port::PasscodeVerifier::verify_passcode). Only a hash of the code is known, and that cannot answer a
/// challenge. Compares with all codes, whichever it is.
pub(super) fn check(token: &EnrolledToken, presented: &PresentedFactor, now: Timestamp) -> TokenMatch {
    let PresentedFactor::Plain(passcode) = presented else { return TokenMatch::No };
    let Some(hash) = token.hash_of(passcode.expose()) else { return TokenMatch::No };
    let mut found = TokenMatch::No;
    for code in &token.sent {
        let is_it: bool = code.hash.ct_eq(&hash).into();
        if is_it && now < code.expires {
            found = TokenMatch::Right {
                spend: SpendPasscode::Sent { code: code.id },
                passcode: Secret::new(passcode.expose()),
            };
        }
    }
    found
}
