//! The last run of `mfa sync`, where there is to be one.

use super::finding::DoctorReport;
use crate::app;
use crate::cli::context::LoadedConfig;
use crate::cli::output::local;
use crate::config::sync::SyncOptions;
use crate::types::Timestamp;
use std::time::Duration;

/// A run may be that late without a warning.
const LATE: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn check(report: &mut DoctorReport, found: &LoadedConfig) {
    // What is wrong with the store is told elsewhere.
    let Ok(store) = found.store() else { return };
    let last = match app::last_sync(&store) {
        Ok(Some(last)) => last,
        Ok(None) if found.config.sync == SyncOptions::default() => return,
        Ok(None) => return report.warn("sync", "has never run", "mfa sync --dry-run shows what it would do"),
        Err(_) => return,
    };
    let at = local(Timestamp::from_millis(last.at));
    match last.result {
        Ok(sums) => {
            let did: Vec<String> = sums
                .named_totals()
                .filter(|(_, count)| *count > 0)
                .map(|(what, count)| format!("{count} {}", what.as_str()))
                .collect();
            let did = if did.is_empty() { "nothing to do".to_owned() } else { did.join(", ") };
            let text = format!("{at}: {} users found, {did}", sums.found);
            let late = found.config.sync.interval.saturating_mul(3).max(LATE);
            if app::now().since(Timestamp::from_millis(last.at)) > late {
                report.warn(
                    "sync",
                    format!("{text}; not since"),
                    "see the timer or service that runs mfa sync",
                );
            } else {
                report.ok("sync", text);
            }
            if sums.unsent > 0 {
                let text = format!("{} new users are still to be sent their tokens", sums.unsent);
                report.warn("sync", text, "who has no mailbox is sent none: see also email below");
            }
        }
        Err(why) => {
            let well = last.well_at.map_or_else(
                || "never".to_owned(),
                |well| format!("at {}", local(Timestamp::from_millis(well))),
            );
            report.fail(
                "sync",
                format!("{at}: {why}"),
                format!("run mfa sync again; it last went through {well}"),
            );
        }
    }
}
