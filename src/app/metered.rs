//! Store, provider and authorities with a clock at each: what they take is measured where they are called, whoever calls them.

use super::metrics::{InstanceMetrics, RunningMeasurement};
use super::pace::BackendLatency;
use crate::config::FailureLimits;
use crate::engine::converse::Turn;
use crate::engine::directory::{self, Authority, Claim, Denied, Directory, Person, Vouched};
use crate::engine::port::{
    Answer, Confirmation, Known, Mark, NewCode, Sending, Settlement, StateDigest, Store,
};
use crate::engine::provider::{Ask, Asked, Outcome, Pending, Provider, Question, Response, Trouble, Ways};
use crate::engine::{Gate, Reason, Source, Standing};
use crate::types::{Secret, Timestamp, UserName};
use once_cell::sync::OnceCell;
use std::sync::Arc;
use std::time::Instant;

/// One of them.
pub(super) struct MeteredClient<T: ?Sized> {
    pub(super) inner: Arc<T>,
    pub(super) metrics: Arc<InstanceMetrics>,
}

/// Ends the measuring with the future, whether that is done or given up.
fn timed<T: 'static>(running: RunningMeasurement, future: Pending<T>) -> Pending<T> {
    Box::pin(async move {
        let _running = running;
        future.await
    })
}

impl Store for MeteredClient<dyn Store> {
    fn find(&self, name: &UserName) -> Answer<Option<Known>> {
        timed(self.metrics.find.start(), self.inner.find(name))
    }

    fn password(&self, name: &UserName) -> Answer<Option<String>> {
        timed(self.metrics.find.start(), self.inner.password(name))
    }

    fn gate(
        &self,
        name: &UserName,
        source: &Source,
        limits: FailureLimits,
        standing: Standing,
        now: Timestamp,
    ) -> Answer<Gate> {
        timed(self.metrics.gate.start(), self.inner.gate(name, source, limits, standing, now))
    }

    fn locked_until(&self, name: &UserName) -> Answer<Timestamp> {
        timed(self.metrics.gate.start(), self.inner.locked_until(name))
    }

    fn settle(&self, settlement: Settlement) -> Answer<Reason> {
        timed(self.metrics.settle.start(), self.inner.settle(settlement))
    }

    fn confirm(&self, confirmation: Confirmation) -> Answer<Reason> {
        timed(self.metrics.settle.start(), self.inner.confirm(confirmation))
    }

    fn mark(&self, name: &UserName, source: &Source, password: &Secret) -> Option<Mark> {
        self.inner.mark(name, source, password)
    }

    fn remembers(&self, name: &UserName, source: &Source, mark: &Mark, now: Timestamp) -> Answer<bool> {
        timed(self.metrics.gate.start(), self.inner.remembers(name, source, mark, now))
    }

    fn redeem(
        &self,
        state: StateDigest,
        name: &UserName,
        source: &Source,
        now: Timestamp,
    ) -> Answer<Option<Turn>> {
        timed(self.metrics.redeem.start(), self.inner.redeem(state, name, source, now))
    }

    fn code_not_sent(&self, code: NewCode) -> Answer<()> {
        timed(self.metrics.remember.start(), self.inner.code_not_sent(code))
    }

    fn remember_code(&self, code: NewCode) -> Answer<Sending> {
        timed(self.metrics.remember.start(), self.inner.remember_code(code))
    }
}

impl Provider for MeteredClient<dyn Provider> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn takes_passcodes(&self) -> bool {
        self.inner.takes_passcodes()
    }

    fn tells_ways(&self) -> bool {
        self.inner.tells_ways()
    }

    fn ways(&self, ask: &Ask) -> Pending<Result<Ways, Trouble>> {
        let ways = timed(self.metrics.asking.start(), self.inner.ways(ask));
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move { ways.await.inspect_err(|trouble| count(&metrics, trouble)) })
    }

    fn ask(&self, ask: Ask) -> Pending<Result<Asked, Trouble>> {
        let asked = timed(self.metrics.asking.start(), self.inner.ask(ask));
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move { asked.await.inspect_err(|trouble| count(&metrics, trouble)) })
    }

    fn answer(&self, question: &Question) -> Pending<Result<Response, Trouble>> {
        let (since, answer) = (Instant::now(), self.inner.answer(question));
        let metrics = Arc::clone(&self.metrics);
        Box::pin(async move {
            let said = answer.await;
            match &said {
                // Silence is nobody's answer.
                Ok(Response { outcome: Outcome::Expired, .. }) => {}
                Ok(_) => metrics.answering.observe(since.elapsed()),
                Err(trouble) => count(&metrics, trouble),
            }
            said
        })
    }

    fn cancel(&self, question: &Question) -> Pending<()> {
        self.inner.cancel(question)
    }

    fn probe(&self) -> Pending<Result<Option<String>, Trouble>> {
        self.inner.probe()
    }
}

/// An authority that is measured as soon as it is told where.
pub(super) struct MeteredBackend<T: ?Sized> {
    pub(super) inner: Arc<T>,
    pub(super) metrics: Arc<OnceCell<Arc<InstanceMetrics>>>,
    pub(super) pace: Arc<BackendLatency>,
}

impl<T: Authority + ?Sized> MeteredBackend<T> {
    fn watch<A, E>(
        &self,
        asked: Pending<Result<A, E>>,
        is_unavailable: fn(&E) -> bool,
    ) -> Pending<Result<A, E>>
    where
        A: 'static,
        E: 'static,
    {
        let Some(metrics) = self.metrics.get().map(Arc::clone) else { return asked };
        let name = self.inner.name();
        let asked = timed(metrics.authority(name).start(), asked);
        let (pace, since) = (Arc::clone(&self.pace), Instant::now());
        Box::pin(async move {
            let said = asked.await;
            pace.answered(since.elapsed());
            if said.as_ref().is_err_and(is_unavailable) {
                metrics.authority_failed(name);
            }
            said
        })
    }
}

impl<T: Authority + ?Sized> Authority for MeteredBackend<T> {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn authenticate(&self, claim: Claim) -> Pending<Result<Vouched, Denied>> {
        self.watch(self.inner.authenticate(claim), |why| matches!(why, Denied::Unavailable(_)))
    }
}

impl<T: Directory + ?Sized> Directory for MeteredBackend<T> {
    fn find(&self, user: &UserName, typed: &[u8]) -> Pending<Result<Option<Person>, directory::Unavailable>> {
        self.watch(self.inner.find(user, typed), |_| true)
    }
}

fn count(metrics: &InstanceMetrics, trouble: &Trouble) {
    metrics.provider_failed(match trouble {
        Trouble::Unreachable(_) => "unreachable",
        Trouble::Failed(_) => "failed",
    });
}
