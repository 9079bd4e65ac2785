//! `mfa drain`: answers all waiting logins before the server is stopped. A server that is told to stop answers no
//! login any more.

use super::context::SiteArguments;
use super::error::{CommandAnswer, Error};
use super::output::{self, CommandOutput, OutputFormat, progress};
use super::running;
use crate::operations::control::{self, ControlError, ControlSocket, DrainReport};
use serde_json::json;
use std::collections::HashMap;
use std::sync::mpsc;
use std::thread::ScopedJoinHandle;
use std::time::Duration;

/// What the server's timers may be late by.
const SLACK: Duration = Duration::from_millis(200);

#[derive(clap::Args)]
pub(super) struct DrainArguments {
    /// For how long those who wait already may still answer
    #[arg(long, value_name = "SECONDS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=3600))]
    wait: u64,
    /// Only this process, where several servers run; nothing is drained if it is empty, as systemd's MAINPID of a server
    /// that has ended
    #[arg(long, value_name = "PROCESS", value_parser = process)]
    pid: Option<ProcessId>,
}

/// A process id, if there is one.
#[derive(Clone, Copy, Debug)]
struct ProcessId(Option<u32>);

fn process(text: &str) -> Result<ProcessId, std::num::ParseIntError> {
    match text {
        "" => Ok(ProcessId(None)),
        number => number.parse().map(|number| ProcessId(Some(number))),
    }
}

pub(super) fn run(
    site: &SiteArguments,
    out: CommandOutput,
    arguments: &DrainArguments,
) -> Result<CommandAnswer, Error> {
    // Who is not root any more may not be able to read it.
    let reject_delay = site.timers()?.reject_delay;
    let mut sockets = running::sockets(site)?;
    if let Some(ProcessId(wanted)) = arguments.pid {
        sockets.retain(|socket| Some(socket.process) == wanted);
    }
    let results = drain(&sockets, Duration::from_secs(arguments.wait));
    let waiting = results.iter().any(|(_, result)| result.as_ref().is_ok_and(|drained| drained.waiting > 0));
    if waiting {
        // The server has the answers, and holds back rejects for so long.
        std::thread::sleep(reject_delay.saturating_add(SLACK));
    }
    tell(out, &results)
}

/// All at once; what came of each that still ran.
fn drain(
    sockets: &[ControlSocket],
    wait: Duration,
) -> Vec<(&ControlSocket, Result<DrainReport, ControlError>)> {
    progress("answering", |bar| {
        std::thread::scope(|scope| {
            let (sender, receiver) = mpsc::channel();
            let drains: Vec<_> = sockets
                .iter()
                .map(|socket| {
                    let sender = sender.clone();
                    let mut told = move |left| {
                        let _ = sender.send((&socket.path, left));
                    };
                    let drain = move || control::request_drain(socket, wait, &mut told);
                    (socket, std::thread::Builder::new().spawn_scoped(scope, drain))
                })
                .collect();
            drop(sender);
            let (mut left, mut most) = (HashMap::new(), 0);
            for (path, count) in receiver {
                left.insert(path, u64::try_from(count).unwrap_or(u64::MAX));
                let all = left.values().fold(0, |sum: u64, count| sum.saturating_add(*count));
                most = all.max(most);
                bar(most.saturating_sub(all), most);
            }
            let broken = |_| Err(ControlError::Silent("internal error: please report it".to_owned()));
            let none = |why| Err(ControlError::Silent(format!("a thread cannot be started: {why}")));
            let end = |drain: std::io::Result<ScopedJoinHandle<'_, _>>| match drain {
                Ok(drain) => drain.join().unwrap_or_else(broken),
                Err(why) => none(why),
            };
            let ended = drains.into_iter().map(|(socket, drain)| (socket, end(drain)));
            ended.filter(|(_, result)| *result != Err(ControlError::Gone)).collect()
        })
    })
}

fn tell(
    out: CommandOutput,
    results: &[(&ControlSocket, Result<DrainReport, ControlError>)],
) -> Result<CommandAnswer, Error> {
    let mut answer = CommandAnswer::Yes;
    let mut views = Vec::new();
    for (socket, result) in results {
        let (waiting, left) = match result {
            Ok(DrainReport { waiting, left }) => (*waiting, *left),
            Err(trouble) => {
                output::note(trouble);
                answer = CommandAnswer::No;
                continue;
            }
        };
        views.push(json!({
            "process": socket.process,
            "instance": socket.instance_label(),
            "waiting": waiting,
            "left": left,
        }));
        if left > 0 {
            answer = CommandAnswer::No;
        }
        if out.form() == OutputFormat::Text {
            let text = match (waiting, left) {
                (0, _) => "no login waited".to_owned(),
                (waiting, 0) => format!("{waiting} waited, and are answered"),
                (waiting, left) => format!("{waiting} waited, {left} of them are not answered"),
            };
            output::line(format_args!(
                "process {}, instance {}: {text}",
                socket.process,
                output::shown(socket.instance_label())
            ))?;
        }
    }
    if out.form() == OutputFormat::Json {
        let _ = out.say(&views, "")?;
    } else if results.is_empty() {
        output::note("no server runs with this store: no login waits");
    }
    Ok(answer)
}
