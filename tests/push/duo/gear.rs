//! Duo, and the provider that is tested on it.

use crate::harness::SOON;
use crate::harness::duo::{Duo, IKEY, SKEY};
use rlm_mfa::config::{self, Config, push};
use rlm_mfa::engine::provider::{
    AskOutcome, ProviderError, PushOutcome, PushProvider, PushQuestion, PushRequest, PushRequestKind,
    PushResponse,
};
use rlm_mfa::factor::push::open;
use rlm_mfa::types::{FactorChoice, Passcode};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Duo, and its client.
pub struct Site {
    pub duo: Duo,
    pub user: User,
}

/// A client of Duo.
pub struct User {
    provider: Arc<dyn PushProvider>,
    runtime: Runtime,
}

/// `push { }` for this Duo as it is configured, with an `api_timeout` that no slow machine exceeds.
pub fn options(duo: &Duo) -> push::PushOptions {
    options_within(duo, 20)
}

/// The same with that `api_timeout`.
pub fn options_within(duo: &Duo, seconds: u32) -> push::PushOptions {
    let text = format!("mfa {{\npush {{\n{}api_timeout = {seconds}\n}}\n}}\n", duo.options());
    let tree = config::read_text(text, &|_| None).unwrap();
    Config::read(tree.section("mfa").unwrap()).unwrap().push
}

/// A login of `user` that may take 20 s.
pub fn login(user: &str, asking: PushRequestKind) -> PushRequest {
    PushRequest {
        user: user.into(),
        asking,
        client: "192.0.2.1".into(),
        calling_station: "198.51.100.7".into(),
        number: None,
        limit: Duration::from_secs(20),
    }
}

impl Site {
    pub fn start() -> Self {
        let duo = Duo::start();
        let user = User::new(&options(&duo));
        Self { duo, user }
    }

    /// The same with an `api_timeout` that a test can wait for.
    pub fn hasty() -> Self {
        let duo = Duo::start();
        let user = User::new(&options_within(&duo, 2));
        Self { duo, user }
    }
}

impl Deref for Site {
    type Target = User;
    fn deref(&self) -> &User {
        &self.user
    }
}

impl User {
    pub fn new(options: &push::PushOptions) -> Self {
        let provider = open(options).unwrap().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        Self { provider, runtime }
    }

    pub fn ask(&self, ask: PushRequest) -> Result<AskOutcome, ProviderError> {
        self.runtime.block_on(self.provider.start_push(ask))
    }

    /// Sends a push to the device of the user's choice: `push2`; empty is the default one.
    pub fn device(&self, user: &str, choice: &str) -> Result<AskOutcome, ProviderError> {
        let choice = (!choice.is_empty()).then(|| FactorChoice::parse(choice.as_bytes()).unwrap());
        self.ask(login(user, PushRequestKind::Device(choice)))
    }

    /// Has a user's passcode checked.
    pub fn passcode(&self, user: &str, passcode: &str) -> Result<AskOutcome, ProviderError> {
        self.ask(login(user, PushRequestKind::Passcode(Passcode::parse(passcode.as_bytes()).unwrap())))
    }

    /// The push that a user has now.
    pub fn question(&self, user: &str) -> PushQuestion {
        match self.device(user, "").unwrap() {
            AskOutcome::Waiting(question) => question,
            decided => panic!("{decided:?}"),
        }
    }

    pub fn answer(&self, question: &PushQuestion) -> Result<PushOutcome, ProviderError> {
        let answer = self.provider.await_answer(question);
        let answered = self.runtime.block_on(async { tokio::time::timeout(2 * SOON, answer).await }).unwrap();
        answered.map(|response| response.outcome)
    }

    /// The answer, if there is one within that time.
    pub fn answer_within(
        &self,
        question: &PushQuestion,
        limit: Duration,
    ) -> Option<Result<PushOutcome, ProviderError>> {
        let answer = self.provider.await_answer(question);
        let answered = self.runtime.block_on(async { tokio::time::timeout(limit, answer).await }).ok()?;
        Some(answered.map(|response| response.outcome))
    }

    pub fn probe(&self) -> Result<Option<String>, ProviderError> {
        self.runtime.block_on(self.provider.probe_service())
    }

    pub fn cancel(&self, question: &PushQuestion) {
        self.runtime.block_on(self.provider.cancel_push(question));
    }
}

/// What was decided at once.
pub fn decided(asked: Result<AskOutcome, ProviderError>) -> PushOutcome {
    response(asked).outcome
}

/// The same with Duo's words.
pub fn response(asked: Result<AskOutcome, ProviderError>) -> PushResponse {
    match asked {
        Ok(AskOutcome::Decided(response)) => response,
        other => panic!("{other:?}"),
    }
}

/// Why Duo could not be reached before the user was asked.
#[track_caller]
pub fn unreachable<T: std::fmt::Debug>(result: Result<T, ProviderError>) -> String {
    match result {
        Err(ProviderError::Unreachable(text)) => without_secrets(text),
        other => panic!("{other:?}"),
    }
}

/// Why there is neither yes nor no.
#[track_caller]
pub fn failed<T: std::fmt::Debug>(result: Result<T, ProviderError>) -> String {
    match result {
        Err(ProviderError::Failed(text)) => without_secrets(text),
        other => panic!("{other:?}"),
    }
}

/// No text for the log holds a key, a query or a line break.
#[track_caller]
pub fn without_secrets(text: String) -> String {
    for secret in [SKEY, IKEY, "txid", "?", "Basic ", "\n", "\u{1b}"] {
        assert!(!text.contains(secret), "{secret:?} in {text:?}");
    }
    text
}
