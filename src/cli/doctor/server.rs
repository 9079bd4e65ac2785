//! The server: its version against the module's, its timers, and what could accept without the module.

use super::finding::{DoctorReport, FindingState};
use crate::cli::host;
use crate::config::ServerTimers;
use crate::config::coverage::{self, FindingConcern};
use crate::config::tree::Section;
use crate::files;
use std::path::Path;
use std::time::Duration;

/// What the server is called, in the order in which it is looked for.
const PROGRAMS: [&str; 4] = ["/usr/sbin/freeradius", "/usr/sbin/radiusd", "freeradius", "radiusd"];

/// What stands in the module before the version of the server that it was built for.
const BUILT_FOR: &[u8] = b"built for FreeRADIUS ";

/// Octets that are read of a module.
const MOST: u64 = 256 * 1024 * 1024;

/// After the store's time-out the module gives a login up.
const LONGEST_DECISION: Duration = Duration::from_secs(5);

/// Clients send a request again after some seconds.
const RETRANSMISSION: Duration = Duration::from_secs(2);

/// Server and module, and whether they fit together; the server's version. `libdir` is a list of folders with colons between them.
pub(super) fn version(report: &mut DoctorReport, libdir: Option<&Path>) -> Option<String> {
    let server = PROGRAMS.iter().find_map(|program| host::answer(program, &["-v"]));
    let server = server.as_deref().and_then(|answer| version_in(answer.split_once("Version ")?.1));
    let module = libdir.and_then(|folders| {
        std::env::split_paths(folders).find_map(|folder| files::read(&folder.join("rlm_mfa.so"), MOST).ok())
    });
    match &server {
        None => {
            report.warn("server", "no freeradius or radiusd to ask for its version", "install FreeRADIUS 3.2")
        }
        Some(version) if !version.starts_with("3.2.") => {
            report.fail("server", format!("FreeRADIUS {version}"), "the module needs FreeRADIUS 3.2");
        }
        Some(version) => report.ok("server", format!("FreeRADIUS {version}")),
    }
    let Some(libdir) = libdir.map(Path::display) else { return server };
    let Some(octets) = module else {
        report.fail("module", format!("no rlm_mfa.so in {libdir}"), "make install puts it there");
        return server;
    };
    match (built_for(&octets), &server) {
        (Some(built), Some(server)) if built != *server => report.fail(
            "module",
            format!("built for FreeRADIUS {built}, but the server is {server}"),
            "build the module against the server's own headers",
        ),
        (Some(built), _) => report.ok("module", format!("built for FreeRADIUS {built}")),
        (None, _) => report.warn(
            "module",
            format!("{libdir}/rlm_mfa.so does not say which server it was built for"),
            "install the module and the mfa command from the same build",
        ),
    }
    server
}

/// The version at the beginning of a text.
fn version_in(text: &str) -> Option<String> {
    let version: String = text.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let version = version.trim_end_matches('.');
    (!version.is_empty()).then(|| version.to_owned())
}

/// The version of the server that a module was built for.
fn built_for(module: &[u8]) -> Option<String> {
    let at = module.windows(BUILT_FOR.len()).position(|window| window == BUILT_FOR)?;
    let end = module.get(at.checked_add(BUILT_FOR.len())?..)?;
    version_in(&String::from_utf8_lossy(end.get(..16).unwrap_or(end)))
}

/// The server's clocks, as far as they matter to codes.
pub(super) fn timers(report: &mut DoctorReport, timers: &ServerTimers) {
    let before = report.0.len();
    if timers.max_request_time < LONGEST_DECISION {
        report.warn(
            "timers",
            format!(
                "max_request_time is {:?}, a login on a slow disk may take longer",
                timers.max_request_time
            ),
            "set max_request_time = 30 in radiusd.conf",
        );
    }
    if timers.cleanup_delay < RETRANSMISSION {
        report.warn(
            "timers",
            format!(
                "cleanup_delay is {:?}: a retransmitted login is decided anew, and its code is spent by then",
                timers.cleanup_delay
            ),
            "set cleanup_delay = 5 in radiusd.conf",
        );
    }
    if report.0.len() == before {
        report.ok(
            "timers",
            format!(
                "max_request_time {:?}, cleanup_delay {:?}, reject_delay {:?}, {} threads",
                timers.max_request_time, timers.cleanup_delay, timers.reject_delay, timers.max_servers
            ),
        );
    }
}

/// What could accept a login without asking the module. Of virtual servers that do not call it, one line is enough.
pub(super) fn coverage(report: &mut DoctorReport, server: &Section) {
    for finding in coverage::unconfirmed(server) {
        report.told(FindingState::Fail, "coverage", format_args!("{}: {}", finding.at, finding.text));
    }
    for finding in coverage::telling(server) {
        report.told(FindingState::Warn, "coverage", format_args!("{}: {}", finding.at, finding.text));
    }
    let findings = coverage::check(server);
    if findings.is_empty() {
        report.ok("coverage", "nothing accepts a login without mfa, as far as the configuration tells");
    }
    let mut inside = Vec::new();
    for finding in &findings {
        let text = format!("{}: {}", finding.at, finding.text);
        match finding.concern {
            FindingConcern::Ours => report.told(FindingState::Warn, "coverage", text),
            FindingConcern::Open => {
                let (name, details) = (&finding.server, of_server(&findings, &finding.server));
                let more = "if its logins need a second factor; else leave it, or bind it to this machine";
                report.quiet("coverage", text);
                report.summary("coverage", format!("{}: server \"{name}\" does not use mfa: all that it accepts is let in by password alone ({details} more with --json): put mfa into it {more}", finding.at));
            }
            FindingConcern::Inside => {
                inside.push(format!("\"{}\"", finding.server));
                report.quiet("coverage", text);
            }
            FindingConcern::Detail => report.quiet("coverage", text),
        }
    }
    if !inside.is_empty() {
        let text = format!(
            "not used in {}, which take logins from this machine or through a tunnel only (more with --json)",
            inside.join(", ")
        );
        report.summary("coverage", text);
    }
}

/// How many details there are of a virtual server.
fn of_server(findings: &[coverage::CoverageFinding], name: &str) -> usize {
    findings
        .iter()
        .filter(|finding| finding.server == name && finding.concern == FindingConcern::Detail)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found() {
        assert_eq!(version_in("3.2.1, for host x86_64"), Some("3.2.1".to_owned()));
        assert_eq!(version_in("git"), None);
        assert_eq!(built_for(b"\0rlm_mfa 0.1.0 built for FreeRADIUS 3.2.1\0x"), Some("3.2.1".to_owned()));
        assert_eq!(built_for(b"built for FreeRADIUS "), None);
        assert_eq!(built_for(b""), None);
    }
}
