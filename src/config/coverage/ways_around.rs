//! The ways around the second factor, server by server.

use super::finding::{CoverageFinding, FindingConcern};
use super::policy;
use super::server_config::{ServerConfig, attribute_name, eap_remedy};
use crate::config::clients::is_yes;
use crate::config::tree::{ConfigPair, ConfigPlace, Section, SectionItem};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::net::IpAddr;

/// All ways around, server by server. None if no instance of the module is configured at all.
pub fn check(server: &Section) -> Vec<CoverageFinding> {
    let site = ServerConfig::new(server);
    let mut findings = Vec::new();
    if !site.mfa.is_empty() {
        for virtual_server in server.sections().filter(|s| s.name == "server") {
            if let Some(entry) = site.section_entry(virtual_server) {
                site.check(virtual_server, &entry, &mut findings);
            }
        }
        policy::check_policy(server, &mut findings);
    }
    findings
}

/// Virtual servers, and the `Auth-Type`s in which `mfa` is called before any other module.
pub fn first_in(server: &Section) -> Vec<(String, String)> {
    let site = ServerConfig::new(server);
    let mut found = Vec::new();
    for virtual_server in server.sections().filter(|s| s.name == "server") {
        for section in virtual_server.section("authenticate").into_iter().flat_map(Section::sections) {
            if site.begins_with(section) {
                found.push((virtual_server.section_label().to_owned(), section.section_label().to_owned()));
            }
        }
    }
    found
}

/// Virtual servers in tunnels in which instance `name` can ask in several rounds of EAP-GTC: it takes the answers in `authorize`
/// and decides on them in `authenticate`, and its guard in `post-auth`, which always runs, puts the first question.
pub fn conversing_servers(server: &Section, name: &str) -> Vec<String> {
    let site = ServerConfig::new(server);
    let servers = server.sections().filter(|s| s.name == "server");
    let conversing = servers.filter(|server| site.is_tunnel(server) && site.has_conversation(server, name));
    conversing.map(|server| server.section_label().to_owned()).collect()
}

impl ServerConfig<'_> {
    /// By what logins come into a virtual server; none if they do not.
    pub(super) fn section_entry(&self, server: &Section) -> Option<String> {
        let is_auth = |listen: &Section| {
            listen.name == "listen" && listen.pairs_named().any(|p| p.name == "type" && is_auth_type(p))
        };
        if let Some(listen) = server.sections().find(|s| is_auth(s)) {
            let port = listen.value("port").filter(|port| *port != "0");
            return Some(
                port.map_or("listener on port 1812".to_owned(), |port| format!("listener on port {port}")),
            );
        }
        let label = server.section_label();
        let names_it = |section: &Section| section.value("virtual_server") == Some(label);
        if self
            .root
            .sections()
            .any(|s| (is_auth(s) || s.name == "client" || s.name == "home_server") && names_it(s))
        {
            return Some("listener, client or home server outside of it".to_owned());
        }
        let eap = self
            .module_sections("eap")
            .find_map(|eap| eap.sections().find(|s| is_tunnel(s) && names_it(s)))?;
        Some(format!("inner tunnel of {}", eap.name))
    }

    /// Whether logins come into it from this machine only, or through a tunnel of another virtual server.
    fn is_inside(&self, server: &Section) -> bool {
        let names_it = |section: &&Section| section.value("virtual_server") == Some(server.section_label());
        let mut others =
            self.root.sections().filter(|s| matches!(s.name.as_str(), "listen" | "client" | "home_server"));
        let is_local = |listen: &Section| {
            let address = ["ipaddr", "ipv4addr", "ipv6addr"].iter().find_map(|name| listen.value(name));
            address.is_some_and(|text| {
                text == "localhost" || text.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
            })
        };
        !others.any(|section| names_it(&section))
            && server.sections().filter(|s| s.name == "listen").all(is_local)
    }

    fn check(&self, server: &Section, entry: &str, findings: &mut Vec<CoverageFinding>) {
        let name = server.section_label();
        let calls_mfa = server.items.iter().any(|item| self.calls_module(item, 0));
        let concern = Cell::new(if calls_mfa { FindingConcern::Ours } else { FindingConcern::Detail });
        let mut found = |at: &ConfigPlace, text: String| {
            let text = format!("server \"{name}\": {text}");
            findings.push(CoverageFinding {
                at: at.clone(),
                server: name.to_owned(),
                text,
                concern: concern.get(),
            });
        };
        let names_it = |section: &&Section| section.value("virtual_server") == Some(name);
        let outside = self.root.sections().filter(names_it);
        for listen in outside.chain(server.sections()).filter(|section| section.name == "listen") {
            let performance =
                listen.section("performance").and_then(|section| section.pair_named("synchronous"));
            if let Some(pair) = performance.filter(|pair| pair.value.as_deref().is_some_and(is_yes)) {
                found(&pair.at, "post-auth, and the guard in it, does not run on a \"synchronous\" listener, and no login can wait there: set \"synchronous = no\"".to_owned());
            }
        }
        let (mut pairs, mut calls) = (Vec::new(), BTreeSet::new());
        self.walk_items(server, 0, &mut calls, &mut pairs);
        let post_auth = server.section("post-auth");
        for pair in pairs.iter().filter(|pair| attribute_name(pair) == "Post-Auth-Type") {
            let list = pair.value.as_deref().unwrap_or_default();
            let is_it =
                |s: &&Section| s.name == "Post-Auth-Type" && s.section_label().eq_ignore_ascii_case(list);
            let named = post_auth.and_then(|section| section.sections().find(is_it));
            if !REFUSALS.iter().any(|refusal| refusal.eq_ignore_ascii_case(list))
                && !named.is_some_and(|section| self.is_guarded(section, 0))
            {
                found(
                    &pair.at,
                    format!(
                        "\"Post-Auth-Type {list}\" then runs instead of post-auth and the guard in it: put \"mfa\" into it as well"
                    ),
                );
            }
        }
        for pair in pairs.iter().filter(|pair| attribute_name(pair) == "Response-Packet-Type") {
            if matches!(pair.value.as_deref(), Some("2")) || is_value(pair, "Access-Accept") {
                found(&pair.at, "\"Response-Packet-Type := Access-Accept\" makes an accept of every refusal, also of a wrong password behind a right code: remove it".to_owned());
            }
        }
        self.check_push(server, &pairs, &mut found);
        self.check_own(server, &pairs, &mut found);
        // Wherever it is, our sections may be why.
        concern.set(FindingConcern::Ours);
        self.check_auth_types(server, &pairs, &mut found);
        if post_auth.is_some_and(|section| self.is_guarded(section, 0)) {
            return;
        }
        let at = post_auth.map_or(&server.at, |section| &section.at);
        let where_to = match post_auth {
            Some(_) => "put \"mfa\" first into its post-auth section",
            None => "add to it: post-auth { mfa }",
        };
        let reach = if self.is_inside(server) { FindingConcern::Inside } else { FindingConcern::Open };
        concern.set(if calls_mfa { FindingConcern::Ours } else { reach });
        found(at, format!("can accept logins without \"mfa\" ({entry}): {where_to}"));
        concern.set(if calls_mfa { FindingConcern::Ours } else { FindingConcern::Detail });
        for item in server.section("authenticate").into_iter().flat_map(|section| &section.items) {
            if !self.calls_module(item, 0) {
                found(item.place(), self.coverage_remedy(item));
            }
        }
        for pair in pairs {
            match (attribute_name(pair), pair.value.as_deref().unwrap_or_default()) {
                ("Auth-Type", value) if value.eq_ignore_ascii_case("Accept") => {
                    found(&pair.at, "\"Auth-Type := Accept\" lets in without \"mfa\": put the guard into post-auth, and set MFA-Exempt where this is meant".to_owned());
                }
                (name @ ("Proxy-To-Realm" | "Home-Server-Pool" | "Home-Server-Name"), value)
                    if value != "LOCAL" =>
                {
                    found(
                        &pair.at,
                        format!(
                            "what {name} sends to another server is accepted on its word: put the guard into post-auth"
                        ),
                    );
                }
                _ => {}
            }
        }
        if self.module_sections("realm").any(|realm| calls.contains(realm.section_label())) {
            let is_proxied = |s: &&Section| PROXYING.iter().any(|key| s.value(key).is_some());
            for realm in self.root.sections().filter(|s| s.name == "realm").filter(is_proxied) {
                let realm_name = realm.section_label();
                found(
                    &realm.at,
                    format!(
                        "logins of realm \"{realm_name}\" go to another server and are accepted on its word: put the guard into post-auth"
                    ),
                );
            }
        }
        for eap in self.module_sections("eap").filter(|eap| calls.contains(eap.section_label())) {
            let caches = eap.sections().flat_map(Section::sections).filter(|s| s.name == "cache");
            for cache in caches.filter(|cache| cache.value("enable").is_some_and(is_yes)) {
                found(&cache.at, "resumed EAP sessions skip the inner tunnel and \"mfa\" in it: set \"enable = no\", or put the guard into post-auth".to_owned());
            }
        }
    }

    /// What stands in `authenticate` and does not call `mfa`.
    fn coverage_remedy(&self, item: &SectionItem) -> String {
        match item {
            SectionItem::Pair(word) if self.is_eap(&word.name) => {
                format!("\"{0}\" in authenticate accepts on its own: {1}", word.name, eap_remedy(&word.name))
            }
            SectionItem::Pair(word) => format!(
                "\"{0}\" in authenticate accepts on its own: write \"Auth-Type {0}\" with \"mfa\" in it",
                word.name
            ),
            SectionItem::Section(section) => {
                let label = section.section_label();
                let place = match label.to_ascii_lowercase().as_str() {
                    "chap" | "ms-chap" | "mschap" => "before its module, and behind it",
                    _ => "behind its module",
                };
                format!("\"Auth-Type {label}\" accepts without \"mfa\": put \"mfa\" {place}")
            }
        }
    }
}

/// What makes a realm one of another server.
const PROXYING: [&str; 4] = ["auth_pool", "pool", "authhost", "home_server"];

/// The lists that run when a login was not accepted.
const REFUSALS: [&str; 3] = ["Reject", "Challenge", "Client-Lost"];

fn is_value(pair: &ConfigPair, value: &str) -> bool {
    pair.value.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(value))
}

fn is_auth_type(pair: &ConfigPair) -> bool {
    matches!(pair.value.as_deref(), Some("auth" | "auth+acct"))
}

fn is_tunnel(section: &Section) -> bool {
    matches!(section.name.as_str(), "ttls" | "peap" | "fast" | "teap")
}

#[cfg(test)]
mod tests;
