//! What comes of a delivery, and of a probe.

use crate::engine::provider::ProviderError;
use crate::types::{Factor, Printable, ProbeFault};

/// The result of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryResult {
    /// The gateway or relay that accepted it.
    pub by: Option<String>,
    /// Why the hosts tried before did not accept it, in order; all of them, if none accepted it.
    pub refusals: Vec<DeliveryRefusal>,
}

/// A host that did not accept the message, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRefusal {
    /// The gateway or relay.
    pub by: String,
    /// Why it did not accept the message.
    pub why: DeliveryError,
}

/// Why a gateway or a relay did not accept a message. The texts are for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeliveryError {
    /// The message was not sent: no connection, no TLS, or no valid certificate.
    #[error("{0}")]
    Unreachable(String),
    /// The host refused the message or the credentials.
    #[error("{0}")]
    Refused(String),
    /// The host may have the message or not: no answer, or one that cannot be understood.
    #[error("{0}")]
    Unsure(String),
}

/// The result of a probe that sends no message, for `mfa doctor`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayProbe {
    /// [`Factor::Sms`] or [`Factor::Email`].
    pub factor: Factor,
    /// The gateway's or relay's name.
    pub name: String,
    /// What works, if anything could be tried; or the error.
    pub found: Result<Option<String>, ProbeFault>,
}

impl DeliveryResult {
    pub(super) fn not_delivered(by: &str, why: impl Into<String>) -> Self {
        let refusal = DeliveryRefusal { by: by.to_owned(), why: DeliveryError::Refused(why.into()) };
        Self { by: None, refusals: vec![refusal] }
    }

    /// The answers of the others if one host accepted the message.
    ///
    /// # Errors
    ///
    /// No host accepted it; `Unreachable` if none could be reached.
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

    /// Records the result of one host; `None` if the next one is to be tried.
    pub(super) fn record_failure(&mut self, by: &str, result: Result<(), DeliveryError>) -> Option<()> {
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

    pub(super) const fn new() -> Self {
        Self { by: None, refusals: Vec::new() }
    }
}

/// A remote text for the log, with words that hold a mailbox or a number masked.
pub(super) fn scrub_text(text: &str) -> Printable {
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
