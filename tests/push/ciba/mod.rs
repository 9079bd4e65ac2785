//! OpenID CIBA.

mod fake;
mod hostile;
mod keys;
mod provider;
mod token;

use crate::harness::SOON;
use rlm_mfa::config::push;
use rlm_mfa::engine::provider::{
    AskOutcome, ProviderError, PushOutcome, PushProvider, PushQuestion, PushRequest, PushRequestKind,
};
use rlm_mfa::types::{Factor, Printable};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A provider with a runtime that its futures run on.
struct Asker {
    provider: Arc<dyn PushProvider>,
    runtime: tokio::runtime::Runtime,
}

impl Asker {
    fn new(config: push::CibaOptions, ca_file: Option<&Path>) -> Self {
        Self::of(open(config, ca_file).unwrap())
    }

    /// One who waits for each answer no longer than a test can.
    fn hasty(config: push::CibaOptions) -> Self {
        Self::of(open_within(config, None, Duration::from_secs(2)).unwrap())
    }

    fn of(provider: Arc<dyn PushProvider>) -> Self {
        Self {
            provider,
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .unwrap(),
        }
    }

    fn ask(&self, ask: PushRequest) -> Result<AskOutcome, ProviderError> {
        self.runtime.block_on(self.provider.start_push(ask))
    }

    /// The question that a user now has.
    fn question(&self, ask: PushRequest) -> PushQuestion {
        match self.ask(ask) {
            Ok(AskOutcome::Waiting(question)) => question,
            other => panic!("{other:?}"),
        }
    }

    fn answer(&self, question: &PushQuestion) -> Result<PushOutcome, ProviderError> {
        self.answer_within(question, 2 * SOON).expect("an answer")
    }

    /// None if there was none in time.
    fn answer_within(
        &self,
        question: &PushQuestion,
        time: Duration,
    ) -> Option<Result<PushOutcome, ProviderError>> {
        let answer = self.provider.await_answer(question);
        let answered = self.runtime.block_on(async { tokio::time::timeout(time, answer).await.ok() })?;
        Some(answered.map(|response| response.outcome))
    }
}

fn open(config: push::CibaOptions, ca_file: Option<&Path>) -> Result<Arc<dyn PushProvider>, String> {
    open_within(config, ca_file, Duration::from_secs(20))
}

fn open_within(
    config: push::CibaOptions,
    ca_file: Option<&Path>,
    timeout: Duration,
) -> Result<Arc<dyn PushProvider>, String> {
    let mut push = push::PushOptions {
        provider: Some(push::ProviderOptions::Ciba(config)),
        ..push::PushOptions::default()
    };
    push.http.timeout = timeout;
    push.http.ca_file = ca_file.map(Into::into);
    rlm_mfa::factor::push::open(&push).map(|provider| provider.unwrap()).map_err(|why| why.to_string())
}

/// A login of this user.
fn login(user: &str) -> PushRequest {
    PushRequest {
        user: user.into(),
        asking: PushRequestKind::Device(None),
        client: "192.0.2.1".into(),
        calling_station: "198.51.100.7".into(),
        number: None,
        limit: Duration::from_secs(25),
    }
}

fn approved() -> PushOutcome {
    PushOutcome::Approved { factor: Factor::Push, device: Printable::new("ciba") }
}

/// What went wrong, which must not have been taken for a provider that was never reached.
fn failed<T: std::fmt::Debug>(result: Result<T, ProviderError>) -> String {
    match result {
        Err(ProviderError::Failed(text)) => text,
        other => panic!("{other:?}"),
    }
}
