//! `mfa status` and `mfa drain` on instances that run here.

use super::site::Site;
use rlm_mfa::app::App;
use rlm_mfa::config::{self, Config};
use std::sync::Arc;

/// Two instances, each with a store of its own.
fn two() -> Site {
    let site = Site::new();
    let other = site.path("other");
    let text = std::fs::read_to_string(site.path("mods-enabled/mfa")).unwrap();
    let second = text
        .replace("mfa {", "mfa other {")
        .replace(&site.path("lib").display().to_string(), &other.display().to_string());
    site.write("mods-enabled/other", &second);
    site.mfa(["-n", "other", "init"]).ok();
    site
}

/// The instances of the configuration, as the server would run them.
fn run(site: &Site) -> Vec<App> {
    let server = config::read_server(&site.path("radiusd.conf"), &|_| None).unwrap();
    let instances = config::instance_names(&server).into_iter().map(|section| {
        let mut app = App::open(Arc::new(Config::read(section).unwrap()), 4, Box::new(|_| ())).unwrap();
        app.start_services(section.section_label(), &|line| panic!("{line}")).unwrap();
        app
    });
    instances.collect()
}

#[test]
fn all_instances_are_told_or_the_one_that_is_meant() {
    let site = two();
    let running = run(&site);
    let told = |arguments: &[&str]| {
        let told = site.mfa(arguments).json();
        let names = told.as_array().unwrap().iter().map(|it| it["instance"].as_str().unwrap().to_owned());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    };
    assert_eq!(told(&["status", "--json"]), ["mfa", "other"]);
    assert_eq!(told(&["-n", "other", "status", "--json"]), ["other"]);
    assert!(site.mfa(["-n", "third", "status"]).refused(2).contains("no instance \"third\""));
    site.mfa(["-n", "other", "drain"]).ok();
    let text = site.mfa(["status"]).ok();
    assert_eq!(text.matches("no more logins may wait").count(), 1, "{text}");
    drop(running);
    site.mfa(["status"]).refused(1);
}

#[test]
fn draining_where_nothing_runs_is_done() {
    let site = Site::new();
    let drained = site.mfa(["drain"]);
    assert_eq!((drained.status, drained.out.as_str()), (0, ""), "{drained:?}");
    assert!(drained.err.contains("no login waits"), "{drained:?}");
    assert_eq!(site.mfa(["drain", "--json"]).json(), serde_json::json!([]));
    site.mfa(["drain", "--wait", "3601"]).refused(2);
    site.mfa(["status"]).refused(1);
    Site::bare().mfa(["status"]).refused(1);
}

#[test]
fn wrong_option_keeps_nobody_from_draining_what_runs_by_the_right_ones() {
    let site = Site::new();
    let _running = run(&site);
    site.configure("\tmode = sometimes\n");
    assert!(site.mfa(["drain"]).ok().contains("no login waited"));
    assert!(site.mfa(["status"]).ok().contains("no more logins may wait"));
}
