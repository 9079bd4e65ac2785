//! Whether answers can be forged on their way (CVE-2024-3596), and what else the server's version brings with it.

use super::finding::DoctorReport;
use crate::config::clients::{self, is_yes};
use crate::config::tree::Section;

/// From this version on the server signs its answers, and limits Proxy-State (its ChangeLog).
const SIGNS: [u32; 3] = [3, 2, 5];

/// The last version in which `diameter2vp` of `rlm_eap_ttls` frees an attribute that it goes on to use.
const LAST_THAT_DIES: [u32; 3] = [3, 2, 11];

pub(super) fn check(report: &mut DoctorReport, server: &Section, version: Option<&str>) {
    let numbers = version.and_then(numbers);
    if let Some(version) = version.filter(|_| numbers.is_some_and(|numbers| numbers < SIGNS)) {
        report.ok(
            "answers",
            format!("mfa signs what it has seen, since FreeRADIUS {version} signs no answer of its own"),
        );
    }
    let mut lacking = 0usize;
    let mut count = 0usize;
    for client in clients::all(server) {
        count = count.saturating_add(1);
        let at = &client.at;
        let name = client.section_label();
        let is = |item: &str| client.value(item).is_some_and(is_yes);
        let signs = is("require_message_authenticator");
        lacking = lacking.saturating_add(usize::from(!signs));
        if is(clients::PROXY) && !signs {
            let text = format!("{at}: client \"{name}\" may send Proxy-State in packets that are not signed");
            let remedy = "have it send Message-Authenticator; until then an attacker on the way may turn a reject into an accept";
            report.warn("answers", text, remedy);
        }
        let limit = client.value("limit_proxy_state");
        if limit
            .is_some_and(|limit| ["no", "false", "off", "0"].iter().any(|no| no.eq_ignore_ascii_case(limit)))
            && !signs
        {
            report.warn(
                "answers",
                format!("{at}: client \"{name}\" has limit_proxy_state = no"),
                "set it to yes, or to auto",
            );
        }
    }
    if lacking > 0 {
        let text = format!("of {count} clients, {lacking} may send packets without Message-Authenticator");
        report.ok(
            "answers",
            format!("{text}: where a client signs them, set require_message_authenticator = yes"),
        );
    }
    if numbers.is_some_and(|numbers| numbers <= LAST_THAT_DIES) && has_ttls(server) {
        let version = version.unwrap_or_default();
        report.warn(
            "eap",
            format!("FreeRADIUS {version} crashes on a vendor attribute in EAP-TTLS that its dictionary lacks: any client that can start EAP can stop it"),
            "remove ttls { } from mods-enabled/eap if no user needs it, and have systemd restart the server (Restart=always)",
        );
    }
}

/// Whether a module for EAP offers EAP-TTLS.
fn has_ttls(server: &Section) -> bool {
    let modules = server.sections().filter(|section| section.name == "modules").flat_map(Section::sections);
    modules.filter(|module| module.name == "eap").any(|eap| eap.section("ttls").is_some())
}

fn numbers(version: &str) -> Option<[u32; 3]> {
    let mut numbers = version.split('.').map(|number| number.parse().ok());
    Some([numbers.next()??, numbers.next()??, numbers.next()??])
}

#[cfg(test)]
mod tests {
    use super::super::finding::{DoctorReport, FindingState};
    use super::check;
    use crate::config::read_text;

    fn told(text: &str, version: &str) -> Vec<String> {
        let mut report = DoctorReport::default();
        check(&mut report, &read_text(text, &|_| None).unwrap(), Some(version));
        report
            .0
            .into_iter()
            .map(|f| {
                format!("{}{}: {}", if f.state == FindingState::Ok { "" } else { "! " }, f.subject, f.text)
            })
            .collect()
    }

    #[test]
    fn what_the_version_brings_is_told() {
        let eap = "modules {\neap {\nttls {\n}\n}\n}\n";
        let old = told(eap, "3.2.1");
        assert!(
            old[0].starts_with("answers: mfa signs what it has seen")
                && old[1].starts_with("! eap: FreeRADIUS 3.2.1 crashes"),
            "{old:?}"
        );
        assert_eq!(told(eap, "3.2.10").len(), 1);
        assert_eq!(told(eap, "3.2.12"), Vec::<String>::new());
        assert_eq!(told("modules {\neap {\npeap {\n}\n}\n}\n", "3.2.5"), Vec::<String>::new());
    }

    #[test]
    fn clients_whose_packets_may_be_changed_are_told() {
        let text = "client a {\nmfa_proxy = yes\n}\nclient b {\nrequire_message_authenticator = yes\nmfa_proxy = yes\n}\nclient c {\nlimit_proxy_state = no\n}\n";
        let told = told(text, "3.2.7");
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told[0].contains("client \"a\" may send Proxy-State")
                && told[1].contains("client \"c\" has limit_proxy_state"),
            "{told:?}"
        );
        assert!(told[2].starts_with("answers: of 3 clients, 2 may send packets without"), "{told:?}");
    }
}
