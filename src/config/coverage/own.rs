//! Where this module verifies passwords (`first_factor = ldap` and the like), and another module, or none, gets the
//! login.

use super::server_config::{ServerConfig, attribute_name, called_module};
use crate::config::PasswordBackendKind;
use crate::config::tree::{ConfigPair, ConfigPlace, Section, SectionItem};

impl ServerConfig<'_> {
    pub(super) fn check_own(
        &self,
        server: &Section,
        pairs: &[&ConfigPair],
        found: &mut impl FnMut(&ConfigPlace, String),
    ) {
        for mfa in self.instance_sections() {
            let by = mfa
                .value("first_factor")
                .filter(|by| PasswordBackendKind::ALL.iter().any(|own| own.as_str() == *by));
            if let Some(by) = by {
                self.check_instance(server, pairs, mfa.section_label(), by, found);
            }
        }
    }

    fn check_instance(
        &self,
        server: &Section,
        pairs: &[&ConfigPair],
        name: &str,
        by: &str,
        found: &mut impl FnMut(&ConfigPlace, String),
    ) {
        let mut words = Vec::new();
        let authorize = server.section("authorize");
        authorize
            .into_iter()
            .flat_map(|section| &section.items)
            .for_each(|item| self.list_words(item, 0, &mut words));
        let mut sections =
            server.section("authenticate").into_iter().flat_map(|section| &section.items).filter(|item| {
                match item {
                    SectionItem::Pair(word) => word.name == name,
                    SectionItem::Section(section) => section.section_label().eq_ignore_ascii_case(name),
                }
            });
        let is_there = sections.any(|item| self.calls_module(item, 0));
        let place = words.iter().position(|word| *word == name);
        let Some(place) = place else {
            if is_there {
                found(
                    authorize.map_or(&server.at, |section| &section.at),
                    format!(
                        "has \"Auth-Type {name}\", and nothing that leads there: for \"first_factor = {by}\" put \"{name}\" into authorize, before pap, chap and mschap"
                    ),
                );
            }
            return;
        };
        if !is_there {
            found(
                server.section("authenticate").map_or(&server.at, |section| &section.at),
                format!(
                    "\"{name}\" in authorize is to have passwords checked (\"first_factor = {by}\"), and cannot: add to authenticate: Auth-Type {name} {{ {name} }}"
                ),
            );
        }
        for kind in ["pap", "chap", "mschap", "digest"] {
            let before = words
                .iter()
                .take(place)
                .find(|word| self.module_sections(kind).any(|it| it.section_label() == **word));
            if let Some(word) = before {
                found(
                    authorize.map_or(&server.at, |section| &section.at),
                    format!(
                        "\"{word}\" before \"{name}\" in authorize may take the password for its own to check, and \"first_factor = {by}\" is not asked: put \"{name}\" before it"
                    ),
                );
            }
        }
        let sets = |pair: &&&ConfigPair| {
            let value = pair.value.as_deref().unwrap_or_default();
            attribute_name(pair) == "Auth-Type"
                && !["reject", "accept"].contains(&value.to_ascii_lowercase().as_str())
                && !value.eq_ignore_ascii_case(called_module(name))
        };
        for pair in pairs.iter().filter(sets) {
            let value = pair.value.as_deref().unwrap_or_default();
            found(
                &pair.at,
                format!(
                    "\"Auth-Type := {value}\" takes the password away from \"first_factor = {by}\": remove it, or set MFA-Exempt where it is meant"
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::{coverage, read_text};

    /// The findings for this server, with the directory as password backend.
    fn told(server: &str) -> Vec<String> {
        let modules = "modules {\n mfa {\n mode = append\n first_factor = ldap\n }\n mfa other {\n }\n pap {\n }\n pap mine {\n }\n chap {\n }\n}\n";
        let text = format!(
            "{modules}server s {{\n listen {{\n type = auth\n }}\n{server}\n post-auth {{\n mfa\n }}\n}}\n"
        );
        let tree = read_text(text, &|_| None).unwrap();
        coverage::check(&tree).into_iter().map(|finding| finding.text).collect()
    }

    const SECTION: &str = "authenticate {\n Auth-Type mfa {\n mfa\n }\n}";

    #[test]
    fn site_that_has_all_of_it_is_well() {
        for authorize in
            ["mfa", "preprocess\nif (x) {\nmfa\n}\npap\nchap", "eap {\nok = return\n}\nmfa\nmine"]
        {
            assert_eq!(told(&format!("authorize {{\n{authorize}\n}}\n{SECTION}")), Vec::<String>::new());
        }
        assert_eq!(
            told("authorize {\neap\n}\nauthenticate {\neap\n}"),
            Vec::<String>::new(),
            "around a tunnel"
        );
        let other = "authorize {\nother\npap\n}\nauthenticate {\nAuth-Type PAP {\npap\nother\n}\n}";
        assert_eq!(told(other), Vec::<String>::new(), "an instance that does not check any");
    }

    #[test]
    fn login_that_comes_to_nobody_or_to_somebody_else_is_told() {
        for (server, text) in [
            ("authorize {\nmfa\n}", "add to authenticate: Auth-Type mfa { mfa }"),
            (
                "authorize {\nmfa\n}\nauthenticate {\nAuth-Type PAP {\npap\nmfa\n}\n}",
                "add to authenticate: Auth-Type mfa",
            ),
            ("authenticate {\nAuth-Type mfa {\nmfa\n}\n}", "put \"mfa\" into authorize"),
            ("authorize {\npap\nmfa\n}\nauthenticate {\nmfa\n}", "\"pap\" before \"mfa\" in authorize"),
            ("authorize {\nif (x) {\nmine\n}\nmfa\n}\nauthenticate {\nmfa\n}", "\"mine\" before \"mfa\""),
            ("authorize {\nchap\nmfa\n}\nauthenticate {\nmfa\n}", "\"chap\" before \"mfa\""),
            (
                "authorize {\nmfa\nupdate control {\n&Auth-Type := LDAP\n}\n}\nauthenticate {\nmfa\n}",
                "\"Auth-Type := LDAP\" takes",
            ),
        ] {
            let told = told(server);
            assert!(told.len() == 1 && told[0].contains(text), "{server}: {told:?}");
        }
    }
}
