//! Clients that `policy { }` names and `clients.conf` lacks. A misspelt name in `required { }` requires the second
//! factor of no login.

use super::finding::{CoverageFinding, FindingConcern};
use crate::config::clients;
use crate::config::instance_names;
use crate::config::tree::{ConfigPair, Section};

pub(super) fn check_policy(server: &Section, findings: &mut Vec<CoverageFinding>) {
    for instance in instance_names(server) {
        let Some(policy) = instance.section("policy") else { continue };
        let required = policy.section("required").into_iter();
        let exceptions = policy.section("exceptions").into_iter().flat_map(Section::sections);
        let effect = "until then it requires the second factor of no login";
        let mut check = |section: &Section, effect: &str| {
            let named = section.pairs_named().filter(|pair| pair.name == "client");
            findings.extend(named.filter_map(|pair| missing_client(server, pair, effect)));
        };
        required.for_each(|section| check(section, effect));
        exceptions.for_each(|section| check(section, "until then it exempts no login"));
    }
}

/// Clients of a database, and dynamic ones, are not known here: so this is no error.
fn missing_client(server: &Section, pair: &ConfigPair, effect: &str) -> Option<CoverageFinding> {
    let name = pair.value.as_deref().unwrap_or_default();
    let is_address = name.contains([':', '/']) || name.chars().all(|c| c.is_ascii_digit() || c == '.');
    let why = clients::check_shortname(server, name).err().filter(|_| !is_address)?;
    let text = format!("\"client\" of policy {{ }}: {why}; {effect}");
    Some(CoverageFinding { at: pair.at.clone(), server: String::new(), text, concern: FindingConcern::Ours })
}

#[cfg(test)]
mod tests {
    use crate::config::{coverage, read_text};

    #[test]
    fn clients_that_policy_names_must_exist() {
        let tree = read_text(
            "client vpn {\nipaddr = 192.0.2.7\n}\nclient wifi {\nipaddr = 192.0.2.8\nshortname = office\n}\n\
             modules {\nmfa {\npolicy {\nrequired {\nclient = vnp\nclient = vpn\nclient = 203.0.113.1\nclient = wifi\n}\n\
             exceptions {\nold {\nclient = office\nclient = cisco\n}\n}\n}\n}\n}\n",
            &|_| None,
        )
        .unwrap();
        let told: Vec<_> = coverage::check(&tree).iter().map(ToString::to_string).collect();
        let expected = [
            "text[12]: \"client\" of policy { }: no client \"vnp\": did you mean \"vpn\"?; until then it requires the second factor of no login",
            "text[15]: \"client\" of policy { }: the shortname of client \"wifi\" is \"office\": write that; until then it requires the second factor of no login",
            "text[20]: \"client\" of policy { }: no client \"cisco\": there is vpn (192.0.2.7), office (192.0.2.8); until then it exempts no login",
        ];
        assert_eq!(told, expected);
    }
}
