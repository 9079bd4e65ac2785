//! Logins that wait: whom they are asked by, how many there may be at once, and for how long; and what runs.

use super::finding::{DoctorReport, FindingState};
use crate::app;
use crate::cli::context::LoadedConfig;
use crate::cli::{output, running};
use crate::config::tree::Section;
use crate::operations::control;
use crate::types::Timestamp;

/// So many logins that wait are the everyday case.
const WAITS: u64 = 10_000;
/// So many others come in a second beside them; the server keeps each for `cleanup_delay`.
const OTHERS: u64 = 1_000;
/// The longest process id there is.
const ANY_PROCESS: u32 = 4_194_304;

pub(super) fn check(report: &mut DoctorReport, found: &LoadedConfig) {
    match app::probe_provider(&found.config) {
        Err(error) => report.told(FindingState::Fail, "provider", error),
        Ok(None) => report.ok("push", "no provider: no pushes"),
        Ok(Some(probed)) => {
            provider(report, probed);
            waits(report, found);
        }
    }
    pool(report, found);
    processes(report, found);
}

fn provider(report: &mut DoctorReport, probed: app::ProviderProbe) {
    let name = probed.provider;
    match probed.found {
        Ok(Some(well)) => report.ok("provider", format!("{name}: {well}")),
        Ok(None) => report.ok("provider", format!("{name}: not tried, since that would send a push")),
        Err(why) => report.fail(
            "provider",
            format!("{name}: {why}"),
            format!("compare push {{ {name} {{ }} }} with what the provider says, and see what is between"),
        ),
    }
}

/// What the server allows.
fn waits(report: &mut DoctorReport, found: &LoadedConfig) {
    let (timers, push) = (&found.timers, &found.config.push);
    if !timers.proxies {
        let text = "proxy_requests = no: a login that waits keeps one of the server's threads, and only a quarter \
                    of them may";
        report.warn("parking", text, "set proxy_requests = yes in radiusd.conf");
    }
    let needed = WAITS.saturating_add(OTHERS.saturating_mul(timers.cleanup_delay.as_secs()));
    match u64::from(timers.max_requests) {
        // The server's word for no limit.
        0 => report.ok("parking", "max_requests = 0: as many logins may wait as fit into memory"),
        most if most < needed => report.warn(
            "parking",
            format!(
                "max_requests = {most}: each login that waits is one of them, as is each of the last seconds"
            ),
            format!("set max_requests = {needed} in radiusd.conf, for {WAITS} that wait"),
        ),
        most => report.ok("parking", format!("max_requests = {most}: enough for {WAITS} that wait")),
    }
    let (limit, patience) = (push.limit.as_secs(), push.limit.as_secs().saturating_add(5));
    report.ok(
        "push",
        format!(
            "a login waits up to {limit} s: have clients (NAS) wait {patience} s for an answer, all tries together; \
             many give up after 5 to 15 s (FortiGate: set remoteauthtimeout {patience})"
        ),
    );
    report.ok(
        "push",
        format!(
            "where a RADIUS proxy stands in front of this server, its response_window for it has to be {patience} s: one \
             that gives up earlier (some after 3 s) throws the late accept away, and the question stays on the device"
        ),
    );
}

/// The server would not start.
fn pool(report: &mut DoctorReport, found: &LoadedConfig) {
    let name = format!("{}-wait", found.section.section_label());
    let kinds = ["server", "home_server", "home_server_pool", "server_pool"];
    let is_taken = |section: &&Section| {
        kinds.contains(&section.name.as_str()) && section.instance.as_deref() == Some(name.as_str())
    };
    let mut all = found.server.sections().flat_map(|outer| std::iter::once(outer).chain(outer.sections()));
    if let Some(taken) = all.find(is_taken).filter(|_| found.timers.proxies) {
        let text = format!("{}: {} {name} has the name of the place where logins wait", taken.at, taken.name);
        report.fail("parking", text, "call it otherwise");
    }
}

/// What runs with this store.
fn processes(report: &mut DoctorReport, found: &LoadedConfig) {
    let Some(folder) = found.config.store.filename.parent() else { return };
    if let Err(why) = control::path(folder, found.section.section_label(), ANY_PROCESS) {
        report.told(
            FindingState::Warn,
            "running",
            format_args!("mfa status and mfa drain will not work: {why}"),
        );
    }
    if found.enter().is_err() {
        // It has been told.
        return;
    }
    let (reports, silent) = match running::in_folder(folder) {
        Ok(sockets) => running::ask(&sockets),
        Err(error) => return report.told(FindingState::Warn, "running", error),
    };
    if reports.is_empty() && silent.is_empty() {
        report.ok("running", "no server runs with this store");
    }
    for why in silent {
        report.warn("running", why, "see what the server does, or restart it");
    }
    for it in reports.into_iter().map(|report| report.overview) {
        let name = format!("process {}, instance {}", it.process, output::shown(&it.instance));
        if it.draining {
            report.warn(
                "running",
                format!("{name}: drained, no login may wait any more"),
                "restart the server",
            );
        } else if it.version != env!("CARGO_PKG_VERSION") {
            let text = format!("{name}: module {}, mfa is {}", it.version, env!("CARGO_PKG_VERSION"));
            report.warn("running", text, "restart the server");
        } else {
            let since = output::local(Timestamp::from_millis(it.since));
            let waiting =
                it.waits.parked.saturating_add(it.waits.blocking).saturating_add(it.waits.unattended);
            report.ok("running", format!("{name}: since {since}, {waiting} wait"));
        }
    }
}
