//! The push providers, each behind [`PushProvider`]; [`open`] makes the one that the configuration names.
//!
//! All of them use the one HTTP client ([`http`]): TLS by rustls, bounded time and size, no redirects.

#[doc(hidden)]
pub mod ciba;
mod common;
#[doc(hidden)]
pub mod duo;
#[doc(hidden)]
pub mod privacyidea;
#[doc(hidden)]
pub mod webhook;

use crate::config::push;
use crate::engine::provider::PushProvider;
use crate::http;
use crate::types::SetupError;
use std::sync::Arc;

/// The provider of `push { }`, if there is one. Nothing is sent; files are read.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn open(config: &push::PushOptions) -> Result<Option<Arc<dyn PushProvider>>, SetupError> {
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
