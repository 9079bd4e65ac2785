//! Whatever keeps the server from starting, as far as the module is to blame: each instance is read and checked as the server does
//! it. Only the server knows its dictionary, which the attributes of `reply { }` are looked up in.

use super::finding::{DoctorReport, FindingState};
use crate::app::App;
use crate::cli::context::LoadedConfig;
use crate::config::tree::Section;
use crate::config::{StartSettings, instance_names};

pub(super) fn check(report: &mut DoctorReport, found: &LoadedConfig) {
    let mut all = instance_names(&found.server);
    if all.is_empty() {
        all.push(&found.section);
    }
    let before = report.0.len();
    for (n, second) in all.iter().enumerate() {
        if let Some(first) = all.iter().take(n).find(|first| first.section_label() == second.section_label())
        {
            let (name, at) = (second.section_label(), &first.at);
            let text = format!("{}: a second module \"{name}\"; the first is at {at}", second.at);
            let remedy = "move its options into the first, or give it a name of its own: mfa NAME { }";
            report.fail("start", text, remedy);
        }
    }
    let names_attributes = all.iter().any(|instance| {
        let of = |name| instance.section(name).into_iter();
        of("reply").flat_map(Section::sections).next().is_some()
            || of("radius").any(|radius| radius.pair_named("pass_through").is_some())
    });
    for instance in all {
        let checked = StartSettings::read(&found.server, instance, &found.reader).and_then(|start| {
            App::check_startable(&start.config)
                .map_err(|error| vec![format!("{}: {error}", instance.section_label())])
        });
        if let Err(lines) = checked {
            report.told(FindingState::Fail, "start", lines.join("\n"));
        }
    }
    if report.0.len() == before {
        let but = match names_attributes {
            true => ", as far as can be told without its dictionary: freeradius -XC looks up the attributes",
            false => "",
        };
        report.ok("start", format!("nothing of mfa {{ }} keeps the server from starting{but}"));
    }
}
