//! Any octets as a user name: a canonical name, which is its own canonical form, or a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rlm_mfa::types::{CaseRule, DomainRule, NameRules, UserName, is_invisible};

fuzz_target!(|octets: &[u8]| {
    let Some((rules, typed)) = octets.split_first() else { return };
    let case = if rules & 1 == 0 { CaseRule::Fold } else { CaseRule::Keep };
    let domain = if rules & 2 == 0 { DomainRule::Strip } else { DomainRule::Keep };
    let mut rules = NameRules { case, domain, ..NameRules::default() };
    check(typed, &rules);
    rules.domains.insert(NameRules::domain_key("EXAMPLE"), "example.test".to_owned());
    rules.domains.insert(NameRules::domain_key("home.test"), String::new());
    check(typed, &rules);
});

fn check(typed: &[u8], rules: &NameRules) {
    let Ok(name) = UserName::parse(typed, rules) else { return };
    assert!(!name.as_str().is_empty() && name.as_str().len() <= 253);
    assert!(!name.as_str().contains(char::is_control) && !name.as_str().contains(is_invisible));
    assert_eq!(UserName::parse(name.as_str().as_bytes(), rules).as_ref(), Ok(&name));
    let spelled = UserName::with_typed_spelling(typed, rules).unwrap();
    assert_eq!(UserName::parse(spelled.as_bytes(), rules), Ok(name));
}
