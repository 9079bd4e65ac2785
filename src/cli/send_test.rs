//! `mfa send-test`: sends a harmless message, and says who took it.

use super::context::SiteArguments;
use super::error::{CommandAnswer, Error};
use super::output::{self, CommandOutput, OutputFormat};
use crate::app;
use crate::engine::messenger::TextMessage;
use crate::types::{Factor, Mailbox, PhoneNumber, Secret};
use serde_json::json;

/// Text of the test message.
const TEXT: &str = "This is a test of the login server. There is nothing to do.";

#[derive(clap::Args)]
pub(super) struct SendTestArguments {
    /// The channel: sms or email
    #[arg(value_enum)]
    way: DeliveryChannel,
    /// The telephone number or the mailbox
    to: String,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum DeliveryChannel {
    Sms,
    Email,
}

pub(super) fn run(
    site: &SiteArguments,
    out: CommandOutput,
    arguments: &SendTestArguments,
) -> Result<CommandAnswer, Error> {
    let found = site.find()?;
    found.follow_writer()?;
    let config = found.config;
    let what = output::shown(&arguments.to);
    let (factor, section, to) = match arguments.way {
        DeliveryChannel::Sms => {
            let phone = PhoneNumber::parse(&arguments.to, config.sms.country_code.as_ref());
            let phone = phone.map_err(|why| Error::usage(&what, why))?;
            (Factor::Sms, "gateway in sms { }", phone.as_str().to_owned())
        }
        DeliveryChannel::Email => {
            let mailbox = Mailbox::parse(&arguments.to).map_err(|why| Error::usage(&what, why))?;
            (Factor::Email, "relay in email { }", mailbox.as_str().to_owned())
        }
    };
    let message = TextMessage { factor, to: to.clone(), subject: "Test".to_owned(), text: Secret::new(TEXT) };
    let sent = app::send(&config, message).map_err(|error| Error::Unavailable(error.to_string()))?;
    let sent = sent.ok_or_else(|| Error::Unavailable(format!("there is no {section}: configure one")))?;
    let refusals: Vec<_> = sent
        .refusals
        .iter()
        .map(|refusal| json!({ "gateway": refusal.by, "why": refusal.why.to_string() }))
        .collect();
    if out.form() == OutputFormat::Text {
        for refusal in &sent.refusals {
            output::note(format_args!("{}: {}", output::shown(&refusal.by), refusal.why));
        }
    }
    let told = json!({ "to": to, "gateway": sent.by, "refusals": refusals });
    match &sent.by {
        Some(by) => out.say(&told, format_args!("{} took the message to {to}", output::shown(by))),
        None => {
            if out.form() == OutputFormat::Json {
                let _ = out.say(&told, "")?;
            }
            output::note("no gateway or relay accepted the message");
            Ok(CommandAnswer::No)
        }
    }
}
