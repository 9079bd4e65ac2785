//! `mfa status`: what the servers that run are doing, and who waits.

use super::context::SiteArguments;
use super::error::{CommandAnswer, Error};
use super::output::{self, CommandOutput, OutputFormat, local, shown, utc};
use super::running;
use crate::operations::LatencyTotals;
use crate::operations::control::{InstanceOverview, InstanceReport};
use crate::types::Timestamp;
use crate::waiting::WaitStatus;
use serde_json::json;

pub(super) fn run(site: &SiteArguments, out: CommandOutput) -> Result<CommandAnswer, Error> {
    let (reports, silent) = running::ask(&running::sockets(site)?);
    for why in &silent {
        output::note(why);
    }
    if out.form() == OutputFormat::Json {
        let views: Vec<_> = reports.iter().map(view).collect();
        let _ = out.say(&views, "")?;
    } else {
        print(out, &reports)?;
    }
    match (reports.is_empty(), silent.is_empty()) {
        (false, _) => Ok(CommandAnswer::Yes),
        (true, false) => Err(Error::Unavailable("no server answers".to_owned())),
        (true, true) => {
            output::note("no server runs with this store");
            Ok(CommandAnswer::No)
        }
    }
}

fn print(out: CommandOutput, reports: &[InstanceReport]) -> Result<(), Error> {
    for report in reports {
        output::line(output::facts(&facts(&report.overview)))?;
        output::line("")?;
    }
    let mut rows: Vec<(&InstanceOverview, &WaitStatus)> =
        reports.iter().flat_map(|report| report.waits.iter().map(|wait| (&report.overview, wait))).collect();
    if rows.is_empty() {
        return if reports.is_empty() { Ok(()) } else { output::line("no login waits") };
    }
    rows.sort_by_key(|(_, wait)| wait.since);
    let mut list = out.list(&["USER", "CLIENT", "SINCE", "LEFT", "HOW", "PROCESS", "INSTANCE"]);
    for (overview, wait) in rows {
        let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { shown(text) };
        let cells = vec![
            dash(&wait.user),
            dash(&wait.client),
            local(Timestamp::from_millis(wait.since)),
            format!("{} s", wait.left),
            shown(&wait.how),
            overview.process.to_string(),
            shown(&overview.instance),
        ];
        list.row(&(), cells)?;
    }
    let _ = list.end("")?;
    Ok(())
}

fn facts(it: &InstanceOverview) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("process", it.process.to_string()),
        ("instance", shown(&it.instance)),
        ("version", shown(&it.version)),
        ("since", local(Timestamp::from_millis(it.since))),
    ];
    if it.draining {
        facts.push(("draining", "no more logins may wait, until the server is restarted".to_owned()));
    }
    facts.push((
        "waits",
        format!(
            "{} parked, {} blocking, {} unattended",
            it.waits.parked, it.waits.blocking, it.waits.unattended
        ),
    ));
    for attempts in &it.attempts {
        let factor = if attempts.factor == "none" { String::new() } else { shown(&attempts.factor) };
        facts.push(("answered", format!("{} {} {factor}", attempts.count, shown(&attempts.verdict))));
    }
    facts.push(("bypassed", it.bypassed.to_string()));
    if let Some(provider) = &it.provider {
        let asked = mean(it.asking, "questions");
        facts.push(("provider", format!("{}: {asked}, {} errors", shown(provider), it.provider_errors)));
        facts.push(("users", mean(it.answering, "answers")));
    }
    facts.push(("store", mean(it.store, "operations")));
    facts
}

fn mean(latency: LatencyTotals, what: &str) -> String {
    match latency.count {
        0 => format!("0 {what}"),
        // So many that the number is not exact any more are no harm.
        count => {
            let seconds = latency.seconds / count as f64;
            match seconds {
                1.0.. => format!("{count} {what}, {seconds:.1} s each"),
                _ => format!("{count} {what}, {:.1} ms each", seconds * 1000.0),
            }
        }
    }
}

fn view(report: &InstanceReport) -> serde_json::Value {
    let InstanceReport { overview: it, waits } = report;
    let time = |millis| utc(Timestamp::from_millis(millis));
    let waiting: Vec<_> = waits
        .iter()
        .map(|wait| {
            json!({
                "user": wait.user,
                "client": wait.client,
                "since": time(wait.since),
                "left": wait.left,
                "how": wait.how,
            })
        })
        .collect();
    json!({
        "process": it.process,
        "instance": it.instance,
        "version": it.version,
        "since": time(it.since),
        "provider": it.provider,
        "draining": it.draining,
        "attempts": it.attempts,
        "waits": it.waits,
        "bypassed": it.bypassed,
        "asking": it.asking,
        "answering": it.answering,
        "provider_errors": it.provider_errors,
        "store": it.store,
        "waiting": waiting,
    })
}
