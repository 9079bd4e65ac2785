//! What all push providers use: their texts, their errors, and the name that no user has.

use crate::engine::provider::ProviderError;
use crate::http;
use crate::types::Printable;
use data_encoding::HEXLOWER;

/// A provider's text in one line that is safe for the log, and for the user where the provider means it for the user.
pub(super) fn provider_text(text: Option<&str>) -> Printable {
    let words: Vec<_> = text.unwrap_or_default().split_whitespace().collect();
    Printable::new(words.join(" "))
}

/// The text of `mfa doctor` for the result of [`invented_name`].
pub(super) const INVENTED: &str = "a name that no user has";

/// A name that no user has, for `mfa doctor`: a provider that accepts it accepts everyone.
pub(super) fn invented_name() -> Result<String, ProviderError> {
    let mut octets = [0; 8];
    getrandom::fill(&mut octets)
        .map_err(|error| ProviderError::Failed(format!("the system gives no random octets: {error}")))?;
    Ok(format!("mfa-doctor-{}", HEXLOWER.encode(&octets)))
}

impl http::Error {
    /// For a call that asks the user nothing: no connection and no answer are the same.
    pub(crate) fn before_asking(self) -> ProviderError {
        match self {
            Self::Unreachable(text) | Self::Silent(text) => ProviderError::Unreachable(text),
            Self::Stranger(text) | Self::Broken(text) => ProviderError::Failed(text),
        }
    }

    /// For a call that sends a push: only if the request was never sent, the user was not asked.
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
