//! Measures store, provider and password backends where they are called.

use super::backend_latency::BackendLatency;
use super::metrics::{InstanceMetrics, RunningMeasurement};
use crate::config::FailureLimits;
use crate::engine::challenge::ChallengeState;
use crate::engine::directory::{
    self, AuthFailure, Credentials, DirectoryUser, PasswordBackend, PasswordResponse, UserDirectory,
};
use crate::engine::port::{
    Account, AttemptCommit, CodeSending, NewCode, PasswordConfirmation, RememberedLoginDigest, StateDigest,
    Store, StoreFuture,
};
use crate::engine::provider::{
    AskOutcome, ProviderError, ProviderFactors, ProviderFuture, PushOutcome, PushProvider, PushQuestion,
    PushRequest, PushResponse,
};
use crate::engine::{AttemptSource, Gate, PasswordProof, Reason};
use crate::types::{Secret, Timestamp, UserName};
use once_cell::sync::OnceCell;
use std::sync::Arc;
use std::time::Instant;

/// A backend, with its calls measured.
pub(crate) struct MeteredClient<T: ?Sized> {
    pub(crate) inner: Arc<T>,
    pub(crate) metrics: Arc<InstanceMetrics>,
}

/// Ends the measurement with the future, whether it completes or is dropped.
fn measure_future<T: 'static>(running: RunningMeasurement, future: ProviderFuture<T>) -> ProviderFuture<T> {
    Box::pin(async move {
        let _running = running;
        future.await
    })
}

impl Store for MeteredClient<dyn Store> {
    fn find_account(&self, name: &UserName) -> StoreFuture<Option<Account>> {
        measure_future(self.metrics.find.start(), self.inner.find_account(name))
    }

    fn find_password_hash(&self, name: &UserName) -> StoreFuture<Option<String>> {
        measure_future(self.metrics.find.start(), self.inner.find_password_hash(name))
    }

    fn check_gate(
        &self,
        name: &UserName,
        source: &AttemptSource,
        limits: FailureLimits,
        standing: PasswordProof,
        now: Timestamp,
    ) -> StoreFuture<Gate> {
        measure_future(self.metrics.gate.start(), self.inner.check_gate(name, source, limits, standing, now))
    }

    fn locked_until(&self, name: &UserName) -> StoreFuture<Timestamp> {
        measure_future(self.metrics.gate.start(), self.inner.locked_until(name))
    }

    fn commit_attempt(&self, settlement: AttemptCommit) -> StoreFuture<Reason> {
        measure_future(self.metrics.settle.start(), self.inner.commit_attempt(settlement))
    }

    fn confirm_passcode(&self, confirmation: PasswordConfirmation) -> StoreFuture<Reason> {
        measure_future(self.metrics.settle.start(), self.inner.confirm_passcode(confirmation))
    }

    fn remembered_login_digest(
        &self,
        name: &UserName,
        source: &AttemptSource,
        password: &Secret,
    ) -> Option<RememberedLoginDigest> {
        self.inner.remembered_login_digest(name, source, password)
    }

    fn is_remembered(
        &self,
        name: &UserName,
        source: &AttemptSource,
        mark: &RememberedLoginDigest,
        now: Timestamp,
    ) -> StoreFuture<bool> {
        measure_future(self.metrics.gate.start(), self.inner.is_remembered(name, source, mark, now))
    }

    fn redeem_challenge(
        &self,
        state: StateDigest,
        name: &UserName,
        source: &AttemptSource,
        now: Timestamp,
    ) -> StoreFuture<Option<ChallengeState>> {
        measure_future(self.metrics.redeem.start(), self.inner.redeem_challenge(state, name, source, now))
    }

    fn code_not_sent(&self, code: NewCode) -> StoreFuture<()> {
        measure_future(self.metrics.remember.start(), self.inner.code_not_sent(code))
    }

    fn remember_code(&self, code: NewCode) -> StoreFuture<CodeSending> {
        measure_future(self.metrics.remember.start(), self.inner.remember_code(code))
    }
}

impl PushProvider for MeteredClient<dyn PushProvider> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn takes_passcodes(&self) -> bool {
        self.inner.takes_passcodes()
    }

    fn tells_ways(&self) -> bool {
        self.inner.tells_ways()
    }

    fn list_factors(&self, ask: &PushRequest) -> ProviderFuture<Result<ProviderFactors, ProviderError>> {
        let ways = measure_future(self.metrics.asking.start(), self.inner.list_factors(ask));
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move { ways.await.inspect_err(|trouble| count_trouble(&metrics, trouble)) })
    }

    fn start_push(&self, ask: PushRequest) -> ProviderFuture<Result<AskOutcome, ProviderError>> {
        let asked = measure_future(self.metrics.asking.start(), self.inner.start_push(ask));
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move { asked.await.inspect_err(|trouble| count_trouble(&metrics, trouble)) })
    }

    fn await_answer(&self, question: &PushQuestion) -> ProviderFuture<Result<PushResponse, ProviderError>> {
        let (since, answer) = (Instant::now(), self.inner.await_answer(question));
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let said = answer.await;
            match &said {
                // A push without an answer is not counted as an answer.
                Ok(PushResponse { outcome: PushOutcome::Expired, .. }) => {}
                Ok(_) => metrics.answering.record(since.elapsed()),
                Err(trouble) => count_trouble(&metrics, trouble),
            }
            said
        })
    }

    fn cancel_push(&self, question: &PushQuestion) -> ProviderFuture<()> {
        self.inner.cancel_push(question)
    }

    fn probe_service(&self) -> ProviderFuture<Result<Option<String>, ProviderError>> {
        self.inner.probe_service()
    }
}

/// A password backend that is measured once its metrics are set.
pub(crate) struct MeteredBackend<T: ?Sized> {
    pub(crate) inner: Arc<T>,
    pub(crate) metrics: Arc<OnceCell<Arc<InstanceMetrics>>>,
    pub(crate) pace: Arc<BackendLatency>,
}

impl<T: PasswordBackend + ?Sized> MeteredBackend<T> {
    fn measured<A, E>(
        &self,
        asked: ProviderFuture<Result<A, E>>,
        is_unavailable: fn(&E) -> bool,
    ) -> ProviderFuture<Result<A, E>>
    where
        A: 'static,
        E: 'static,
    {
        let Some(metrics) = self.metrics.get().map(Arc::clone) else { return asked };
        let name = self.inner.name();
        let asked = measure_future(metrics.backend_clock(name).start(), asked);
        let (pace, since) = (Arc::clone(&self.pace), Instant::now());
        Box::pin(async move {
            let said = asked.await;
            pace.record_answer(since.elapsed());
            if said.as_ref().is_err_and(is_unavailable) {
                metrics.authority_failed(name);
            }
            said
        })
    }
}

impl<T: PasswordBackend + ?Sized> PasswordBackend for MeteredBackend<T> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn verify_password(&self, claim: Credentials) -> ProviderFuture<Result<PasswordResponse, AuthFailure>> {
        self.measured(self.inner.verify_password(claim), |why| matches!(why, AuthFailure::Unavailable(_)))
    }
}

impl<T: UserDirectory + ?Sized> UserDirectory for MeteredBackend<T> {
    fn find_user(
        &self,
        user: &UserName,
        typed: &[u8],
    ) -> ProviderFuture<Result<Option<DirectoryUser>, directory::BackendUnavailable>> {
        self.measured(self.inner.find_user(user, typed), |_| true)
    }
}

fn count_trouble(metrics: &InstanceMetrics, trouble: &ProviderError) {
    metrics.provider_failed(match trouble {
        ProviderError::Unreachable(_) => "unreachable",
        ProviderError::Failed(_) => "failed",
    });
}
