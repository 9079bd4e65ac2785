//! Auth-Types that a login gets in a virtual server which has no section for them: it is refused, and no log says why.
//!
//! The server has one set of Auth-Types: each section in `authenticate` of any virtual server adds its name to it, and so does each
//! module that stands there alone. Some modules take the one that is called like themselves wherever it exists: with the stock
//! `default` site, whose `authenticate` has a bare `mschap`, that module sets `mschap` in every virtual server, and else `MS-CHAP`.

use super::server_config::{ServerConfig, attribute_name};
use crate::config::tree::{ConfigPair, ConfigPlace, Section, SectionItem};
use std::collections::BTreeSet;

/// Values that need no section.
const WITHOUT_SECTION: [&str; 3] = ["accept", "reject", "local"];

/// An Auth-Type that is set.
struct SetAuthType<'s> {
    name: String,
    at: &'s ConfigPlace,
    by: String,
}

/// Where the mode of a login comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ModeSource {
    /// The instance's section.
    Instance,
    /// MFA-Mode, which unlang sets.
    Unlang,
}

impl ServerConfig<'_> {
    pub(super) fn check_auth_types(
        &self,
        server: &Section,
        pairs: &[&ConfigPair],
        found: &mut impl FnMut(&ConfigPlace, String),
    ) {
        let here = defined_auth_types(server);
        let mut told = BTreeSet::new();
        for SetAuthType { name, at, by } in self.auth_types_set(server, pairs) {
            let key = name.to_ascii_lowercase();
            if here.contains(&key) || !told.insert(key.clone()) {
                continue;
            }
            let twin = match key.as_str() {
                "mschap" if here.contains("ms-chap") => Some("MS-CHAP"),
                "ms-chap" if here.contains("mschap") => Some("mschap"),
                _ => None,
            };
            let remedy = match twin {
                Some(twin) => format!("write its \"Auth-Type {twin}\" once more as \"Auth-Type {name}\""),
                None => format!("add \"Auth-Type {name}\" to it"),
            };
            found(
                at,
                format!(
                    "{by} sets Auth-Type {name}, for which authenticate has no section, so that such logins are refused: {remedy}"
                ),
            );
        }
    }

    /// The Auth-Types that the configuration of a virtual server can set.
    fn auth_types_set<'s>(&'s self, server: &'s Section, pairs: &[&'s ConfigPair]) -> Vec<SetAuthType<'s>> {
        let all: BTreeSet<String> =
            self.root.sections().filter(|s| s.name == "server").flat_map(defined_auth_types).collect();
        let exists = |name: &&str| all.contains(&name.to_ascii_lowercase());
        let mode_from = match pairs.iter().any(|pair| attribute_name(pair) == "MFA-Mode") {
            true => ModeSource::Unlang,
            false => ModeSource::Instance,
        };
        let mut sets = Vec::new();
        for item in server.section("authorize").into_iter().flat_map(|section| &section.items) {
            let mut words = Vec::new();
            self.list_words(item, 0, &mut words);
            for word in words {
                let name = self.auth_type_of(word, mode_from, &exists).filter(exists);
                sets.extend(name.map(|name| SetAuthType {
                    name: name.to_owned(),
                    at: item.place(),
                    by: format!("\"{word}\""),
                }));
            }
        }
        for pair in pairs.iter().filter(|pair| attribute_name(pair) == "Auth-Type") {
            let name = pair.value.as_deref().unwrap_or_default();
            let is_fixed = !WITHOUT_SECTION.contains(&name.to_ascii_lowercase().as_str()) && exists(&name);
            sets.extend(is_fixed.then(|| SetAuthType {
                name: name.to_owned(),
                at: &pair.at,
                by: "unlang".to_owned(),
            }));
        }
        if self.is_tunnel(server) {
            self.auth_types_of_eap(server, &exists, &mut sets);
        }
        sets
    }

    /// What a module sets in `authorize`, if the Auth-Type exists.
    fn auth_type_of<'s>(
        &'s self,
        word: &'s str,
        mode_from: ModeSource,
        exists: &impl Fn(&&str) -> bool,
    ) -> Option<&'s str> {
        let is = |kind: &'static str| self.module_sections(kind).any(|module| module.section_label() == word);
        match () {
            () if is("chap") => Some("CHAP"),
            () if is("digest") => Some("Digest"),
            () if is("mschap") => Some(word).filter(exists).or(Some("MS-CHAP")),
            () if ["pap", "eap", "yubikey", "dpsk"].into_iter().any(is) => Some(word),
            // In other modes only answers to challenges come to it, and passwords that it has checked (`own`).
            () if self.is_mfa(word) && mode_from == ModeSource::Instance => {
                let mut instances = self.instance_sections().filter(|mfa| mfa.section_label() == word);
                let is_passcode = |mfa: &Section| match mfa.value("mode") {
                    Some(mode) => mode == "passcode",
                    None => mfa.value("client_profile").is_none(),
                };
                instances.any(is_passcode).then_some(word)
            }
            () => None,
        }
    }

    /// What the methods inside of a tunnel call.
    fn auth_types_of_eap<'s>(
        &'s self,
        server: &'s Section,
        exists: &impl Fn(&&str) -> bool,
        sets: &mut Vec<SetAuthType<'s>>,
    ) {
        let mut words = Vec::new();
        let authenticate = server.section("authenticate").into_iter().flat_map(|section| &section.items);
        authenticate.for_each(|item| self.list_words(item, 0, &mut words));
        for eap in self.module_sections("eap").filter(|eap| words.contains(&eap.section_label())) {
            for method in eap.sections() {
                let name = match method.name.as_str() {
                    "gtc" => method.value("auth_type").unwrap_or("PAP"),
                    "mschapv2" if exists(&"MSCHAP") => "mschap",
                    "mschapv2" => "MS-CHAP",
                    _ => continue,
                };
                let by = format!("\"{}\" of \"{}\"", method.name, eap.section_label());
                sets.extend(exists(&name).then(|| SetAuthType { name: name.to_owned(), at: &method.at, by }));
            }
        }
    }
}

/// The Auth-Types that a virtual server has sections for, in lower case.
fn defined_auth_types(server: &Section) -> BTreeSet<String> {
    let items = server.section("authenticate").into_iter().flat_map(|section| &section.items);
    let name = |item: &SectionItem| match item {
        SectionItem::Pair(word) => {
            Some(word.name.strip_prefix('-').unwrap_or(&word.name).to_ascii_lowercase())
        }
        SectionItem::Section(section) => section.instance.as_deref().map(str::to_ascii_lowercase),
    };
    items.filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use crate::config::{coverage, read_text};

    const MODULES: &str = "modules {\n mfa {\n }\n pap {\n }\n chap {\n }\n mschap {\n }\n digest {\n }\n eap {\n gtc {\n }\n mschapv2 {\n }\n \
                           ttls {\n virtual_server = inner\n }\n }\n}\n";
    /// As Debian's `default`.
    const STOCK: &str = "server stock {\nauthenticate {\nAuth-Type PAP {\npap\n}\nAuth-Type CHAP {\nchap\n}\nAuth-Type MS-CHAP {\nmschap\n}\nmschap\ndigest\neap\n}\n}\n";

    fn told(beside: &str, server: &str) -> Vec<String> {
        let text = format!(
            "{MODULES}{beside}server s {{\n listen {{\n type = auth\n }}\n{server}\n post-auth {{\n mfa\n }}\n}}\n"
        );
        let tree = read_text(text, &|_| None).unwrap();
        let all = coverage::check(&tree).into_iter().map(|finding| finding.text);
        all.filter(|text| text.contains("has no section")).collect()
    }

    fn server(authorize: &str, names: &[&str]) -> String {
        let sections: Vec<_> = names.iter().map(|name| format!("Auth-Type {name} {{\nmfa\n}}\n")).collect();
        format!("authorize {{\n{authorize}\n}}\nauthenticate {{\n{}}}\n", sections.concat())
    }

    #[test]
    fn bare_mschap_of_another_site_needs_a_section_here() {
        let ours = server("mfa\nchap\nmschap", &["mfa", "CHAP", "MS-CHAP"]);
        assert_eq!(told("", &ours), Vec::<String>::new());
        let found = told(STOCK, &ours);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("\"mschap\" sets Auth-Type mschap"), "{found:?}");
        assert!(
            found[0].contains("write its \"Auth-Type MS-CHAP\" once more as \"Auth-Type mschap\""),
            "{found:?}"
        );
        let both = server("mfa\nchap\nmschap", &["mfa", "chap", "MS-CHAP", "MSCHAP"]);
        assert_eq!(told(STOCK, &both), Vec::<String>::new());
    }

    #[test]
    fn every_module_that_sets_one_is_known() {
        for (authorize, name) in [
            ("chap", "CHAP"),
            ("digest", "Digest"),
            ("if (x) {\npap\n}", "pap"),
            ("eap {\nok = return\n}", "eap"),
            ("update control {\n&Auth-Type := Digest\n}", "Digest"),
            ("update {\n&control:Auth-Type := PAP\n}", "PAP"),
        ] {
            let found = told(STOCK, &server(authorize, &["other"]));
            assert!(
                found.len() == 1 && found[0].contains(&format!("sets Auth-Type {name},")),
                "{authorize}: {found:?}"
            );
            assert_eq!(told(STOCK, &server(authorize, &[name])), Vec::<String>::new(), "{authorize}");
        }
        for silent in [
            "update control {\n&Auth-Type := Accept\n}",
            "update control {\n&Auth-Type := \"%{x}\"\n}",
            "files",
        ] {
            assert_eq!(told(STOCK, &server(silent, &["other"])), Vec::<String>::new(), "{silent}");
        }
        assert_eq!(
            told("", &server("pap\nchap\ndigest", &["other"])),
            Vec::<String>::new(),
            "they exist nowhere"
        );
    }

    #[test]
    fn passcode_needs_its_own_section_where_that_exists_elsewhere() {
        let beside = "server mfa {\nauthenticate {\nAuth-Type mfa {\nmfa\n}\n}\n}\n";
        assert_eq!(told(beside, &server("mfa", &["PAP"])).len(), 1);
        for silent in ["update control {\n&MFA-Mode := append\n}\nmfa", "files"] {
            assert_eq!(told(beside, &server(silent, &["PAP"])), Vec::<String>::new());
        }
    }

    #[test]
    fn methods_in_a_tunnel_need_theirs() {
        let inner = |names: &[&str]| {
            format!(
                "server inner {{\n{}}}\n",
                server("eap", names).replace("authenticate {\n", "authenticate {\neap\n")
            )
        };
        let found = told(&format!("{STOCK}{}", inner(&["mfa"])), "");
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("\"gtc\" of \"eap\" sets Auth-Type PAP"), "{found:?}");
        assert!(found[1].contains("\"mschapv2\" of \"eap\" sets Auth-Type mschap"), "{found:?}");
        assert_eq!(told(&format!("{STOCK}{}", inner(&["PAP", "mschap"])), ""), Vec::<String>::new());
    }
}
