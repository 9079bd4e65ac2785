//! `mfa check`: what a login would be answered, and why. The engine itself decides, on a store that writes nothing.

use super::context::Context;
use super::error::{Answer, Error};
use super::input;
use super::output::{self, lock};
use crate::config::{Config, FirstFactor, Limits};
use crate::engine::converse::Turn;
use crate::engine::port::{
    self, Answer as Later, Finding, Known, NewCode, Sending, Settlement, Spend, StateDigest, Token,
};
use crate::engine::{Attempt, Engine, Gate, Password, Reason, Source, Verdict};
use crate::factor::Factors;
use crate::store::{Admin, UserRow};
use crate::types::{
    CaseRule, DomainRule, Mode, NameRules, Passcode, Secret, Timestamp, TokenId, UserId, UserName,
};
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Whom
    user: String,
    /// The code, without password; asked for if absent
    code: Option<String>,
}

pub(super) fn run(context: &Context, arguments: Arguments) -> Result<Answer, Error> {
    let user = context.name(&arguments.user)?;
    let row = context.store.user(&user)?;
    let tokens = context.store.tokens(&user)?;
    let code = input::passcode(arguments.code, "code")?;
    answer(context, Trial { user, row, tokens }, &code)
}

/// Whose code is tried on which tokens.
pub(super) struct Trial {
    pub(super) user: UserName,
    pub(super) row: UserRow,
    pub(super) tokens: Vec<Token>,
}

/// A store that knows one user and forgets every decision, but for the token that is out of step.
struct Dry {
    trial: Trial,
    drifted: Mutex<Option<TokenId>>,
}

impl port::Store for Dry {
    fn find(&self, _name: &UserName) -> Later<Option<Known>> {
        let known = Known { id: UserId(0), tokens: self.trial.tokens.clone(), mail: String::new() };
        Box::pin(std::future::ready(Ok(Some(known))))
    }

    fn gate(&self, _: &UserName, _: &Source, _: Limits, _: Timestamp) -> Later<Gate> {
        Box::pin(std::future::ready(Ok(Gate::Open)))
    }

    fn locked_until(&self, _: &UserName) -> Later<Timestamp> {
        Box::pin(std::future::ready(Ok(self.trial.row.locked_until)))
    }

    // No State is presented here, and nobody sends codes.
    fn redeem(&self, _: StateDigest, _: &UserName, _: &Source, _: Timestamp) -> Later<Option<Turn>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    fn remember_code(&self, _: NewCode) -> Later<Sending> {
        Box::pin(std::future::ready(Ok(Sending::NoToken)))
    }

    fn settle(&self, settlement: Settlement) -> Later<Reason> {
        let locked = settlement.record.at < self.trial.row.locked_until;
        let reason = match settlement.finding {
            _ if locked => Reason::Locked,
            Finding::Right { spend: Spend::Step { resynchronised: true, .. }, .. } => Reason::Resynchronised,
            Finding::Right { .. } => Reason::Right,
            Finding::Wrong { drifted, .. } => {
                *self.drifted.lock().unwrap_or_else(PoisonError::into_inner) =
                    drifted.map(|(token, _)| token);
                Reason::WrongCode
            }
            Finding::Spent => Reason::SpentCode,
            Finding::Unknown { .. } => Reason::UnknownUser,
            Finding::NotEnrolled { .. } => Reason::NotEnrolled,
            Finding::Exempt => Reason::Exempt,
            Finding::Refused(reason) => reason,
            // Nobody outside is asked here, and nobody vouches for a password.
            Finding::Remembered | Finding::Unenrolled { .. } | Finding::Invited => Reason::Unavailable,
            Finding::Approved | Finding::Bypassed | Finding::WrongAtProvider { .. } | Finding::Fraud => {
                Reason::Unavailable
            }
        };
        Box::pin(std::future::ready(Ok(reason)))
    }
}

/// Decides and tells. A login may still be refused because its source has to wait; there is no source here.
pub(super) fn answer(context: &Context, trial: Trial, code: &Passcode) -> Result<Answer, Error> {
    let name = trial.user.clone();
    let dry = Arc::new(Dry { trial, drifted: Mutex::new(None) });
    // The name is canonical already.
    let names = NameRules { case: CaseRule::Keep, domain: DomainRule::Keep, ..NameRules::default() };
    let config = Arc::new(Config { names, ..context.config.clone() });
    let factors = Arc::new(Factors::new(config.totp, config.hotp));
    let engine =
        Engine::new(config, Arc::clone(&dry) as Arc<dyn port::Store>, factors, Secret::new([0u8; 32]));
    let attempt = Attempt {
        at: context.now,
        user: name.as_str().as_bytes().to_vec(),
        source: Source::default(),
        mode: Mode::Passcode,
        first_factor: FirstFactor::Nobody,
        password: Password::Plain(Secret::new(code.expose())),
        proof: None,
        state: None,
        dialogue: false,
        dice: None,
    };
    let mut deciding = std::pin::pin!(engine.decide(attempt));
    // Nothing in it ever waits, so it is ready when it is asked.
    let Poll::Ready(decision) = deciding.as_mut().poll(&mut std::task::Context::from_waker(Waker::noop()))
    else {
        return Err(Error::Unavailable("the check did not end".to_owned()));
    };
    let (verdict, reason) = (decision.verdict(), decision.reason);
    let remedy = remedy(&dry, reason);
    let by = decision.token.as_ref().map(|token| format!(" of token \"{token}\"")).unwrap_or_default();
    let mut text = format!("{name}: {}: {}{by}", verdict.as_str(), reason.as_str());
    if let Some(locked) = lock(dry.trial.row.locked_until, context.now) {
        text.push_str(&format!(" ({locked})"));
    }
    let failures = dry.trial.row.failures;
    if failures > 0 {
        text.push_str(&format!("; {failures} failures before, whose sources may have to wait"));
    }
    let object = json!({
        "user": name,
        "verdict": verdict,
        "reason": reason.as_str(),
        "factor": decision.factor,
        "token": decision.token,
        "failures": failures,
        "remedy": remedy,
    });
    let _ = context.out.say(&object, text)?;
    if let Some(remedy) = remedy.filter(|_| context.out.form() == output::Form::Text) {
        output::note(remedy);
    }
    Ok(if verdict == Verdict::Accept { Answer::Yes } else { Answer::No })
}

fn remedy(dry: &Dry, reason: Reason) -> Option<String> {
    let user = &dry.trial.user;
    let drifted = *dry.drifted.lock().unwrap_or_else(PoisonError::into_inner);
    match dry.trial.tokens.iter().find(|token| Some(token.id) == drifted) {
        Some(token) => Some(format!(
            "it is a code of token \"{0}\", whose clock or counter is off: `mfa token resync {user} {0}`",
            token.serial
        )),
        None => Some(reason.remedy().to_owned()).filter(|remedy| !remedy.is_empty()),
    }
}
