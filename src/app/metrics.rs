//! What is counted, for Prometheus and `mfa status`.

use crate::engine::Decision;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

type Labels = Vec<(&'static str, &'static str)>;

/// Counters and gauges of an instance.
pub(super) struct Metrics {
    registry: Registry,
    attempts: Family<Labels, Counter>,
    waiting: Family<Labels, Gauge>,
    datagrams: Family<Labels, Counter>,
    provider: Histogram,
    provider_errors: Counter,
    bypassed: Counter,
    store: Histogram,
}

/// Upper bounds of the store's answers, in seconds.
const QUICK: [f64; 9] = [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0];
/// Upper bounds of users' answers, in seconds.
const SLOW: [f64; 9] = [0.1, 0.3, 1.0, 3.0, 5.0, 10.0, 20.0, 40.0, 60.0];

impl Metrics {
    pub(super) fn new() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("mfa"),
            attempts: Family::default(),
            waiting: Family::default(),
            datagrams: Family::default(),
            provider: Histogram::new(SLOW),
            provider_errors: Counter::default(),
            bypassed: Counter::default(),
            store: Histogram::new(QUICK),
        };
        let mut registry = Registry::with_prefix("mfa");
        registry.register("attempts", "Logins by verdict and factor", metrics.attempts.clone());
        registry.register("waits", "Logins that wait, by how", metrics.waiting.clone());
        registry.register(
            "datagrams_refused",
            "Datagrams to the responder that were refused",
            metrics.datagrams.clone(),
        );
        registry.register(
            "provider_seconds",
            "From asking to the answer of the user",
            metrics.provider.clone(),
        );
        registry.register(
            "provider_errors",
            "Questions that the provider failed to answer",
            metrics.provider_errors.clone(),
        );
        registry.register("bypassed", "Logins that failmode let in", metrics.bypassed.clone());
        registry.register("store_seconds", "Decisions that took the store alone", metrics.store.clone());
        Self { registry, ..metrics }
    }

    /// A login was decided.
    pub(super) fn decided(&self, decision: &Decision) {
        let factor = decision.factor.map_or("none", |factor| factor.as_str());
        let labels = vec![("verdict", decision.verdict().as_str()), ("factor", factor)];
        self.attempts.get_or_create(&labels).inc();
        match decision.reason {
            crate::engine::Reason::Bypassed => drop(self.bypassed.inc()),
            crate::engine::Reason::ProviderUnavailable => drop(self.provider_errors.inc()),
            _ => {}
        }
    }

    /// A question was answered, or not, after this time.
    pub(super) fn asked(&self, took: Duration) {
        self.provider.observe(took.as_secs_f64());
    }

    /// The store alone decided, in this time.
    pub(super) fn stored(&self, took: Duration) {
        self.store.observe(took.as_secs_f64());
    }

    /// A datagram to the responder was refused.
    pub(super) fn datagram(&self, what: &'static str) {
        self.datagrams.get_or_create(&vec![("reason", what)]).inc();
    }

    /// So many wait, in this way.
    pub(super) fn waiting(&self, how: &'static str, count: usize) {
        self.waiting.get_or_create(&vec![("how", how)]).set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// All of it, as Prometheus reads it.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        match encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}
