//! A token as scripts see it.

use super::output::utc;
use crate::engine::port::EnrolledToken;
use crate::types::Factor;
use serde_json::json;

/// A token for scripts, without its secret.
pub(super) fn view(token: &EnrolledToken) -> serde_json::Value {
    let totp = token.factor == Factor::Totp;
    let recovery = token.factor == Factor::Recovery;
    json!({
        "serial": token.serial,
        "factor": token.factor,
        "enabled": token.enabled,
        "algorithm": token.factor.is_oath().then_some(token.algorithm),
        "digits": (!recovery).then_some(token.digits),
        "address": token.masked_address(),
        "period": totp.then_some(token.period),
        "pin": token.pin.is_some(),
        "drift": totp.then_some(token.drift),
        "counter": (token.factor == Factor::Hotp).then_some(token.next),
        "codes_left": recovery.then(|| left(token)),
        "created": utc(token.created),
    })
}

pub(super) fn left(token: &EnrolledToken) -> usize {
    token.codes.len().saturating_sub(usize::try_from(token.next.count_ones()).unwrap_or(0))
}
