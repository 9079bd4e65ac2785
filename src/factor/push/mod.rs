//! Those who ask users on their devices, each behind [`Provider`]; [`open`] picks the one of the configuration.
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

use super::http;
use crate::config::push;
use crate::engine::provider::Provider;
use std::sync::Arc;

/// The provider of `push { }`, if there is one. Nothing is sent; files are read.
///
/// # Errors
///
/// A sentence that names the option and the file.
pub fn open(config: &push::Push) -> Result<Option<Arc<dyn Provider>>, String> {
    let Some(provider) = &config.provider else { return Ok(None) };
    let http = http::Client::new(&config.http)?;
    Ok(Some(match provider {
        push::Provider::Duo(duo) => Arc::new(duo::Duo::new(duo, http)?),
        push::Provider::Ciba(ciba) => Arc::new(ciba::Ciba::new(ciba, http)?),
        push::Provider::PrivacyIdea(privacyidea) => {
            Arc::new(privacyidea::PrivacyIdea::new(privacyidea, http))
        }
        push::Provider::Webhook(webhook) => Arc::new(webhook::Webhook::new(webhook, http)),
    }))
}
