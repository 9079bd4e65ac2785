//! Those who ask users on their devices, each behind [`push::ProviderOptions`]; [`open`] picks the one of the configuration.
//!
//! All of them go through the one HTTP client ([`http`]): TLS by rustls, bounded time and size, no redirects.

#[doc(hidden)]
pub mod ciba;
#[doc(hidden)]
pub mod duo;
#[doc(hidden)]
pub mod privacyidea;
#[doc(hidden)]
pub mod webhook;

use crate::config::push;
use crate::engine::provider::{ProviderError, PushProvider};
use crate::http;
use crate::types::Printable;
use data_encoding::HEXLOWER;
use std::sync::Arc;

/// The provider of `push { }`, if there is one. Nothing is sent; files are read.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn open(config: &push::PushOptions) -> Result<Option<Arc<dyn PushProvider>>, String> {
    let Some(provider) = &config.provider else { return Ok(None) };
    let http = http::HttpClient::new(&config.http)?;
    Ok(Some(match provider {
        push::ProviderOptions::Duo(duo) => Arc::new(duo::DuoProvider::new(duo, http)?),
        push::ProviderOptions::Ciba(ciba) => Arc::new(ciba::CibaProvider::new(ciba, http)?),
        push::ProviderOptions::PrivacyIdea(privacyidea) => {
            Arc::new(privacyidea::PrivacyIdeaProvider::new(privacyidea, http))
        }
        push::ProviderOptions::Webhook(webhook) => Arc::new(webhook::WebhookProvider::new(webhook, http)),
    }))
}

/// A provider's own words, in one line that is fit for the log and, where the provider means them for the user, for the user.
fn provider_text(text: Option<&str>) -> Printable {
    let words: Vec<_> = text.unwrap_or_default().split_whitespace().collect();
    Printable::new(words.join(" "))
}

/// What `mfa doctor` calls [`invented_name`].
const INVENTED: &str = "a name that no user has";

/// A name that no user has, for `mfa doctor`: a provider that lets it in lets everybody in.
fn invented_name() -> Result<String, ProviderError> {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets)
        .map_err(|error| ProviderError::Failed(format!("the system gives no random octets: {error}")))?;
    Ok(format!("mfa-doctor-{}", HEXLOWER.encode(&octets)))
}

impl http::Error {
    /// As seen by a caller whose call asks the user nothing: no connection and no answer are the same.
    pub(crate) fn before_asking(self) -> ProviderError {
        match self {
            Self::Unreachable(text) | Self::Silent(text) => ProviderError::Unreachable(text),
            Self::Stranger(text) | Self::Broken(text) => ProviderError::Failed(text),
        }
    }

    /// For a call that sends a push: only a request that was never sent has not asked the user.
    pub(crate) fn while_asking(self) -> ProviderError {
        match self {
            Self::Unreachable(text) => ProviderError::Unreachable(text),
            Self::Silent(text) | Self::Stranger(text) | Self::Broken(text) => ProviderError::Failed(text),
        }
    }
}

impl From<http::Error> for ProviderError {
    fn from(error: http::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Error;

    #[test]
    fn words_of_a_provider_are_one_line() {
        assert_eq!(
            provider_text(Some(" Not from\r\n this\tnetwork.\u{1b}[2J ")).as_str(),
            "Not from this network.\\x1b[2J"
        );
        assert_eq!(provider_text(None), Printable::default());
        assert_eq!(provider_text(Some(&"\u{e4} ".repeat(999))).as_str().len(), 253 - 1);
    }

    #[test]
    fn what_went_wrong_tells_who_may_have_been_asked() {
        let text = || "why".to_owned();
        for (error, before, asking) in [
            (
                Error::Unreachable(text()),
                ProviderError::Unreachable(text()),
                ProviderError::Unreachable(text()),
            ),
            (Error::Silent(text()), ProviderError::Unreachable(text()), ProviderError::Failed(text())),
            (Error::Stranger(text()), ProviderError::Failed(text()), ProviderError::Failed(text())),
            (Error::Broken(text()), ProviderError::Failed(text()), ProviderError::Failed(text())),
        ] {
            assert_eq!(error.clone().before_asking(), before);
            assert_eq!(error.clone().while_asking(), asking);
            assert_eq!(ProviderError::from(error), ProviderError::Failed(text()));
        }
    }
}
