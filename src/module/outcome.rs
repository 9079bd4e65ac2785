//! The result code of a verdict, and its log line.

use super::instance::shown_user;
use crate::engine::{AttemptSource, Decision, Reason, Verdict};
use crate::freeradius::{LogLevel, Rcode};

/// The result of a section for a verdict that is not an accept.
///
/// | verdict | result |
/// |---|---|
/// | reject (wrong, spent, unknown, not enrolled, slowed, undecided) | `reject` |
/// | locked | `userlock` |
/// | malformed | `invalid` |
/// | unavailable, or a bug | `fail` |
///
/// Never `noop` or `notfound`: behind a `pap` that said ok they would let the user in.
pub(super) fn refusal_rcode(verdict: Verdict) -> Rcode {
    match verdict {
        Verdict::Reject => Rcode::Reject,
        Verdict::Locked => Rcode::Userlock,
        Verdict::Malformed => Rcode::Invalid,
        Verdict::Unavailable
        | Verdict::Accept
        | Verdict::Bypassed
        | Verdict::Pending
        | Verdict::Challenge => Rcode::Fail,
    }
}

/// The log level of the line. A bypass and a reported fraud need attention.
pub(super) fn log_level(decision: &Decision) -> LogLevel {
    match (decision.verdict(), decision.reason()) {
        (Verdict::Bypassed | Verdict::Unavailable, _) | (_, Reason::Fraud) => LogLevel::Error,
        _ => LogLevel::Auth,
    }
}

/// `result`, or `fail` if the server could not carry out what belongs to it.
pub(super) fn checked_rcode(worked: bool, result: Rcode) -> Rcode {
    if worked { result } else { Rcode::Fail }
}

/// One line: user, verdict, reason, source, remedy. The server puts the request number and the instance in front of it.
pub(super) fn line(decision: &Decision, source: &AttemptSource) -> String {
    let user = decision
        .user
        .as_ref()
        .map(|name| shown_user(name.as_str()).to_string())
        .unwrap_or_else(|| "(nobody)".to_owned());
    let mut line = format!("{user}: {}: {}", decision.verdict().as_str(), decision.reason().as_str());
    if let (Some(factor), Some(token)) = (decision.factor(), decision.token()) {
        line.push_str(&format!(", {} token {}", factor.as_str(), shown_user(token)));
    }
    line.push_str(&format!(", client {}", source.client));
    if !source.calling_station.is_empty() {
        line.push_str(&format!(", calling {}", source.calling_station));
    }
    if decision.last_state().is_some() {
        line.push_str(", told in a last challenge");
    }
    if let Some(detail) = &decision.detail {
        line.push_str(&format!(": {detail}"));
    }
    match decision.reason().remedy() {
        "" => line,
        remedy => format!("{line} ({remedy})"),
    }
}
