//! `mfa token`: the authenticators of a user. Enrolment is in [`enrol`].

use super::check;
use super::context::CommandContext;
use super::enrol;
use super::error::{CommandAnswer, Error};
use super::input;
use super::output::{self, local, shown};
use super::qr::ExistingFile;
use super::token_view::{left, view};
use crate::engine::port::{EnrolledToken, SpendPasscode};
use crate::factor::Factors;
use crate::store::{Administration, TokenState};
use crate::types::{Factor, ShellArgument, UserName};
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::PathBuf;

#[derive(Subcommand)]
pub(super) enum TokenCommand {
    /// Enrol a token; prints its otpauth URI and QR code
    Add(enrol::EnrolArguments),
    /// List a user's tokens
    List {
        /// The user's name
        user: String,
    },
    /// Show a token; its secret only with --reveal
    Show {
        #[command(flatten)]
        which: TokenArgument,
        /// Print the secret too: otpauth URI and QR code; the whole address of a token that codes are sent to
        #[arg(long)]
        reveal: bool,
        /// Save the QR code, which holds the secret; the name ends in .png or .svg
        #[arg(long, value_name = "FILE", requires = "reveal")]
        qr: Option<PathBuf>,
        /// Replace an existing file
        #[arg(long, requires = "qr")]
        force: bool,
    },
    /// Say whether a code is one of this token, be it disabled; nothing is spent or counted
    Test {
        #[command(flatten)]
        which: TokenArgument,
        /// The code; asked for if absent
        code: Option<String>,
    },
    /// Find a token's clock or counter again by two consecutive codes
    Resync {
        #[command(flatten)]
        which: TokenArgument,
        /// A code; asked for if absent
        first: Option<String>,
        /// The one after it; asked for if absent
        second: Option<String>,
    },
    /// Allow a token's use
    Enable {
        #[command(flatten)]
        which: TokenArgument,
    },
    /// Forbid a token's use
    Disable {
        #[command(flatten)]
        which: TokenArgument,
    },
    /// Delete a token
    Delete {
        #[command(flatten)]
        which: TokenArgument,
        /// Do not ask for confirmation
        #[arg(short, long)]
        yes: bool,
    },
}

/// A token, by user and serial.
#[derive(Args)]
pub(super) struct TokenArgument {
    /// The user's name
    user: String,
    /// Which: its serial, as `mfa token list` shows it
    serial: String,
}

impl TokenArgument {
    fn find(&self, context: &CommandContext) -> Result<(UserName, EnrolledToken), Error> {
        let user = context.name(&self.user)?;
        let token = context.store.tokens(&user)?.into_iter().find(|token| token.serial == self.serial);
        match token {
            Some(token) => Ok((user, token)),
            None => Err(crate::store::Error::NoToken { user, serial: self.serial.clone() }.into()),
        }
    }
}

impl TokenCommand {
    /// Opens what the command line names.
    pub(super) fn open_files(&self) -> Result<enrol::OpenedFiles, Error> {
        match self {
            Self::Add(arguments) => arguments.open_files(),
            Self::Show { qr, force, .. } => {
                let existing = if *force { ExistingFile::Replace } else { ExistingFile::Keep };
                enrol::OpenedFiles::of_qr(qr.as_deref(), existing)
            }
            _ => Ok(enrol::OpenedFiles::default()),
        }
    }
}

pub(super) fn run(
    context: &CommandContext,
    command: TokenCommand,
    files: enrol::OpenedFiles,
) -> Result<CommandAnswer, Error> {
    match command {
        TokenCommand::Add(arguments) => enrol::run(context, arguments, files),
        TokenCommand::List { user } => list(context, &context.name(&user)?),
        TokenCommand::Show { which, reveal, qr, .. } => {
            let (user, token) = which.find(context)?;
            match (reveal, enrol::uri(context, &user, &token)) {
                (false, _) => context.out.say(&view(&token), facts(&token)),
                (true, None) => match token.delivery_address() {
                    Some(address) => context.out.say(&json!({ "address": address }), address),
                    None => Err(Error::usage("--reveal", "recovery codes are kept as hashes only")),
                },
                (true, Some(uri)) => enrol::hand_over(context, &token, &uri, qr.as_deref().zip(files.qr)),
            }
        }
        TokenCommand::Test { which, code } => {
            let (user, mut token) = which.find(context)?;
            let code = input::passcode(code, "code")?;
            token.enabled = true;
            check::test(context, user, token, &code)
        }
        TokenCommand::Resync { which, first, second } => resync(context, &which, first, second),
        TokenCommand::Enable { which } => switch(context, &which, TokenState::Enabled),
        TokenCommand::Disable { which } => switch(context, &which, TokenState::Disabled),
        TokenCommand::Delete { which, yes } => {
            let (user, token) = which.find(context)?;
            if !yes {
                input::confirm(&format!("Delete token \"{}\" of user \"{user}\"?", token.serial))?;
            }
            context.store.delete_token(&user, &token.serial)?;
            done(context, &user, &token, "deleted")
        }
    }
}

fn done(
    context: &CommandContext,
    user: &UserName,
    token: &EnrolledToken,
    what: &str,
) -> Result<CommandAnswer, Error> {
    let serial = &token.serial;
    context.out.say(
        &json!({ "user": user, "serial": serial }),
        format_args!("token \"{serial}\" of user \"{user}\" {what}"),
    )
}

fn switch(
    context: &CommandContext,
    which: &TokenArgument,
    state: TokenState,
) -> Result<CommandAnswer, Error> {
    let (user, token) = which.find(context)?;
    context.store.set_token_state(&user, &token.serial, state)?;
    done(context, &user, &token, state.as_str())
}

fn resync(
    context: &CommandContext,
    which: &TokenArgument,
    first: Option<String>,
    second: Option<String>,
) -> Result<CommandAnswer, Error> {
    let (user, token) = which.find(context)?;
    if !token.factor.is_oath() {
        return Err(Error::usage(&token.serial, "it has no clock or counter to find again"));
    }
    let factors = Factors::new(context.config.totp, context.config.hotp);
    let first = input::passcode(first, "first code")?;
    let second = input::passcode(second, "the code after it")?;
    let Some(spend) = factors.find_resync(&token, &first, &second, context.now) else {
        output::note(format_args!(
            "no two consecutive codes of token \"{}\": wait for a fresh code, then type it and the one after it",
            token.serial
        ));
        return Ok(CommandAnswer::No);
    };
    if !context.store.spend(token.id, spend)? {
        output::note("these codes have been used: wait for two fresh ones");
        return Ok(CommandAnswer::No);
    }
    let found = match spend {
        SpendPasscode::Step { drift, .. } if token.factor == Factor::Totp => {
            format!("resynchronised: its clock is {}", drift_text(drift))
        }
        SpendPasscode::Step { step, .. } => {
            format!("resynchronised: its counter is {}", step.saturating_add(1))
        }
        SpendPasscode::Code { .. } | SpendPasscode::Sent { .. } => "resynchronised".to_owned(),
    };
    done(context, &user, &token, &found)
}

fn list(context: &CommandContext, user: &UserName) -> Result<CommandAnswer, Error> {
    let mut list = context.out.list(&["SERIAL", "FACTOR", "STATE", "PARAMETERS", "NEXT", "ENROLLED"]);
    for token in context.store.tokens(user)? {
        let cells = vec![
            shown(&token.serial),
            token.factor.as_str().to_owned(),
            state(&token).to_owned(),
            parameters(&token),
            next(&token),
            local(token.created),
        ];
        list.row(&view(&token), cells)?;
    }
    list.end(&format!(
        "user \"{user}\" has no token: enrol one with `mfa token add {} totp`",
        ShellArgument(user.as_str())
    ))
}

fn state(token: &EnrolledToken) -> &'static str {
    if token.enabled { "enabled" } else { "disabled" }
}

fn parameters(token: &EnrolledToken) -> String {
    let pin = if token.pin.is_some() { ", PIN" } else { "" };
    let (algorithm, digits) = (token.algorithm.as_str(), token.digits.get());
    match token.factor {
        Factor::Totp => format!("{algorithm}, {digits} digits, {} s{pin}", token.period.get()),
        Factor::Hotp => format!("{algorithm}, {digits} digits{pin}"),
        Factor::Recovery => format!("{} codes", token.codes.len()),
        Factor::Sms | Factor::Email => format!("to {}", token.masked_address().unwrap_or_default()),
        _ => String::new(),
    }
}

/// Where it stands: the time after which its codes work, its counter, or how many codes are left.
fn next(token: &EnrolledToken) -> String {
    match token.factor {
        Factor::Totp if token.drift != 0 => format!("clock {}", drift_text(token.drift)),
        Factor::Totp => "-".to_owned(),
        Factor::Hotp => format!("counter {}", token.next),
        Factor::Recovery => format!("{} left", left(token)),
        _ => "-".to_owned(),
    }
}

fn drift_text(drift: i64) -> String {
    match drift {
        0 => "right".to_owned(),
        ahead @ 1.. => format!("{ahead} s ahead"),
        behind => format!("{} s behind", behind.unsigned_abs()),
    }
}

/// A token in one line.
pub(super) fn summary(token: &EnrolledToken) -> String {
    format!("{}, {}, {}", token.factor.as_str(), parameters(token), state(token))
}

/// A token for people, without its secret.
pub(super) fn facts(token: &EnrolledToken) -> String {
    output::facts(&[
        ("token", shown(&token.serial)),
        ("factor", token.factor.as_str().to_owned()),
        ("state", state(token).to_owned()),
        ("parameters", parameters(token)),
        ("next", next(token)),
        ("enrolled", local(token.created)),
    ])
}
