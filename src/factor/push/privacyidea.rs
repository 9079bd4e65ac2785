//! PrivacyIdea.

use super::http::Client;
use crate::config::push;
use crate::engine::provider::{Ask, Asked, Outcome, Pending, Provider, Question, Trouble};

/// PrivacyIdea.
pub(super) struct PrivacyIdea {
    config: push::PrivacyIdea,
    http: Client,
}

impl PrivacyIdea {
    /// Reaches it by `http`.
    pub(super) fn new(config: &push::PrivacyIdea, http: Client) -> Self {
        Self { config: config.clone(), http }
    }
}

impl Provider for PrivacyIdea {
    fn name(&self) -> &'static str {
        "privacyidea"
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
