//! `mfa doctor` on logins that wait.

use super::harness::webhook::Webhook;
use super::site::{Outcome, Site};

/// The findings of that state about that subject.
fn findings(outcome: &Outcome, state: &str, subject: &str) -> Vec<String> {
    let all: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    let all = all.as_array().unwrap().iter();
    let wanted = all.filter(|finding| finding["state"] == state && finding["subject"] == subject);
    wanted.map(|finding| format!("{} -> {}", finding["text"], finding["remedy"])).collect()
}

/// Asserts that this is found.
#[track_caller]
fn finds(site: &Site, state: &str, subject: &str, says: &[&str]) {
    let outcome = site.mfa(["doctor", "--json"]);
    let found = findings(&outcome, state, subject);
    let is_it = |found: &&String| says.iter().all(|word| found.contains(word));
    assert!(
        found.iter().any(|found| is_it(&found)),
        "no {state} {subject} that says {says:?}: {}",
        outcome.out
    );
}

/// One that asks by this webhook, with these lines before all else in `radiusd.conf`.
fn site(webhook: &Webhook, server: &str) -> Site {
    let site = Site::new();
    site.configure(&format!("push {{\n{}api_timeout = 2\n}}\n", webhook.options()));
    site.write(
        "radiusd.conf",
        &format!(
            "max_requests = 16384\nmax_request_time = 60\n{server}\nmodules {{\n\t$INCLUDE mods-enabled/\n}}\n\
             server default {{\n\tlisten {{\n\t\ttype = auth\n\t}}\n\tpost-auth {{\n\t\tmfa\n\t}}\n}}\n"
        ),
    );
    site
}

#[test]
fn provider_is_tried_without_asking_anybody() {
    let webhook = Webhook::start();
    let site = site(&webhook, "");
    finds(&site, "ok", "provider", &["webhook: it answers, and takes our key"]);
    finds(&site, "ok", "parking", &["max_requests = 16384: enough"]);
    finds(&site, "ok", "push", &["RADIUS proxy stands in front", "response_window", "30 s"]);
    finds(&site, "ok", "push", &["up to 25 s", "wait 30 s"]);
    finds(&site, "ok", "running", &["no server runs with this store"]);
    site.mfa(["doctor"]).ok();
    assert_eq!(webhook.asked(), 0);

    webhook.fault("poll", "wrong_key", 1);
    finds(&site, "fail", "provider", &["webhook:", "push { webhook { } }"]);
    webhook.fault("poll", "500", 1);
    finds(&site, "fail", "provider", &["HTTP 500"]);
    drop(webhook);
    finds(&site, "fail", "provider", &["/ask/poll", "refused"]);
    site.mfa(["doctor"]).refused(1);
}

#[test]
fn without_a_provider_nothing_is_asked_for() {
    let site = Site::new();
    finds(&site, "ok", "push", &["no provider"]);
    assert!(findings(&site.mfa(["doctor", "--json"]), "warn", "parking").is_empty());
}

#[test]
fn what_the_server_has_not_room_for_is_told_with_the_line_to_write() {
    let webhook = Webhook::start();
    finds(
        &site(&webhook, "proxy_requests = no"),
        "warn",
        "parking",
        &["set proxy_requests = yes in radiusd.conf"],
    );
    let small = site(&webhook, "");
    let text = std::fs::read_to_string(small.path("radiusd.conf")).unwrap();
    let with = |from: &str, to: &str| small.write("radiusd.conf", &text.replace(from, to));
    with("max_requests = 16384", "max_requests = 1024");
    finds(&small, "warn", "parking", &["max_requests = 1024", "set max_requests = 15000"]);
    with("max_requests = 16384", "cleanup_delay = 10");
    finds(&small, "warn", "parking", &["max_requests = 256", "set max_requests = 20000"]);
    with("max_requests = 16384", "max_requests = 0");
    finds(&small, "ok", "parking", &["max_requests = 0"]);
    with("max_request_time = 60", "max_request_time = 20");
    finds(&small, "fail", "start", &["set max_request_time to at least 30"]);
    with("max_request_time = 60", "client vpn {\n\tresponse_window = 6\n}");
    finds(&small, "fail", "start", &["client vpn", "set it to at least 30"]);
}

#[test]
fn name_of_the_place_to_wait_at_has_to_be_free() {
    let webhook = Webhook::start();
    for section in ["home_server_pool mfa-wait", "home_server mfa-wait", "server mfa-wait"] {
        let taken = site(&webhook, &format!("{section} {{\n}}"));
        finds(&taken, "fail", "parking", &["mfa-wait has the name", "call it otherwise"]);
    }
}
