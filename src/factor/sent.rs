//! Codes that were sent: by text message, by e-mail.

use crate::engine::Presented;
use crate::engine::port::{Check, Spend, Token};
use crate::types::{Secret, Timestamp};
use subtle::ConstantTimeEq;

/// See [`Verify::check`](crate::engine::port::Verify::check). Only a hash of the code is known, and that cannot answer a
/// challenge. Compares with all codes, whichever it is.
pub(super) fn check(token: &Token, presented: &Presented, now: Timestamp) -> Check {
    let Presented::Plain(passcode) = presented else { return Check::No };
    let Some(hash) = token.hash_of(passcode.expose()) else { return Check::No };
    let mut found = Check::No;
    for code in &token.sent {
        let is_it: bool = code.hash.ct_eq(&hash).into();
        if is_it && now < code.expires {
            found = Check::Right {
                spend: Spend::Sent { code: code.id },
                passcode: Secret::new(passcode.expose()),
            };
        }
    }
    found
}
