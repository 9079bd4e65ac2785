//! Those who carry codes to users: SMS gateways and mail relays, tried in the order of the configuration. [`open`] makes them.
//!
//! The next one is tried only if the last one cannot have taken the message, or has said that it did not. No error text holds a
//! code, a credential, a whole number or mailbox.

mod email;
mod gsm;
mod sms;
#[doc(hidden)]
pub mod smtp;

use crate::config::Config;
use crate::engine::messenger::{MailPicture, Messenger, TextMessage};
use crate::engine::provider::{ProviderError, ProviderFuture};
use crate::types::{Factor, Printable};
use std::sync::Arc;

/// All gateways and relays.
pub struct MessageGateways {
    sms: Option<Arc<sms::SmsGateways>>,
    email: Option<Arc<email::EmailRelays>>,
}

/// What came of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryResult {
    /// The gateway or relay that accepted it.
    pub by: Option<String>,
    /// What the hosts tried before answered, in order; all of them, if none accepted it.
    pub refusals: Vec<DeliveryRefusal>,
}

/// Why one of them did not take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRefusal {
    /// The gateway or relay.
    pub by: String,
    /// Why it did not accept the message.
    pub why: DeliveryError,
}

/// Why a gateway or a relay did not take a message. The texts are for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// It was not sent: no connection, no TLS, no proof of who it is.
    #[error("{0}")]
    Unreachable(String),
    /// It said that it does not take it, or us.
    #[error("{0}")]
    Refused(String),
    /// It may have it, or not: no answer, or none that can be understood.
    #[error("{0}")]
    Unsure(String),
}

/// A relay's answers without sending a message: for `mfa doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayProbe {
    /// [`Factor::Sms`] or [`Factor::Email`].
    pub factor: Factor,
    /// The gateway's or relay's name.
    pub name: String,
    /// What is well, if anything could be tried; or what is not.
    pub found: Result<Option<String>, String>,
}

/// Gateways and relays of `sms { }` and `email { }`, if there are any. Nothing is sent; files are read.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn open(config: &Config) -> Result<Option<Arc<MessageGateways>>, String> {
    let sms = match config.sms.gateways.is_empty() {
        true => None,
        false => Some(Arc::new(sms::SmsGateways::new(&config.sms).map_err(|why| format!("sms: {why}"))?)),
    };
    let email = match &config.email.from {
        Some(from) if !config.email.relays.is_empty() => Some(Arc::new(
            email::EmailRelays::new(&config.email, from).map_err(|why| format!("email: {why}"))?,
        )),
        _ => None,
    };
    Ok((sms.is_some() || email.is_some()).then(|| Arc::new(MessageGateways { sms, email })))
}

impl MessageGateways {
    /// The same as [`Messenger::send`], and tells who took it and what the others said.
    pub fn deliver_message(&self, message: TextMessage) -> ProviderFuture<DeliveryResult> {
        match (message.factor, &self.sms, &self.email) {
            (Factor::Sms, Some(sms), _) => {
                let sms = Arc::clone(sms);
                Box::pin(async move { sms.deliver_sms(&message).await })
            }
            (Factor::Email, _, Some(email)) => {
                let email = Arc::clone(email);
                Box::pin(async move { email.deliver_mail(&message, None).await })
            }
            (factor, ..) => {
                Box::pin(std::future::ready(DeliveryResult::not_delivered(factor.as_str(), "no way to send")))
            }
        }
    }

    /// The same for a mail with a picture.
    pub fn deliver_with(
        &self,
        message: TextMessage,
        picture: Option<MailPicture>,
    ) -> ProviderFuture<DeliveryResult> {
        let Some(email) = self.email.clone() else { return self.deliver_message(message) };
        Box::pin(async move { email.deliver_mail(&message, picture.as_ref()).await })
    }

    /// Looks whether each can be reached and takes our credentials, as far as that goes without sending anything.
    pub fn probe_all(&self) -> ProviderFuture<Vec<RelayProbe>> {
        let (sms, email) = (self.sms.clone(), self.email.clone());
        Box::pin(async move {
            let mut all = Vec::new();
            for name in sms.iter().flat_map(|sms| sms.gateway_names()) {
                all.push(RelayProbe { factor: Factor::Sms, name: name.to_owned(), found: Ok(None) });
            }
            if let Some(email) = email {
                all.extend(email.probe_relays().await);
            }
            all
        })
    }
}

impl Messenger for MessageGateways {
    fn can_send(&self, factor: Factor) -> bool {
        match factor {
            Factor::Sms => self.sms.is_some(),
            Factor::Email => self.email.is_some(),
            _ => false,
        }
    }

    fn send(&self, message: TextMessage) -> ProviderFuture<Result<Vec<String>, ProviderError>> {
        let delivery = self.deliver_message(message);
        Box::pin(async move { delivery.await.delivered() })
    }
}

impl DeliveryResult {
    fn not_delivered(by: &str, why: impl Into<String>) -> Self {
        let refusal = DeliveryRefusal { by: by.to_owned(), why: DeliveryError::Refused(why.into()) };
        Self { by: None, refusals: vec![refusal] }
    }

    /// What the others answered, if one accepted the message. Unreachable if all were.
    pub fn delivered(self) -> Result<Vec<String>, ProviderError> {
        let is_unreachable =
            self.refusals.iter().all(|refusal| matches!(refusal.why, DeliveryError::Unreachable(_)));
        let texts: Vec<String> =
            self.refusals.iter().map(|refusal| format!("{}: {}", refusal.by, refusal.why)).collect();
        if self.by.is_some() {
            return Ok(texts);
        }
        let text = texts.join("; ");
        Err(if is_unreachable { ProviderError::Unreachable(text) } else { ProviderError::Failed(text) })
    }

    /// Notes what one of them did; `None` if the next one is to be tried.
    fn record_failure(&mut self, by: &str, result: Result<(), DeliveryError>) -> Option<()> {
        let why = match result {
            Ok(()) => {
                self.by = Some(by.to_owned());
                return Some(());
            }
            Err(why) => why,
        };
        let is_over = matches!(why, DeliveryError::Unsure(_));
        self.refusals.push(DeliveryRefusal { by: by.to_owned(), why });
        is_over.then_some(())
    }

    const fn new() -> Self {
        Self { by: None, refusals: Vec::new() }
    }
}

/// A stranger's text for the log, without what the message was about: words that hold a mailbox or a number are left out.
fn scrub_text(text: &str) -> Printable {
    let is_private = |word: &&str| word.contains('@') || word.bytes().filter(u8::is_ascii_digit).count() > 5;
    let words: Vec<&str> =
        text.split_whitespace().map(|word| if is_private(&word) { "***" } else { word }).collect();
    Printable::new(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_one_is_tried_unless_the_last_may_have_it() {
        let text = || "why".to_owned();
        let mut sent = DeliveryResult::new();
        assert_eq!(sent.record_failure("a", Err(DeliveryError::Unreachable(text()))), None);
        assert_eq!(sent.clone().delivered(), Err(ProviderError::Unreachable("a: why".into())));
        assert_eq!(sent.record_failure("b", Err(DeliveryError::Refused(text()))), None);
        assert_eq!(sent.clone().delivered(), Err(ProviderError::Failed("a: why; b: why".into())));
        assert_eq!(sent.clone().record_failure("c", Err(DeliveryError::Unsure(text()))), Some(()));
        assert_eq!(sent.record_failure("c", Ok(())), Some(()));
        assert_eq!((sent.by.as_deref(), sent.refusals.len()), (Some("c"), 2));
        assert_eq!(sent.delivered(), Ok(vec!["a: why".into(), "b: why".into()]), "for the log");
    }

    #[test]
    fn strangers_words_are_told_without_whom_they_are_about() {
        let text =
            scrub_text("5.1.1 <alice@example.test>: no\r\n such user +41791234567 code 123456 (4.7.1)");
        assert_eq!(text.as_str(), "5.1.1 *** no such user *** code *** (4.7.1)");
    }
}
