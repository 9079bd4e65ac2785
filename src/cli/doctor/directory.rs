//! Who checks passwords. The directory: whether each host can be reached, proves who it is, takes our account, and has what the
//! configuration names; Entra ID; and another RADIUS server.

use super::finding::{DoctorReport, FindingState};
use crate::app;
use crate::cli::context::LoadedConfig;
use crate::cli::output::shown;

pub(super) fn check(report: &mut DoctorReport, found: &LoadedConfig) {
    ldap(report, found);
    entra(report, found);
    radius(report, found);
}

/// Another RADIUS server: whether its name has an address, and what it says to Status-Server.
fn radius(report: &mut DoctorReport, found: &LoadedConfig) {
    let probed = match app::probe_radius(&found.config) {
        Err(error) => return report.told(FindingState::Fail, "configuration", error),
        Ok(None) => return,
        Ok(Some(probed)) => probed,
    };
    for one in probed {
        let host = shown(&one.host);
        match one.found {
            Ok(well) => report.ok("radius", format!("{host}: {well}")),
            Err(why) => report.fail(
                "radius",
                format!("{host}: {why}"),
                "see \"host\", \"port\" and \"secret\" in radius { }, what is between, and whether this machine is a \
                 client of the server",
            ),
        }
    }
}

fn ldap(report: &mut DoctorReport, found: &LoadedConfig) {
    let probed = match app::probe_directory(&found.config) {
        Err(error) => return report.told(FindingState::Fail, "configuration", error),
        Ok(None) => return report.ok("ldap", "no host: no directory is asked"),
        Ok(Some(probed)) => probed,
    };
    for one in probed {
        let host = shown(&one.host);
        match one.found {
            Ok(well) => report.ok("ldap", format!("{host}: {well}")),
            Err(why) => report.fail("ldap", format!("{host}: {why}"), remedy(&why.0)),
        }
    }
}

/// Its words hold the remedy where the tenant or the application is what is wrong.
fn entra(report: &mut DoctorReport, found: &LoadedConfig) {
    let probed = match app::probe_entra(&found.config) {
        Err(error) => return report.told(FindingState::Fail, "configuration", error),
        Ok(None) => return,
        Ok(Some(probed)) => probed,
    };
    match probed.found {
        Ok(well) => report.ok("entra", format!("{}: {well}", shown(&probed.host))),
        Err(why) if why.0.contains("AADSTS") => report.told(FindingState::Fail, "entra", why),
        Err(why) => report.fail(
            "entra",
            why.0,
            "see \"cloud\" or \"authority\", \"ca_file\" and \"proxy\" in entra { }, and what is between",
        ),
    }
}

/// Which option to look at.
fn remedy(why: &str) -> &'static str {
    let remedies = [
        ("STARTTLS", "see \"transport\" in ldap { }: ldaps has port 636, starttls 389"),
        ("TLS", "see \"host\", which its certificate must be for, and \"ca_file\" in ldap { }"),
        ("service account", "see \"service_account_username\" and its password in ldap { }"),
        (
            "username_attribute:",
            "see \"username_attribute\" in ldap { }: sAMAccountName in Active Directory, mostly uid elsewhere",
        ),
        ("filter:", "see \"filter\" in ldap { }"),
        ("group_search_dn:", "see \"group_search_dn\" in ldap { }"),
        ("search_dn:", "see \"search_dn\" in ldap { }, and what the service account may read"),
        (
            "security_group_dn:",
            "see \"security_group_dn\" in ldap { }: the whole name, as the directory has it",
        ),
    ];
    let found = remedies.iter().find(|(word, _)| why.contains(word));
    found
        .map_or("see \"host\", \"port\" and \"transport\" in ldap { }, and what is between", |(_, text)| text)
}
