//! The store itself, and the clock that its codes depend on.

use super::finding::{DoctorReport, FindingState};
use crate::app;
use crate::cli::context::LoadedConfig;
use crate::cli::{host, output};
use crate::config::PasswordBackendKind;
use crate::store::{Administration, AuditQuery};
use crate::types::Timestamp;
use std::time::Duration;

/// A disk that takes longer to sync holds up logins.
const SLOW_SYNC: Duration = Duration::from_millis(50);

/// This software did not exist before: 2026-01-01.
const OLDEST: Timestamp = Timestamp::from_seconds(1_767_225_600);

/// How far attempts may lie ahead before the clock is said to have been set back.
const AHEAD: Duration = Duration::from_secs(60);

pub(super) fn check(report: &mut DoctorReport, found: &LoadedConfig) {
    let store = match found.store() {
        Ok(store) => store,
        Err(error) => {
            report.told(FindingState::Fail, "store", error);
            return clock(report, None);
        }
    };
    match store.read_health() {
        Err(error) => report.told(FindingState::Fail, "store", error),
        Ok(health) => {
            report.ok(
                "store",
                format!(
                    "schema {}, {} users, {} tokens, {} attempts, {} KiB, SQLite {}",
                    health.schema,
                    health.users,
                    health.tokens,
                    health.attempts,
                    health.database.saturating_add(health.log) / 1024,
                    health.sqlite
                ),
            );
            if found.config.passwords.all().any(|by| by == PasswordBackendKind::Local) {
                let text = format!("{} of {} users have a password", health.passwords, health.users);
                match health.passwords {
                    0 => report.warn("local", text, "mfa user password NAME sets one"),
                    _ => report.ok("local", text),
                }
            }
            match health.keys.as_slice() {
                [key] => report.ok("key", format!("id {key}")),
                keys => report.warn(
                    "key",
                    format!("{} keys are in use: {}", keys.len(), keys.join(", ")),
                    "mfa rekey ends what was begun",
                ),
            }
            for damage in health.damage {
                report.fail("store", damage, "mfa restore a backup");
            }
            if health.sync > SLOW_SYNC {
                let remedy = "put the database on a faster disk: every login waits for it";
                report.warn("disk", format!("a sync takes {:.1?}", health.sync), remedy);
            } else {
                report.ok("disk", format!("a sync takes {:.1?}", health.sync));
            }
        }
    }
    let newest = store.audit(&AuditQuery { limit: 1, ..AuditQuery::default() });
    clock(report, newest.ok().and_then(|rows| rows.last().map(|row| row.at)));
}

fn clock(report: &mut DoctorReport, newest: Option<Timestamp>) {
    let now = app::now();
    let remedy = "set the clock, and keep it right with chrony or systemd-timesyncd";
    if now < OLDEST {
        report.fail("clock", format!("it is {}: codes by time cannot be right", output::local(now)), remedy);
    } else if let Some(newest) = newest.filter(|newest| newest.since(now) > AHEAD) {
        let text = format!(
            "it is {}, but there was an attempt at {}: the clock was set back",
            output::local(now),
            output::local(newest)
        );
        report.fail("clock", text, remedy);
    } else if host::answer("timedatectl", &["show", "-p", "NTPSynchronized", "--value"])
        .is_some_and(|answer| answer.trim() == "no")
    {
        report.warn("clock", format!("{}, no service keeps it right", output::local(now)), remedy);
    } else {
        report.ok("clock", output::local(now));
    }
}
