//! `mfa explain`: what applies to a login of a user at a client, what they would read there, and why. The login is
//! tried out by [`app::dry_run`]; here is only told what came of it, and where the settings stand that led to it.

mod first;
mod outcome;
mod report;
mod settings;

use super::context::{CommandContext, LoadedConfig, SiteArguments};
use super::error::{CommandAnswer, Error, UnreadableArgument};
use super::output::{self, CommandOutput, lock_of, shown};
use super::{input, token};
use crate::app::{self, DryRunReport, DryRunRequest, WaitMode};
use crate::config::texts::Texts;
use crate::config::{check_clients, clients};
use crate::engine::AttemptSource;
use crate::store::{Administration, DryRunStore};
use crate::text::ClientTexts;
use crate::types::{Factor, Mode, Secret, ShellArgument, UserName};
use report::{ExplainReport, ExplainedUser};
use serde_json::{Value, json};
use std::net::ToSocketAddrs;
use std::sync::Arc;

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArguments {
    /// The user whose login is explained
    user: String,
    /// At which client: its name in clients.conf, its shortname, or its address
    #[arg(long, value_name = "CLIENT")]
    client: String,
    /// The mode, as MFA-Mode would set it
    #[arg(long, value_parser = mode)]
    mode: Option<Mode>,
    /// As Calling-Station-Id: often where the user is
    #[arg(long, value_name = "ADDRESS", default_value = "", hide_default_value = true)]
    station: String,
    /// A group of the user as MFA-Group would name it, in addition to those of the directory; may be repeated
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
    /// Say how this would be read in the password field; "-" has it asked for. It is not printed, and no code in it is looked at
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    password_is: Option<String>,
}

fn mode(word: &str) -> Result<Mode, UnreadableArgument> {
    let words = Mode::ALL.map(Mode::as_str).join(", ");
    let found = Mode::ALL.into_iter().find(|mode| mode.as_str() == word);
    found.ok_or_else(|| UnreadableArgument(format!("must be one of {words}")))
}

pub(super) fn run(
    site: &SiteArguments,
    out: CommandOutput,
    arguments: ExplainArguments,
) -> Result<CommandAnswer, Error> {
    let found = site.find()?;
    let told = |error: crate::config::Errors| Error::Unavailable(error.to_string());
    let texts = Texts::read(&found.server, &found.reader).map_err(told)?;
    check_clients(&found.server, &found.section, &texts).map_err(told)?;
    let mut nas = clients::find_client(&found.server, &arguments.client)
        .map_err(|error| Error::NotFound(error.to_string()))?;
    nas.address = nas.address.or_else(|| (nas.place, 0).to_socket_addrs().ok()?.next().map(|at| at.ip()));
    let wish = |item| nas.section.value(item);
    let words = ClientTexts::new(&found.config, texts);
    let voice = words.voice_for(wish(clients::PROFILE), wish(clients::LANGUAGE));
    let field = match arguments.password_is {
        Some(text) if text == "-" => Some(input::hidden("password")?),
        text => text.map(Secret::new),
    };

    let context = CommandContext::over(&found, out)?;
    UserName::parse(arguments.user.as_bytes(), &found.config.names)
        .map_err(|bad| Error::usage(&shown(&arguments.user), bad))?;
    let source = AttemptSource {
        client: nas.address.map(|address| address.to_string()).unwrap_or_default(),
        calling_station: shown(&arguments.station),
        request: None,
    };
    let trial = DryRunRequest {
        user: arguments.user,
        source,
        client_name: nas.name.to_owned(),
        groups: arguments.groups,
        mode: arguments.mode.unwrap_or(found.config.mode),
        field,
        voice,
        patience: if found.timers.proxies { WaitMode::Park } else { WaitMode::Block },
    };
    let store = Arc::new(DryRunStore::new(Arc::clone(&context.store)));
    let rehearsed = app::dry_run(&found.config, store, trial.clone())
        .map_err(|error| Error::Unavailable(error.to_string()))?;

    let person = person(&context, &trial.user, &rehearsed.stored_as)?;
    let mut report = ExplainReport::default();
    settings::user(&mut report, &person, &found.config.names);
    settings::client(&mut report, &found, &nas, &trial);
    settings::mode(&mut report, &found, arguments.mode);
    first::tell(&mut report, &found, &trial, &rehearsed);
    settings::policy(&mut report, &found.config, &person, &trial, &rehearsed);
    state(&mut report, &context, &person);
    factors(&mut report, &found, &person, &rehearsed);
    outcome::field(&mut report, &found.config, &trial, &rehearsed);
    outcome::reply(&mut report, &rehearsed);
    let sentence = outcome::sentence(&trial, &rehearsed);
    report.set("outcome", json!(sentence));
    let text = format!("{}\n\n{sentence}", output::facts(&report.lines));
    out.say(&Value::Object(report.object), text)
}

/// `stored_as` is the token owner.
fn person(context: &CommandContext, typed: &str, stored_as: &UserName) -> Result<ExplainedUser, Error> {
    let (typed, name) = (typed.to_owned(), stored_as.clone());
    match context.store.user(&name) {
        Ok(row) => {
            let tokens = context.store.tokens(&name)?;
            Ok(ExplainedUser { typed, name, row: Some(row), tokens })
        }
        Err(crate::store::Error::NoUser(_)) => {
            Ok(ExplainedUser { typed, name, row: None, tokens: Vec::new() })
        }
        Err(error) => Err(error.into()),
    }
}

fn state(report: &mut ExplainReport, context: &CommandContext, person: &ExplainedUser) {
    let Some(row) = &person.row else {
        report.add("state", format!("unknown: mfa user add {}", ShellArgument(person.name.as_str())));
        return report.set("state", json!("unknown"));
    };
    let is_enrolled = person.is_enrolled();
    let locked = lock_of(row, context.now);
    let mut text = locked.clone().unwrap_or_else(|| "not locked".to_owned());
    if !is_enrolled {
        text.push_str(", not enrolled: no token is enabled");
    }
    if row.failures > 0 {
        text.push_str(&format!(", {} failures since the last login", row.failures));
    }
    if row.remembered_until > context.now {
        let until = output::local(row.remembered_until);
        text.push_str(&format!(
            "\nno second factor until {until} at the client and the station of that login, with the same password"
        ));
    }
    report.add("state", text);
    report.set(
        "state",
        json!(if locked.is_some() {
            "locked"
        } else if is_enrolled {
            "open"
        } else {
            "not enrolled"
        }),
    );
    report.set("failures", json!(row.failures));
    let remembered = Some(row.remembered_until).filter(|until| *until > context.now);
    report.set("remembered_until", json!(remembered.map(output::utc)));
}

/// The user's tokens, and what else may have factors for them.
fn factors(
    report: &mut ExplainReport,
    found: &LoadedConfig,
    person: &ExplainedUser,
    rehearsed: &DryRunReport,
) {
    let gateways = |factor| -> Vec<String> {
        match factor {
            Factor::Sms => found.config.sms.gateways.iter().map(|gateway| gateway.name.clone()).collect(),
            Factor::Email => found.config.email.relays.iter().map(|relay| relay.name.clone()).collect(),
            _ => Vec::new(),
        }
    };
    for held in &person.tokens {
        let mut text = format!("{}: {}", held.serial, token::summary(held));
        let by = gateways(held.factor);
        match (held.factor, by.is_empty()) {
            (Factor::Sms, true) => text.push_str("; cannot be sent: no gateway in sms { }"),
            (Factor::Email, true) => text.push_str("; cannot be sent: no relay in email { }"),
            (Factor::Sms | Factor::Email, false) => {
                text.push_str(&format!("; sent by {}", shown(&by.join(", then "))))
            }
            _ => {}
        }
        report.add("token", text);
    }
    let views: Vec<_> = person
        .tokens
        .iter()
        .map(|held| {
            let mut view = crate::cli::token_view::view(held);
            if let Some(fields) = view.as_object_mut() {
                fields.insert("gateways".to_owned(), json!(gateways(held.factor)));
            }
            view
        })
        .collect();
    report.set("tokens", json!(views));
    if let Some((name, adds)) = rehearsed.provider {
        report.add(
            "provider",
            match adds {
                true => format!(
                    "{name}, not asked: a list has the devices there, by their names, in place of \"push\""
                ),
                false => format!("{name}, not asked"),
            },
        );
    }
    report.set("provider", json!(rehearsed.provider.map(|(name, _)| name)));
}
