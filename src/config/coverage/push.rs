//! Where no push is sent although the configuration looks as if it were: no module before `mfa` verifies the
//! password, or the server around a tunnel has no `mfa` that could wait.

use super::server_config::{ServerConfig, attribute_name, eap_remedy};
use crate::config::tree::{ConfigPair, ConfigPlace, Section, SectionItem};

impl ServerConfig<'_> {
    pub(super) fn check_push(
        &self,
        server: &Section,
        pairs: &[&ConfigPair],
        found: &mut impl FnMut(&ConfigPlace, String),
    ) {
        let authenticate = || server.section("authenticate").into_iter().flat_map(|section| &section.items);
        let is_set = |pair: &&ConfigPair| {
            attribute_name(pair) == "MFA-Mode"
                && pair.value.as_deref().is_none_or(|mode| mode != "passcode" && mode != "append")
        };
        let is_auto = self.instance_sections().any(|mfa| mfa.value("mode") == Some("auto"));
        if is_auto || pairs.iter().any(is_set) {
            // Under its own name it takes the answers to challenges.
            let is_own = |section: &&Section| {
                self.mfa.iter().any(|mfa| mfa.eq_ignore_ascii_case(section.section_label()))
            };
            for section in authenticate().filter_map(section_of).filter(|section| !is_own(section)) {
                if self.asks_first(section) {
                    let label = section.section_label();
                    found(
                        &section.at,
                        format!(
                            "\"Auth-Type {label}\" has \"mfa\" and nothing before it that checks the password, as mode \"auto\" needs: put its module before \"mfa\""
                        ),
                    );
                }
            }
        }
        let is_challenge = |value: Option<&str>| value == Some("challenge");
        let challenges = self.instance_sections().any(|mfa| is_challenge(mfa.value("mode")))
            || pairs
                .iter()
                .any(|pair| attribute_name(pair) == "MFA-Mode" && is_challenge(pair.value.as_deref()));
        let calls_mfa = server.items.iter().any(|item| self.calls_module(item, 0));
        let answers = self.mfa.iter().any(|mfa| self.has_conversation(server, mfa));
        if challenges && calls_mfa && self.is_tunnel(server) && !answers {
            found(
                &server.at,
                "mode \"challenge\" cannot ask in it: for EAP-GTC in several rounds put \"mfa\" into authorize, authenticate (Auth-Type mfa) and post-auth".to_owned(),
            );
        }
        let has_push = self.instance_sections().filter_map(|mfa| mfa.section("push"));
        if has_push.filter_map(|push| push.value("provider")).next().is_none() || self.is_tunnel(server) {
            return;
        }
        for item in authenticate().filter(|item| !self.calls_module(item, 0)) {
            let mut words = Vec::new();
            self.list_words(item, 0, &mut words);
            if let Some(eap) = words.into_iter().find(|word| self.has_tunnel_with_mfa(word)) {
                let remedy = eap_remedy(eap);
                found(
                    item.place(),
                    format!("a user who should get a push inside a tunnel is refused: {remedy}"),
                );
            }
        }
    }

    /// Whether `mfa` is called, and no module before its last call.
    fn asks_first(&self, section: &Section) -> bool {
        let mut words = Vec::new();
        section.items.iter().for_each(|item| self.list_words(item, 0, &mut words));
        let Some(last) = words.iter().rposition(|word| self.is_mfa(word)) else { return false };
        words.iter().take(last).all(|word| self.is_mfa(word))
    }

    /// Whether it is a module for EAP, and `mfa` is called in one of its tunnels.
    fn has_tunnel_with_mfa(&self, name: &str) -> bool {
        let is_it = |eap: &&Section| eap.section_label() == name;
        let tunnels = self.module_sections("eap").filter(is_it).flat_map(Section::sections);
        let mut inner = tunnels.filter_map(|tunnel| tunnel.value("virtual_server"));
        inner.any(|label| {
            let mut servers =
                self.root.sections().filter(|s| s.name == "server" && s.section_label() == label);
            servers.any(|server| server.items.iter().any(|item| self.calls_module(item, 0)))
        })
    }
}

fn section_of(item: &SectionItem) -> Option<&Section> {
    match item {
        SectionItem::Section(section) => Some(section),
        SectionItem::Pair(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::config::coverage::{check, conversing_servers, first_in};
    use crate::config::read_text;
    use crate::config::tree::Section;

    fn tree(mfa: &str, server: &str) -> Section {
        let text = format!(
            "modules {{\n mfa {{\n{mfa}\n}}\n eap {{\n ttls {{\n virtual_server = inner\n }}\n }}\n}}\n\
             policy {{\n first {{\n mfa\n }}\n both {{\n if (x) {{\n pap\n }}\n mfa\n }}\n}}\n\
             server s {{\n listen {{\n type = auth\n }}\n{server}\n post-auth {{\n mfa\n }}\n}}\n\
             server inner {{\n authenticate {{\n eap\n }}\n post-auth {{\n mfa\n }}\n}}\n"
        );
        read_text(text, &|_| None).unwrap()
    }

    fn found(mfa: &str, server: &str) -> Vec<String> {
        check(&tree(mfa, server)).into_iter().map(|finding| finding.text).collect()
    }

    fn authenticate(mfa: &str, section: &str) -> usize {
        let told = found(
            mfa,
            &format!("authenticate {{\nAuth-Type PAP {{\n{section}\n}}\nAuth-Type mfa {{\nmfa\n}}\n}}"),
        );
        assert!(
            told.iter().all(|text| text.contains("nothing before it that checks the password")),
            "{told:?}"
        );
        told.len()
    }

    #[test]
    fn auto_without_a_first_factor_is_named() {
        for good in [
            "pap\nmfa",
            "mfa\nchap\nmfa",
            "redundant {\nldap1\nldap2\n}\nif (ok) {\nmfa\n}",
            "ldap {\nfail = 1\n}\nmfa",
            "both",
        ] {
            assert_eq!(authenticate("mode = auto", good), 0, "{good}");
        }
        for bad in ["mfa", "mfa\nchap", "first", "ok\nmfa", "update reply {\n&Class := \"x\"\n}\nmfa"] {
            assert_eq!(authenticate("mode = auto", bad), 1, "{bad}");
            assert_eq!(authenticate("mode = passcode", bad), 0, "{bad}");
        }
    }

    #[test]
    fn sections_that_begin_with_mfa_are_known() {
        let section = |name: &str, text: &str| format!("Auth-Type {name} {{\n{text}\n}}\n");
        let text = [
            section("A", "mfa\nchap\nmfa"),
            section("B", "pap\nmfa"),
            section("C", "update reply {\n&Class := \"x\"\n}\nif (x) {\nfirst\n}\nchap\nmfa"),
            section("D", "pap"),
        ];
        let tree = tree("", &format!("authenticate {{\n{}\npap\n}}", text.concat()));
        let found = first_in(&tree);
        assert_eq!(found, [("s".to_owned(), "A".to_owned()), ("s".to_owned(), "C".to_owned())]);
    }

    #[test]
    fn rounds_need_three_places_in_the_tunnel() {
        let places =
            ["authorize {\nmfa\n}", "authenticate {\npap\nAuth-Type mfa {\nmfa\n}\n}", "post-auth {\nmfa\n}"];
        let with = |places: &[&str], mode: &str| {
            let inner = format!("server inner {{\n{}\n}}\n", places.join("\n"));
            read_text(
                format!("modules {{\n mfa {{\nmode = {mode}\n}}\n eap {{\n ttls {{\n virtual_server = inner\n }}\n }}\n}}\n{inner}"),
                &|_| None,
            )
            .unwrap()
        };
        let is_named = |tree: &Section| {
            check(tree).iter().any(|finding| finding.text.contains("mode \"challenge\" cannot ask in it"))
        };
        let whole = with(&places, "challenge");
        assert_eq!(conversing_servers(&whole, "mfa"), ["inner"]);
        assert_eq!(conversing_servers(&whole, "other"), Vec::<String>::new());
        assert!(!is_named(&whole));
        for missing in 0..3 {
            let rest: Vec<&str> = (0..3).filter(|n| *n != missing).map(|n| places[n]).collect();
            let tree = with(&rest, "challenge");
            assert!(conversing_servers(&tree, "mfa").is_empty() && is_named(&tree), "{missing}");
            assert!(!is_named(&with(&rest, "auto")));
        }
        let guarded = [places[0], places[1], "post-auth {\nif (x) {\nmfa\n}\n}"];
        assert!(conversing_servers(&with(&guarded, "challenge"), "mfa").is_empty());
    }

    #[test]
    fn auto_may_be_set_by_policy() {
        let server = |mode: &str| {
            found("", &format!(
                "authorize {{\nupdate control {{\n&MFA-Mode := {mode}\n}}\n}}\nauthenticate {{\nAuth-Type PAP {{\nmfa\n}}\n}}"
            ))
            .len()
        };
        assert_eq!([server("auto"), server("passcode")], [1, 0]);
    }

    #[test]
    fn push_in_a_tunnel_needs_a_place_behind_eap() {
        let push = "push {\nprovider = webhook\n}";
        for bare in ["eap", "Auth-Type eap {\neap\n}"] {
            let told = found(push, &format!("authenticate {{\n{bare}\n}}"));
            assert!(told.len() == 1 && told[0].contains("put \"mfa\" behind \"eap\""), "{told:?}");
            assert_eq!(found("", &format!("authenticate {{\n{bare}\n}}")).len(), 0);
        }
        assert_eq!(found(push, "authenticate {\nAuth-Type eap {\neap\nif (ok) {\nmfa\n}\n}\n}").len(), 0);
        assert_eq!(found(push, "authenticate {\npap\n}").len(), 0);
    }
}
