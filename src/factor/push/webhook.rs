//! Webhook.

use super::http::Client;
use crate::config::push;
use crate::engine::provider::{Ask, Asked, Outcome, Pending, Provider, Question, Trouble};

/// Webhook.
pub(super) struct Webhook {
    config: push::Webhook,
    http: Client,
}

impl Webhook {
    /// Reaches it by `http`.
    pub(super) fn new(config: &push::Webhook, http: Client) -> Self {
        Self { config: config.clone(), http }
    }
}

impl Provider for Webhook {
    fn name(&self) -> &'static str {
        "webhook"
    }

    fn ask(&self, _ask: Ask) -> Pending<Result<Asked, Trouble>> {
        let _ = (&self.config, &self.http);
        Box::pin(async { Err(Trouble::Failed("not there yet".into())) })
    }

    fn answer(&self, _question: &Question) -> Pending<Result<Outcome, Trouble>> {
        Box::pin(async { Err(Trouble::Failed("not there yet".into())) })
    }

    fn cancel(&self, _question: &Question) -> Pending<()> {
        Box::pin(async {})
    }
}
