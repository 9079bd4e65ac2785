//! Whatever keeps the server from starting, as far as the module is to blame: each instance is read and checked as the server does
//! it. Only the server knows its dictionary, which `reply { }` is looked up in.

use super::{Report, State};
use crate::app::App;
use crate::cli::context::Found;
use crate::config::{Start, instances};

pub(super) fn check(report: &mut Report, found: &Found) {
    let mut all = instances(&found.server);
    if all.is_empty() {
        all.push(&found.section);
    }
    let before = report.0.len();
    for instance in all {
        let checked = Start::read(&found.server, instance, &found.reader).and_then(|start| {
            App::check(&start.config).map_err(|error| vec![format!("{}: {error}", instance.label())])
        });
        if let Err(lines) = checked {
            report.told(State::Fail, "start", lines.join("\n"));
        }
    }
    if report.0.len() == before {
        report.ok("start", "nothing of mfa { } keeps the server from starting");
    }
}
