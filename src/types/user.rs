//! Whose login it is: one canonical name, however it was typed.

use super::passcode::decode;
use caseless::Caseless;
use std::collections::BTreeMap;
use unicode_normalization::UnicodeNormalization;

/// A user's canonical name: Unicode NFKC, case folded unless the site is case sensitive, its domain stripped or
/// mapped as the rules say. 1 to 253 octets of UTF-8 without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct UserName(String);

/// Why a name is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing there, or nothing left after its domain was stripped.
    #[error("user name is empty")]
    Empty,
    /// Over 253 octets, the longest RADIUS attribute value (RFC 2865, section 5).
    #[error("user name is longer than 253 octets")]
    Long,
    /// A control character in it.
    #[error("user name holds a control character")]
    Control,
}

/// Whether `Alice` and `alice` are two people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CaseRule {
    /// They are one.
    #[default]
    Fold,
    /// They are two.
    Keep,
}

/// What becomes of a domain that the map does not name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DomainRule {
    /// `DOMAIN\user` and `user@domain` become `user`.
    #[default]
    Strip,
    /// The name stays as it was typed.
    Keep,
}

/// How names are made canonical.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NameRules {
    /// Upper and lower case.
    pub case: CaseRule,
    /// Domains that `domains` does not name.
    pub domain: DomainRule,
    /// Domain as typed, case folded, to the domain of the canonical name: `user@value`, or `user` if it is empty.
    pub domains: BTreeMap<String, String>,
}

impl NameRules {
    /// The form of a domain under which `domains` has it.
    pub fn domain_key(domain: &str) -> String {
        fold(domain, CaseRule::Fold)
    }
}

impl UserName {
    /// The canonical form of `typed`, UTF-8 or else Latin-1.
    pub fn parse(typed: &[u8], rules: &NameRules) -> Result<Self, BadName> {
        if typed.len() > 253 {
            return Err(BadName::Long);
        }
        let text = fold(decode(typed).trim(), rules.case);
        let name = match split(&text) {
            None => text,
            Some((user, domain)) => match (rules.domains.get(&fold(domain, CaseRule::Fold)), rules.domain) {
                (Some(to), _) if to.is_empty() => user.to_owned(),
                // What a domain is mapped to is canonical already, whatever becomes of others.
                (None, _) if rules.domains.values().any(|to| fold(to, rules.case) == domain) => {
                    format!("{user}@{domain}")
                }
                (Some(to), _) => format!("{user}@{}", fold(to, rules.case)),
                (None, DomainRule::Strip) => user.to_owned(),
                (None, DomainRule::Keep) => text,
            },
        };
        let name = name.trim();
        match name {
            "" => Err(BadName::Empty),
            n if n.len() > 253 => Err(BadName::Long),
            n if n.chars().any(char::is_control) => Err(BadName::Control),
            n => Ok(Self(n.to_owned())),
        }
    }

    /// The domain of `DOMAIN\user` or `user@domain` as it was typed, in the form of [`NameRules::domain_key`]. None: it has none.
    pub fn domain(typed: &[u8]) -> Option<String> {
        let text = fold(decode(typed).trim(), CaseRule::Fold);
        split(&text).map(|(_, domain)| NameRules::domain_key(domain))
    }

    /// A name that is canonical already, as the store gives it back.
    pub fn from_canonical(name: impl Into<String>) -> Self {
        Self(name.into())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for UserName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// User and domain of `DOMAIN\user` or `user@domain`; the last `@` counts, as in RFC 7542.
fn split(name: &str) -> Option<(&str, &str)> {
    if let Some((domain, user)) = name.split_once('\\') {
        return Some((user, domain));
    }
    name.rsplit_once('@')
}

/// Unicode NFKC with full case folding, repeated until nothing changes: folding can undo normalisation.
pub(super) fn fold(name: &str, case: CaseRule) -> String {
    // Most names are ASCII, where this is all that the rules come to.
    if name.is_ascii() {
        return if case == CaseRule::Keep { name.to_owned() } else { name.to_ascii_lowercase() };
    }
    let mut text: String = name.nfkc().collect();
    if case == CaseRule::Keep {
        return text;
    }
    for _ in 0..3 {
        let next: String = text.chars().default_case_fold().nfkc().collect();
        if next == text {
            break;
        }
        text = next;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(typed: &str, rules: &NameRules) -> String {
        UserName::parse(typed.as_bytes(), rules).map(|n| n.to_string()).unwrap_or_else(|e| format!("{e:?}"))
    }

    #[test]
    fn spellings_of_one_person_are_one_name() {
        let rules = NameRules::default();
        for typed in
            ["alice", "Alice", "ALICE", "EXAMPLE\\alice", "Alice@Example.Test", " alice ", "\u{ff21}lice"]
        {
            assert_eq!(canonical(typed, &rules), "alice", "{typed:?}");
        }
        assert_eq!(canonical("STRASSE", &rules), canonical("stra\u{df}e", &rules));
        assert_eq!(UserName::parse(b"J\xfcrgen", &rules).unwrap().as_str(), "j\u{fc}rgen");
    }

    #[test]
    fn domains_are_kept_or_mapped_as_told() {
        let mut rules = NameRules { domain: DomainRule::Keep, ..NameRules::default() };
        assert_eq!(canonical("EXAMPLE\\Alice", &rules), "example\\alice");
        rules.domains.insert("example".into(), "example.test".into());
        rules.domains.insert("home.test".into(), String::new());
        assert_eq!(canonical("EXAMPLE\\Alice", &rules), "alice@example.test");
        assert_eq!(canonical("alice@HOME.test", &rules), "alice");
        assert_eq!(canonical("alice@other.test", &rules), "alice@other.test");
    }

    #[test]
    fn mapped_names_are_stable_where_other_domains_are_stripped() {
        let mut rules = NameRules::default();
        rules.domains.insert("example".into(), "Example.Test".into());
        for typed in ["EXAMPLE\\Alice", "alice@example.test", "example.test\\alice"] {
            assert_eq!(canonical(typed, &rules), "alice@example.test", "{typed:?}");
        }
        assert_eq!(canonical("alice@other.test", &rules), "alice");
    }

    #[test]
    fn domain_is_that_of_the_name_as_typed() {
        for typed in
            ["EXAMPLE.test\\alice", " alice@Example.Test ", "a@b@EXAMPLE.TEST", "alice\u{ff20}example.test"]
        {
            assert_eq!(UserName::domain(typed.as_bytes()).as_deref(), Some("example.test"), "{typed:?}");
        }
        assert_eq!(UserName::domain(b"alice"), None);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let rules = NameRules::default();
        for typed in ["", "   ", "EXAMPLE\\", "@example.test"] {
            assert_eq!(canonical(typed, &rules), "Empty", "{typed:?}");
        }
        assert_eq!(canonical("a\0b", &rules), "Control");
        assert_eq!(UserName::parse(&[b'a'; 254], &rules), Err(BadName::Long));
    }

    #[test]
    fn ascii_is_folded_as_the_tables_say() {
        for character in '\0'..='\u{7f}' {
            let text = character.to_string();
            let folded: String = text.nfkc().default_case_fold().nfkc().collect();
            assert_eq!(fold(&text, CaseRule::Fold), folded);
        }
    }

    proptest::proptest! {
        #[test]
        fn canonical_names_are_stable(octets: Vec<u8>) {
            let rules = NameRules { domain: DomainRule::Keep, ..NameRules::default() };
            if let Ok(name) = UserName::parse(&octets, &rules) {
                proptest::prop_assert_eq!(UserName::parse(name.as_str().as_bytes(), &rules), Ok(name));
            }
        }
    }
}
