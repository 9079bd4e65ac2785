//! What a login would come to: how its field is read, what the user reads then, and the sentence for the administrator.

use super::report::ExplainReport;
use crate::app::{DryRunReport, DryRunRequest, RecordedCalls, WaitMode};
use crate::cli::output::shown;
use crate::config::profile::PromptEcho;
use crate::config::{Config, PasscodePosition};
use crate::engine::prompt::QuestionKind;
use crate::engine::{FieldContents, Reason, Verdict};
use serde_json::json;

/// How the password field is read.
pub(super) fn field(
    report: &mut ExplainReport,
    config: &Config,
    trial: &DryRunRequest,
    rehearsed: &DryRunReport,
) {
    let answer = answer(rehearsed);
    let is_before = config.passcode_position == PasscodePosition::Before;
    let text = match (rehearsed.holds, answer) {
        (FieldContents::Password, _) => "a password".to_owned(),
        (FieldContents::Passcode, Some(answer)) => answer,
        (FieldContents::Passcode, None) => "nothing that could be an answer".to_owned(),
        (FieldContents::PasswordAndPasscode, Some(answer)) if is_before => {
            format!("{answer}, and behind it a password")
        }
        (FieldContents::PasswordAndPasscode, Some(answer)) => format!("a password, and behind it {answer}"),
        (FieldContents::PasswordAndPasscode, None) if is_before => {
            "no password with an answer before it".to_owned()
        }
        (FieldContents::PasswordAndPasscode, None) => "no password with an answer behind it".to_owned(),
    };
    let is_given = trial.field.is_some();
    // Nothing was read of who is exempt.
    if rehearsed.decision.reason() == Reason::Exempt {
        return;
    }
    report.add("field", if is_given { format!("read as {text}") } else { format!("taken to hold {text}") });
    report.set("field", json!({ "given": is_given, "read_as": text }));
}

/// What was read as the second factor.
fn answer(rehearsed: &DryRunReport) -> Option<String> {
    let RecordedCalls { passcodes, digits, device, checks, .. } = &rehearsed.seen;
    let asks_code = matches!(
        rehearsed.decision.reason(),
        Reason::CodesSent | Reason::JustSent | Reason::TooManyCodes | Reason::NotSent
    );
    if asks_code {
        return Some("a word that asks for a code".to_owned());
    }
    match device {
        Some(None) => return Some("nothing, which asks the best device".to_owned()),
        Some(Some(choice)) => return Some(format!("the word {choice}")),
        None => {}
    }
    if passcodes.is_empty() {
        return None;
    }
    let lengths: Vec<_> = passcodes.iter().map(usize::to_string).collect();
    let unit = if *digits { "digits" } else { "characters" };
    let by = if *checks { ", for the provider to check" } else { "" };
    Some(format!("a passcode of {} {unit}{by}", lengths.join(" or ")))
}

/// The attributes of the answer.
pub(super) fn reply(report: &mut ExplainReport, rehearsed: &DryRunReport) {
    let decision = &rehearsed.decision;
    let verdict = decision.verdict();
    let packet = match verdict {
        Verdict::Accept | Verdict::Bypassed => "Access-Accept",
        Verdict::Challenge => "Access-Challenge",
        // No code is right here.
        Verdict::Pending => "Access-Reject",
        _ if decision.challenge_state().is_some() => "Access-Challenge",
        Verdict::Reject | Verdict::Locked | Verdict::Malformed | Verdict::Unavailable => "Access-Reject",
    };
    let case = case(rehearsed);
    report.add(
        "reply",
        match case {
            Some(case) => format!("{packet}, {case}"),
            None => packet.to_owned(),
        },
    );
    for text in &decision.message {
        // The lines stand under each other, and blanks at the end are seen.
        let lines: Vec<_> = text.split('\n').map(shown).collect();
        report.add("Reply-Message", format!("{} octets\n\"{}\"", text.len(), lines.join("\n ")));
    }
    if decision.message.is_empty() && !verdict.lets_in() {
        report.add("Reply-Message", "none");
    }
    let echo = match decision.echo {
        PromptEcho::Shown => Some("Echo"),
        PromptEcho::Hidden => Some("No-Echo"),
        PromptEcho::Unsaid => None,
    };
    if decision.challenge_state().is_some() {
        report.add("Prompt", echo.unwrap_or("not sent"));
    }
    if let Some(state) = decision.challenge_state() {
        report.add("State", format!("{state}, for example"));
    }
    report.set(
        "reply",
        json!({
            "packet": packet,
            "case": case,
            "Reply-Message": decision.message,
            "Prompt": echo,
            "State": decision.challenge_state(),
        }),
    );
    report.set("result", json!(verdict));
    report.set("reason", json!(decision.reason().as_str()));
}

/// In which of several cases this is the answer.
fn case(rehearsed: &DryRunReport) -> Option<&'static str> {
    let RecordedCalls { passcodes, device, .. } = &rehearsed.seen;
    let is_shown = matches!(
        rehearsed.decision.question().map(|prompt| &prompt.asks),
        Some(QuestionKind::Approval { .. })
    );
    match rehearsed.decision.reason() {
        Reason::TimedOut if device.is_some() => Some("if there is no answer in time"),
        Reason::WrongCode if !passcodes.is_empty() => Some("if the passcode is wrong"),
        _ if is_shown => Some("at once"),
        _ => None,
    }
}

/// What would happen.
pub(super) fn sentence(trial: &DryRunRequest, rehearsed: &DryRunReport) -> String {
    let what = happens(trial, rehearsed);
    let is_assumed =
        rehearsed.holds != FieldContents::Passcode || rehearsed.decision.reason() == Reason::Exempt;
    match is_assumed {
        true => format!("If the password is right: {what}"),
        false => {
            let mut characters = what.chars();
            characters
                .next()
                .map(|first| first.to_uppercase().chain(characters).collect())
                .unwrap_or_default()
        }
    }
}

fn happens(trial: &DryRunRequest, rehearsed: &DryRunReport) -> String {
    let decision = &rehearsed.decision;
    let seen = &rehearsed.seen;
    let provider = rehearsed.provider.map_or("the provider", |(name, _)| name);
    let seconds = rehearsed.limit.as_secs();
    let asks = decision.question().map(|prompt| &prompt.asks);
    let is_challenge = decision.verdict() == Verdict::Challenge;
    match (decision.reason(), asks) {
        (Reason::Exempt, _) => "it alone is accepted, and that is recorded.".to_owned(),
        (Reason::LetInUnenrolled, _) => {
            "it alone is accepted, since the user has no token and policy lets such users in for a while."
                .to_owned()
        }
        (Reason::MustEnroll | Reason::Invited, _) => {
            let link =
                if decision.reason() == Reason::Invited { ", and a link goes to the mailbox" } else { "" };
            format!("the user is told to enrol{link}; no answer is accepted.")
        }
        (_, Some(QuestionKind::Approval { number })) => {
            let how =
                if number.is_empty() { "the user answers there" } else { "the user finds the number there" };
            format!(
                "a push is sent by {provider}; {how}, and then answers the challenge, within {seconds} s."
            )
        }
        (Reason::CodesSent, _) if is_challenge => "a code is sent, and the user is asked for it.".to_owned(),
        (Reason::CodesSent, _) => {
            "a code is sent, and the login is refused; with the code the user logs in again.".to_owned()
        }
        (Reason::Challenged, Some(QuestionKind::Factor { passcode: true, .. })) => {
            "the user chooses one of these by its number or word, or types a passcode.".to_owned()
        }
        (Reason::Challenged, Some(QuestionKind::Factor { .. })) => {
            "the user chooses one of these by its number or word.".to_owned()
        }
        (Reason::Challenged, _) if is_challenge => "the user is asked for a passcode.".to_owned(),
        _ => match (seen.device, decision.reason()) {
            (Some(choice), Reason::TimedOut) => {
                let device = choice.map_or_else(|| "the best device".to_owned(), |choice| choice.to_string());
                let how = match trial.patience {
                    WaitMode::Park => "without a thread",
                    WaitMode::Block => "on a thread of the server",
                };
                format!(
                    "a push is sent to {device} by {provider}, and the login waits {how}, {seconds} s at most."
                )
            }
            (None, Reason::WrongCode) if !seen.passcodes.is_empty() => {
                "a right passcode is accepted, a wrong one refused.".to_owned()
            }
            _ => {
                let remedy = decision.reason().remedy();
                let remedy = if remedy.is_empty() { String::new() } else { format!(" ({remedy})") };
                let asked = if is_challenge { "asked again" } else { "refused" };
                format!("the login is {asked}: {}{remedy}.", decision.reason().as_str())
            }
        },
    }
}
