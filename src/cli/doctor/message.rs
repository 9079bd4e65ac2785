//! Those who carry codes: whether they can be reached, as far as that goes without sending anything.

use super::finding::{DoctorReport, FindingState};
use crate::app;
use crate::cli::context::LoadedConfig;
use crate::cli::output::shown;
use crate::types::Factor;

pub(super) fn check(report: &mut DoctorReport, found: &LoadedConfig) {
    let config = &found.config;
    if config.sms.gateways.is_empty() {
        report.ok("sms", "no gateway: no codes by text message");
    }
    if config.email.relays.is_empty() {
        report.ok("email", "no relay: no codes by e-mail");
    }
    let probed = match app::probe_relays(config) {
        Ok(probed) => probed,
        Err(error) => return report.told(FindingState::Fail, "configuration", error),
    };
    for one in probed {
        let (subject, name) = (one.factor.as_str(), shown(&one.name));
        match one.found {
            Ok(Some(well)) => report.ok(subject, format!("{name}: {well}")),
            Ok(None) => {
                let text = "not tried, since that would send a message: mfa send-test sms NUMBER does";
                report.ok(subject, format!("{name}: {text}"));
            }
            Err(why) => {
                let section = if one.factor == Factor::Sms { "sms { gateway" } else { "email { relay" };
                report.fail(subject, format!("{name}: {why}"), format!("see {section} {name} {{ }} }}"));
            }
        }
    }
}
