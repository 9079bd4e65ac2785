//! Ciba.

use super::http::Client;
use crate::config::push;
use crate::engine::provider::{Ask, Asked, Outcome, Pending, Provider, Question, Trouble};

/// Ciba.
pub(super) struct Ciba {
    config: push::Ciba,
    http: Client,
}

impl Ciba {
    /// Reaches it by `http`.
    pub(super) fn new(config: &push::Ciba, http: Client) -> Result<Self, String> {
        Ok(Self { config: config.clone(), http })
    }
}

impl Provider for Ciba {
    fn name(&self) -> &'static str {
        "ciba"
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
