//! Who is not asked for a second factor, and what of that is over.

use super::Report;
use crate::app;
use crate::cli::context::Found;
use crate::cli::output::local;
use crate::config::policy::{Grace, Required, Unenrolled};

pub(super) fn check(report: &mut Report, found: &Found) {
    let (policy, now) = (&found.config.policy, app::now());
    for exception in &policy.exceptions {
        let name = &exception.name;
        match exception.until {
            Some(_) if exception.has_expired(now) => report.warn(
                "policy",
                format!("exception \"{name}\" has expired: it is without effect"),
                format!("remove \"{name}\" from exceptions {{ }}, or set another \"until\""),
            ),
            Some(until) => report.ok("policy", format!("exception \"{name}\" until {}", local(until))),
            None => report.ok("policy", format!("exception \"{name}\", without end")),
        }
    }
    if policy.required != Required::default() {
        report.ok("policy", "only some groups or clients need a second factor: required { }");
    }
    match &policy.unenrolled {
        Unenrolled::Accept(Grace { until: Some(until), .. }) if now >= *until => report.warn(
            "policy",
            "accept_until is over: users without a token are refused",
            "set \"unenrolled = reject\"",
        ),
        Unenrolled::Accept(_) => report.ok("policy", "users without a token are let in for a while"),
        Unenrolled::Reject | Unenrolled::Enroll(_) => {}
    }
}
