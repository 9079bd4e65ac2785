//! `mfa audit`: who tried to log in, and what became of it.

use super::context::CommandContext;
use super::error::{CommandAnswer, Error};
use super::input;
use super::output::{local, shown, utc};
use crate::engine::Verdict;
use crate::store::{Administration, AuditQuery, AuditRow};
use clap::ValueEnum;
use serde_json::json;
use std::time::Duration;

/// How often new attempts are looked for.
const PAUSE: Duration = Duration::from_millis(500);

#[derive(clap::Args)]
pub(super) struct AuditArguments {
    /// Only of this user
    #[arg(long)]
    user: Option<String>,
    /// Only from then on: so long ago (2h, 7d), a day (2026-11-01) or a time (2026-11-01T08:30)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only with this result
    #[arg(long)]
    result: Option<VerdictFilter>,
    /// Go on with what comes; JSON is then one object a line
    #[arg(short, long)]
    follow: bool,
    /// The newest so many
    #[arg(long, default_value_t = 100, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
}

/// The verdicts, as words of the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum VerdictFilter {
    Accept,
    Bypassed,
    Pending,
    Challenge,
    Reject,
    Locked,
    Malformed,
    Unavailable,
}

impl VerdictFilter {
    const fn verdict(self) -> Verdict {
        match self {
            Self::Accept => Verdict::Accept,
            Self::Bypassed => Verdict::Bypassed,
            Self::Pending => Verdict::Pending,
            Self::Challenge => Verdict::Challenge,
            Self::Reject => Verdict::Reject,
            Self::Locked => Verdict::Locked,
            Self::Malformed => Verdict::Malformed,
            Self::Unavailable => Verdict::Unavailable,
        }
    }
}

pub(super) fn run(context: &CommandContext, arguments: AuditArguments) -> Result<CommandAnswer, Error> {
    let mut query = AuditQuery {
        user: arguments.user.map(|user| context.name(&user)).transpose()?,
        since: arguments.since.map(|since| input::since(&since, context.now)).transpose()?,
        verdict: arguments.result.map(|result| result.verdict().as_str().to_owned()),
        after: None,
        limit: arguments.limit,
    };
    let mut list =
        context.out.list(&["TIME", "USER", "RESULT", "REASON", "TOKEN", "CLIENT", "STATION", "REQUEST"]);
    if arguments.follow {
        list = list.endless();
    }
    loop {
        for row in context.store.audit(&query)? {
            query.after = Some(row.id);
            list.row(&view(&row), cells(&row))?;
        }
        if !arguments.follow {
            return list.end("no such attempt is recorded");
        }
        list.flush()?;
        // From now on everything that is new; without one yet, everything since the beginning is.
        query.after.get_or_insert(0);
        query.limit = u32::MAX;
        std::thread::sleep(PAUSE);
    }
}

fn cells(row: &AuditRow) -> Vec<String> {
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { shown(text) };
    vec![
        local(row.at),
        dash(&row.user),
        shown(&row.verdict),
        shown(&row.reason),
        dash(row.token.as_deref().unwrap_or_default()),
        dash(&row.client),
        dash(&row.calling_station),
        row.request.map_or_else(|| "-".to_owned(), |request| request.to_string()),
    ]
}

fn view(row: &AuditRow) -> serde_json::Value {
    json!({
        "id": row.id,
        "at": utc(row.at),
        "user": row.user,
        "client": row.client,
        "calling_station": row.calling_station,
        "request": row.request,
        "mode": row.mode,
        "factor": row.factor,
        "token": row.token,
        "result": row.verdict,
        "reason": row.reason,
    })
}
