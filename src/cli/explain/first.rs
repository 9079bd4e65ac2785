//! Which backend verifies the password, and what is known of the user: groups and reply attributes.

use super::report::ExplainReport;
use crate::app::{DryRunReport, DryRunRequest, FakePasswordBackend};
use crate::cli::context::LoadedConfig;
use crate::cli::output::shown;
use crate::config::PasswordBackendKind;
use crate::engine::directory::AuthFailure;
use crate::engine::{FieldContents, PasswordStatus, PasswordVerifier, Reason};
use crate::types::UserName;
use serde_json::json;

/// Beyond so many, groups are only counted.
const MOST: usize = 20;

pub(super) fn tell(
    report: &mut ExplainReport,
    found: &LoadedConfig,
    trial: &DryRunRequest,
    rehearsed: &DryRunReport,
) {
    password(report, found, trial, rehearsed);
    directory(report, rehearsed);
    granted(report, found, rehearsed);
}

/// Which backend is asked, why, and when.
fn password(
    report: &mut ExplainReport,
    found: &LoadedConfig,
    trial: &DryRunRequest,
    rehearsed: &DryRunReport,
) {
    let Some(FakePasswordBackend { by, fallback }) = rehearsed.first else {
        let by = match PasswordStatus::initial_for(&found.config, trial.mode).verified_by() {
            Some(PasswordVerifier::Client) => "the client",
            Some(PasswordVerifier::Server | PasswordVerifier::Module) => "the server's own modules, or none",
            None => "none",
        };
        report.add("password", format!("checked by {by}"));
        return report.set("password", json!({ "by": null }));
    };
    let domain = UserName::typed_domain(trial.user.as_bytes())
        .filter(|domain| found.config.passwords.domains.contains_key(domain));
    let section = found.section.section("first_factor_domains");
    let why = match (&domain, section, found.section.pair_named("first_factor")) {
        (Some(domain), Some(section), _) => {
            format!("first_factor_domains: {}, {}", shown(domain), section.at)
        }
        (_, _, Some(pair)) => format!("first_factor, {}", pair.at),
        _ => "by default".to_owned(),
    };
    let name = UserName::parse(trial.user.as_bytes(), &found.config.names);
    let name = name.unwrap_or_else(|_| rehearsed.stored_as.clone());
    let asked_as = |by: PasswordBackendKind| by.asked_as(&found.config, &trial.user, &name);
    let mut text = format!("checked by {}, as \"{}\" ({why})", by.as_str(), shown(&asked_as(by)));
    if let Some(other) = fallback {
        let asked = shown(&asked_as(other));
        let without = if by == PasswordBackendKind::Ldap {
            "; groups and security_group_dn do not count then"
        } else {
            ""
        };
        text.push_str(&format!("\nif that is unavailable: {}, as \"{asked}\"{without}", other.as_str()));
    }
    let code_first = rehearsed.holds == FieldContents::PasswordAndPasscode
        && rehearsed.decision.reason() != Reason::Exempt;
    text.push_str(match code_first {
        true => "\nafter the code in the same field: a wrong code is refused before the password is checked",
        false => "\nbefore all else",
    });
    report.add("password", text);
    report.set(
        "password",
        json!({
            "by": by.as_str(),
            "why": why,
            "asked_as": asked_as(by),
            "fallback": fallback.map(PasswordBackendKind::as_str),
            "first": if code_first { "code" } else { "password" },
        }),
    );
}

/// What the directory says of the user.
fn directory(report: &mut ExplainReport, rehearsed: &DryRunReport) {
    let Some(said) = &rehearsed.directory else { return };
    let text = match said {
        Ok(person) => person.dn.as_ref().map_or_else(|| shown(&person.name), |dn| shown(dn.as_str())),
        Err(AuthFailure::Unavailable(why)) => {
            format!("not known, nor the groups and attributes: {}", shown(&why.to_string()))
        }
        Err(denied) => shown(&denied.to_string()),
    };
    report.add("directory", text);
    let (dn, why) = match said {
        Ok(person) => (person.dn.as_ref().map(|dn| dn.as_str()), None),
        Err(why) => (None, Some(why.to_string())),
    };
    report.set("directory", json!({ "dn": dn, "trouble": why }));
}

/// What an accept carries.
fn granted(report: &mut ExplainReport, found: &LoadedConfig, rehearsed: &DryRunReport) {
    let Some(grants) = &rehearsed.grants else { return };
    if let Some(groups) = &grants.groups {
        let shown_groups: Vec<_> = groups.iter().take(MOST).map(|group| shown(group)).collect();
        let more = groups.len().saturating_sub(MOST);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let none = if groups.is_empty() { "none" } else { "" };
        report.add("groups", format!("{none}{}{more}", shown_groups.join(", ")));
    }
    report.set("groups", json!(grants.groups));
    if !found.config.replies.is_empty() {
        let told: Vec<_> =
            grants.reply.iter().map(|(name, value)| format!("{name} = {}", shown(value))).collect();
        let text = if told.is_empty() { "nothing".to_owned() } else { told.join("\n") };
        report.add("accept adds", text);
    }
    report.set("accept_adds", json!(grants.reply));
    if found.config.push.provider.is_some() {
        let lacks = "nothing: the directory lacks what username of push { } needs";
        let sent_as = grants.sent_as.as_deref().map_or_else(|| lacks.to_owned(), shown);
        report.add("provider asks", sent_as);
        report.set("provider_asks", json!(grants.sent_as));
    }
}
