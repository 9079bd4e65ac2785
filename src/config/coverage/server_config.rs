//! The virtual servers, modules and policies of a configuration, and what their sections call.

use crate::config::instance_names;
use crate::config::tree::{ConfigPair, Section, SectionItem};
use std::collections::BTreeSet;

/// How deep policies may call one another.
const MAX_DEPTH: u32 = 16;

/// What the virtual servers have in common.
pub(super) struct ServerConfig<'t> {
    pub(super) root: &'t Section,
    pub(super) mfa: BTreeSet<&'t str>,
}

impl<'t> ServerConfig<'t> {
    pub(super) fn new(root: &'t Section) -> Self {
        Self { root, mfa: instance_names(root).into_iter().map(Section::section_label).collect() }
    }

    /// Whether a list of unlang asks `mfa` on every login: not within a condition, not behind a way out, not with its
    /// refusals overridden.
    pub(super) fn is_guarded(&self, unlang: &Section, depth: u32) -> bool {
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
    pub(super) fn has_conversation(&self, server: &Section, name: &str) -> bool {
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
    pub(super) fn calls_module(&self, item: &SectionItem, depth: u32) -> bool {
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
    pub(super) fn walk_items<'s>(
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
                    called_module(&pair.name)
                }
                SectionItem::Section(inner) => {
                    self.walk_items(inner, depth + 1, names, pairs);
                    called_module(&inner.name)
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

    pub(super) fn is_mfa(&self, call: &str) -> bool {
        self.mfa.contains(called_module(call))
    }

    pub(super) fn policy(&self, name: &str) -> Option<&'t Section> {
        // A policy may be made for one section only: `mfa_guard.post-auth`.
        let policies = self.root.sections().filter(|s| s.name == "policy").flat_map(Section::sections);
        let mut policies =
            policies.filter(|p| p.name == name || p.name.split_once('.').is_some_and(|(n, _)| n == name));
        policies.next()
    }

    pub(super) fn is_eap(&self, call: &str) -> bool {
        self.module_sections("eap").any(|eap| eap.section_label() == called_module(call))
    }

    pub(super) fn module_sections(&self, kind: &'static str) -> impl Iterator<Item = &'t Section> {
        let modules = self.root.sections().filter(|s| s.name == "modules").flat_map(Section::sections);
        modules.filter(move |module| module.name == kind)
    }

    pub(super) fn instance_sections(&self) -> impl Iterator<Item = &Section> {
        instance_names(self.root).into_iter()
    }

    /// Whether the first module that is called is `mfa`.
    pub(super) fn begins_with(&self, section: &Section) -> bool {
        let mut words = Vec::new();
        section.items.iter().for_each(|item| self.list_words(item, 0, &mut words));
        words.first().is_some_and(|word| self.is_mfa(word))
    }

    /// The modules that a piece of unlang calls, in order.
    pub(super) fn list_words<'s>(&'s self, item: &'s SectionItem, depth: u32, words: &mut Vec<&'s str>) {
        let (name, inside) = match item {
            SectionItem::Pair(pair) => (pair.name.as_str(), None),
            SectionItem::Section(section) => (section.name.as_str(), Some(section)),
        };
        let into = match (inside, self.policy(called_module(name))) {
            _ if depth > MAX_DEPTH || IDLE.contains(&name) => None,
            (_, Some(policy)) => Some(policy),
            (Some(section), None) if is_keyword(name) => Some(section),
            (_, None) => {
                words.push(called_module(name));
                None
            }
        };
        into.into_iter()
            .flat_map(|section| &section.items)
            .for_each(|item| self.list_words(item, depth + 1, words));
    }

    /// Whether logins come into it from a tunnel.
    pub(super) fn is_tunnel(&self, server: &Section) -> bool {
        let mut tunnels = self.module_sections("eap").flat_map(Section::sections);
        tunnels.any(|tunnel| tunnel.value("virtual_server") == Some(server.section_label()))
    }
}

/// The attribute in `&control:Attribute`.
pub(super) fn attribute_name(pair: &ConfigPair) -> &str {
    pair.name.rsplit(['&', ':', '.']).next().unwrap_or_default()
}

/// The module in `-module` (which may be absent) and `module.method`.
pub(super) fn called_module(call: &str) -> &str {
    let call = call.strip_prefix('-').unwrap_or(call);
    call.split_once('.').map_or(call, |(module, _)| module)
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

/// What to write for a module for EAP.
pub(super) fn eap_remedy(eap: &str) -> String {
    format!("put \"mfa\" behind \"{eap}\": Auth-Type {eap} {{ {eap}  if (ok) {{ mfa }} }}")
}

/// Sections of unlang that call what is in them.
fn is_keyword(name: &str) -> bool {
    const KEYWORDS: [&str; 10] = [
        "if",
        "elsif",
        "else",
        "group",
        "redundant",
        "load-balance",
        "redundant-load-balance",
        "switch",
        "case",
        "foreach",
    ];
    KEYWORDS.contains(&name) || name.ends_with("-Type")
}

/// What checks nothing.
const IDLE: [&str; 13] = [
    "update", "return", "break", "ok", "noop", "updated", "handled", "reject", "fail", "invalid", "userlock",
    "notfound", "map",
];
