//! Which logins the server can accept without asking `mfa`.
//!
//! Searched when the server starts, and by `mfa doctor`. A virtual server whose `post-auth` runs `mfa` on every login
//! is safe: there the module refuses an accept that it did not decide. Of any other, each way around is named; and
//! what keeps `post-auth` from running, in any; where no push can be sent ([`push`]), and where passwords that this
//! module verifies go elsewhere ([`own`]); which logins no section takes ([`auth_types`]); and which clients `policy
//! { }` names in vain ([`policy`]). What only the data says (an `Auth-Type` in a users file, a database or a
//! directory) cannot be seen here: one more reason for the guard.

mod auth_types;
mod confirming;
mod own;
mod policy;
mod push;

pub use confirming::{telling, unconfirmed};

use super::clients::is_yes;
use super::instance_names;
use super::tree::{ConfigPair, ConfigPlace, Section, SectionItem};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// A way around the second factor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageFinding {
    /// Place in the configuration.
    pub at: ConfigPlace,
    /// The virtual server.
    pub server: String,
    /// What it is, and the remedy; one line.
    pub text: String,
    /// How much it matters.
    pub concern: FindingConcern,
}

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FindingConcern {
    /// A virtual server that calls `mfa`, or one whose logins its sections get in the way of.
    Ours,
    /// A virtual server that does not call it, and takes logins from other machines.
    Open,
    /// One that does not call it, and takes logins from this machine alone, or through a tunnel.
    Inside,
    /// What there is to know of either of these besides.
    Detail,
}

impl CoverageFinding {
    /// Whether it belongs into the server's log at each start.
    pub fn is_loud(&self) -> bool {
        matches!(self.concern, FindingConcern::Ours | FindingConcern::Open)
    }
}

impl fmt::Display for CoverageFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.text)
    }
}

/// How deep policies may call one another.
const MAX_DEPTH: u32 = 16;

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
pub fn lacks_conversation(server: &Section, name: &str) -> Vec<String> {
    let site = ServerConfig::new(server);
    let servers = server.sections().filter(|s| s.name == "server");
    let conversing = servers.filter(|server| site.is_tunnel(server) && site.has_conversation(server, name));
    conversing.map(|server| server.section_label().to_owned()).collect()
}

/// What the virtual servers have in common.
struct ServerConfig<'t> {
    root: &'t Section,
    mfa: BTreeSet<&'t str>,
}

impl<'t> ServerConfig<'t> {
    fn new(root: &'t Section) -> Self {
        Self { root, mfa: instance_names(root).into_iter().map(Section::section_label).collect() }
    }

    /// By what logins come into a virtual server; none if they do not.
    fn section_entry(&self, server: &Section) -> Option<String> {
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
        let eap =
            self.module_names("eap").find_map(|eap| eap.sections().find(|s| is_tunnel(s) && names_it(s)))?;
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
        for pair in pairs.iter().filter(|pair| set_attribute(pair) == "Post-Auth-Type") {
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
        for pair in pairs.iter().filter(|pair| set_attribute(pair) == "Response-Packet-Type") {
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
                found(item.place(), self.uncovered_paths(item));
            }
        }
        for pair in pairs {
            match (set_attribute(pair), pair.value.as_deref().unwrap_or_default()) {
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
        if self.module_names("realm").any(|realm| calls.contains(realm.section_label())) {
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
        for eap in self.module_names("eap").filter(|eap| calls.contains(eap.section_label())) {
            let caches = eap.sections().flat_map(Section::sections).filter(|s| s.name == "cache");
            for cache in caches.filter(|cache| cache.value("enable").is_some_and(is_yes)) {
                found(&cache.at, "resumed EAP sessions skip the inner tunnel and \"mfa\" in it: set \"enable = no\", or put the guard into post-auth".to_owned());
            }
        }
    }

    /// Whether a list of unlang asks `mfa` on every login: not within a condition, not behind a way out, not with its
    /// refusals overridden.
    fn is_guarded(&self, unlang: &Section, depth: u32) -> bool {
        for item in &unlang.items {
            match item {
                SectionItem::Pair(word) if self.is_mfa(&word.name) => {
                    return word.name.split_once('.').is_none_or(|(_, method)| method == "post-auth");
                }
                SectionItem::Pair(word) if is_way_out(word) => return false,
                SectionItem::Pair(word) => match self.policy(&word.name) {
                    Some(policy) if depth < MAX_DEPTH && self.is_guarded(policy, depth + 1) => return true,
                    Some(policy) if can_leave(policy) => return false,
                    _ => {}
                },
                // Post-Auth-Type lists run instead of an accept.
                SectionItem::Section(list) if list.name.ends_with("-Type") => {}
                SectionItem::Section(section) if can_leave(section) => return false,
                SectionItem::Section(_) => {}
            }
        }
        false
    }

    /// Whether this instance takes answers in `authorize`, decides on them in `authenticate`, and puts challenges in `post-auth`.
    fn has_conversation(&self, server: &Section, name: &str) -> bool {
        let is_own = |item: &SectionItem| match item {
            SectionItem::Pair(word) => word.name == name,
            SectionItem::Section(section) => section.section_label().eq_ignore_ascii_case(name),
        };
        let has = |list: &str, is_it: &dyn Fn(&SectionItem) -> bool| {
            server.section(list).is_some_and(|section| section.items.iter().any(is_it))
        };
        has("authorize", &|item| self.calls_module(item, 0))
            && has("authenticate", &|item| is_own(item) && self.calls_module(item, 0))
            && server.section("post-auth").is_some_and(|section| self.is_guarded(section, 0))
    }

    /// Whether `mfa` is called anywhere in it.
    fn calls_module(&self, item: &SectionItem, depth: u32) -> bool {
        let inside = |section: &Section| section.items.iter().any(|item| self.calls_module(item, depth + 1));
        match item {
            _ if depth > MAX_DEPTH => false,
            SectionItem::Pair(word) => self.is_mfa(&word.name) || self.policy(&word.name).is_some_and(inside),
            SectionItem::Section(section) => {
                self.is_mfa(&section.name)
                    || inside(section)
                    || self.policy(&section.name).is_some_and(inside)
            }
        }
    }

    /// Gathers every pair of a section and of the policies that it calls, and each name that could be a module's or a
    /// policy's.
    fn walk_items<'s>(
        &'s self,
        section: &'s Section,
        depth: u32,
        names: &mut BTreeSet<&'s str>,
        pairs: &mut Vec<&'s ConfigPair>,
    ) {
        if depth > MAX_DEPTH {
            return;
        }
        for item in &section.items {
            let name = match item {
                SectionItem::Pair(pair) => {
                    pairs.push(pair);
                    is_bare(&pair.name)
                }
                SectionItem::Section(inner) => {
                    self.walk_items(inner, depth + 1, names, pairs);
                    is_bare(&inner.name)
                }
            };
            // Each policy once.
            if names.insert(name)
                && let Some(policy) = self.policy(name)
            {
                self.walk_items(policy, depth + 1, names, pairs);
            }
        }
    }

    fn is_mfa(&self, call: &str) -> bool {
        self.mfa.contains(is_bare(call))
    }

    fn policy(&self, name: &str) -> Option<&'t Section> {
        // A policy may be made for one section only: `mfa_guard.post-auth`.
        let policies = self.root.sections().filter(|s| s.name == "policy").flat_map(Section::sections);
        let mut policies =
            policies.filter(|p| p.name == name || p.name.split_once('.').is_some_and(|(n, _)| n == name));
        policies.next()
    }

    /// What stands in `authenticate` and does not call `mfa`.
    fn uncovered_paths(&self, item: &SectionItem) -> String {
        match item {
            SectionItem::Pair(word) if self.is_eap(&word.name) => {
                format!(
                    "\"{0}\" in authenticate accepts on its own: {1}",
                    word.name,
                    push::behind_eap(&word.name)
                )
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

    fn is_eap(&self, call: &str) -> bool {
        self.module_names("eap").any(|eap| eap.section_label() == is_bare(call))
    }

    fn module_names(&self, kind: &'static str) -> impl Iterator<Item = &'t Section> {
        let modules = self.root.sections().filter(|s| s.name == "modules").flat_map(Section::sections);
        modules.filter(move |module| module.name == kind)
    }
}

/// What makes a realm one of another server.
const PROXYING: [&str; 4] = ["auth_pool", "pool", "authhost", "home_server"];

/// The lists that run when a login was not accepted.
const REFUSALS: [&str; 3] = ["Reject", "Challenge", "Client-Lost"];

/// The attribute in `&control:Attribute`.
fn set_attribute(pair: &ConfigPair) -> &str {
    pair.name.rsplit(['&', ':', '.']).next().unwrap_or_default()
}

/// The module in `-module` (which may be absent) and `module.method`.
fn is_bare(call: &str) -> &str {
    let call = call.strip_prefix('-').unwrap_or(call);
    call.split_once('.').map_or(call, |(module, _)| module)
}

fn is_value(pair: &ConfigPair, value: &str) -> bool {
    pair.value.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(value))
}

fn is_auth_type(pair: &ConfigPair) -> bool {
    matches!(pair.value.as_deref(), Some("auth" | "auth+acct"))
}

fn is_tunnel(section: &Section) -> bool {
    matches!(section.name.as_str(), "ttls" | "peap" | "fast" | "teap")
}

/// `return` and `handled` end a list, and so does `ok = return`; an accept stays one.
fn is_way_out(pair: &ConfigPair) -> bool {
    matches!(pair.name.as_str(), "return" | "handled") || pair.value.as_deref() == Some("return")
}

/// Whether something in it can end the list before what stands behind.
fn can_leave(section: &Section) -> bool {
    section.items.iter().any(|item| match item {
        SectionItem::Pair(pair) => is_way_out(pair),
        SectionItem::Section(inner) => can_leave(inner),
    })
}

#[cfg(test)]
mod tests {
    use super::super::read_text;
    use super::*;

    const MODULES: &str = "modules {\n mfa {\n }\n mfa vpn {\n }\n realm suffix {\n }\n eap {\n tls-config t {\n cache {\n enable = yes\n }\n }\n ttls {\n virtual_server = inner\n }\n }\n}\n\
         policy {\n guard {\n noop\n mfa\n }\n loop {\n loop\n }\n leave {\n if (x) {\n return\n }\n }\n}\nrealm example.test {\n auth_pool = p\n}\n";

    fn found(server: &str) -> Vec<String> {
        let tree = read_text(format!("{MODULES}{server}"), &|_| None).unwrap();
        check(&tree).into_iter().map(|f| f.text).collect()
    }

    fn with_post_auth(post_auth: &str) -> usize {
        found(&format!("server s {{\n listen {{\n type = auth\n }}\n post-auth {{\n{post_auth}\n}}\n}}\n"))
            .len()
    }

    #[test]
    fn the_guard_in_post_auth_is_enough() {
        for guard in
            ["mfa", "vpn", "ok\nguard\nexec", "Post-Auth-Type Reject {\nx\n}\nmfa", "if (x) {\nnoop\n}\nmfa"]
        {
            assert_eq!(with_post_auth(guard), 0, "{guard}");
        }
    }

    #[test]
    fn what_does_not_always_run_is_no_guard() {
        for guard in [
            "",
            "pap",
            "if (x) {\nmfa\n}",
            "if (x) {\nok\nreturn\n}\nmfa",
            "sql {\nok = return\n}\nmfa",
            "mfa {\nreject = 1\n}",
            "if (x) {\nhandled\n}\nmfa",
            "leave\nmfa",
            "mfa.authorize",
            "loop",
            "Post-Auth-Type Reject {\nmfa\n}",
        ] {
            assert_eq!(with_post_auth(guard), 1, "{guard}");
        }
    }

    #[test]
    fn each_way_around_is_named() {
        let told = found(
            "server s {\n listen {\n type = auth\n port = 1812\n }\n authorize {\n suffix\n eap\n if (x) {\n update control {\n &Auth-Type := Accept\n }\n }\n update {\n \
             &control:Proxy-To-Realm := LOCAL\n &control:Proxy-To-Realm := other\n }\n }\n authenticate {\n Auth-Type PAP {\n pap\n mfa\n }\n Auth-Type CHAP {\n chap\n }\n eap\n }\n}\n",
        );
        let starts = [
            "server \"s\": can accept logins without \"mfa\" (listener on port 1812): add to it: post-auth { mfa }",
            "server \"s\": \"Auth-Type CHAP\" accepts without \"mfa\": put \"mfa\" before its module",
            "server \"s\": \"eap\" in authenticate accepts on its own",
            "server \"s\": \"Auth-Type := Accept\" lets in without \"mfa\"",
            "server \"s\": what Proxy-To-Realm sends to another server",
            "server \"s\": logins of realm \"example.test\" go to another server",
            "server \"s\": resumed EAP sessions skip the inner tunnel",
        ];
        assert_eq!(told.len(), starts.len(), "{told:#?}");
        for (told, start) in told.iter().zip(starts) {
            assert!(told.starts_with(start), "{told}\n{start}");
        }
    }

    #[test]
    fn another_post_auth_list_needs_a_guard_of_its_own() {
        let server = |list: &str| {
            found(&format!(
                "server s {{\n listen {{\n type = auth\n }}\n authorize {{\n update control {{\n &Post-Auth-Type := foo\n }}\n }}\n post-auth {{\n mfa\n Post-Auth-Type foo {{\n {list}\n }}\n }}\n}}\n"
            ))
        };
        assert_eq!(server("mfa"), Vec::<String>::new());
        assert!(server("ok")[0].contains("\"Post-Auth-Type foo\" then runs instead"));
    }

    #[test]
    fn accept_that_overrides_every_refusal_is_named_behind_the_guard_too() {
        for (unlang, count) in [
            ("update control {\n&Response-Packet-Type := Access-Accept\n}", 1),
            ("if (x) {\nupdate {\n&control:Response-Packet-Type = 2\n}\n}", 1),
            ("update control {\n&Response-Packet-Type := Access-Challenge\n}", 0),
        ] {
            let told = found(&format!(
                "server s {{\n listen {{\n type = auth\n }}\n authorize {{\n mfa\n {unlang}\n }}\n post-auth {{\n mfa\n }}\n}}\n"
            ));
            assert_eq!(told.len(), count, "{told:?}");
            assert!(told.iter().all(|text| text.contains("makes an accept of every refusal")), "{told:?}");
        }
    }

    #[test]
    fn what_matters_is_told_from_what_does_not() {
        let concerns = |server: &str| -> Vec<FindingConcern> {
            let tree = read_text(format!("{MODULES}{server}"), &|_| None).unwrap();
            check(&tree).into_iter().map(|finding| finding.concern).collect()
        };
        let listen = |address: &str| {
            format!("listen {{\n type = auth\n ipaddr = {address}\n }}\n authenticate {{\n eap\n }}\n")
        };
        let server = |address: &str, more: &str| format!("server s {{\n {}{more}}}\n", listen(address));
        use FindingConcern::{Detail, Inside, Open, Ours};
        assert_eq!(concerns(&server("*", "")), [Open, Detail, Detail]);
        assert_eq!(concerns(&server("127.0.0.1", "")), [Inside, Detail, Detail]);
        assert_eq!(concerns(&server("*", "authorize {\nmfa\n}\n")), [Ours, Ours, Ours]);
        let named = format!("{}client c {{\n virtual_server = s\n}}\n", server("127.0.0.1", ""));
        assert_eq!(concerns(&named)[0], Open);
        assert_eq!(concerns("server inner {\n authenticate {\n eap\n }\n}\n")[0], Inside);
    }

    #[test]
    fn inner_tunnels_are_looked_at_and_idle_servers_are_not() {
        let told =
            found("server inner {\n}\nserver idle {\n}\nserver acct {\n listen {\n type = acct\n }\n}\n");
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains("\"inner\": can accept logins without \"mfa\" (inner tunnel of ttls)"),
            "{told:?}"
        );
    }

    #[test]
    fn nothing_is_said_where_the_module_is_not_configured() {
        let tree = read_text("server s {\n listen {\n type = auth\n }\n}\n", &|_| None).unwrap();
        assert_eq!(check(&tree), []);
    }
}
