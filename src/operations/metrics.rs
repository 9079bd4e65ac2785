//! Counters for Prometheus and `mfa status`. They contain no user names.

use crate::engine::{Decision, Reason};
use crate::waiting::WaitCounts;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

type MetricLabel = (&'static str, &'static str);

/// Upper bounds for the store's and the provider's answers, in seconds.
const QUICK: [f64; 13] = [0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 2.0, 5.0, 10.0, 30.0];
/// Upper bounds for users' answers, in seconds.
const SLOW: [f64; 9] = [1.0, 2.0, 3.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0];

/// The kinds of errors of a provider.
const ERRORS: [&str; 2] = ["unreachable", "failed"];

/// Counters and gauges of an instance.
pub(crate) struct InstanceMetrics {
    registry: Registry,
    /// The provider's name, if there is one.
    pub(super) provider: Option<&'static str>,
    attempts: Family<[MetricLabel; 2], Counter>,
    /// The labels in `attempts`, which cannot be enumerated.
    verdicts: Mutex<BTreeMap<(&'static str, &'static str), Counter>>,
    waits: Family<[MetricLabel; 1], Gauge>,
    datagrams: Family<[MetricLabel; 1], Counter>,
    bypassed: Counter,
    sprays: Counter,
    errors: Family<[MetricLabel; 2], Counter>,
    authority: Family<[MetricLabel; 1], Histogram>,
    authority_errors: Family<[MetricLabel; 1], Counter>,
    /// The provider's answer when it is given a question.
    pub(super) asking: LatencyClock,
    /// Time from the push to the user's answer.
    pub(super) answering: LatencyClock,
    /// Latency of the store, by operation.
    pub(super) find: LatencyClock,
    pub(super) gate: LatencyClock,
    pub(super) settle: LatencyClock,
    pub(super) redeem: LatencyClock,
    pub(super) remember: LatencyClock,
}

/// Total latency of one kind of operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyTotals {
    /// Number of measurements.
    pub count: u64,
    /// Sum of all measurements, in seconds.
    pub seconds: f64,
}

/// Number of logins with the same labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptLabels {
    /// As in `MFA-Result`.
    pub verdict: String,
    /// As in `MFA-Factor`; `none` if no user was accepted.
    pub factor: String,
    /// Number of logins.
    pub count: u64,
}

/// Measures the latency of one kind of operation.
#[derive(Clone)]
pub(crate) struct LatencyClock {
    histogram: Histogram,
    count: Arc<AtomicU64>,
    micros: Arc<AtomicU64>,
}

/// A running measurement, which ends when this is dropped.
pub(crate) struct RunningMeasurement {
    clock: LatencyClock,
    since: Instant,
}

impl LatencyClock {
    fn for_label(family: &Family<[MetricLabel; 1], Histogram>, label: MetricLabel) -> Self {
        let histogram = family.get_or_create_owned(&[label]);
        Self { histogram, count: Arc::default(), micros: Arc::default() }
    }

    /// Starts a measurement.
    pub(crate) fn start(&self) -> RunningMeasurement {
        RunningMeasurement { clock: self.clone(), since: Instant::now() }
    }

    pub(crate) fn record(&self, took: Duration) {
        self.histogram.observe(took.as_secs_f64());
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> LatencyTotals {
        let micros = Duration::from_micros(self.micros.load(Ordering::Relaxed));
        LatencyTotals { count: self.count.load(Ordering::Relaxed), seconds: micros.as_secs_f64() }
    }
}

impl Drop for RunningMeasurement {
    fn drop(&mut self) {
        self.clock.record(self.since.elapsed());
    }
}

impl InstanceMetrics {
    /// Metrics of an instance with this push provider.
    pub(crate) fn new(provider: Option<&'static str>) -> Self {
        let mut registry = Registry::with_prefix("mfa");
        let attempts = Family::default();
        registry.register("attempts", "Logins that were answered, by verdict and factor", attempts.clone());
        let waits = Family::default();
        registry.register("waits", "Logins that wait at the moment, by how they do", waits.clone());
        let datagrams = Family::default();
        let help = "Datagrams to the place where logins wait that belong to none";
        registry.register("datagrams_refused", help, datagrams.clone());
        let bypassed = Counter::default();
        registry.register("bypassed", "Logins that failmode = safe let in", bypassed.clone());
        let sprays = Counter::default();
        let help = "Minutes in which wrong logins went from name to name through one client";
        registry.register("sprays", help, sprays.clone());
        let errors = Family::default();
        let help = "Questions that the provider could not be given, or gave no answer to that counts";
        registry.register("provider_errors", help, errors.clone());
        let authority_errors = Family::default();
        let help = "Questions to those who check passwords and know users that had no answer";
        registry.register("authority_errors", help, authority_errors.clone());
        let mut times = |name: &str, help: &str, constructor: fn() -> Histogram| {
            let family = Family::<[MetricLabel; 1], Histogram>::new_with_constructor(constructor);
            registry.register_with_unit(name, help, Unit::Seconds, family.clone());
            family
        };
        let quick = || Histogram::new(QUICK);
        let asking = times("provider", "How long the provider took to take a question", quick);
        let help = "How long users took to answer, where they did";
        let answering = times("answer", help, || Histogram::new(SLOW));
        let store = times("store", "How long the store took, by operation", quick);
        let help = "How long those who check passwords and know users took to answer";
        let authority = times("authority", help, quick);
        let label = ("provider", provider.unwrap_or("none"));
        let metrics = Self {
            asking: LatencyClock::for_label(&asking, label),
            answering: LatencyClock::for_label(&answering, label),
            find: LatencyClock::for_label(&store, ("operation", "find")),
            gate: LatencyClock::for_label(&store, ("operation", "gate")),
            settle: LatencyClock::for_label(&store, ("operation", "settle")),
            redeem: LatencyClock::for_label(&store, ("operation", "redeem")),
            remember: LatencyClock::for_label(&store, ("operation", "remember")),
            registry,
            provider,
            attempts,
            verdicts: Mutex::default(),
            waits,
            datagrams,
            bypassed,
            sprays,
            errors,
            authority,
            authority_errors,
        };
        // Series that have no event yet are 0, not absent.
        for kind in ERRORS.into_iter().filter(|_| provider.is_some()) {
            drop(metrics.errors.get_or_create(&metrics.error_labels(kind)));
        }
        metrics
    }

    /// Counts a decided login.
    pub(crate) fn count_login(&self, decision: &Decision) {
        let (verdict, factor) =
            (decision.verdict().as_str(), decision.factor().map_or("none", |factor| factor.as_str()));
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        verdicts
            .entry((verdict, factor))
            .or_insert_with(|| self.attempts.get_or_create_owned(&[("verdict", verdict), ("factor", factor)]))
            .inc();
        drop(verdicts);
        if decision.reason() == Reason::Bypassed {
            self.bypassed.inc();
        }
        if decision.alarm.is_some() {
            self.sprays.inc();
        }
    }

    /// Counts an error of the provider: `unreachable` before the push was sent, else `failed`.
    pub(crate) fn provider_failed(&self, kind: &'static str) {
        self.errors.get_or_create(&self.error_labels(kind)).inc();
    }

    fn error_labels(&self, kind: &'static str) -> [MetricLabel; 2] {
        [("provider", self.provider.unwrap_or("none")), ("kind", kind)]
    }

    /// The latency of the password backend of that name.
    pub(crate) fn backend_clock(&self, name: &'static str) -> LatencyClock {
        drop(self.authority_errors.get_or_create(&[("authority", name)]));
        LatencyClock::for_label(&self.authority, ("authority", name))
    }

    /// Counts a password backend that gave no answer.
    pub(crate) fn authority_failed(&self, name: &'static str) {
        self.authority_errors.get_or_create(&[("authority", name)]).inc();
    }

    /// Counts a datagram that the responder refused.
    pub(crate) fn count_refused_datagram(&self, what: &'static str) {
        self.datagrams.get_or_create(&[("reason", what)]).inc();
    }

    /// Number of logins by outcome.
    pub(crate) fn login_counts(&self) -> Vec<AttemptLabels> {
        let verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        let told = verdicts.iter().map(|((verdict, factor), counter)| AttemptLabels {
            verdict: (*verdict).into(),
            factor: (*factor).into(),
            count: counter.get(),
        });
        told.collect()
    }

    /// Errors of the provider so far.
    pub(crate) fn provider_errors(&self) -> u64 {
        let count = |kind| self.errors.get(&self.error_labels(kind)).map_or(0, |counter| counter.get());
        ERRORS.into_iter().map(count).sum()
    }

    /// Logins that failmode let in.
    pub(crate) fn bypass_count(&self) -> u64 {
        self.bypassed.get()
    }

    /// The store's operations, all kinds together.
    pub(crate) fn store(&self) -> LatencyTotals {
        [&self.find, &self.gate, &self.settle, &self.redeem, &self.remember]
            .into_iter()
            .map(LatencyClock::read)
            .fold(LatencyTotals::default(), |sum, one| LatencyTotals {
                count: sum.count.saturating_add(one.count),
                seconds: sum.seconds + one.seconds,
            })
    }

    /// All metrics as OpenMetrics text. `None` if they cannot be encoded.
    pub(crate) fn text(&self, waits: WaitCounts) -> Option<String> {
        let WaitCounts { parked, blocking, unattended } = waits;
        for (how, count) in [("parked", parked), ("blocking", blocking), ("unattended", unattended)] {
            self.waits.get_or_create(&[("how", how)]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        encode(&mut text, &self.registry).ok().map(|()| text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{AcceptReason, AcceptedLogin, Outcome};
    use crate::types::Factor;

    #[test]
    fn what_was_counted_is_told_in_both_ways() {
        let metrics = InstanceMetrics::new(Some("webhook"));
        let approved = AcceptedLogin { factor: Some(Factor::Push), ..AcceptReason::Approved.into() };
        let accept = Decision::new(None, Outcome::Accept(approved));
        metrics.count_login(&accept);
        metrics.count_login(&accept);
        metrics.count_login(&Decision::for_reason(None, Reason::Denied));
        metrics.count_login(&Decision::for_reason(None, Reason::Bypassed));
        let alarm = Some(crate::engine::SprayAlarm { client: "192.0.2.1".into() });
        metrics.count_login(&Decision { alarm, ..Decision::for_reason(None, Reason::Denied) });
        metrics.provider_failed("unreachable");
        metrics.backend_clock("ldap").record(Duration::from_millis(500));
        metrics.authority_failed("ldap");
        metrics.asking.record(Duration::from_millis(250));
        metrics.find.record(Duration::from_millis(1));
        metrics.settle.record(Duration::from_millis(3));
        let counted: Vec<_> =
            metrics.login_counts().into_iter().map(|a| (a.verdict, a.factor, a.count)).collect();
        let row = |verdict: &str, factor: &str, count| (verdict.to_owned(), factor.to_owned(), count);
        assert_eq!(counted, [row("accept", "push", 2), row("bypassed", "none", 1), row("reject", "none", 2)]);
        assert_eq!((metrics.bypass_count(), metrics.provider_errors()), (1, 1));
        assert_eq!(metrics.store(), LatencyTotals { count: 2, seconds: 0.004 });
        let text = metrics.text(WaitCounts { parked: 7, ..WaitCounts::default() }).unwrap();
        for line in [
            "mfa_attempts_total{verdict=\"accept\",factor=\"push\"} 2",
            "mfa_waits{how=\"parked\"} 7",
            "mfa_waits{how=\"blocking\"} 0",
            "mfa_bypassed_total 1",
            "mfa_sprays_total 1",
            "mfa_provider_errors_total{provider=\"webhook\",kind=\"unreachable\"} 1",
            "mfa_provider_errors_total{provider=\"webhook\",kind=\"failed\"} 0",
            "mfa_authority_seconds_sum{authority=\"ldap\"} 0.5",
            "mfa_authority_errors_total{authority=\"ldap\"} 1",
            "mfa_provider_seconds_sum{provider=\"webhook\"} 0.25",
            "mfa_store_seconds_count{operation=\"settle\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}: {text}");
        }
    }

    #[test]
    fn what_is_given_up_is_measured_as_well() {
        let metrics = InstanceMetrics::new(None);
        drop(metrics.find.start());
        assert_eq!(metrics.find.read().count, 1);
    }
}
