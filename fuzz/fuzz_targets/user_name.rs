//! Any octets as a user name: a canonical name, which is its own canonical form, or a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::types::{CaseRule, DomainRule, NameRules, UserName};

fuzz_target!(|octets: &[u8]| {
    let Some((rules, typed)) = octets.split_first() else { return };
    let case = if rules & 1 == 0 { CaseRule::Fold } else { CaseRule::Keep };
    let domain = if rules & 2 == 0 { DomainRule::Strip } else { DomainRule::Keep };
    let mut rules = NameRules { case, domain, ..NameRules::default() };
    if let Ok(name) = UserName::parse(typed, &rules) {
        assert!(!name.as_str().is_empty() && name.as_str().len() <= 253);
        assert!(!name.as_str().contains(char::is_control));
        if domain == DomainRule::Keep {
            assert_eq!(UserName::parse(name.as_str().as_bytes(), &rules), Ok(name));
        }
    }
    rules.domains.insert(NameRules::domain_key("EXAMPLE"), "example.test".to_owned());
    let _ = UserName::parse(typed, &rules);
});
