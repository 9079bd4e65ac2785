//! Which settings apply to a login, and where they stand.

use super::report::{ExplainReport, ExplainedUser};
use crate::app::{DryRunReport, DryRunRequest};
use crate::cli::context::LoadedConfig;
use crate::cli::output::{local, shown, utc};
use crate::config::Config;
use crate::config::clients::{self, NasClient};
use crate::config::policy::{EnrolmentGrace, PolicyException, PolicyOptions, RequiredFor, UnenrolledRule};
use crate::config::profile::{ChallengeSupport, PromptFormat};
use crate::engine::Reason;
use crate::types::{CaseRule, DomainRule, Mode, NameRules, UserName};
use serde_json::json;
use std::time::Duration;

/// What a setting that stands nowhere is by.
const DEFAULT: &str = "by default";

pub(super) fn user(report: &mut ExplainReport, person: &ExplainedUser, rules: &NameRules) {
    let name = UserName::parse(person.typed.as_bytes(), rules);
    let name = name.as_ref().unwrap_or(&person.name);
    let text = match name.as_str() == person.typed {
        true => shown(name.as_str()),
        false => {
            let case = if rules.case == CaseRule::Keep { "yes" } else { "no" };
            let domain = if rules.domain == DomainRule::Keep { "keep" } else { "strip" };
            let domains = if rules.domains.is_empty() { "" } else { ", and domains { }" };
            format!(
                "{}, from \"{}\" by username {{ }}: case_sensitive = {case}, domain = {domain}{domains}",
                shown(name.as_str()),
                shown(&person.typed)
            )
        }
    };
    report.add("user", text);
    report.set("user", json!(name));
    report.set("typed", json!(person.typed));
    if *name != person.name {
        let stored = shown(person.name.as_str());
        report.add("tokens of", format!("{stored} (stored_as in username {{ }})"));
    }
    report.set("stored_as", json!(person.name));
}

pub(super) fn client(
    report: &mut ExplainReport,
    found: &LoadedConfig,
    nas: &NasClient<'_>,
    trial: &DryRunRequest,
) {
    let at = &nas.section.at;
    let from = match (&trial.source.client, nas.place) {
        (address, place) if address.is_empty() => format!("{place}, which is not known"),
        (address, place) if address == place => address.clone(),
        (address, place) => format!("{address} of {place}"),
    };
    report.add("client", format!("{} ({}), {at}", shown(nas.name), shown(&from)));
    let client = json!({ "name": nas.name, "address": trial.source.client, "at": at.to_string() });
    report.set("client", client);

    let config = &found.config;
    let voice = &trial.voice;
    let own = |item: &'static str| {
        nas.section
            .pair_named(item)
            .filter(|pair| pair.value.as_deref().is_some_and(|v| !v.trim().is_empty()))
    };
    let said = |item: &'static str, option: &str| match (own(item), found.section.pair_named(option)) {
        (Some(pair), _) => format!("{item}, {}", pair.at),
        (None, Some(pair)) => format!("{option}, {}", pair.at),
        (None, None) => DEFAULT.to_owned(),
    };
    let mut setting = |name: &'static str, value: &str, why: String| {
        report.add(name, format!("{value} ({why})"));
        report.set(name, json!({ "is": value, "by": why }));
    };
    let profile = voice.profile_name();
    setting("profile", profile.name, said(clients::PROFILE, "client_profile"));
    let language = own(clients::LANGUAGE).and_then(|pair| pair.value.as_deref());
    let language = language.unwrap_or(&config.client.language).trim().to_ascii_lowercase();
    setting("language", &language, said(clients::LANGUAGE, "language"));
    let is_own = own(clients::PROFILE).is_some();
    let format =
        PromptFormat::WORDS.iter().find(|(_, format)| *format == voice.format()).map_or("", |(word, _)| word);
    setting(
        "format",
        format,
        match found.section.pair_named("prompt_format").filter(|_| !is_own) {
            Some(pair) => format!("prompt_format, {}", pair.at),
            None => "by the profile".to_owned(),
        },
    );
    setting(
        "challenges",
        match profile.challenges {
            ChallengeSupport::Shown => "shown",
            ChallengeSupport::NotShown => "not shown",
        },
        "by the profile".to_owned(),
    );
}

pub(super) fn mode(report: &mut ExplainReport, found: &LoadedConfig, wanted: Option<Mode>) {
    let mode = wanted.unwrap_or(found.config.mode);
    let why = match (wanted, found.section.pair_named("mode"), found.config.client.profile.mode) {
        (Some(_), ..) => "--mode".to_owned(),
        (None, Some(pair), _) => format!("mode, {}", pair.at),
        (None, None, Some(_)) => match found.section.pair_named("client_profile") {
            Some(pair) => format!("client_profile, {}", pair.at),
            None => DEFAULT.to_owned(),
        },
        (None, None, None) => DEFAULT.to_owned(),
    };
    report.add("mode", format!("{} ({why})", mode.as_str()));
    report.set("mode", json!({ "is": mode, "by": why }));
}

pub(super) fn policy(
    report: &mut ExplainReport,
    config: &Config,
    person: &ExplainedUser,
    trial: &DryRunRequest,
    rehearsed: &DryRunReport,
) {
    wait(report, config, trial, rehearsed);
    let policy = &config.policy;
    let mut text = Vec::new();
    let mut object = json!({ "second_factor": "required" });
    match (rehearsed.decision.reason(), rehearsed.decision.token()) {
        (Reason::Exempt, Some(by)) => {
            match policy.exceptions.iter().find(|exception| exception.name == *by) {
                Some(exception) => {
                    let until = exception
                        .until
                        .map_or_else(|| "without end".to_owned(), |end| format!("until {}", local(end)));
                    text.push(format!("exempt by exception \"{}\", {until}", shown(by)));
                    object = json!({ "second_factor": "exempt", "exception": by, "until": exception.until.map(utc) });
                }
                None => {
                    text.push(
                        "no second factor required: required { } names neither the user's groups nor the client"
                            .to_owned(),
                    );
                    object = json!({ "second_factor": "not required" });
                }
            }
        }
        _ => {
            let whom = if policy.required == RequiredFor::default() {
                "everybody"
            } else {
                "the user by required { }"
            };
            let exceptions = if policy.exceptions.is_empty() { "" } else { ", and no exception holds" };
            text.push(format!("a second factor is required of {whom}{exceptions}"));
        }
    }
    text.extend(unknown(policy, trial, rehearsed));
    let (rule, words) = match &policy.unenrolled {
        UnenrolledRule::Reject => ("reject", "refused".to_owned()),
        UnenrolledRule::Accept(grace) => ("accept", format!("let in {}", bounds(grace))),
        UnenrolledRule::Enroll(_) => ("enroll", "told to enrol".to_owned()),
    };
    if !person.is_enrolled() && rehearsed.decision.reason() != Reason::Exempt {
        text.push(format!("unenrolled = {rule}: without a token the user is {words}"));
        report.set("unenrolled", json!(rule));
    }
    if !policy.remember.is_zero() {
        text.push(format!("a login is remembered for {} min", policy.remember.as_secs() / 60));
    }
    if !policy.remember_once.is_zero() {
        let seconds = policy.remember_once.as_secs();
        text.push(format!("a login is good for another one within {seconds} s, by the password alone"));
    }
    report.add("policy", text.join("\n"));
    report.set("policy", object);
}

/// What policy asks for, and was not told.
fn unknown(policy: &PolicyOptions, trial: &DryRunRequest, rehearsed: &DryRunReport) -> Vec<String> {
    let any = |condition: fn(&PolicyException) -> bool| policy.exceptions.iter().any(condition);
    let mut text = Vec::new();
    let are_told =
        rehearsed.first.is_some() && rehearsed.grants.as_ref().is_some_and(|it| it.groups.is_some());
    if trial.groups.is_empty()
        && !are_told
        && (any(|e| !e.groups.is_empty()) || !policy.required.groups.is_empty())
    {
        text.push("the groups are not known: name them with --group".to_owned());
    }
    if trial.source.calling_station.is_empty() && any(|e| !e.networks.is_empty()) {
        text.push("the station is not known: say so with --station".to_owned());
    }
    text
}

fn bounds(grace: &EnrolmentGrace) -> String {
    let until = grace.until.map(|until| format!("until {}", local(until)));
    let logins = grace.logins.map(|logins| format!("{logins} times"));
    until.into_iter().chain(logins).collect::<Vec<_>>().join(", ")
}

fn wait(report: &mut ExplainReport, config: &Config, trial: &DryRunRequest, rehearsed: &DryRunReport) {
    if rehearsed.provider.is_none() {
        return;
    }
    let is_profile = trial.voice.wait_limit(None).is_some_and(|limit: Duration| limit < config.push.limit);
    let why = if is_profile { "by the profile" } else { "limit in push { }" };
    let seconds = rehearsed.limit.as_secs();
    report.add("wait", format!("at most {seconds} s ({why})"));
    report.set("wait", json!({ "seconds": seconds, "by": why }));
}
