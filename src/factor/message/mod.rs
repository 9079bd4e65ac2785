//! Delivery of codes to users: SMS gateways and mail relays, tried in the order of the configuration. [`open`] makes them.
//!
//! The next one is tried only if the last one cannot have accepted the message, or has refused it. No error text holds a
//! code, a credential, a whole number or mailbox.

mod delivery;
mod email;
mod gsm;
mod sms;
#[doc(hidden)]
pub mod smtp;

pub use delivery::{DeliveryError, DeliveryRefusal, DeliveryResult, RelayProbe};

use crate::config::Config;
use crate::engine::messenger::{MailPicture, Messenger, TextMessage};
use crate::engine::provider::{ProviderError, ProviderFuture};
use crate::types::Factor;
use crate::types::SetupError;
use std::sync::Arc;

/// All gateways and relays.
pub struct MessageGateways {
    sms: Option<Arc<sms::SmsGateways>>,
    email: Option<Arc<email::EmailRelays>>,
}

/// Gateways and relays of `sms { }` and `email { }`, if there are any. Nothing is sent; files are read.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn open(config: &Config) -> Result<Option<Arc<MessageGateways>>, SetupError> {
    let sms = match config.sms.gateways.is_empty() {
        true => None,
        false => Some(Arc::new(sms::SmsGateways::new(&config.sms).map_err(|why| why.in_section("sms"))?)),
    };
    let email = match &config.email.from {
        Some(from) if !config.email.relays.is_empty() => Some(Arc::new(
            email::EmailRelays::new(&config.email, from).map_err(|why| why.in_section("email"))?,
        )),
        _ => None,
    };
    Ok((sms.is_some() || email.is_some()).then(|| Arc::new(MessageGateways { sms, email })))
}

impl MessageGateways {
    /// The same as [`Messenger::send`], and returns which host accepted the message and why the others did not.
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

    /// The same, for a mail with a picture.
    pub fn deliver_with(
        &self,
        message: TextMessage,
        picture: Option<MailPicture>,
    ) -> ProviderFuture<DeliveryResult> {
        let Some(email) = self.email.clone() else { return self.deliver_message(message) };
        Box::pin(async move { email.deliver_mail(&message, picture.as_ref()).await })
    }

    /// Checks that each host can be reached and accepts the credentials, as far as possible without sending a message.
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
