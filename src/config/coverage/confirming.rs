//! Where right passcodes come before the password and nothing confirms them: without the guard in `post-auth` each accept stays the
//! failure that was counted, until the user is locked.

use super::finding::{CoverageFinding, FindingConcern};
use super::server_config::{ServerConfig, attribute_name, called_module};
use crate::config::PasswordBackendKind;
use crate::config::clients::{self, is_yes};
use crate::config::profile::{ClientProfile, StaticChallenge};
use crate::config::tree::{ConfigPair, Section};
use std::collections::BTreeSet;

/// All virtual servers where that is so. An error rather than a warning: users would soon be locked out there.
pub fn unconfirmed(root: &Section) -> Vec<CoverageFinding> {
    let site = ServerConfig::new(root);
    let servers =
        root.sections().filter(|server| server.name == "server" && site.section_entry(server).is_some());
    servers.filter_map(|server| site.unconfirmed(server)).collect()
}

/// All virtual servers where rejects of the server's own modules are told apart from those of `mfa`, since it does not stand in
/// `Post-Auth-Type REJECT`.
pub fn telling(root: &Section) -> Vec<CoverageFinding> {
    let site = ServerConfig::new(root);
    let servers =
        root.sections().filter(|server| server.name == "server" && site.section_entry(server).is_some());
    servers.filter_map(|server| site.telling(server)).collect()
}

impl ServerConfig<'_> {
    /// The name of the instance that looks at passcodes in `authorize` before the server's own modules look at the password.
    fn holding_instance(&self, server: &Section) -> Option<&str> {
        let (mut pairs, mut calls) = (Vec::new(), BTreeSet::new());
        self.walk_items(server.section("authorize")?, 0, &mut calls, &mut pairs);
        let mut instances = self.instance_sections();
        let holds = |mfa: &&Section| {
            calls.iter().any(|call| called_module(call) == mfa.section_label())
                && self.holds_passcodes(mfa, &pairs)
        };
        instances.find(holds).map(Section::section_label)
    }

    /// Whether this instance looks at passcodes before the server's own modules look at the password.
    fn holds_passcodes(&self, mfa: &Section, pairs: &[&ConfigPair]) -> bool {
        let is_own = mfa
            .value("first_factor")
            .is_some_and(|by| PasswordBackendKind::ALL.iter().any(|own| own.as_str() == by));
        let modes =
            pairs.iter().filter(|pair| attribute_name(pair) == "MFA-Mode").map(|pair| pair.value.as_deref());
        let mut modes = modes.chain([mfa.value("mode")]);
        let has_delimiter = mfa.value("delimiter").is_some_and(|delimiter| !delimiter.is_empty());
        let takes_apart = mfa.value("static_challenge").is_some_and(is_yes);
        !is_own
            && modes.any(|mode| match mode {
                Some("append") => true,
                Some("challenge" | "auto") => has_delimiter || takes_apart || is_packed(self.root, mfa),
                _ => false,
            })
    }

    fn telling(&self, server: &Section) -> Option<CoverageFinding> {
        let label = self.holding_instance(server)?;
        let post_auth = server.section("post-auth")?;
        let is_reject =
            |s: &&Section| s.name == "Post-Auth-Type" && s.section_label().eq_ignore_ascii_case("REJECT");
        if post_auth.sections().filter(is_reject).any(|section| self.is_guarded(section, 0)) {
            return None;
        }
        let name = server.section_label();
        Some(CoverageFinding {
            at: post_auth.at.clone(),
            server: name.to_owned(),
            concern: FindingConcern::Ours,
            text: format!(
                "server \"{name}\": rejects of other modules differ from those of \"{label}\", which tells that the passcode was right: put \"{label}\" into Post-Auth-Type REJECT of post-auth"
            ),
        })
    }

    fn unconfirmed(&self, server: &Section) -> Option<CoverageFinding> {
        let post_auth = server.section("post-auth");
        if post_auth.is_some_and(|section| self.is_guarded(section, 0)) {
            return None;
        }
        let (name, label) = (server.section_label(), self.holding_instance(server)?);
        Some(CoverageFinding {
            at: post_auth.map_or(&server.at, |section| &section.at).clone(),
            server: name.to_owned(),
            concern: FindingConcern::Ours,
            text: format!(
                "server \"{name}\": \"{label}\" in authorize finds passcodes right before the password is checked, and nothing confirms them: every login counts as a failure until post-auth has \"{label}\""
            ),
        })
    }
}

/// Whether the clients of this instance, or one that has a profile of its own, pack password and answer into one field.
fn is_packed(root: &Section, mfa: &Section) -> bool {
    let profiles = clients::all(root).filter_map(|client| client.value(clients::PROFILE));
    let mut profiles = profiles.chain(mfa.value("client_profile")).filter_map(ClientProfile::find_profile);
    profiles.any(|profile| profile.static_challenge == StaticChallenge::Packed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::read_text;

    fn found(mfa: &str, authorize: &str, post_auth: &str) -> Vec<String> {
        let text = format!(
            "modules {{\n mfa {{\n{mfa}\n }}\n}}\npolicy {{\n mfa_append {{\n update control {{\n &MFA-Mode := append\n }}\n mfa\n }}\n}}\n\
             server s {{\n listen {{\n type = auth\n }}\n authorize {{\n{authorize}\n }}\n post-auth {{\n{post_auth}\n }}\n}}\n"
        );
        unconfirmed(&read_text(text, &|_| None).unwrap()).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn rejects_that_tell_of_a_right_passcode_are_named() {
        let told = |mfa: &str, post_auth: &str| {
            let text = format!(
                "modules {{\n mfa {{\n{mfa}\n }}\n}}\nserver s {{\n listen {{\n type = auth\n }}\n authorize {{\n mfa\n pap\n }}\n \
                 post-auth {{\n{post_auth}\n }}\n}}\n"
            );
            telling(&read_text(text, &|_| None).unwrap()).len()
        };
        assert_eq!(told("mode = append", "mfa"), 1);
        assert_eq!(told("mode = append", "mfa\nPost-Auth-Type REJECT {\nattr_filter.access_reject\n}"), 1);
        assert_eq!(told("mode = append", "mfa\nPost-Auth-Type Reject {\nmfa\n}"), 0);
        assert_eq!(told("mode = append\nfirst_factor = ldap", "mfa"), 0);
        assert_eq!(told("mode = passcode", "mfa"), 0);
    }

    #[test]
    fn append_mode_without_the_guard_is_named() {
        for (mfa, authorize) in [
            ("mode = append", "mfa\npap"),
            ("", "mfa_append\npap"),
            ("mode = challenge\ndelimiter = \",\"", "mfa\npap"),
            ("mode = auto\ndelimiter = \",\"", "if (x) {\nmfa\n}"),
            ("mode = challenge\nstatic_challenge = yes", "mfa\npap"),
            ("mode = auto\nclient_profile = openvpn", "mfa\npap"),
        ] {
            assert_eq!(found(mfa, authorize, "mfa"), Vec::<String>::new(), "{mfa}");
            for post_auth in ["", "if (x) {\nmfa\n}"] {
                let told = found(mfa, authorize, post_auth);
                assert!(told.len() == 1 && told[0].contains("counts as a failure"), "{mfa}: {told:?}");
            }
        }
    }

    #[test]
    fn client_that_packs_the_field_makes_it_so() {
        let found = |profile: &str| {
            let text = format!(
                "client vpn {{\nmfa_profile = {profile}\n}}\nmodules {{\n mfa {{\n mode = auto\n }}\n}}\n\
                 server s {{\n listen {{\n type = auth\n }}\n authorize {{\n mfa\n }}\n}}\n"
            );
            unconfirmed(&read_text(text, &|_| None).unwrap()).len()
        };
        assert_eq!((found("openvpn"), found("ivanti")), (1, 0));
    }

    #[test]
    fn what_looks_at_no_passcode_there_is_not() {
        for (mfa, authorize) in [
            ("mode = passcode", "mfa\npap"),
            ("mode = append\nfirst_factor = ldap", "mfa"),
            ("mode = auto", "mfa\npap"),
            ("mode = append", "pap"),
        ] {
            assert_eq!(found(mfa, authorize, ""), Vec::<String>::new(), "{mfa} {authorize}");
        }
    }
}
