//! `mfa check`: what a login would be answered, and why. The engine itself decides, on the store, which forgets it.

use super::context::CommandContext;
use super::error::{CommandAnswer, Error};
use super::input;
use super::output::{self, lock_of};
use crate::config::Config;
use crate::config::name_template::NameTemplate;
use crate::engine::port::{EnrolledToken, PasscodeVerifier, SpendPasscode, TokenMatch};
use crate::engine::{
    AttemptSource, Decision, Engine, LoginAttempt, LoginRequest, Outcome, PasswordStatus, PresentedFactor,
    Reason, SubmittedPassword, Verdict,
};
use crate::factor::Factors;
use crate::store::{Administration, DryRunStore, UserRow};
use crate::types::{
    CaseRule, DomainRule, Mode, NameRules, Passcode, QuotedText, Secret, ShellArgument, UserName,
};
use serde_json::json;
use std::sync::Arc;
use std::task::{Poll, Waker};

#[derive(clap::Args)]
pub(super) struct CheckArguments {
    /// The user's name
    user: String,
    /// The code, without password; asked for if absent
    code: Option<String>,
}

pub(super) fn run(context: &CommandContext, arguments: CheckArguments) -> Result<CommandAnswer, Error> {
    let user = context.name(&arguments.user)?;
    let row = context.store.user(&user)?;
    let tokens = context.store.tokens(&user)?;
    let code = input::passcode(arguments.code, "code")?;
    let decision = decide(context, &user, &code)?;
    let locked = lock_of(&row, context.now);
    tell(context, &CodeResult { row, locked, tokens, decision }, &code)
}

/// Says whether the code is one of this token, whatever else is the matter with the token or its user.
pub(super) fn test(
    context: &CommandContext,
    user: UserName,
    token: EnrolledToken,
    code: &Passcode,
) -> Result<CommandAnswer, Error> {
    let row = context.store.user(&user)?;
    let reason = match check(context, &token, code) {
        TokenMatch::Right { spend: SpendPasscode::Step { resynchronised: true, .. }, .. } => {
            Reason::Resynchronised
        }
        TokenMatch::Right { .. } => Reason::Right,
        TokenMatch::Spent => Reason::SpentCode,
        TokenMatch::Drifted { .. } | TokenMatch::No => Reason::WrongCode,
    };
    let mut decision = Decision::for_reason(Some(user), reason);
    if let Outcome::Accept(accepted) = &mut decision.outcome {
        (accepted.factor, accepted.token) = (Some(token.factor), Some(token.serial.clone()));
    }
    tell(context, &CodeResult { row, locked: None, tokens: vec![token], decision }, code)
}

/// What a code came to.
struct CodeResult {
    row: UserRow,
    locked: Option<String>,
    /// On what it was tried.
    tokens: Vec<EnrolledToken>,
    decision: Decision,
}

/// A login may still be refused because its source has to wait; there is no source here.
fn decide(context: &CommandContext, user: &UserName, code: &Passcode) -> Result<Decision, Error> {
    // The name is canonical already, and is the token owner's.
    let stored_as = NameTemplate::default();
    let names = NameRules { case: CaseRule::Keep, domain: DomainRule::Keep, ..NameRules::default() };
    let config = Arc::new(Config { names, stored_as, ..context.config.clone() });
    let store = Arc::new(DryRunStore::new(Arc::clone(&context.store)));
    let factors = Arc::new(factors(context));
    let engine = Engine::new(config, store, factors, Secret::new([0u8; 32]));
    let attempt = LoginAttempt::new(
        LoginRequest {
            at: context.now,
            user: user.as_str().as_bytes().to_vec(),
            source: AttemptSource::default(),
            ..LoginRequest::default()
        },
        Mode::Passcode,
        PasswordStatus::NotRequired,
        SubmittedPassword::Plain(Secret::new(code.expose())),
    );
    let mut deciding = std::pin::pin!(engine.decide_without_waiting(attempt));
    // Nothing in it ever waits, so it is ready when it is asked.
    match deciding.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop())) {
        Poll::Ready(decision) => Ok(decision),
        Poll::Pending => Err(Error::Unavailable("the check did not end".to_owned())),
    }
}

fn tell(context: &CommandContext, tried: &CodeResult, code: &Passcode) -> Result<CommandAnswer, Error> {
    let CodeResult { row, locked, decision, .. } = tried;
    let (name, verdict, reason) = (&row.name, decision.verdict(), decision.reason());
    let remedy = remedy(context, tried, code);
    let by = decision.token().map(|token| format!(" of token \"{}\"", output::shown(token)));
    let by = by.unwrap_or_default();
    let mut text = format!("{}: {}: {}{by}", output::shown(name.as_str()), verdict.as_str(), reason.as_str());
    if let Some(locked) = locked {
        text.push_str(&format!(" ({locked})"));
    }
    let failures = row.failures;
    if failures > 0 {
        text.push_str(&format!("; {failures} failures before, whose sources may have to wait"));
    }
    let object = json!({
        "user": name,
        "verdict": verdict,
        "reason": reason.as_str(),
        "factor": decision.factor(),
        "token": decision.token(),
        "failures": failures,
        "remedy": remedy,
    });
    let _ = context.out.say(&object, text)?;
    if let Some(remedy) = remedy.filter(|_| context.out.form() == output::OutputFormat::Text) {
        output::note(remedy);
    }
    Ok(if verdict == Verdict::Accept { CommandAnswer::Yes } else { CommandAnswer::No })
}

fn remedy(context: &CommandContext, tried: &CodeResult, code: &Passcode) -> Option<String> {
    let (user, reason) = (&tried.row.name, tried.decision.reason());
    let is_drifted = |token: &&EnrolledToken| {
        token.enabled && matches!(check(context, token, code), TokenMatch::Drifted { .. })
    };
    match tried.tokens.iter().find(is_drifted).filter(|_| reason == Reason::WrongCode) {
        Some(token) => Some(format!(
            "it is a code of token \"{}\", whose clock or counter is off: `mfa token resync {} {}`",
            token.serial,
            ShellArgument(user.as_str()),
            QuotedText(&token.serial)
        )),
        None => Some(reason.remedy().to_owned()).filter(|remedy| !remedy.is_empty()),
    }
}

fn check(context: &CommandContext, token: &EnrolledToken, code: &Passcode) -> TokenMatch {
    factors(context).verify_passcode(token, &PresentedFactor::Plain(code.clone()), context.now)
}

fn factors(context: &CommandContext) -> Factors {
    Factors::new(context.config.totp, context.config.hotp)
}
