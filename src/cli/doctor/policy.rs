//! Who is not asked for a second factor, and what of that is over.

use super::finding::DoctorReport;
use crate::app;
use crate::cli::context::LoadedConfig;
use crate::cli::output::local;
use crate::config::policy::{EnrolmentGrace, RequiredFor, UnenrolledRule};

pub(super) fn check(report: &mut DoctorReport, found: &LoadedConfig) {
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
    if policy.required != RequiredFor::default() {
        report.ok("policy", "only some groups or clients need a second factor: required { }");
    }
    let is_checked_elsewhere = !found.config.checks_password(found.config.mode);
    match &policy.unenrolled {
        UnenrolledRule::Accept(EnrolmentGrace { until: Some(until), .. }) if now >= *until => report.warn(
            "policy",
            "accept_until is over: users without a token are refused",
            "set \"unenrolled = reject\"",
        ),
        UnenrolledRule::Accept(_) if is_checked_elsewhere => report.warn(
            "policy",
            "other modules check the password: of users without a token, those alone are let in for a while whom `mfa sync` or \
             `mfa user add` has added, and who never had one",
            "have this module check the password (\"first_factor = ldap\"), or run `mfa sync` regularly",
        ),
        UnenrolledRule::Accept(_) => {
            report.ok("policy", "users who never had a token are let in without one for a while");
        }
        UnenrolledRule::Reject | UnenrolledRule::Enroll(_) => {}
    }
}
