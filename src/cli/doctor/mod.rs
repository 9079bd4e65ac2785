//! `mfa doctor`: looks for what is wrong before a user finds it. Changes nothing.
//!
//! Each line is ok, warn or fail, with the remedy; a fail makes the exit status 1. What does not depend on something that
//! failed is looked at all the same.

mod directory;
mod files;
mod message;
mod policy;
mod push;
mod server;
mod start;
mod store;
mod sync;

use super::context::Site;
use super::error::{Answer, Error};
use super::output::{self, Form, Output};
use serde::Serialize;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Ok,
    Warn,
    Fail,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Finding {
    state: State,
    subject: &'static str,
    text: String,
    /// What to do; none if it is well, or if the text says it.
    remedy: Option<String>,
}

/// All of them.
#[derive(Debug, Default)]
struct Report(Vec<Finding>);

impl Report {
    fn ok(&mut self, subject: &'static str, text: impl Into<String>) {
        self.0.push(Finding { state: State::Ok, subject, text: text.into(), remedy: None });
    }

    fn warn(&mut self, subject: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding { state: State::Warn, subject, text: text.into(), remedy: Some(remedy.into()) });
    }

    fn fail(&mut self, subject: &'static str, text: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Finding { state: State::Fail, subject, text: text.into(), remedy: Some(remedy.into()) });
    }

    /// Words of others that hold their remedy, one thing a line.
    fn told(&mut self, state: State, subject: &'static str, words: impl std::fmt::Display) {
        for text in words.to_string().lines() {
            self.0.push(Finding { state, subject, text: text.to_owned(), remedy: None });
        }
    }

    fn worst(&self) -> State {
        self.0.iter().map(|finding| finding.state).max().unwrap_or(State::Ok)
    }
}

pub(super) fn run(site: &Site, out: Output) -> Result<Answer, Error> {
    let mut report = Report::default();
    match site.find() {
        Err(error) => {
            report.told(State::Fail, "configuration", error);
            server::version(&mut report, None);
        }
        Ok(found) => {
            report.ok("configuration", format!("{}, instance {}", found.section.at, found.section.label()));
            match found.next_step() {
                Some(step) => report.warn("configuration", "the server does not load the module yet", step),
                None => report.ok("configuration", "the server loads the module"),
            }
            if let Err(error) = found.enter() {
                report.told(State::Fail, "folder", error);
            }
            start::check(&mut report, &found);
            server::version(&mut report, found.timers.libdir.as_deref());
            server::timers(&mut report, &found.timers);
            server::coverage(&mut report, &found.server);
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
    Ok(if report.worst() == State::Fail { Answer::No } else { Answer::Yes })
}

fn print(out: Output, report: &Report) -> Result<(), Error> {
    if out.form() == Form::Json {
        let _ = out.say(&report.0, "")?;
        return Ok(());
    }
    for finding in &report.0 {
        let state = match finding.state {
            State::Ok => "ok",
            State::Warn => "warn",
            State::Fail => "fail",
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
        let mut report = Report::default();
        report.ok("clock", "right");
        assert_eq!(report.worst(), State::Ok);
        report.warn("clock", "nobody sets it", "install chrony");
        assert_eq!(report.worst(), State::Warn);
        report.told(State::Fail, "configuration", "a[1]: x\nb[2]: y");
        assert_eq!((report.worst(), report.0.len()), (State::Fail, 4));
    }
}
