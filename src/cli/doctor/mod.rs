//! `mfa doctor`: looks for what is wrong before a user finds it. Changes nothing.
//!
//! Each line is ok, warn or fail, with the remedy; a fail makes the exit status 1. What does not depend on something that
//! failed is looked at all the same. What is worst stands first; what is of little concern is one line, and whole with `--json`.

mod directory;
mod files;
mod finding;
mod message;
mod policy;
mod push;
mod server;
mod signing;
mod start;
mod store;
mod sync;

use super::context::SiteArguments;
use super::error::{CommandAnswer, Error};
use super::output::{self, CommandOutput, OutputFormat};
use finding::{DoctorReport, FindingAudience, FindingState};

pub(super) fn run(site: &SiteArguments, out: CommandOutput) -> Result<CommandAnswer, Error> {
    let mut report = DoctorReport::default();
    match site.find() {
        Err(error) => {
            report.told(FindingState::Fail, "configuration", error);
            let _ = server::version(&mut report, None);
        }
        Ok(found) => {
            report.ok(
                "configuration",
                format!("{}, instance {}", found.section.at, found.section.section_label()),
            );
            match found.next_step() {
                Some(step) => report.warn("configuration", "the server does not load the module yet", step),
                None => report.ok("configuration", "the server loads the module"),
            }
            if let Err(error) = found.enter() {
                report.told(FindingState::Fail, "folder", error);
            }
            let version = server::version(&mut report, found.timers.libdir.as_deref());
            start::check(&mut report, &found);
            server::timers(&mut report, &found.timers);
            server::coverage(&mut report, &found.server);
            signing::check(&mut report, &found.server, version.as_deref());
            files::check(&mut report, &found);
            store::check(&mut report, &found);
            directory::check(&mut report, &found);
            sync::check(&mut report, &found);
            push::check(&mut report, &found);
            message::check(&mut report, &found);
            policy::check(&mut report, &found);
        }
    }
    print(out, &report)?;
    Ok(if report.worst() == FindingState::Fail { CommandAnswer::No } else { CommandAnswer::Yes })
}

fn print(out: CommandOutput, report: &DoctorReport) -> Result<(), Error> {
    if out.form() == OutputFormat::Json {
        let all: Vec<_> =
            report.0.iter().filter(|finding| finding.audience != FindingAudience::Text).collect();
        let _ = out.say(&all, "")?;
        return Ok(());
    }
    for finding in report.lines() {
        let state = match finding.state {
            FindingState::Ok => "ok",
            FindingState::Warn => "warn",
            FindingState::Fail => "fail",
        };
        let text = output::one_line(&finding.text);
        output::line(format_args!("{state:<5} {:<14} {text}", finding.subject))?;
        if let Some(remedy) = &finding.remedy {
            output::line(format_args!("{:<20} -> {}", "", output::one_line(remedy)))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fail_makes_the_whole_a_fail() {
        let mut report = DoctorReport::default();
        report.ok("clock", "right");
        assert_eq!(report.worst(), FindingState::Ok);
        report.warn("clock", "nobody sets it", "install chrony");
        assert_eq!(report.worst(), FindingState::Warn);
        report.told(FindingState::Fail, "configuration", "a[1]: x\nb[2]: y");
        assert_eq!((report.worst(), report.0.len()), (FindingState::Fail, 4));
    }

    #[test]
    fn worst_is_said_first_and_little_things_in_one_line() {
        let mut report = DoctorReport::default();
        report.ok("server", "1");
        report.summary("coverage", "2");
        report.warn("coverage", "3", "x");
        report.quiet("coverage", "4");
        report.fail("key", "5", "x");
        report.warn("disk", "6", "x");
        report.ok("clock", "7");
        let lines: Vec<_> = report.lines().iter().map(|finding| finding.text.as_str()).collect();
        assert_eq!(lines, ["5", "3", "6", "2", "1", "7"]);
    }
}
