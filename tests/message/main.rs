//! Those who carry codes: SMS gateways and mail relays, each against the real thing where it can be had.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails may panic"
)]

mod email;
mod fake;
mod hostile;
mod kannel;
mod presets;

use mfa_harness as harness;
use rlm_mfa::config::{self, Config};
use rlm_mfa::engine::messenger::TextMessage;
use rlm_mfa::factor::message::{DeliveryError, DeliveryResult, MessageGateways, RelayProbe, open};
use rlm_mfa::types::{Factor, Secret};
use std::sync::Arc;
use tokio::runtime::Runtime;

/// The code that is sent; no log and no error may hold it.
const CODE: &str = "738201";
/// The user's number.
const NUMBER: &str = "+41791234567";

/// A messenger with these options.
struct Sender {
    messages: Arc<MessageGateways>,
    runtime: Runtime,
}

impl Sender {
    fn new(options: &str) -> Self {
        let messages = open(&configured(options)).unwrap().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { messages, runtime }
    }

    /// A message with the code, by the way that this address is for.
    fn send(&self, to: &str) -> DeliveryResult {
        self.say(to, &format!("Your code is {CODE}"))
    }

    fn say(&self, to: &str, text: &str) -> DeliveryResult {
        let factor = if to.contains('@') { Factor::Email } else { Factor::Sms };
        let message =
            TextMessage { factor, to: to.to_owned(), subject: "Your code".into(), text: Secret::new(text) };
        let sent = self.runtime.block_on(self.messages.deliver_message(message));
        for refusal in &sent.refusals {
            without_secrets(&refusal.why.to_string(), to);
        }
        sent
    }

    fn probe(&self) -> Vec<RelayProbe> {
        self.runtime.block_on(self.messages.probe_all())
    }
}

fn configured(options: &str) -> Config {
    let tree = config::read_text(format!("mfa {{\n{options}\n}}\n"), &|_| None).unwrap();
    Config::read(tree.section("mfa").unwrap()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// Who took it.
#[track_caller]
fn taken(sent: &DeliveryResult) -> &str {
    sent.by.as_deref().unwrap_or_else(|| panic!("{sent:?}"))
}

/// The one who refused.
#[track_caller]
fn refused(sent: &DeliveryResult) -> &str {
    match sent.refusals.as_slice() {
        [refusal] if sent.by.is_none() => match &refusal.why {
            DeliveryError::Refused(text) => text,
            why => panic!("{why:?}"),
        },
        _ => panic!("{sent:?}"),
    }
}

/// The one who was not reached.
#[track_caller]
fn unreachable(sent: &DeliveryResult) -> &str {
    match sent.refusals.as_slice() {
        [refusal] if sent.by.is_none() => match &refusal.why {
            DeliveryError::Unreachable(text) => text,
            why => panic!("{why:?}"),
        },
        _ => panic!("{sent:?}"),
    }
}

/// The one who may have it.
#[track_caller]
fn unsure(sent: &DeliveryResult) -> &str {
    match sent.refusals.last() {
        Some(refusal) if sent.by.is_none() => match &refusal.why {
            DeliveryError::Unsure(text) => text,
            why => panic!("{why:?}"),
        },
        _ => panic!("{sent:?}"),
    }
}

/// No text for the log holds the code, a credential, the number or the mailbox, nor breaks the line.
#[track_caller]
fn without_secrets(text: &str, to: &str) {
    let secrets = [CODE, to, to.trim_start_matches('+'), harness::kannel::PASSWORD, harness::smtp::PASSWORD];
    for secret in secrets.into_iter().chain(["\n", "\u{1b}"]) {
        assert!(secret.is_empty() || !text.contains(secret), "{secret:?} in {text:?}");
    }
}
