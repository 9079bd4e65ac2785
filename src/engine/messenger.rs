//! Traits for sending codes: SMS gateways, mail relays. The engine owns them; `factor::message` implements them.

use super::provider::{ProviderError, ProviderFuture};
use crate::types::{Factor, Secret};
use std::time::Duration;

/// Sends texts to users. What the text says is decided elsewhere; here it is only carried.
pub trait Messenger: Send + Sync {
    /// Whether there is a way for messages of this factor: [`Factor::Sms`] or [`Factor::Email`].
    fn can_send(&self, factor: Factor) -> bool;

    /// Hands a message to the first gateway that accepts it. `Ok` means that one did, not that the user has the
    /// message; its text says what the gateways tried before it answered: for the log.
    ///
    /// Every call to a gateway is bounded in time. The next one is only tried where the last one cannot have taken it
    /// ([`ProviderError::Unreachable`]) or has refused it: no user gets two messages.
    fn send(&self, message: TextMessage) -> ProviderFuture<Result<Vec<String>, ProviderError>>;
}

/// A message to a user.
#[derive(Clone, Debug)]
pub struct TextMessage {
    /// SMS or e-mail.
    pub factor: Factor,
    /// The telephone number in E.164 (`+41791234567`), or the mailbox.
    pub to: String,
    /// The subject, for mail.
    pub subject: String,
    /// The text, with the code in it.
    pub text: Secret,
}

/// A picture (PNG) beside the text of a mail.
#[derive(Clone, Debug)]
pub struct MailPicture {
    /// What the file is called.
    pub name: &'static str,
    /// It may hold a secret.
    pub octets: Secret,
}

/// Puts a code into the words of one login's client and sends it.
pub trait CodeCourier: Send + Sync {
    /// See [`Messenger::send`].
    fn send(&self, parcel: OutgoingCode) -> ProviderFuture<Result<(), ProviderError>>;
}

/// A code that goes to a user.
#[derive(Clone, Debug)]
pub struct OutgoingCode {
    /// SMS or e-mail.
    pub factor: Factor,
    /// The telephone number, or the mailbox.
    pub to: String,
    /// The code to send.
    pub code: Secret,
    /// Name of the user.
    pub user: String,
    /// The client's address.
    pub client: String,
    /// For how long it works.
    pub life: Duration,
}
