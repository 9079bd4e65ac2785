//! What comes of a delivery, and of a probe.

use crate::engine::provider::ProviderError;
use crate::types::{Factor, Printable};

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

impl DeliveryResult {
    pub(super) fn not_delivered(by: &str, why: impl Into<String>) -> Self {
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

/// A stranger's text for the log, without what the message was about: words that hold a mailbox or a number are left out.
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
